"""Parameters of the CNN-F study: what each run comes to."""

import pytest
from edits import changed, project

from biorobust import params
from biorobust.cnnf import CNNF, TwoBlock
from biorobust.cnnf.model import params as study
from biorobust.cnnf.model.noise import KINDS
from biorobust.cnnf.model.params import Plan, plan
from biorobust.core.config import build
from biorobust.core.errors import ParamsError


@pytest.fixture
def raw():
    return project()


def test_the_original_network_has_more_features_to_cycle(raw):
    both = changed(changed(raw, "cnnf_training/network", "original"), "cnnf_training/ind", 6)
    assert params.check(both).block("cnnf_training", study.Training).ind == 6
    with pytest.raises(ParamsError, match=r"cnnf_training.ind = 7: must be .* to 6 for the network original"):
        params.check(changed(both, "cnnf_training/ind", 7))


def test_names_checked_without_torch_are_those_there_are():
    highest = [len(kind(5, cycles=1, residual=0.1).blocks) - 1 for kind in (TwoBlock, CNNF)]
    assert highest == list(study.HIGHEST_IND.values())
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
    }
    for name, values in wanted.items():
        assert plan(name, settings) == Plan(**{"feedback": "adaptive"} | values), name
    with pytest.raises(ParamsError, match=r"run 'cnnf': unknown; known are cnn-clean, .*longer.*t3-r3"):
        plan("cnnf", settings)
