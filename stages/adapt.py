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
from stages.common import one_argument, run_info, stage_main

STUDIES = tuple(name for name, module in params.STUDIES.items() if f"{name}_adaptive" in module.BLOCKS)


def main(argv: list[str] | None = None) -> None:
    study = one_argument(argv, __doc__, "study", ", ".join(STUDIES))
    settings = params.load()
    if study not in STUDIES:
        raise params.ParamsError(f"study {study!r}: unknown; known are {', '.join(STUDIES)}")
    block = f"{study}_adaptive"
    chosen, n_images = settings.block(block, Adaptive), settings.size(block, AdaptiveSize).n_images
    with run_info(f"adapt@{study}"), places.together(f"adaptive-{study}"):
        for name in progress(chosen.networks, label=f"attacks that adapt, {study}", unit="networks"):
            reason = runs.unavailable(name) if n_images else not_at_this_scale(settings.scale, block)
            if reason:
                run, made = adaptive_name(name), {"eps": chosen.eps, "n_images": n_images}
                head: dict[str, Any] = {"study": study, "scale": settings.scale, "dataset": chosen.dataset}
                head |= {"settings": made | {"twin": chosen.twins.get(name)}}
                empty = pd.DataFrame(columns=["seed"])
                write_parquet(places.to_write(places.RECORDS / study) / f"{run}.parquet", empty)
                results.write_unavailable("attack", run, reason=reason, **head)
            else:
                from biorobust.question.model import adaptive

                adaptive.attack(name, study, settings)


if __name__ == "__main__":
    stage_main(main)
