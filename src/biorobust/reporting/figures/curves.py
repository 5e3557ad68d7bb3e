"""Accuracy against epsilon, under other losses, and clean; what the report printed stands beside it, hollow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from biorobust.reporting.attacks import ATTACKS, REPORT_LOSS, WORST_CASE
from biorobust.reporting.estimates import Curve, Estimate, attack_curve, clean_accuracy, zero_gradient_floor
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.numbers import count, epsilon, listed, percent, share
from biorobust.reporting.reported import Reported
from biorobust.reporting.style import INK, REPORTED, WIDTH, Look, drawing_style, look

if TYPE_CHECKING:
    from biorobust.reporting.metrics import Metrics
    from biorobust.reporting.study import Study

FLOOR: dict[str, Any] = {"lw": 0.8, "ls": (0, (1, 3))}  # right, with a gradient of exactly zero


def left_out(wanted: Sequence[str], drawn: Sequence[str]) -> str:
    """A sentence naming the runs without metrics; empty when there are none."""
    labels = [look(run).label for run in wanted if run not in drawn]
    return f" Not run, so not drawn: {listed(labels)}." if labels else ""


def bars(estimates: Sequence[Estimate]) -> str:
    """A sentence saying which interval is drawn, from what was measured; runs may differ in their number of seeds."""
    single, several = ([item for item in estimates if (item.n_seeds == 1) == one] for one in (True, False))
    seeds = listed(map(str, sorted({item.n_seeds for item in several}))) if several else ""
    if not several:
        return f" Bars: 95 % interval over {_images(single)}, one seed."
    both = f" Bars: 95 % interval over {seeds} seeds and {_images(several)}"
    return f"{both}; where there is one seed, over {_images(single)}." if single else f"{both}."


def _images(estimates: Sequence[Estimate]) -> str:
    return f"{listed(count(n) for n in sorted({item.n for item in estimates}))} test images"


def percent_axis(axes: Axes, *, label: str) -> None:
    """0 to 100 with a little room, the same in every panel that is compared."""
    axes.set_ylim(-3, 103)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel(label)
    axes.grid(axis="y")


def draw_curve(axes: Axes, curve: Curve, run_look: Look) -> None:
    """Accuracy in percent with its intervals, in the look of the run."""
    values = [100 * point.value for point in curve.points]
    below = [max(0.0, 100 * (point.value - point.low)) for point in curve.points]
    above = [max(0.0, 100 * (point.high - point.value)) for point in curve.points]
    axes.errorbar(
        curve.eps,
        values,
        yerr=[below, above],
        color=run_look.colour,
        marker=run_look.marker,
        ls=run_look.dashes,
        elinewidth=1,
        label=run_look.label,
    )


def curve_rows(run: str, attack: str, curve: Curve) -> list[dict[str, Any]]:
    """The points of a curve as rows of a figure's data."""
    return [
        {
            "run": run,
            "attack": attack,
            "eps": eps,
            "accuracy": p.value,
            "low": p.low,
            "high": p.high,
            "seeds": p.n_seeds,
        }
        for eps, p in zip(curve.eps, curve.points, strict=True)
    ]


def _floors(metrics: Metrics, runs: Sequence[str]) -> dict[str, Estimate]:
    """Share of images that are right and have no gradient under the report's loss, where there are any."""
    found = {run: zero_gradient_floor(metrics, run, REPORT_LOSS) for run in runs}
    return {run: floor for run, floor in found.items() if floor is not None and floor.value > 0}


def _named(shares: Mapping[str, Estimate]) -> str:
    """ "27.9 % for Hebbian (uniform start) and 0.4 % for Convolutional network" """
    return listed(f"{share(value.value)} for {look(run).label}" for run, value in shares.items())


def _plateau_answer(curves: Mapping[str, Curve], floors: Mapping[str, Estimate]) -> str:
    """Where the curves end, and which share of the images no gradient can move."""
    ends = {run: curve.points[-1] for run, curve in curves.items()}
    largest = max(curve.eps[-1] for curve in curves.values())
    answer = f" At {epsilon(largest)} it is {_named(ends)}."
    if not floors:
        return f"{answer} No image that is classified correctly has a gradient of exactly zero."
    return f"{answer} Right with a gradient of exactly zero, which the attack cannot move: {_named(floors)}."


