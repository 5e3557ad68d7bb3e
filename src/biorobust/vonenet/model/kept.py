"""A reading as tensors, numbers and text, as an interrupted stage may keep it (`biorobust.core.work`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch

from biorobust.vonenet.model.layers import Column, Deviations
from biorobust.vonenet.model.portraits import Components
from biorobust.vonenet.model.reading import Reading

FRAME, TEXTS = "frame", "texts"


def packed(given: Reading) -> dict[str, Any]:
    """The state to save; `unpacked` gives the same reading back, number for number."""
    fields = vars(given) | {
        "found": {
            noise: {"columns": [asdict(column) for column in deviations.columns], "sets": deviations.sets}
            for noise, deviations in given.found.items()
        },
        "components": vars(given.components),
    }
    state: dict[str, Any] = _packed(fields)
    return state


def unpacked(state: Mapping[str, Any]) -> Reading:
    """The reading of a saved state."""
    fields = _unpacked(state)
    found = {
        noise: Deviations(tuple(Column(**column) for column in kept["columns"]), kept["sets"])
        for noise, kept in fields["found"].items()
    }
    return Reading(**fields | {"found": found, "components": Components(**fields["components"])})


def _packed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _packed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_packed(item) for item in value)
    if isinstance(value, pd.DataFrame):
        return {FRAME: {name: _packed(value[name].to_numpy()) for name in value}}
    if isinstance(value, np.ndarray):
        return {TEXTS: value.tolist()} if value.dtype.kind in "OUT" else torch.from_numpy(value.copy())
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.keys() == {FRAME}:
            return pd.DataFrame({name: _unpacked(column) for name, column in value[FRAME].items()})
        if value.keys() == {TEXTS}:
            return np.array(value[TEXTS])
        return {key: _unpacked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_unpacked(item) for item in value)
    return value.numpy() if isinstance(value, torch.Tensor) else value
