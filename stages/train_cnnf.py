"""Train and evaluate one run of the CNN-F study: `python -m stages.train_cnnf cnn-feedback` (or a grid cell: t1-r3)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from biorobust import params
from biorobust.cnnf.model.params import DATASET, Part, Training
from biorobust.cnnf.model.plan import Plan, plan
from biorobust.core import places, results, runs
from biorobust.core.files import write_csv, write_npz, write_parquet
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.core.progress import progress
from stages.common import one_argument, run_info, stage_main

PREDICTIONS = Path("data/attacks/cnnf/predictions")
LISTS = ("cnnf_variants", "cnnf_grid")
# Columns of the files of a run that has no rows.
CURVES = {
    "": ["seed", "epoch", "loss"],
    "steps-": ["seed", "step", "smoothed"],
    "noise-": ["seed", "level", "average"],
    "blur-": ["seed", "level", "average"],
}
CONFUSED = ["seed", "images", "label", "predicted", "count"]
PREDICTED = ["seed", "attack", "eps", "index", "label", "prediction"]


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", f"an entry of cnnf_runs, or a whole list: {', '.join(LISTS)}")
    settings = params.load()
    if name not in LISTS:
        chosen = plan(name, settings)
        with run_info(f"train_cnnf@{name}"):
            train(name, chosen, settings)
        return
    trained = settings.size(name, Part).trained
    with run_info(f"train_{name}"), places.together(name):
        for run in progress(settings.runs[name], label="training", unit="runs"):
            if has_run(trained, run):
                train(run, plan(run, settings), settings)
            else:
                leave_out(run, plan(run, settings), settings, reason=not_at_this_scale(settings.scale, name))


def train(name: str, chosen: Plan, settings: params.Params) -> None:
    """Train a run and measure it; torch loads here."""
    from biorobust.cnnf.model import experiments

    experiments.train(name, chosen, settings, predictions=predictions_file(name))


def leave_out(name: str, chosen: Plan, settings: params.Params, *, reason: str) -> None:
    """Write every file of a run that the scale does not have: no rows, and the reason."""
    import pandas as pd

    runs.save_unavailable(name, architecture=f"cnnf-{settings.block('cnnf_training', Training).network}", reason=reason)
    for curve, columns in CURVES.items():
        results.write_curves(f"{curve}{name}", [], columns=columns)
    write_csv(results.METRICS / f"confusion/{name}.csv", pd.DataFrame(columns=CONFUSED))
    write_npz(results.METRICS / f"pictures/reconstructions-{name}.npz", {})
    write_parquet(predictions_file(name), pd.DataFrame(columns=PREDICTED))
    head = {"study": "cnnf", "scale": settings.scale, "dataset": DATASET}
    results.write_unavailable("train", name, reason=reason, settings=asdict(chosen), **head)


def predictions_file(name: str) -> Path:
    """One folder deeper than attack records, where no search for those looks."""
    folder = places.to_write(PREDICTIONS)
    return (PREDICTIONS / "cnnf_runs" if folder == PREDICTIONS else folder) / f"{name}.parquet"


if __name__ == "__main__":
    stage_main(main)
