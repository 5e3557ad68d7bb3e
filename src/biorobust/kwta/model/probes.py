"""What k-WTA does inside a network: how many values pass, and how outputs jump."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.kwta.model.operator import KWTA, mask

BATCH_SIZE = 32  # of images of which all activations are kept


@torch.no_grad()
def observed(model: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The outputs for one minibatch, and which values pass every activation, by its name: bool, of the shape of its
    input.

    k-WTA: the winners, ties and winning zeros included. ReLU: the positive ones. The second call of an activation that
    is used twice is `name:2`.
    """
    found: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls = sum(known.partition(":")[0] == name for known in found) + 1
            key = name if calls == 1 else f"{name}:{calls}"
            found[key] = mask(inputs[0], module.gamma) if isinstance(module, KWTA) else inputs[0] > 0

        return hook

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, (KWTA, nn.ReLU))]
    handles = [module.register_forward_pre_hook(note(name)) for name, module in layers]
    try:
        output = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return output, found


def active_fractions(model: nn.Module, images: Tensor) -> dict[str, float]:
    """Share of values that pass each activation, over all images (N, C, H, W), by the activation's name."""
    totals: dict[str, float] = {}
    for part in images.split(BATCH_SIZE):
        for name, passed in observed(model, part)[1].items():
            totals[name] = totals.get(name, 0.0) + passed.double().mean().item() * len(part) / len(images)
    return totals


@torch.no_grad()
def discontinuity(
    model: nn.Module, starts: Tensor, ends: Tensor, *, n_points: int, scale: float
) -> dict[str, dict[str, float]]:
    """How the outputs, divided by `scale`, change along the straight lines from starts (L, C, H, W) to ends: mean and
    median over the lines of four numbers.

    change: largest difference of an output between neighbours of n_points (odd) points. jump: the same, extrapolated to
    points without distance, 2 change(h) - change(2 h), at least 0: J for a function that climbs steadily but for a jump
    by J, 0 for one that only climbs. variation: all differences added up over the difference of the ends, 1 for a
    steady climb. crossings: share of activation values that pass at one end and not at the other.
    """
    rows = []
    along = torch.linspace(0, 1, n_points, device=starts.device).view(-1, 1, 1, 1)
    for start, end in zip(starts, ends, strict=True):
        outputs = model(torch.lerp(start, end, along)).double() / scale
        steps = outputs.diff(dim=0).abs()
        fine, coarse = steps.max().item(), outputs[::2].diff(dim=0).abs().max().item()
        apart = (outputs[-1] - outputs[0]).abs().sum().item()
        passed = observed(model, torch.stack([start, end]))[1].values()
        rows.append(
            {
                "jump": max(0.0, 2 * fine - coarse),
                "change": fine,
                "variation": steps.sum().item() / apart if apart else 1.0,
                "crossings": sum(int((first ^ last).sum()) for first, last in passed)
                / max(1, sum(of[0].numel() for of in passed)),
            }
        )
    found = {key: torch.tensor([row[key] for row in rows], dtype=torch.float64) for key in rows[0]}
    return {key: {"mean": of.mean().item(), "median": of.median().item()} for key, of in found.items()}


@torch.no_grad()
def output_scale(model: nn.Module, images: Tensor) -> float:
    """Standard deviation of all outputs over images (N, C, H, W); 1 for a model whose outputs never change."""
    outputs: Any = torch.cat([model(part) for part in images.split(256)])
    return float(outputs.double().std()) or 1.0
