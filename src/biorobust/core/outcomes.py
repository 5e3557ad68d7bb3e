"""Which images each training of each run gets right, packed into one tracked file per study.

With it any two runs of a study can be compared image by image from the repository alone. One bit per image: a run with
three trainings, four attacks at six sizes and 10,000 images takes less than 100 kB.
"""

from __future__ import annotations

import base64
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_npz

CLEAN = "none"  # the "attack" of unattacked images
# What NumPy raises for files that are cut off, no archives, or damaged inside.
DAMAGED = (OSError, EOFError, KeyError, TypeError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class Cell(NamedTuple):
    """A run under an attack (`none`: clean images) at an epsilon, L-infinity in pixel intensity."""

    run: str
    attack: str
    eps: float


class Outcome(NamedTuple):
    """`right`: bool (S, n), training s of `seeds` on test image `images[i]`, int (n,)."""

    seeds: tuple[int, ...]
    images: NDArray[np.int64]
    right: NDArray[np.bool_]


def as_text(right: NDArray[np.bool_]) -> str:
    """Which of n images are right, bool (n,), as text for a metrics file; about 500 characters for 10,000 images."""
    return base64.b64encode(zlib.compress(np.packbits(right).tobytes(), 9)).decode()


def from_text(text: str, n: int) -> NDArray[np.bool_]:
    """The opposite of `as_text`. Raises BiorobustError for what is no such text, or of fewer images."""
    try:
        packed = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), dtype=np.uint8)
    except (TypeError, ValueError, zlib.error):
        packed = np.zeros(0, dtype=np.uint8)
    if len(packed) != -(-n // 8):
        raise BiorobustError(f"no outcomes of {n} images in a metrics file: delete it and run `dvc repro`")
    return np.unpackbits(packed, count=n).astype(bool)


def cell(run: str, attack: str, eps: float) -> Cell:
    """With one spelling for 0.15 and 0.15000000000000002."""
    return Cell(run, attack, round(float(eps), 6))


def write(path: str | Path, outcomes: Mapping[Cell, Outcome]) -> None:
    """Equal outcomes give equal bytes. Raises ValueError for arrays that do not fit together."""
    arrays: dict[str, np.ndarray] = {}
    listed: list[dict[str, object]] = []
    indices: list[NDArray[np.int64]] = []
    for key, (seeds, index, right) in outcomes.items():
        if right.shape != (len(seeds), len(index)) or right.dtype != bool:
            raise ValueError(f"{key}: need bool of shape {(len(seeds), len(index))}, not {right.dtype} {right.shape}")
        known = next((i for i, other in enumerate(indices) if np.array_equal(other, index)), len(indices))
        if known == len(indices):
            indices.append(index)
        arrays[f"right-{len(listed)}"] = np.packbits(right, axis=1)
        listed.append(key._asdict() | {"seeds": list(seeds), "index": known})
    arrays |= {f"index-{i}": index.astype(np.int32) for i, index in enumerate(indices)}
    arrays["cells"] = np.frombuffer(json.dumps(listed).encode(), dtype=np.uint8)
    write_npz(path, arrays)


def read(path: str | Path) -> dict[Cell, Outcome]:
    """Raises BiorobustError naming the file when it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            listed = json.loads(arrays["cells"].tobytes().decode())
            return dict(_unpacked(listed, arrays))
    except DAMAGED as error:
        raise BiorobustError(f"{path} holds no outcomes ({error}): delete it and run `dvc repro`") from None


def _unpacked(
    listed: Iterable[Mapping[str, object]], arrays: Mapping[str, np.ndarray]
) -> Iterable[tuple[Cell, Outcome]]:
    for position, entry in enumerate(listed):
        index = arrays[f"index-{entry['index']}"].astype(np.int64)
        right = np.unpackbits(arrays[f"right-{position}"], axis=1, count=len(index)).astype(bool)
        seeds: tuple[int, ...] = tuple(entry["seeds"])  # type: ignore[arg-type]
        if right.shape != (len(seeds), len(index)):
            raise ValueError(f"entry {position} has {right.shape} for {len(seeds)} trainings of {len(index)} images")
        yield cell(str(entry["run"]), str(entry["attack"]), entry["eps"]), Outcome(seeds, index, right)  # type: ignore[arg-type]
