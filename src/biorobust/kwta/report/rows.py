"""How the rows of the k-WTA tables are drawn: a colour per row, a label by its gamma, a panel per table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from biorobust.kwta.report.cells import gamma_of, row_name
from biorobust.kwta.report.study import DATASETS, NAMES, Kwta, Place
from biorobust.reporting.estimates import ran
from biorobust.reporting.numbers import listed
from biorobust.reporting.style import Look, look

if TYPE_CHECKING:
    from biorobust.reporting.metrics import Metrics


def row_look(metrics: Metrics, study: Kwta, cell: str) -> Look:
    """The look of a cell's row, labelled by the gamma it was trained with."""
    style = look(study.row(cell))
    return Look(row_name(gamma_of(metrics, study, cell)), style.colour, style.dark, style.marker, style.dashes)


def title(place: Place) -> str:
    """As in "ResNet18, CIFAR-10"."""
    return f"{NAMES[place.network]}, {DATASETS[place.dataset]}"


def with_results(metrics: Metrics, places: Iterable[Place]) -> list[tuple[Place, tuple[str, ...]]]:
    """The tables of which anything ran, each with the cells that did."""
    found = [(place, tuple(cell for cell in place.rows if ran(metrics.train(cell)))) for place in places]
    return [(place, cells) for place, cells in found if cells]


def grid(drawing: Drawing, n: int, *, columns: int, **shared: Any) -> tuple[list[Axes], list[Axes], list[Axes]]:
    """`n` panels row by row, those at the left, and the lowest of every column; places left over stay empty.

    shared: what the panels share, as for matplotlib's `subplots`.
    """
    panels = drawing.subplots(-(-n // columns), columns, squeeze=False, **shared)
    used, over = list(panels.flat)[:n], list(panels.flat)[n:]
    for axes in over:
        axes.set_axis_off()
    lowest = used[-columns:]
    for axes in lowest:
        axes.tick_params(labelbottom=True)
    return used, list(panels[:, 0]), lowest


def not_drawn(study: Kwta, drawn: Sequence[Place]) -> str:
    """A sentence naming the tables of which nothing ran; empty when there are none."""
    missing = [f"{place.number}" for place in study.places if place not in drawn and place.number]
    return f" Not run, so not drawn: table{'s' * (len(missing) > 1)} {listed(missing)}." if missing else ""
