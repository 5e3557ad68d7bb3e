"""Every attack of the comparison on one trained network, from the reports' own to those that adapt to the defence.

The reports' attacks are made on all images. Each further attack takes the images that all before it have left, so that
the robust accuracy after it is that of all of them together, image by image.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from biorobust import attacks
from biorobust.attacks import diagnostics, records, registry
from biorobust.attacks.registry import Attack
from biorobust.core import experiment, runs, work
from biorobust.core.devices import full_precision, pick
from biorobust.core.files import sha256
from biorobust.question.model import networks
from biorobust.question.model.params import AttackPlan, AttackSize

CURVE = "apgd-cross-entropy"  # the attack that other sizes than epsilon are tried with
NOISY = {CURVE: "apgd-noise"}  # on a network that draws noise the gradient is averaged over it
COARSE = 4.0  # the grid on which a network masked on purpose has its logits


@dataclass(frozen=True)
class Victim:
    """One trained network. images: float (N, C, H, W) in [0, 1]; index: (N,) their places in the test split.

    key: everything its records depend on, weights included; code: the module that builds it. noisy: it draws noise of
    its own.
    """

    name: str
    family: str
    model: nn.Module
    views: Mapping[str, nn.Module]
    images: Tensor
    labels: Tensor
    index: np.ndarray
    eps: float
    curve: Sequence[float]
    seed: int
    noisy: bool
    key: Mapping[str, Any]
    code: ModuleType

    def state(self, what: str, plan: AttackPlan, size: AttackSize, *more: object) -> Any:
        key = {**self.key, "seed": self.seed, "eps": self.eps, "curve": list(self.curve), "index": self.index.tolist()}
        made = {"reports": list(plan.reports), "attacks": names(plan, self.family), "draws": plan.draws}
        key |= {"plan": made, "size": size.model_dump(), "what": what, "more": more}
        return work.state_path(
            f"{what}-{self.name}-seed{self.seed}", key, code=(sys.modules[__name__], networks, self.code)
        )


@dataclass
class Progressed:
    """What attacks have done so far. parts: records; broken: (N,) bool; points: (N, C, H, W), the image that broke it,
    else the one that came nearest."""

    parts: list[pd.DataFrame]
    broken: np.ndarray
    points: Tensor


def victims(
    name: str, *, family: str, dataset: str, n_images: int, eps: float, curve: Sequence[float]
) -> Iterable[Victim]:
    """The trained seeds of a network, with the first `n_images` of the images that its study is evaluated on."""
    index, images, labels = experiment.load(dataset).evaluated(n_images)
    for seed in runs.seeds(name):
        model = runs.load(name, seed=seed, device=pick())
        with torch.no_grad():
            noisy = not torch.equal(model(images[:8]), model(images[:8]))
        yield Victim(
            name=name,
            family=family,
            model=model,
            views=runs.attack_views(name, model),
            images=images,
            labels=labels,
            index=index.cpu().numpy(),
            eps=eps,
            curve=curve,
            seed=seed,
            noisy=noisy,
            key={"weights": sha256(runs.folder(name) / f"seed{seed}.safetensors"), "device": pick()},
            code=runs.code(name),
        )


def names(plan: AttackPlan, family: str) -> list[str]:
    """The attacks at epsilon on a family's networks, in their order, without those that need other networks."""
    return [*plan.reports, *plan.adaptive, *plan.views.get(family, ()), *plan.blind]


@full_precision()
def attacked(victim: Victim, plan: AttackPlan, size: AttackSize) -> tuple[pd.DataFrame, Tensor]:
    """All attacks that need no other network: records as `attacks.run` gives them, and the points (N, C, H, W)."""

    def compute() -> dict[str, Any]:
        so_far = Progressed([], np.zeros(len(victim.labels), dtype=bool), victim.images.clone())
        for eps in (eps for eps in victim.curve if eps < victim.eps):
            _survivors(victim, CURVE, so_far, plan, size, eps=eps)
        for name in names(plan, victim.family):
            _survivors(victim, name, so_far, plan, size, eps=victim.eps, everyone=name in plan.reports)
        points = so_far.points.clone()
        for eps in (eps for eps in victim.curve if eps > victim.eps):
            _survivors(victim, CURVE, so_far, plan, size, eps=eps)
        return {**records.as_state(records.joined(so_far.parts)), "points": points}

    state = work.once(victim.state("attack", plan, size), compute)
    points = state.pop("points")
    return records.from_state(state), points


