"""Does this run point the same way as the recorded one? Headline effect by headline effect, at any size of a run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from biorobust.reporting.effects import MISSING, OTHER, SAME, SMALL, Effect
from biorobust.reporting.estimates import NotMeasured, between
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.study import Study
from biorobust.reporting.table import Column, Table
from biorobust.reporting.table import table as declared
from biorobust.reporting.words import SHARED, paragraphs
from biorobust.statistics import Difference


@dataclass(frozen=True)
class Compared:
    """An effect in this run and in the recorded one; None where it was not run. Differences are proportions."""

    study: str
    effect: Effect
    now: Difference | None
    recorded: Difference | None

    @property
    def word(self) -> str:
        """One of SAME, OTHER, SMALL, MISSING. Only an effect whose interval excludes 0 points anywhere."""
        if self.now is None or self.recorded is None:
            return MISSING
        if any(found.low <= 0 <= found.high for found in (self.now, self.recorded)):
            return SMALL
        return SAME if (self.now.value > 0) == (self.recorded.value > 0) else OTHER


def compared(study: Study, now: Measurements, recorded: Measurements | None) -> list[Compared]:
    """The study's headline effects in two runs."""
    return [
        Compared(study.name, effect, *(_measured(effect, run) for run in (now, recorded)))
        for effect in study.parts.effects
    ]


def _measured(effect: Effect, metrics: Measurements | None) -> Difference | None:
    if metrics is None:
        return None
    for first, second in effect.pairs:
        with suppress(NotMeasured):
            return between(first, second, metrics)
    return None


def table(found: Sequence[Compared]) -> Table:
    """A row per effect: this run, the recorded one, and whether they point the same way."""
    return declared(
        "agreement",
        paragraphs(SHARED, "agreement_table"),
        found,
        (
            Column("study", "", lambda item: item.study),
            Column("first accuracy minus second", "text", lambda item: item.effect.words, "effect"),
            Column("this run [95 %]", "difference", lambda item: item.now, "now"),
            Column("recorded [95 %]", "difference", lambda item: item.recorded, "recorded"),
            Column("agreement", "text", lambda item: item.word, "word"),
        ),
    )
