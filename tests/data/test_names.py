"""The grammar of names: what parses is given back, what does not is explained."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keplearn.core.errors import KeplearnError
from keplearn.data.elements_text import parse_orbit
from keplearn.data.names import (
    SPLITS,
    ChosenOrbit,
    DatasetName,
    Draw,
    canonical_name,
    is_name,
    nearest_name,
    parse_name,
)
from keplearn.orbits.families import FAMILIES, MODIFIERS

observing = st.fixed_dictionaries(
    {},
    optional={
        "irregular": st.just("irregular"),
        "missing": st.integers(1, 99).map("missing{}".format),
        "noise": st.tuples(st.integers(1, 9), st.sampled_from(["", ".5", ".25"]), st.integers(1, 12)).map(
            lambda x: f"noise{x[0]}{x[1]}e-{x[2]}"
        ),
        "revs": st.integers(2, 999).map("revs{}".format),
    },
).map(lambda words: tuple(words[kind] for kind in sorted(words)))


@st.composite
def parts(draw):
    """The fields of a Draw (built in the test: run-time type checks draw random numbers)."""
    planar = draw(st.booleans())
    allowed = MODIFIERS if planar else tuple(m for m in MODIFIERS if m != "rotated")
    return {
        "family": draw(st.sampled_from(list(FAMILIES))),
        "problem": "TBP",
        "planar": planar,
        "modifiers": tuple(sorted([*draw(st.sets(st.sampled_from(allowed))), *draw(observing)])),
        "n": draw(st.integers(1, 999_999_999)),
        "split": draw(st.sampled_from(["", *SPLITS])),
        "draw": draw(st.sampled_from([0, 0, 1, 3, 999_999_999])),
    }


def its_orbits(fields):
    """What decides which orbits they are, but for how many."""
    drawn = [m for m in fields["modifiers"] if m in MODIFIERS]
    return (fields["family"], fields["planar"], fields["split"], fields["draw"], *drawn)


numbers = st.floats(1e-3, 1e3, allow_subnormal=False)


@st.composite
def orbits(draw):
    """The text of a chosen orbit, keys in any order and with spaces."""
    a, e = draw(st.floats(7000.0, 1e9)), draw(st.floats(0.0, 0.08))
    angles = draw(st.dictionaries(st.sampled_from(["raan", "argp", "nu0"]), numbers))
    pieces = [
        f"a={a}",
        f"e = {e}",
        *(f"{k}={x}{draw(st.sampled_from(['', 'deg']))}" for k, x in angles.items()),
    ]
    return ", ".join(draw(st.permutations(pieces)))


almost_names = st.lists(
    st.sampled_from(
        [
            "complex",
            "simple",
            "circular",
            "TBP",
            "2BP",
            "planar",
            "fixnu0",
            "rotated",
            "irregular",
            "missing30",
            "missing0",
            "noise1e-4",
            "noise",
            "noise.5e3",
            "revs3",
            "revs1",
            "10",
            "0",
            "10@3",
            "10@0",
            "10@",
            "@2",
            "train",
            "",
            "x",
        ]
    ),
    max_size=8,
).map("_".join)


@given(parts())
def test_every_name_is_given_back(fields):
    name = DatasetName((Draw(**fields),))
    assert parse_name(str(name)) == name
    assert is_name(str(name))


@given(orbits(), observing, st.lists(parts(), max_size=2, unique_by=its_orbits))
def test_an_orbit_and_sums_have_one_name_that_means_the_same_orbits(text, words, draws):
    written = [str(Draw(**fields)) for fields in draws]
    orbit = "_".join([f"orbit({text})", *words])
    found = parse_name(" + ".join([*written, orbit])) if written else parse_name(orbit)
    assert parse_name(str(found)) == found
    assert " " not in str(found)
    assert found.n == sum(fields["n"] for fields in draws) + 1
    chosen = found.terms[-1]
    assert isinstance(chosen, ChosenOrbit)
    assert chosen.modifiers == words
    assert chosen.elements == {
        k: x for k, x in parse_orbit(text).items() if x != 0 or k in ("a", "e", "planar")
    }


@given(st.one_of(st.text(), almost_names))
def test_any_text_is_a_name_or_an_error_that_shows_the_grammar(text):
    try:
        name = parse_name(text)
    except KeplearnError as error:
        assert not is_name(text)
        assert "{family}_{problem}" in str(error)
    else:
        assert str(name) == text.replace("@0", "")
        assert is_name(text)


@given(parts())
def test_draw_0_is_the_name_without_it(fields):
    name = DatasetName((Draw(**fields | {"draw": 0}),))
    written = str(name)
    with_zero = re.sub(r"_(\d+)(?=_|$)", r"_\1@0", written)
    assert with_zero != written
    assert parse_name(with_zero) == name
    assert canonical_name(with_zero) == written


@given(st.one_of(st.text(), almost_names))
def test_what_is_suggested_is_a_name(text):
    suggestion = nearest_name(text)
    assert suggestion is None or is_name(str(suggestion))


@pytest.mark.parametrize(
    "text",
    [
        "complex_TBP_planar_10_train",
        "complex_TBP_planar_100_test",
        "simple_TBP_planar_5_train",
        "complex_TBP_planar_fixnu0_4",
        "complex_TBP_100_test",
        "complex_TBP_planar_16",
        "circular_TBP_planar_fixnu0_rotated_3_val",
        "complex_TBP_planar_10@3_train",
        "simple_TBP_7@12",
        "complex_TBP_planar_noise1e-4_10_train",
        "complex_TBP_planar_fixnu0_irregular_missing30_noise2.5e-3_revs3_rotated_10@2_train",
        "orbit(a=20000,e=0.4)_missing30_noise1e-4",
        "complex_TBP_planar_noise1e-4_10_train+orbit(a=20000,e=0.4)_revs3",
    ],
)
def test_documented_names_parse(text):
    assert str(parse_name(text)) == text


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("complx_TBP_planr_10_trian", "complex_TBP_planar_10_train"),
        ("complex_2BP_planar_10_train", "complex_TBP_planar_10_train"),
        ("complex_TBP_planar_010_train", "complex_TBP_planar_10_train"),
        ("complex_TBP_planar_0", "complex_TBP_planar_10"),
        ("complex_TBP_rotated_10", "complex_TBP_planar_rotated_10"),
        ("complex_TBP_planar_rotated_fixnu0_10", "complex_TBP_planar_fixnu0_rotated_10"),
        ("complex_TBP_planar_fixnu0_fixnu0_10", "complex_TBP_planar_fixnu0_10"),
        ("Complex-TBP-10-Test", "complex_TBP_10_test"),
        ("complex_TBP_planar_train_10", "complex_TBP_planar_10_train"),
        ("complex_TBP_planar_10_train@3", "complex_TBP_planar_10@3_train"),
        ("complex_TBP_planar@3_10_train", "complex_TBP_planar_10@3_train"),
        ("complex_TBP_planar_10@03_train", "complex_TBP_planar_10@3_train"),
        ("complx_TBP_planar_10@3_train", "complex_TBP_planar_10@3_train"),
        ("complex_TBP_planar_10@_train", "complex_TBP_planar_10_train"),
        ("complex_TBP_planar_10@-1_train", "complex_TBP_planar_10_train"),
        ("complex_TBP_planar_10@x_train", "complex_TBP_planar_10_train"),
        ("complex_TBP_planar_10_noise1e-4_train", "complex_TBP_planar_noise1e-4_10_train"),
        ("complex_TBP_planar_noise0.001_10_train", "complex_TBP_planar_noise1e-3_10_train"),
        ("complex_TBP_planar_noise2.50e-04_10_train", "complex_TBP_planar_noise2.5e-4_10_train"),
        ("complex_TBP_planar_noise_1e-4_10_train", "complex_TBP_planar_noise1e-4_10_train"),
        ("complex_TBP_planar_noise5_10_train", "complex_TBP_planar_noise1e-4_10_train"),
        ("complex_TBP_planar_missing030_10", "complex_TBP_planar_missing30_10"),
        ("complex_TBP_planar_noise1e-4_missing30_10", "complex_TBP_planar_missing30_noise1e-4_10"),
        ("complex_TBP_planar_irregullar_revs2.0_10", "complex_TBP_planar_irregular_revs2_10"),
    ],
)
def test_a_slip_is_answered_with_the_nearest_name(text, suggestion):
    with pytest.raises(KeplearnError, match=f"Did you mean '{suggestion}'"):
        parse_name(text)


@pytest.mark.parametrize(
    "text", ["complex_TBP_10\n", " complex_TBP_10", "complex_TBP_１０", "complex_TBP_10.nc"]
)
def test_near_misses_are_no_names(text):
    assert not is_name(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("orbit(a=20000)", "lacks e"),
        ("orbit()", "not of the form key=value"),
        ("orbit(a=20000,e=0.4,nu=1)", "'nu' is not one of .* Did you mean 'nu0'"),
        ("complex_TBP_planar_10_train+complex_TBP_planar_4_train", "share orbits: name the larger one alone"),
        ("orbit(a=2e4,e=.4)+orbit(e=0.4,a=20000)", "share orbits"),
        ("complex_TBP_10_train+complex_TBP_missing30_noise1e-4_5_train", "share orbits"),
        ("orbit(a=2e4,e=.4)+orbit(a=2e4,e=.4)_revs3", "share orbits"),
        ("orbit(a=20000,e=0.4)_rotated", "is not the name of a dataset"),
        ("complex_TBP_planar_10_train+circlar_TBP_4", "Did you mean 'circular_TBP_4'"),
        ("complex_TBP_planar_10_train+", "'' is not the name of a dataset"),
    ],
)
def test_what_is_no_orbit_and_no_sum_is_refused(text, why):
    with pytest.raises(KeplearnError, match=why):
        parse_name(text)
