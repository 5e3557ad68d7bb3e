"""What the report has to know of any study. The frame uses these names and nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from biorobust.core.attack_plan import adaptive_name
from biorobust.reporting import adaptive

if TYPE_CHECKING:
    from biorobust.reporting.claims import Judged
    from biorobust.reporting.effects import Effect
    from biorobust.reporting.headline import Headline
    from biorobust.reporting.measurements import Measurements
    from biorobust.reporting.table import Table


@dataclass(frozen=True)
class Parts:
    """What a study makes of its measurements and judged claims."""

    tables: Callable[[Any, Any, Sequence[Judged]], list[Table]] = lambda metrics, study, judged: []
    headline: Callable[[Sequence[Judged], Any, Any], Headline | None] = lambda judged, metrics, study: None
    conclusions: Callable[[Sequence[Judged], Any, Any], tuple[str, ...]] = lambda judged, metrics, study: ()
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Study(ABC):
    """A study as one params.yaml lists it; leftovers of removed runs are in none of its names.

    `name` is that of its claims, figures and template, and the ids of its tables begin with it. `attacks`:
    those that its metrics have, beside the worst case over them. `parts`: the registry joins them to the names, so that
    neither imports the other. `adaptive`: the block of params.yaml that names its networks under attacks that adapt to
    them.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    attacks: tuple[str, ...]
    parts: Parts = field(default=Parts(), kw_only=True, repr=False)
    adaptive: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    @abstractmethod
    def networks(self) -> tuple[str, ...]:
        """Every run that classifies images, in the order of params.yaml."""

    @property
    def attacked(self) -> tuple[str, ...]:
        """Those of `networks` that an attack stage attacks."""
        return self.networks

    @property
    def adapted(self) -> tuple[str, ...]:
        """The networks that stand under attacks that adapt to them: the defences, then their twins."""
        twins = self.adaptive.get("twins", {})
        return tuple(dict.fromkeys((*twins, *twins.values())))

    @property
    def adapt_stages(self) -> tuple[str, ...]:
        """The stage behind them, where there is one."""
        return (f"adapt@{self.name}",) if self.adaptive else ()

    @property
    def adapted_results(self) -> tuple[str, ...]:
        """Their metrics files."""
        return tuple(f"attack/{adaptive_name(run)}" for run in self.adapted)

    @abstractmethod
    def train_stage(self, run: str) -> str:
        """The stage that trains a network, as dvc.yaml names it."""

    @abstractmethod
    def attack_stage(self, run: str) -> str:
        """The stage that attacks one of `attacked`."""

    @abstractmethod
    def stages(self) -> tuple[str, ...]:
        """Every stage behind the study's metrics, in the order of dvc.yaml."""

    def ends(self) -> tuple[str, ...]:
        """The stages that are the whole study together with all they need."""
        return (f"compare@{self.name}",)

    @abstractmethod
    def results(self) -> tuple[str, ...]:
        """The metrics files that a finished study has, such as "train/report-uniform"."""

    def tables(self, metrics: Measurements, judged: Sequence[Judged]) -> list[Table]:
        """The study's tables. `judged` are the study's claims, which hold what the report printed."""
        return [*self.parts.tables(metrics, self, judged), *adaptive.tables(metrics, self)]

    def headline(self, judged: Sequence[Judged], metrics: Measurements) -> Headline | None:
        """The answer at the top of the page, for a study that has one."""
        return self.parts.headline(judged, metrics, self)

    def conclusions(self, judged: Sequence[Judged], metrics: Measurements) -> tuple[str, ...]:
        """What follows for the study, a paragraph each: sentences chosen by verdicts and filled from metrics."""
        return (*self.parts.conclusions(judged, metrics, self), *adaptive.conclusions(metrics, self))

    def facts(self, metrics: Measurements, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """What else the study's template prints of a run, by name."""
        return {}


Make = Callable[[Mapping[str, Any]], Study]  # from the values of a params.yaml


def registered(make: Make, **parts: Any) -> Make:
    """What makes a study from the values of a params.yaml, joined with its `Parts`."""
    return lambda params: replace(make(params), parts=Parts(**parts))


def of_claims(tables: Callable[..., list[Table]]) -> Callable[[Any, Any, Sequence[Judged]], list[Table]]:
    """Tables that need what the claims' sources print, and no verdicts."""
    return lambda m, study, judged: tables(m, study, [item.claim for item in judged if item.counted])
