"""What reports/notebooks/study.ipynb needs: open a run of a study and show its figures one by one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from biorobust.reporting import claim_file, figure
from biorobust.reporting.figure import Inputs
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params


def inputs(study: str, *, metrics: Sequence[str | Path], params: str | Path, claims: str | Path) -> Inputs:
    """What the figures of a study need; metrics: folders, the newest first."""
    made = STUDIES[study](read_params(params))
    own = tuple(claim for claim in claim_file.load(claims) if claim.study == study)
    return Inputs(m=Measurements(*metrics), study=made, claims=own)


def show(given: Inputs, *, out: str | Path) -> None:
    """Write the study's figures to the folder `out` and show them below the cell, each with title and caption."""
    from IPython.display import SVG, Markdown, display

    declared = import_module(f"biorobust.{given.study.name}.report.figures").FIGURES
    drawn = {one.id: figure.draw(one, given) for one in declared}
    figure.save([found for found in drawn.values() if found], out)
    for name, found in drawn.items():
        if found is None:
            display(Markdown(f"*{name} was not run, so there is nothing to draw.*"))
        else:
            display(Markdown(f"## {found.title}"), SVG(filename=f"{out}/{name}.svg"), Markdown(found.caption))
