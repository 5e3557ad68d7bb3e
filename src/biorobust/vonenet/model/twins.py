"""A network with a V1 stage against its plain twin: same images, same layers, paired image by image."""

from __future__ import annotations

from typing import Any

import numpy as np

from biorobust.vonenet.model import accuracy, portraits, summary
from biorobust.vonenet.model.conditions import NONE
from biorobust.vonenet.model.layers import CONV
from biorobust.vonenet.model.reading import Reading
from biorobust.vonenet.model.shown import COMMON, FROM, OTHER, OWN, SIGNS

# own: each network on its own perturbation. transferred: both on the plain network's. returned: both on the other's.
TRANSFERRED, RETURNED = "transferred", "returned"


def shown_to(plain: str, name: str) -> dict[str, tuple[str, str]]:
    """Comparison -> what the plain network and the other are shown."""
    pairs = {
        OWN: (OWN, OWN),
        TRANSFERRED: (OWN, f"{FROM}{plain}"),
        RETURNED: (f"{FROM}{name}", OWN),
        SIGNS: (SIGNS, SIGNS),
    }
    common = {f"{key}{COMMON}": (f"{a}{COMMON}", f"{b}{COMMON}") for key, (a, b) in pairs.items()}
    return {**pairs, **common, OTHER: (OTHER, OTHER)}


def compared(
    plain: Reading, other: Reading, *, names: tuple[str, str], seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What `deviations/<run>.json` says of a seed, and the ratio of every layer under every comparison and noise.

    Images are those both networks get right when clean; layers those of the same name. Keys are
    `<number>_<comparison>_<noise of the V1 network>` (`summary.pair`); size_log_ratio: log10 of the other network's
    minimal perturbation over the plain one's, median; alike_clean, alike_perturbed and their difference alike_drop:
    |r| between the two networks' pictures (`portraits.alike`), means over images; accuracy_<attack>: accuracy of the
    other minus that of the plain network at the largest size, over all images that were attacked.
    """
    _, rows_a, rows_b = np.intersect1d(plain.index, other.index, return_indices=True)
    layers = summary.shared_layers(plain.names, other.names)
    numbers: dict[str, Any] = {"images": len(rows_a), "layers": len(layers)}
    table: list[dict[str, Any]] = []
    if not len(rows_a):
        return numbers, table
    for noise, found in other.found.items():
        for key, (to_plain, to_other) in shown_to(*names).items():
            if to_plain not in plain.found[NONE].sets or to_other not in found.sets:
                continue
            a = plain.found[NONE].of(to_plain, "raw", CONV)[rows_a][:, layers]
            b = found.of(to_other, "raw", CONV)[rows_b][:, layers]
            of_pair, ratio = summary.pair(f"{key}_{noise}", a, b)
            numbers |= of_pair
            table += [
                {"seed": seed, "compared": key, "noise": noise, "layer": layer, "name": plain.names[layer]}
                | {"log_ratio": ratio.value[place], "low": ratio.low[place], "high": ratio.high[place]}
                for place, layer in enumerate(layers)
            ]
    with np.errstate(divide="ignore"):
        sizes = np.log10(other.size[rows_b]) - np.log10(plain.size[rows_a])
    numbers |= summary.estimate("size_log_ratio", sizes[np.isfinite(sizes)])
    eps = plain.records["eps"].max()
    first, second = (accuracy.right(one.records, eps=eps) for one in (plain, other))
    for attack in (attack for attack in first if attack in second):
        difference = second[attack].astype(float) - first[attack]
        numbers |= summary.estimate(f"accuracy_{attack}", difference, statistic="mean")
    alike = portraits.alike(plain.components, other.components)
    for key, values in (*alike.items(), ("drop", alike["clean"] - alike["perturbed"])):
        numbers |= summary.estimate(f"alike_{key}", values, statistic="mean")
    return numbers, table
