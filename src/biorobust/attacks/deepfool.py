"""DeepFool in L-infinity (Moosavi-Dezfooli et al. 2016), through Foolbox: small perturbations that just fool.

It runs once, whatever the epsilons; for each of them the perturbation is then clipped. On a network with jumps the
clipped image may stop fooling, and the raw one may not fool at all, so both are handed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import eagerpy as ep
import foolbox as fb
import torch
from torch import Tensor, nn

from biorobust.attacks.crafting import Batch, Crafted, linf, unless_broken
from biorobust.attacks.gradient import Noted
from biorobust.attacks.scoring import deterministic, predict


class TracedDeepFool(Noted, fb.attacks.LinfDeepFoolAttack):
    """LinfDeepFool that notes what is wrong with the gradients of all candidates, (B, K, C, H, W).

    Foolbox leaves an image with a pixel whose gradient is NaN or infinite unmoved; here that pixel alone counts as
    flat, as it does in FGSM and PGD, whose sign of NaN is 0.
    """

    def get_distances(self, losses: ep.Tensor, grads: ep.Tensor) -> ep.Tensor:
        return super().get_distances(losses, self.usable(grads))


class OnePassDeepFool(TracedDeepFool):
    """The same attack for a model without noise, at a fraction of the work.

    Foolbox passes all images forward once per candidate and step. Here the candidates of a step are differentiated from
    one pass, and images that did not move since the last step, above all those that are fooled, keep what is known of
    them. A minibatch of another size may round its outputs differently; there is no other difference. With noise there
    would be: an image that one pass happened to fool would never be looked at again, and stay where it is.
    """

    def _get_loss_fn(self, model: fb.Model, classes: ep.Tensor) -> Callable[[ep.Tensor, int], Any]:
        ranked = classes.raw
        rows = torch.arange(len(ranked), device=ranked.device)
        known: dict[str, Tensor] = {}  # of all images: where they are, logits, and a gradient for every candidate
        moved, at, outputs = rows, ranked, ranked  # of this step: who moved, to where, and what the model says of it

        def step(x: Tensor) -> None:
            nonlocal moved, at, outputs
            if known:
                moved = (x != known["x"]).flatten(1).any(dim=1).nonzero().squeeze(1)
            at = x[moved].requires_grad_()
            outputs = model(ep.astensor(at)).raw if len(moved) else at
            if not known:
                known["logits"], known["gradients"] = torch.empty_like(outputs), x.new_empty(ranked.shape[1], *x.shape)
            known["x"] = x.clone()
            if len(moved):
                known["logits"][moved] = outputs.detach()

        def difference(x: ep.Tensor, k: int) -> tuple[ep.Tensor, tuple[ep.Tensor, ep.Tensor]]:
            if k == 1:  # Foolbox begins every step with this candidate
                step(x.raw.detach())
            if len(moved):
                chosen = ranked[moved]
                apart = outputs.gather(1, chosen[:, [k]]) - outputs.gather(1, chosen[:, [0]])
                (known["gradients"][k][moved],) = torch.autograd.grad(apart.sum(), at, retain_graph=True)
            loss = known["logits"][rows, ranked[:, k]] - known["logits"][rows, ranked[:, 0]]
            # Foolbox differentiates what it is given: this has that gradient, to the bit.
            surrogate = (x.raw * known["gradients"][k]).sum()
            return ep.astensor(surrogate), (ep.astensor(loss), ep.astensor(known["logits"]))

        return difference


class _Watched(fb.criteria.Misclassification):
    """Misclassification that notes at which of DeepFool's checks (before every step) an image was first seen fooled."""

    def __init__(self, labels: Tensor, *, steps: int) -> None:
        super().__init__(labels)
        self.step = torch.full_like(labels, steps)
        self._checks, self._steps = 0, steps

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        fooled = super().__call__(perturbed, outputs)
        new = fooled.raw & (self.step == self._steps)
        self.step[new] = min(self._checks, self._steps)
        self._checks += 1
        return fooled


def craft(
    view: nn.Module,
    batch: Batch,
    *,
    eps: tuple[float, ...],
    steps: int,
    candidates: int,
    overshoot: float,
    one_pass: bool = False,
) -> Crafted:
    """One run of DeepFool, its perturbation clipped to every epsilon; `step` is that of the raw perturbation.

    steps, candidates (classes looked at, the predicted one among them) and overshoot as in Foolbox. one_pass: save work
    as `OnePassDeepFool` does, if the view is deterministic; one with noise gets a fresh draw in every pass, as from
    Foolbox.
    """
    kind = OnePassDeepFool if one_pass and deterministic(view, batch.images) else TracedDeepFool
    attack = kind(steps=steps, candidates=candidates, overshoot=overshoot)
    watched = _Watched(batch.labels, steps=steps)
    raw, *clipped = run_once(attack, view, batch.images, watched, eps)
    n = len(eps)
    return Crafted(
        images=clipped,
        zero_gradient=[_or_none(attack.zero_gradient, batch.labels)] * n,
        nonfinite_gradient=[_or_none(attack.nonfinite_gradient, batch.labels)] * n,
        step=[watched.step] * n,
        raw=raw,
    )


def run_once(
    attack: fb.attacks.base.MinimizationAttack,
    view: nn.Module,
    images: Tensor,
    criterion: fb.criteria.Criterion,
    eps: tuple[float, ...],
) -> list[Tensor]:
    """The perturbed images, and then the same clipped to every epsilon."""
    wrapped = fb.PyTorchModel(view, bounds=(0, 1), device=images.device)
    _, found, _ = attack(wrapped, images, criterion, epsilons=[None, *eps])
    return list(found)


def _or_none(flags: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like, dtype=torch.bool) if flags is None else flags


class Minimal(NamedTuple):
    """images: (B, C, H, W). distance: L-infinity, (B,). success: (B,) bool, the view misclassifies them.
    nonfinite_gradient: (B,) bool, as of an attack record."""

    images: Tensor
    distance: Tensor
    success: Tensor
    nonfinite_gradient: Tensor


def minimal(
    view: nn.Module, images: Tensor, labels: Tensor, *, steps: int = 50, candidates: int = 10, overshoot: float = 0.02
) -> Minimal:
    """DeepFool's own perturbed images, bounded by [0, 1] alone.

    images: (B, C, H, W) in [0, 1]; labels: (B,) int64. An image that is misclassified from the start comes back
    unmoved, at distance 0 and as a success; leave those out beforehand where only broken right answers count.
    """
    attack = TracedDeepFool(steps=steps, candidates=candidates, overshoot=overshoot)
    (raw,) = run_once(attack, view, images, fb.criteria.Misclassification(labels), ())
    found = unless_broken(raw, images)
    fooled = predict(view, found) != labels
    return Minimal(found, linf(found, images), fooled, _or_none(attack.nonfinite_gradient, labels))
