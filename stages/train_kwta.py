"""Train the cells of a row of the k-WTA tables, each a network on a data set: `python -m stages.train_kwta kwta`."""

from __future__ import annotations

import sys

from biorobust import params
from biorobust.core import places, results, runs
from biorobust.core.errors import BiorobustError
from biorobust.core.progress import progress
from biorobust.kwta.model.params import ARCHITECTURE, CURVE_COLUMNS
from biorobust.kwta.model.recipe import Cell, cells_of, group
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    row = one_argument(argv, __doc__, "row", "relu, kwta, kwta-low, transferred, or one of kwta_runs in params.yaml")
    settings = params.load()
    cells, failed = cells_of(row, settings), {}
    with run_info(f"train_kwta@{row}"), places.together(group(row)):
        for name, cell in progress(cells.items(), label="training", unit="cells"):
            try:
                train(name, cell, settings)
            except (BiorobustError, RuntimeError) as error:  # what the others have done is kept for the next start
                failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                print(f"{name} failed, going on with the next: {failed[name]}", file=sys.stderr)
        if failed:
            first, reason = next(iter(failed.items()))
            raise BiorobustError(f"{len(failed)} of {len(cells)} cells failed, {first} with {reason}")


def train(name: str, cell: Cell, settings: params.Params) -> None:
    """Train a cell's seeds and write its checkpoints, metrics and curves, or why there are none."""
    recipe, reason = cell.recipe(settings), cell.left_out(settings)
    if not reason:
        from biorobust.kwta.model import experiments

        reason = experiments.train_cell(name, recipe, settings)
    if reason:
        runs.save_unavailable(name, architecture=ARCHITECTURE, reason=reason)
        results.write_curves(name, [], columns=CURVE_COLUMNS)
        head = {"study": "kwta", "scale": settings.scale, "dataset": recipe.dataset}
        results.write_unavailable("train", name, reason=reason, settings=recipe.model_dump(), **head)


if __name__ == "__main__":
    stage_main(main)
