"""Reading files: what a user may write, and one clear message with the line for what is wrong."""

import pytest
from config_helpers import DATA, refusal, runs_of, values

from keplearn.config import ConfigWarning, load_config
from keplearn.core.errors import KeplearnError


def test_numbers_with_an_exponent_are_numbers_and_no_is_text(tmp_path):
    (run,) = runs_of(tmp_path, DATA + "parameters: {lr_strategy: 1e-3, rtol: 1E-5, batch_size: 1_024}")
    assert run.parameters.lr_strategy == (0.001,)
    assert run.parameters.rtol == 1e-5
    assert run.parameters.batch_size == 1024
    assert "write true or false" in refusal(tmp_path, DATA + "parameters: {planar_constraint: no}")
    assert runs_of(tmp_path, DATA + "parameters: {planar_constraint: !!bool yes, stride: !!null ~}")


def test_a_whole_number_may_be_written_as_a_float(tmp_path):
    (run,) = runs_of(tmp_path, DATA + "parameters: {width: 32.0, l1: 1}")
    assert (run.parameters.width, run.parameters.l1) == (32, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters:\n  sead: 3", "study.yaml:3: unknown key 'sead' in parameters. Did you mean 'seed'?"),
        ("paramters: {}", "study.yaml:2: unknown key 'paramters'. Did you mean 'parameters'?"),
        ("seed: 3", "study.yaml:2: seed belongs in the table parameters"),
        ("wandb: {seed: 3}", "study.yaml:2: seed belongs in the table parameters"),
        ("wandb: {grup: a}", "study.yaml:2: unknown key 'grup' in wandb. Did you mean 'group'?"),
        ("parameters:\n  width:\n    - 3\n    - a", 'study.yaml:5: width: must be a valid integer, not "a"'),
        ("parameters: {lr_strategy: '1e-3'}", "without quotes"),
        ("parameters: {stride: None}", "write null"),
        (
            "parameters: {loss_fcn: percent_eror}",
            "study.yaml:2: loss_fcn: 'percent_eror' does not exist. Did you mean",
        ),
        ("parameters: {feature_layer: sph_4D_rinv_velo}", "Did you mean 'sph_4D_rinv_vel'?"),
        ("parameters: {output_layer: mlp_4D_sgned}", "Did you mean 'mlp_4D_signed'?"),
        ("parameters: {optimizer: adm}", "Did you mean 'adam'?"),
        ("parameters: {seed: []}", "study.yaml:2: seed: an empty list"),
        ("parameters: {lr_strategy: [[]]}", "empty list"),
        ("parameters: {length_strategy: []}", "empty list"),
        ("parameters: {length_strategy: [0.1, 0.2, 0.3]}", "must be a window [start, end]"),
        ("parameters: [1]", "parameters must be a table"),
        ("variants: []", "variants must be a list"),
        ("variants: [3]", "a variant must be a table"),
        ("variants: [{sead: 3}]", "Did you mean 'seed'?"),
        ("variants: [{data: 3}]", "data must be a table"),
        ("wandb: {group: a/b}", "name a directory"),
        ("wandb: {group: 12}", "put it in quotes"),
        ("parameters: {seed: 1", "study.yaml:2: not valid YAML"),
        ("a: b: c", "study.yaml:2: not valid YAML"),
        ("parameters: {seed: " + "9" * 5000 + "}", "study.yaml:2: 999"),
        ("parameters: {seed: " + "9" * 50 + "}", "seed: must be less than"),
        ("parameters: {l1: .inf}", "finite"),
        ("parameters: {l1: 1e999}", "finite"),
        ("parameters: !foo {seed: 1}", "tag"),
        ("? [a, b]\n: 3", "a key must be a name"),
        ("<<: 3", "takes a table"),
        ("1: 2", "unknown key '1'"),
        ("parameters: &p {seed: *p}", "nested more than"),
        ("parameters: " + "[" * 500, "nested more than"),
        ("parameters: {width: \0}", "not valid YAML"),
        (
            "parameters: {' seed ': 1}",
            "study.yaml:2: unknown key ' seed ' in parameters: remove the space around seed",
        ),
        ("parameters: {l1: .NaN}", "study.yaml:2: l1: must be a finite number, not NaN"),
        ("parameters: {l1: -.Inf}", "must be a finite number, not -Infinity"),
        ("parameters: {planar_constraint: !!bool 1}", "study.yaml:2: 1 is neither true nor false"),
        ("parameters: {stride: !!null 3}", "study.yaml:2: 3 is not null"),
        (
            "variants:\n  - seed: 1\n    parameters:\n      seed: 2",
            "study.yaml:5: seed is given twice in one variant",
        ),
        ("variants: [{seed: 1, parameters.seed: 1}]", "study.yaml:2: seed is given twice in one variant"),
        (
            "parameters: {length_unit: 1e-320}",
            "must be max_radius, earth_radius, or a number of km from 1e-6",
        ),
    ],
)
def test_mistakes_are_named_with_their_line_and_their_mend(tmp_path, text, message):
    assert message in refusal(tmp_path, DATA + text)


