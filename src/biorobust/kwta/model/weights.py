"""ImageNet weights of torchvision's ResNet18 and AlexNet, from a local folder or by download, into a network here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biorobust.core.errors import BiorobustError
from biorobust.kwta.model.params import FULL_WIDTH
from biorobust.networks.weights import Unavailable, find, read

if TYPE_CHECKING:
    from biorobust.kwta.model.networks import Classifier

# torchvision's IMAGENET1K_V1; the part after the hyphen begins the SHA-256.
FILES = {"resnet18": "resnet18-f37072fd.pth", "alexnet": "alexnet-owt-7be5be79.pth"}
ADDRESS = "https://download.pytorch.org/models/"


def load_imagenet(model: Classifier, *, network: str, width: int) -> None:
    """Give a model ImageNet's weights, all but a head of another size, which stays as it was initialised.

    Raises Unavailable when the network has none or no file can be had, BiorobustError when a file is not what it says.
    """
    import torch

    if network not in FILES:
        raise Unavailable(f"torchvision has no ImageNet weights of {network}")
    if width != FULL_WIDTH:
        raise Unavailable(f"ImageNet weights are of width {FULL_WIDTH}, the network has {width}")
    stored = read(find(FILES[network], address=ADDRESS + FILES[network]))
    own = model.body.state_dict()
    odd = next((name for name, value in stored.items() if not isinstance(value, torch.Tensor)), None)
    if odd is not None:
        raise BiorobustError(f"{FILES[network]} does not fit {network} ({odd} is no tensor): replace it")
    head = list(own)[-2:]
    # Old files lack the counters of batch normalisation, which no forward pass reads.
    kept = {
        name: value
        for name, value in own.items()
        if (name in head and name in stored and value.shape != stored[name].shape)
        or (name.endswith("num_batches_tracked") and name not in stored)
    }
    wrong = [name for name in own if name not in kept and (name not in stored or own[name].shape != stored[name].shape)]
    wrong += sorted(map(str, set(stored) - set(own)))
    if wrong:
        raise BiorobustError(f"{FILES[network]} does not fit {network} (see {wrong[0]}): replace it")
    model.body.load_state_dict(stored | kept)
