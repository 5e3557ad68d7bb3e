"""Where a curve over layers dips, and the four layers at which the report found a deviation of zero.

A dip is a layer below both its neighbours in the list. Values are compared on a logarithmic scale, where a dip is as
deep in a layer that hardly changes as in one that changes a lot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# The report's layers 4, 12, 25 and 44, counted from 0 over the 53 convolutions of a ResNet50.
REPORTED = ("layer1.0.downsample.0", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2")


def reported(names: Sequence[str]) -> list[int]:
    """The numbers of the report's layers among `names`; those the network does not have are left out."""
    return [names.index(name) for name in REPORTED if name in names]


def kind(name: str) -> str:
    """conv1, conv2, conv3 or downsample within a block; stem for the first convolution."""
    parts = name.split(".")
    return "stem" if len(parts) < 3 else parts[2]


def of_kind(names: Sequence[str], wanted: str) -> list[int]:
    """The numbers of all layers of a kind."""
    return [number for number, name in enumerate(names) if kind(name) == wanted]


def stages(names: Sequence[str]) -> dict[str, list[int]]:
    """Residual stage (layer1 ... layer4) -> the numbers of its convolutions."""
    found: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if kind(name) != "stem":
            found.setdefault(name.split(".")[0], []).append(number)
    return found


def dips(values: np.ndarray) -> np.ndarray:
    """Bool (..., L): below both neighbours. The ends, and layers beside an undefined one, are no dips."""
    found = np.zeros(values.shape, dtype=bool)
    inner = values[..., 1:-1]
    with np.errstate(invalid="ignore"):
        found[..., 1:-1] = (inner < values[..., :-2]) & (inner < values[..., 2:])
    return found


def depth(values: np.ndarray) -> np.ndarray:
    """(..., L): log10 of a layer minus the mean of its neighbours'; negative in a dip, NaN at the ends and at 0."""
    logs = np.log10(np.where(values > 0, values, np.nan))
    found = np.full(values.shape, np.nan)
    found[..., 1:-1] = logs[..., 1:-1] - (logs[..., :-2] + logs[..., 2:]) / 2
    return found


def lowest(curve: np.ndarray, names: Sequence[str]) -> list[int]:
    """The number of the smallest value of each residual stage: where scaling a stage to [0, 1] puts its zero."""
    found = []
    for numbers in stages(names).values():
        values = curve[numbers]
        if not np.isnan(values).all():
            found.append(numbers[int(np.nanargmin(values))])
    return found


def minmax(curve: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(L,): every residual stage scaled to [0, 1] by itself; the stem as it is."""
    scaled = curve.astype(float).copy()
    for numbers in stages(names).values():
        low, high = np.nanmin(curve[numbers]), np.nanmax(curve[numbers])
        scaled[numbers] = (curve[numbers] - low) / (high - low) if high > low else 0.0
    return scaled
