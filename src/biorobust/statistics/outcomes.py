"""Which images the networks of a study get right, read from attack records and packed into one file.

The per-image records stay out of git; one bit per image is all that intervals of differences need of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from biorobust.attacks.records import WORST_CASE, worst_case
from biorobust.core import outcomes, places
from biorobust.core.errors import BiorobustError
from biorobust.core.outcomes import Cell, Outcome

PREDICTIONS = "predictions"  # the folder, beside the attack records
PREDICTED = ["seed", "attack", "eps", "index", "label", "prediction"]
COLUMNS = ["seed", "attack", "eps", "index", "label", "clean_prediction", "broken"]
WHOLE = ("seed", "index", "label", "clean_prediction", "prediction")
KINDS = {"broken": "b", "eps": "fi", **dict.fromkeys(WHOLE, "iu")}  # of NumPy's types, by column
AGAIN = "delete it and run `dvc repro`"


def is_attacked(folder: Path, run: str) -> bool:
    """False for a run whose record holds no images, because it was unavailable or the scale leaves it out."""
    try:
        rows: int = parquet.ParquetFile(places.find(folder, f"{run}.parquet")).metadata.num_rows
    except (OSError, pyarrow.ArrowException):
        return True  # missing or damaged: whoever reads it says so
    return rows > 0


def of_runs(folder: Path, *, groups: Iterable[Sequence[str]], predicted: Iterable[str] = ()) -> Mapping[Cell, Outcome]:
    """The outcomes of every run of the groups, from its attack record in a folder; other records are left unread.

    The runs of a group have to be attacked alike and on the same images. predicted: runs that keep their predictions on
    clean and damaged images beside their attack records, which are more images than are attacked.
    Raises BiorobustError for records that are missing or damaged, or do not hold the same images throughout.
    """
    found: dict[Cell, Outcome] = {}
    for runs in groups:
        records = {run: read_record(places.find(folder, f"{run}.parquet"), run) for run in runs}
        for a, b in pairwise(records):
            _same_images(a, records[a], b, records[b])
        for cells in records.values():
            found |= cells
    for run in predicted:  # clean images of the attacked part give way to those of the whole split
        found |= read_predictions(places.find(folder / PREDICTIONS, f"{run}.parquet"), run)
    return found


def read_predictions(path: Path, run: str) -> dict[Cell, Outcome]:
    """What a run's predictions get right: attack `none` at eps 0, and `noise` and `blur` at their levels."""
    table = _read(path, PREDICTED).sort_values(["attack", "eps"], kind="stable")
    return _outcomes(path, run, table.assign(right=table["prediction"] == table["label"]))


def read_record(path: Path, run: str) -> dict[Cell, Outcome]:
    """What a run gets right on clean images, under every attack, and in the worst case over them."""
    table = _read(path, COLUMNS).sort_values(["attack", "eps"], kind="stable")
    table["right"] = ~table["broken"].astype(bool)
    first = table[(table["attack"] == table["attack"].iloc[0]) & (table["eps"] == table["eps"].iloc[0])]
    right = first["clean_prediction"] == first["label"]
    found = _outcomes(path, run, pd.concat([first.assign(attack=outcomes.CLEAN, eps=0.0, right=right), table]))
    worst = [worst_case(of_seed).assign(seed=seed) for seed, of_seed in table.groupby("seed")]
    rows = pd.concat(worst).assign(attack=WORST_CASE).sort_values("eps", kind="stable")
    return found | _outcomes(path, run, rows.assign(right=~rows["broken"]))


def _outcomes(path: Path, run: str, rows: pd.DataFrame) -> dict[Cell, Outcome]:
    """Rows `attack, eps, seed, index, right` as one outcome per cell, in the order in which the cells come."""
    index, seeds = np.unique(rows["index"].to_numpy()), tuple(sorted(int(seed) for seed in rows["seed"].unique()))
    found = {}
    for (attack, eps), of_cell in rows.groupby(["attack", "eps"], sort=False):
        right = []
        for seed in seeds:
            part = of_cell[of_cell["seed"] == seed].sort_values("index")
            if part.empty:
                raise BiorobustError(f"{path}: seed {seed} lacks an attack or an epsilon that others have: {AGAIN}")
            if not np.array_equal(part["index"].to_numpy(), index):
                what = f"{attack} at eps {eps:g}, seed {seed}"
                raise BiorobustError(f"{path}: {what} has other images than the rest: {AGAIN}")
            right.append(part["right"].to_numpy(dtype=bool))
        found[outcomes.cell(run, str(attack), eps)] = Outcome(seeds, index, np.stack(right))
    return found


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.exists():
        raise BiorobustError(f"{path} is missing: run `dvc repro` to make it")
    try:
        table = pd.read_parquet(path, columns=columns)
    except (OSError, KeyError, ValueError, pyarrow.ArrowException) as error:
        raise BiorobustError(f"{path} is no attack record ({' '.join(str(error).split())[:120]}): {AGAIN}") from None
    for name, kinds in KINDS.items():
        if name in table and table[name].dtype.kind not in kinds:
            raise BiorobustError(f"{path} is no attack record ({name} is {table[name].dtype}): {AGAIN}")
    if table.empty:
        raise BiorobustError(f"{path} holds no images: {AGAIN}")
    return table


def _same_images(a: str, of_a: Mapping[Cell, Outcome], b: str, of_b: Mapping[Cell, Outcome]) -> None:
    """Raise BiorobustError unless two runs were attacked in the same way on the same images."""
    again = "run `dvc repro` to attack both anew"
    if not np.array_equal(next(iter(of_a.values())).images, next(iter(of_b.values())).images):
        raise BiorobustError(f"{a} and {b} were attacked on different images: {again}")
    if [cell[1:] for cell in of_a] != [cell[1:] for cell in of_b]:
        raise BiorobustError(f"{a} and {b} were attacked with different attacks or epsilons: {again}")
