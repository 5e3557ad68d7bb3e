"""The report's training objective: five terms over a batch of clean images and their perturbed copies.

Cross-entropy of the first pass and of the cycles, and squared errors between what feedback makes of the perturbed
image (inner feature, block 1, block 2) and what the first pass made of the clean one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.cnnf.model.blocks import ConvBlock
from biorobust.cnnf.model.network import FeedbackNetwork, State
from biorobust.cnnf.model.pooled import Unpooled

TERMS = ("first", "cycles", "feature", "block1", "block2")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Of the five terms, and of the clean half's cross-entropy against the perturbed half's."""

    first: float
    cycles: float
    feature: float
    block1: float
    block2: float
    clean: float


def squared_error(reconstruction: Tensor | Unpooled, target: Tensor) -> Tensor:
    """(B,) mean over the elements of each image of (reconstruction - target)^2, both (B, C, H, W)."""
    if isinstance(reconstruction, Tensor):
        return (reconstruction - target).square().flatten(1).mean(dim=1)
    # All but one element of a window are 0, so only the target's own square is left of them.
    values, place, _ = reconstruction
    there = target.flatten(2).gather(2, place.flatten(2)).view(values.shape)
    changed = (values * (values - 2 * there)).flatten(1).sum(dim=1)
    return (target.square().flatten(1).sum(dim=1) + changed) / target[0].numel()


def terms(
    network: FeedbackNetwork,
    clean: Tensor | None,
    perturbed: Tensor | None,
    labels: Tensor,
    *,
    weights: Weights,
    cycle_clean: bool,
    detach: bool,
) -> tuple[dict[str, Tensor], Tensor]:
    """The five weighted terms, each summed over the minibatch, and logits of the readout, one row per label.

    clean, perturbed: (B, C, H, W) in [0, 1]; with one of them None the loss is the other's cross-entropy alone, as in
    the original. cycle_clean: the clean half goes through the cycles too; without, it has a first pass only.
    detach: the clean features are targets only and receive no gradient. The logits are the perturbed half's.

    With both halves each half's cross-entropies count one half, divided by the number of its logits; the squared
    errors are divided by 3 T.
    """
    halves = [half for half in (clean, perturbed) if half is not None]
    size = len(labels)
    first = network.first_pass(torch.cat(halves) if len(halves) > 1 else halves[0])
    both = len(halves) > 1
    only_perturbed = both and not cycle_clean
    cycled = [first.rows(slice(size, None)) if only_perturbed else first]
    for _ in range(network.cycles):
        cycled.append(network.cycle(cycled[-1]))

    def cross_entropy(logits: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, reduction="sum")

    zero = first.logits.new_zeros(())
    found = dict.fromkeys(TERMS, zero)
    later = [state.logits for state in cycled[1:]]
    if not both:
        share = 1 / len(cycled)
        found["first"] = weights.first * share * cross_entropy(first.logits)
        found["cycles"] = weights.cycles * share * sum((cross_entropy(logits) for logits in later), zero)
        return found, network.read(torch.stack([first.logits, *later]))
    share = 1 / (2 * len(cycled))
    clean_share = weights.clean * (share if cycle_clean else 0.5)
    found["first"] = weights.first * (
        clean_share * cross_entropy(first.logits[:size]) + share * cross_entropy(first.logits[size:])
    )
    if network.cycles:
        perturbed_later = [logits[-size:] for logits in later]
        on_perturbed = sum((cross_entropy(logits) for logits in perturbed_later), zero)
        on_clean = sum((cross_entropy(logits[:size]) for logits in later), zero) if cycle_clean else zero
        found["cycles"] = weights.cycles * (clean_share * on_clean + share * on_perturbed)
        perturbed_states = cycled[1:] if only_perturbed else [state.rows(slice(size, None)) for state in cycled[1:]]
        found |= _reconstruction(network, first.rows(slice(0, size)), perturbed_states, weights, detach=detach)
        return found, network.read(torch.stack([first.logits[size:], *perturbed_later]))
    return found, first.logits[size:]


def _reconstruction(
    network: FeedbackNetwork, clean: State, cycled: list[State], weights: Weights, *, detach: bool
) -> dict[str, Tensor]:
    """The three squared errors, averaged over the cycles, between reconstructions of the perturbed and clean features.

    Block 1 and block 2 are the blocks that pool. One that lies below the inner feature is reconstructed by taking
    feedback on downwards.
    """
    pooling = [
        (index, block)
        for index, block in enumerate(network.stack)
        if isinstance(block, ConvBlock) and block.pool is not None
    ]
    targets = {
        f"block{number}": (index, block.activation(clean.memories[index]))
        for number, (index, block) in enumerate(pooling, start=1)
    }
    feature = clean.feature
    if detach:
        feature = feature.detach()
        targets = {name: (index, target.detach()) for name, (index, target) in targets.items()}
    share = 1 / (3 * len(cycled))
    found = dict.fromkeys(("feature", *targets), clean.logits.new_zeros(()))
    for state in cycled:
        assert state.reconstruction is not None
        found["feature"] = found["feature"] + squared_error(state.reconstruction, feature).sum()
        for name, (index, target) in targets.items():
            found[name] = found[name] + squared_error(network.imagine(state, index), target).sum()
    return {name: getattr(weights, name) * share * value for name, value in found.items()}


def build(
    *,
    images: str,
    weights: Weights,
    cycle_clean: bool,
    detach: bool,
    perturb: Callable[[nn.Module, Tensor, Tensor], Tensor],
    bfloat16: bool = False,
) -> Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor, dict[str, Tensor]]]:
    """The objective for `training.fit`. images: `clean`, `both` or `perturbed`, the halves that are trained on.

    perturb: (network, images, labels) -> perturbed images, drawn or attacked anew for every minibatch.
    bfloat16: products with weights in that precision (autocast); images, InsNorm, logits and the loss stay in float32.
    """

    def compute(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        assert isinstance(model, FeedbackNetwork)
        clean = None if images == "perturbed" else x
        perturbed = None if images == "clean" else perturb(model, x, y)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
            parts, logits = terms(model, clean, perturbed, y, weights=weights, cycle_clean=cycle_clean, detach=detach)
        return sum(parts.values(), logits.new_zeros(())), logits, parts

    return compute
