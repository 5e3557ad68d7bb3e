"""CIFAR-10: 50,000 + 10,000 small photographs of ten kinds of things, 32x32 RGB (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biorobust.core.errors import DataError
from biorobust.core.files import sha256
from biorobust.datasets import generated, mirror, official, shapes, textures
from biorobust.datasets.spec import DatasetSpec, Source, Split

SHAPE = (32, 32, 3)
N_CLASSES = 10
URLS = ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",)  # where torchvision takes it from
SIZES = {"train": 50_000, "test": 10_000}  # the same number of every class
MEAN_COLOUR = (0.4914, 0.4822, 0.4465)  # of the training images, 0..1; those of the test images are within 0.004
COLOUR_TOLERANCE = 0.01  # JPEG moves it by 0.0002, exchanged channels by 0.045
BUNDLED_SIZES = {"train": 2_000, "test": 500}
BUNDLED_SEED = 2009
BUNDLED_NOISE = 8.0  # standard deviation, of 255
HUE_SCATTER = 0.2  # standard deviation, of a full turn; the kinds' own hues lie 0.1 apart
LICENCE = "none stated (A. Krizhevsky, V. Nair and G. Hinton)"


def _through_torchvision(folder: Path, download: bool) -> tuple[Split, Split]:
    """torchvision reads the pickles with the official MD5 and no others, which could run anything.

    Raises RuntimeError when one is missing or damaged.
    """
    from torchvision.datasets import CIFAR10

    batches = {"train": CIFAR10.train_list, "test": CIFAR10.test_list}
    raw = folder / CIFAR10.base_folder

    def split(name: str) -> Split:
        data = CIFAR10(str(folder), train=name == "train", download=download)
        files = {batch: sha256(raw / batch) for batch, _ in batches[name]}
        return Split(data.data, np.array(data.targets, dtype=np.int64), files)

    return split("train"), split("test")


def _mirror() -> tuple[Split, Split]:
    """No checksum is known of lossy copies, so what can be told without one is: the classes and the mean colours."""
    train, test = mirror.fetch("cifar10", image_shape=SHAPE, n_classes=N_CLASSES, sizes=SIZES)
    for data in (train, test):
        where = f"{', '.join(data.files)} in {mirror.VARIABLE}"
        per_class = np.bincount(data.labels, minlength=N_CLASSES)
        if len(set(per_class.tolist())) > 1:
            raise DataError(
                f"{where}: {per_class.min()} to {per_class.max()} images of a class, CIFAR-10 has as many of each: "
                "get it again"
            )
        colour = data.images.mean(axis=(0, 1, 2)) / 255
        if np.abs(colour - MEAN_COLOUR).max() > COLOUR_TOLERANCE:
            found, known = (", ".join(f"{value:.3f}" for value in values) for values in (colour, MEAN_COLOUR))
            raise DataError(
                f"{where}: the mean colour is {found}, that of CIFAR-10 {known} (red, green, blue): get it again"
            )
    return train, test


def _bundled() -> tuple[Split, Split]:
    """Shapes and patterns on clouds. Every kind has its hue, scattered so widely that colour alone tells little."""
    return generated.splits(_shape, sizes=BUNDLED_SIZES, n_classes=N_CLASSES, seed=BUNDLED_SEED, files={})


def _shape(label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    mask = shapes.draw(shapes.KINDS[label], rng, side=SHAPE[0])[:, :, None] / 255.0
    hue = label / N_CLASSES + rng.normal(0, HUE_SCATTER)
    ground = textures.colour(rng.uniform(), rng.uniform(70, 185)) + rng.uniform(8, 25) * textures.clouds(rng, SHAPE[0])
    # Lighter or darker than the ground, never equal to it.
    lightness = ground.mean() + rng.choice([-1, 1]) * rng.uniform(30, 70)
    figure = textures.colour(hue, lightness) + rng.uniform(4, 15) * textures.clouds(rng, SHAPE[0])
    noise = rng.normal(0, BUNDLED_NOISE, size=SHAPE)
    return textures.to_bytes(ground * (1 - mask) + figure * mask + noise)


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
            fetch=lambda: official.fetch("cifar10", urls=URLS, read=_through_torchvision),
        ),
        "mirror": Source(
            fidelity="re-encoded",
            note="From a local mirror: as many images of a class as the official set has, re-encoded as JPEG (lossy), "
            "so numbers can differ from those of the official images. Checked are counts, repeats and mean colours; no "
            "checksum is known.",
            licence=LICENCE,
            fetch=_mirror,
        ),
        "bundled": Source(
            fidelity="stand-in",
            note="A generated stand-in, not CIFAR-10: ten kinds of coloured shapes and patterns on clouds; its numbers "
            "cannot be compared with numbers from CIFAR-10.",
            licence="MIT",
            fetch=_bundled,
        ),
    },
)
