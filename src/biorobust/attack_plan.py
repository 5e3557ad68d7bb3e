"""What a study attacks with: the block of params.yaml that every study's attack stage reads."""

from __future__ import annotations

from dataclasses import dataclass

from biorobust.schema import count, setting

# The names in the registry `biorobust.attacks.ATTACKS`, spelled here so that params.yaml is checked without torch.
NAMES = ("fgsm-report", "fgsm-cross-entropy", "fgsm-margin")


@dataclass(frozen=True)
class AttackPlan:
    """Names in the registry of attacks, and the grid of L-infinity sizes in units of pixel intensity."""

    attacks: tuple[str, ...] = setting(
        f"a list without repeats, of {', '.join(NAMES)}",
        lambda attacks: set(attacks) <= set(NAMES) and len(set(attacks)) == len(attacks),
    )
    eps: tuple[float, ...] = setting(
        "a rising list of numbers in [0, 1] that starts with 0",
        lambda eps: list(eps) == sorted(set(eps)) and eps[0] == 0 and eps[-1] <= 1,
    )


@dataclass(frozen=True)
class AttackSize:
    """How many of the fixed evaluation images are attacked."""

    n_images: int = count(8)
