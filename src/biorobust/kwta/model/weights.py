"""First weights from a trained network: ImageNet's of torchvision's ResNet18 and AlexNet, from a local folder or by
download, or those of a cell trained here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from biorobust.core import runs
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_tensors
from biorobust.kwta.model.params import FULL_WIDTH
from biorobust.networks.weights import Unavailable, fill, find, read

if TYPE_CHECKING:
    from biorobust.kwta.model.networks import Classifier

# torchvision's IMAGENET1K_V1; the part after the hyphen begins the SHA-256.
FILES = {"resnet18": "resnet18-f37072fd.pth", "alexnet": "alexnet-owt-7be5be79.pth"}
ADDRESS = "https://download.pytorch.org/models/"


def load_imagenet(model: Classifier, *, network: str, width: int) -> None:
    """Give a model ImageNet's weights, all but a head of another size, which stays as it was initialised.

    Raises Unavailable when the network has none or no file can be had, BiorobustError when a file is not what it says.
    """
    if network not in FILES:
        raise Unavailable(f"torchvision has no ImageNet weights of {network}")
    if width != FULL_WIDTH:
        raise Unavailable(f"ImageNet weights are of width {FULL_WIDTH}, the network has {width}")
    path = find(FILES[network], address=ADDRESS + FILES[network])
    stored, own = read(path), model.body.state_dict()
    kept = [name for name in list(own)[-2:] if name in stored and own[name].shape != stored[name].shape]
    # Old files lack the counters of batch normalisation, which no forward pass reads.
    kept += [name for name in own if name.endswith("num_batches_tracked") and name not in stored]
    fill(model.body, stored | {name: own[name] for name in kept}, path=path)


def checkpoint(cell: str, *, seed: int) -> Path:
    """The file with the weights of a cell's network.

    Raises Unavailable when the cell could not be had, BiorobustError when it was not trained or has no such seed.
    """
    if reason := runs.unavailable(cell):
        raise Unavailable(f"{cell}, with whose weights it starts, is unavailable: {reason}")
    if seed not in runs.seeds(cell):
        raise BiorobustError(f"{cell}, with whose weights it starts, has no seed {seed}")
    return runs.folder(cell) / f"seed{seed}.safetensors"


def load_trained(model: Classifier, path: Path) -> None:
    """Give a model the weights of the checkpoint of another, all but the last layer's, which stay as initialised.

    Raises BiorobustError when the file is missing, damaged, or of a network of another size.
    """
    own = model.state_dict()
    fill(model, read_tensors(path) | {name: own[name] for name in list(own)[-2:]}, path=path)
