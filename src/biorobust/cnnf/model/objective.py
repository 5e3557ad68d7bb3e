"""The report's training objective: five terms over a batch of clean images and their perturbed copies.

Cross-entropy of the first pass and of the cycles, and squared errors between what feedback makes of the perturbed
image (inner feature, block 1, block 2) and what the first pass made of the clean one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.nn import functional

from biorobust.cnnf.model.blocks import ConvBlock
from biorobust.cnnf.model.network import FeedbackNetwork, State
from biorobust.cnnf.model.pooled import Unpooled

TERMS = ("first", "cycles", "feature", "block1", "block2")


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
    weights: Mapping[str, float],
    cycle_clean: bool,
    detach: bool,
) -> tuple[dict[str, Tensor], Tensor]:
    """The five weighted terms, each summed over the minibatch, and logits of the readout, one row per label.

    clean, perturbed: (B, C, H, W) in [0, 1]; with one of them None the loss is the other's cross-entropy alone, as in
    the original. weights: of the TERMS, and `clean`, that of the clean half's cross-entropy against the perturbed
    half's. cycle_clean: the clean half goes through the cycles too; without, it has a first pass only. detach: the
    clean features are targets only and receive no gradient. The logits are the perturbed half's.

    With both halves each half's cross-entropies count one half, divided by the number of its logits; the squared
    errors are divided by 3 T.
    """
    halves = [half for half in (clean, perturbed) if half is not None]
    size, both = len(labels), len(halves) > 1
    first = network.first_pass(torch.cat(halves) if both else halves[0])
    states = [first.rows(slice(size, None)) if both and not cycle_clean else first]
    for _ in range(network.cycles):
        states.append(network.cycle(states[-1]))
    later = [state.logits for state in states[1:]]

    def cross_entropy(*logits: Tensor) -> Tensor:
        each = (functional.cross_entropy(one, labels, reduction="sum") for one in logits)
        return sum(each, first.logits.new_zeros(()))

    found = dict.fromkeys(TERMS, cross_entropy())
    share = 1 / len(states)
    if not both:
        found["first"] = weights["first"] * share * cross_entropy(first.logits)
        found["cycles"] = weights["cycles"] * share * cross_entropy(*later)
        return found, network.read(torch.stack([first.logits, *later]))
    share /= 2
    of_clean = weights["clean"] * (share if cycle_clean else 0.5)
    on_clean, on_perturbed = cross_entropy(first.logits[:size]), cross_entropy(first.logits[size:])
    found["first"] = weights["first"] * (of_clean * on_clean + share * on_perturbed)
    if later:
        on_clean = cross_entropy(*(logits[:size] for logits in later if cycle_clean))
        on_perturbed = cross_entropy(*(logits[-size:] for logits in later))
        found["cycles"] = weights["cycles"] * (of_clean * on_clean + share * on_perturbed)
        seen = [state.rows(slice(size, None)) if cycle_clean else state for state in states[1:]]
        errors = _reconstruction(network, first.rows(slice(0, size)), seen, detach=detach)
        found |= {name: weights[name] * (1 / (3 * len(seen))) * error for name, error in errors.items()}
    return found, network.read(torch.stack([first.logits[size:], *(logits[-size:] for logits in later)]))


def _reconstruction(
    network: FeedbackNetwork, clean: State, cycled: Sequence[State], *, detach: bool
) -> dict[str, Tensor]:
    """The three squared errors, summed over the cycles, between reconstructions of the perturbed and clean features.

    Block 1 and block 2 are the blocks that pool. One that lies below the inner feature is reconstructed by taking
    feedback on downwards.
    """
    blocks = [(i, block) for i, block in enumerate(network.stack) if isinstance(block, ConvBlock) and block.pool]
    targets = [clean.feature, *(block.activation(clean.memories[i]) for i, block in blocks)]
    found = dict.fromkeys(TERMS[2:], clean.logits.new_zeros(()))
    for state in cycled:
        assert state.reconstruction is not None
        made = chain([state.reconstruction], (network.imagine(state, i) for i, _ in blocks))
        for name, one, target in zip(found, made, targets, strict=True):
            found[name] = found[name] + squared_error(one, target.detach() if detach else target).sum()
    return found
