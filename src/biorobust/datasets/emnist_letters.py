"""EMNIST Letters: 124,800 + 20,800 handwritten letters, 28x28, capitals and small letters in one class.

Cohen, Afshar, Tapson & van Schaik 2017, arXiv:1702.05373. The official files hold every image transposed and labels
1..26; here images stand upright and labels are 0..25 for A..Z, whichever source they come from. The official test
split is sorted by class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biorobust.datasets import generated, glyphs, idx, mirror, official
from biorobust.datasets.spec import DatasetSpec, Source, Split

SIDE = 28
N_CLASSES = 26
URLS = ("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",)  # where torchvision takes it from
SIZES = {"train": 124_800, "test": 20_800}
MD5 = {  # of the uncompressed files, as a public copy of the official archive has them (worldfracture/deeplearn)
    "train": {
        "emnist-letters-train-images-idx3-ubyte": "6b7a6cdb4e8ae8838780bb5aeda8ab2a",
        "emnist-letters-train-labels-idx1-ubyte": "49ecae16ee4c7ab14dcf3e8d8c39090b",
    },
    "test": {
        "emnist-letters-test-images-idx3-ubyte": "811ee95d607652077616dbaaea581e1d",
        "emnist-letters-test-labels-idx1-ubyte": "dd1687ca8200da91c0dfd6321518806d",
    },
}
BUNDLED_SIZES = {"train": 2_600, "test": 520}
BUNDLED_SEED = 2017
LICENCE = "none stated; derived from NIST Special Database 19, a work of the US government"


def _through_torchvision(folder: Path, download: bool) -> tuple[Split, Split]:
    from torchvision.datasets import EMNIST

    splits = idx.read(
        folder / "EMNIST" / "raw",
        MD5,
        lambda split: EMNIST(str(folder), split="letters", train=split == "train", download=download),
    )
    return _shifted(splits["train"], -1), _shifted(splits["test"], -1)


def _mirror() -> tuple[Split, Split]:
    train, test = mirror.fetch("emnist_letters", image_shape=(SIDE, SIDE), n_classes=N_CLASSES, sizes=SIZES)
    idx.check_rebuilt(_shifted(train, 1), MD5["train"])
    idx.check_rebuilt(_shifted(test, 1), MD5["test"])
    return train, test


def _shifted(data: Split, by: int) -> Split:
    """Images transposed and labels shifted: between the official files and ours, in either direction."""
    return Split(np.ascontiguousarray(data.images.transpose(0, 2, 1)), data.labels + by, data.files)


def _bundled() -> tuple[Split, Split]:
    """Printed letters, half of them capitals, in sixteen fonts, turned, slanted, moved and blurred."""
    return generated.splits(_letter, sizes=BUNDLED_SIZES, n_classes=N_CLASSES, seed=BUNDLED_SEED, files=glyphs.files())


def _letter(label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    letter = chr(ord("A" if rng.integers(2) else "a") + label)
    return glyphs.draw(letter, rng, side=SIDE, size=rng.uniform(16, 22), max_shift=2)


SPEC = DatasetSpec(
    name="emnist_letters",
    title="EMNIST handwritten letters",
    image_shape=(SIDE, SIDE),
    n_classes=N_CLASSES,
    sources={
        "official": Source(
            fidelity="official",
            note="The official files, downloaded through torchvision; their checksums fit. Images were turned upright.",
            licence=LICENCE,
            fetch=lambda: official.fetch("emnist_letters", urls=URLS, read=_through_torchvision),
        ),
        "mirror": Source(
            fidelity="official",
            note="From a local mirror; the official files rebuilt from it have the checksums of a public copy of them.",
            licence=LICENCE,
            fetch=_mirror,
        ),
        "bundled": Source(
            fidelity="stand-in",
            note="A generated stand-in, not EMNIST: printed letters in the fonts that come with matplotlib, turned, "
            "slanted, moved and blurred; its numbers cannot be compared with numbers from EMNIST.",
            licence="MIT; fonts: Bitstream Vera licence (DejaVu) and SIL Open Font Licence (STIX)",
            fetch=_bundled,
        ),
    },
)
