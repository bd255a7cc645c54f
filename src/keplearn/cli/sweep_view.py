"""What a sweep shows: how far it is on one line, what became of it, the plan of what would be trained."""

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from keplearn.core.errors import KeplearnError
from keplearn.core.numbers import number_text
from keplearn.evaluation.metrics import METRICS, keys
from keplearn.evaluation.ranking import LEADING, lost_in, lost_text, measured_over

if TYPE_CHECKING:
    from keplearn.groups.standing import Standing
    from keplearn.groups.study import Study
    from keplearn.sweeps.limits import Outcome


class SweepProgress:
    """Shows how far a sweep is, on a terminal in one line, elsewhere in a line now and then."""

    def __init__(self, study: "Study", standing: "Standing", started: float):
        from rich.console import Console

        self.study, self.standing, self.started = study, standing, started
        self.console = Console(stderr=True)
        self.looked = self.printed = time.monotonic()
        self.status = self.console.status(f"{study.group}: starting workers")

    def __enter__(self) -> "SweepProgress":
        if self.console.is_terminal:
            self.status.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.status.stop()

    def look(self) -> None:
        """Read how far the runs are, at most every second, less often where reading takes long."""
        now = time.monotonic()
        if now < self.looked:
            return
        failed = set(self.standing.having("failed"))
        self.standing.read()
        self.looked = now + max(1.0, 20 * (time.monotonic() - now))
        for run_id in self.standing.having("failed"):
            record = self.standing.records[run_id]
            if run_id not in failed:
                text = f"{self.study.group}/{run_id} failed: {record['kind']}: {record['reason']}"
                self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        line = _progress_line(self.study, self.standing, self.started)
        if self.console.is_terminal:
            self.status.update(line)
        elif now - self.printed > 10.0:
            self.printed = now
            print(line, file=sys.stderr, flush=True)


def _progress_line(study: "Study", standing: "Standing", started: float) -> str:
    """Runs done and failed, their rate, time left, the best so far."""
    counts = standing.counts
    done = counts["finished"] + counts["failed"]
    parts = [f"{study.group}: {done}/{len(study.configs)} runs done, {counts['failed']} failed"]
    ended = standing.ended_since(started)
    if ended:
        parts.append(f"{60 * ended / (time.time() - started):.3g} runs/min")
    if (left := standing.time_left(started)) is not None:
        parts.append(f"{_duration(left)} left")
    if text := _best_text(study, standing):
        parts.append(text)
    return ", ".join(parts)


def _best_text(study: "Study", standing: "Standing", metric: str = LEADING) -> str:
    """Return which run is the best so far: its score, with the mean beside and what is lost; "" if none is scored."""
    best = standing.best(metric)
    if best is None:
        return ""
    run_id, scores = best
    beside = [f"mean {_number(scores, 'mean')}"] if metric != "mean" else []
    said = ", ".join(filter(None, (*beside, lost_text(scores, metric))))
    over = measured_over(scores.get("segments"))
    test = f"{over} of {study.first_test}" if over else study.first_test
    score = f"best {metric} {_number(scores, metric)}" + (f" ({said})" if said else "")
    return f"{score} on {test}: {study.group}/{run_id}"


def _number(scores: dict[str, Any], metric: str) -> str:
    value = scores.get(metric)
    return f"{number_text(value)} {METRICS[metric].unit}".rstrip() if value is not None else "none"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def print_plan(study: "Study", standing: "Standing", pending: list[str], as_json: bool) -> None:
    """Print every run with its state and what varies, or as JSON, a line each; and how many are to be trained."""
    from keplearn.cli.output import print_table
    from keplearn.groups.difference import cell, varying

    if as_json:
        wanted = set(pending)
        for run_id, config in study.configs.items():
            line = {"run_id": run_id, "state": standing.states[run_id], "pending": run_id in wanted}
            print(json.dumps(line | {"config": config.to_dict()}))
        return
    entries = varying(list(study.configs.values()))
    titles = ["run id", "state", *(key.partition(".")[2] for key in entries)]
    rows = [
        [run_id, standing.states[run_id], *(cell(values[i]) for values in entries.values())]
        for i, run_id in enumerate(study.configs)
    ]
    print_table(titles, rows)
    print(f"\n{study.group}: {len(study.configs)} runs, {len(pending)} to train")


