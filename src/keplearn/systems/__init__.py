"""The dynamical systems, a file each: the law, what it conserves, its symmetries, and its own motion where known."""

from keplearn.systems import two_body  # each file enters its system into SYSTEMS
from keplearn.systems.system import SYSTEMS, Invariant, System, system

__all__ = ["SYSTEMS", "Invariant", "System", "system", "two_body"]
