"""All measurements of one network, and of a network with a V1 stage against the plain one, paired by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from biorobust.attacks.crafting import linf
from biorobust.vonenet.model import hypotheses, layers, stimuli, visualisation
from biorobust.vonenet.model.evaluation import (
    LIVE,
    NONE,
    Noise,
    majority,
    noise_conditions,
    predict_samples,
)
from biorobust.vonenet.model.layers import NORM, Column, Deviations
from biorobust.vonenet.model.models import Classifier
from biorobust.vonenet.model.params import Activations, ActivationsSize
from biorobust.vonenet.model.stimuli import COMMON, FROM, OTHER, OWN, SELF, SIGNS

N_PROBED = 8  # images on which artefacts are made
# What `stimuli.perturb` made against one network, and `index`, the places of the images in the test split.
Perturbed = Mapping[str, Tensor]


@dataclass(frozen=True)
class LayerMeasurements:
    """One network and seed.

    index (N,): places in the test split of the images compared. deviations: by noise condition. numbers: of the metrics
    file. tables: `layers`, and `records` of the attacks. maps: `visualisation.components`; drawn: `images`.
    """

    index: np.ndarray
    deviations: Mapping[str, Deviations]
    numbers: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    hypotheses: list[dict[str, Any]]
    maps: Mapping[str, np.ndarray]
    drawn: Mapping[str, Any]


def measure(
    model: nn.Module,
    images: Tensor,
    perturbed: Perturbed,
    others: Mapping[str, Perturbed],
    *,
    plan: Activations,
    size: ActivationsSize,
    seed: int,
    name: str | None,
) -> LayerMeasurements:
    """Measure one network on images (N, 3, H, W).

    Layers are compared on the correctly classified images that DeepFool moved: an image compared with itself says
    nothing. perturbed: against this network; others: against others. name: its own, where it is itself a source.
    """
    assert isinstance(model, Classifier)
    model.eval()
    index, labels, own = perturbed["index"].cpu(), perturbed["labels"], perturbed["own"]
    conditions, compared = noise_conditions(model, seed=seed), _compared(images, perturbed)
    others_own = {source: other["own"] for source, other in others.items()}
    moved = {source: shown[compared] for source, shown in others_own.items()}
    sets = stimuli.stimuli(images[compared], own[compared], moved, common_eps=plan.common_eps, seed=seed)
    deviations = {}
    # Under live noise, where every pass costs, neither at the common size nor other images.
    few = {shown: made for shown, made in sets.items() if not shown.endswith(COMMON) and shown != OTHER}
    for noise, condition in conditions.items():
        shown_here = few if noise == LIVE else sets
        deviations[noise] = layers.deviations(model, images[compared], shown_here, noise=condition)
        for source, other in others.items():
            # Images that the source got wrong when clean, or that were not moved, make no comparison.
            left_out = ~_compared(images, other)[compared].cpu().numpy()
            for shown in (f"{FROM}{source}", f"{FROM}{source}{COMMON}"):
                for values in deviations[noise].sets.get(shown, {}).values():
                    values[left_out] = np.nan
    first = slice(0, size.pictures)
    with conditions[NONE](0, range(size.pictures)):
        maps = visualisation.components(model, images[first], own[first])
    after = majority(predict_samples(model, own[first], draws=size.repeats, seed=seed))
    attacked = {"own": own, "live": perturbed.get("live", own)} | others_own | ({name: own} if name else {})
    rows = [row for noise, of_noise in deviations.items() for row in layers.layer_table(seed, noise, of_noise)]
    records = stimuli.attack_records(
        model,
        images,
        labels,
        {f"{stimuli.DEEPFOOL}{source}": shown for source, shown in attacked.items()},
        index=index.numpy(),
        eps=plan.eps,
        repeats=size.repeats,
        seed=seed,
    )
    counted = {"entered": int(perturbed["entered"].sum()), "compared": int(compared.sum())}
    answers = (perturbed["answers"][first], after)
    return LayerMeasurements(
        index=index[compared.cpu()].numpy(),
        deviations=deviations,
        numbers=counted | layers.network_numbers(deviations),
        tables={"layers": pd.DataFrame(rows), "records": records},
        hypotheses=_solved(model, images, perturbed, compared, deviations, conditions[NONE]),
        maps=maps,
        drawn=visualisation.images(images[first], own[first], answers, labels[first]),
    )


def _compared(images: Tensor, perturbed: Perturbed) -> Tensor:
    """(N,) bool: correctly classified images that were moved; all correctly classified ones where none was moved."""
    correctly_classified = perturbed["entered"].bool()
    moved = correctly_classified & (linf(perturbed["own"], images) > 0)
    return moved if bool(moved.any()) else correctly_classified


def _solved(
    model: Classifier,
    images: Tensor,
    perturbed: Perturbed,
    compared: Tensor,
    deviations: Mapping[str, Deviations],
    quiet: Noise,
) -> list[dict[str, Any]]:
    """The hypotheses on deviations without noise, and on artefacts of the first images compared."""
    without, entered, own = deviations[NONE], perturbed["entered"].bool(), perturbed["own"]
    raw = without.values(OWN, "raw")
    norm_raw = np.full_like(raw, np.nan)
    norm_raw[:, [column.number for column in without.columns if column.kind == NORM]] = without.values(OWN, "raw", NORM)
    probed, before, after = images[compared][:N_PROBED], images[entered], own[entered]
    with quiet(0, range(N_PROBED)):
        return hypotheses.solve(
            names=without.names,
            raw=raw,
            centred=without.values(OWN, "centred"),
            norm_raw=norm_raw,
            signs=without.values(SIGNS, "raw"),
            itself=without.values(SELF, "raw"),
            live=deviations[LIVE].values(SELF, "raw") if LIVE in deviations else None,
            between=without.values(OWN, "between"),
            artefacts=hypotheses.artefacts(model, probed, own[compared][:N_PROBED]),
            size=linf(before, after).cpu().numpy(),
            left=linf(stimuli.quantised(before), stimuli.quantised(after)).cpu().numpy(),
            overwritten=hypotheses.overwritten(model, probed[:1]),
            calls=hypotheses.calls(model, probed[:1]),
        )


def outcomes_of(measured: LayerMeasurements, random: LayerMeasurements | None) -> list[dict[str, Any]]:
    """All hypotheses of a network; Z15 where there is one of its architecture with random weights."""
    if random is None:
        return measured.hypotheses
    curves = (one.deviations[NONE].values(OWN, "raw") for one in (measured, random))
    return [*measured.hypotheses, hypotheses.learned(measured.deviations[NONE].names, *curves)]


def compare_with_baseline(
    baseline: LayerMeasurements, other: LayerMeasurements, *, names: tuple[str, str], seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The numbers of a seed in `deviations/<run>.json`, and the ratio of every layer under every comparison and noise.

    Images are those both networks (`names`: the baseline, the other) get right when clean; layers those of the same
    name. Keys are `<number>_<comparison>_<noise of the V1 network>` (`layers.compare_layers`). alike_clean: |r| between
    the two networks' pictures, mean over images; alike_drop: how much lower it is for perturbed ones.
    accuracy_<attack>: of the other minus that of the baseline at the largest size.
    """
    _, rows_a, rows_b = np.intersect1d(baseline.index, other.index, return_indices=True)
    plain = baseline.deviations[NONE]
    layer_names = enumerate(zip(plain.names, other.deviations[NONE].names, strict=True))
    shared = [number for number, (a, b) in layer_names if a == b]
    numbers: dict[str, Any] = {"images": len(rows_a), "layers": len(shared)}
    table: list[dict[str, Any]] = []
    if not len(rows_a):
        return numbers, table
    for noise, deviations in other.deviations.items():
        for key, (to_plain, to_other) in layers.shown_pairs(*names).items():
            if to_plain not in plain.sets or to_other not in deviations.sets:
                continue
            a = plain.values(to_plain, "raw")[rows_a][:, shared]
            b = deviations.values(to_other, "raw")[rows_b][:, shared]
            of_pair, ratio = layers.compare_layers(f"{key}_{noise}", a, b)
            numbers |= of_pair
            table += [
                {"seed": seed, "compared": key, "noise": noise, "layer": layer, "name": plain.names[layer]}
                | {"log_ratio": value, "low": low, "high": high}
                for layer, value, low, high in zip(shared, *ratio, strict=True)
            ]
    first, second = (stimuli.correct(one.tables["records"]) for one in (baseline, other))
    for attack in (attack for attack in first if attack in second):
        difference = second[attack][-1].astype(float) - first[attack][-1]
        numbers |= layers.estimate(f"accuracy_{attack}", difference, statistic="mean")
    clean, perturbed = visualisation.similarity(baseline.maps, other.maps)
    for key, values in (("clean", clean), ("drop", clean - perturbed)):
        numbers |= layers.estimate(f"alike_{key}", values, statistic="mean")
    return numbers, table


# --- what an interrupted stage keeps (`core.work`): tensors, and lists of plain numbers and texts -------------------


def to_state(measured: LayerMeasurements) -> dict[str, Any]:
    """What `core.work` keeps; `from_state` gives the same measurements back, number for number."""
    state: dict[str, Any] = _plain(vars(measured))
    return state


def from_state(state: Mapping[str, Any]) -> LayerMeasurements:
    fields = _arrays(state)
    deviations = {
        noise: Deviations([Column(*one) for one in columns], sets)
        for noise, (columns, sets) in fields["deviations"].items()
    }
    tables = {key: pd.DataFrame(columns) for key, columns in fields["tables"].items()}
    return LayerMeasurements(**fields | {"deviations": deviations, "tables": tables})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping | pd.DataFrame):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | pd.Series):
        array = np.array(value)
        return torch.from_numpy(array) if array.dtype.kind in "biuf" else array.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _arrays(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_arrays(item) for item in value]
    return value.numpy() if isinstance(value, Tensor) else value
