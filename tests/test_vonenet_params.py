"""Parameters of the VOneNet study: filters fit their images."""

from edits import project

from biorobust import params
from biorobust.vonenet import VOneBlock
from biorobust.vonenet.model.params import Training, V1Stage


def test_the_committed_filters_fit_the_committed_images():
    """Frequencies that the pixels carry, and a first stage as large as the plain network's."""
    loaded = params.check(project())
    stage = loaded.block("vonenet", V1Stage)
    for name, degrees in (("vonenet_training", 2), ("vonenet_short_training", 1)):
        side = loaded.block(name, Training).image_size
        assert VOneBlock(**stage.keywords(image_size=side), image_size=side).ksize <= side
        assert stage.keywords(image_size=side)["visual_degrees"] == degrees
    assert (stage.stride, project()["resnet"]["stem"]) == (4, "imagenet")  # 7x7 of stride 2, then a maximum of stride 2
