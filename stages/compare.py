"""Pack which images the runs of a study get right, and sum the study up: `python -m stages.compare hebbian`.

The per-image records stay out of git; one bit per image is all that intervals of differences need of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from biorobust import params
from biorobust.core import outcomes, places
from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_json
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.summary import summary
from stages.common import run_info, stage_main

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

RECORDS = Path("data/attacks")
METRICS = Path("reports/metrics")
OUTCOMES, SUMMARY = METRICS / "outcomes", METRICS / "summary"
AGAIN = "delete it and run `dvc repro`"
PREDICTIONS = "predictions"  # the folder, beside the attack records
PREDICTED = ["seed", "attack", "eps", "index", "label", "prediction"]
COLUMNS = ["seed", "attack", "eps", "index", "label", "clean_prediction", "broken"]


@dataclass(frozen=True)
class Correct:
    """What a run gets right: (attack, eps, seed) -> bool (n,), aligned with `index` (n,), the images' test indices."""

    index: np.ndarray
    right: dict[tuple[str, float, int], np.ndarray]

    @property
    def cells(self) -> list[tuple[str, float]]:
        """Every (attack, eps): clean, the attacks by name, the worst case."""
        return list(dict.fromkeys((attack, eps) for attack, eps, _ in self.right))

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, _, seed in self.right})


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=sorted(params.STUDIES))
    study = parser.parse_args(argv).study
    settings = params.load()
    module = params.STUDIES[study]
    groups = [[run for group in getattr(module, "COMPARED", module.NETWORKS) for run in settings.runs[group]]]
    if hasattr(module, "compared"):
        groups = [[run for run in group if attacked(RECORDS / study, run)] for group in module.compared(settings.runs)]
    predicted = [run for group in getattr(module, "EVALUATED", ()) for run in settings.runs[group]]
    predicted = [run for run in predicted if attacked(RECORDS / study / PREDICTIONS, run)]
    with run_info(f"compare@{study}"):
        compare(study, groups=groups, predicted=predicted)
        write_json(SUMMARY / f"{study}.json", summary(study, Measurements(METRICS)))


def attacked(folder: Path, run: str) -> bool:
    """False for a run whose record holds no images, because it was unavailable or the scale leaves it out."""
    import pyarrow
    from pyarrow import parquet

    try:
        rows: int = parquet.ParquetFile(places.find(folder, f"{run}.parquet")).metadata.num_rows
    except (OSError, pyarrow.ArrowException):
        return True  # missing or damaged: whoever reads it says so
    return rows > 0


def compare(study: str, *, groups: Sequence[Sequence[str]], predicted: Sequence[str] = ()) -> None:
    """Write the outcomes of every run of the groups; other records are left unread.

    The runs of a group have to be attacked alike and on the same images. predicted: runs that keep their predictions on
    clean and damaged images beside their attack records, which are more images than are attacked.
    """
    packed: dict[outcomes.Cell, outcomes.Outcome] = {}
    evaluated = {
        run: read_predictions(places.find(RECORDS / study / PREDICTIONS, f"{run}.parquet")) for run in predicted
    }
    for runs in groups:
        correct = {run: read_correct(places.find(RECORDS / study, f"{run}.parquet")) for run in runs}
        for a, b in pairwise(correct):
            _same_images(a, correct[a], b, correct[b])
        for run, found in correct.items():
            packed |= _outcomes(run, found)
    for run, found in evaluated.items():
        packed |= _outcomes(run, found)  # clean images of the attacked part give way to those of the whole split
    outcomes.write(OUTCOMES / f"{study}.npz", packed)


def _outcomes(run: str, correct: Correct) -> dict[outcomes.Cell, outcomes.Outcome]:
    import numpy as np

    seeds = tuple(correct.seeds)
    return {
        outcomes.cell(run, attack, eps): outcomes.Outcome(
            seeds, correct.index, np.stack([correct.right[attack, eps, seed] for seed in seeds])
        )
        for attack, eps in correct.cells
    }


