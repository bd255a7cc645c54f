"""The types of config values: numbers, names and strategies, each with its bounds and its error message."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from keplearn.config.names import full_name, known_names
from keplearn.core.errors import KeplearnError, nearest
from keplearn.orbits.stations import places_of


class Conflict(ValueError):
    """Entries that are valid one by one and not together; ``key`` is the entry to point at."""

    def __init__(self, key: str, message: str):
        super().__init__(message)
        self.key = key


class UnknownName(ValueError):
    """A name that does not exist; the message gives the nearest one, or all of them."""

    def __init__(self, word: str, known: Iterable[str]):
        known = list(known)
        super().__init__(
            f"{word!r} does not exist.{nearest(word, known) or ' Known: ' + ', '.join(known) + '.'}"
        )


def _one_of(*names: str) -> AfterValidator:
    def validate(word: str) -> str:
        if word not in names:
            raise UnknownName(word, names)
        return word

    return AfterValidator(validate)


def _named(key: str) -> AfterValidator:
    """Check a name that stands in one of keplearn's tables, and write it in full."""

    def validate(word: str) -> str:
        name = full_name(key, word)
        if name is None:
            raise UnknownName(word, known_names()[key])
        return name

    return AfterValidator(validate)


def _integral(value: object) -> object:
    """Let 64.0 be the integer 64: in a config file, 1 and 1.0 are the same."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain_zero(value: float) -> float:
    """Turn -0.0 into 0.0, so that the two hash alike."""
    return value + 0.0


_WINDOW = "must be a window [start, end] with 0 <= start < end <= 1"


def _pair(value: object) -> object:
    """Refuse what is no window at all, in words that say more than "not a tuple"."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise ValueError(_WINDOW)
    return value


def _window(window: tuple[float, float]) -> tuple[float, float]:
    start, end = window
    if not 0 <= start < end <= 1:
        raise ValueError(_WINDOW)
    return window


def _stations(text: str) -> str:
    """Write places in the one way that counts, since they enter the run's id."""
    try:
        return ", ".join(f"{latitude:g} {longitude:g}" for latitude, longitude in places_of(text))
    except KeplearnError as error:
        raise ValueError(str(error)) from None


def _all_or_positive(value: int) -> int:
    if value != -1 and value < 1:
        raise ValueError("must be at least 1 (or -1 for all)")
    return value


def _length_unit(value: object) -> str | float:
    if isinstance(value, str) and value in ("max_radius", "earth_radius"):
        return value
    # Within these, states in units of it and their powers are numbers in single precision.
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e-6 <= value <= 1e15:
        return float(value)
    raise ValueError("must be max_radius, earth_radius, or a number of km from 1e-6 to 1e15")


def _none_word(value: object) -> object:
    """Let the words none and None mean null: YAML reads both as text."""
    return None if value in ("none", "None") else value


def plain_name(text: str) -> str:
    """Groups and run ids name directories, so they must be able to, and must not lead out of one."""
    if not text.isprintable() or "/" in text or "\\" in text or text.strip() != text or text[:1] in ("", "."):
        raise ValueError(
            "must be able to name a directory (printable, no slashes, no space at the ends, no dot in front)"
        )
    if len(text.encode()) > 200:
        raise ValueError("must be able to name a directory (at most 200 bytes)")
    return text


def _account_name(text: str) -> str:
    """Check that a text can name a project or an account of Weights & Biases."""
    if (
        not text.strip()
        or not text.isprintable()
        or len(text) > 128
        or any(sign in text for sign in "/\\#?%:")
    ):
        raise ValueError("must be able to name it (at most 128 letters, none of / \\ # ? % :)")
    return text


def _one_name(dataset: str) -> str:
    """Write a dataset's name in the one way that counts, since it enters the run's id."""
    if not any(sign in dataset for sign in "@+("):
        return dataset
    from keplearn.data.names import canonical_name  # brings NumPy, which most configs need not wait for

    return canonical_name(dataset)


