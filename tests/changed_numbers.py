"""Every measured number of a metrics folder, changed, and what a page prints all the same.

Names, settings, sizes and flags stay as they are. Two pages are compared place by place.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache

import numpy as np
import pandas as pd
from made_up import ROOT, other_outcomes
from report_checkout import Page

from biorobust.core.files import read_json, write_csv, write_json, write_npz

NUMBER = re.compile(r"\d+\.\d+|\d[\d\u202f]*\d")
# Blocks of a metrics file that hold what was measured, and in them the keys that do not.
MEASURED = {
    *("per_seed", "accuracy", "attacks", "robust", "reencoded", "discontinuity", "by_length", "outcomes"),
    *("n_parameters", "n_updates", "choice"),
}
FIXED = {
    *("seed", "seeds", "n", "n_images", "n_seeds", "n_lines", "n_points", "gamma", "gammas", "length"),
    *("sizes", "eps", "quality", "shift", "epoch", "learning_rate", "layer", "image", "entered", "compared", "images"),
    *("fresh_draws", "value", "chosen", "level", "step"),
}
FEW = {"undefined", "unmoved", "erased", "epochs_to"}  # counts of a few images, layers or epochs
LAYERS = {"numbers", "lowest"}  # lists in them are of layers
COUNTED = ("first", "last", "average")  # columns of images that are right


def other_numbers(metrics):
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
        if "level" in frame:
            frame[list(COUNTED)] = frame[list(COUNTED)].map(_changed)
        if "predicted" in frame:
            frame["count"] = frame["count"].map(_changed)
        write_csv(path, frame)
    for path in metrics.rglob("*.npz"):
        if path.parent.name == "outcomes":
            other_outcomes(path, lambda count: _changed(count))
            continue
        with np.load(path) as stored:
            arrays = {key: stored[key] for key in stored.files}
        for key, array in arrays.items():
            if array.dtype.kind == "f" and key != "eps":
                arrays[key] = _moved(array)
            elif key in ("before", "after", "predictions") or (key == "labels" and "before" in arrays):
                arrays[key] = (array + 3) % 10
            elif key == "reconstructions":
                arrays[key] = array[..., ::-1]
        if "reconstructions" in arrays:
            arrays["images"][1:] = arrays["images"][1:, ..., ::-1]  # the first are the clean ones
        elif "images" in arrays:
            arrays["images"] = 255 - arrays["images"]
        write_npz(path, arrays)


def _moved(value):
    return 0.8 * value + 0.1381


def _changed(value, key=""):
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
        return 2 * value if key == "epochs_to" else value + 1  # of two epochs the difference has to change
    # In the old order; 30 alone stays.
    return min(value + 4, 30) if value <= 30 else int(30 + 0.93 * (value - 30))


_taken_apart = cache(Page)


def stale_cells(before, after, *, study, given):
    """How many cells with a number the study's tables and the ledger have, and those that are the same on both pages.

    given: columns that hold what was asked for, set or reported. A row of the report's own numbers is left out.
    """
    old, new = ([cell for cell in _taken_apart(page).cells if cell[0] == study] for page in (before, after))
    assert [cell[1] for cell in old] == [cell[1] for cell in new]
    pairs = [
        (column, row, said, now)
        for (_, column, row, said), (*_, now) in zip(old, new, strict=True)
        if column not in given
        and not {"report", "reported", "as reported", "learning_rate"} & set(row[:3])
        and re.search(r"\d", said)
    ]
    return len(pairs), [(column, row, said) for column, row, said, now in pairs if said == now]


def stale_sentences(before, after, *, study, known):
    """How many measured numbers the first page's sentences print, and those at the same place of the second's.

    A sentence of the one stands beside that of the other which differs in numbers alone. known: numbers that are none
    of these; those of the claims and of params.yaml are not either.
    """
    folders = (ROOT / "reports/claims", ROOT / "reports/reported")
    texts = [path.read_text() for path in (*(p for folder in folders for p in folder.iterdir()), ROOT / "params.yaml")]
    allowed = {*known, *(number for text in texts for number in NUMBER.findall(text))}
    sentences = []
    for page in (before, after):
        found = defaultdict(list)
        for section, said in _taken_apart(page).prose:
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
