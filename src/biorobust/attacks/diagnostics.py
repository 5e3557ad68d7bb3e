"""Does a network hide its gradients? Cheap checks, each with a number, a threshold and a verdict.

A check that is flagged says that gradient attacks fail on this network for another reason than that there is nothing to
find (Athalye et al. 2018; Carlini et al. 2019; Pintor et al. 2022). One that is not proves nothing. The checks are
functions of attack records or of the model; `examine` makes what they need. Thresholds stand with all others, in
`biorobust.statistics.thresholds.MASKING`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.attacks import draws, registry, runner
from biorobust.attacks.registry import BEST, Attack
from biorobust.statistics.thresholds import MASKING

SINGLE, ITERATIVE = "fgsm-cross-entropy", "pgd-cross-entropy"
WHITE = (SINGLE, ITERATIVE, f"{ITERATIVE}{BEST}", "apgd-cross-entropy", "apgd-targeted")
BLIND = ("square", "random-corners")
MINIMAL = ("deepfool-report", "fmn")
UNBOUNDED = 0.5  # a grey image lies so near to every other
DOUBLED = "apgd"  # one name before the @, so that all start at the same points
TWICE = {"steps": "steps", "restarts": "starts"}
DEVIATIONS = 1.96  # of a paired count that chance alone explains


@dataclass(frozen=True)
class Finding:
    """What one check found: `value` against `limit`, both as `about` says, and whether it is a sign of masking."""

    check: str
    value: float
    limit: float
    flagged: bool
    about: str


def _above(check: str, value: float, limit: float, about: str) -> Finding:
    return Finding(check, value, limit, value > limit, about)


def masked(findings: Sequence[Finding]) -> bool:
    return any(finding.flagged for finding in findings)


def single_step(records: pd.DataFrame, *, eps: float) -> Finding:
    """FGSM breaks more images than PGD, by more than chance: of two optimisers the worse one wins."""
    one, many = _broken(records, SINGLE, eps), _broken(records, ITERATIVE, eps)
    value, chance = _gain(one, many)
    about = "share of images that one step breaks, less that of forty"
    return _above("single step against many", value, chance, about)


def blind(records: pd.DataFrame, *, eps: float, check: str, attacks: Sequence[str], against: Sequence[str]) -> Finding:
    """Attacks without gradients break images that those with them do not."""
    found = np.any([_broken(records, name, eps) for name in attacks], axis=0)
    known = np.any([_broken(records, name, eps) for name in against], axis=0)
    value = float((found & ~known).mean())
    about = f"share of images broken by {', '.join(attacks)} and not by {', '.join(against)}"
    return _above(check, value, MASKING.blind, about)


def unbounded(records: pd.DataFrame, *, attack: str) -> Finding:
    """An attack whose ball reaches a grey image leaves some images right."""
    wide = float(records["eps"].max())
    value = 1 - float(_broken(records, attack, wide).mean())
    about = f"accuracy at an epsilon of {wide:g}, {attack}"
    return _above("unbounded epsilon", value, MASKING.unbounded, about)


def rising(records: pd.DataFrame, *, attack: str) -> Finding:
    """A larger ball, which holds the smaller one, leaves more images right, by more than chance."""
    sizes = sorted(records.loc[records["attack"] == attack, "eps"].unique())
    steps = [
        _gain(_broken(records, attack, less), _broken(records, attack, more))
        for less, more in itertools.pairwise(sizes)
    ]
    value, chance = max(steps, key=lambda step: step[0] - step[1], default=(0.0, 0.0))
    return _above("accuracy by epsilon", value, chance, f"largest rise from one epsilon to the next, {attack}")


def convergence(records: pd.DataFrame, *, eps: float, what: str) -> Finding:
    """Twice the steps or starts (`doubled`) break more images, by more than chance and than a point."""
    value, chance = _gain(_broken(records, f"{DOUBLED}@{what}", eps), _broken(records, f"{DOUBLED}@once", eps))
    limit = max(MASKING.slower, chance)
    return _above(f"convergence in {what}", value, limit, f"share of images that only twice the {what} break")


def flat(records: pd.DataFrame, *, attack: str) -> Finding:
    """Gradients that are exactly zero where the attack begins, among images that are right."""
    rows = records[(records["attack"] == attack) & (records["clean_prediction"] == records["label"])]
    value = float(rows["zero_gradient"].mean()) if len(rows) else 0.0
    return _above("zero gradients", value, MASKING.flat, f"share of right images, {attack}")


def last_iterate(records: pd.DataFrame, *, eps: float) -> Finding:
    """PGD walks past its successes."""
    best, last = _broken(records, f"{ITERATIVE}{BEST}", eps), _broken(records, ITERATIVE, eps)
    value = float((best & ~last).mean())
    about = "share of images that an iterate of PGD breaks and its last one does not"
    return _above("last against best iterate", value, MASKING.last, about)


def stability(records: pd.DataFrame) -> Finding:
    """Successes that another forward pass, in minibatches of another size, does not repeat."""
    found = records[records["broken"]]
    value = float((~found["verified"]).mean()) if len(found) else 0.0
    return _above("stable evaluation", value, MASKING.unstable, "share of successes not seen again")


def exhausted(records: pd.DataFrame) -> list[Finding]:
    """DeepFool used all its steps and fooled nobody, or needs much larger steps than FMN where both succeed."""
    deepfool, fmn = (_first(records, name) for name in MINIMAL)
    right = (deepfool["clean_prediction"] == deepfool["label"]).to_numpy()
    fooled = deepfool["raw_fools"].to_numpy(dtype=bool)
    share = float((~fooled[right]).mean()) if right.any() else 0.0
    both = right & fooled & fmn["raw_fools"].to_numpy(dtype=bool)
    far, near = (float(table["raw_distance"][both].median()) if both.any() else 1.0 for table in (deepfool, fmn))
    ratio = far / max(near, 1e-12)
    return [
        _above("DeepFool's steps", share, MASKING.exhausted, "share of right images not fooled in 20"),
        _above("DeepFool's distance", ratio, MASKING.longer, "its median over that of FMN"),
    ]


def turning(
    model: nn.Module, images: Tensor, labels: Tensor, *, eps: float, seed: int, batch_size: int = 500
) -> Finding:
    """The loss's gradient points elsewhere a hundredth of epsilon away; a gradient of zero points nowhere."""
    cosines = []
    for first in range(0, len(images), batch_size):
        x, y = images[first : first + batch_size], labels[first : first + batch_size]
        own = draws.keys(torch.arange(first, first + len(x), device=x.device), seed, "turning")
        near = (x + eps / 100 * (2 * draws.coins(own, x.shape[1:]).to(x.dtype) - 1)).clamp(0, 1)
        here, there = (_gradient(model, at, y).flatten(1) for at in (x, near))
        # In float64, and scaled first: gradients of a network that is sure of itself are as small as 1e-30.
        cosines.append(functional.cosine_similarity(_scaled(here), _scaled(there)))
    value = float(torch.cat(cosines).median())
    about = "median cosine between gradients epsilon / 100 apart"
    return Finding("consistent gradients", value, MASKING.turning, not value >= MASKING.turning, about)


