"""A study in at most fifteen numbers: what `dvc metrics` and `dvc exp show` put before a person."""

from __future__ import annotations

import importlib

from biorobust.core.errors import BiorobustError
from biorobust.reporting.estimates import NotMeasured, Share, share
from biorobust.reporting.measurements import Measurements


def summary(study: str, metrics: Measurements) -> dict[str, float]:
    """`<row>_<column>` -> accuracy in percent, mean over trainings; what was not run is left out.

    Rows and columns are those of the study's `report/summary.py`. Raises BiorobustError for a study without one.
    """
    name = f"biorobust.{study}.report.summary"
    try:
        asked = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not name.startswith(error.name or "?"):
            raise
        raise BiorobustError(f"src/{name.replace('.', '/')}.py is missing: see docs/add-a-study.md") from None
    found = {}
    for row, run in asked.ROWS.items():
        for column, attack, eps, images in asked.COLUMNS:
            try:
                value = share(Share(run, attack=attack, eps=eps, images=images), metrics)
            except NotMeasured:
                continue
            found[f"{row}_{column}"] = round(100 * value.value, 2)
    return found
