"""The machine: which device to compute on (`BIOROBUST_DEVICE` is auto, cpu or cuda), and the memory it took."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from biorobust.core.errors import BiorobustError


def pick() -> str:
    """ "cpu" or "cuda". Raises BiorobustError for another name, or for cuda where there is none."""
    import torch

    wanted = os.environ.get("BIOROBUST_DEVICE", "auto")
    if wanted not in ("auto", "cpu", "cuda"):
        raise BiorobustError(f"BIOROBUST_DEVICE={wanted}: must be auto, cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BiorobustError("BIOROBUST_DEVICE=cuda, but torch finds no CUDA device: unset it or set it to cpu")
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Float32 proper on a GPU, for what is measured: TF32 rounds by 1e-3, which changes who wins and who is fooled."""
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    try:
        cudnn.allow_tf32, matmul.allow_tf32 = False, False
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


def peak_memory_mb() -> int:
    """Largest resident memory of this process so far, in MB of 1,048,576 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent had before it started this program
        peak = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) // 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1024**2
