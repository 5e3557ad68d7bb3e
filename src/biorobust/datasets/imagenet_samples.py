"""A sample of ImageNet-1k: one image of every fourth class, 256x256 RGB (Russakovsky et al. 2015, arXiv:1409.0575).

250 images to look at: for activations, filters and pictures. They are too few to train on or to measure an accuracy,
so there is a test split only. Labels are class indices in the order of the WordNet ids, as pretrained networks have
them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biorobust.core.errors import DataError
from biorobust.core.files import folder_of, sha256
from biorobust.datasets import mirror, textures
from biorobust.datasets.spec import DatasetSpec, Source, Split, Unreachable, no_images

VARIABLE = "BIOROBUST_IMAGENET"
SIDE = 256
SHAPE = (SIDE, SIDE, 3)
N_CLASSES = 1000
LABELS = np.arange(0, N_CLASSES, 4)
WORDNET_ID = re.compile(r"n\d{8}")
BUNDLED_SIZE = 32
BUNDLED_SEED = 2015
LICENCE = "for non-commercial research and education only (ImageNet terms of access)"


def _official() -> tuple[Split, Split]:
    """The first image, by file name, of every fourth class folder of BIOROBUST_IMAGENET.

    Raises Unreachable when the variable is not set, DataError when its folder is not what it has to be.
    """
    root = folder_of(VARIABLE)
    if root is None:
        raise Unreachable(
            f"imagenet_samples: {VARIABLE} is not set: set it to the folder of ImageNet-1k's validation images that "
            "has one folder per class, or change data.source"
        )
    if not root.is_dir():
        raise DataError(f"{VARIABLE}={root} is not a folder: set it to one with a folder per class, or unset it")
    # The place of a class in the list is its label, so the list has to be complete.
    classes = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    if len(classes) != N_CLASSES or not all(map(WORDNET_ID.fullmatch, classes)):
        raise DataError(
            f"{VARIABLE}={root} has {len(classes)} folders, expected {N_CLASSES} named like n01440764: set it to the "
            "folder that holds them, or unset it"
        )
    paths = [_first_image(root / classes[label]) for label in LABELS]
    files = {path.relative_to(root).as_posix(): sha256(path) for path in paths}
    images = np.stack([_resized(path) for path in paths])
    return no_images(SHAPE), Split(images, LABELS, files)


def _first_image(folder: Path) -> Path:
    from torchvision.datasets.folder import is_image_file

    for name in sorted(os.listdir(folder)):
        if is_image_file(name):
            return folder / name
    raise DataError(f"{folder} has no image: complete it, or unset {VARIABLE}")


def _resized(path: Path) -> NDArray[np.uint8]:
    """The image in `path` with its short side 256 (bicubic) and its 256x256 centre cut out."""
    from PIL import Image
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import center_crop, resize

    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")  # a few official images are grey or CMYK
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error and more
        raise DataError(f"{path}: no readable image ({type(error).__name__}): get the file again") from None
    return np.asarray(center_crop(resize(rgb, SIDE, InterpolationMode.BICUBIC), SIDE))


def _mirror() -> tuple[Split, Split]:
    train, test = mirror.fetch(
        "imagenet_samples", image_shape=SHAPE, n_classes=N_CLASSES, sizes={"train": 0, "test": len(LABELS)}
    )
    if not np.array_equal(test.labels, LABELS):
        raise DataError(f"{', '.join(test.files)} in {mirror.VARIABLE}: labels are not 0, 4, 8, ..., 996: get it again")
    return train, test


def _bundled() -> tuple[Split, Split]:
    """Dead leaves; their labels are those of the first real samples and mean nothing."""
    rng = np.random.default_rng(BUNDLED_SEED)
    images = np.stack([textures.dead_leaves(rng, SIDE) for _ in range(BUNDLED_SIZE)])
    return no_images(SHAPE), Split(images, LABELS[:BUNDLED_SIZE], {})


SPEC = DatasetSpec(
    name="imagenet_samples",
    title="ImageNet-1k samples",
    image_shape=SHAPE,
    n_classes=N_CLASSES,
    sources={
        "official": Source(
            fidelity="partial",
            note="A fixed sample of 250 validation images, one of every fourth class, resized and cropped to 256x256: "
            "for activations and pictures, not for accuracies. Checked are number and names of the class folders, not "
            "the photographs.",
            licence=LICENCE,
            fetch=_official,
            variable=VARIABLE,
        ),
        "mirror": Source(
            fidelity="partial",
            note="From a local mirror: 250 images said to be of every fourth class, resized and cropped to 256x256 and "
            "re-encoded as JPEG: for activations and pictures, not for accuracies. Checked are their number, size and "
            "labels; no checksum is known.",
            licence=LICENCE,
            fetch=_mirror,
        ),
        "bundled": Source(
            fidelity="stand-in",
            note="A generated stand-in, not photographs: 32 pictures of overlapping discs and polygons with the "
            "spectrum of natural images; their labels mean nothing.",
            licence="MIT",
            fetch=_bundled,
        ),
    },
)
