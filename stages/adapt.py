"""Attack a study's networks with what adapts to them: `python -m stages.adapt hebbian`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from biorobust import params
from biorobust.core import places, results, runs
from biorobust.core.attack_plan import Adaptive, AdaptiveSize, adaptive_name
from biorobust.core.files import write_parquet
from biorobust.core.left_out import not_at_this_scale
from biorobust.core.progress import progress
from biorobust.question.model.params import AttackPlan, AttackSize
from stages.common import one_argument, run_info, stage_main

STUDIES = tuple(name for name, module in params.STUDIES.items() if f"{name}_adaptive" in module.BLOCKS)


def main(argv: list[str] | None = None) -> None:
    study = one_argument(argv, __doc__, "study", ", ".join(STUDIES))
    settings = params.load()
    if study not in STUDIES:
        raise params.ParamsError(f"study {study!r}: unknown; known are {', '.join(STUDIES)}")
    chosen = settings.block(f"{study}_adaptive", Adaptive)
    n_images = settings.size(f"{study}_adaptive", AdaptiveSize).n_images
    with run_info(f"adapt@{study}"), places.together(f"adaptive-{study}"):
        for name in progress(chosen.networks, label=f"attacks that adapt, {study}", unit="networks"):
            if reason := _left_out(name, study=study, n_images=n_images, scale=settings.scale):
                _leave_out(name, reason, study=study, chosen=chosen, n_images=n_images, scale=settings.scale)
                continue
            from biorobust.question.model import adaptive

            adaptive.attack(
                name,
                study=study,
                chosen=chosen,
                n_images=n_images,
                plan=settings.block("question_attack", AttackPlan),
                size=settings.size("question_attack", AttackSize),
                scale=settings.scale,
            )


def _left_out(name: str, *, study: str, n_images: int, scale: str) -> str:
    return (runs.unavailable(name) or "") if n_images else not_at_this_scale(scale, f"{study}_adaptive")


def _leave_out(name: str, reason: str, *, study: str, chosen: Adaptive, n_images: int, scale: str) -> None:
    run, made = adaptive_name(name), {"eps": chosen.eps, "n_images": n_images, "twin": chosen.twins.get(name)}
    head: dict[str, Any] = {"study": study, "scale": scale, "dataset": chosen.dataset, "settings": made}
    write_parquet(places.to_write(places.RECORDS / study) / f"{run}.parquet", pd.DataFrame(columns=["seed"]))
    results.write_unavailable("attack", run, reason=reason, **head)


if __name__ == "__main__":
    stage_main(main)
