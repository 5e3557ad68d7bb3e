"""CIFAR-10: 50,000 + 10,000 small photographs of ten kinds of things, 32x32 RGB (Krizhevsky 2009)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from biorobust.datasets import mirror, official
from biorobust.datasets.spec import DatasetSpec, Source, Split
from biorobust.files import sha256

SHAPE = (32, 32, 3)
N_CLASSES = 10
SIZES = {"train": 50_000, "test": 10_000}
LICENCE = "none stated (A. Krizhevsky, V. Nair and G. Hinton)"


def _official() -> tuple[Split, Split]:
    from torchvision.datasets import CIFAR10

    return official.fetch("cifar10", urls=(CIFAR10.url,), read=_through_torchvision)


def _through_torchvision(folder: Path, download: bool) -> tuple[Split, Split]:
    """torchvision reads the official pickles, and only those with the official MD5: a pickle can run anything."""
    from torchvision.datasets import CIFAR10

    batches = {"train": dict(CIFAR10.train_list), "test": dict(CIFAR10.test_list)}
    raw = folder / CIFAR10.base_folder
    official.check_files(raw, batches["train"] | batches["test"])
    train, test = (
        Split(data.data, np.array(data.targets, dtype=np.int64), {name: sha256(raw / name) for name in batches[split]})
        for split in ("train", "test")
        for data in [CIFAR10(str(folder), train=split == "train", download=download)]
    )
    return train, test


SPEC = DatasetSpec(
    name="cifar10",
    title="CIFAR-10 photographs",
    image_shape=SHAPE,
    n_classes=N_CLASSES,
    sources={
        "official": Source(
            fidelity="official",
            note="The official files, downloaded through torchvision; their checksums fit.",
            licence=LICENCE,
            fetch=_official,
        ),
        "mirror": Source(
            fidelity="re-encoded",
            note="From a local mirror: all images of the official set in another order, re-encoded as JPEG (lossy), so "
            "numbers can differ from those of the official images.",
            licence=LICENCE,
            fetch=partial(mirror.fetch, "cifar10", image_shape=SHAPE, n_classes=N_CLASSES, sizes=SIZES),
        ),
    },
)
