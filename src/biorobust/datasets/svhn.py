"""SVHN, cropped house-number digits: 73,257 + 26,032 photographs, 32x32 RGB (Netzer et al. 2011).

The `extra` images of the official set are not used. The mirror is not the whole set: it is a part of the official
training file, pixel for pixel, with a split of its own, told from any other part by a checksum of its pixels.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biorobust.core.errors import DataError
from biorobust.core.files import sha256
from biorobust.datasets import generated, glyphs, mirror, official, textures
from biorobust.datasets.spec import DatasetSpec, Source, Split

SHAPE = (32, 32, 3)
N_CLASSES = 10
URLS = ("http://ufldl.stanford.edu/housenumbers/train_32x32.mat",)  # where torchvision takes it from
BUNDLED_SIZES = {"train": 2_000, "test": 500}
BUNDLED_SEED = 2011
BUNDLED_NOISE = 6.0  # standard deviation, of 255
LICENCE = "for non-commercial use only (Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu and A. Ng)"

MIRROR_SIZES = {"train": 16_902, "test": 3_756}
MIRROR_SHA256 = {  # of the pixels and then the labels, a byte each: the same however a lossless file packs them
    "train": "a92c6162a6fe38c2115b22aecca19e8c6b4bc5262bcd658b27ac418818afbb70",
    "test": "c98df582dd0418a2be9512d9afc3a2437f64080dbd03e1510cf93be450ee79bc",
}


def _through_torchvision(folder: Path, download: bool) -> tuple[Split, Split]:
    """torchvision reads the .mat files with the official MD5 and gives the digit 0, there 10, the label 0.

    Raises RuntimeError when one is missing or damaged.
    """
    from torchvision.datasets import SVHN

    def split(name: str) -> Split:
        data = SVHN(str(folder), split=name, download=download)
        file = SVHN.split_list[name][1]
        return Split(data.data.transpose(0, 2, 3, 1), data.labels, {file: sha256(folder / file)})

    return split("train"), split("test")


def _mirror() -> tuple[Split, Split]:
    train, test = mirror.fetch("svhn", image_shape=SHAPE, n_classes=N_CLASSES, sizes=MIRROR_SIZES)
    for split, data in (("train", train), ("test", test)):
        found = hashlib.sha256(data.images.tobytes() + data.labels.astype("uint8").tobytes()).hexdigest()
        if found != MIRROR_SHA256[split]:
            raise DataError(
                f"{', '.join(data.files)} in {mirror.VARIABLE}: pixels and labels have SHA-256 {found}, not "
                f"{MIRROR_SHA256[split]} of the known part of the official training file: get the file again"
            )
    return train, test


def _bundled() -> tuple[Split, Split]:
    """Printed digits on coloured clouds, most with neighbours at the edges, as house numbers have them."""
    return generated.splits(_digit, sizes=BUNDLED_SIZES, n_classes=N_CLASSES, seed=BUNDLED_SEED, files=glyphs.files())


def _digit(label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    side = SHAPE[0]
    before, after = (str(rng.integers(10)) if rng.uniform() < 0.5 else "" for _ in range(2))
    ink = glyphs.draw(
        f"{before}{label}{after}", rng, side=side, size=rng.uniform(20, 27), max_shift=2, index=len(before)
    )
    mask = ink[:, :, None] / 255.0
    ground = textures.colour(rng.uniform(), rng.uniform(60, 195)) + rng.uniform(3, 15) * textures.clouds(rng, side)
    # Lighter or darker than the ground, never equal to it.
    figure = textures.colour(rng.uniform(), ground.mean() + rng.choice([-1, 1]) * rng.uniform(40, 110))
    noise = rng.normal(0, BUNDLED_NOISE, size=SHAPE)
    return textures.to_bytes(ground * (1 - mask) + figure * mask + noise)


SPEC = DatasetSpec(
    name="svhn",
    title="SVHN house-number digits",
    image_shape=SHAPE,
    n_classes=N_CLASSES,
    sources={
        "official": Source(
            fidelity="official",
            note="The official training and test files, downloaded through torchvision; their checksums fit.",
            licence=LICENCE,
            fetch=lambda: official.fetch("svhn", urls=URLS, read=_through_torchvision),
        ),
        "mirror": Source(
            fidelity="partial",
            note="From a local mirror: 20,658 images of the official training file, pixel for pixel, split into "
            "training and test by photograph; the official test images are not among them, so accuracies cannot be "
            "compared with published test accuracies.",
            licence=LICENCE,
            fetch=_mirror,
        ),
        "bundled": Source(
            fidelity="stand-in",
            note="A generated stand-in, not SVHN: printed digits in the fonts that come with matplotlib on coloured "
            "clouds; its numbers cannot be compared with numbers from SVHN.",
            licence="MIT; fonts: Bitstream Vera licence (DejaVu) and SIL Open Font Licence (STIX)",
            fetch=_bundled,
        ),
    },
)
