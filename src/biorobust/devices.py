"""Which device to compute on: `BIOROBUST_DEVICE` is auto (default), cpu or cuda."""

from __future__ import annotations

import os

from biorobust.errors import BiorobustError


def pick() -> str:
    """ "cpu" or "cuda". Raises BiorobustError for another name, or for cuda where there is none."""
    import torch

    wanted = os.environ.get("BIOROBUST_DEVICE", "auto")
    if wanted not in ("auto", "cpu", "cuda"):
        raise BiorobustError(f"BIOROBUST_DEVICE={wanted}: must be auto, cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BiorobustError("BIOROBUST_DEVICE=cuda, but torch finds no CUDA device: unset it or set it to cpu")
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"