@full_precision()
def shown(
    victim: Victim,
    plan: AttackPlan,
    size: AttackSize,
    *,
    before: pd.DataFrame,
    own: Tensor,
    given: Mapping[str, Tensor],
    key: str,
) -> pd.DataFrame:
    """The images of other networks, then a last search from the best point known; on what all attacks before left.

    before, own: what `attacked` gave. given: by network, its points (N, C, H, W). key: tells the others' weights apart.
    """

    def compute() -> dict[str, Any]:
        at = before[before["eps"] == victim.eps]
        broken = at.groupby("index")["broken"].any().reindex(victim.index).to_numpy()
        so_far = Progressed([at], broken.copy(), victim.images.clone())
        for name, points in ((registry.TRANSFER, given), ("warm-start", {**given, victim.name: own})):
            _survivors(victim, name, so_far, plan, size, eps=victim.eps, given=points)
        return records.as_state(records.joined(so_far.parts[1:]))

    return records.from_state(work.once(victim.state("transfer", plan, size, key, sorted(given)), compute))


def _survivors(
    victim: Victim,
    name: str,
    so_far: Progressed,
    plan: AttackPlan,
    size: AttackSize,
    *,
    eps: float,
    everyone: bool = False,
    given: Mapping[str, Tensor] | None = None,
) -> None:
    """One attack, on the images that are left; the others keep the record of what broke them, under its name."""
    left = np.arange(len(victim.labels)) if everyone else np.flatnonzero(~so_far.broken)
    rows = torch.from_numpy(left)
    table = pd.DataFrame()
    if len(left):
        keep: dict[str, Tensor] = {}
        view = registry.get(name).view
        table = attacks.run(
            victim.model,
            victim.images[rows],
            victim.labels[rows],
            {name: budgeted(name, size, noisy=victim.noisy)},
            eps=[eps],
            seed=victim.seed,
            views={view: victim.views.get(view, victim.model)},  # without such a view it is attacked as it is
            repeats=plan.draws if victim.noisy else 1,
            index=rows,
            given={key: points[rows][None] for key, points in (given or {}).items()},
            keep=keep,
            label=f"{victim.name}, seed {victim.seed}",
        )
        table["index"] = victim.index[table["index"].to_numpy()]
        now = table.sort_values("index").set_index("index").loc[victim.index[left], "broken"].to_numpy(dtype=bool)
        taken = torch.from_numpy(now & ~so_far.broken[left]) if everyone else slice(None)
        so_far.points[rows[taken]] = keep[name][0][taken]
        so_far.broken[left] |= now
    if so_far.parts:
        earlier = pd.concat(so_far.parts)
        earlier = earlier[earlier["broken"].astype(bool) & earlier["index"].isin(np.delete(victim.index, left))]
        stood = earlier.sort_values("eps", kind="stable").drop_duplicates("index").assign(attack=name, eps=eps)
        table = pd.concat([table, stood], ignore_index=True)
    so_far.parts.append(table)


def budgeted(name: str, size: AttackSize, *, noisy: bool) -> Attack:
    """An attack of the registry: on a noisy network averaged over noise, without gradients with the scale's queries."""
    attack = registry.get(NOISY.get(name, name) if noisy else name)
    if isinstance(attack.craft, partial) and "queries" in attack.craft.keywords:
        queries = size.noisy_queries if noisy else size.queries
        about = re.sub(r"[\d,]+(?= queries| random corners)", f"{queries:,}", attack.about)
        return replace(attack, craft=partial(attack.craft, queries=queries), about=about)
    return attack


def about(name: str, size: AttackSize, *, noisy: bool) -> str:
    """One line on an attack as it is made here."""
    if "@" in name or name == records.WORST_CASE:
        return registry.about(name)
    return budgeted(name, size, noisy=noisy).about


def examined(victim: Victim, plan: AttackPlan, size: AttackSize) -> dict[str, list[dict[str, Any]]]:
    """The masking diagnostics of a network; and, for the plain one, of the two that are masked on purpose."""
    found = {"own": _examined(victim, victim.model, plan, size, "own")}
    if victim.name.endswith("-plain"):
        hidden = {"rounded": networks.rounded(victim.model, COARSE), "saturated": networks.saturated(victim.model)}
        found |= {key: _examined(victim, model, plan, size, key) for key, model in hidden.items()}
    return found


@full_precision()
def _examined(victim: Victim, model: nn.Module, plan: AttackPlan, size: AttackSize, what: str) -> list[dict[str, Any]]:
    n = min(size.n_examined // (4 if victim.noisy else 1), len(victim.labels))

    def compute() -> dict[str, Any]:
        findings = diagnostics.examine(
            model,
            victim.images[:n],
            victim.labels[:n],
            eps=victim.eps,
            seed=victim.seed,
            repeats=plan.draws if victim.noisy else 1,
            label=f"{victim.name}, {what}",
        )
        return {"findings": [vars(finding) for finding in findings]}

    found: list[dict[str, Any]] = work.once(victim.state(f"examined-{what}", plan, size), compute)["findings"]
    return found
