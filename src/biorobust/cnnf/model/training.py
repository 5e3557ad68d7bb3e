"""Training one network of the study: its objective and its recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biorobust.attacks.pgd import ascended
from biorobust.cnnf.model import noise, objective
from biorobust.cnnf.model.network import FeedbackNetwork, FirstPass
from biorobust.cnnf.model.params import Adversarial, Noise, Training
from biorobust.cnnf.model.plan import Plan
from biorobust.core import training


def new_config(
    training_: Training, plan: Plan, *, n_classes: int, width: int, image_size: tuple[int, int]
) -> dict[str, Any]:
    """What `biorobust.core.runs` builds the network from."""
    config: dict[str, Any] = {
        "n_classes": n_classes,
        "cycles": plan.cycles,
        "residual": plan.residual,
        "ind": training_.ind,
        "readout": training_.readout,
        "subtract_bias": training_.bias_feedback == "subtract",
        "adaptive": plan.feedback != "masked",
        "image_shape": [1, *image_size],
    }
    return config | ({"width": width} if training_.network == "two-block" else {})


def perturbation(plan: Plan, *, noise_: Noise, adversarial: Adversarial) -> Callable[..., Tensor]:
    """(network, images, labels) -> perturbed images: fresh noise, or PGD on the first pass."""
    if plan.images != "adversarial":
        draw = noise.KINDS[noise_.kind]
        return lambda _, images, labels: draw(images, plan.noise_level)

    return lambda network, images, labels: ascended(FirstPass(network), images, labels, **adversarial.model_dump())


def fit(
    model: FeedbackNetwork,
    images: Tensor,
    labels: Tensor,
    *,
    settings: Training,
    plan: Plan,
    noise_: Noise,
    adversarial: Adversarial,
    batch_size: int,
    seed: int,
    state: Path | None,
    label: str,
) -> training.Fit:
    """Train in place on images uint8 (N, 1, H, W).

    With precision bfloat16 the network's weights are laid out channels-last meanwhile, which GPUs are fastest with.
    """
    bfloat16 = settings.precision == "bfloat16"
    halves = {"clean": "clean", "noisy": "perturbed"}
    compute = objective.build(
        images=halves.get(plan.images, "both"),
        weights=objective.Weights(
            first=settings.weight_first,
            cycles=settings.weight_cycles,
            feature=settings.weight_feature,
            block1=settings.weight_block1,
            block2=settings.weight_block2,
            clean=settings.weight_clean,
        ),
        cycle_clean=plan.cycle_clean,
        detach=settings.detach,
        perturb=perturbation(plan, noise_=noise_, adversarial=adversarial),
        bfloat16=bfloat16,
    )
    recipe = training.Recipe(
        epochs=plan.epochs,
        batch_size=batch_size,
        learning_rate=settings.learning_rate,
        optimiser="sgd",
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        clip_norm=settings.clip_norm,
        schedule=training.polynomial(settings.power),
    )
    if bfloat16:
        model.to(memory_format=torch.channels_last)
    fitted = training.fit(model, images, labels, recipe=recipe, objective=compute, seed=seed, state=state, label=label)
    model.to(memory_format=torch.contiguous_format)
    return fitted


def logged_settings(
    training_: Training,
    plan: Plan,
    *,
    noise_: Noise,
    adversarial: Adversarial,
    config: Mapping[str, Any],
    batch_size: int,
    n_train: int,
) -> dict[str, Any]:
    """What was really trained, flat, for the metrics' `settings`."""
    found = training_.model_dump() | {"batch_size": batch_size}
    found |= {key: value for key, value in vars(plan).items() if key != "seeds"}
    found |= {"noise_kind": noise_.kind, "width": config.get("width"), "n_train": n_train}
    if plan.images == "adversarial":
        found |= {"adversarial_eps": adversarial.eps, "adversarial_step": adversarial.step}
        found |= {"adversarial_steps": adversarial.steps}
    return found
