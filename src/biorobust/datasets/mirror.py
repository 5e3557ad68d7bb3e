"""The `mirror` source: a folder of Parquet files, for machines that cannot reach the official addresses.

`BIOROBUST_DATA_MIRROR` names the folder. Its layout is Hugging Face's convention for image data sets: one file per
split, `<name>/train.parquet`, or numbered parts, `<name>/train-00000-of-00002.parquet` (the hub may add a hyphen and 16
hexadecimal digits, to every part its own), both also below `<name>/data/`; columns `image` (struct of `bytes`, an
encoded PNG or JPEG, and `path`) and `label` (integer).
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from biorobust.core.errors import DataError
from biorobust.core.files import folder_of, sha256
from biorobust.core.progress import progress
from biorobust.datasets.spec import Split, fault, no_images

VARIABLE = "BIOROBUST_DATA_MIRROR"
PART = re.compile(r"([0-9]{5})-of-([0-9]{5})(-[0-9a-f]{16})?\.parquet")  # behind the name of the split and a hyphen
MOST_REPEATED = 0.01  # share of the images that may equal another one; official sets have a few such pairs


def is_set() -> bool:
    return bool(os.environ.get(VARIABLE))


def lacks(name: str, known: Iterable[str]) -> bool:
    """Whether the folder is a mirror of others of the `known` data sets, but not of this one.

    A folder without any of them is rather a wrong path, for `fetch` to complain about.
    """
    root = folder_of(VARIABLE)
    assert root is not None
    return not (root / name).is_dir() and any((root / other).is_dir() for other in known)


def fetch(name: str, *, image_shape: tuple[int, ...], n_classes: int, sizes: Mapping[str, int]) -> tuple[Split, Split]:
    """Read and decode both splits of `<mirror>/<name>`; sizes: how many images `train` and `test` must have.

    A split of size 0 has no file and comes back empty.
    Raises DataError naming the variable, the folder or the file, and for a row also its number, when anything is
    missing, damaged, of another size or shape, fewer or more than `sizes`, or the same image again and again.
    """
    first = next(split for split, n in sizes.items() if n)
    root = folder_of(VARIABLE)
    if root is None:
        raise DataError(f"{VARIABLE} is not set: set it to a folder with {name}/{first}.parquet, or change data.source")
    if not root.is_dir():
        raise DataError(f"{VARIABLE}={root} is not a folder: set it to one with {name}/{first}.parquet, or unset it")
    # Both are looked for before either is read, which takes a while.
    parts = {split: find(root, name, split) if n else [] for split, n in sizes.items()}
    train, test = (
        read(parts[split], root=root, image_shape=image_shape, n_classes=n_classes, n=sizes[split])
        if parts[split]
        else no_images(image_shape)
        for split in ("train", "test")
    )
    return train, test


def find(root: Path, name: str, split: str) -> list[Path]:
    """The files of one split, in order. Raises DataError when there are none or a numbered part is missing."""
    for folder in (root / name, root / name / "data"):
        if (single := folder / f"{split}.parquet").is_file():
            return [single]
        if parts := sorted(folder.glob(f"{split}-[0-9]*.parquet")):
            _check_parts(parts, split)
            return parts
    raise DataError(f"{VARIABLE}={root} has no {name}/{split}.parquet: add it, unset the variable, or fix the path")


def _check_parts(paths: list[Path], split: str) -> None:
    """Raise DataError unless the sorted paths are the parts 0, 1, ... of one set."""
    found = []
    for path in paths:
        if (named := PART.fullmatch(path.name.removeprefix(f"{split}-"))) is None:
            raise DataError(f"{path}: not named like {split}-00000-of-00002.parquet: rename it, or get it again")
        found.append((int(named[1]), int(named[2])))
    total = found[0][1]
    for number in range(max(total, len(found))):
        if number >= total or found[number : number + 1] != [(number, total)]:
            part = paths[0].with_name(f"{split}-{number:05d}-of-{total:05d}.parquet")
            raise DataError(f"{part}: missing, or parts of two sets lie here: get them again")


def read(paths: list[Path], *, root: Path, image_shape: tuple[int, ...], n_classes: int, n: int) -> Split:
    """Decode the `n` images of one split; progress stands on stderr."""
    tables = [_open(path) for path in paths]
    found = sum(table.metadata.num_rows for table in tables)
    if found != n:
        raise DataError(f"{', '.join(map(str, paths))}: {found} rows, expected {n}: get the file again")

    images = np.empty((n, *image_shape), dtype=np.uint8)
    labels = np.empty(n, dtype=np.int64)
    with progress(label=f"decoding {paths[0].parent.name}/{paths[0].stem}", unit="images", total=n) as bar:
        start = 0
        for path, table in zip(paths, tables, strict=True):
            first = start
            for encoded, part in _batches(path, table):
                for row, data in enumerate(encoded, start):
                    try:
                        images[row] = decode(data, image_shape)
                    except ValueError as error:
                        raise DataError(f"{path}: row {row - first}: {error}: get the file again") from None
                labels[start : start + len(part)] = part
                start += len(part)
                bar.update(len(part))
            if wrong := fault(images[first:start], labels[first:start], image_shape=image_shape, n_classes=n_classes):
                raise DataError(f"{path}: {wrong}: get the file again")
    if (repeated := n - len({hashlib.sha256(image).digest() for image in images})) > MOST_REPEATED * n:
        raise DataError(
            f"{', '.join(map(str, paths))}: {repeated} of {n} images are copies of another one: get the file again"
        )
    return Split(images, labels, {path.relative_to(root).as_posix(): sha256(path) for path in paths})


def decode(data: bytes | None, image_shape: tuple[int, ...]) -> np.ndarray:
    """An encoded image as uint8 `image_shape`; raises ValueError saying in a few words what is wrong with it."""
    from PIL import Image

    mode = "RGB" if len(image_shape) == 3 else "L"
    height, width = image_shape[:2]
    try:
        with Image.open(io.BytesIO(data or b"")) as image:
            # Before decoding, so that a huge image costs nothing; and no silent conversion between modes.
            if (image.mode, image.size) != (mode, (width, height)):
                size = f"{image.size[0]}x{image.size[1]}"
                raise ValueError(f"the image is {size} {image.mode}, expected {width}x{height} {mode}")
            return np.asarray(image)
    except ValueError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error and more
        raise ValueError(f"no readable PNG or JPEG ({type(error).__name__})") from None


def _open(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
        schema = table.schema_arrow
    except Exception as error:  # of a damaged footer: Arrow's own kinds, OSError, UnicodeDecodeError and more
        raise DataError(f"{path}: not a readable Parquet file ({_short(error)}): get the file again") from None
    for name in ("image", "label"):
        if (n := schema.names.count(name)) > 1:
            raise DataError(f"{path}: {n} columns are called {name}: get another file")
    types = {column.name: column.type for column in schema}
    image, label = types.get("image"), types.get("label")
    if image is None or not pa.types.is_struct(image) or image.get_field_index("bytes") < 0:
        raise DataError(f"{path}: no column image (struct with bytes); it has {', '.join(types)}: get another file")
    if label is None or not pa.types.is_integer(label):
        raise DataError(f"{path}: no integer column label; it has {', '.join(types)}: get another file")
    return table


def _batches(path: Path, table: Any) -> Any:
    """Yield (list of encoded images, int64 labels), some thousand rows at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        for batch in table.iter_batches(batch_size=4096, columns=["image", "label"]):
            label = batch.column("label")
            if label.null_count:
                raise DataError(f"{path}: {label.null_count} rows without a label: get the file again")
            yield pc.struct_field(batch.column("image"), "bytes").to_pylist(), label.cast(pa.int64()).to_numpy()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({_short(error)}): get the file again") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
