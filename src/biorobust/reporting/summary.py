"""A study in at most fifteen numbers: what `dvc metrics` and `dvc exp show` put before a person."""

from __future__ import annotations

import importlib

from biorobust.reporting.estimates import NotMeasured, Share, share
from biorobust.reporting.measurements import Measurements


def summary(study: str, metrics: Measurements) -> dict[str, float]:
    """`<row>_<column>` -> accuracy in percent, mean over trainings; what was not run is left out.

    Rows and columns are those of the study's `report/summary.py`.
    """
    asked = importlib.import_module(f"biorobust.{study}.report.summary")
    found = {}
    for row, run in asked.ROWS.items():
        for column, attack, eps, images in asked.COLUMNS:
            try:
                value = share(Share(run, attack=attack, eps=eps, images=images), metrics)
            except NotMeasured:
                continue
            found[f"{row}_{column}"] = round(100 * value.value, 2)
    return found
