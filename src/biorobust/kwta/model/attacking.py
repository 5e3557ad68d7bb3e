"""Every attack of the study on one trained seed: two threat models, records per image, resumable attack by attack."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from biorobust import attacks
from biorobust.attacks import at_resized, noise, records, registry, scoring
from biorobust.core import work
from biorobust.core.devices import full_precision
from biorobust.core.progress import progress
from biorobust.core.training import as_float, predict, share
from biorobust.kwta.model import networks, operator, probes
from biorobust.kwta.model.params import Attacks, Probe, ProbeSize

RESIZED = "-resized"
IMAGE_WORST_CASE = f"{records.WORST_CASE}-image"
GRID_SHIFT = 4  # pixels, half a block of JPEG
N_SCALE = 512  # test images over which the spread of the logits is taken


@dataclass(frozen=True)
class Victim:
    """One trained seed and what it is attacked on. `key` holds everything its records depend on, weights included.

    images: float (n, 3, H, W) in [0, 1], the first of the evaluation list; index: (n,) their places in the test split.
    """

    name: str
    model: nn.Module
    images: Tensor
    labels: Tensor
    index: np.ndarray
    eps: float
    seed: int
    key: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"{self.name}, seed {self.seed}"

    def state(self, what: str) -> Path:
        key = {**self.key, "seed": self.seed, "eps": self.eps, "index": self.index.tolist(), "what": what}
        code = (sys.modules[__name__], networks)
        return work.state_path(f"attack-{self.name}-seed{self.seed}-{what}", key, code=code)


def attack(victim: Victim, plan: Attacks) -> pd.DataFrame:
    """Rows as `attacks.run` gives them, attacks on the resized tensor under `<attack>-resized`.

    `index` is the place in the test split.
    """
    groups = [(group, "") for group in _shared_iterates(plan.attacks)]
    groups += [(group, RESIZED) for group in _shared_iterates(plan.resized_attacks)]
    return pd.concat([attacked(victim, *group) for group in groups], ignore_index=True)


@full_precision()
def attacked(victim: Victim, names: list[str], suffix: str = "") -> pd.DataFrame:
    def compute() -> dict[str, Any]:
        model, images = at_resized(victim.model, victim.images) if suffix else (victim.model, victim.images)
        table = _run(replace(victim, model=model, images=images), names)
        return records.as_state(
            table.assign(attack=table["attack"] + suffix, index=victim.index[table["index"].to_numpy()])
        )

    return records.from_state(work.once(victim.state("+".join(names) + suffix), compute))


def _run(victim: Victim, names: list[str]) -> pd.DataFrame:
    return attacks.run(
        victim.model,
        victim.images,
        victim.labels,
        names,
        eps=[victim.eps],
        seed=victim.seed,
        # Small on a CPU: DeepFool goes on until the last image of a minibatch is fooled.
        batch_size=500 if victim.images.is_cuda else 64,
        label=victim.label,
    )


def _shared_iterates(names: Sequence[str]) -> list[list[str]]:
    """Attacks grouped by whose iterates they read: last and best iterate come from one pass."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(registry.iterates(name), []).append(name)
    return list(groups.values())


def counts(table: pd.DataFrame, *, eps: float) -> dict[str, dict[str, Any]]:
    """Per attack and for both worst cases the counts of one seed (`records.counts`)."""
    found = records.counts(table, eps=(eps,))
    image = records.counts(table[~table["attack"].str.endswith(RESIZED)], eps=(eps,))
    return {**found, IMAGE_WORST_CASE: image[records.WORST_CASE]}


def about(name: str) -> str:
    """One line on an attack under the names used here."""
    if name == IMAGE_WORST_CASE:
        return "per image, the worst of all attacks on the 32-pixel image"
    where = "the resized tensor" if name.endswith(RESIZED) else "the 32-pixel image"
    text = attacks.about(name.removesuffix(RESIZED))
    return text if name == records.WORST_CASE else f"{text}; on {where}"


