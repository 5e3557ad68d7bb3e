"""Train and attack every ablation of the k-WTA study, one changed setting each: `python -m stages.ablate_kwta`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biorobust import params
from biorobust.core import results
from biorobust.core.files import write_csv, write_json
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.core.progress import progress
from biorobust.kwta.model import recipe as recipes
from biorobust.kwta.model.params import CURVE_COLUMNS, AblationRun, AblationSize, Incremental
from stages.common import no_argument, run_info, stage_main

METRICS = Path("reports/metrics/ablations")


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    settings = params.load()
    with run_info("ablate_kwta"):
        for name in progress(settings.runs["kwta_ablations"], label="training and attacks", unit="ablations"):
            ablate(name, settings)


def ablate(name: str, settings: params.Params) -> None:
    import pandas as pd

    run, size = settings.run("kwta_ablations", name, AblationRun), settings.size("kwta_ablation", AblationSize)
    recipe, baseline = recipes.of_ablation(settings, run)
    outcome: dict[str, Any] = {"reason": not_at_this_scale(settings.scale, "kwta_ablation")}
    rows: list[Mapping[str, Any]] = []
    n_test = size.n_test
    if has_run(size.trained, name):
        from biorobust.kwta.model import experiments

        recipe, n_test, outcome, rows = experiments.ablate(name, recipe, run.seeds, settings)
    falling = {}
    if recipe.gamma_schedule == "incremental":  # the fall of gamma brings its own of the learning rate
        plan = settings.block("kwta_incremental", Incremental)
        falling = {"drop_at": recipes.held(plan, recipe.epochs) / recipe.epochs, "drop_factor": plan.factor}
    sizes = {"recipe": run.recipe, "n_test": n_test, "n_images": size.n_images}
    head = {"run": name, "study": "kwta", "scale": settings.scale}
    body: dict[str, Any] = {
        "status": "unavailable" if "reason" in outcome else "ok",
        "dataset": results.dataset_entry(run.dataset),
        "settings": recipe.model_dump() | falling | sizes,
        "question": run.question,
        "changed": {"key": run.change, "value": run.to, "baseline": getattr(baseline, run.change)}
        | ({"besides": list(run.besides)} if run.besides else {}),
    }
    write_json(METRICS / f"{name}.json", head | body | outcome)
    write_csv(METRICS / f"{name}.csv", pd.DataFrame(rows, columns=list(CURVE_COLUMNS)))


if __name__ == "__main__":
    stage_main(main)
