"""MNIST: 60,000 + 10,000 handwritten digits, 28x28 (LeCun, Cortes & Burges 1998)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biorobust.core.files import sha256
from biorobust.datasets import idx, mirror, official
from biorobust.datasets.order import stratified
from biorobust.datasets.spec import DatasetSpec, Source, Split

SIDE = 28
N_CLASSES = 10
SIZES = {"train": 60_000, "test": 10_000}
URLS = (  # where torchvision takes it from
    "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
    "http://yann.lecun.com/exdb/mnist/train-images-idx3-ubyte.gz",
)
MD5 = {  # of the official files, uncompressed
    "train": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    },
    "test": {
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
}

BUNDLED_BOX = 20
BUNDLED_FAINT = 100  # of 255: what is fainter is taken away, so that as much of the field is inked as in MNIST (0.19)
BUNDLED_SPLIT_SEED = 1998


def _through_torchvision(folder: Path, download: bool) -> tuple[Split, Split]:
    from torchvision.datasets import MNIST

    splits = idx.read(
        folder / "MNIST" / "raw", MD5, lambda split: MNIST(str(folder), train=split == "train", download=download)
    )
    return splits["train"], splits["test"]


def _mirror() -> tuple[Split, Split]:
    train, test = mirror.fetch("mnist", image_shape=(SIDE, SIDE), n_classes=N_CLASSES, sizes=SIZES)
    idx.check_rebuilt(train, MD5["train"])
    idx.check_rebuilt(test, MD5["test"])
    return train, test


def _bundled() -> tuple[Split, Split]:
    """scikit-learn's 1,797 digits; a fixed, stratified fifth of them is the test split."""
    from importlib.resources import as_file, files

    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.stack([enlarge(image) for image in digits.images])
    labels = digits.target.astype(np.int64)
    with as_file(files("sklearn.datasets.data") / "digits.csv.gz") as path:
        origin = {"scikit-learn digits.csv.gz": sha256(path)}
    order = stratified(labels, seed=BUNDLED_SPLIT_SEED)
    n_test = len(labels) // 5
    test, train = np.sort(order[:n_test]), np.sort(order[n_test:])
    return Split(images[train], labels[train], origin), Split(images[test], labels[test], origin)


def enlarge(digit: np.ndarray) -> NDArray[np.uint8]:
    """An 8x8 digit with values 0..16, framed as MNIST frames its own; uint8 (28,28).

    Scaled to 20x20 (bicubic), without its faint edges, and put into the 28x28 field with its centre of mass at
    (14, 14), to whole pixels.
    """
    from PIL import Image

    # Rounded to bytes first: Pillow resizes bytes in integer arithmetic, which repeats bit for bit everywhere.
    small = Image.fromarray(np.rint(digit * (255 / 16)).astype(np.uint8))
    scaled = np.asarray(small.resize((BUNDLED_BOX, BUNDLED_BOX), Image.Resampling.BICUBIC)).astype(np.int64)
    large = ((scaled - BUNDLED_FAINT).clip(0) * 255 // (255 - BUNDLED_FAINT)).astype(np.uint8)
    field = np.zeros((SIDE, SIDE), dtype=np.uint8)
    slices = []
    for axis in (0, 1):
        mass = large.sum(axis=1 - axis, dtype=np.int64)
        middle = float(mass @ np.arange(BUNDLED_BOX) / mass.sum())
        start = int(np.clip(round(SIDE / 2 - middle), 0, SIDE - BUNDLED_BOX))
        slices.append(slice(start, start + BUNDLED_BOX))
    field[tuple(slices)] = large
    return field


SPEC = DatasetSpec(
    name="mnist",
    title="MNIST handwritten digits",
    image_shape=(SIDE, SIDE),
    n_classes=N_CLASSES,
    sources={
        "official": Source(
            fidelity="official",
            note="The official files, downloaded through torchvision; their checksums fit.",
            licence="CC BY-SA 3.0 (Y. LeCun and C. Cortes)",
            fetch=lambda: official.fetch("mnist", urls=URLS, read=_through_torchvision),
        ),
        "mirror": Source(
            fidelity="official",
            note="From a local mirror; the official files rebuilt from it have the official checksums.",
            licence="CC BY-SA 3.0 (Y. LeCun and C. Cortes)",
            fetch=_mirror,
        ),
        "bundled": Source(
            fidelity="stand-in",
            note="A stand-in, not MNIST: the 1,797 real handwritten 8x8 digits that come with scikit-learn, enlarged "
            "to 28x28 and centred as MNIST is; its numbers cannot be compared with numbers from MNIST.",
            licence="CC BY 4.0 (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository)",
            fetch=_bundled,
        ),
    },
)
