"""The stored form of a data set: one npz and one provenance file, as docs/contracts.md has them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biorobust.core.errors import DataError
from biorobust.core.files import sha256, write_json, write_npz
from biorobust.datasets.order import stratified
from biorobust.datasets.spec import DatasetSpec, Split, fault

# Fixed for good and apart from the seed in params.yaml: every run is evaluated on the same images.
EVALUATION_SEED = 2019
TUNING_SEED = 2020
TUNING_SHARE = 6  # one sixth of the training images: 10,000 of MNIST's 60,000


@dataclass(frozen=True, eq=False)
class Dataset:
    """A stored data set. K = n_classes; images uint8 (N,H,W) or (N,H,W,3), upright; the rest int64.

    train_labels, test_labels: (N,), 0..K-1. evaluation: an order of the test images whose every prefix is stratified.
    tuning: a stratified list of training images, on which choices are made.
    """

    name: str
    n_classes: int
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    evaluation: NDArray[np.int64]
    tuning: NDArray[np.int64]


ARRAYS = tuple(field.name for field in fields(Dataset) if field.name not in ("name", "n_classes"))


def write(spec: DatasetSpec, source: str, train: Split, test: Split, *, npz: Path, provenance: Path) -> dict[str, Any]:
    """Check both splits, write the npz and then its provenance; returns the provenance.

    Raises DataError, before anything is written, when a split is not what `spec` says.
    """
    for name, split in (("train", train), ("test", test)):
        if wrong := fault(split.images, split.labels, image_shape=spec.image_shape, n_classes=spec.n_classes):
            raise DataError(f"{spec.name} from {source}, {name} split: {wrong}: choose another data.source")
    write_npz(
        npz,
        {
            "train_images": np.ascontiguousarray(train.images),
            "train_labels": train.labels,
            "test_images": np.ascontiguousarray(test.images),
            "test_labels": test.labels,
            "evaluation": stratified(test.labels, seed=EVALUATION_SEED),
            "tuning": stratified(train.labels, seed=TUNING_SEED)[: len(train.labels) // TUNING_SHARE],
        },
    )
    origin = spec.source(source)
    record = {
        "name": spec.name,
        "title": spec.title,
        "source": source,
        "fidelity": origin.fidelity,
        "note": origin.note,
        "licence": origin.licence,
        "sha256": sha256(npz),
        "files": dict(sorted({**train.files, **test.files}.items())),
        "image_shape": list(spec.image_shape),
        "n_classes": spec.n_classes,
        "train": _counts(train.labels, spec.n_classes),
        "test": _counts(test.labels, spec.n_classes),
    }
    write_json(provenance, record)
    return record


def read(path: str | Path, spec: DatasetSpec) -> Dataset:
    """The data set in an npz, checked. Raises DataError naming the file when it is missing, damaged or another one."""
    again = f"delete it and run `dvc repro download@{spec.name}`"
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in ARRAYS}
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run `dvc repro download@{spec.name}` to make it") from None
    except KeyError as error:
        raise DataError(f"{path}: {' '.join(str(error.args[0]).split())}: {again}") from None
    except Exception as error:  # NumPy and zipfile raise a dozen kinds for damaged bytes, SyntaxError among them
        raise DataError(f"{path}: not a readable npz file ({type(error).__name__}): {again}") from None

    for split in ("train", "test"):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if wrong := fault(images, labels, image_shape=spec.image_shape, n_classes=spec.n_classes):
            raise DataError(f"{path}: {split} {wrong}: {again}")
    n_train, n_test = len(arrays["train_labels"]), len(arrays["test_labels"])
    if not (_indices(arrays["evaluation"], n_test) and len(arrays["evaluation"]) == n_test):
        raise DataError(f"{path}: evaluation is not an order of the {n_test} test images: {again}")
    if not _indices(arrays["tuning"], n_train):
        raise DataError(f"{path}: tuning is not a list of different ones of the {n_train} training images: {again}")
    return Dataset(name=spec.name, n_classes=spec.n_classes, **arrays)


def _counts(labels: NDArray[np.int64], n_classes: int) -> dict[str, Any]:
    return {"n": len(labels), "per_class": np.bincount(labels, minlength=n_classes).tolist()}


def _indices(array: np.ndarray, n: int) -> bool:
    inside = array.dtype == np.int64 and array.ndim == 1 and bool(np.all((array >= 0) & (array < n)))
    return inside and len(np.unique(array)) == len(array)
