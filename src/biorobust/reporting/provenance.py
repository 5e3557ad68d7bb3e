"""Where the numbers of one run come from: parameters, commits, hardware, times and outputs, for all its studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from biorobust.reporting.claim import Claim
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notes import cost, outputs, read_note
from biorobust.reporting.registry import read_params
from biorobust.reporting.requirements import STAND_IN
from biorobust.reporting.snapshot import Snapshot
from biorobust.reporting.source import Source

Commit = tuple[str | None, bool]  # hash, and whether code or parameters differed from it


@dataclass(frozen=True)
class Provenance:
    """One run, that of this checkout or a recorded one. `studies`: the titles of those it is shown for.

    `notes`: stage -> what it noted, None for one that DVC restored from its cache. `outputs`: stage -> their paths, in
    dvc.lock.
    """

    label: str
    scale: str
    studies: tuple[str, ...]
    params: Mapping[str, Any]
    datasets: tuple[Mapping[str, Any], ...]
    notes: Mapping[str, Mapping[str, Any] | None]
    outputs: Mapping[str, tuple[str, ...]]
    snapshot: Snapshot | None
    protocol_changed: bool

    @property
    def stand_in(self) -> bool:
        """Whether the run used data that are not the real ones."""
        return any(data["fidelity"] == STAND_IN for data in self.datasets)

    @property
    def noted(self) -> tuple[Mapping[str, Any], ...]:
        """The notes there are."""
        return tuple(note for note in self.notes.values() if note is not None)

    @property
    def seconds(self) -> float:
        """Of all starts, where a stage noted them, else of its last."""
        return sum(map(cost, self.noted))

    @property
    def at_least(self) -> str:
        """What to say before `seconds` where they are not all."""
        complete = len(self.noted) == len(self.notes) and all("total_seconds" in note for note in self.noted)
        return "" if complete else "at least "

    @property
    def commits(self) -> tuple[Commit, ...]:
        """What the stages ran at."""
        return tuple(dict.fromkeys((note.get("commit"), bool(note.get("modified"))) for note in self.noted))

    @property
    def other_commits(self) -> tuple[Commit, ...]:
        """For a recorded run: what its stages ran at, where that is not the commit it was recorded at."""
        return tuple(commit for commit in self.commits if self.snapshot and commit[0] != self.snapshot.commit)

    @property
    def versions(self) -> tuple[str, ...]:
        """Packages with the versions that the stages noted."""
        found = (f"{name} {version}" for note in self.noted for name, version in note["versions"].items() if version)
        return tuple(dict.fromkeys(found))

    def distinct(self, *keys: str) -> tuple[str, ...]:
        """The different values the stages noted under `keys`, in order of appearance."""
        return tuple(dict.fromkeys(", ".join(str(note.get(key)) for key in keys) for note in self.noted))


def provenance(sources: Sequence[Source], *, claims: Sequence[Claim]) -> Provenance:
    """Of sources that belong to one run; `claims` are those by which it is judged now.

    Raises BiorobustError naming a damaged file.
    """
    first = sources[0]
    params = read_params(first.root / "params.yaml")
    scale, snapshot = str(params["scale"]), first.snapshot
    stages = tuple(dict.fromkeys(stage for source in sources for stage in source.study.stages()))
    if snapshot is not None:  # the stages of its own graph, which may have been another one
        stages = tuple(sorted(path.stem for path in (first.results / "run_info").glob("*.json")))
    locked = outputs(first.root / "dvc.lock")
    notes = {stage: read_note(first.results / "run_info", stage, scale=scale) for stage in stages}
    metrics = Measurements(first.folders[0])
    datasets = dict.fromkeys(f"data/{name}" for source in sources for name in source.study.datasets)
    return Provenance(
        label=replace(first, older=()).label,
        scale=scale,
        studies=tuple(source.study.title for source in sources),
        params=params,
        datasets=tuple(filter(None, map(metrics.get, datasets))),
        notes={stage: note for stage, note in notes.items() if note is not None or stage in locked},
        outputs={stage: locked[stage] for stage in stages if stage in locked},
        snapshot=snapshot,
        protocol_changed=snapshot.protocol_changed(claims) if snapshot else False,
    )
