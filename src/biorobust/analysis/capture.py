"""Reading a network's layers during a forward pass, without changing what it computes.

A hook sees the tensor the layer has just made. What follows may overwrite it in place (ReLU does), and a hook that
returns anything would replace it. So hooks here return None, whoever keeps an output gets a copy, and calls are
counted: of a layer that runs twice one output cannot speak for both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from biorobust.core.errors import BiorobustError

T = TypeVar("T")


@contextmanager
def hooked(modules: Mapping[str, nn.Module], receive: Callable[[str, Tensor], None]) -> Iterator[Counter[str]]:
    """Inside the block every output of `modules` is handed to `receive(name, output)`, in order of execution.

    The output is detached but not copied: use it at once, or keep a clone. Yields how often each module was called.
    """
    calls: Counter[str] = Counter()

    def hook(name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
        calls[name] += 1
        receive(name, output.detach())

    with ExitStack() as hooks:
        for name, module in modules.items():
            hooks.enter_context(module.register_forward_hook(partial(hook, name)))
        yield calls


@torch.no_grad()
def made(
    model: nn.Module, images: Tensor, modules: Mapping[str, nn.Module], make: Callable[[str, Tensor], T]
) -> dict[str, T]:
    """What `make(name, output)` gives for every module in the pass of one minibatch, by name, in order of execution.

    Raises BiorobustError for a module that is not called exactly once.
    """
    found: dict[str, T] = {}
    with hooked(modules, lambda name, output: found.update({name: make(name, output)})) as calls:
        model(images)
    for name in modules:
        if calls[name] != 1:
            raise BiorobustError(f"layer {name!r} was called {calls[name]} times in one pass: need exactly one output")
    return found


def features(model: nn.Module, images: Tensor, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """A copy of every module's output: see `made`."""
    return made(model, images, modules, lambda name, output: output.clone())