def read_predictions(path: Path) -> Correct:
    """What a run's predictions get right: attack `none` at eps 0, and `noise` at its level.

    Raises BiorobustError when the file is missing or damaged, or when its cells do not hold the same images.
    """
    import numpy as np

    table = _read(path, PREDICTED).sort_values("index", kind="stable")
    index = np.unique(table["index"].to_numpy())
    right: dict[tuple[str, float, int], np.ndarray] = {}
    for (attack, eps, seed), part in table.groupby(["attack", "eps", "seed"], sort=True):
        if not np.array_equal(part["index"].to_numpy(), index):
            raise BiorobustError(
                f"{path}: {attack} at eps {eps:g}, seed {seed} has other images than the rest: {AGAIN}"
            )
        right[str(attack), float(eps), int(seed)] = (part["prediction"] == part["label"]).to_numpy()
    return Correct(index=index, right=right)


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow

    if not path.exists():
        raise BiorobustError(f"{path} is missing: run `dvc repro` to make it")
    try:
        table = pd.read_parquet(path, columns=columns)
    except (OSError, KeyError, ValueError, pyarrow.ArrowException) as error:
        raise BiorobustError(f"{path} is no attack record ({' '.join(str(error).split())[:120]}): {AGAIN}") from None
    if table.empty:
        raise BiorobustError(f"{path} holds no images: {AGAIN}")
    return table


def read_correct(path: Path) -> Correct:
    """Clean predictions, every attack and the worst case over them, from a run's attack record.

    Raises BiorobustError when the file is missing or damaged, or when its cells do not hold the same images.
    """
    import numpy as np

    from biorobust.attacks.records import WORST_CASE, worst_case

    records = _read(path, COLUMNS)
    # Sorted, so that the order of a record's rows carries nothing.
    cells = sorted((str(attack), float(eps)) for attack, eps in records[["attack", "eps"]].drop_duplicates().to_numpy())
    records = records.sort_values("index", kind="stable")
    index = np.unique(records["index"].to_numpy())
    right: dict[tuple[str, float, int], np.ndarray] = {}

    def keep(attack: str, eps: float, seed: int, images: np.ndarray, correct: np.ndarray) -> None:
        if not np.array_equal(images, index):
            raise BiorobustError(
                f"{path}: {attack} at eps {eps:g}, seed {seed} has other images than the rest: {AGAIN}"
            )
        right[attack, eps, seed] = correct

    for seed, of_seed in records.groupby("seed"):
        parts = {(str(key[0]), float(key[1])): part for key, part in of_seed.groupby(["attack", "eps"])}
        if set(parts) != set(cells):
            raise BiorobustError(f"{path}: seed {seed} lacks an attack or an epsilon that others have: {AGAIN}")
        clean = parts[cells[0]]
        unbroken = (clean["clean_prediction"] == clean["label"]).to_numpy()
        keep(outcomes.CLEAN, 0.0, int(seed), clean["index"].to_numpy(), unbroken)
        for attack, eps in cells:
            part = parts[attack, eps]
            keep(attack, eps, int(seed), part["index"].to_numpy(), ~part["broken"].to_numpy(dtype=bool))
        for eps, part in worst_case(of_seed).sort_values("index", kind="stable").groupby("eps"):
            keep(WORST_CASE, float(eps), int(seed), part["index"].to_numpy(), ~part["broken"].to_numpy(dtype=bool))
    return Correct(index=index, right=right)


def _same_images(a: str, correct_a: Correct, b: str, correct_b: Correct) -> None:
    """Raise BiorobustError unless two runs were attacked in the same way on the same images."""
    import numpy as np

    again = "run `dvc repro` to attack both anew"
    if not np.array_equal(correct_a.index, correct_b.index):
        raise BiorobustError(f"{a} and {b} were attacked on different images: {again}")
    if correct_a.cells != correct_b.cells:
        raise BiorobustError(f"{a} and {b} were attacked with different attacks or epsilons: {again}")


if __name__ == "__main__":
    stage_main(main)
