"""Jumps of a k-WTA network's function, and which values pass after a small step, against the share that passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from biorobust.kwta.report.cells import gamma_of
from biorobust.kwta.report.rows import grid, not_drawn, row_look, title, with_results
from biorobust.reporting.estimates import ran
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.style import FAINT, INK, WIDTH, drawing_style

if TYPE_CHECKING:
    from biorobust.kwta.report.study import Kwta
    from biorobust.reporting.metrics import Metrics

TICKS = (0.05, 0.1, 0.2, 0.5, 1.0)
STEP = 1  # of the three sizes of `patterns`: a tenth of the attacks' epsilon


class Panels(NamedTuple):
    """A drawing, the rows behind it, the probe of its first cell, what is shown and missing in words, the stages."""

    drawing: Drawing
    data: pd.DataFrame
    probe: Mapping[str, Any]
    shown: str
    missing: str
    provenance: tuple[str, ...]


def jumps(metrics: Metrics, study: Kwta) -> Figure | None:
    """A panel per table: median jump of the same weights under other gammas, and of every row under its own."""
    made = _panels(
        metrics,
        study,
        probe="discontinuity",
        quantity="jump",
        value=lambda row: row["jump"]["median"],
        label="median jump, sd of the outputs",
    )
    return made and Figure(
        id="jumps",
        title="Jumps of the network's function",
        alt=f"Line charts, {made.shown}, of the median jump of the outputs against the share of values that pass.",
        caption="Does a smaller gamma make the network's function jump more? The largest jump of an output along "
        f"{made.probe['n_lines']} random lines through test images, {made.probe['length']:g} long in every pixel, "
        "median over the lines, in standard deviations of the outputs over the test images. Large markers: as trained. "
        f"Horizontal line: ReLU, whose function is continuous.{made.missing}",
        drawing=made.drawing,
        data=made.data,
        provenance=made.provenance,
    )


def patterns(metrics: Metrics, study: Kwta) -> Figure | None:
    """A panel per table: share of the passing values that a small step replaces, likewise."""
    made = _panels(
        metrics,
        study,
        probe="patterns",
        quantity="replaced",
        value=lambda row: 100 * row["gradient"]["changed"][STEP],
        label="replaced, % of those that pass",
    )
    return made and Figure(
        id="patterns",
        title="Values that pass, before and after a small step",
        alt=f"Line charts, {made.shown}, of the share of passing values that a small step replaces against the share "
        "of values that pass.",
        caption="Does a small step change which values pass? How many of those that pass, over all activations, give "
        f"way to others when every pixel of {made.probe['n_images']} test images moves by a tenth of the attacks' "
        f"epsilon to where the loss rises. Large markers: as trained. Horizontal line: ReLU.{made.missing}",
        drawing=made.drawing,
        data=made.data,
        provenance=made.provenance,
    )


def _panels(
    metrics: Metrics, study: Kwta, *, probe: str, quantity: str, value: Callable[[Any], float], label: str
) -> Panels | None:
    """`value` of the rows of a probe, mean over seeds, against gamma."""
    found = [
        (place, lines)
        for place, cells in with_results(metrics, study.places)
        if (lines := {cell: line for cell in cells if (line := (ran(metrics.attack(cell)) or {}).get(probe))})
    ]
    if not found:
        return None

    def mean(rows: list[Any]) -> float:
        return sum(map(value, rows)) / len(rows)

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
                own = mean(line["per_seed"])
                table = place.number or "ours"
                rows.append({"table": table, "cell": cell, "gamma": gamma, "trained": True, quantity: own})
                if gamma is None:
                    axes.axhline(own, color=style.colour, lw=1.2)
                    continue
                gammas = sorted({row["gamma"] for row in line["by_gamma"]})
                by_gamma = {g: mean([row for row in line["by_gamma"] if row["gamma"] == g]) for g in gammas}
                axes.plot(
                    list(by_gamma), list(by_gamma.values()), color=style.colour, lw=1, ls=style.dashes, marker="."
                )
                axes.plot(gamma, own, color=style.colour, marker=style.marker, ms=8, mec=INK, mew=0.8, ls="")
                rows += [
                    {"table": place.number or "ours", "cell": cell, "gamma": other, "trained": False, quantity: drawn}
                    for other, drawn in by_gamma.items()
                ]
            axes.set_xscale("log")
            axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_ylim(bottom=0)
            axes.grid(axis="y")
            axes.set_title(f"{place.label}:\n{title(place)}")
        for axes in left:
            axes.set_ylabel(label)
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
    return Panels(
        drawing,
        pd.DataFrame(rows),
        next(iter(found[0][1].values())),
        f"a panel for each of {len(found)} tables",
        not_drawn(study, [place for place, _ in found]),
        tuple(dict.fromkeys(study.attack_stage(cell) for _, lines in found for cell in lines)),
    )