def counts_of(standing: "Standing") -> str:
    """Return how many runs are in each state, in words."""
    words = {"missing": "not started"}
    return ", ".join(f"{n} {words.get(state, state)}" for state, n in sorted(standing.counts.items()) if n)


def facts_of(
    study: "Study", standing: "Standing", about: dict[str, Any] | None, metric: str = LEADING
) -> dict[str, Any]:
    """Return what ``--json`` prints of a sweep; ``about`` is what drives it now."""
    best = standing.best(metric)
    since = about["since"] if about else None
    return {
        "group": study.group,
        "runs": len(study.configs),
        "states": dict(standing.counts),
        "driver": about,
        "seconds_left": standing.time_left(since) if since else None,
        "best": best and _facts(*best, study.first_test),
        "failures": [
            {
                "run_id": run_id,
                **{key: standing.records[run_id].get(key) for key in ("kind", "reason", "exit_code")},
            }
            for run_id in standing.having("failed")
        ],
    }


def _facts(run_id: str, scores: dict[str, Any], test: str | None) -> dict[str, Any]:
    values = {key: scores.get(key) for key in keys("wide")}
    over = {"segments": scores["segments"]} if "segments" in scores else {}
    return {"run_id": run_id, **values, "lost": lost_in(scores), "test": test, **over}


def print_status(
    study: "Study", standing: "Standing", about: dict[str, Any] | None, metric: str = LEADING
) -> None:
    """Print how far a sweep is; ``about`` is what drives it now, ``metric`` what the best run is the best by."""
    print(f"{study.group}: {len(study.configs)} runs: {counts_of(standing)}")
    if about is None:
        waiting = len(standing.having("missing", "interrupted"))
        print(
            "no sweep is under way" + (f"; {waiting} runs are left: run its command again" if waiting else "")
        )
    else:
        if "jobs" in about:
            where = f"jobs {about['jobs']}: {about['tasks']}"
        else:
            where = f"process {about['pid']} on {about['host']}"
        print(f"under way: {about['engine']}, {where}")
        print(_progress_line(study, standing, about["since"]))
    if (about is None or metric != LEADING) and (text := _best_text(study, standing, metric)):
        print(text)
    for run_id in standing.having("running"):
        phases = len(standing.records[run_id]["phases"])
        print(f"  running {run_id}: phase {phases} of {len(study.configs[run_id].parameters.steps_strategy)}")
    for run_id in standing.damaged():
        print(f"  damaged: {standing.records[run_id]['reason']}")
    kinds: dict[str, list[str]] = {}
    for run_id in standing.having("failed"):
        kinds.setdefault(str(standing.records[run_id]["kind"]), []).append(run_id)
    for kind, failed in kinds.items():
        reason = standing.records[failed[0]]["reason"]
        print(f"  failed, {kind}: {len(failed)}, e.g. {failed[0]}: {reason}")


def last_line(study: "Study", standing: "Standing", skipped: int, started: float) -> str:
    """Return how many runs finished, failed, were skipped and are left."""
    counts = standing.counts
    return (
        f"sweep {study.group}: {counts['finished'] - skipped} finished, {counts['failed']} failed, {skipped} skipped "
        f"(finished before), {standing.left} left; {_duration(time.time() - started)}"
    )


def print_result(
    study: "Study", standing: "Standing", outcome: "Outcome", skipped: int, started: float, as_json: bool
) -> None:
    """Say what became of the sweep, and end with an exit code that says it too."""
    if as_json:
        facts = facts_of(study, standing, None) | {"skipped": skipped, "left": outcome.left}
        print(json.dumps(facts | {"seconds": round(time.time() - started, 1)}))
    else:
        if text := _best_text(study, standing):
            print(text)
        if standing.counts["failed"]:
            print(f"why runs failed: keplearn runs --group {study.group} --state failed")
        print(last_line(study, standing, skipped, started))
    if outcome.stopped:
        raise KeplearnError(outcome.stopped)
    if outcome.left:
        run_id, why = next(iter(outcome.left.items()))
        raise KeplearnError(f"{len(outcome.left)} runs were not trained; {run_id}: {why}")
    if standing.counts["failed"]:
        sys.exit(1)
