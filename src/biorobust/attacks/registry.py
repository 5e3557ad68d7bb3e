"""The registry of attacks: what each one does, on which loss, and where its gradient comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from biorobust.attacks import apgd, averaged, deepfool, fgsm, fmn, given, losses, pgd, square
from biorobust.attacks.crafting import Crafted
from biorobust.attacks.records import WORST_CASE
from biorobust.core.errors import BiorobustError

MODEL = "model"
STEPS = 40  # of every PGD here
BEST = "-best"
TRANSFER = "transfer"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One entry of the registry.

    craft(view, batch, eps=) -> Crafted, with everything else of the attack bound to it.
    view: "model", or the name of one of the study's attack views.
    best: take the first iterate that fools instead of the last. targeted: it aims at a class, `run`'s targets.
    watched: it looks at its iterates, leaves broken images alone, and draws random numbers that belong to images.
    given: it begins from points found before; what stands after @ names those, where it takes no gradient.
    """

    craft: Callable[..., Crafted]
    about: str
    view: str = MODEL
    best: bool = False
    targeted: bool = False
    watched: bool = False
    given: bool = False


def _pgd(
    loss: losses.Loss,
    about: str,
    *,
    rel_stepsize: float | None = None,
    abs_stepsize: float | None = None,
    targeted: bool = False,
) -> Attack:
    craft = partial(
        pgd.craft, loss=loss, steps=STEPS, rel_stepsize=rel_stepsize, abs_stepsize=abs_stepsize, targeted=targeted
    )
    return Attack(craft=craft, about=about, targeted=targeted)


# Two and a half times epsilon can be walked, whatever epsilon: enough to cross the ball from any start.
_ACROSS = 2.5 / STEPS

_LAST_ITERATE = {
    "pgd-report": _pgd(
        losses.cross_entropy,
        "PGD on the cross-entropy as in the k-WTA report: 40 steps of 0.003 epsilon, 0.12 epsilon in all",
        rel_stepsize=0.003,
    ),
    "pgd-corrected": _pgd(
        losses.cross_entropy,
        "PGD on the cross-entropy, 40 steps of 0.003 in pixel units, as in the original k-WTA paper",
        abs_stepsize=0.003,
    ),
    "pgd-cross-entropy": _pgd(
        losses.cross_entropy, "PGD on the cross-entropy, 40 steps of 2.5 epsilon / 40", rel_stepsize=_ACROSS
    ),
    "pgd-margin": _pgd(
        losses.margin, "PGD on the margin of the logits, 40 steps of 2.5 epsilon / 40", rel_stepsize=_ACROSS
    ),
}

# They stop at the first iterate that fools; images that are wrong from the start are left alone.
_ADAPTIVE: dict[str, tuple[Callable[..., Crafted], str]] = {
    "apgd-cross-entropy": (
        partial(apgd.craft, loss=losses.cross_entropies, steps=50),
        "APGD on the cross-entropy, 50 steps, one random start",
    ),
    "apgd-margin": (
        partial(apgd.craft, loss=losses.margins, steps=50),
        "APGD on the margin of the logits, 50 steps, one random start",
    ),
    "apgd-logits-ratio": (
        partial(apgd.craft, loss=losses.logits_ratios, steps=100, restarts=3),
        "APGD on the difference of logits ratio, 100 steps, 3 random starts",
    ),
    "apgd-targeted": (
        partial(apgd.craft, targeted=losses.targeted_logits_ratios, n_targets=3, steps=100, restarts=2),
        "APGD on the targeted difference of logits ratio, towards each of the 3 likeliest wrong classes, 100 steps, "
        "2 random starts",
    ),
    "apgd-noise": (
        partial(apgd.craft, loss=losses.cross_entropies, steps=50, draws_of_noise=16),
        "APGD on the cross-entropy, 50 steps, gradients averaged over 16 draws of the model's noise",
    ),
    "fmn": (partial(fmn.craft, steps=100), "fast minimum-norm attack, 100 steps, its perturbation clipped to epsilon"),
    "pgd-averaged": (
        partial(averaged.craft, loss=losses.margins, steps=100, n=16, radius=0.5),
        "PGD on the margin, 100 shrinking steps along the mean gradient over 16 points within half of epsilon",
    ),
    "pgd-averaged-64": (
        partial(averaged.craft, loss=losses.margins, steps=100, n=64, radius=0.5, restarts=2),
        "PGD on the margin, 100 shrinking steps along the mean gradient over 64 points within half of epsilon, "
        "and again from the best of them",
    ),
    "square": (partial(square.craft, queries=5000), "Square, 5,000 queries, no gradient"),
    "random-corners": (partial(square.corners, queries=1000), "1,000 random corners of the ball, no gradient"),
    TRANSFER: (given.craft, "adversarial images found on other models or by other attacks, as they are"),
    "warm-start": (
        partial(apgd.craft, loss=losses.margins, steps=100, warm=True),
        "APGD on the margin, 100 steps from the best point that earlier attacks found",
    ),
}

ATTACKS: dict[str, Attack] = {
    "fgsm-report": Attack(
        craft=partial(fgsm.craft, loss=losses.negative_output),
        view="report",
        about="FGSM on minus the true class's output, on the outputs the report differentiated",
    ),
    "fgsm-cross-entropy": Attack(
        craft=partial(fgsm.craft, loss=losses.cross_entropy), about="FGSM on the cross-entropy of the logits"
    ),
    "fgsm-margin": Attack(
        craft=partial(fgsm.craft, loss=losses.margin), about="FGSM on the margin of the logits, which cannot saturate"
    ),
    **_LAST_ITERATE,
    **{
        f"{name}{BEST}": replace(attack, best=True, about=f"{attack.about}; the first iterate that fools")
        for name, attack in _LAST_ITERATE.items()
    },
    "pgd-targeted": _pgd(
        losses.cross_entropy,
        "PGD down the cross-entropy of another class (by default the next one), 40 steps of 2.5 epsilon / 40",
        targeted=True,
        rel_stepsize=_ACROSS,
    ),
    "deepfool-report": Attack(
        craft=partial(deepfool.craft, steps=20, candidates=10, overshoot=0.02, one_pass=True),
        about="DeepFool in L-infinity, 20 steps, 10 candidate classes, its perturbation clipped to epsilon",
    ),
    **{
        name: Attack(craft=craft, about=about, watched=True, given=name in (TRANSFER, "warm-start"))
        for name, (craft, about) in _ADAPTIVE.items()
    },
}


def get(name: str) -> Attack:
    """The entry of a name, or of `name@view`: the same attack with its gradient from that view.

    Raises BiorobustError naming the known attacks.
    """
    entry, _, view = name.partition("@")
    if entry not in ATTACKS:
        raise BiorobustError(f"attack {name!r}: unknown; known are {', '.join(ATTACKS)} (params.yaml)")
    return replace(ATTACKS[entry], view=view) if view else ATTACKS[entry]


def iterates(name: str) -> str:
    """The attack whose iterates this one reads: that of the last iterate for the one of the best, else itself."""
    entry, at, view = name.partition("@")
    return f"{entry.removesuffix(BEST)}{at}{view}"


def about(name: str) -> str:
    """One line on what an attack (or the worst case over all of them) is."""
    if name == WORST_CASE:
        return "per image, the worst of all attacks up to this epsilon"
    entry, _, view = name.partition("@")
    if not view:
        return get(name).about
    return get(name).about + (f"; those of {view!r}" if entry == TRANSFER else f"; gradient from the view {view!r}")
