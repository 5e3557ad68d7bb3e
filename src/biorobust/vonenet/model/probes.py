"""Mistakes a program can make when it compares activations, made on purpose: which layers does each put at zero?

Every probe gives what such a program would have printed, 1 - r per image and convolution, (N, L). Our own capture is
the one that makes none of them. NaN is kept where a value is undefined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from biorobust.analysis import capture, pca
from biorobust.analysis.deviation import dissimilarity
from biorobust.vonenet.model import dips
from biorobust.vonenet.model.perturb import quantised

Features = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pair:
    """A network without noise, its convolutions by name, and clean and perturbed images (N, 3, H, W)."""

    model: nn.Module
    convolutions: Mapping[str, nn.Module]
    clean: Tensor
    perturbed: Tensor

    def features(self, images: Tensor) -> dict[str, Tensor]:
        return capture.features(self.model, images, self.convolutions)


def compared(clean: Features, perturbed: Features) -> np.ndarray:
    """1 - r of every layer of `clean`, (N, L)."""
    return torch.stack([dissimilarity(clean[name], perturbed[name]) for name in clean], dim=1).cpu().numpy()


def correct(pair: Pair) -> np.ndarray:
    """No mistake: the reference the others are read against."""
    return compared(pair.features(pair.clean), pair.features(pair.perturbed))


def marker(pair: Pair) -> np.ndarray:
    """Images of random pixels in the place of the perturbed ones: a layer still at 0 would be compared with itself."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(pair.clean.shape, generator=generator).to(pair.clean)
    return compared(pair.features(pair.clean), pair.features(noise))


def shared(pair: Pair) -> np.ndarray:
    """One dictionary for both passes: the second pass has overwritten the first when they are compared."""
    kept = pair.features(pair.clean)
    clean = kept
    kept.update(pair.features(pair.perturbed))
    return compared(clean, kept)


def pasted(pair: Pair) -> np.ndarray:
    """Clean compared with clean at one layer of each stage: four lines copied and not edited."""
    clean = pair.features(pair.clean)
    return compared(
        clean, pair.features(pair.perturbed) | {name: clean[name] for name in dips.REPORTED if name in clean}
    )


def uncloned(pair: Pair) -> np.ndarray:
    """Outputs kept without a copy: whatever the network does in place afterwards has been done to them."""

    @torch.no_grad()
    def kept(images: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        with capture.hooked(pair.convolutions, found.__setitem__):
            pair.model(images)
        return found

    return compared(kept(pair.clean), kept(pair.perturbed))


def late_bound(pair: Pair) -> np.ndarray:
    """Hooks made in a loop that all store under the loop's last name: one entry, read for every layer."""
    last = list(pair.convolutions)[-1]
    clean, perturbed = ({last: pair.features(images)[last]} for images in (pair.clean, pair.perturbed))
    names = pair.convolutions
    return compared(dict.fromkeys(names, clean[last]), dict.fromkeys(names, perturbed[last]))


def replaced(pair: Pair) -> np.ndarray:
    """A hook that hands back what it stored first, as `dict.setdefault` does: the second pass uses the first's."""
    kept: dict[str, Tensor] = {}
    seen: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def returning(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            seen[name] = kept.setdefault(name, output.clone()).clone()
            return seen[name].clone()

        return returning

    handles = [module.register_forward_hook(hook(name)) for name, module in pair.convolutions.items()]
    try:
        with torch.no_grad():
            pair.model(pair.clean)
            clean = dict(seen)
            pair.model(pair.perturbed)
    finally:
        for handle in handles:
            handle.remove()
    return compared(clean, seen)


def half(pair: Pair) -> np.ndarray:
    """Activations and result in 16-bit floating point."""
    clean, perturbed = pair.features(pair.clean), pair.features(pair.perturbed)
    stored = compared(*({name: value.half() for name, value in kept.items()} for kept in (clean, perturbed)))
    return 1 - (1 - stored).astype(np.float16).astype(np.float64)


def eight_bit(pair: Pair) -> np.ndarray:
    """Perturbed images stored with 8 bits a pixel before the network sees them; clean ones came from such a file."""
    return compared(pair.features(pair.clean), pair.features(quantised(pair.perturbed)))


def pictures(pair: Pair) -> np.ndarray:
    """First principal component of each activation, in a basis of its own, stretched to 0..255 whole numbers."""
    return compared(
        *({name: _picture(kept) for name, kept in pair.features(x).items()} for x in (pair.clean, pair.perturbed))
    )


def _picture(activations: Tensor) -> Tensor:
    """(N, 1, H, W) whole numbers from 0 to 255, image by image."""
    drawn = []
    for one in activations.split(1):
        scores = pca.scores(pca.fit(one, n_components=1), one)
        low, high = scores.min(), scores.max()
        drawn.append(((scores - low) / (high - low) * 255).round() if high > low else torch.zeros_like(scores))
    return torch.cat(drawn)


PROBES: dict[str, Callable[[Pair], np.ndarray]] = {
    probe.__name__: probe
    for probe in (correct, marker, shared, pasted, uncloned, late_bound, replaced, half, eight_bit, pictures)
}


def overwritten(pair: Pair, modules: Mapping[str, nn.Module]) -> dict[str, bool]:
    """Whether what a layer had just made is changed by the rest of the pass when no copy is taken."""
    kept: dict[str, tuple[Tensor, Tensor]] = {}
    with torch.no_grad(), capture.hooked(modules, lambda name, out: kept.__setitem__(name, (out, out.clone()))):
        pair.model(pair.clean[:1])
    return {name: not torch.equal(live, copy) for name, (live, copy) in kept.items()}


def calls(pair: Pair) -> Counter[str]:
    """How often each module that has none inside it runs in one pass."""
    leaves = {name: module for name, module in pair.model.named_modules() if name and not list(module.children())}
    with torch.no_grad(), capture.hooked(leaves, lambda name, output: None) as counted:
        pair.model(pair.clean[:1])
    return counted
