"""Data sets whose official files are idx files, MNIST and EMNIST: torchvision reads them, their checksums decide.

Whether images are the official ones is decided by the official files themselves: the idx files are rebuilt from the
decoded pixels and labels and their MD5 is compared. So any mirror with the same images will do, however it packs them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from biorobust.core.errors import DataError
from biorobust.core.files import sha256
from biorobust.datasets import mirror
from biorobust.datasets.spec import Split

# Split -> MD5 of its two uncompressed files, by name: first the images, then the labels.
Checksums = Mapping[str, Mapping[str, str]]


def encode(array: np.ndarray) -> bytes:
    """The array as the bytes of an idx file: a big-endian header (magic number, sizes), then unsigned bytes."""
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def read(raw: Path, checksums: Checksums, torchvision_set: Callable[[str], Any]) -> dict[str, Split]:
    """Every split through torchvision, as the files in `raw` have it: neither turned nor relabelled.

    torchvision_set(split): torchvision's data set, which may download into `raw`.
    Raises RuntimeError when the files are not there, DataError when one has not the official checksum even though it
    has just been downloaded.
    """
    # torchvision checks what it downloads, but not what it unpacked: half a file would be taken for whole ever after.
    md5 = {name: expected for names in checksums.values() for name, expected in names.items()}
    for path, _ in _others(raw, md5):
        path.unlink()
    sets = {split: torchvision_set(split) for split in checksums}
    for path, found in _others(raw, md5):
        raise DataError(f"{path}: MD5 {found}, not the official {md5[path.name]}: run again to download it again")
    return {
        split: Split(data.data.numpy(), data.targets.numpy(), {name: sha256(raw / name) for name in checksums[split]})
        for split, data in sets.items()
    }


def _others(folder: Path, md5: Mapping[str, str]) -> list[tuple[Path, str]]:
    """Those of the files in `folder` that are there with another MD5, and that."""
    found = {path: _md5(path) for name in md5 if (path := folder / name).is_file()}
    return [(path, value) for path, value in found.items() if value != md5[path.name]]


def _md5(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def check_rebuilt(data: Split, expected: Mapping[str, str]) -> None:
    """Raise DataError unless the idx files made of this split, images and labels as in them, have these MD5."""
    arrays: tuple[np.ndarray, np.ndarray] = (data.images, data.labels)
    for (name, md5), array in zip(expected.items(), arrays, strict=True):
        if (found := hashlib.md5(encode(array)).hexdigest()) != md5:
            raise DataError(
                f"{', '.join(data.files)} in {mirror.VARIABLE}: {name} rebuilt from it has MD5 {found}, "
                f"not the official {md5}: get the file again"
            )
