"""Networks that the authors of the report and of the original (Xiao et al. 2020) trained: their files into ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from biorobust.core.errors import BiorobustError
from biorobust.kwta.model import networks
from biorobust.kwta.model.networks import Classifier
from biorobust.networks.weights import fill, foreign, read, without_prefix

# The original's ResNet18 -> torchvision's names, which are ours.
RENAMED = {"linear.": "fc.", "shortcut.": "downsample."}
FIRST = {"alexnet": "features.0.weight"}  # the first convolution of a network; of a ResNet conv1
HEAD = {"alexnet": "classifier.6.weight", "resnet18": "fc.weight", "resnet18-small": "linear.weight"}


@foreign
def load_official(path: Path, *, gamma: float | None, n_classes: int = 10) -> Classifier:
    """The network of an official file, in eval mode, on images in [0, 1], which neither of the two normalises.

    gamma: the share of winners, which a file does not hold; None for a network with ReLU. n_classes: how many of the
    head's outputs are classes; the report's heads have 1000. Which network it is shows in the names of its tensors:

        original     ResNet18 for 32 pixels, ReLU behind the first convolution (`linear.weight`)
        report       torchvision's ResNet18 (`fc.weight`) or AlexNet (`classifier.6.weight`) for 224 pixels, k-WTA
                     everywhere; images of another size are resized inside

    Raises BiorobustError when the file is missing, damaged, or holds another network.
    """
    content = without_prefix(read(path))
    network = next((network for network, name in HEAD.items() if isinstance(content.get(name), Tensor)), None)
    first = content.get(FIRST.get(str(network), "conv1.weight"))
    if network is None or not isinstance(first, Tensor):
        raise BiorobustError(f"{path} holds none of {', '.join(HEAD)}: it has no {' or '.join(HEAD.values())}")
    original = network == "resnet18-small"
    config: dict[str, Any] = {
        "network": network,
        "n_classes": n_classes,
        "logits": len(content[HEAD[network]]),
        "width": len(first),
        "image_size": 32 if original else 224,
        "normalise": False,
        "gamma": gamma,
        "stem": "relu" if original else "kwta",
    }
    if original:
        for theirs, ours in RENAMED.items():
            content = {name.replace(theirs, ours): tensor for name, tensor in content.items()}
    model = networks.build(config)
    fill(model.body, content, path=path)
    return model.eval()
