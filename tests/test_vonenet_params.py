"""Parameters of the VOneNet study: mistakes stop with one line that names the key; runs have what belongs to them."""

import copy
from pathlib import Path

import pytest
import yaml

from biorobust import params
from biorobust.core.errors import ParamsError
from biorobust.vonenet.model.parameters import check_frequency
from biorobust.vonenet.model.params import Run, Training, V1Stage

FILE = Path(__file__).parent.parent / "params.yaml"
PLAIN = {"method": "resnet", "depth": 50, "noise": "none", "filters": "none", "trained": True}
VONE = {"method": "vonenet", "depth": 50, "noise": "neuronal", "filters": "biological", "trained": True}


@pytest.fixture(scope="module")
def raw():
    return yaml.safe_load(FILE.read_text())


def changed(raw, path, value):
    """A copy of the parameters with the value at a path replaced."""
    copied = copy.deepcopy(raw)
    block = copied
    *parents, last = path.split("/")
    for key in parents:
        block = block[key]
    block[last] = value
    return copied


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("vonenet/ksize", 24, r"vonenet\.ksize = 24: must be an odd number of pixels"),
        ("vonenet/ksize", 25.0, r"vonenet\.ksize = 25\.0"),
        ("vonenet/stride", 0, r"vonenet\.stride = 0: must be an integer of 1 or more"),
        ("vonenet/simple_channels", -1, r"vonenet\.simple_channels = -1: must be an integer of 0 or more"),
        ("vonenet/sf_max", 0, r"vonenet\.sf_max = 0: must be a number above 0"),
        ("vonenet/sf_min", -0.5, r"vonenet\.sf_min = -0\.5: must be a number of 0 or more"),
        ("vonenet/sf_corr", 1.5, r"vonenet\.sf_corr = 1\.5: must be a number from -1 to 1"),
        ("vonenet/k_exc", float("nan"), r"vonenet\.k_exc = nan"),
        ("vonenet/colours", "grey", r"vonenet\.colours = 'grey': must be one of published, paired"),
        ("vonenet/noise", "none", r"vonenet\.noise: unknown key"),
        ("resnet/stem", "large", r"resnet\.stem = 'large': must be one of imagenet, small"),
        ("vonenet_training/image_size", 16, r"vonenet_training\.image_size = 16: must be an integer of 32 or more"),
        ("vonenet_training/warmup", 1.0, r"vonenet_training\.warmup = 1\.0: must be a number from 0 to below 1"),
        ("vonenet_training/momentum", -0.1, r"vonenet_training\.momentum = -0\.1"),
        ("vonenet_training/schedule", "poly", r"vonenet_training\.schedule = 'poly': must be one of constant, linear"),
        ("vonenet_training/precision", "float16", r"vonenet_training\.precision = 'float16': must be one of float32"),
        ("scales/tiny/vonenet_training/width", 0, r"scales\.tiny\.vonenet_training\.width = 0"),
        ("scales/tiny/vonenet_training/n_train", 8, r"scales\.tiny\.vonenet_training\.n_train = 8: .* 32 or more"),
        ("vonenet_runs/new", VONE | {"depth": 34}, r"vonenet_runs\.new\.depth = 34: must be 18 or 50"),
        ("vonenet_runs/new", VONE | {"noise": "off"}, r"vonenet_runs\.new\.noise = 'off': must be one of neuronal"),
        ("vonenet_runs/new", VONE | {"filters": "none"}, r"vonenet_runs\.new\.filters = 'none': must be biological or"),
        ("vonenet_runs/new", PLAIN | {"noise": "neuronal"}, r"vonenet_runs\.new: a resnet has no V1 stage"),
        ("vonenet_runs/new", PLAIN | {"filters": "uniform"}, r"vonenet_runs\.new: a resnet has no V1 stage"),
        ("vonenet_runs/new", PLAIN | {"trained": 1}, r"vonenet_runs\.new\.trained = 1: must be true or false"),
        ("vonenet_imagenet/new", {"method": "vonenet"}, r"vonenet_imagenet\.new\.file: missing key"),
        (
            "vonenet_imagenet/new",
            {"method": "vonenet", "file": "weights/a.pth"},
            r"vonenet_imagenet\.new\.file = 'weights/a\.pth': must be the name of a file, without a folder",
        ),
        ("vonenet_imagenet/new", {"method": "resnet", "file": ""}, r"vonenet_imagenet\.new\.file = ''"),
        ("vonenet_imagenet/new", {"method": "alexnet", "file": "a"}, r"new\.method = 'alexnet': must be one of resnet"),
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
