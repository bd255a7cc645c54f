"""``keplearn sweep --detach``: the same command in a session of its own, which goes on when the terminal is closed."""

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keplearn.groups.study import Study

# Set in a process that --detach has started.
DETACHED = "KEPLEARN_DETACHED"


def detach_sweep(study: "Study") -> None:
    """Start the same command in a session of its own, with its lines in a file, and see that it has begun."""
    from keplearn.core.files import not_written
    from keplearn.sweeps.driver import driver

    log = study.path / "sweep.log"
    try:
        study.path.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            begin = output.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", "keplearn", *sys.argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {DETACHED: "1"},
            )
    except OSError as error:
        raise not_written(log, error) from error
    while (driver(study) or {}).get("pid") != process.pid:
        if process.poll() is not None:  # refused, or there was nothing to do
            said = log.read_bytes()[begin:].decode(errors="replace").strip()
            print(said, file=sys.stderr if process.returncode else sys.stdout)
            sys.exit(process.returncode)
        time.sleep(0.1)
    print(f"sweep {study.group} goes on as process {process.pid}; what it says is in {log}")
    print(f"how far it is: keplearn sweep status {study.group}; to end it: keplearn sweep stop {study.group}")
