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
        return sum((view.reports for view in self.views), rules.tally([]))

    @property
    def ours(self) -> Tally:
        """Verdicts of claims of our own."""
        return sum((view.ours for view in self.views), rules.tally([]))

    @property
    def decided(self) -> int:
        """How many claims were judged and not left open."""
        return (self.reports + self.ours).decided

    @property
    def datasets(self) -> tuple[Mapping[str, Any], ...]:
        """What the runs were made with, each once."""
        return tuple({data["sha256"]: data for run in self.runs for data in run.datasets}.values())

    @property
    def stand_in(self) -> bool:
        """Whether any of the runs used data that are not the real ones."""
        return any(run.stand_in for run in self.runs)
