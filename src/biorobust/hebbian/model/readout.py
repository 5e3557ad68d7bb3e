"""Training the power classifier on frozen units.

W never changes, so the hidden activities of every image are computed once and the readout is trained on them as if
they were the data: an epoch then costs the small product S h and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.core import training
from biorobust.core.tensors import Tensors
from biorobust.core.training import SCHEDULES, Fit, Recipe, as_float, objective, watched
from biorobust.hebbian.model.classifier import HebbianClassifier, power_loss
from biorobust.hebbian.model.params import Readout

CHOICE_SHARE = 5  # a choice between values of beta trains for one epoch in this many


class _Readout(nn.Module):
    """The trainable part: hidden activities (B, H) -> logits (B, K). Shares its parameters with the classifier."""

    def __init__(self, classifier: HebbianClassifier) -> None:
        super().__init__()
        self.readout = classifier.readout
        self.classifier = [classifier]  # in a list, so that W is not part of this module's state

    def forward(self, activations: Tensor) -> Tensor:
        return self.classifier[0].logits(activations)


@torch.no_grad()
def activities(classifier: HebbianClassifier, images: Tensor, *, batch_size: int = 2000) -> Tensor:
    """(N, H) hidden activities of uint8 or float images (N, C, H, W), computed in minibatches into one tensor."""
    stored = torch.empty(len(images), classifier.weights.shape[0], device=images.device)
    for part, rows in zip(images.split(batch_size), stored.split(batch_size), strict=True):
        rows.copy_(classifier.activations(as_float(part)))
    return stored


def new_classifier(weights: Tensor, n_classes: int, *, readout: Readout, beta: float, seed: int) -> HebbianClassifier:
    """An untrained classifier; the seed draws S (U(-1/sqrt H, 1/sqrt H), as a linear layer does by default)."""
    torch.manual_seed(seed)
    classifier = HebbianClassifier(weights, n_classes, n=readout.power, beta=beta, inputs=readout.inputs)
    return classifier.to(weights.device)


def train(
    classifier: HebbianClassifier,
    activations: Tensor,
    labels: Tensor,
    *,
    readout: Readout,
    batch_size: int,
    epochs: int,
    seed: int,
    test: tuple[Tensor, Tensor] | None = None,
    state: Path | None = None,
    label: str = "readout",
) -> Fit:
    """Train S on activations (N, H); `test` (activations, labels) adds a column `test_accuracy` to the history."""
    return training.fit(
        _Readout(classifier),
        activations,
        labels,
        recipe=Recipe(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=readout.learning_rate,
            schedule=SCHEDULES[readout.schedule],
        ),
        objective=objective(partial(power_loss, m=readout.m)),
        mean_loss=False,  # the loss is a sum over the minibatch, as published
        seed=seed,
        measure=watched(*test) if test else None,
        state=state,
        label=label,
    )


def fit(classifier: HebbianClassifier, data: Tensors, **settings: Any) -> Fit:
    """`train` on all training images, with the test images watched."""
    test = activities(classifier, data.test_images), data.test_labels
    return train(classifier, activities(classifier, data.train_images), data.train_labels, test=test, **settings)


@dataclass(frozen=True)
class Choice:
    """Which beta was taken. `candidates` are (beta, accuracy on the held-out tuning images)."""

    beta: float
    candidates: tuple[tuple[float, float], ...]

    def as_json(self) -> dict[str, Any]:
        candidates = [{"value": value, "tuning_accuracy": accuracy} for value, accuracy in self.candidates]
        return {"key": "beta", "candidates": candidates, "chosen": self.beta}


def choose_beta(weights: Tensor, data: Tensors, *, readout: Readout, batch_size: int, epochs: int, seed: int) -> Choice:
    """The beta with the best accuracy on held-out training images, after training on the others.

    The test images play no part. With a single value in the parameters there is nothing to choose.
    """
    if not isinstance(readout.beta, tuple):
        return Choice(beta=readout.beta, candidates=())
    kept, held_out = ~data.held_out, data.held_out
    features = new_classifier(weights, data.n_classes, readout=readout, beta=1.0, seed=seed)
    known = activities(features, data.train_images[kept]), data.train_labels[kept]
    unseen = activities(features, data.train_images[held_out]), data.train_labels[held_out]
    tried = []
    for beta in readout.beta:
        classifier = new_classifier(weights, data.n_classes, readout=readout, beta=beta, seed=seed)
        fitted = train(
            classifier,
            *known,
            readout=readout,
            batch_size=batch_size,
            epochs=max(1, epochs // CHOICE_SHARE),
            seed=seed,
            test=unseen,
            label=f"trying beta {beta:g}",
        )
        tried.append((beta, 0.0 if fitted.diverged else fitted.history[-1]["test_accuracy"]))
    return Choice(beta=max(tried, key=lambda item: item[1])[0], candidates=tuple(tried))
