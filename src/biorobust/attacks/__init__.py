"""The registry of attacks and the one runner that applies them and writes down what happened to every image.

An attack takes its gradient from a view of the model (the model itself, or another module the study offers under a
name); success is always scored on the model, in a forward pass of its own, and checked again in minibatches of
another size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from biorobust.attacks import fgsm, losses
from biorobust.attacks.records import WORST_CASE
from biorobust.errors import BiorobustError

MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One entry of the registry.

    craft(view, images, labels, loss=, eps=) -> (adversarial images per epsilon, (B,) bool zero gradient).
    view: "model", or the name of one of the study's attack views; a model without that view is attacked itself.
    """

    craft: Callable[..., Any]
    loss: losses.Loss
    view: str
    about: str


ATTACKS: dict[str, Attack] = {
    "fgsm-report": Attack(
        craft=fgsm.craft,
        loss=losses.negative_output,
        view="report",
        about="FGSM on minus the true class's output, on the outputs the report differentiated",
    ),
    "fgsm-cross-entropy": Attack(
        craft=fgsm.craft, loss=losses.cross_entropy, view=MODEL, about="FGSM on the cross-entropy of the logits"
    ),
    "fgsm-margin": Attack(
        craft=fgsm.craft,
        loss=losses.margin,
        view=MODEL,
        about="FGSM on the margin of the logits, which cannot saturate",
    ),
}


def get(name: str) -> Attack:
    """Raises BiorobustError naming the known attacks."""
    if name not in ATTACKS:
        raise BiorobustError(f"attack {name!r}: unknown; known are {', '.join(ATTACKS)} (params.yaml)")
    return ATTACKS[name]


def about(name: str) -> str:
    """One line on what an attack (or the worst case over all of them) is."""
    return "per image, the worst of all attacks up to this epsilon" if name == WORST_CASE else get(name).about


def pictures(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: str,
    *,
    eps: Sequence[float],
    views: Mapping[str, nn.Module] | None = None,
) -> dict[str, np.ndarray]:
    """One minibatch attacked for looking at: `images` uint8 (n_eps, n, H, W[, C]), `labels`, `predictions`, `eps`."""
    chosen = get(attack)
    adversarial, _ = chosen.craft(
        (views or {}).get(chosen.view, model), images, labels, loss=chosen.loss, eps=tuple(eps)
    )
    seen = torch.stack(adversarial).mul(255).round().to(torch.uint8).cpu().numpy()
    return {
        "images": seen[:, :, 0] if seen.shape[2] == 1 else seen.transpose(0, 1, 3, 4, 2),
        "labels": labels.cpu().numpy(),
        "predictions": torch.stack([_classes(model, changed) for changed in adversarial]).cpu().numpy(),
        "eps": np.asarray(eps),
        "attack": np.asarray(attack),
    }


def run(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attacks: Sequence[str],
    *,
    eps: Sequence[float],
    seed: int,
    views: Mapping[str, nn.Module] | None = None,
    batch_size: int = 500,
) -> pd.DataFrame:
    """Attack every image with every attack at every epsilon; rows as `records.COLUMNS`, `index` the place in `images`.

    model: in eval mode with frozen parameters. images: float (N, C, H, W) in [0, 1]; labels: (N,) int64; eps:
    L-infinity, in pixel units. An image counts as broken when it is misclassified before or after the attack.
    """
    if images.numel() and not (float(images.min()) >= 0 and float(images.max()) <= 1):
        raise ValueError("images must lie in [0, 1]")
    chosen = {name: get(name) for name in attacks}
    torch.manual_seed(seed)
    parts = []
    for first in range(0, len(images), batch_size):
        x, y = images[first : first + batch_size], labels[first : first + batch_size]
        clean = _classes(model, x)
        for name, attack in chosen.items():
            view = (views or {}).get(attack.view, model)
            adversarial, flat = attack.craft(view, x, y, loss=attack.loss, eps=tuple(eps))
            for size, changed in zip(eps, adversarial, strict=True):
                predicted = _classes(model, changed)
                again = _classes(model, changed, batch_size=max(1, batch_size // 3))
                broken = (clean != y) | (predicted != y)
                parts.append(
                    {
                        "attack": np.full(len(y), name, dtype=object),
                        "eps": np.full(len(y), size),
                        "index": np.arange(first, first + len(y)),
                        "label": y.cpu().numpy(),
                        "clean_prediction": clean.cpu().numpy(),
                        "adversarial_prediction": predicted.cpu().numpy(),
                        "broken": broken.cpu().numpy(),
                        "distance": (changed - x).abs().flatten(1).amax(dim=1).cpu().numpy(),
                        "step": np.where(broken.cpu().numpy(), 1, -1),
                        "zero_gradient": flat.cpu().numpy(),
                        "verified": (again == predicted).cpu().numpy(),
                    }
                )
    return pd.DataFrame({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})


@torch.no_grad()
def _classes(model: nn.Module, images: Tensor, *, batch_size: int | None = None) -> Tensor:
    return torch.cat([model(part).argmax(dim=1) for part in images.split(batch_size or len(images))])
