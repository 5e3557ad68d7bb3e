"""What a study attacks with: the block of params.yaml that every study's attack stage reads.

A study with more to say (views of its model, sizes per data set, a noisy model, smaller minibatches) has dataclasses of
its own that inherit from these; the stage and the runner see only what is declared here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.core.schema import count, setting

# The names in the registry `biorobust.attacks.ATTACKS`, spelled here so that params.yaml is checked without torch.
NAMES = (
    "fgsm-report",
    "fgsm-cross-entropy",
    "fgsm-margin",
    "pgd-report",
    "pgd-corrected",
    "pgd-cross-entropy",
    "pgd-margin",
    "pgd-report-best",
    "pgd-corrected-best",
    "pgd-cross-entropy-best",
    "pgd-margin-best",
    "pgd-targeted",
    "deepfool-report",
    "apgd-cross-entropy",
    "apgd-margin",
    "apgd-logits-ratio",
    "apgd-targeted",
    "apgd-noise",
    "fmn",
    "pgd-averaged",
    "pgd-averaged-64",
    "square",
    "random-corners",
    "transfer",
    "warm-start",
)


def attack_names(*views: str) -> Any:
    """A field for names of the registry, each alone or followed by @ and one of the study's `views`."""
    known = re.compile(f"({'|'.join(NAMES)})" + (f"(@({'|'.join(map(re.escape, views))}))?" if views else ""))
    at = f"; each may end in {', '.join(f'@{view}' for view in views)}" if views else ""
    return setting(
        f"a list without repeats, of {', '.join(NAMES)}{at}",
        lambda attacks: all(map(known.fullmatch, attacks)) and len(set(attacks)) == len(attacks),
    )


def eps_grid() -> Any:
    """A field for L-infinity sizes in units of pixel intensity."""
    return setting(
        "a rising list of numbers in [0, 1] that starts with 0",
        lambda eps: list(eps) == sorted(set(eps)) and eps[0] == 0 and eps[-1] <= 1,
    )


@dataclass(frozen=True)
class AttackPlan:
    """Names in the registry of attacks, and the grid of L-infinity sizes in units of pixel intensity."""

    attacks: tuple[str, ...] = attack_names()
    eps: tuple[float, ...] = eps_grid()

    def grid(self, dataset: str) -> tuple[float, ...]:
        """The sizes for images of a data set."""
        return self.eps

    def options(self) -> Mapping[str, Any]:
        """Other arguments of `attacks.run` that a result depends on, such as `repeats`; the metrics repeat them."""
        return {}


@dataclass(frozen=True)
class AttackSize:
    """How many of the fixed evaluation images are attacked."""

    n_images: int = count(8)

    def options(self) -> Mapping[str, Any]:
        """Other arguments of `attacks.run` that only say how it is run, such as `batch_size`."""
        return {}
