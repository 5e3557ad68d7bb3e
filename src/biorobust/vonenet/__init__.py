"""Study "vonenet": a model of primary visual cortex in front of a ResNet (Dapello, Marques et al. 2020)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.vonenet.model.block import VOneBlock
    from biorobust.vonenet.model.checkpoint import load_official, load_official_state_dict, load_torchvision
    from biorobust.vonenet.model.models import (
        Classifier,
        conv_names,
        convolutions,
        noise,
        norms,
        resnet18,
        resnet50,
        v1,
        voneresnet18,
        voneresnet50,
    )
    from biorobust.vonenet.model.parameters import sample_parameters

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
    modules = {"VOneBlock": "block", "sample_parameters": "parameters"}
    module = "checkpoint" if name.startswith("load_") else modules.get(name, "models")
    return getattr(importlib.import_module(f"biorobust.vonenet.model.{module}"), name)
