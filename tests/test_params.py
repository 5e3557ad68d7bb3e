"""params.yaml: the committed one is sound, and every kind of mistake stops with one line that names it."""

import copy
from pathlib import Path

import pytest
import yaml

from biorobust import params
from biorobust.core.errors import ParamsError

FILE = Path(__file__).parent.parent / "params.yaml"


@pytest.fixture
def raw():
    return yaml.safe_load(FILE.read_text())


def changed(raw, path, value):
    """A copy of the parameters with the value at a dotted path replaced (or the key removed, for None)."""
    copied = copy.deepcopy(raw)
    block = copied
    *parents, last = path.split("/")
    for key in parents:
        block = block[key]
    if value is None:
        del block[last]
    else:
        block[last] = value
    return copied


@pytest.mark.parametrize("scale", params.SCALES)
def test_the_committed_file_is_sound_at_every_scale(raw, scale):
    loaded = params.check(raw | {"scale": scale})
    assert loaded.scale == scale
    assert set(loaded.sizes) == set(raw["scales"][scale])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("scale", "huge", "scale = 'huge': must be one of tiny, laptop, cpu, gpu, paper"),
        ("seed", -1, "seed = -1: must be an integer of 0 or more"),
        ("seed", True, "seed = True"),
        ("data/source", "internet", "data.source = 'internet': must be one of auto, official, mirror, bundled"),
        ("datasets", "mnist", "datasets = 'mnist': must be a list"),
        ("hebian", {}, "hebian: unknown key; known are"),
        ("hebbian/gamma", 0.1, "hebbian.gamma: unknown key; known are batch_size, delta, k, learning_rate, p"),
        ("hebbian/delta", None, "hebbian.delta: missing key"),
        ("hebbian/delta", "strong", "hebbian.delta = 'strong': must be a number of 0 or more"),
        ("hebbian/delta", float("nan"), "hebbian.delta = nan"),
        ("hebbian/k", 1, "hebbian.k = 1: must be an integer of 2 or more"),
        ("hebbian/k", 2.5, "hebbian.k = 2.5"),
        ("hebbian/p", 1, "hebbian.p = 1: must be a number of 2 or more"),
        ("hebbian", None, "hebbian: missing key"),
        ("hebbian", 3, "hebbian: must be a block of keys"),
        ("hebbian_readout/beta", [0.1, -1], "hebbian_readout.beta = .*above 0"),
        ("hebbian_readout/inputs", "centred", "hebbian_readout.inputs = 'centred': must be one of raw, unit"),
        ("hebbian_attack/eps", [0.1, 0.2], "hebbian_attack.eps = .*starts with 0"),
        ("hebbian_attack/eps", [0, 0.2, 0.1], "hebbian_attack.eps"),
        ("hebbian_weights/uniform/init", "ones", "hebbian_weights.uniform.init = 'ones': must be one of"),
        (
            "hebbian_weights/a.b",
            {"method": "hebbian", "init": "normal"},
            "hebbian_weights.a.b: a run's name may hold only",
        ),
        ("hebbian_runs/report-uniform/weights", "unifrom", "must be one of uniform, normal, original"),
        ("hebbian_controls/original", {"method": "simple_conv"}, "run 'original': named in two run lists"),
        ("hebbian_runs", {}, "hebbian_runs: must be a block of named runs"),
        ("hebbian_attack/attacks", ["fgsm-report", "fgsm-report"], "hebbian_attack.attacks = .*without repeats"),
        ("hebbian_attack/attacks", ["fgsn"], "hebbian_attack.attacks = .*fgsm-report"),
        ("hebbian_runs/attack-me", {}, "hebbian_runs.attack-me: a run may not be called so"),
        ("hebbian_runs/hebbian", {}, "hebbian_runs.hebbian: a run may not be called so"),
        ("scales/medium", {}, "scales.medium: unknown key"),
        ("scales/tiny", None, "scales.tiny: missing block"),
        ("scales/tiny/hebbian/epochs", 0, "scales.tiny.hebbian.epochs = 0"),
        ("scales/paper/hebbian/delta", 0.4, "scales.paper.hebbian.delta: unknown key"),
        ("scales/paper/kwta", {}, "scales.paper.kwta: unknown key"),
        ("scales/paper/hebbian", None, "scales.paper.hebbian: missing key"),
    ],
)
def test_a_mistake_is_named_in_one_line(raw, path, value, message):
    with pytest.raises(ParamsError, match=message) as caught:
        params.check(changed(raw, path, value))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_params(tmp_path):
    with pytest.raises(ParamsError, match="is missing: run from the top"):
        params.load(tmp_path / "params.yaml")
    for text, message in (("a: [1", "is not valid YAML"), ("- a\n", "must be a block of keys")):
        (tmp_path / "params.yaml").write_text(text)
        with pytest.raises(ParamsError, match=message):
            params.load(tmp_path / "params.yaml")


def test_unknown_run_names_the_known_ones(raw):
    from biorobust.hebbian.model.params import WeightsRun

    with pytest.raises(ParamsError, match="hebbian_weights has uniform, normal, original"):
        params.check(raw).run("hebbian_weights", "unifrom", WeightsRun)


def test_no_knob_stands_in_a_method_and_in_its_size(monkeypatch, raw):
    from dataclasses import dataclass

    from biorobust.core.schema import count
    from biorobust.hebbian.model import params as study

    @dataclass(frozen=True)
    class Size(study.ConvSize):
        batch_size: int = count()

    monkeypatch.setitem(study.SIZES, "simple_conv", Size)
    for scale in raw["scales"].values():
        scale["simple_conv"]["batch_size"] = 5
    with pytest.raises(ParamsError, match=r"simple_conv\.batch_size: stands in the method's block and in its size"):
        params.check(raw)


def test_loading_parameters_needs_no_torch():
    import subprocess
    import sys

    load = "from biorobust import params; params.load()"
    code = f"import sys; sys.path.insert(0, 'src'); {load}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=FILE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
