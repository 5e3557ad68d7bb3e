"""Study "vonenet": a model of primary visual cortex in front of a ResNet (Dapello, Marques et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.vonenet.model.block import VOneBlock, sample_parameters
    from biorobust.vonenet.model.models import (
        Classifier,
        conv_names,
        convolutions,
        load_official,
        load_official_state_dict,
        load_torchvision,
        noise,
        norms,
        resnet18,
        resnet50,
        v1,
        voneresnet18,
        voneresnet50,
    )

__all__ = [
    "Classifier",
    "VOneBlock",
    "conv_names",
    "convolutions",
    "load_official",
    "load_official_state_dict",
    "load_torchvision",
    "noise",
    "norms",
    "resnet18",
    "resnet50",
    "sample_parameters",
    "v1",
    "voneresnet18",
    "voneresnet50",
]


def __getattr__(name: str) -> Any:
    # Lazy, because params.yaml is checked (through biorobust.vonenet.model.params) by stages that do without torch.
    if name not in __all__:
        raise AttributeError(name)
    from biorobust.vonenet.model import block, models

    return getattr(block if name in ("VOneBlock", "sample_parameters") else models, name)
