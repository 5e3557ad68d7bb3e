"""CNN-F under attack: accuracy against epsilon for every attack and for the worst of them, and attacked letters."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from biorobust.cnnf.report.letters import letter, show_letters
from biorobust.reporting.attacks import FEEDBACK_ATTACKS, WORST_CASE
from biorobust.reporting.estimates import Curve, attack_curve
from biorobust.reporting.figures.curves import bars, curve_rows, draw_curve, left_out, percent_axis
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.figures.pictures import arrays
from biorobust.reporting.numbers import epsilon, listed, share
from biorobust.reporting.style import INK, WIDTH, drawing_style, look

if TYPE_CHECKING:
    from biorobust.cnnf.report.study import Cnnf
    from biorobust.reporting.metrics import Metrics

SHOWN, ROWS = 6, 4  # letters per network, and epsilons of those that were attacked
Curves = Mapping[str, Curve]  # attack -> curve


def accuracy_against_epsilon(metrics: Metrics, study: Cnnf) -> Figure | None:
    """The worst case of every network in one panel, then a panel per network with all its attacks."""
    found: dict[str, dict[str, Curve]] = {}
    for run in study.attacked:
        curves = {name: curve for name in FEEDBACK_ATTACKS if (curve := attack_curve(metrics, run, name))}
        if WORST_CASE in curves:
            found[run] = curves
    if not found:
        return None
    with drawing_style():
        drawing = Drawing(figsize=(WIDTH, 5.6))
        grid = drawing.add_gridspec(2, len(found), height_ratios=(1.35, 1))
        whole = drawing.add_subplot(grid[0, :])
        for run, curves in found.items():
            draw_curve(whole, curves[WORST_CASE], look(run))
        whole.set_title("Worst case over all attacks")
        whole.set_xlabel("ε, largest change of a pixel (L∞, intensity 0 to 1)")
        percent_axis(whole, label="accuracy, %")
        whole.legend(loc="upper right")
        for position, (run, curves) in enumerate(found.items()):
            axes = drawing.add_subplot(grid[1, position])
            _draw_attacks(axes, curves, look(run).colour)
            axes.set_title(fill(look(run).label, 22))
            percent_axis(axes, label="accuracy, %" if not position else "")
            axes.set_xlabel("ε")
        shown = [name for name in FEEDBACK_ATTACKS if any(name in curves for curves in found.values())]
        handles = [
            Line2D([], [], color=INK, ls=FEEDBACK_ATTACKS[name].dashes, lw=FEEDBACK_ATTACKS[name].width)
            for name in shown
        ]
        labels = [FEEDBACK_ATTACKS[name].label for name in shown]
        drawing.legend(handles, labels, loc="outside lower center", ncols=3)
    worst = {run: curves[WORST_CASE] for run, curves in found.items()}
    return Figure(
        id="accuracy-epsilon",
        title="Accuracy under attacks that know the feedback",
        alt="Line charts of accuracy against epsilon: one with the worst case of "
        f"{listed(look(run).label for run in found)}, and one for each of them with {listed(labels)}.",
        caption="Does feedback withstand attacks that differentiate through it, and more than a CNN that saw the same "
        f"noisy images? {_levels(worst)}{_gradients(metrics, found)}"
        + bars([point for curve in worst.values() for point in curve.points])
        + left_out(study.attacked, list(found)),
        drawing=drawing,
        data=pd.DataFrame(
            [row for run, curves in found.items() for name, c in curves.items() for row in curve_rows(run, name, c)]
        ),
        provenance=tuple(study.attack_stage(run) for run in found),
    )


def _draw_attacks(axes: Axes, curves: Curves, colour: str) -> None:
    for name, curve in curves.items():
        values = [100 * point.value for point in curve.points]
        chosen = colour if name == WORST_CASE else INK
        axes.plot(curve.eps, values, color=chosen, ls=FEEDBACK_ATTACKS[name].dashes, lw=FEEDBACK_ATTACKS[name].width)


def _levels(worst: Curves) -> str:
    """Worst-case accuracy of every network at each epsilon that is attacked."""
    grid = [eps for eps in next(iter(worst.values())).eps if eps]
    said = []
    for eps in grid:
        at = {run: point for run, curve in worst.items() if (point := curve.at(eps))}
        said.append(
            f"{epsilon(eps)}: {listed(f'{share(point.value)} for {look(run).label}' for run, point in at.items())}"
        )
    return f"Worst case at {'; at '.join(said)}."


def _gradients(metrics: Metrics, found: Mapping[str, Curves]) -> str:
    """Which gradient hurts a network with feedback more, at the smallest epsilon; a CNN has one gradient only."""
    last, first = "pgd-cross-entropy", "pgd-cross-entropy@first"
    said = []
    for run, curves in found.items():
        if last in curves and first in curves and (metrics.train(run) or {"settings": {}})["settings"].get("cycles"):
            eps = next(value for value in curves[last].eps if value)
            one, other = curves[first].at(eps), curves[last].at(eps)
            if one and other:
                kept = (
                    f"{share(one.value)} under PGD through the first pass and {share(other.value)} through all cycles"
                )
                said.append(f"{look(run).label} keeps {kept} at {epsilon(eps)}")
    return f" {'; '.join(said)}." if said else ""


def attacked_letters(metrics: Metrics, study: Cnnf, *, runs: tuple[str, ...]) -> Figure | None:
    """Attacked letters of the report's two networks, untargeted and targeted, epsilon by row."""
    found = {
        (run, name): _few(pictures)
        for name in ("adversarial", "targeted")
        for run in runs
        if (pictures := arrays(metrics, f"{name}-{run}")) is not None
    }
    if not found:
        return None
    with drawing_style():
        rows = max(len(pictures["eps"]) for pictures in found.values())
        columns = min(2, len(found))
        lines = -(-len(found) // columns)
        drawing = Drawing(figsize=(WIDTH, lines * (0.35 + 0.62 * rows)))
        for axes, ((run, _), pictures) in zip(
            drawing.subplots(lines, columns, squeeze=False).flat, found.items(), strict=False
        ):
            show_letters(
                axes,
                pictures["images"],
                labels=pictures["labels"],
                predictions=pictures["predictions"],
                rows=[f"ε {eps:g}" for eps in pictures["eps"]],
                notes=_aims(pictures),
            )
            axes.set_title(f"{look(run).label}: {_attack(pictures)}")
    return Figure(
        id="attacked-letters",
        title="Attacked letters",
        alt="Grids of attacked letters, a row for each epsilon and below each image the letter that is read, for "
        f"{listed(look(run).label for run, _ in found)}.",
        caption=f"What do attacked letters look like, and which letter does the network read?{_kept(found)}"
        " Below each image: the letter that is read, bold where it is wrong"
        f"{'; in brackets the letter aimed at' if any('targets' in few for few in found.values()) else ''}.",
        drawing=drawing,
        data=pd.DataFrame([row for (run, _), pictures in found.items() for row in _rows(run, pictures)]),
        provenance=tuple(dict.fromkeys(study.attack_stage(run) for run, _ in found)),
    )


def _few(pictures: Mapping[str, Any]) -> dict[str, Any]:
    """The first letters, at epsilons from the smallest to the largest."""
    n_eps = len(pictures["eps"])
    rows = sorted({round(at * (n_eps - 1) / (ROWS - 1)) for at in range(ROWS)})
    few = {key: pictures[key][rows][:, :SHOWN] for key in ("images", "predictions")}
    few |= {key: pictures[key][:SHOWN] for key in ("labels", "targets") if key in pictures}
    return few | {"eps": pictures["eps"][rows], "attack": pictures["attack"]}


def _aims(pictures: Mapping[str, Any]) -> list[list[str]] | None:
    """The letter a targeted attack aims at, below each attacked image."""
    if "targets" not in pictures:
        return None
    return [[f"({letter(aim)})" if eps else "" for aim in pictures["targets"]] for eps in pictures["eps"]]


def _attack(pictures: Mapping[str, Any]) -> str:
    name = str(pictures["attack"])
    return FEEDBACK_ATTACKS[name].label if name in FEEDBACK_ATTACKS else name


def _kept(found: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    said = []
    for (run, _), pictures in found.items():
        right = pictures["predictions"][-1] == pictures["labels"]
        at = epsilon(pictures["eps"][-1])
        said.append(
            f"{int(right.sum())} of the {len(right)} shown for {look(run).label} under {_attack(pictures)} at {at}"
        )
    return f" Still right: {listed(said)}."


def _rows(run: str, pictures: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"run": run, "attack": str(pictures["attack"]), "eps": float(eps), "image": image}
        | {"label": letter(label), "prediction": letter(said)}
        for eps, row in zip(pictures["eps"], pictures["predictions"], strict=True)
        for image, (label, said) in enumerate(zip(pictures["labels"], row, strict=True))
    ]
