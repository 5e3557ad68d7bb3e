"""What a notebook of reports/notebooks needs: open a run of a study, show its figures one by one, save them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from biorobust.core.errors import BiorobustError
from biorobust.reporting import claim_file, figure
from biorobust.reporting.figure import Drawn, Figure, Inputs
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.registry import STUDIES, read_params


def inputs(study: str, *, metrics: Sequence[str | Path], params: str | Path, claims: str | Path) -> Inputs:
    """What the figures of a study need; metrics: folders, the newest first."""
    made = STUDIES[study](read_params(params))
    own = tuple(claim for claim in claim_file.load(claims) if claim.study == study)
    return Inputs(m=Measurements(*metrics), study=made, claims=own)


class Figures:
    """The figures of one run; those that were shown are remembered for `save`."""

    def __init__(self, declared: Iterable[Figure], given: Inputs) -> None:
        self.declared = {item.id: item for item in declared}
        self.given = given
        self.drawn: list[Drawn] = []

    def show(self, name: str) -> None:
        """Draw a figure below the cell, with its caption."""
        from IPython.display import Markdown, display

        if name not in self.declared:
            raise BiorobustError(f"no figure {name}: there are {', '.join(self.declared)}")
        found = figure.draw(self.declared[name], self.given)
        if found is None:
            display(Markdown("*Not run, so there is nothing to draw.*"))
            return
        self.drawn.append(found)
        display(found.drawing, Markdown(found.caption))

    def save(self, folder: str | Path) -> None:
        """Write the figures shown so far, as the report prints them."""
        figure.save(self.drawn, folder)
