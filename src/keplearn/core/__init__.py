"""What every room stands on: errors, files, locks, signals, the machine, compiled programs. Nothing of orbits."""