def _network(run: str) -> str:
    """A run without what tells it from others of the same network: "Hebbian (normal start)" -> "Hebbian"."""
    return look(run).label.partition(" (")[0]


def _follows(curves: Mapping[str, Curve], reported: Reported) -> str:
    """Where several runs stand for one reported network: how far its values are from each of them."""
    said = []
    for run, values in reported.items():
        gaps = {}
        for other in (other for other in curves if _network(other) == _network(run)):
            found = [abs(value - point.value) for eps, value in values.items() if (point := curves[other].at(eps))]
            gaps[other] = sum(found) / len(found) if found else None
        if len(gaps) > 1 and None not in gaps.values():
            away = listed(f"{percent(gap, digits=1)} points from {look(other).label}" for other, gap in gaps.items())
            said.append(f" The values reported for {_network(run)} are on average {away}.")
    return "".join(said)


def accuracy_against_epsilon(
    metrics: Metrics, study: Study, *, runs: Sequence[str], reported: Reported
) -> Figure | None:
    """Accuracy under the report's own loss. `reported`: run -> {eps: accuracy}, drawn for its network."""
    curves = {run: curve for run in runs if (curve := attack_curve(metrics, run, REPORT_LOSS))}
    if not curves:
        return None
    floors = _floors(metrics, list(curves))
    rows: list[dict[str, Any]] = []
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 3.7))
        axes = drawing.add_subplot()
        for run, curve in curves.items():
            draw_curve(axes, curve, look(run))
            rows += curve_rows(run, REPORT_LOSS, curve)
        for run, floor in floors.items():
            axes.axhline(100 * floor.value, color=look(run).colour, **FLOOR)
            rows.append({"run": run, "attack": "zero gradient and right", "accuracy": floor.value})
        for (run, values), marker in zip(reported.items(), ("o", "D", "s"), strict=False):
            name = f"{_network(run)}, as reported"
            style = REPORTED | {"marker": marker, "label": name}
            axes.plot(list(values), [100 * value for value in values.values()], **style)
            rows += [{"run": _network(run), "attack": "reported", "eps": e, "accuracy": v} for e, v in values.items()]
        handles, labels = axes.get_legend_handles_labels()
        if floors:
            handles.append(Line2D([], [], color=INK, **FLOOR))
            labels.append("right, with a zero gradient")
        axes.legend(handles, labels, loc="upper right")
        percent_axis(axes, label="accuracy, %")
        axes.set_xlabel("ε, largest change of a pixel (L∞, intensity 0 to 1)")
    points = [point for curve in curves.values() for point in curve.points]
    return Figure(
        id="accuracy-epsilon",
        title="Accuracy under the report's attack",
        alt=f"Line chart of accuracy against epsilon for {listed(look(run).label for run in curves)}, "
        f"from {_ends(curves, 0)} percent without an attack to {_ends(curves, -1)} percent at the end.",
        caption="How does accuracy fall as the report's attack (FGSM on its own loss) grows?"
        + _plateau_answer(curves, floors)
        + _follows(curves, reported)
        + bars(points)
        + left_out(runs, list(curves)),
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=tuple(study.attack_stage(run) for run in curves),
    )


def _ends(curves: Mapping[str, Curve], index: int) -> str:
    return listed(percent(curve.points[index].value, digits=1) for curve in curves.values())


