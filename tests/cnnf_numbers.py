"""Every measured value of a metrics folder of the CNN-F study, changed: what a page prints must change with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fake_metrics import other_outcomes

from biorobust.core.files import read_json, write_csv, write_json, write_npz

COUNTS = {"correct", "noisy_correct", "blurred_correct", "zero_gradient", "zero_gradient_correct", "unverified"}
MEASURED = {"loss", "smoothed", "accuracy", "first", "cycles", "feature", "block1", "block2"}


def other_numbers(metrics: Path) -> None:
    """Move every share and every other measured number, so far that verdicts change with them."""
    for kind in ("train", "attack"):
        for path in (metrics / kind).glob("*.json"):
            content = read_json(path)
            for entries in (content, *content.get("attacks", {}).values()):
                if "per_seed" in entries:
                    entries["per_seed"] = [_changed(entry) for entry in entries["per_seed"]]
            write_json(path, content)
    for path in metrics.rglob("*.csv"):
        frame = pd.read_csv(path)
        if path.name.startswith(("noise-", "blur-")):
            frame[["first", "last", "average"]] = (0.61 * frame[["first", "last", "average"]]).astype(int) + 31
        elif "predicted" in frame:
            frame["count"] = frame["count"] // 2 + 40
        else:
            for column in MEASURED & set(frame):
                frame[column] = 0.61 * frame[column] + 0.1173
        write_csv(path, frame)
    for path in metrics.rglob("*.npz"):
        if path.parent.name == "outcomes":
            other_outcomes(path, lambda count: _changed(count, "correct"))
            continue
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["predictions"] = (arrays["predictions"] + 3) % 26
        if "reconstructions" in arrays:
            arrays["reconstructions"] = arrays["reconstructions"][..., ::-1]
            arrays["images"][1:] = arrays["images"][1:, ..., ::-1]  # the first are the clean ones
        write_npz(path, arrays)


def _changed(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {
            name: item if name in ("seed", "n", "n_images") else _changed(item, name) for name, item in value.items()
        }
    if isinstance(value, list):
        return [_changed(item, key) for item in value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return int(0.61 * value) + 117 if key in COUNTS else 0.61 * value + 0.1173