def _gradient(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    at = x.clone().requires_grad_()
    return torch.autograd.grad(functional.cross_entropy(model(at), labels, reduction="sum"), at)[0]


def _scaled(gradient: Tensor) -> Tensor:
    wide = gradient.double()
    return wide / wide.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)


def examine(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    seed: int,
    repeats: int = 1,
    batch_size: int = 500,
    label: str = "diagnostics",
) -> list[Finding]:
    """All checks on one model.

    images: float (N, C, H, W) in [0, 1], labels: (N,) int64; a few hundred. eps: where a network without defence keeps
    a third to two thirds of its accuracy, so that there is something to tell apart; checks over epsilons also take its
    half and UNBOUNDED. repeats: as of `attacks.run`, for a model with noise. Gradients come from the model itself.
    """
    run = partial(runner.run, model, images, labels, seed=seed, repeats=repeats, batch_size=batch_size, label=label)
    at = run([*WHITE, *BLIND, *MINIMAL], eps=[eps])
    wide = run([ITERATIVE, "apgd-cross-entropy"], eps=[eps / 2, eps, max(eps, UNBOUNDED)])
    efforts = run(doubled(registry.get("apgd-cross-entropy")), eps=[eps])
    return [
        single_step(at, eps=eps),
        blind(at, eps=eps, check="black box against white box", attacks=BLIND, against=WHITE),
        blind(
            at, eps=eps, check="random sampling", attacks=("random-corners",), against=(ITERATIVE, f"{ITERATIVE}{BEST}")
        ),
        unbounded(wide, attack="apgd-cross-entropy"),
        rising(wide, attack=ITERATIVE),
        *(convergence(efforts, eps=eps, what=what) for what in TWICE.values()),
        flat(at, attack=SINGLE),
        turning(model, images, labels, eps=eps, seed=seed, batch_size=batch_size),
        last_iterate(at, eps=eps),
        stability(at),
        *exhausted(at),
    ]


def doubled(attack: Attack) -> Mapping[str, Attack]:
    """An attack as it is ("once"), with twice its steps and with twice its starts, all from one first start."""
    craft = attack.craft
    assert isinstance(craft, partial)
    known = {"restarts": 1, **craft.keywords}
    more = {key: replace(attack, craft=partial(craft, **{key: 2 * known[key]})) for key in TWICE}
    return {f"{DOUBLED}@once": attack} | {f"{DOUBLED}@{TWICE[key]}": value for key, value in more.items()}


def _first(records: pd.DataFrame, attack: str) -> pd.DataFrame:
    rows = records[records["attack"] == attack]
    return rows[rows["eps"] == rows["eps"].min()].sort_values("index")


def _broken(records: pd.DataFrame, attack: str, eps: float) -> np.ndarray:
    """(N,) bool, by the images' index."""
    rows = records[(records["attack"] == attack) & (records["eps"] == eps)].sort_values("index")
    if rows.empty:
        raise ValueError(f"no records of {attack!r} at epsilon {eps:g}")
    return rows["broken"].to_numpy(dtype=bool)


def _gain(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """By how much a breaks more of the same images than b, and how much of that chance explains (McNemar, 95 %)."""
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return (only_a - only_b) / len(a), DEVIATIONS * float(np.sqrt(only_a + only_b)) / len(a)