def test_all_mistakes_are_reported_at_once(tmp_path):
    message = refusal(tmp_path, DATA + "parameters:\n  width: a\n  seed: b")
    assert message.startswith("2 problems")
    assert "study.yaml:3: width" in message
    assert "study.yaml:4: seed" in message


def test_a_mistake_is_reported_once_however_many_runs_have_it(tmp_path):
    seeds = str(list(range(500)))
    message = refusal(tmp_path, DATA + f"parameters: {{seed: {seeds}, optimizer: bfgs}}")
    assert message.count("bfgs needs double precision") == 1
    assert "problems" not in message


def test_equal_duplicates_warn_and_different_ones_are_refused(tmp_path):
    with pytest.warns(ConfigWarning, match=r":4: seed is given twice \(first in line 3\)"):
        (run,) = runs_of(tmp_path, DATA + "parameters:\n  seed: 3\n  seed: 3.0")
    assert run.parameters.seed == 3
    message = refusal(tmp_path, DATA + "parameters:\n  seed: 3\n  seed: 4")
    assert message.startswith("study.yaml:4: seed is given twice (first in line 3)")
    assert "study.yaml:2: data is given twice" in refusal(tmp_path, DATA + "data: {problem: TBP}")


def test_anchors_and_merges_work_as_yaml_has_them(tmp_path):
    text = DATA + "variants:\n  - &a {width: 8, depth: 1}\n  - {<<: *a, depth: 3}"
    runs = runs_of(tmp_path, text)
    assert values(runs, "width") == [8, 8]
    assert values(runs, "depth") == [1, 3]


def test_aliases_cannot_blow_up(tmp_path):
    lines = ["a0: &a0 [1, 1]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 18)]
    assert "values: not a config file" in refusal(tmp_path, "\n".join(lines))


def test_what_is_not_a_text_file_is_refused(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(KeplearnError, match="not text in UTF-8"):
        load_config(tmp_path / "binary.yaml")
    with pytest.raises(KeplearnError, match="is a directory"):
        load_config(tmp_path)
    with pytest.raises(KeplearnError, match="Did you mean 'binary"):
        load_config(tmp_path / "binry.yaml")
    with pytest.raises(KeplearnError, match="cannot read"):
        load_config("a\0b.yaml")
    (tmp_path / "large.yaml").write_bytes(b"a" * 2_000_001)
    with pytest.raises(KeplearnError, match="larger than 2 MB"):
        load_config(tmp_path / "large.yaml")


def test_an_empty_file_lacks_its_dataset(tmp_path):
    assert refusal(tmp_path, "# nothing\n").startswith("study.yaml: dataset_name: missing")


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    assert runs_of(tmp_path, "\ufeff" + DATA)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set seed: an override is key=value"),
        ("sead=3", "--set sead=3: unknown key 'sead'. Did you mean 'seed'?"),
        ("wandb.seed=3", "seed belongs in the table parameters"),
        ("seed=[1", "--set seed=[1: not valid YAML"),
        ("width=[8, a]", '--set width=[8, a]: width: must be a valid integer, not "a"'),
        ("parameters=3", "unknown key 'parameters'"),
    ],
)
def test_wrong_overrides_are_shown_as_they_were_typed(tmp_path, override, message):
    assert message in refusal(tmp_path, DATA, override)
