"""The figures of the VOneNet study, in the order of the report; what is said about them is in its words file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from biorobust.core import places
from biorobust.reporting import frames, plots
from biorobust.reporting.figure import Figure, Inputs, of_runs
from biorobust.reporting.labels import ATTACKS, WORST_CASE, label
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import read_pictures
from biorobust.vonenet.report import layers
from biorobust.vonenet.report.study import PLAIN, VONE

CHANNELS = ("red", "green", "blue")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STACKED = ("clean", "perturbed", "change")  # rows of pictures


def _arrays(m: Measurements, name: str) -> dict[str, Any] | None:
    path = places.find(m.root, f"portraits/{name}.npz")
    return read_pictures(path) if path.exists() else None


def _trained(given: Inputs) -> tuple[str, ...]:
    return tuple(run for run in given.study.runs if not run.endswith("untrained"))


def _attacked(given: Inputs) -> pd.DataFrame:
    found = frames.attacked(given.m, _trained(given), ATTACKS)
    return found.assign(_size=255 * found["eps"])


def _worst(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    last = frame[frame["attack"] == WORST_CASE].groupby("run", sort=False)["accuracy"].last()
    return {"ends": last.to_dict(), "largest": frame["eps"].max(), "wanted": _trained(given)}


def _perturbed(given: Inputs) -> pd.DataFrame:
    """A row for each image: its class, what the network answers before and after, the size, and its pictures."""
    parts = []
    for run in given.named(PLAIN, VONE):
        if (found := _arrays(given.m, f"perturbed-{run}")) is None:
            continue
        change = found["change"].astype(float)
        reach = np.abs(change).max(axis=(1, 2, 3), keepdims=True)
        shown = {**found, "change": 255 * (0.5 + change / np.where(reach > 0, 2 * reach, 1.0))}
        numbers = {"label": "labels", "before": "before", "after": "after", "size": "size"}
        answers = zip(found["before"], found["after"], strict=True)
        notes = [_answers(given.m, run, *pair) for pair in answers]
        parts.append(
            pd.DataFrame(
                {"run": run, "image": range(len(change))}
                | {name: found[key] for name, key in numbers.items()}
                | {f"_{name}": list(shown[name]) for name in STACKED}
                | {"_note": notes, "_column": range(len(change))}
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _answers(m: Measurements, run: str, before: int, after: int) -> str:
    """Both classes, in words where the data set has them here, else their numbers."""
    known = (m.get(f"perturb/{run}") or {}).get("dataset", {}).get("name") == "cifar10"
    first, second = (CIFAR10[number] if known else str(number) for number in (before, after))
    return f"{first}\n→ {second}"


def _sizes(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    return {"sizes": (255 * frame.groupby("run", sort=False)["size"].median()).to_dict()}


def _components(given: Inputs) -> pd.DataFrame:
    """A row for each layer of a network: what its first three components explain, and their pictures."""
    rows = []
    for run in given.named(PLAIN, VONE):
        found = _arrays(given.m, f"pca-{run}")
        for i, name in enumerate(found["layers"].tolist() if found else ()):
            assert found is not None
            change = found[f"change_{i}"].astype(float)
            shown = {"clean": found[f"clean_{i}"], "perturbed": found[f"perturbed_{i}"], "change": 255 * change}
            row = {"run": run, "layer": name, "explained": found[f"explained_{i}"].sum()}
            row |= {"degenerate": int(found[f"degenerate_{i}"].sum())}
            row |= {"mean_change": float(np.nanmean(change)) if np.isfinite(change).any() else None}
            row |= {f"_{kind}": _enlarged(pixels, len(found["clean_0"])) for kind, pixels in shown.items()}
            rows.append(row | {"_column": i, "_note": name.replace("layer", "l").replace("downsample.0", "down")})
    return pd.DataFrame(rows)


def _enlarged(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture with `side` pixels a side, each one repeated, so that layers of all sizes fit one grid."""
    places = np.arange(side) * len(picture) // side
    return picture[places][:, places]


def _stacked(frame: pd.DataFrame, *, noted: str, height: float) -> Drawing:
    """Clean, perturbed and change of every image or layer, below one another; `noted`: the row that has the notes."""
    rows = [
        frame.assign(_row=kind, _pixels=frame[f"_{kind}"], _note=frame["_note"] if kind == noted else "", _bold=False)
        for kind in STACKED
    ]
    return plots.pictures(
        pd.concat(rows, ignore_index=True),
        panel="run",
        row="_row",
        column="_column",
        title=label,
        row_label=str,
        columns=1,
        height=height,
    )


def _filters(given: Inputs) -> pd.DataFrame:
    if (found := _arrays(given.m, "v1-natural")) is None:
        return pd.DataFrame()
    filters = found["filters"].astype(float)
    pixels = 127.5 * (1 + filters / np.abs(filters).max(axis=(1, 2), keepdims=True))
    n = range(len(filters))
    frame = pd.DataFrame({"filter": n, "channel": [CHANNELS[colour] for colour in found["colours"]]})
    return frame.assign(_panel="", _row=[i // 12 for i in n], _column=[i % 12 for i in n], _pixels=list(pixels))


def _responses(given: Inputs) -> pd.DataFrame:
    """A natural image, and each cell's response to it, on the scale of the same cell's response without noise."""
    if (found := _arrays(given.m, "v1-natural")) is None:
        return pd.DataFrame()
    rows: list[dict[str, Any]] = [
        {"_panel": "image", "cells": "image", "_row": "", "_column": 0, "_pixels": found["image"]}
    ]
    for name in ("simple", "simple_noisy", "complex", "complex_noisy"):
        for cell, response in enumerate(found[name].astype(float)):
            reach = found[name.removesuffix("_noisy")][cell].max()
            words = name.replace("_noisy", ",\nnoise")
            row = {"cells": name, "cell": cell, "_column": cell, "mean": response.mean(), "sd": response.std()}
            pixels = 255 * response.clip(0, reach) / (reach or 1.0)
            rows.append(row | {"_panel": "cells that answer most", "_row": words, "_pixels": pixels})
    return pd.DataFrame(rows)


def _scatter(given: Inputs, frame: pd.DataFrame) -> Mapping[str, Any]:
    return {"sd": frame.groupby("cells")["sd"].mean().to_dict(), "n": frame["cell"].nunique()}


def _grid(frame: pd.DataFrame, *, columns: int, height: float) -> Drawing:
    frame = frame.assign(_note="", _bold=False)
    options: dict[str, Any] = {"row_label": lambda row: row if isinstance(row, str) else ""}
    return plots.pictures(
        frame, panel="_panel", row="_row", column="_column", columns=columns, height=height, **options
    )


def _measured(given: Inputs, frame: pd.DataFrame) -> tuple[str, ...]:
    return (given.study.read_stage(PLAIN),)


FIGURES = (
    *layers.FIGURES,
    Figure(
        "accuracy-perturbed",
        _attacked,
        partial(plots.attacks, x="_size", xlabel="largest change of a pixel, in 255ths", height=2.6),
        _measured,
        _worst,
    ),
    Figure(
        "perturbed-images",
        _perturbed,
        lambda frame: _stacked(frame, noted="perturbed", height=1.2),
        of_runs("attack"),
        _sizes,
    ),
    Figure("components", _components, lambda frame: _stacked(frame, noted="change", height=0.85), _measured),
    Figure("v1-filters", _filters, lambda frame: _grid(frame, columns=1, height=0.6), _measured),
    Figure("v1-responses", _responses, lambda frame: _grid(frame, columns=2, height=0.85), _measured, _scatter),
)
