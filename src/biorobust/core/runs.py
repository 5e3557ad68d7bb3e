"""Saving and loading the models of a run: `data/checkpoints/<run>/{model.json, seed0.safetensors, ...}`.

`model.json` holds the architecture's name and its configuration, so that a checkpoint can be loaded without
params.yaml. A study names its architectures in the ARCHITECTURES of its `model/params.py`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from biorobust.core import places
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, read_tensors, write_json, write_tensors

if TYPE_CHECKING:
    from torch import nn


@functools.cache
def architectures() -> Mapping[str, tuple[str, str]]:
    """Architecture -> module and function that builds it from its configuration; a module is imported when needed."""
    from biorobust.params import STUDIES  # who the studies are; nothing else here knows

    return {
        name: (f"{module.__name__.rpartition('.')[0]}.{file}", function)
        for module in STUDIES.values()
        for name, (file, function) in module.ARCHITECTURES.items()
    }


def new(architecture: str, config: Mapping[str, Any]) -> nn.Module:
    """A freshly initialised model of a study's architecture. Raises BiorobustError for an unknown one."""
    if architecture not in architectures():
        raise BiorobustError(f"architecture {architecture!r}: unknown; known are {', '.join(architectures())}")
    module, function = architectures()[architecture]
    model: nn.Module = getattr(importlib.import_module(module), function)(config)
    return model


def save(
    run: str, models: Mapping[int, nn.Module], *, architecture: str, configs: Mapping[int, Mapping[str, Any]]
) -> None:
    folder = places.to_write(places.CHECKPOINTS) / run
    for seed, model in models.items():
        write_tensors(folder / f"seed{seed}.safetensors", model.state_dict())
    configurations = {str(seed): dict(config) for seed, config in configs.items()}
    write_json(folder / "model.json", {"architecture": architecture, "configs": configurations})


def save_unavailable(run: str, *, architecture: str, reason: str) -> None:
    """In the place of checkpoints, why there are none: the run has no seeds, and `load` gives the reason."""
    folder = places.to_write(places.CHECKPOINTS) / run
    write_json(folder / "model.json", {"architecture": architecture, "configs": {}, "unavailable": reason})


def folder(run: str) -> Path:
    return places.find(places.CHECKPOINTS, f"{run}/model.json").parent


def seeds(run: str) -> list[int]:
    return [int(seed) for seed in _described(run)["configs"]]


def unavailable(run: str) -> str | None:
    """Why a run has no network, as the stage that makes it noted; None for one that has."""
    reason = read_json(folder(run) / "model.json").get("unavailable")
    return None if reason is None else str(reason)


def load(run: str, *, seed: int = 0, device: str = "cpu") -> nn.Module:
    """The model of one seed, in eval mode with frozen parameters.

    Raises BiorobustError when the run or the seed has no checkpoint, or when it does not fit its configuration.
    """
    description = _described(run)
    if reason := description.get("unavailable"):
        raise BiorobustError(f"run {run!r} is unavailable: {reason}")
    if str(seed) not in description["configs"]:
        raise BiorobustError(f"run {run!r} has no seed {seed}; it has {', '.join(description['configs'])}")
    try:
        model = new(description["architecture"], description["configs"][str(seed)])
    except (BiorobustError, KeyError, TypeError, ValueError) as error:
        text = f"missing {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise BiorobustError(f"{folder(run) / 'model.json'} describes no network ({text})") from None
    path = folder(run) / f"seed{seed}.safetensors"
    try:
        model.load_state_dict(read_tensors(path))
    except RuntimeError as error:
        raise BiorobustError(f"{path} does not fit its model.json ({' '.join(str(error).split())[:200]})") from None
    return model.to(device).eval().requires_grad_(False)


def attack_views(run: str, model: nn.Module) -> dict[str, nn.Module]:
    """The study's other modules an attack may take gradients from, besides the model itself."""
    module = code(run)
    return module.attack_views(model) if hasattr(module, "attack_views") else {}


def code(run: str) -> ModuleType:
    return importlib.import_module(architectures()[_described(run)["architecture"]][0])


def _described(run: str) -> dict[str, Any]:
    """What a run's model.json holds. Raises BiorobustError for one that is missing or lacks what `save` writes."""
    path = folder(run) / "model.json"
    description = read_json(path)
    configs = description.get("configs") if isinstance(description, dict) else None
    if not isinstance(configs, dict) or not all(map(str.isdecimal, configs)):
        raise BiorobustError(f"{path} has no configs by seed: delete it and run `dvc repro`")
    if description.get("architecture") not in architectures():
        known = ", ".join(architectures())
        raise BiorobustError(f"{path}: architecture {description.get('architecture')!r} is unknown; known are {known}")
    return description
