"""Pictures: what units have learned, and what attacked images look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from biorobust.core import places
from biorobust.reporting.attacks import ATTACKS
from biorobust.reporting.estimates import Estimate, per_seed
from biorobust.reporting.figures.figure import Figure
from biorobust.reporting.numbers import epsilon, listed
from biorobust.reporting.style import WIDTH, drawing_style, look

if TYPE_CHECKING:
    from biorobust.hebbian.report.study import Hebbian
    from biorobust.reporting.metrics import Metrics
    from biorobust.reporting.study import Study

SIDE = 5  # at most so many units per row and column of a panel
SHOWN = 6  # images per network


def arrays(metrics: Metrics, name: str) -> dict[str, Any] | None:
    """The arrays of a file below pictures, None where it is not there."""
    path = places.find(metrics.root, f"pictures/{name}.npz")
    if not path.exists():
        return None
    with np.load(path) as stored:
        return dict(stored)


def mosaic(pictures: np.ndarray, *, columns: int) -> np.ndarray:
    """(n, H, W) pictures as one picture, row by row, one pixel of not-a-number between them."""
    n, height, width = pictures.shape
    rows = -(-n // columns)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + 1), (index % columns) * (width + 1)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def _relative(units: np.ndarray) -> np.ndarray:
    """Each unit divided by its own largest absolute weight, so that shapes compare whatever the lengths; in [-1, 1]."""
    units = units.astype(np.float64)
    largest = np.abs(units).max(axis=(1, 2), keepdims=True)
    return units / np.where(largest > 0, largest, 1.0)


def prototypes(metrics: Metrics, study: Hebbian) -> Figure | None:
    """A grid of units for each set of weights and each control, titled with its spatial autocorrelation."""
    sources = {name: study.first_run(name) for name in study.weights} | {name: name for name in study.controls}
    units = {name: found["units"] for name in sources if (found := arrays(metrics, f"weights-{name}")) is not None}
    if not units:
        return None
    smooth = {
        name: per_seed(metrics.pretrain(name) if name in study.weights else metrics.train(name), "autocorrelation")
        for name in units
    }
    with drawing_style():
        columns = min(3, len(units))
        rows = -(-len(units) // columns)
        drawing = Drawing(figsize=(WIDTH, 2.75 * rows))
        panels = drawing.subplots(rows, columns, squeeze=False).flat
        for axes in panels:
            axes.set_axis_off()
        for axes, (name, pictures) in zip(drawing.axes, units.items(), strict=False):
            side = min(SIDE, int(len(pictures) ** 0.5))
            shown = mosaic(_relative(pictures[: side * side]), columns=side)
            image = axes.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="none")
            axes.set_title(_title(look(sources[name]).label, smooth[name]))
        drawing.colorbar(
            image, ax=drawing.axes, location="bottom", shrink=0.4, aspect=40, label="weight / its unit's largest"
        )
    measured = {name: value for name, value in smooth.items() if value is not None}
    return Figure(
        id="prototypes",
        title="What the units have learned",
        alt=f"Grids of up to {SIDE * SIDE} weight pictures each for "
        f"{listed(look(sources[name]).label for name in units)}.",
        caption="Do the weights look like digits? "
        + _smoothest(measured, sources)
        + " Each unit is scaled by its own largest weight.",
        drawing=drawing,
        data=pd.DataFrame(
            [{"name": n, "autocorrelation": v.value, "low": v.low, "high": v.high} for n, v in measured.items()]
        ),
        provenance=tuple(
            study.weights_stage(name) if name in study.weights else study.train_stage(name) for name in units
        ),
    )


def _title(label: str, smooth: Estimate | None) -> str:
    return label if smooth is None else f"{label}\nautocorrelation {smooth.value:.2f}"


def _smoothest(measured: Mapping[str, Estimate], sources: Mapping[str, str]) -> str:
    if not measured:
        return "Autocorrelation was not measured."
    values = sorted(measured, key=lambda name: -measured[name].value)
    said = listed(f"{measured[name].value:.2f} for {look(sources[name]).label}" for name in values)
    return f"Spatial autocorrelation of neighbouring weights, 1 for smooth pictures and 0 for noise: {said}."


def adversarial_images(metrics: Metrics, study: Study, *, runs: tuple[str, ...]) -> Figure | None:
    """Attacked images, eps by row, networks side by side; below each the class and what the network says."""
    found = {run: images for run in runs if (images := arrays(metrics, f"adversarial-{run}")) is not None}
    if not found:
        return None
    with drawing_style():
        rows = max(len(pictures["eps"]) for pictures in found.values())
        drawing = Drawing(figsize=(WIDTH, 0.4 + 0.64 * rows))
        for axes, (run, pictures) in zip(
            drawing.subplots(1, len(found), squeeze=False).flat, found.items(), strict=True
        ):
            _draw_images(axes, pictures)
            axes.set_title(look(run).label)
    return Figure(
        id="adversarial-images",
        title="Attacked images",
        alt=f"Grid of attacked digits, a row for each epsilon, for {listed(look(run).label for run in found)}; below "
        "each image its class and the prediction.",
        caption="What do attacked images look like, and when is the answer lost?"
        + _kept(found)
        + f" Attack: {_attacks(found)}. Below each image: class → prediction, bold where wrong.",
        drawing=drawing,
        data=pd.DataFrame([row for run, pictures in found.items() for row in _prediction_rows(run, pictures)]),
        provenance=tuple(study.attack_stage(run) for run in found),
    )


def _draw_images(axes: Axes, pictures: Mapping[str, Any]) -> None:
    images = pictures["images"][:, :SHOWN]
    n_eps, n, height, width = images.shape
    gap = height // 3  # room for the line below each image
    canvas = np.full((n_eps * (height + gap), n * (width + 2) - 2), np.nan)
    for row in range(n_eps):
        for column in range(n):
            top, left = row * (height + gap), column * (width + 2)
            canvas[top : top + height, left : left + width] = images[row, column]
            label, said = int(pictures["labels"][column]), int(pictures["predictions"][row, column])
            weight = "normal" if label == said else "bold"
            axes.text(
                left + width / 2,
                top + height + gap / 2,
                f"{label} → {said}",
                ha="center",
                va="center",
                size=7,
                weight=weight,
            )
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.set_yticks(
        [row * (height + gap) + height / 2 for row in range(n_eps)], [f"ε {eps:g}" for eps in pictures["eps"]]
    )
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _attacks(found: Mapping[str, Mapping[str, Any]]) -> str:
    names = dict.fromkeys(str(pictures["attack"]) for pictures in found.values())
    return listed(f"FGSM on {ATTACKS[name].label}" if name in ATTACKS else name for name in names)


def _kept(found: Mapping[str, Mapping[str, Any]]) -> str:
    """How many of the images shown every network still gets right at the largest epsilon."""
    right = {run: (p["predictions"][-1, :SHOWN] == p["labels"][:SHOWN]) for run, p in found.items()}
    largest = max(pictures["eps"][-1] for pictures in found.values())
    said = listed(f"{int(kept.sum())} of the {len(kept)} shown for {look(run).label}" for run, kept in right.items())
    return f" Still right at {epsilon(largest)}: {said}."


def _prediction_rows(run: str, pictures: Mapping[str, Any]) -> list[dict]:
    return [
        {"run": run, "eps": float(eps), "image": image, "label": int(label), "prediction": int(said)}
        for eps, row in zip(pictures["eps"], pictures["predictions"], strict=True)
        for image, (label, said) in enumerate(zip(pictures["labels"], row, strict=True))
        if image < SHOWN
    ]
