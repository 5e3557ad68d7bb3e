"""Networks that the original's authors trained on Fashion-MNIST (Huang et al. 2020): their files into `CNNF`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from biorobust.cnnf.model.network import CNNF
from biorobust.core.errors import BiorobustError
from biorobust.networks.weights import fill, foreign, read, without_prefix

# Our name -> the original's, for the four convolutions and the three linear layers with their biases.
NAMES = {
    **{f"blocks.{i}.conv.weight": f"conv{i + 1}.conv.weight" for i in range(4)},
    **{f"blocks.{i}.bias.bias": f"ins{i + 1}_bias.bias" for i in range(4)},
    **{f"blocks.{i + 4}.linear.weight": f"fc{i + 1}.linear.weight" for i in range(3)},
    **{f"blocks.{i + 4}.bias.bias": f"fc{i + 1}_bias.bias" for i in range(3)},
}
# The same weights once more, under the name of the layer and of its transpose.
TWINS = {
    **{f"conv{i}.conv_t.weight": f"conv{i}.conv.weight" for i in range(1, 5)},
    **{f"fc{i}.weight": f"fc{i}.linear.weight" for i in range(1, 4)},
}
# The transposed linear layers' own numbers, which feedback overwrites before it uses them: stale where it never ran.
UNUSED = tuple(f"fc{i}.linear_t.weight" for i in range(1, 4))


@foreign
def load_official(
    path: Path, *, cycles: int = 1, residual: float = 0.1, ind: int = 2, readout: str = "average"
) -> CNNF:
    """The network of an official file, in eval mode; feedback leaves biases alone, as in the original's code.

    The file holds weights only. The defaults are what the original evaluates its `CNNF_1_fmnist.pt` with; its plain
    CNN has cycles=0. Images are (B, 1, 28, 28) in [0, 1], which the network scales to the original's [-1, 1].
    Raises BiorobustError when the file is missing, damaged, or holds another network.
    """
    content = without_prefix(read(path))
    known = {*NAMES.values(), *TWINS, *UNUSED}
    for name in (*NAMES.values(), *content):
        if name not in known or not isinstance(content.get(name), Tensor):
            has = f"it has {name}" if name in content else f"it has no {name}"
            raise BiorobustError(f"{path} is not the original's network for Fashion-MNIST: {has}")
    for twin, name in TWINS.items():
        if twin in content and not torch.equal(content[twin], content[name]):
            raise BiorobustError(f"{path}: {twin} differs from {name}, though the original ties them")
    model = CNNF(len(content["fc3.linear.weight"]), cycles=cycles, residual=residual, ind=ind, readout=readout)
    # Biases are (1, C, 1, 1) and (1, N) there.
    tensors = {ours: content[theirs] for ours, theirs in NAMES.items()}
    flat = {name: tensor.flatten() if name.endswith("bias") else tensor for name, tensor in tensors.items()}
    fill(model, flat, path=path)
    return model.eval()
