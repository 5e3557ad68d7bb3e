"""Train the cells of a row of the k-WTA tables, each a network on a data set: `python -m stages.train_kwta kwta`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from biorobust import params
from biorobust.core import places, results, runs
from biorobust.core.devices import pick
from biorobust.core.errors import BiorobustError
from biorobust.core.left_out import not_at_this_scale
from biorobust.kwta.model import recipe as recipes
from biorobust.kwta.model.params import ARCHITECTURE, CURVE_COLUMNS, FAST, Cells, Recipe, Run, TrainingSize
from biorobust.kwta.model.params import cells as cells_of
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", help="relu, kwta or kwta-low, or an entry of kwta_runs in params.yaml")
    parser.add_argument("--cell", help="train this one only, and write nothing but its state, for the stage to find")
    arguments = parser.parse_args(argv)
    settings = params.load()
    cells = row_cells(arguments.row, settings=settings)
    if arguments.cell is not None:
        if arguments.cell not in cells:
            raise params.ParamsError(f"cell {arguments.cell!r}: unknown; {arguments.row} has {', '.join(cells)}")
        run, place = cells[arguments.cell]
        train(arguments.cell, settings=settings, run=run, place=place, write=False)
        return
    with run_info(f"train_kwta@{arguments.row}"), places.together(group(arguments.row)):
        train_all(cells, settings=settings)


Cell = tuple[Run, tuple[str, str]]  # its run; its network and data set


def row_cells(row: str, *, settings: params.Params) -> dict[str, Cell]:
    """The cells of a row of the tables from every start, or of one run, by name. Raises ParamsError."""
    runs_ = [name for name in settings.runs["kwta_runs"] if row in (name, name.partition("-")[2])]
    if not runs_:
        settings.run("kwta_runs", row, Run)  # which names those that there are
    return {
        cell: (settings.run("kwta_runs", name, Run), place) for name in runs_ for cell, place in cells_of(name).items()
    }


def group(row: str) -> str:
    """The folder of a row's results, also of one of its runs."""
    start, _, rest = row.partition("-")
    return f"kwta-{rest if start in ('scratch', 'pretrained') else row}"


def train_all(cells: dict[str, Cell], *, settings: params.Params) -> None:
    """Train every cell. One that fails is named at the end; what the others have done is kept for the next start."""
    from biorobust.core import work
    from biorobust.core.progress import progress

    states: list[Path] = []
    failed = {}
    for name, (run, place) in progress(cells.items(), label="training", unit="cells"):
        try:
            states += train(name, settings=settings, run=run, place=place)
        except (BiorobustError, RuntimeError) as error:
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            print(f"{name} failed, going on with the next: {failed[name]}", file=sys.stderr)
    if failed:
        first, reason = next(iter(failed.items()))
        raise BiorobustError(f"{len(failed)} of {len(cells)} cells failed, {first} with {reason}")
    work.finish(states)


def train(name: str, *, settings: params.Params, run: Run, place: tuple[str, str], write: bool = True) -> list[Path]:
    """Train a cell's seeds and write its checkpoints, metrics and curves; returns the files its states lie in."""
    network, dataset = place
    recipe = recipes.of_cell(settings, run, network=network, dataset=dataset)
    if write and (reason := left_out(place, init=run.init, settings=settings)):
        write_unavailable(name, recipe, reason=reason, scale=settings.scale)
        return []
    import torch

    from biorobust import datasets
    from biorobust.core.tensors import as_tensors
    from biorobust.kwta.model import training
    from biorobust.networks.weights import Unavailable

    device = pick()
    stored = datasets.load(f"data/datasets/{dataset}.npz")
    data = as_tensors(stored, n_train=recipe.n_train, device=device)
    watched = torch.from_numpy(stored.evaluation[: training.N_WATCHED].copy()).to(device)
    recipe = training.fitted_recipe(recipe, data)
    sha256 = results.dataset_entry(dataset)["sha256"]
    trained, states = [], []
    for seed in range(settings.seed, settings.seed + settings.size("kwta_training", TrainingSize).seeds):
        states.append(training.state_path(name, recipe, seed=seed, data_sha256=sha256, device=device))
        try:
            trained.append(training.train(name, recipe, data, watched=watched, seed=seed, state=states[-1]))
        except Unavailable as error:
            print(f"{name} is unavailable: {error}", file=sys.stderr)
            if write:
                write_unavailable(name, recipe, reason=str(error), scale=settings.scale)
            return states
    if not write:
        return states
    curves = [row for one in trained for row in one.curve]
    results.write_curves(name, curves, columns=CURVE_COLUMNS)
    entries = [one.entry for one in trained]
    training.save(name, {one.entry["seed"]: one.model for one in trained}, recipe, n_classes=data.n_classes)
    results.write_run(
        "train",
        name,
        study="kwta",
        scale=settings.scale,
        dataset=dataset,
        settings=recipe.model_dump(),
        accuracy=results.over_seeds(entries),
        n_steps=training.n_steps(recipe),
        n_parameters=sum(parameter.numel() for parameter in trained[0].model.parameters()),
        **results.per_seed(entries),
    )
    return states


def left_out(place: tuple[str, str], *, init: str, settings: params.Params) -> str:
    """Why a cell is not to be trained, "" where it is."""
    if "-".join(place) not in settings.size("kwta_cells", Cells).trained:
        return not_at_this_scale(settings.scale, "kwta_cells")
    return "the small fast network starts from random weights alone" if (place[0], init) == (FAST, "pretrained") else ""


def write_unavailable(name: str, recipe: Recipe, *, reason: str, scale: str) -> None:
    """In the place of a cell's checkpoints, metrics and curves, why there are none."""
    runs.save_unavailable(name, architecture=ARCHITECTURE, reason=reason)
    results.write_curves(name, [], columns=CURVE_COLUMNS)
    results.write_unavailable(
        "train", name, reason=reason, study="kwta", scale=scale, dataset=recipe.dataset, settings=recipe.model_dump()
    )


if __name__ == "__main__":
    stage_main(main)