def losses_compared(metrics: Metrics, study: Study) -> Figure | None:
    """One panel per run: the same images under every loss, and the worst of them for each image."""
    runs = study.networks
    curves = {
        run: found
        for run in runs
        if (found := {loss: curve for loss in ATTACKS if (curve := attack_curve(metrics, run, loss))})
    }
    if not curves:
        return None
    columns = min(3, len(curves))
    lines = -(-len(curves) // columns)
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.5 + 2.1 * lines))
        panels = drawing.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat
        # The panels stand second: zip takes from the first before it sees that the other has ended.
        for (run, found), axes in zip(curves.items(), panels, strict=False):
            for loss, curve in found.items():
                colour = look(run).colour if loss == WORST_CASE else INK
                values = [100 * point.value for point in curve.points]
                axes.plot(curve.eps, values, color=colour, ls=ATTACKS[loss].dashes, lw=ATTACKS[loss].width)
            axes.set_title(look(run).label, wrap=True)
            percent_axis(axes, label="")
        for axes in list(panels):
            axes.set_axis_off()
        drawing.supylabel("accuracy, %", size=9)
        drawing.supxlabel("ε (L∞)", size=9)
        shown = [loss for loss in ATTACKS if any(loss in found for found in curves.values())]
        handles = [Line2D([], [], color=INK, ls=ATTACKS[loss].dashes, lw=ATTACKS[loss].width) for loss in shown]
        labels = [ATTACKS[loss].label for loss in shown]
        drawing.legend(handles, labels, loc="outside upper center", ncols=4)
    return Figure(
        id="losses",
        title="The same images under other losses",
        alt=f"Small line charts, one for each of {len(curves)} runs, of accuracy against epsilon under "
        f"{listed(labels)}.",
        caption="Does the plateau survive when the attack follows another loss?"
        + _survival({run: found for run, found in curves.items() if {REPORT_LOSS, WORST_CASE} <= found.keys()})
        + left_out(runs, list(curves)),
        drawing=drawing,
        data=pd.DataFrame(
            [row for run in curves for loss in curves[run] for row in curve_rows(run, loss, curves[run][loss])]
        ),
        provenance=tuple(study.attack_stage(run) for run in curves),
    )


def _survival(curves: Mapping[str, Mapping[str, Curve]]) -> str:
    """What is left of each curve's last point when every image meets its worst loss."""
    if not curves:
        return ""
    before = [share(found[REPORT_LOSS].points[-1].value) for found in curves.values()]
    after = [share(found[WORST_CASE].points[-1].value) for found in curves.values()]
    largest = max(found[REPORT_LOSS].eps[-1] for found in curves.values())
    changes = (f"{old} to {new} for {look(run).label}" for run, old, new in zip(curves, before, after, strict=True))
    return f" At {epsilon(largest)} accuracy goes from the report's loss to the worst case from {listed(changes)}."


def clean_accuracies(metrics: Metrics, study: Study, *, reported: Mapping[str, float]) -> Figure | None:
    """A dot for every run with its interval; what the report printed is hollow."""
    found = {run: value for run in study.networks if (value := clean_accuracy(metrics, run))}
    if not found:
        return None
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 0.8 + 0.33 * len(found)))
        axes = drawing.add_subplot()
        for row, (run, value) in enumerate(found.items()):
            reach = [[100 * (value.value - value.low)], [100 * (value.high - value.value)]]
            colour, marker = look(run).colour, look(run).marker
            axes.errorbar(100 * value.value, row, xerr=reach, color=colour, marker=marker, elinewidth=1)
            if run in reported:
                axes.plot(100 * reported[run], row, **REPORTED)
        axes.set_yticks(range(len(found)), [look(run).label for run in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("test accuracy, %")
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    best, worst = max(found, key=lambda run: found[run].value), min(found, key=lambda run: found[run].value)
    rows = [
        {"run": run, "accuracy": v.value, "low": v.low, "high": v.high, "n": v.n, "seeds": v.n_seeds}
        | {"reported": reported.get(run)}
        for run, v in found.items()
    ]
    return Figure(
        id="clean-accuracy",
        title="Accuracy without an attack",
        alt=f"Dot plot of the test accuracy of {len(found)} runs, from {percent(found[worst].value, digits=1)} to "
        f"{percent(found[best].value, digits=1)} percent.",
        caption="How well does each network classify clean test images?"
        f" From {share(found[worst].value)} for {look(worst).label} to {share(found[best].value)} for "
        f"{look(best).label}."
        + hollow(reported, found)
        + bars(list(found.values()))
        + left_out(study.networks, list(found)),
        drawing=drawing,
        data=pd.DataFrame(rows),
        provenance=tuple(study.train_stage(run) for run in found),
    )


def hollow(reported: Mapping[str, object], found: Mapping[str, object]) -> str:
    """A sentence on the hollow markers, if there are any."""
    return " Hollow: as reported." if set(reported) & set(found) else ""
