"""``keplearn data`` says what it did, and refuses what it cannot do with exit code 2 and one message."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from keplearn.cli import main
from keplearn.data.dataset import load_dataset


@pytest.fixture
def keplearn(monkeypatch, capsys, tmp_path):
    """Run a command in an empty directory; returns its exit code, output and error output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["keplearn", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return run


def test_show_tells_what_is_in_a_dataset(keplearn):
    code, out, _ = keplearn("data", "show", "complex_TBP_planar_10_train")
    assert code == 0
    assert "periapsis argument          undefined" in out
    assert "TBP, planar" in out


def test_show_gives_json(keplearn):
    code, out, _ = keplearn("data", "show", "circular_TBP_3", "--format", "json")
    content = json.loads(out)
    assert code == 0
    assert content["orbits"] == 3
    assert content["elements"]["periapsis_argument"] is None


def test_a_wrong_name_is_answered_with_the_nearest(keplearn):
    code, _, err = keplearn("data", "show", "complx_TBP_10")
    assert code == 2
    assert "Did you mean 'complex_TBP_10'?" in err


def test_make_writes_files_that_load(keplearn, tmp_path):
    code, out, _ = keplearn("data", "make", "simple_TBP_2", "complex_TBP_planar_3", "--out", "made")
    assert code == 0
    assert "wrote made/simple_TBP_2.nc: simple_TBP_2, 2 orbits" in out
    assert len(load_dataset(str(tmp_path / "made" / "complex_TBP_planar_3.nc"))) == 3


def test_make_overwrites_datasets_and_nothing_else(keplearn, tmp_path):
    assert keplearn("data", "make", "simple_TBP_2")[0] == 0
    assert keplearn("data", "make", "simple_TBP_2")[0] == 0
    (tmp_path / "thesis.nc").write_text("years of work")
    code, _, err = keplearn("data", "make", "simple_TBP_2", "--out", "thesis.nc")
    assert code == 2
    assert "no dataset of keplearn; it is not overwritten" in err
    assert (tmp_path / "thesis.nc").read_text() == "years of work"


def test_make_checks_every_name_first(keplearn, tmp_path):
    assert keplearn("data", "make", "simple_TBP_2", "simple_TBP_0")[0] == 2
    assert keplearn("data", "make", "simple_TBP_2", "simple_TBP_3", "--out", "one.nc")[0] == 2
    assert keplearn("data", "make", "simple_TBP_2", "--out", "simple_TBP_3.nc")[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_show_tells_what_is_observed(keplearn):
    code, out, _ = keplearn("data", "show", "simple_TBP_missing30_noise1e-3_2")
    assert code == 0
    assert "252 an orbit, 216 missing" in out
    assert "% of the radius" in out
    assert "acceleration in training from  differences" in out
    assert "observed" not in keplearn("data", "show", "simple_TBP_2")[1]


def test_observe_writes_truth_and_observations(keplearn):
    keplearn("data", "make", "simple_TBP_2", "--out", "simple_TBP_2.nc")
    command = ("data", "observe", "simple_TBP_2.nc", "--position-noise", "0.1", "--missing", "50", "--out")
    code, out, _ = keplearn(*command, "seen.nc")
    assert (code, out) == (0, "wrote seen.nc: seen, 2 orbits, 0.1 MB\n")
    made, truth = load_dataset("seen.nc"), load_dataset("simple_TBP_2")
    np.testing.assert_array_equal(made.states, truth.states)
    assert made.is_observed.sum() == 360
    code, _, err = keplearn(*command, "simple_TBP_2.nc")
    assert code == 2 and "simple_TBP_2 is the name of a dataset that keplearn makes" in err


def test_import_writes_a_dataset(keplearn, tmp_path):
    truth = load_dataset("complex_TBP_2")
    np.savez(tmp_path / "flight.npz", t=truth.times, states=truth.states * 1000)
    code, out, _ = keplearn("data", "import", "flight.npz", "--length-unit", "m")
    assert code == 0
    assert "wrote flight.nc: flight, 2 orbits" in out
    assert "check --length-unit" not in out
    np.testing.assert_allclose(load_dataset("flight.nc").states, truth.states, rtol=1e-14)


def test_import_doubts_units_that_contradict_gravity(keplearn, tmp_path):
    truth = load_dataset("complex_TBP_2")
    np.savez(tmp_path / "flight.npz", t=truth.times, states=truth.states)
    _, out, _ = keplearn("data", "import", "flight.npz", "--length-unit", "m")
    assert "check --length-unit, --time-unit and --mu" in out


CASES = Path(__file__).parents[1] / "cases" / "imports"


def test_a_gap_is_told_at_import_and_in_show(keplearn):
    code, out, _ = keplearn("data", "import", str(CASES / "gap.csv"))
    assert code == 0
    assert "warning: cut at gaps in time, 1: orbit 0 after 1440 s, 5.001 days" in out
    _, out, _ = keplearn("data", "show", "gap.nc")
    assert "spacing                     60 s (equal within each orbit)" in out
    assert "gaps                        1: orbit 0 after 1440 s, 5.001 days" in out
    _, out, _ = keplearn("data", "show", "gap.nc", "--format", "json")
    sampling = json.loads(out)["sampling"]
    assert sampling["gaps"] == "1: orbit 0 after 1440 s, 5.001 days"
    assert (sampling["spacing_s"], sampling["equal_spacing"]) == ([60.0, 60.0], True)


def test_a_run_keeps_what_is_to_be_known_of_its_data(keplearn):
    from keplearn import run_config
    from keplearn.experiment.plan import prepare

    keplearn("data", "import", str(CASES / "gap.csv"))
    options = {"segment_length_strategy": [10], "width": 4, "planar_constraint": False, "test": []}
    plan = prepare(run_config("gap.nc", **options))
    assert plan.facts["data_notes"] == ["cut at gaps in time, 1: orbit 0 after 1440 s, 5.001 days"]
    assert plan.facts["num_train_orbits"] == 2
    assert len(plan.splits[0].train) == 4
    assert prepare(run_config("complex_TBP_1_test", **options)).facts["data_notes"] == []


def test_show_tells_uneven_sampling(keplearn):
    _, out, _ = keplearn("data", "show", "complex_TBP_1_test")
    assert "(equal within each orbit)" in out
    truth = load_dataset("complex_TBP_1_test")
    keep = np.r_[0:100, 104:360:2]
    np.savez("uneven.npz", t=truth.times[0, keep], states=truth.states[0, keep])
    keplearn("data", "import", "uneven.npz")
    _, out, _ = keplearn("data", "show", "uneven.nc")
    assert "(uneven, median" in out
    assert "gaps" not in out


def test_the_factor_between_units_is_told(keplearn):
    code, out, _ = keplearn("data", "import", str(CASES / "julian_days_km_s.csv"))
    assert code == 0
    assert "file units: km, day, km/s (its positions change 86400 times as fast" in out
    assert keplearn("data", "import", str(CASES / "km_m_s.csv"), "--velocity-unit", "m/s")[0] == 0
    code, _, err = keplearn("data", "import", str(CASES / "km_m_s.csv"), "--velocity-unit", "km/s")
    assert code == 2
    assert "--velocity-unit m/s" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "show", "d" * 300),
        ("data", "show", "d" * 300 + ".nc"),
        ("data", "show", "d/" * 3000 + ".nc"),
        ("data", "import", "d" * 300 + ".csv"),
        ("data", "import", "d" * 300 + ".nc"),
        ("data", "import", str(CASES / "gap.csv"), "--name", "d" * 3000),
        ("data", "import", str(CASES / "gap.csv"), "--name", "d" * 3000, "--out", "x/" * 3000 + "d.nc"),
        ("data", "import", str(CASES / "gap.csv"), "--name", "\udcff"),
        ("data", "import", str(CASES / "gap.csv"), "--name", "../../esc"),
        ("data", "satellites", "d" * 300),
        ("plot", "orbits", "d" * 300 + ".nc"),
        ("plot", "orbits", "d" * 300),
        ("config", "show", "d" * 300),
        ("evaluate", "d" * 300, "--on", "d" * 300),
        ("config", "diff", "d" * 300, "d" * 300),
        ("config", "diff", "d" * 300 + ".yaml", "d" * 300 + ".yaml"),
    ],
)
def test_names_that_can_be_no_file_end_in_one_message(keplearn, tmp_path, arguments):
    code, _, err = keplearn(*arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert not list(tmp_path.glob("*.nc"))
    assert not (tmp_path.parent.parent / "esc.nc").exists()


def test_escape_codes_in_a_foreign_name_are_written_out(keplearn):
    name = "\x1b[31mred"
    code, out, _ = keplearn("data", "import", str(CASES / "gap.csv"), "--name", name, "--out", "red.nc")
    assert code == 0
    assert load_dataset("red.nc").name == name
    _, shown, _ = keplearn("data", "show", "red.nc")
    _, _, error = keplearn("data", "show", name)
    for text in (out, shown, error):
        assert "\x1b" not in text
        assert "\\x1b[31mred" in text


def test_a_wrong_mu_is_answered_with_the_one_that_fits(keplearn):
    _, out, _ = keplearn("data", "import", str(CASES / "horizons.csv"))
    assert "The accelerations fit mu = 4902.8 km³/s², the Moon." in out
    _, out, _ = keplearn("data", "import", str(CASES / "horizons.csv"), "--body", "Moon")
    assert "That is far" not in out


def test_import_refuses_a_grammar_name_for_the_file(keplearn, tmp_path):
    truth = load_dataset("complex_TBP_2")
    np.savez(tmp_path / "flight.npz", t=truth.times, states=truth.states)
    code, _, err = keplearn("data", "import", "flight.npz", "--out", "complex_TBP_2.nc")
    assert code == 2
    assert "is the name of another dataset" in err


def test_satellites_are_written_and_what_was_left_out_is_counted(keplearn):
    code, out, _ = keplearn("data", "satellites")
    assert code == 0
    assert "wrote satellites.nc: satellites, 20 orbits" in out
    assert "left out: 13" in out
    assert "2  beyond GEO" in out
    assert len(load_dataset("satellites.nc")) == 20
