"""The frames that several figures draw: accuracy by attack and epsilon, accuracy by run, what a training logged.

A figure's frame is what its CSV holds: a row for each point, with its interval where it has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from biorobust.reporting.estimates import accuracy, curve
from biorobust.reporting.measurements import Measurements


def attacked(m: Measurements, runs: Iterable[str], attacks: Iterable[str]) -> pd.DataFrame:
    """run, attack, eps, accuracy, low, high, seeds, images: a row for each point of every curve that was measured."""
    attacks = list(attacks)
    return pd.DataFrame(
        [
            (run, attack, eps, point.value, point.low, point.high, point.n_seeds, point.n)
            for run in runs
            for attack in attacks
            if (found := curve(m, run, attack))
            for eps, point in zip(found.eps, found.points, strict=True)
        ],
        columns=["run", "attack", "eps", "accuracy", "low", "high", "seeds", "_n"],
    )


def accuracies(
    m: Measurements,
    runs: Iterable[str],
    *,
    images: Sequence[str] = ("clean",),
    reported: Mapping[str, Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """run, images, accuracy, low, high, seeds, n, reported: runs that were measured on all of the kinds of `images`.

    reported: kind of images -> run -> what the report prints.
    """
    printed, kinds = reported or {}, "images" if len(images) > 1 else "_images"
    found = {run: {kind: accuracy(m, run, images=kind) for kind in images} for run in runs}
    return pd.DataFrame(
        [
            (run, kind, value.value, value.low, value.high, value.n, value.n_seeds, printed.get(kind, {}).get(run))
            for run, values in found.items()
            if all(values.values())
            for kind, value in values.items()
            if value
        ],
        columns=["run", kinds, "accuracy", "low", "high", "n", "seeds", "reported"],
    )


def logged(m: Measurements, names: Mapping[str, str], quantity: str) -> pd.DataFrame:
    """name, quantity, seed, epoch, value: what curves/<name>.csv logs, for `names`: curve -> what it is called."""
    return pd.DataFrame(
        [
            (called, quantity, seed, int(row["epoch"]), row[quantity])
            for name, called in names.items()
            for seed, rows in (m.curve(name) or {}).items()
            for row in rows
            if quantity in row
        ],
        columns=["name", "quantity", "seed", "epoch", "value"],
    )
