"""Random numbers that belong to an image: the same whatever else is in its minibatch, and on every device.

Number k of an image is number k of SplitMix64 (Steele, Lea & Flood 2014) begun at the image's key. So all images draw
at once, none waits for another, and any number can be had again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

_WORD = 2**64
_STEP, _FIRST, _SECOND = (value - _WORD for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def number(*parts: object) -> int:
    """A seed in [0, 2**56) that depends on all of `parts`, the same in every process."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")


def keys(index: Tensor, *parts: object) -> Tensor:
    """int64 (B,): one key per image, from its number in `index` (B,) and from all of `parts`."""
    return torch.tensor([number(*parts, i) for i in index.tolist()], dtype=torch.int64, device=index.device)


def begin(seed: int, device: torch.device) -> None:
    """Torch's own numbers on the CPU and on this device begin anew, those that a model's noise takes.

    As `torch.manual_seed`, which also notes a traceback for each kind of device not in use: about a millisecond a call.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def words(keys: Tensor, n: int, *, block: int = 0) -> Tensor:
    """int64 (B, n), all 64 bits random: numbers block * n to (block + 1) * n of every key."""
    counter = torch.arange(block * n + 1, (block + 1) * n + 1, dtype=torch.int64, device=keys.device)
    z = keys[:, None] + counter * _STEP  # integers wrap around
    z = (z ^ _shifted(z, 30)) * _FIRST
    z = (z ^ _shifted(z, 27)) * _SECOND
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, places: int) -> Tensor:
    """To the right, filled up with zeros."""
    return (z >> places) & ((1 << (64 - places)) - 1)


def uniform(keys: Tensor, shape: Sequence[int], *, block: int = 0) -> Tensor:
    """float32 (B, *shape) in [0, 1)."""
    drawn = _shifted(words(keys, math.prod(shape), block=block), 40)
    return (drawn.float() * 2**-24).view(len(keys), *shape)


def coins(keys: Tensor, shape: Sequence[int], *, block: int = 0) -> Tensor:
    """bool (B, *shape), each side as likely."""
    n = math.prod(shape)
    drawn = words(keys, -(-n // 64), block=block)
    places = torch.arange(64, device=keys.device)
    return ((drawn[:, :, None] >> places) & 1).flatten(1)[:, :n].bool().view(len(keys), *shape)
