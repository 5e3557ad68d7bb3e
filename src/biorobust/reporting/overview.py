"""All studies at a glance: a view of each, and the verdicts they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biorobust.reporting.provenance import Provenance
from biorobust.reporting.view import View
from biorobust.statistics import rules
from biorobust.statistics.rules import Tally


@dataclass(frozen=True)
class Overview:
    """`views`: one per study, at least one. Recorded ones may be of several runs."""

    views: tuple[View, ...]

    @property
    def runs(self) -> tuple[Provenance, ...]:
        """The runs behind the views, each once."""
        return tuple({id(view.provenance): view.provenance for view in self.views}.values())

    @property
    def reports(self) -> Tally:
        """Verdicts of what reports and papers claim, all studies together."""
        return self._tally(ours=False)

    @property
    def ours(self) -> Tally:
        """Verdicts of claims of our own."""
        return self._tally(ours=True)

    def _tally(self, *, ours: bool) -> Tally:
        counted = (item for view in self.views for item in view.judged if item.counted and item.claim.ours == ours)
        return rules.tally((item.verdict, item.provisional) for item in counted)

    @property
    def decided(self) -> bool:
        """Whether any claim was judged and not left open."""
        return any(view.decided for view in self.views)

    @property
    def datasets(self) -> tuple[Mapping[str, Any], ...]:
        """What the runs were made with, each once."""
        return tuple({data["sha256"]: data for run in self.runs for data in run.datasets}.values())

    @property
    def stand_in(self) -> bool:
        """Whether any of the runs used data that are not the real ones."""
        return any(run.stand_in for run in self.runs)
