"""Which files stand behind a study's part of the report: this checkout's, and those of its newest valid snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.snapshot import Rejected, Snapshot
from biorobust.reporting.study import Study


@dataclass(frozen=True)
class Source:
    """One study in one run. `key`, "current" or "recorded", names its folders in reports/tables and reports/figures.

    `base` holds params.yaml and dvc.lock, `results` the folders metrics and run_info. `snapshot`: None for this run.
    """

    key: str
    study: Study
    base: Path
    results: Path
    snapshot: Snapshot | None

    @property
    def metrics(self) -> Path:
        return self.results / "metrics"

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
    if not valid:
        return None
    newest = max(valid, key=lambda item: (item.recorded_at, item.name))
    made = STUDIES[study](read_params(newest.params))
    return Source(key="recorded", study=made, base=newest.path, results=newest.path, snapshot=newest)


def sources(root: Path, study: str, *, found: Iterable[Snapshot | Rejected]) -> list[Source]:
    """What the report shows of a study in the checkout `root`: this run, then the recorded one if there is any."""
    return [current(root, study), *filter(None, [recorded(found, study)])]
