"""An epoch of the classifier from stored hidden activities, against one that computes W v anew, as published.

Both go through the library's own training loop and end with the same readout.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import synthetic
from benchmarks.timing import Measurement, paired
from biorobust.hebbian.model.params import Readout

if TYPE_CHECKING:
    from torch import Tensor

CACHED = "readout epoch, stored activities, against W v every epoch"
LIMITS = {CACHED: 0.1}
RECIPE = Readout(inputs="raw", power=4.5, beta=0.01, m=6.0, learning_rate=1e-4, schedule="constant", batch_size=1024)
BETA = 0.01
SAMPLED = 10 * RECIPE.batch_size  # of 60,000 images
REPEATS = 7
SEED = 0


def from_activities(weights: Tensor, activities: Tensor, labels: Tensor, *, batch_size: int) -> Tensor:
    """(K, H) readout after one epoch on stored activities (M, H), as the stage trains it."""
    from biorobust.hebbian.model import readout

    model = readout.new_classifier(weights, synthetic.N_CLASSES, readout=RECIPE, beta=BETA, seed=SEED)
    readout.train(model, activities, labels, readout=RECIPE, batch_size=batch_size, epochs=1, seed=SEED)
    return model.readout.weight.detach()


def from_images(weights: Tensor, images: Tensor, labels: Tensor, *, batch_size: int) -> Tensor:
    """(K, H) readout after one epoch on uint8 images (M, 1, 28, 28) through the whole classifier."""
    from biorobust.core.training import Recipe, fit, objective
    from biorobust.hebbian.model import readout
    from biorobust.hebbian.model.classifier import power_loss

    model = readout.new_classifier(weights, synthetic.N_CLASSES, readout=RECIPE, beta=BETA, seed=SEED)
    fit(
        model,
        images,
        labels,
        recipe=Recipe(epochs=1, batch_size=batch_size, learning_rate=RECIPE.learning_rate),
        objective=objective(partial(power_loss, m=RECIPE.m)),
        mean_loss=False,
        seed=SEED,
    )
    return model.readout.weight.detach()


def measure() -> list[Measurement]:
    from torch.testing import assert_close

    from biorobust.hebbian.model import readout

    images = synthetic.images(synthetic.N_TRAIN, seed=0)[:SAMPLED].reshape(-1, 1, 28, 28)
    labels = synthetic.labels(SAMPLED, seed=0)
    weights = synthetic.units(synthetic.N_HIDDEN, seed=1)
    untrained = readout.new_classifier(weights, synthetic.N_CLASSES, readout=RECIPE, beta=BETA, seed=SEED)
    activities = readout.activities(untrained, images)

    def ours() -> Tensor:
        return from_activities(weights, activities, labels, batch_size=RECIPE.batch_size)

    def recomputed() -> Tensor:
        return from_images(weights, images, labels, batch_size=RECIPE.batch_size)

    assert_close(ours(), recomputed(), rtol=0, atol=1e-5)
    return [paired(CACHED, ours, recomputed, repeats=REPEATS, scale=synthetic.N_TRAIN / SAMPLED)]
