"""What the report has to know of any study. The frame uses these names and nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biorobust.reporting.claim import Claim
    from biorobust.reporting.claims import Judged
    from biorobust.reporting.headline import Headline
    from biorobust.reporting.metrics import Metrics
    from biorobust.reporting.tables.table import Table


@dataclass(frozen=True)
class Study(ABC):
    """A study as one params.yaml lists it; leftovers of removed runs are in none of its names.

    `name` is that of its claims, of its folder in reports/figures, of its notebook and of its template, and the ids of
    its tables begin with it. `attacks`: those that its metrics have, beside the worst case over them. Methods import
    what they call, so that names alone cost nothing.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    attacks: tuple[str, ...]

    @property
    @abstractmethod
    def networks(self) -> tuple[str, ...]:
        """Every run that classifies images, in the order of params.yaml."""

    @property
    def attacked(self) -> tuple[str, ...]:
        """Those of `networks` that an attack stage attacks."""
        return self.networks

    @abstractmethod
    def train_stage(self, run: str) -> str:
        """The stage that trains a network, as dvc.yaml names it."""

    @abstractmethod
    def attack_stage(self, run: str) -> str:
        """The stage that attacks one of `attacked`."""

    def commands(self) -> Mapping[tuple[str, str | None], Sequence[str]]:
        """Stages that train and that attack (None: nothing does) -> the networks they are for."""
        found: dict[tuple[str, str | None], list[str]] = {}
        for run in self.networks:
            attack = self.attack_stage(run) if run in self.attacked else None
            found.setdefault((self.train_stage(run), attack), []).append(run)
        return found

    @abstractmethod
    def stages(self) -> tuple[str, ...]:
        """Every stage behind the study's metrics, in the order of dvc.yaml."""

    def ends(self) -> tuple[str, ...]:
        """The stages that are the whole study together with all they need."""
        return (f"compare@{self.name}",)

    @abstractmethod
    def results(self) -> tuple[str, ...]:
        """The metrics files that a finished study has, such as "train/report-uniform"."""

    @abstractmethod
    def tables(self, metrics: Metrics, claims: Sequence[Claim]) -> list[Table]:
        """The study's tables. `claims` are those of the study and hold what the report printed."""

    def headline(self, judged: Sequence[Judged], metrics: Metrics) -> Headline | None:
        """The answer at the top of the page, for a study that has one."""
        return None

    def conclusions(self, judged: Sequence[Judged], metrics: Metrics) -> tuple[str, ...]:
        """What follows for the study, a paragraph each: sentences chosen by verdicts and filled from metrics."""
        return ()

    def facts(self, metrics: Metrics, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """What else the study's template prints of a run, by name."""
        return {}
