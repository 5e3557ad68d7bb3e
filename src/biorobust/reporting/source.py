"""Which files stand behind a study's part of the report: this checkout's, and those of its valid snapshots.

The newest snapshot leads. Networks that it does not have are taken from older ones, so that a study can be recorded
part by part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from biorobust.reporting.measurements import Measurements
from biorobust.reporting.numbers import listed
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.snapshot import Rejected, Snapshot
from biorobust.reporting.study import Study


@dataclass(frozen=True)
class Source:
    """One study in one run, that of a checkout or of a `snapshot`. `root` holds params.yaml and dvc.lock.

    `older`: recorded runs, the newest first, that have networks which this one and those before them lack.
    """

    study: Study
    root: Path
    snapshot: Snapshot | None = None
    older: tuple[Source, ...] = ()

    @property
    def key(self) -> str:
        """The name of its folders in reports/tables and reports/figures."""
        return "recorded" if self.snapshot else "current"

    @property
    def results(self) -> Path:
        """Holds the folders metrics and run_info."""
        return self.root if self.snapshot else self.root / "reports"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of metrics."""
        return tuple(source.results / "metrics" for source in (self, *self.older))

    def metrics(self) -> Measurements:
        return Measurements(*self.folders)

    @property
    def label(self) -> str:
        """As in "this run" or "recorded runs a and b"."""
        names = [source.snapshot.name for source in (self, *self.older) if source.snapshot]
        return f"recorded run{'s' if len(names) > 1 else ''} {listed(names)}" if names else "this run"


def current(root: Path, study: str, snapshot: Snapshot | None = None) -> Source:
    """The run of the checkout `root`, or of a snapshot. Raises BiorobustError for an unsound params.yaml."""
    return Source(STUDIES[study](read_params(root / "params.yaml")), root, snapshot)


def recorded(found: Iterable[Snapshot | Rejected], study: str) -> Source | None:
    """The study's newest snapshot, with older ones for what it lacks; None where there is none."""
    valid = [item for item in found if isinstance(item, Snapshot) and study in item.studies]
    source: Source | None = None
    for item in sorted(valid, key=lambda item: (item.recorded_at, item.name), reverse=True):
        if source is None:
            source = current(item.path, study, item)
        elif _adds(item.metrics, source):
            older = replace(source, root=item.path, snapshot=item, older=())
            source = replace(source, older=(*source.older, older))
    return source


def _adds(older: Measurements, source: Source) -> bool:
    """Whether an older run has results that a source lacks, on the same data."""
    known = source.metrics()
    data = [(known.get(f"data/{name}"), older.get(f"data/{name}")) for name in source.study.datasets]
    if any(one and other and one["sha256"] != other["sha256"] for one, other in data):
        return False
    return any(older.ran(name) and not known.ran(name) for name in source.study.results())


def sources(root: Path, study: str, *, found: Iterable[Snapshot | Rejected]) -> list[Source]:
    """What the report shows of a study in the checkout `root`: this run, then the recorded one if there is any."""
    return [current(root, study), *filter(None, [recorded(found, study)])]
