"""Little effort in compiling: for programs that run a few times, where no fact hangs on the last bit.

XLA then takes a third of its time. Numbers differ in rounding alone from those of what a user compiles.
"""

OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
# The same for all that a process compiles, in its environment.
LITTLE_EFFORT = {"XLA_FLAGS": " ".join(f"--{name}={value}".lower() for name, value in OPTIONS.items())}
