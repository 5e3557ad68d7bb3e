"""Which perturbed images a network still classifies correctly, at every size: the study's attack records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from biorobust import attacks
from biorobust.attacks import noise
from biorobust.attacks.crafting import linf
from biorobust.attacks.records import WORST_CASE, worst_case
from biorobust.attacks.scoring import Score, score
from biorobust.vonenet.model import models
from biorobust.vonenet.model.evaluation import stochastic
from biorobust.vonenet.model.stimuli import at_size

SIGNS, PGD, DEEPFOOL = "random-signs", "pgd-cross-entropy", "deepfool-"
COLUMNS = [
    *("attack", "eps", "index", "label", "clean_prediction", "adversarial_prediction", "broken", "distance"),
    "nonfinite_gradient",
]


def about(name: str) -> str:
    if name == SIGNS:
        return "every pixel moved up or down by the toss of a coin: a control"
    if name == WORST_CASE or name in attacks.ATTACKS:
        return attacks.about(name)
    source = name.removeprefix(DEEPFOOL)
    whose = "this network" if source in ("own", "live") else source
    under = ", crafted under live noise" if source == "live" else ""
    return f"DeepFool (L-infinity) against {whose}{under}, stretched or shrunk to the size"


def records(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    perturbed: Mapping[str, Tensor],
    *,
    index: np.ndarray,
    eps: Sequence[float],
    repeats: int,
    seed: int,
) -> pd.DataFrame:
    """One row per attack, size and image (COLUMNS): every perturbation of `perturbed`, attack -> images (N, 3, H, W),
    at every size, random signs, and PGD on the cross-entropy.

    A noisy network is wrong if more than half of `repeats` passes are; an image is broken when it is wrong before or
    after. index: (N,), places in the test split. nonfinite_gradient is of PGD alone: DeepFool ran before and counts its
    own.
    """
    before = _judged(model, images, labels, repeats=repeats, seed=seed)
    signs = noise.signs(images, max(eps), torch.Generator().manual_seed(seed))
    parts = []
    for number, (name, changed) in enumerate({**perturbed, SIGNS: signs}.items(), start=1):
        for size in eps:
            sized = at_size(images, changed, size) if size else images
            after = _judged(model, sized, labels, repeats=repeats, seed=seed + number) if size else before
            wrong = (before.fooled_share > 0.5) | (after.fooled_share > 0.5)
            columns = (labels, before.predicted, after.predicted, wrong)
            label, clean, adversarial, broken = (values.cpu().numpy() for values in columns)
            parts.append(
                pd.DataFrame(
                    {"attack": name, "eps": size, "index": index, "label": label, "clean_prediction": clean}
                    | {"adversarial_prediction": adversarial, "broken": broken}
                    | {"distance": linf(sized, images).cpu().numpy(), "nonfinite_gradient": False}
                )
            )
    draws = repeats if stochastic(model) else 1
    gradient = attacks.run(model, images, labels, [PGD], eps=eps, seed=seed, batch_size=64, repeats=draws)
    gradient["index"] = index[gradient["index"].to_numpy()]
    return pd.concat([*parts, gradient[COLUMNS]], ignore_index=True)


def _judged(model: nn.Module, images: Tensor, labels: Tensor, *, repeats: int, seed: int) -> Score:
    if not stochastic(model):
        return score(model, images, labels, batch_size=64)
    with models.noise(model, generator=torch.Generator(images.device).manual_seed(seed)):
        return score(model, images, labels, repeats=repeats, batch_size=64)


def correct(records: pd.DataFrame, *, eps: float) -> dict[str, np.ndarray]:
    """attack, the worst case included -> which images are right at one size, (N,) bool, by `index`."""
    at = records[records["eps"] == eps].sort_values("index")
    each = {str(name): ~rows["broken"].to_numpy(dtype=bool) for name, rows in at.groupby("attack", sort=False)}
    worst = worst_case(records)
    worst = worst[worst["eps"] == eps].sort_values("index")
    return each | {WORST_CASE: ~worst["broken"].to_numpy(dtype=bool)}


def metrics(per_seed: Mapping[int, pd.DataFrame], *, eps: Sequence[float]) -> dict[str, Any]:
    by_seed = {seed: [correct(records, eps=size) for size in eps] for seed, records in per_seed.items()}
    names = next(iter(by_seed.values()))[0]

    def entry(name: str, seed: int) -> dict[str, Any]:
        sizes, records = by_seed[seed], per_seed[seed]
        counts = {"seed": seed, "n": len(sizes[0][name]), "correct": [int(size[name].sum()) for size in sizes]}
        rows = records[(records["attack"] == name) & records["nonfinite_gradient"]]
        return counts | (
            {"nonfinite_gradient": [int((rows["eps"] == size).sum()) for size in eps]} if len(rows) else {}
        )

    return {name: {"about": about(name), "per_seed": [entry(name, seed) for seed in per_seed]} for name in names}
