"""What reports/notebooks/study.ipynb needs: open a run of a study and show its figures one by one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from biorobust.reporting import claim_file, figure
from biorobust.reporting.figure import Drawn, Inputs
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params


def inputs(study: str, *, metrics: Sequence[str | Path], params: str | Path, claims: str | Path) -> Inputs:
    """What the figures of a study need; metrics: folders, the newest first."""
    made = STUDIES[study](read_params(params))
    own = tuple(claim for claim in claim_file.load(claims) if claim.study == study)
    return Inputs(m=Measurements(*metrics), study=made, claims=own)


def show(given: Inputs) -> list[Drawn]:
    """Draw the study's figures below the cell, each with title and caption; gives those that were run."""
    from IPython.display import Markdown, display

    shown = []
    for declared in import_module(f"biorobust.{given.study.name}.report.figures").FIGURES:
        found = figure.draw(declared, given)
        if found is None:
            display(Markdown(f"*{declared.id} was not run, so there is nothing to draw.*"))
            continue
        shown.append(found)
        display(Markdown(f"## {found.title}"), found.drawing, Markdown(found.caption))
    return shown
