"""An epoch of the classifier from stored hidden activities, against one that computes W v anew, as published.

Both go through the library's own training loop and end with the same readout.
"""

from __future__ import annotations

from functools import partial

from benchmarks import synthetic
from benchmarks.timing import Measurement, paired

CACHED = "readout epoch, stored activities, against W v every epoch"
LIMITS = {CACHED: 0.1}
BATCH_SIZE = 1024
SAMPLED = 10 * BATCH_SIZE  # of 60,000 images
REPEATS = 7
SEED = 0


def measure() -> list[Measurement]:
    from torch import Tensor
    from torch.testing import assert_close

    from biorobust.hebbian import readout
    from biorobust.hebbian.classifier import HebbianClassifier, power_loss
    from biorobust.hebbian.params import Readout
    from biorobust.training import Recipe, fit, objective

    recipe = Readout(
        inputs="raw", power=4.5, beta=0.01, m=6, learning_rate=1e-4, schedule="constant", batch_size=BATCH_SIZE
    )
    images = synthetic.images(SAMPLED, seed=0).reshape(-1, 1, 28, 28)
    labels = synthetic.labels(SAMPLED, seed=0)
    weights = synthetic.units(synthetic.N_HIDDEN, seed=1)

    def untrained() -> HebbianClassifier:
        return readout.new_classifier(weights, synthetic.N_CLASSES, readout=recipe, beta=0.01, seed=SEED)

    stored = readout.activities(untrained(), images)

    def ours() -> Tensor:
        model = untrained()
        readout.train(model, stored, labels, readout=recipe, batch_size=BATCH_SIZE, epochs=1, seed=SEED)
        return model.readout.weight

    def recomputed() -> Tensor:
        model = untrained()
        fit(
            model,
            images,
            labels,
            recipe=Recipe(epochs=1, batch_size=BATCH_SIZE, learning_rate=recipe.learning_rate),
            objective=objective(partial(power_loss, m=recipe.m)),
            mean_loss=False,
            seed=SEED,
        )
        return model.readout.weight

    assert_close(ours(), recomputed(), rtol=0, atol=1e-5)
    return [paired(CACHED, ours, recomputed, repeats=REPEATS, scale=synthetic.N_TRAIN / SAMPLED)]
