"""Parameters of the VOneNet study: mistakes stop with one line that names the key; runs have what belongs to them."""

from pathlib import Path

import pytest
import yaml
from edits import changed

from biorobust import params
from biorobust.core.errors import ParamsError
from biorobust.vonenet.model.block import check_frequency
from biorobust.vonenet.model.params import Run, Training, V1Stage

FILE = Path(__file__).parent.parent / "params.yaml"
PLAIN = {"method": "resnet", "depth": 50, "noise": "none", "filters": "none", "trained": True}
VONE = {"method": "vonenet", "depth": 50, "noise": "neuronal", "filters": "biological", "trained": True}


@pytest.fixture(scope="module")
def raw():
    return yaml.safe_load(FILE.read_text())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("vonenet/ksize", 24, r"vonenet\.ksize = 24: must be an odd number"),
        ("vonenet/noise", "none", r"vonenet\.noise: unknown key"),
        ("vonenet_training/image_size", 16, r"vonenet_training\.image_size = 16: must be an integer of 32 or more"),
        ("scales/tiny/vonenet_training/n_train", 8, r"scales\.tiny\.vonenet_training\.n_train = 8: .* 32 or more"),
        ("vonenet_runs/new", VONE | {"filters": "none"}, r"vonenet_runs\.new\.filters = 'none': must be biological or"),
        (
            "vonenet_runs/new",
            PLAIN | {"noise": "neuronal"},
            r"vonenet_runs\.new\.(noise|filters) = .*a resnet has no V1",
        ),
        (
            "vonenet_imagenet/new",
            {"method": "vonenet", "file": "weights/a.pth"},
            r"vonenet_imagenet\.new\.file = 'weights/a\.pth': must be the name of a file, without a folder",
        ),
        ("vonenet_imagenet/resnet50", {"method": "resnet", "file": "a"}, "run 'resnet50': named in two run lists"),
    ],
)
def test_mistakes_are_named(raw, path, value, message):
    with pytest.raises(ParamsError, match=message) as error:
        params.check(changed(raw, path, value))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("run", [PLAIN, VONE, VONE | {"noise": "gaussian", "filters": "uniform", "depth": 18}])
def test_sound_runs_are_taken(raw, run):
    loaded = params.check(changed(raw, "vonenet_runs/new", run))
    assert vars(loaded.run("vonenet_runs", "new", Run)) == run


def test_the_committed_filters_fit_the_committed_images(raw):
    """Frequencies that the pixels carry, and a first stage as large as the plain network's."""
    loaded = params.check(raw)
    stage = loaded.block("vonenet", V1Stage)
    for name, degrees in (("vonenet_training", 2), ("vonenet_short_training", 1)):
        side = loaded.block(name, Training).image_size
        found = stage.keywords(image_size=side)
        assert found["visual_degrees"] == degrees
        check_frequency(found["sf_max"], image_size=side, visual_degrees=found["visual_degrees"])
        assert stage.ksize <= side
    assert (stage.stride, raw["resnet"]["stem"]) == (4, "imagenet")  # 7x7 of stride 2, then a maximum of stride 2


def test_every_network_with_a_v1_stage_has_a_plain_twin(raw):
    runs = raw["vonenet_runs"].values()
    plain = [(run["depth"], run["trained"]) for run in runs if run["method"] == "resnet"]
    for run in runs:
        assert (run["depth"], run["trained"]) in plain
    assert {run["method"] for run in raw["vonenet_imagenet"].values()} == {"resnet", "vonenet"}
