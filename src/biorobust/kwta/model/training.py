"""Training one cell or ablation: the recipe turned into a call of the one training loop, and what is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.core import augment, results, training
from biorobust.core.devices import full_precision
from biorobust.core.tensors import Tensors
from biorobust.core.training import as_float
from biorobust.kwta.model import networks, operator, probes, weights
from biorobust.kwta.model import recipe as recipes
from biorobust.kwta.model.params import FAST, Incremental, Recipe

LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of test accuracy, for how many epochs it took to get there
N_ACTIVE = 256  # test images on which active fractions are measured
N_WHITENED = 2000  # training images whose patches the small fast network is made to whiten
N_WATCHED = 2000


def fitted_recipe(recipe: Recipe, data: Tensors) -> Recipe:
    """The recipe with what the data set has: fewer images, and minibatches so small that an epoch has some.

    The small fast network goes through a smaller data set more often; the report's networks keep the report's epochs.
    """
    epochs = data.epochs(recipe.epochs, n_train=recipe.n_train) if recipe.network == FAST else recipe.epochs
    batch_size = data.batch_size(recipe.batch_size)
    fitted = {"n_train": len(data.train_images), "batch_size": batch_size, "epochs": epochs}
    return recipe.model_copy(update=fitted)


def config(recipe: Recipe, *, n_classes: int) -> dict[str, Any]:
    names = ("network", "logits", "width", "image_size", "normalise", "gamma", "gamma_by_layer", "stem")
    return {"n_classes": n_classes} | {name: getattr(recipe, name) for name in names}


def n_steps(recipe: Recipe) -> int:
    return recipe.epochs * -(-recipe.n_train // recipe.batch_size)


def train(
    name: str, recipe: Recipe, data: Tensors, *, seed: int, state: Path, plan: Incremental | None = None
) -> training.Trained:
    """Train one seed of a recipe that fits the data (`fitted_recipe`).

    The first N_WATCHED of the evaluation list are tested after every epoch; the entry is of all test images. plan: how
    gamma falls where it is incremental. Raises weights.Unavailable when the recipe starts from weights that there are
    not.
    """
    torch.manual_seed(seed)
    built_from = config(recipe, n_classes=data.n_classes)
    model = networks.build(built_from)
    if recipe.weights == "he":
        initialise(model)
    if recipe.init == "pretrained":
        weights.load_imagenet(model, network=recipe.network, width=recipe.width)
    if recipe.source:
        weights.load_trained(model, weights.checkpoint(recipe.source, seed=seed))
    model = model.to(data.train_labels.device)
    if isinstance(model.body, networks.PixelFastNet):
        spread = data.train_images[:: max(1, len(data.train_images) // N_WHITENED)]  # a mirror may sort them by class
        model.body.whiten(as_float(spread))
    falling = recipes.course(recipe, plan)

    def gamma_at(epoch: int) -> float | None:
        return falling(epoch) if falling else recipe.gamma

    def set_gamma(network: nn.Module, epoch: int) -> None:
        if falling:
            operator.set_gamma(network, falling(epoch))

    watched = data.evaluation[:N_WATCHED]
    seen = data.test_images[watched], data.test_labels[watched]

    def measure(network: nn.Module) -> dict[str, float]:
        loss, predictions = evaluate(network, *seen)
        return {"test_loss": loss, "test_accuracy": training.share(predictions == seen[1])}

    fitted = training.fit(
        model,
        data.train_images,
        data.train_labels,
        recipe=training.Recipe(
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            optimiser="sgd",
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            clip_norm=recipe.clip,
            schedule=_schedule(recipe, plan),
        ),
        objective=objective(recipe, n_classes=data.n_classes),
        seed=seed,
        prepare=lambda images: as_float(
            augment.crop_and_flip(images, padding=recipe.crop, flip=recipe.flip, edges=recipe.edges)
        ),
        before_epoch=set_gamma,
        measure=measure,
        state=state,
        label=f"{name}, seed {seed}",
    )
    set_gamma(model, len(fitted.history) - 1)  # a training that was finished before has not
    curve = [{"seed": seed, **row, "gamma": gamma_at(int(row["epoch"]) - 1)} for row in fitted.history]
    entry = seed_entry(seed, model, data, curve, diverged=fitted.diverged)
    return training.Trained(model=model, config=built_from, entry=entry, curve=curve)


def initialise(model: nn.Module) -> None:
    """First weights of variance 2 / inputs, and no bias: ReLU halves the variance, so it stays (He and others 2015)."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _schedule(recipe: Recipe, plan: Incremental | None) -> training.Schedule:
    if recipe.schedule == "triangular":
        return training.triangular(recipe.warmup)
    if recipe.gamma_schedule == "incremental" and plan is not None:
        return training.steps({recipes.held(plan, recipe.epochs) / recipe.epochs: plan.factor})
    return training.steps({recipe.drop_at: recipe.drop_factor})


def objective(recipe: Recipe, *, n_classes: int) -> training.Objective:
    """Cross-entropy over everything the head has, classes or not; accuracy among the classes.

    In bfloat16 winners are chosen among values so rounded, so some more tie.
    """

    def outputs(model: nn.Module, x: Tensor) -> Tensor:
        assert isinstance(model, networks.Classifier)
        return model.outputs(x)

    return training.cross_entropy(
        label_smoothing=recipe.label_smoothing,
        bfloat16=recipe.precision == "bfloat16",
        outputs=outputs,
        n_classes=n_classes,
    )


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Mean cross-entropy over the classes, and predicted classes (N,); uint8 images, model in eval mode."""
    total, predictions = 0.0, []
    with full_precision():
        for x, y in zip(images.split(500), labels.split(500), strict=True):
            logits = model(as_float(x))
            total += functional.cross_entropy(logits, y, reduction="sum").item()
            predictions.append(logits.argmax(dim=1))
    return total / len(labels), torch.cat(predictions)


def seed_entry(
    seed: int, model: networks.Classifier, data: Tensors, curve: list[dict[str, Any]], *, diverged: bool
) -> dict[str, Any]:
    """`results.seed_entry` on all test images, and what this study adds to it."""
    loss, predictions = evaluate(model, data.test_images, data.test_labels)
    entry = results.seed_entry(seed, predictions, data.test_labels, diverged=diverged)
    predicted = torch.bincount(predictions, minlength=data.n_classes)
    shares = predicted[predicted > 0] / len(predictions)
    return entry | {
        "train_accuracy": curve[-1]["accuracy"],
        "test_loss": loss,
        "label_entropy": abs(-(shares * shares.log2()).sum().item()),
        "predicted": predicted.tolist(),
        "epochs_to": {
            str(level): next((int(row["epoch"]) for row in curve if row["test_accuracy"] >= level), None)
            for level in LEVELS
        },
        "active": probes.active_fractions(model, as_float(data.test_images[:N_ACTIVE])),
    }
