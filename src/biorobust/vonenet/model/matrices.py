"""Dissimilarity matrices of every layer over the same images, clean and perturbed, and how alike they are in rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from biorobust.analysis import capture, rdm
from biorobust.vonenet.model.conditions import LIVE, NONE, Condition
from biorobust.vonenet.model.layers import Layers
from biorobust.vonenet.model.shown import SELF


@torch.no_grad()
def of_layers(
    model: nn.Module, layers: Layers, images: Tensor, *, condition: Condition, number: int
) -> dict[str, Tensor]:
    """Layer -> matrix (N, N) of one pass over images (N, 3, H, W); an activation is let go once its matrix is made."""
    found: dict[str, Tensor] = {}
    with (
        condition.noise(number, range(len(images))),
        capture.hooked(layers.modules, lambda name, output: found.__setitem__(name, rdm.rdm(output))) as calls,
    ):
        model(images)
    capture.called_once(layers.modules, calls)
    return found


def compared(
    model: nn.Module,
    layers: Layers,
    clean: Tensor,
    perturbed: Mapping[str, Tensor],
    *,
    conditions: Mapping[str, Condition],
    repeats: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Rows `seed, noise, shown, layer, name, similarity, ceiling_low, ceiling_high`: Spearman's rho with the clean one.

    Without noise, and, for a network that has it, under live noise; there `self` is the clean images once more, and the
    ceiling (from `repeats` clean passes) is how alike any other matrix could be.
    """
    rows = []
    for noise in (NONE, LIVE):
        if noise not in conditions:
            continue
        condition = conditions[noise]
        reference = of_layers(model, layers, clean, condition=condition, number=0)
        again = [
            of_layers(model, layers, clean, condition=condition, number=n + 1) for n in range(repeats * (noise == LIVE))
        ]
        shown = perturbed if noise == NONE else {SELF: clean, **perturbed}
        for number, (name, images) in enumerate(shown.items(), start=repeats + 1):
            found = of_layers(model, layers, images, condition=condition, number=number)
            for place, (layer, matrix) in enumerate(found.items(), start=0 if layers.v1 is None else -1):
                low, high = rdm.noise_ceiling([one[layer] for one in again]) if len(again) > 1 else (None, None)
                rows.append(
                    {
                        "seed": seed,
                        "noise": noise,
                        "shown": name,
                        "layer": place,
                        "name": layer,
                        "similarity": rdm.similarity(reference[layer], matrix),
                        "ceiling_low": low,
                        "ceiling_high": high,
                    }
                )
    return rows
