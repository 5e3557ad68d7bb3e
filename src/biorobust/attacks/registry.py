"""The registry of attacks: what each one does, on which loss, and where its gradient comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from biorobust.attacks import deepfool, fgsm, losses, pgd
from biorobust.attacks.crafting import Crafted
from biorobust.attacks.records import WORST_CASE
from biorobust.core.errors import BiorobustError

MODEL = "model"
STEPS = 40  # of every PGD here
BEST = "-best"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One entry of the registry.

    craft(view, batch, eps=) -> Crafted, with everything else of the attack bound to it.
    view: "model", or the name of one of the study's attack views.
    best: take the first iterate that fools instead of the last. targeted: it aims at a class, `run`'s targets.
    """

    craft: Callable[..., Crafted]
    about: str
    view: str = MODEL
    best: bool = False
    targeted: bool = False


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
        craft=partial(fgsm.craft, loss=losses.margin),
        about="FGSM on the margin of the logits, which cannot saturate",
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
    view = name.partition("@")[2]
    return get(name).about + (f"; gradient from the view {view!r}" if view else "")
