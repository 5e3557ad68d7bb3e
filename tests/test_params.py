"""params.yaml: the committed one is sound, and every kind of mistake stops with one line that names it."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from edits import changed, project

from biorobust import params
from biorobust.core.errors import BiorobustError, ParamsError
from biorobust.core.files import read_yaml
from biorobust.reporting.registry import read_params

FILE = Path(__file__).parent.parent / "params.yaml"
VONE = {"method": "vonenet", "depth": 50, "noise": "neuronal", "filters": "biological", "trained": True}


def comments(path):
    return [line.split("#", 1)[1].strip() for line in path.read_text().splitlines() if "#" in line]


def test_no_comment_is_lost_when_dvc_sets_a_value(tmp_path):
    from dvc.utils.hydra import apply_overrides

    copied = tmp_path / "params.yaml"
    copied.write_bytes(FILE.read_bytes())
    apply_overrides(str(copied), ["end_to_end.learning_rate=1e-5"])
    assert comments(copied) == comments(FILE)
    assert params.load(copied).blocks["end_to_end"].learning_rate == 1e-5


def test_the_committed_file_is_sound_at_every_scale():
    for scale in params.SCALES:
        loaded = params.check(project(scale=scale))
        assert loaded.scale == scale
        assert set(loaded.sizes) == set(loaded.values["scales"][scale])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("scale", "huge", "scale = 'huge': must be one of tiny, laptop, cpu, gpu, paper"),
        ("seed", -1, r"seed = -1: must be an integer in \[0, 4294967295\]"),
        ("datasets", "mnist", "datasets = 'mnist': must be a list"),
        ("datasets", ["mnsit"], r"datasets = \['mnsit'\]: must be a list without repeats, of mnist, emnist_letters"),
        ("datasets", ["mnist", "mnist"], "must be a list without repeats, of mnist, emnist_letters"),
        ("hebian", {}, "hebian: unknown key; known are"),
        ("hebbian", 3, "hebbian: must be a block of keys"),
        ("hebbian", {1: 2}, "hebbian.1: unknown key; known are batch_size"),
        ("hebbian/delta", None, "hebbian.delta: missing key"),
        ("hebbian/k", 1, "hebbian.k = 1: must be an integer of 2 or more"),
        ("relu", {"gamma": 0.1}, "relu.gamma: unknown key; known are none"),
        ("cnnf_evaluation/blur", 0, "cnnf_evaluation.blur = 0: must be a number above 0"),
        ("cnnf_training/detach", 1, "cnnf_training.detach = 1: must be true or false"),
        ("cnnf_training/momentum", 1.0, r"cnnf_training.momentum = 1.0: must be a number in \[0, 1\)"),
        # what belongs together inside a block
        ("hebbian_attack/eps", [0.1, 0.2], "hebbian_attack.eps = .*starts with 0"),
        ("cnnf_evaluation/blur_levels", [0.0, 2.0, 1.0], "cnnf_evaluation.blur_levels = .*a rising list of numbers"),
        ("hebbian_adaptive/report", "fgsm", "hebbian_adaptive.report = 'fgsm': must be one of fgsm-report"),
        ("kwta_adaptive/alone", ["square", "sqare"], "kwta_adaptive.alone = .*a list without repeats, of fgsm-report"),
        ("vonenet/ksize", 24, r"vonenet\.ksize = 24: must be an odd number"),
        ("vonenet_activations/common_eps", 0.3, r"vonenet_activations\.common_eps = 0\.3: must be one of eps, 0\.0"),
        ("vonenet_runs/new", VONE | {"filters": "none"}, r"vonenet_runs\.new\.filters = 'none': must be biological or"),
        (
            "vonenet_runs/new",
            VONE | {"method": "resnet"},
            r"vonenet_runs\.new\.(noise|filters) = .*a resnet has no V1",
        ),
        (
            "vonenet_imagenet/new",
            {"method": "vonenet", "file": "weights/a.pth"},
            r"vonenet_imagenet\.new\.file = 'weights/a\.pth': must be the name of a file, without a folder",
        ),
        # runs and their names
        ("hebbian_controls", {"-x": {"method": "simple_conv"}}, "hebbian_controls.-x: a run's name may hold only"),
        ("hebbian_controls", {7: {"method": "simple_conv"}}, "hebbian_controls.7: a run's name may hold only"),
        ("hebbian_runs/attack-me", {}, "hebbian_runs.attack-me: a run may not be called so"),
        ("hebbian_controls/end-adaptive", {"method": "end_to_end"}, "files of other stages are"),
        ("hebbian_runs", {}, "hebbian_runs: must be a block of named runs"),
        ("hebbian_runs/report-uniform/weights", "unifrom", "must be one of uniform, normal, original"),
        ("cnnf_grid/cnn-noisy", {"cycles": 1, "residual": 0.0}, "run 'cnn-noisy': named in two run lists"),
        (
            "kwta_runs/scratch-kwta/init",
            "transferred",
            "kwta_runs.scratch-kwta.init = 'transferred': must be scratch or pretrained in a run of that name",
        ),
        # sizes
        ("scales/tiny/cnnf_training/n_train", 31, "scales.tiny.cnnf_training.n_train = 31: must be an integer of 32"),
        ("scales/paper/hebbian", None, "scales.paper.hebbian: missing key"),
    ],
)
def test_a_mistake_is_named_in_one_line(path, value, message):
    with pytest.raises(ParamsError, match=message) as caught:
        params.check(changed(project(), path, value))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("(params.yaml)")


def test_files_that_are_no_params(tmp_path):
    with pytest.raises(ParamsError, match="is missing: run from the top"):
        params.load(tmp_path / "params.yaml")
    for text, message in (("a: [1", "is not valid YAML"), ("- a\n", "must be a block of keys")):
        (tmp_path / "params.yaml").write_text(text)
        with pytest.raises(ParamsError, match=message):
            params.load(tmp_path / "params.yaml")


def test_every_stage_names_a_file_in_another_encoding(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(FILE.read_text(encoding="utf-8").replace("#", "# é", 1), encoding="latin-1")
    monkeypatch.chdir(tmp_path)
    graph = yaml.safe_load(FILE.with_name("dvc.yaml").read_text())["stages"].values()
    commands = {command for stage in graph for command in re.findall(r"stages\.\w+[^']*", str(stage))}
    commands = {command for command in commands if "python" not in command}
    assert len(commands) > 15
    for command in commands | {"stages.repro", "stages.stale"}:
        name, *arguments = command.replace("${key}", "relu").replace("${item}", "hebbian").split()
        with pytest.raises(ParamsError, match=r"params\.yaml is not UTF-8 text: save it in that encoding"):
            import_module(name).main(arguments)


def test_numbers_are_taken_as_dvc_writes_them(tmp_path):
    """`dvc exp run -S` writes 1e-05 where a file has 0.00001: a number of YAML 1.2, text to readers of YAML 1.1."""
    path = tmp_path / "params.yaml"
    path.write_text("a: 1e-05\nb: [25E+3, 3.0E-4, -2e3, .5e1]\nc: [1e-05x, e5, 12]\n")
    assert read_yaml(path) == {"a": 1e-05, "b": [25e3, 3e-4, -2e3, 5.0], "c": ["1e-05x", "e5", 12]}


def test_a_key_that_stands_twice_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    for text, message in (
        ("seed: 0\nscale: tiny\nseed: 1\n", r"params\.yaml is not valid YAML: 'seed' stands twice at line 3"),
        ("a:\n  - {x: 1, x: 2}\n", r"'x' stands twice at line 2"),
    ):
        path.write_text(text)
        with pytest.raises(BiorobustError, match=message) as caught:
            read_yaml(path)
        assert "\n" not in str(caught.value)
    path.write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: *a\n")  # a merge is no repetition
    assert read_yaml(path) == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 1}}


def test_parameters_of_a_recorded_run_may_be_older_than_the_checks(tmp_path):
    path, old, broken = tmp_path / "params.yaml", "scale: paper\nhebbian_runs: {}\n", ("scale: [\n", "- a\n")

    def refused(text):
        path.write_text(text)
        with pytest.raises(ParamsError):
            read_params(path)

    for text in (old, *broken):
        refused(text)
    (tmp_path / "manifest.json").write_text("{}")
    for text in broken:
        refused(text)
    path.write_text(old)
    assert read_params(path) == {"scale": "paper", "hebbian_runs": {}}


def test_no_knob_stands_in_a_method_and_in_its_size():
    """It could be set twice, with one of them ignored."""
    for study in params.STUDIES.values():
        for key in set(study.SIZES) & set(study.BLOCKS):
            assert not set(study.SIZES[key].model_fields) & set(study.BLOCKS[key].model_fields), key


def test_loading_parameters_and_seeing_that_nothing_is_to_do_needs_no_torch():
    code = "import sys, stages.repro; stages.repro.params.load(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=FILE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_study_that_lacks_a_table_is_named(monkeypatch):
    given = dict.fromkeys(params.NEEDED[1:], ()) | {"NETWORKS": ("toy_runs",)}
    monkeypatch.setitem(params.STUDIES, "toy", SimpleNamespace(__name__="toy", **given))
    params._file.cache_clear()
    with pytest.raises(ParamsError, match=r"^toy has no BLOCKS and no ATTACK and no DATASET: docs/add-a-study\.md$"):
        params.load(FILE)
    params._file.cache_clear()
