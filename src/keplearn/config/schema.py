"""The schema: the tables of a config, every key with its default, documentation and facts, and the id of a run."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keplearn.config import value_types as f
from keplearn.config.facts import MIRRORED, TESTED, Fact, added, facts_of
from keplearn.config.parameters import Parameters, listed
from keplearn.core.errors import KeplearnError


class RunConfig(BaseModel):
    """All that decides one run: where it is filed, its data, its parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    group: Annotated[f.Group, Fact(derived="the file's stem")] = Field(
        description="the study that the run belongs to; names its directory"
    )
    project: f.Project | None = Field(
        None, description="Weights & Biases project, in which runs are mirrored; null: they are not"
    )
    entity: Annotated[f.Entity | None, Fact(effect=MIRRORED)] = Field(
        None, description="Weights & Biases user or team; null: the account's default"
    )
    mode: Annotated[f.Mode | None, Fact(effect=MIRRORED)] = Field(
        None,
        description="Weights & Biases mode: online | offline | disabled; null: WANDB_MODE of the environment, "
        "else online",
    )
    dataset_name: Annotated[f.Dataset, Fact(label="training dataset")] = Field(
        description="the training data: a dataset's name, or a .nc file"
    )
    problem: Annotated[f.Problem, Fact(derived="the dataset's")] = Field(
        description="TBP (or 2BP); must agree with the dataset"
    )
    test: Annotated[
        tuple[f.Dataset, ...],
        Fact(
            label="test dataset", derived="complex_TBP[_planar]_{1,10,100}_test for two-body data, else none"
        ),
    ] = Field(description="datasets scored when training ends (one list, not an axis)")
    score_segments: Annotated[
        f.SegmentLength | None, Fact(unit="samples", since="2026-11-26", effect=TESTED)
    ] = Field(
        None,
        description="score from every so many samples of a test orbit over as many, and of those of validation; "
        "null: from the first, all of it, and none",
    )
    validation: Annotated[f.Dataset | None, Fact(label="validation dataset", since="2026-11-26")] = Field(
        None,
        description="a dataset to validate on, so that all training orbits train; null: what train_val_split leaves",
    )
    from_run: Annotated[f.RunName | None, Fact(since="2026-11-22")] = Field(
        None, description="a finished run (group/id) whose model this one goes on from"
    )
    figures: tuple[str, ...] | None = Field(
        None,
        description="figures that are drawn into a run's directory once it has finished, such as [loss, orbit]; null: "
        "loss by train, none in sweeps",
    )
    parameters: Parameters

    @cached_property
    def run_id(self) -> str:
        """The run's id: 16 hex digits of the SHA-256 over group, data and parameters.

        A key that came after the first runs (`Fact.since`) is left out of this hash while it has its default, or
        else every run that was finished before it came would get a new id.
        """
        what = {
            "group": self.group,
            "data": self.model_dump(include=set(TABLES["data"]) - added(self)),
            "parameters": self.parameters.model_dump(exclude=added(self.parameters)),
        }
        canonical = json.dumps(what, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def values(self) -> Iterator[object]:
        """Yield all single values of the config."""
        waiting: list[object] = [value for _, value in (*self, *self.parameters)]
        while waiting:
            value = waiting.pop()
            if isinstance(value, tuple):
                waiting += value
            else:
                yield value

    def to_dict(self) -> dict[str, Any]:
        """Return the config as the tables of a config file of this one run, ready for JSON or YAML."""
        record: dict[str, Any] = {
            table: {key: listed(getattr(self, key)) for key in TABLES[table]} for table in ("wandb", "data")
        }
        values = {key: listed(value) for key, value in self.parameters}
        # In the file form the outermost list is the list of values: here there is one.
        record["parameters"] = {
            k: [v] if k in PHASED and isinstance(v, list) else v for k, v in values.items()
        }
        return record | {key: listed(getattr(self, key)) for key in BESIDE}

    @classmethod
    def from_dict(cls, record: Mapping[str, object]) -> "RunConfig":
        """Return the config that :meth:`to_dict` wrote; datasets are not looked up.

        Raises
        ------
        KeplearnError
            If it is not such a record.
        """
        tables = {}
        for table in TABLES:
            tables[table] = record.get(table, {})
            if not isinstance(tables[table], Mapping):
                raise KeplearnError(f"not a run's config: {table} is not a table")
        if extra := set(record) - {*TABLES, *BESIDE}:
            raise KeplearnError(f"not a run's config: unknown table {sorted(map(str, extra))[0]!r}")
        parameters = {
            key: _tuples(value[0]) if key in PHASED and isinstance(value, list | tuple) and value else value
            for key, value in tables["parameters"].items()
        }
        beside = {key: record[key] for key in BESIDE if key in record}
        head = {key: _tuples(value) for key, value in {**tables["wandb"], **tables["data"], **beside}.items()}
        try:
            return cls.model_validate({**head, "parameters": Parameters.model_validate(parameters)})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise KeplearnError(f"not a run's config: {where}: {first['msg']}") from error
        except TypeError as error:
            raise KeplearnError(f"not a run's config: {error}") from error


#: The keys of each table of a config file.
TABLES: dict[str, tuple[str, ...]] = {
    "wandb": ("group", "project", "entity", "mode"),
    "data": ("dataset_name", "problem", "test", "score_segments", "validation", "from_run"),
    "parameters": tuple(Parameters.model_fields),
}

#: The keys that stand beside the tables; no run is another for them.
BESIDE = ("figures",)

#: What is known of each key.
FACTS: dict[str, Fact] = {**facts_of(RunConfig), **facts_of(Parameters)}

#: The entries that may vary over the phases of a run: tuples with one entry per phase.
PHASED = tuple(key for key, fact in FACTS.items() if fact.phased or fact.by_phase)


def _tuples(value: object) -> object:
    """Return lists as tuples, as the schema has them."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
