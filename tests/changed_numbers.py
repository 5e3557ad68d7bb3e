"""Every measured number of a metrics folder, changed, and what a page prints all the same: studies k-WTA and VOneNet.

Names, settings, sizes and flags stay as they are. Pages are compared place by place, as in test_report_numbers.py.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fake_metrics import other_outcomes
from report_checkout import ROOT
from test_report_numbers import NUMBER, Places

from biorobust.core.files import read_json, write_csv, write_json, write_npz

# Blocks of a metrics file that hold what was measured, and in them the keys that do not.
MEASURED = {
    *("per_seed", "accuracy", "attacks", "robust", "reencoded", "discontinuity", "patterns", "by_length", "outcomes"),
}
FIXED = {
    *("seed", "seeds", "n", "n_images", "n_seeds", "n_lines", "n_points", "n_patterns", "gamma", "gammas", "length"),
    *("sizes", "eps", "quality", "shift", "epoch", "learning_rate", "layer", "image", "entered", "compared", "images"),
    "fresh_draws",
}
FEW = {"undefined", "unmoved", "erased", "epochs_to"}  # counts of a few images, layers or epochs
LAYERS = {"numbers", "lowest"}  # lists in them are of layers


def other_numbers(metrics: Path) -> None:
    """Change every measured value, far enough for the last digit that is printed, and no network to an under-trained
    one."""
    for path in metrics.rglob("*.json"):
        if path.parent.name != "data":
            content = read_json(path)
            if found := content.get("collapses"):
                found |= {"collapsed": found["n_seeds"] - found["collapsed"]}
                for entry in content["per_seed"]:
                    entry["collapsed"] = not entry["collapsed"]
            write_json(path, {key: _changed(item, key) if key in MEASURED else item for key, item in content.items()})
    for path in metrics.rglob("*.csv"):
        frame = pd.read_csv(path)
        for column in set(frame.select_dtypes("float")) - FIXED:
            frame[column] = _moved(frame[column])
        write_csv(path, frame)
    for path in metrics.rglob("*.npz"):
        if path.parent.name == "outcomes":
            other_outcomes(path, lambda count: _changed(count))
            continue
        with np.load(path) as stored:
            arrays = {key: stored[key] for key in stored.files}
        for key, array in arrays.items():
            if array.dtype.kind == "f":
                arrays[key] = _moved(array)
            elif key in ("before", "after"):  # predictions
                arrays[key] = (array + 3) % 10
        write_npz(path, arrays)


def _moved(value: Any) -> Any:
    return 0.9 * value + 0.0531


def _changed(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        kept = key if key in FEW | LAYERS else ""
        return {name: item if name in FIXED else _changed(item, kept or name) for name, item in value.items()}
    if isinstance(value, list):
        return sorted({*value[::2], 12}) if key in LAYERS else [_changed(item, key) for item in value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if isinstance(value, float):
        return _moved(value)
    if key in FEW | LAYERS:
        return value + 1
    # In the old order; 30 alone stays.
    return min(value + 4, 30) if value <= 30 else int(30 + 0.93 * (value - 30))


def stale_cells(before: str, after: str, *, study: str, given: Collection[str]) -> tuple[int, list[Any]]:
    """How many cells with a number the study's tables have, and those that are the same on both pages.

    given: columns that hold what was asked for, set or reported. A row of the report's own numbers is left out.
    """
    old, new = ([cell for cell in Places(page).cells if cell[0] == study] for page in (before, after))
    assert [cell[1] for cell in old] == [cell[1] for cell in new]
    pairs = [
        (column, row, said, now)
        for (_, column, row, said), (*_, now) in zip(old, new, strict=True)
        if column not in given and "report" not in row[:3] and re.search(r"\d", said)
    ]
    return len(pairs), [(column, row, said) for column, row, said, now in pairs if said == now]


def stale_sentences(before: str, after: str, *, study: str, known: Collection[str]) -> tuple[int, list[Any]]:
    """How many measured numbers the first page's sentences print, and those at the same place of the second's.

    A sentence of the one stands beside that of the other which differs in numbers alone. known: numbers that are none
    of these; those of the claims and of params.yaml are not either.
    """
    folders = (ROOT / "reports/claims", ROOT / "reports/reported")
    texts = [
        path.read_text() for path in (*(path for folder in folders for path in folder.iterdir()), ROOT / "params.yaml")
    ]
    allowed = {*known, *(number for text in texts for number in NUMBER.findall(text))}
    sentences: list[dict[str, list[str]]] = []
    for page in (before, after):
        found = defaultdict(list)
        for section, said in Places(page).prose:
            if section in ("answer", study):
                found[NUMBER.sub("#", said)].append(said)
        sentences.append(found)
    compared, stale = 0, []
    for form, olds in sentences[0].items():
        for old, new in zip(olds, sentences[1].get(form, []), strict=False):
            for number, now in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
                if number.replace("\u202f", "") not in allowed:
                    compared += 1
                    stale += [(number, old, new)] if number == now else []
    return compared, stale
