"""Train the cells of a row of the k-WTA tables, each a network on a data set: `python -m stages.train_kwta kwta`."""

from __future__ import annotations

import argparse
import sys

from biorobust import params
from biorobust.core import places, results, runs
from biorobust.core.errors import BiorobustError
from biorobust.core.progress import progress
from biorobust.kwta.model.params import ARCHITECTURE, CURVE_COLUMNS, Recipe, TrainingSize
from biorobust.kwta.model.rows import Cell, cells_of, group
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", help="relu, kwta or kwta-low, or an entry of kwta_runs in params.yaml")
    parser.add_argument("--cell", help="train this one only, and write nothing but its state, for the stage to find")
    arguments = parser.parse_args(argv)
    settings = params.load()
    cells = cells_of(arguments.row, settings, only=arguments.cell)
    if arguments.cell is not None:
        train(arguments.cell, cells[arguments.cell], settings=settings, write=False)
        return
    failed = {}
    with run_info(f"train_kwta@{arguments.row}"), places.together(group(arguments.row)):
        for name, cell in progress(cells.items(), label="training", unit="cells"):
            try:
                train(name, cell, settings=settings)
            except (BiorobustError, RuntimeError) as error:  # what the others have done is kept for the next start
                failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                print(f"{name} failed, going on with the next: {failed[name]}", file=sys.stderr)
        if failed:
            first, reason = next(iter(failed.items()))
            raise BiorobustError(f"{len(failed)} of {len(cells)} cells failed, {first} with {reason}")


def train(name: str, cell: Cell, *, settings: params.Params, write: bool = True) -> None:
    """Train a cell's seeds and write its checkpoints, metrics and curves, or why there are none."""
    recipe = cell.recipe(settings)
    reason = cell.left_out(settings) if write else ""
    if not reason:
        from biorobust.kwta.model import experiments

        seeds = settings.seeds(settings.size("kwta_training", TrainingSize).seeds)
        reason = experiments.train_cell(name, recipe, seeds=seeds, scale=settings.scale, write=write)
    if reason and write:
        write_unavailable(name, recipe, reason=reason, scale=settings.scale)


def write_unavailable(name: str, recipe: Recipe, *, reason: str, scale: str) -> None:
    """In the place of a cell's checkpoints, metrics and curves, why there are none."""
    runs.save_unavailable(name, architecture=ARCHITECTURE, reason=reason)
    results.write_curves(name, [], columns=CURVE_COLUMNS)
    head = {"study": "kwta", "scale": scale, "dataset": recipe.dataset}
    results.write_unavailable("train", name, reason=reason, settings=recipe.model_dump(), **head)


if __name__ == "__main__":
    stage_main(main)