@full_precision()
def reencoded(
    victim: Victim, plan: Attacks, table: pd.DataFrame, *, test_images: Tensor, test_labels: Tensor
) -> dict[str, Any]:
    """What another JPEG of the test images changes, in images that are right: clean and under an attack.

    table: the victim's records, with the attack on the images as they are. test_images: uint8 (N, 3, H, W), for clean
    accuracy; attacked are the victim's own images.
    """

    def compute() -> dict[str, Any]:
        again = another_jpeg(test_images, quality=plan.jpeg_quality)
        clean = [predict(victim.model, images, batch_size=64) == test_labels for images in (test_images, again)]
        own = another_jpeg((victim.images * 255).round().to(torch.uint8), quality=plan.jpeg_quality)
        before = table[table["attack"] == plan.reencoded_attack].set_index("index").loc[victim.index]
        after = _run(replace(victim, images=as_float(own)), [plan.reencoded_attack])
        robust = [torch.tensor(~of["broken"].to_numpy(dtype=bool)) for of in (before, after)]
        return {"clean": _paired(*clean), "robust": _paired(*robust)}

    what = f"reencoded-{GRID_SHIFT}-{plan.jpeg_quality}-{plan.reencoded_attack}-{len(test_labels)}"
    return {"seed": victim.seed, **work.once(victim.state(what), compute)}


def another_jpeg(images: Tensor, *, quality: int) -> Tensor:
    """uint8 (N, 3, H, W) through a JPEG whose blocks lie half a block away from those of any earlier one.

    On the same blocks a second JPEG of equal quality finds nothing left to lose, and would tell nothing of the first.
    """
    wider = functional.pad(images.float(), [GRID_SHIFT] * 4, mode="replicate").to(torch.uint8)
    return jpeg(wider, quality=quality)[..., GRID_SHIFT:-GRID_SHIFT, GRID_SHIFT:-GRID_SHIFT].contiguous()


def jpeg(images: Tensor, *, quality: int) -> Tensor:
    """uint8 (N, 3, H, W) encoded with `quality` (1 to 95, chroma subsampled) and decoded again, on the same device."""
    changed = np.empty((len(images), *images.shape[2:], 3), np.uint8)
    for place, image in zip(changed, images.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
        with io.BytesIO() as stream:
            Image.fromarray(image).save(stream, "JPEG", quality=quality)
            place[:] = np.asarray(Image.open(stream))
    return torch.from_numpy(changed).permute(0, 3, 1, 2).contiguous().to(images.device)


def _paired(before: Tensor, after: Tensor) -> dict[str, int]:
    both = before & after
    return {"n": len(before), "before": int(before.sum()), "after": int(after.sum()), "both": int(both.sum())}


@full_precision()
def probe(victim: Victim, plan: Probe, size: ProbeSize) -> dict[str, Any]:
    """Jumps along random lines through the first images: `own` of the model, and `by_gamma` of its weights with other
    gammas.
    """
    model, images = victim.model, victim.images[: size.n_lines]
    ends = noise.signs(images, plan.length, torch.Generator().manual_seed(victim.seed))

    def measured() -> dict[str, dict[str, float]]:
        scale = probes.output_scale(model, victim.images[:N_SCALE])
        return probes.discontinuity(model, images, ends, n_points=plan.n_points, scale=scale)

    def compute() -> dict[str, Any]:
        found: dict[str, Any] = {"own": measured(), "by_gamma": []}
        gammas = {module.gamma for module in model.modules() if isinstance(module, operator.KWTA)}
        for gamma in progress(plan.gammas if gammas else (), label=f"{victim.label}, jumps by gamma", unit="gammas"):
            operator.set_gamma(model, gamma)
            right = scoring.predict(model, images) == victim.labels[: size.n_lines]
            found["by_gamma"].append({"gamma": gamma, "accuracy": share(right), **measured()})
        for gamma in gammas:
            operator.set_gamma(model, gamma)
        return found

    what = f"probe-{plan.length}-{plan.n_points}-{size.n_lines}-{plan.gammas}"
    return work.once(victim.state(what), compute)
