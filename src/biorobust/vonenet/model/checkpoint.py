"""Networks that others trained on ImageNet: files of the VOneNet authors, and torchvision's ResNet50."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biorobust.core.errors import BiorobustError
from biorobust.networks.weights import fill, foreign, read, without_prefix
from biorobust.vonenet.model import models
from biorobust.vonenet.model.models import Classifier

DROPPED = ("vone_block.div_u.weight", "vone_block.div_t.weight")  # in the adversarially trained file; unused
Q0, Q1 = "vone_block.simple_conv_q0.weight", "vone_block.simple_conv_q1.weight"
IMAGE_SIZE, VISUAL_DEGREES = 224, 8.0


@dataclass(frozen=True)
class Imported:
    """The network of a file: what `models.build` takes, and the tensors of its `body`."""

    path: Path
    config: dict[str, Any]
    state: dict[str, Tensor]

    def model(self) -> Classifier:
        """In eval mode. Raises BiorobustError for tensors of another network."""
        return _model(self.path, self)


@foreign
def _model(path: Path, imported: Imported) -> Classifier:
    model = models.build(imported.config)
    fill(model.body, imported.state, path=path)
    return model.eval()


@foreign
def read_official(path: Path) -> Imported:
    """VOneResNet50 with the weights, filters and noise of an official file, under our names.

    Each filter is reduced to its one non-zero input channel. Raises BiorobustError when the file is missing, damaged,
    of another layout, or holds more than tensors and flags.
    """
    content = read(path, classes=(argparse.Namespace,))
    flags = _flags(content, path)
    simple, complex_ = int(flags["simple_channels"]), int(flags["complex_channels"])
    state = _converted(content, path, simple=simple)
    kernels = state["vone_block.kernels"]
    if len(kernels) != simple + 2 * complex_:
        raise BiorobustError(f"{path}: its flags name {simple + complex_} V1 channels, its filters are others")
    config = {
        "network": "voneresnet50",
        "n_classes": len(state["model.fc.bias"]),
        "width": len(state["bottleneck.weight"]),
        "image_size": IMAGE_SIZE,
        "visual_degrees": VISUAL_DEGREES,
        "simple_channels": simple,
        "complex_channels": complex_,
        "ksize": kernels.shape[-1],
        "stride": int(flags["stride"]),
        "k_exc": float(flags["k_exc"]),
        "noise": flags["noise_mode"] or "none",
        "noise_scale": float(flags["noise_scale"]),
        "noise_level": float(flags["noise_level"]),
    }
    return Imported(Path(path), config, state)


@foreign
def read_torchvision(path: Path) -> Imported:
    """ResNet50 with torchvision's weights. Raises BiorobustError as `read_official` does."""
    state = read(path)
    for key in ("conv1.weight", "fc.bias"):
        if not isinstance(state.get(key), Tensor):
            raise BiorobustError(f"{path} is not a torchvision ResNet50: it has no {key}")
    config = {"network": "resnet50", "n_classes": len(state["fc.bias"]), "width": len(state["conv1.weight"])}
    return Imported(Path(path), config | {"stem": "imagenet", "image_size": IMAGE_SIZE}, state)


READERS = {"resnet": read_torchvision, "vonenet": read_official}  # by the method of a run


def load_official(path: str | Path) -> Classifier:
    """The network of `read_official`, in eval mode."""
    return read_official(path).model()


def load_official_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of `read_official`, under the names of `voneresnet50().body`."""
    return read_official(path).state


def load_torchvision(path: str | Path) -> Classifier:
    """The network of `read_torchvision`, in eval mode."""
    return read_torchvision(path).model()


def _flags(content: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    found = content.get("flags")
    flags: Any = vars(found) if isinstance(found, argparse.Namespace) else found
    needed = ("simple_channels", "complex_channels", "stride", "k_exc", "noise_mode", "noise_scale", "noise_level")
    missing = [name for name in needed if not isinstance(flags, Mapping) or name not in flags]
    if missing:
        raise BiorobustError(f"{path} is not an official VOneNet file: its flags lack {', '.join(missing)}")
    return dict(flags)


def _converted(content: Mapping[str, Any], path: str | Path, *, simple: int) -> dict[str, Tensor]:
    if not isinstance(content.get("state_dict"), Mapping):
        raise BiorobustError(f"{path} is not an official VOneNet file: it has no state_dict")
    state = without_prefix(content["state_dict"])
    for name in DROPPED:
        state.pop(name, None)
    for name in (Q0, Q1, "bottleneck.weight", "model.fc.bias"):
        if not isinstance(state.get(name), Tensor):
            raise BiorobustError(f"{path} is not an official VOneResNet50: it has no {name}")
    first, first_colours = _single_channel(state.pop(Q0), f"{path}: {Q0}")
    second, second_colours = _single_channel(state.pop(Q1), f"{path}: {Q1}")
    state["vone_block.kernels"] = torch.cat([first, second[simple:]])
    state["vone_block.colours"] = torch.cat([first_colours, second_colours[simple:]])
    return state


def _single_channel(weights: Tensor, where: str) -> tuple[Tensor, Tensor]:
    """Filters (n, k, k) and their channels (n,) from dense ones (n, 3, k, k) that are zero in all channels but one."""
    used = weights.flatten(2).ne(0).any(dim=2)
    wrong = (used.sum(dim=1) != 1).nonzero().flatten().tolist()
    if wrong:
        raise BiorobustError(
            f"{where}: filter {wrong[0]} must have exactly one non-zero channel ({len(wrong)} have not)"
        )
    channels = used.int().argmax(dim=1)
    return weights[torch.arange(len(weights)), channels], channels
