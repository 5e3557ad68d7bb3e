"""A claim as data: what is said, by whom, under which readings, and the checks that decide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.core.errors import BiorobustError

CONTRASTS = ("order", "no difference")
# What a quantity may be, and the keys it has besides.
QUANTITIES = {
    "accuracy": {"attack", "images"},  # of a run; on clean test images where nothing else is named
    "zero_gradient_correct": {"attack"},  # share of images that are right and have an exactly zero gradient
    "reached": {"attack"},  # share of images that a targeted attack brings to its target
    "curve_distance": {"attack", "published"},  # largest gap, over epsilon, between mean and published accuracy
    "value": {"of"},  # a number logged per seed in a metrics file such as pretrain/normal
    "collapses": set(),  # share of the seeds of a metrics file whose training collapsed or diverged
    "epochs_to": {"of"},  # epochs until a metrics file's training had a test accuracy such as "0.8"
    "fall": {"of"},  # by which share a logged column of a run's curves falls from the first epoch to the last
    "jump": set(),  # median jump of a run's outputs along random lines
    "jump_by_gamma": set(),  # Spearman's rank correlation of gamma and median jump, on a run's weights
}

# Logged values that are no proportion and are printed as they are, with their unit, by a word of their name.
UNITS = {"psnr": "dB"} | dict.fromkeys(("autocorrelation", "margin", "alike", "self", "ratio", "growth", "signs"), "")
KIND_UNITS = {"epochs_to": "epochs", "jump": "sd", "jump_by_gamma": ""}  # of what other quantities count


class ClaimsError(BiorobustError):
    """A claims file, or the table of printed numbers beside it, holds something that cannot be judged."""


@dataclass(frozen=True)
class Reading:
    """One way to understand a claim."""

    name: str
    words: str


@dataclass(frozen=True)
class Published:
    """Accuracies a report prints, as proportions of `n` images, by epsilon."""

    n: int
    accuracy: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Quantity:
    """Something measured. `of`: a run, or for a logged value the metrics file it stands in; `key`: which value.

    `images`: the test images of an accuracy, "clean", "noisy" or "blurred".
    """

    kind: str
    of: str
    attack: str | None = None
    images: str = "clean"
    key: str | None = None
    published: Published | None = None

    @property
    def unit(self) -> str | None:
        """The unit of a logged value, "" for one without; None for a proportion."""
        if self.kind in KIND_UNITS:
            return KIND_UNITS[self.kind]
        return next((UNITS[word] for word in (self.key or "").split("_") if word in UNITS), None)


@dataclass(frozen=True)
class Check:
    """One row of a claim: a quantity at one epsilon and the rule for it. `eps` is None where nothing is attacked.

    `requires`: metrics file -> the settings it must have been made with. `counts`: takes part in the claim's verdict.
    `smallest`: for an order of something else than accuracies, the smallest difference that counts. `errors`: "no
    difference" is asked of the ratio of the errors. Checks of a claim with the same `any_of` count as one, for which a
    single one of them is enough. `missing`: why the quantity is not there, for one that no stage measures.
    """

    label: str
    rule: str
    quantity: Quantity
    against: Quantity | None
    eps: float | None
    reported: float | None
    reported_against: float | None
    reported_n: int | None
    at_least: float | None
    at_most: float | None
    smallest: float | None
    errors: bool
    requires: tuple[tuple[str, Mapping[str, Any]], ...]
    counts: bool
    any_of: str | None = None
    missing: str | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """One or two."""
        return (self.quantity, self.against) if self.against else (self.quantity,)

    @property
    def test(self) -> tuple[object, ...]:
        """What tells its test from another one."""
        return self.quantity, self.against, self.eps


@dataclass(frozen=True)
class Claim:
    """A statement in our own words. The first reading is counted; without readings it is understood in one way.

    `checks`: under the first reading; `others`: under each further one. `every`: it holds only if each part does.
    """

    id: str
    study: str
    source: tuple[str, ...]
    where: str
    statement: str
    note: str
    readings: tuple[Reading, ...]
    every: bool
    checks: tuple[Check, ...]
    others: tuple[tuple[Check, ...], ...] = ()

    @property
    def ours(self) -> bool:
        """Whether no report and no paper says it: such claims are counted apart."""
        return self.source == ("ours",)

    @property
    def every_check(self) -> tuple[Check, ...]:
        """Those under all readings."""
        return sum(self.others, self.checks)

    def under(self, reading: Reading | None) -> tuple[Check, ...]:
        """The checks of a claim that is read in this way."""
        position = self.readings.index(reading) if reading else 0
        return (self.checks, *self.others)[position]
