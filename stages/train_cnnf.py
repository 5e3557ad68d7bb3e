"""Train and evaluate one run of the CNN-F study: `python -m stages.train_cnnf cnn-feedback` (or a grid cell: t1-r3)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from biorobust import params
from biorobust.cnnf.model.params import DATASET, Part, Training, plan
from biorobust.core import places, results, runs
from biorobust.core.files import write_parquet
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.core.progress import progress
from stages.common import one_argument, run_info, stage_main

PREDICTIONS = Path("data/attacks/cnnf/predictions")  # one folder deeper than attack records, where no search looks
LISTS = ("cnnf_variants", "cnnf_grid")
PREDICTED = ["seed", "attack", "eps", "index", "label", "prediction"]


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", f"an entry of cnnf_runs, or a whole list: {', '.join(LISTS)}")
    settings = params.load()
    if name not in LISTS:
        plan(name, settings)  # which knows all names
        with run_info(f"train_cnnf@{name}"):
            train(name, "cnnf_runs", settings)
        return
    trained = settings.size(name, Part).trained
    with run_info(f"train_{name}"), places.together(name):
        for run in progress(settings.runs[name], label="training", unit="runs"):
            (train if has_run(trained, run) else leave_out)(run, name, settings)


def train(name: str, group: str, settings: params.Params) -> None:
    """Train a run and measure it; torch loads here."""
    from biorobust.cnnf.model import experiments

    predictions = PREDICTIONS / group / f"{name}.parquet"
    experiments.train(name, plan(name, settings), settings, predictions=predictions)


def leave_out(name: str, group: str, settings: params.Params) -> None:
    """Write of a run that the scale does not have why there is no network, no result and no prediction."""
    import pandas as pd

    reason = not_at_this_scale(settings.scale, group)
    runs.save_unavailable(name, architecture=f"cnnf-{settings.block('cnnf_training', Training).network}", reason=reason)
    write_parquet(PREDICTIONS / group / f"{name}.parquet", pd.DataFrame(columns=PREDICTED))
    head = {"study": "cnnf", "scale": settings.scale, "dataset": DATASET}
    results.write_unavailable("train", name, reason=reason, settings=asdict(plan(name, settings)), **head)


if __name__ == "__main__":
    stage_main(main)
