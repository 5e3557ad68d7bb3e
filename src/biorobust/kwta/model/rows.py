"""Which cells a row of the k-WTA tables has, and which of them a scale leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from biorobust.core.errors import ParamsError
from biorobust.core.left_out import not_at_this_scale
from biorobust.kwta.model import recipe as recipes
from biorobust.kwta.model.params import FAST, Cells, Recipe, Run, cells

if TYPE_CHECKING:
    from biorobust.params import Params


class Cell(NamedTuple):
    """A network trained on a data set from one start."""

    run: Run
    network: str
    dataset: str

    def recipe(self, settings: Params) -> Recipe:
        """What it is trained with at the chosen scale."""
        return recipes.of_cell(settings, self.run, network=self.network, dataset=self.dataset)

    def left_out(self, settings: Params) -> str:
        """Why it is not to be trained, "" where it is."""
        if f"{self.network}-{self.dataset}" not in settings.size("kwta_cells", Cells).trained:
            return not_at_this_scale(settings.scale, "kwta_cells")
        never = (self.network, self.run.init) == (FAST, "pretrained")
        return "the small fast network starts from random weights alone" if never else ""


def cells_of(row: str, settings: Params, *, only: str | None = None) -> Mapping[str, Cell]:
    """The cells by name of a row of the tables from every start, or of one run. Raises ParamsError for other names.

    only: the name of one cell, the others are left away.
    """
    names = [name for name in settings.runs["kwta_runs"] if row in (name, name.partition("-")[2])]
    if not names:
        settings.run("kwta_runs", row, Run)  # which names those that there are
    found = {
        cell: Cell(settings.run("kwta_runs", name, Run), *place)
        for name in names
        for cell, place in cells(name).items()
    }
    if only is not None and only not in found:
        raise ParamsError(f"cell {only!r}: unknown; {row} has {', '.join(found)}")
    return found if only is None else {only: found[only]}


def group(row: str) -> str:
    """The folder of a row's results, also of one of its runs."""
    start, _, rest = row.partition("-")
    return f"kwta-{rest if start in ('scratch', 'pretrained') else row}"
