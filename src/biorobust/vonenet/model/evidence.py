"""What the tests of the riddle look at, and what a test says; the verdicts are drawn in vonenet/report/zeros.py."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biorobust.vonenet.model import dips


@dataclass(frozen=True)
class Evidence:
    """One network without noise. Arrays are (N, L): images that were moved, and convolutions; 1 - r; `names` has L.

    raw, centred: under the network's own perturbation; norm_raw: behind the normalisation (NaN where there is none);
    signs, itself: raw, for random signs and for the clean images again; live: the latter under live noise, None for a
    network without noise. between: share of variance between channel means.
    probes: what programs with a known mistake give, (n, L), by name. size: L-infinity of every perturbation, those of
    images left unmoved too; left: after rounding to 8 bits. overwritten: layer -> whether an output kept without a copy
    changes later on. calls: module -> calls a pass.
    """

    names: Sequence[str]
    raw: np.ndarray
    centred: np.ndarray
    norm_raw: np.ndarray
    signs: np.ndarray
    itself: np.ndarray
    live: np.ndarray | None
    between: np.ndarray
    probes: Mapping[str, np.ndarray]
    size: np.ndarray
    left: np.ndarray
    overwritten: Mapping[str, bool]
    calls: Mapping[str, int]

    @property
    def four(self) -> list[int]:
        """The numbers of the report's layers."""
        return dips.reported(self.names)

    def zeros(self, values: np.ndarray) -> list[int]:
        """Layers at exactly zero (or undefined, which a careless program prints as 0) for more than half the images."""
        return [int(layer) for layer in np.flatnonzero((~(values > 0)).mean(axis=0) > 0.5)]


@dataclass(frozen=True)
class Outcome:
    """What a test gave. `numbers` are what `finding` is written from, and what a verdict is drawn from."""

    id: str
    hypothesis: str
    test: str
    finding: str
    numbers: Mapping[str, Any]


def middle(values: np.ndarray) -> np.ndarray:
    """Median over images, (L,); NaN for a layer at which no image has a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        median: np.ndarray = np.nanmedian(values, axis=0)
    return median


def average(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Mean over an axis of what is defined; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean: np.ndarray = np.nanmean(values, axis=axis)
    return mean


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) if numbers else "none"
