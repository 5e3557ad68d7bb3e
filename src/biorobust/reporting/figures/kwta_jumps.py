"""Jumps of a k-WTA network's function along random lines, against the share of values that pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from biorobust.reporting.cells import gamma_of
from biorobust.reporting.estimates import ran
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.figures.kwta_rows import grid, not_drawn, row_look, title, with_results
from biorobust.reporting.style import FAINT, INK, WIDTH, drawing_style

if TYPE_CHECKING:
    from biorobust.reporting.metrics import Metrics
    from biorobust.reporting.studies.kwta import Kwta

TICKS = (0.05, 0.1, 0.2, 0.5, 1.0)


def jumps(metrics: Metrics, study: Kwta) -> Figure | None:
    """A panel per table: median jump of the same weights under other gammas, and of every row under its own."""
    found = [
        (place, lines)
        for place, cells in with_results(metrics, study.places)
        if (lines := {cell: line for cell in cells if (line := _line(metrics, cell))})
    ]
    if not found:
        return None
    rows: list[dict[str, Any]] = []
    columns = min(4, len(found))
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.8 + 2.1 * -(-len(found) // columns)))
        panels, left, lowest = grid(drawing, len(found), columns=columns, sharex=True)
        looks = {}
        for axes, (place, lines) in zip(panels, found, strict=True):
            for cell, line in lines.items():
                style, gamma = row_look(metrics, study, cell), gamma_of(metrics, study, cell)
                looks[style.label] = style
                own = _median(line["per_seed"])
                rows.append(
                    {"table": place.number or "ours", "cell": cell, "gamma": gamma, "trained": True, "jump": own}
                )
                if gamma is None:
                    axes.axhline(own, color=style.colour, lw=1.2)
                    continue
                by_gamma = _by_gamma(line)
                axes.plot(
                    list(by_gamma), list(by_gamma.values()), color=style.colour, lw=1, ls=style.dashes, marker="."
                )
                axes.plot(gamma, own, color=style.colour, marker=style.marker, ms=8, mec=INK, mew=0.8, ls="")
                rows += [
                    {"table": place.number or "ours", "cell": cell, "gamma": other, "trained": False, "jump": jump}
                    for other, jump in by_gamma.items()
                ]
            axes.set_xscale("log")
            axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_ylim(bottom=0)
            axes.grid(axis="y")
            axes.set_title(f"{place.label}:\n{title(place)}")
        for axes in left:
            axes.set_ylabel("median jump, sd of the outputs")
        for axes in lowest:
            axes.set_xlabel("share that passes")
        handles = [
            Line2D([], [], color=s.colour, ls=s.dashes, marker=s.marker if label != "ReLU" else "", ms=7, mec=INK)
            for label, s in looks.items()
        ]
        handles.append(Line2D([], [], color=FAINT, marker=".", ls="-", lw=1))
        drawing.legend(
            handles, [*looks, "the same weights, another gamma"], loc="outside lower center", ncols=len(handles)
        )
    line = next(iter(found[0][1].values()))
    return Figure(
        id="jumps",
        title="Jumps of the network's function",
        alt=f"Line charts, a panel for each of {len(found)} tables, of the median jump of the outputs against the "
        "share of values that pass.",
        caption="Does a smaller gamma make the network's function jump more? The largest jump of an output along "
        f"{line['n_lines']} random lines through test images, {line['length']:g} long in every pixel, median over the "
        "lines, in standard deviations of the outputs over the test images. Large markers: as trained. Horizontal "
        f"line: ReLU, whose function is continuous.{not_drawn(study, [place for place, _ in found])}",
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=tuple(dict.fromkeys(study.attack_stage(cell) for _, lines in found for cell in lines)),
    )


def _line(metrics: Metrics, cell: str) -> Mapping[str, Any] | None:
    found = ran(metrics.attack(cell))
    return found.get("discontinuity") if found else None


def _median(rows: list[Mapping[str, Any]]) -> float:
    """Mean over seeds of the median over lines."""
    return float(sum(row["jump"]["median"] for row in rows) / len(rows))


def _by_gamma(line: Mapping[str, Any]) -> dict[float, float]:
    gammas = sorted({row["gamma"] for row in line["by_gamma"]})
    return {gamma: _median([row for row in line["by_gamma"] if row["gamma"] == gamma]) for gamma in gammas}
