"""Parameters of the VOneNet study: filters fit their images, and runs have what belongs to them."""

import pytest
from edits import project

from biorobust import params
from biorobust.vonenet.model.block import check_frequency
from biorobust.vonenet.model.params import Training, V1Stage


@pytest.fixture(scope="module")
def raw():
    return project()


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
