"""Training one network of the study: its objective, its recipe, and what its losses say afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.attacks.pgd import ascended
from biorobust.cnnf.model import noise, objective
from biorobust.cnnf.model.network import FeedbackNetwork, FirstPass
from biorobust.cnnf.model.params import Adversarial, Noise, Plan, Training
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
    """Train in place on images uint8 (N, 1, H, W), perturbed anew for every minibatch: noise, or PGD on the first pass.

    With precision bfloat16 products with weights are in that precision (autocast); images, InsNorm, logits and the loss
    stay in float32. The weights are laid out channels-last meanwhile, which GPUs are fastest with.
    """
    bfloat16 = settings.precision == "bfloat16"
    weights = {name: getattr(settings, f"weight_{name}") for name in (*objective.TERMS, "clean")}

    def perturbed(network: FeedbackNetwork, x: Tensor, y: Tensor) -> Tensor:
        if plan.images == "adversarial":
            return ascended(FirstPass(network), x, y, **adversarial.model_dump())
        return noise.KINDS[noise_.kind](x, plan.noise_level)

    def compute(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        assert isinstance(network, FeedbackNetwork)
        halves = None if plan.images == "noisy" else x, None if plan.images == "clean" else perturbed(network, x, y)
        how: dict[str, Any] = {"weights": weights, "cycle_clean": plan.cycle_clean, "detach": settings.detach}
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
            parts, logits = objective.terms(network, *halves, y, **how)
        return sum(parts.values(), logits.new_zeros(())), logits, parts

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


def loss_numbers(
    fitted: training.Fit, *, learning_rate: float, power: float, n_steps: int, epochs: int
) -> dict[str, float | None]:
    """How far the loss fell, and how far the optimiser's learning rate was from the polynomial it should follow.

    loss_ratio: of the last epoch to the first, None with a single one. loss_fall: from the first twentieth of the steps
    to the last.
    """
    history, losses = fitted.history, fitted.steps
    tail = max(1, len(losses) // 20)
    wanted = [learning_rate * (1 - (row["epoch"] * n_steps / epochs - 1) / n_steps) ** power for row in history]
    apart = [abs(row["learning_rate"] - rate) for row, rate in zip(history, wanted, strict=True)]
    return {
        "loss_ratio": history[-1]["loss"] / history[0]["loss"] if len(history) > 1 else None,
        "loss_fall": 1 - (sum(losses[-tail:]) / tail) / (sum(losses[:tail]) / tail),
        "learning_rate_error": max(apart) / learning_rate,
    }
