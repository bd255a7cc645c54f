"""Ground stations by their places, as text: ``52.2 21, -31.8 116`` is two, each latitude and longitude in degrees."""

from keplearn.core.errors import KeplearnError


def places_of(text: str) -> tuple[tuple[float, float], ...]:
    """Return latitude and longitude of each station of a text, degrees.

    Raises
    ------
    KeplearnError
        If it is no such text.
    """
    places = []
    for part in text.split(","):
        try:
            latitude, longitude = map(float, part.split())
        except ValueError:
            latitude = longitude = float("nan")
        if not (-90 <= latitude <= 90 and -360 <= longitude <= 360):
            raise KeplearnError(
                f"{part.strip()!r} is no place of a station: write latitude and longitude in degrees, a comma between "
                "stations, such as 52.2 21, -31.8 116."
            )
        places.append((latitude, longitude))
    return tuple(places)
