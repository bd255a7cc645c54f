"""The Earth in numbers: everything here that has a unit is in km and s."""

MU_EARTH = 398600.4418
"""Gravitational parameter of the Earth, km³/s² (WGS 84)."""

EARTH_RADIUS = 6378.137
"""Equatorial radius of the Earth, km (WGS 84)."""

EARTH_ROTATION = 7.292115e-5
"""Rate of the Earth's rotation, rad/s (WGS 84)."""

GEO_RADIUS = 42164.0
"""Radius of the geostationary orbit, km."""