def _run_name(text: str) -> str:
    """Check that a text can name a run by group/id, or by an id alone, and nothing else."""
    parts = text.split("/")
    if len(parts) > 2:
        raise ValueError("must name a finished run as group/id")
    for part in parts:
        plain_name(part)
    return text


def _problem(text: str) -> str:
    """Accept the older name of the two-body problem."""
    return "TBP" if text == "2BP" else text


Float = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_plain_zero)]
Positive = Annotated[Float, Field(gt=0)]
NonNegative = Annotated[Float, Field(ge=0)]
Fraction = Annotated[Float, Field(gt=0, le=1)]
Integer = Annotated[int, BeforeValidator(_integral)]
Count = Annotated[Integer, Field(ge=1, le=10**9)]
CountOrNone = Annotated[Integer, Field(ge=0, le=10**9)]
Size = Annotated[Integer, Field(ge=1, le=10**5)]
AllOrCount = Annotated[Integer, Field(le=10**9), AfterValidator(_all_or_positive)]
Seed = Annotated[Integer, Field(ge=0, lt=2**32)]
Degree = Annotated[Integer, Field(ge=1, le=16)]
# One value, or one a phase (`keplearn.config.facts.Fact.by_phase`).
_BY_PHASE = Discriminator(lambda value: "phases" if isinstance(value, tuple) else "one")
BatchSize = Annotated[
    Annotated[AllOrCount, Tag("one")] | Annotated[tuple[AllOrCount, ...], Tag("phases")], _BY_PHASE
]
Stride = Annotated[
    Annotated[Count | None, Tag("one")] | Annotated[tuple[Count | None, ...], Tag("phases")], _BY_PHASE
]
SegmentLength = Annotated[Integer, Field(ge=2, le=10**6)]
Window = Annotated[tuple[Float, Float], BeforeValidator(_pair), AfterValidator(_window)]
LengthUnit = Annotated[str | float, BeforeValidator(_length_unit)]

Group = Annotated[str, AfterValidator(plain_name)]
Dataset = Annotated[str, AfterValidator(_one_name)]
RunName = Annotated[str, AfterValidator(_run_name)]
Problem = Annotated[str, AfterValidator(_problem)]
Project = Annotated[str, AfterValidator(_account_name)]
Entity = Annotated[str, AfterValidator(_account_name)]
Mode = Annotated[str, _one_of("online", "offline", "disabled")]
ModelKind = Annotated[str, _named("model")]
Encoder = Annotated[str, _named("encoder")]
LatentDynamics = Annotated[str, _one_of("second_order", "known+learned", "free")]
Decoder = Annotated[str, _one_of("mlp", "linear")]
Likelihood = Annotated[str, _one_of("constant", "relative")]
FittedTo = Annotated[str, _one_of("observed", "all")]
Observe = Annotated[str, _one_of("position", "state", "range_angles", "angles")]
Stations = Annotated[str, AfterValidator(_stations)]
FeatureLayer = Annotated[str, _named("feature_layer")]
OutputLayer = Annotated[str, _named("output_layer")]
Activation = Annotated[str, _named("activation")]
OptionalActivation = Annotated[Activation | None, BeforeValidator(_none_word)]
Init = Annotated[str, _named("init")]
Loss = Annotated[str, _named("loss_fcn")]
Objective = Annotated[str, _named("objective")]
Optimizer = Annotated[str, _named("optimizer")]
Schedule = Annotated[str, _named("schedule")]
Integrator = Annotated[str, _one_of("grid", "adaptive")]
SplitOrder = Annotated[str, _one_of("orbits", "segments")]
BestBy = Annotated[str, _one_of("loss", "field")]
Augment = Annotated[str, _one_of("none", "rotation")]
Dtype = Annotated[str, _one_of("float32", "float64")]
