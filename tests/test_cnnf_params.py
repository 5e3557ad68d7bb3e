"""Parameters of the CNN-F study: what each run comes to, and mistakes in one line that names the key."""

from pathlib import Path

import pytest
import yaml
from edits import changed

from biorobust import params
from biorobust.cnnf.model import params as study
from biorobust.cnnf.model.network import NETWORKS
from biorobust.cnnf.model.noise import KINDS
from biorobust.cnnf.model.params import Plan, plan
from biorobust.core.config import build
from biorobust.core.errors import ParamsError

FILE = Path(__file__).parent.parent / "params.yaml"


@pytest.fixture
def raw():
    return yaml.safe_load(FILE.read_text())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("cnnf/cycles", -1, "cnnf.cycles = -1: must be an integer of 0 or more"),
        ("cnnf/residual", 1.2, r"cnnf.residual = 1.2: must be a number in \[0, 1\]"),
        ("cnnf_grid/t2-r1/residual", 10, "cnnf_grid.t2-r1.residual = 10"),
        ("cnnf_training/ind", 3, r"cnnf_training.ind = 3: must be an integer from 0 \(pixels\) to 2 for .* two-block"),
        ("cnnf_training/precision", "float16", "cnnf_training.precision = 'float16': must be one of float32, bfloat16"),
        ("cnnf_training/detach", 1, "cnnf_training.detach = 1: must be true or false"),
        ("cnnf_training/momentum", 1.0, r"cnnf_training.momentum = 1.0: must be a number in \[0, 1\)"),
        ("cnnf_training/weight_block1", -0.1, "cnnf_training.weight_block1 = -0.1: must be a number of 0 or more"),
        ("cnnf_noise/kind", "speckle", "cnnf_noise.kind = 'speckle': must be one of gaussian, uniform, salt-and-pep"),
        ("cnnf_noise/level", 1.5, r"cnnf_noise.level = 1.5: must be a number in \[0, 1\]"),
        ("cnnf_evaluation/levels", [0.1, 0.2], "cnnf_evaluation.levels = .*starts with 0"),
        ("cnnf_evaluation/blur", 0, "cnnf_evaluation.blur = 0: must be a number above 0"),
        ("cnnf_evaluation/blur_levels", [0.0, 2.0, 1.0], "cnnf_evaluation.blur_levels = .*a rising list of numbers"),
        ("cnnf_adversarial/steps", 0, "cnnf_adversarial.steps = 0: must be an integer of 1 or more"),
        ("cnnf_runs/cnn-noisy/images", "dirty", "cnnf_runs.cnn-noisy.images = 'dirty': must be one of clean, noisy"),
        ("cnnf_grid/cnn-noisy", {"cycles": 1, "residual": 0.0}, "run 'cnn-noisy': named in two run lists"),
        ("cnnf_attack/attacks", ["pgd-cross-entropy@last"], "cnnf_attack.attacks = .*each may end in @first, @model"),
        ("cnnf_probe/attack", "pgd-targeted", "cnnf_probe.attack = 'pgd-targeted': must be one of fgsm-cross-entropy"),
        ("cnnf_probe/eps", [0.1], "cnnf_probe.eps = .*starts with 0"),
        ("scales/tiny/cnnf_training/n_train", 31, "scales.tiny.cnnf_training.n_train = 31: must be an integer of 32"),
    ],
)
def test_a_mistake_is_named_in_one_line(raw, path, value, message):
    with pytest.raises(ParamsError, match=message) as error:
        params.check(changed(raw, path, value))
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("(params.yaml)")


def test_the_original_network_has_more_features_to_cycle(raw):
    both = changed(changed(raw, "cnnf_training/network", "original"), "cnnf_training/ind", 6)
    assert params.check(both).block("cnnf_training", study.Training).ind == 6
    with pytest.raises(ParamsError, match=r"cnnf_training.ind = 7: must be .* to 6 for the network original"):
        params.check(changed(both, "cnnf_training/ind", 7))


def test_names_checked_without_torch_are_those_there_are():
    highest = {name: len(kind(5, cycles=1, residual=0.1).blocks) - 1 for name, kind in NETWORKS.items()}
    assert highest == study.HIGHEST_IND
    for kind in KINDS:
        assert build(study.Noise, {"kind": kind, "level": 0.1}, where="cnnf_noise").kind == kind


def test_plans_resolve_the_lists(raw):
    """The headline takes its knobs from its block, a plain CNN has none, a cell and a variant have their own."""
    edited = changed(changed(raw, "cnnf/cycles", 2), "cnnf/residual", 0.1)
    settings = params.check(edited | {"scale": "tiny"})
    sizes = raw["scales"]["tiny"]
    grid = {key: value for key, value in sizes["cnnf_grid"].items() if key != "trained"}
    shared = {"images": "both", "cycle_clean": True, "noise_level": raw["cnnf_noise"]["level"]}
    plain = {"cycles": 0, "residual": 0.0, "feedback": "none"}
    wanted = {
        "cnn-feedback": {"cycles": 2, "residual": 0.1, **shared, **sizes["cnnf"]},
        "cnn-noisy": {**plain, **shared, **sizes["cnn"]},
        "cnn-clean": {**plain, **shared, "images": "clean", **sizes["cnn"]},
        "t2-r3": {"cycles": 2, "residual": 0.3, **shared, **grid},
        "longer": {**raw["cnnf_long"], **shared, **sizes["cnnf_long"]},
        "clean-not-cycled": {**raw["cnnf_fixed"], **shared, "cycle_clean": False, **sizes["cnnf_fixed"]},
        "strong-noise": {**raw["cnnf_fixed"], **shared, "noise_level": 0.3, **sizes["cnnf_fixed"]},
        "plain-relu": {**raw["cnnf_fixed"], **shared, "feedback": "masked", **sizes["cnnf_fixed"]},
        "cnn-longer": {**plain, **shared, "images": "clean", **sizes["cnnf_long"]},
    }
    for name, values in wanted.items():
        assert plan(name, settings) == Plan(**{"feedback": "adaptive"} | values), name
    with pytest.raises(ParamsError, match=r"run 'cnnf': unknown; known are cnn-clean, .*longer.*t3-r3"):
        plan("cnnf", settings)
