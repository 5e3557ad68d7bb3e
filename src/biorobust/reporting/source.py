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
    """One study in one run. `key`, "current" or "recorded", names its folders in reports/tables and reports/figures.

    `base` holds params.yaml and dvc.lock, `results` the folders metrics and run_info. `snapshot`: None for this run.
    `older`: recorded runs, the newest first, that have networks which this one and those before them lack.
    """

    key: str
    study: Study
    base: Path
    results: Path
    snapshot: Snapshot | None
    older: tuple[Source, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of metrics."""
        return tuple(source.results / "metrics" for source in (self, *self.older))

    def metrics(self) -> Measurements:
        return Measurements(*self.folders)

    @property
    def label(self) -> str:
        names = [source.snapshot.name for source in (self, *self.older) if source.snapshot]
        return f"recorded run{'s' if len(names) > 1 else ''} {listed(names)}" if names else "current run"

    @property
    def params(self) -> Path:
        return self.base / "params.yaml"


def current(root: Path, study: str) -> Source:
    """The run of the checkout `root`. Raises BiorobustError when its params.yaml cannot be read."""
    made = STUDIES[study](read_params(root / "params.yaml"))
    return Source(key="current", study=made, base=root, results=root / "reports", snapshot=None)


def recorded(found: Iterable[Snapshot | Rejected], study: str) -> Source | None:
    """The snapshot of the study that was recorded last, None where there is none."""
    valid = [item for item in found if isinstance(item, Snapshot) and study in item.studies]
    newest_first = sorted(valid, key=lambda item: (item.recorded_at, item.name), reverse=True)
    source: Source | None = None
    for item in newest_first:
        if source is None:
            made = STUDIES[study](read_params(item.params))
            source = Source(key="recorded", study=made, base=item.path, results=item.path, snapshot=item)
        elif _adds(item.metrics, source):
            older = Source(key="recorded", study=source.study, base=item.path, results=item.path, snapshot=item)
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
