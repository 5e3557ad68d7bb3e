"""Training one network of the study: its objective, its recipe, and what its losses say afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biorobust.attacks.pgd import ascended
from biorobust.cnnf.model import noise, objective
from biorobust.cnnf.model.network import FeedbackNetwork, FirstPass
from biorobust.cnnf.model.params import Adversarial, Noise, Plan, Training
from biorobust.core import training

N_POINTS = 500  # at most, of a seed's loss curve
SMOOTHING = 0.98  # weight of the past in the running mean of the loss


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


def step_curve(losses: Sequence[float], *, learning_rate: float, power: float, n_steps: int) -> list[dict[str, float]]:
    """Every k-th step's loss, its running mean over all steps so far, and the learning rate: at most N_POINTS rows.

    n_steps: of the whole training, which a divergence may have cut short.
    """
    every = -(-len(losses) // N_POINTS)
    schedule = training.polynomial(power)
    rows, mean = [], 0.0
    for step, loss in enumerate(losses):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        if step % every == 0:
            smoothed = mean / (1 - SMOOTHING ** (step + 1))  # without the bias towards the start at 0
            rate = learning_rate * schedule(step / n_steps)
            rows.append({"step": step, "loss": loss, "smoothed": smoothed, "learning_rate": rate})
    return rows


def loss_numbers(
    fitted: training.Fit, *, learning_rate: float, power: float, n_steps: int, epochs: int
) -> dict[str, float | None]:
    """How far the loss fell, and how far the optimiser's learning rate was from the polynomial it should follow."""
    history, losses = fitted.history, fitted.steps
    tail = max(1, len(losses) // 20)
    start, end = sum(losses[:tail]) / tail, sum(losses[-tail:]) / tail
    wanted = [learning_rate * (1 - (row["epoch"] * n_steps / epochs - 1) / n_steps) ** power for row in history]
    apart = [abs(row["learning_rate"] - rate) for row, rate in zip(history, wanted, strict=True)]
    return {
        "loss_first_epoch": history[0]["loss"],
        "loss_last_epoch": history[-1]["loss"],
        "loss_ratio": history[-1]["loss"] / history[0]["loss"] if len(history) > 1 else None,
        "loss_start": start,
        "loss_end": end,
        "loss_fall": 1 - end / start,
        "learning_rate_error": max(apart) / learning_rate,
    }
