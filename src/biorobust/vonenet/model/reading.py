"""Everything that is read of one network: deviations of its layers, the riddle, matrices, accuracy, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from biorobust.attacks.crafting import linf
from biorobust.vonenet.model import accuracy, layers, matrices, perturb, portraits, probes, riddle, shown, summary
from biorobust.vonenet.model.conditions import FROZEN, LIVE, NONE, Condition, conditions, majority, said
from biorobust.vonenet.model.evidence import Evidence
from biorobust.vonenet.model.layers import CONV, NORM, Deviations
from biorobust.vonenet.model.params import Activations, ActivationsSize
from biorobust.vonenet.model.shown import FROM, OWN, SELF, SIGNS

N_PROBED = 8
# What was perturbed against one network, by name: `own`, `answers`, `entered`, and `live` for a stochastic one.
Made = Mapping[str, Tensor]


@dataclass(frozen=True)
class Reading:
    """One network and seed. found: noise condition -> deviations, a row for each of `index`, the images compared.

    numbers: for the metrics, by name. records: of the attacks (accuracy.py).
    one_image: rows of `layers.one_image`. drawn: picture file -> arrays.
    """

    index: np.ndarray
    size: np.ndarray
    found: Mapping[str, Deviations]
    numbers: Mapping[str, Any]
    table: list[dict[str, Any]]
    matrices: list[dict[str, Any]]
    one_image: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    records: pd.DataFrame
    components: portraits.Components
    drawn: Mapping[str, Mapping[str, np.ndarray]]

    @property
    def names(self) -> list[str]:
        """The convolutions in order."""
        return [column.name for column in self.found[NONE].columns if column.kind == CONV]


def read(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    made: Made,
    others: Mapping[str, Made],
    *,
    index: Tensor,
    plan: Activations,
    size: ActivationsSize,
    seed: int,
    name: str | None,
) -> Reading:
    """Read one network on images (N, 3, H, W) whose places in the test split are `index`.

    Layers are compared on the images that entered and that DeepFool moved: under frozen noise it leaves an image that
    is wrong in that draw as it is, and an image compared with itself says nothing of any layer.

    made: what was perturbed against it; others: against other networks. name: its own, where it is itself a source.
    """
    model.eval()
    known = layers.of(model)
    noises = conditions(model, seed=seed, repeats=size.repeats)
    entered, chosen = made["entered"].bool(), _compared(images, made)
    clean, own = images[chosen], made["own"][chosen]
    sets = shown.sets(
        clean,
        own,
        {source: other["own"][chosen] for source, other in others.items()},
        common_eps=plan.common_eps,
        seed=seed,
    )
    found = {}
    for noise, condition in noises.items():
        found[noise] = layers.deviations(
            model,
            known,
            clean,
            sets if noise in (NONE, FROZEN) else shown.few(sets),
            noise=condition.noise,
            repeats=condition.repeats,
        )
        for source, other in others.items():
            _leave_out(found[noise], source, ~_compared(images, other)[chosen])
    table = [row for noise, deviations in found.items() for row in summary.rows(seed, noise, deviations)]
    few = slice(0, size.matrix)
    coins = perturb.signs_like(images[few], made["own"][few], seed=seed)
    perturbed = {f"{accuracy.DEEPFOOL}own": made["own"], f"{accuracy.DEEPFOOL}live": made.get("live", made["own"])}
    perturbed |= {f"{accuracy.DEEPFOOL}{source}": other["own"] for source, other in others.items()}
    if name:
        perturbed[f"{accuracy.DEEPFOOL}{name}"] = made["own"]
    first = slice(0, size.pictures)
    with noises[NONE].noise(0, range(size.pictures)):
        components = portraits.components(model, known, images[first], made["own"][first])
    after = majority(said(model, made["own"][first], draws=size.repeats, seed=seed))
    return Reading(
        index=index[chosen.cpu()].numpy(),
        size=linf(own, clean).cpu().numpy(),
        found=found,
        numbers={
            "entered": int(entered.sum()),
            "compared": len(clean),
            **summary.of_network(found[NONE]),
            **summary.noise_floor(found),
        },
        table=table,
        matrices=matrices.compared(
            model,
            known,
            images[few],
            {OWN: made["own"][few], SIGNS: coins},
            conditions=noises,
            repeats=size.repeats,
            seed=seed,
        ),
        one_image=_one_image(model, known, images, made, others, index=index, quiet=noises[NONE]),
        outcomes=[
            asdict(outcome)
            for outcome in riddle.solve(
                _evidence(model, known, clean, own, found, noises[NONE], every=(images[entered], made["own"][entered]))
            )
        ],
        records=accuracy.records(
            model,
            images,
            labels,
            perturbed,
            index=index.numpy(),
            eps=plan.eps,
            repeats=size.repeats,
            seed=seed,
        ),
        components=components,
        drawn={
            "perturbed": portraits.images(
                images[first], made["own"][first], (made["answers"][first], after), labels[first]
            ),
            "pca": components.drawn,
        },
    )


def _one_image(
    model: nn.Module,
    known: layers.Layers,
    images: Tensor,
    made: Made,
    others: Mapping[str, Made],
    *,
    index: Tensor,
    quiet: Condition,
) -> list[dict[str, Any]]:
    """The first image compared in this network and in all sources, so that twins show the same one."""
    by_all = torch.stack([_compared(images, one) for one in (made, *others.values())]).all(dim=0)
    first = int((by_all if bool(by_all.any()) else _compared(images, made)).int().argmax())
    chosen = slice(first, first + 1)
    with quiet.noise(0, range(1)):
        rows = layers.one_image(model, known, images[chosen], made["own"][chosen])
    return [{"image": int(index[first]), **row} for row in rows]


def _compared(images: Tensor, made: Made) -> Tensor:
    """(N,) bool: which images entered and were moved; all that entered where none was moved."""
    entered = made["entered"].bool()
    moved = entered & (linf(made["own"], images) > 0)
    return moved if bool(moved.any()) else entered


def _leave_out(found: Deviations, source: str, rows: Tensor) -> None:
    """Images that the source got wrong when clean, or that were not moved, make no comparison: rows of NaN."""
    for name, statistics in found.sets.items():
        if name.removesuffix(shown.COMMON) == f"{FROM}{source}":
            for values in statistics.values():
                values[rows.cpu().numpy()] = np.nan


def _evidence(
    model: nn.Module,
    known: layers.Layers,
    clean: Tensor,
    own: Tensor,
    found: Mapping[str, Deviations],
    quiet: Condition,
    *,
    every: tuple[Tensor, Tensor],
) -> Evidence:
    """every: clean and perturbed images that entered, those left unmoved too."""
    deviations = found[NONE]
    norms = deviations.of(OWN, "raw", NORM)
    behind = np.full((len(clean), len(known.convolutions)), np.nan)
    behind[:, [column.index for column in deviations.columns if column.kind == NORM]] = norms
    pair = probes.Pair(model, known.convolutions, clean[:N_PROBED], own[:N_PROBED])
    with quiet.noise(0, range(N_PROBED)), torch.no_grad():
        probed = {name: probe(pair) for name, probe in probes.PROBES.items()}
        overwritten = probes.overwritten(pair, {**known.convolutions, **_norms(known)})
        calls = probes.calls(pair)
    return Evidence(
        names=list(known.convolutions),
        raw=deviations.of(OWN, "raw", CONV),
        centred=deviations.of(OWN, "centred", CONV),
        norm_raw=behind,
        signs=deviations.of(SIGNS, "raw", CONV),
        itself=deviations.of(SELF, "raw", CONV),
        live=found[LIVE].of(SELF, "raw", CONV) if LIVE in found else None,
        between=deviations.of(OWN, "between", CONV),
        probes=probed,
        size=linf(*every).cpu().numpy(),
        left=linf(*map(perturb.quantised, every)).cpu().numpy(),
        overwritten=overwritten,
        calls=dict(calls),
    )


def _norms(known: layers.Layers) -> dict[str, nn.Module]:
    return {f"norm of {name}": module for name, module in known.norms.items()}
