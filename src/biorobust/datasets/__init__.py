"""Data sets: official, mirrored or bundled images, checked and stored in one file with their provenance.

`get` makes the two files of a data set, `load` reads it. A new data set is one module here and one line in DATASETS;
docs/add-a-dataset.md shows how. Importing this package loads neither torch nor pandas nor scikit-learn.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from biorobust.core.errors import DataError
from biorobust.datasets import cifar10, emnist_letters, imagenet_samples, mirror, mnist, store, svhn
from biorobust.datasets.spec import DatasetSpec, Split, Unreachable
from biorobust.datasets.store import Dataset

DATASETS: dict[str, DatasetSpec] = {
    "mnist": mnist.SPEC,
    "emnist_letters": emnist_letters.SPEC,
    "cifar10": cifar10.SPEC,
    "svhn": svhn.SPEC,
    "imagenet_samples": imagenet_samples.SPEC,
}

__all__ = ["DATASETS", "Dataset", "find", "get", "load", "local_folder"]


def find(name: str) -> DatasetSpec:
    try:
        return DATASETS[name]
    except KeyError:
        raise DataError(f"data set {name!r}: unknown; known are {', '.join(DATASETS)}") from None


def load(path: str | Path) -> Dataset:
    """The data set stored in `<name>.npz`; its name says what it has to be.

    Raises DataError naming the file and what to do when it is missing, damaged, or not such a data set.
    """
    return store.read(path, find(Path(path).stem))


def get(name: str, *, source: str, npz: Path, provenance: Path) -> dict[str, Any]:
    """Take a data set from `source` (auto | official | mirror | bundled) and write its two files.

    `auto` is the mirror if its variable is set, else official, else bundled, and says on stderr which one and why. A
    mirror that is set but bad is an error, not passed over; one that has only other data sets is passed over.
    Returns the provenance (docs/contracts.md). Raises DataError with one line that says what is wrong and what to do.
    """
    spec = find(name)
    if source == "auto":
        source, (train, test) = _auto(spec)
    else:
        train, test = spec.source(source).fetch()
    return store.write(spec, source, train, test, npz=npz, provenance=provenance)


def local_folder(name: str) -> str | None:
    """The variable that now names a folder from which `auto` would take the data set; None when there is none."""
    spec = find(name)
    if "mirror" in spec.sources and mirror.is_set() and not mirror.lacks(name, DATASETS):
        return mirror.VARIABLE
    variable = spec.sources["official"].variable if "official" in spec.sources else None
    return variable if variable and os.environ.get(variable) else None


def _auto(spec: DatasetSpec) -> tuple[str, tuple[Split, Split]]:
    folder = local_folder(spec.name)
    if folder == mirror.VARIABLE:
        _say(f"{spec.name}: taking the mirror, because {folder} is set")
        return "mirror", spec.sources["mirror"].fetch()
    why = f"{mirror.VARIABLE} is not set" if not mirror.is_set() else f"{mirror.VARIABLE} has no folder {spec.name}"
    if "official" in spec.sources:
        _say(f"{spec.name}: trying {folder or 'the official addresses'}, because {why}")
        try:
            return "official", spec.sources["official"].fetch()
        except Unreachable as error:
            why = f"{why}, and {error}"
    bundled = spec.source("bundled")
    _say(f"WARNING: {spec.name}: taking the BUNDLED data, because {why}")
    _say(f"WARNING: {spec.name}: {bundled.note}")
    return "bundled", bundled.fetch()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
