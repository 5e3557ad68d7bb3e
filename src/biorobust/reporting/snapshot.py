"""Snapshots of larger runs: `reports/recorded/<name>/`, outside every DVC out, with a hash of every file.

A snapshot is the evidence behind the report's verdicts, so it is written once, in one step, and never changed: the
report does not use one whose files do not fit its manifest, and says so.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from biorobust import params
from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic, read_json, sha256, write_json
from biorobust.reporting import claim_file
from biorobust.reporting.claim import Claim
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.notes import outputs, read_note
from biorobust.reporting.registry import MANIFEST, STUDIES, read_params
from biorobust.statistics.thresholds import THRESHOLDS

RECORDED = Path("reports/recorded")
RUN_INFO = Path("reports/run_info")
CHECKPOINTS = "checkpoints"  # folder of a snapshot that keeps networks
NAME = re.compile(r"[a-z0-9-]+")
# Path in the checkout -> path in the snapshot.
COPIED = {"params.yaml": "params.yaml", "dvc.lock": "dvc.lock", "reports/metrics": "metrics"}
OF_STUDY = {"reports/claims/{}.yaml": "claims/{}.yaml", "reports/reported/{}.csv": "reported/{}.csv"}


class SnapshotError(BiorobustError):
    """A snapshot that cannot be made, or whose files do not fit its manifest."""


class Snapshot(BaseModel):
    """A snapshot whose every hash was found to fit: its manifest. `recorded_at` is UTC in ISO format.

    `protocol`: see the function of that name; in runs from before there was one without thresholds, and of all studies'
    claims together. `checkpoints`: run -> seed -> the precision its network is kept in, or why it is not; empty for
    older runs. `files`: path -> SHA-256.
    """

    path: Path
    name: str
    studies: tuple[str, ...]
    scale: str
    commit: str
    recorded_at: str
    device: str
    protocol: Mapping[str, str] = {}
    checkpoints: Mapping[str, Mapping[str, str]] = {}
    files: Mapping[str, str]

    @property
    def metrics(self) -> Measurements:
        return Measurements(self.path / "metrics")

    def protocol_changed(self, claims: Sequence[Claim]) -> bool:
        """Whether this run was recorded under other claims of its studies, or other thresholds, than now.

        Always for one from before protocols were hashed, when all rules were revised (docs/protocol.md).
        """
        return self.protocol != protocol(claims, self.studies)


class Rejected(NamedTuple):
    """A snapshot that is not used, and why."""

    name: str
    reason: str


def protocol(claims: Sequence[Claim], studies: Iterable[str]) -> dict[str, str]:
    """What a run of these studies is judged by, as SHA-256: the thresholds, and each study's claims and `TRAINED`."""
    found = {"thresholds": THRESHOLDS.fingerprint()}
    for study in studies:
        # With everything written out: another layout of the file changes nothing.
        own = [asdict(claim) for claim in claims if claim.study == study]
        judged_by = json.dumps([own, params.STUDIES[study].TRAINED], sort_keys=True)
        found[study] = hashlib.sha256(judged_by.encode()).hexdigest()
    return found


def check_new(name: str, *, root: Path) -> Path:
    """The folder of a new snapshot of the checkout `root`. Raises SnapshotError for a name that is taken or odd."""
    if not NAME.fullmatch(name):
        raise SnapshotError(f"snapshot name {name!r}: may hold only a-z, 0-9 and -")
    if (target := root / RECORDED / name).exists():
        raise SnapshotError(f"{target} exists: choose another name, or delete it first")
    return target


def create(
    name: str,
    *,
    root: Path,
    source: Path,
    studies: Sequence[str],
    commit: str,
    keep_networks: Callable[[Path], Mapping[str, Mapping[str, str]]] = lambda part: {},
) -> Snapshot:
    """Copy the results of the finished checkout `source` into `reports/recorded/<name>` of the checkout `root`.

    keep_networks: puts checkpoints into the folder of the new snapshot, and says of each what `Snapshot.checkpoints`
    holds. Results of other studies' stages stay behind, as does a note of another scale.
    Raises SnapshotError when the name is taken, or when a result is missing or was made at another scale.
    """
    target = check_new(name, root=root)
    scale, stages = _check_finished(source, studies)
    claims = claim_file.of_checkout(source, complete=True)
    made = outputs(source / "dvc.lock")
    others = {source / path for stage, paths in made.items() if stage not in stages for path in paths}
    copied = COPIED | {old.format(study): new.format(study) for study in studies for old, new in OF_STUDY.items()}
    noted = [stage for stage in stages if read_note(source / RUN_INFO, stage, scale=scale) is not None]
    copied |= {f"{RUN_INFO}/{stage}.json": f"run_info/{stage}.json" for stage in noted}
    with atomic(target) as part:
        for origin, copy in copied.items():
            _copy(source / origin, part / copy, without=others)
        networks = keep_networks(part)
        manifest = {
            "name": name,
            "studies": list(studies),
            "scale": scale,
            "commit": commit,
            "protocol": protocol(claims, studies),
            "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "device": _devices(part / "run_info"),
            CHECKPOINTS: networks,
            "files": {path: sha256(part / path) for path in _files(part)},
        }
        write_json(part / MANIFEST, manifest)
        check_new(name, root=root)  # may have been recorded meanwhile
    return load(target)


def load(path: Path) -> Snapshot:
    """Read a snapshot and compare every hash. Raises SnapshotError naming it and the first file that does not fit."""
    found = _read(path)
    if isinstance(found, Rejected):
        raise SnapshotError(f"{found.name}: {found.reason}")
    return found


def snapshots(recorded: Path) -> list[Snapshot | Rejected]:
    """Every snapshot below `recorded`, by name; those that do not fit as `Rejected`. A missing folder has none."""
    return [_read(path) for path in sorted(recorded.glob("*")) if path.is_dir() and path.suffix != ".part"]


def _read(path: Path) -> Snapshot | Rejected:
    def rejected(reason: str) -> Rejected:
        return Rejected(path.name, reason)

    if not (path / MANIFEST).exists():
        return rejected(f"{MANIFEST} is missing")
    try:
        manifest = read_json(path / MANIFEST)
        if old := manifest.get("claims_sha256"):  # of one file for all studies
            manifest["protocol"] = dict.fromkeys(manifest.get("studies", ()), old)
        found = Snapshot.model_validate(manifest | {"path": path})
    except ValidationError as error:
        return rejected(f"{MANIFEST} has no valid {error.errors()[0]['loc'][0]}")
    except (AttributeError, BiorobustError):
        return rejected(f"{MANIFEST} is not valid JSON")
    if found.name != path.name:
        return rejected(f"{MANIFEST} is that of {found.name}")
    there = _files(path)
    for name in sorted({*there, *found.files}):
        if name not in there:
            return rejected(f"{name} is missing")
        if name not in found.files:
            return rejected(f"{name} is not in {MANIFEST}")
        if sha256(path / name) != found.files[name]:
            return rejected(f"{name} was changed after recording (its SHA-256 does not fit)")
    return found


def _check_finished(source: Path, studies: Sequence[str]) -> tuple[str, list[str]]:
    """The scale and the stages of a checkout that has every result of the studies, made at that scale."""
    for name in ("params.yaml", "dvc.lock", "reports/claims"):
        if not (source / name).exists():
            raise SnapshotError(f"{source / name} is missing: not a finished checkout")
    raw = read_params(source / "params.yaml")
    metrics = Measurements(source / "reports" / "metrics")
    stages: list[str] = []
    for study in studies:
        runs = STUDIES[study](raw)
        stages += runs.stages()
        first = f"run `dvc repro compare@{study}` there first"
        for name in runs.results():
            content = metrics.get(name)
            if content is None:
                raise SnapshotError(f"{metrics.path(name)} is missing: {first}")
            if content["scale"] != raw["scale"]:
                scales = f"is of scale {content['scale']}, params.yaml says {raw['scale']}"
                raise SnapshotError(f"{metrics.path(name)} {scales}: {first}")
        if metrics.outcomes(study) is None:
            raise SnapshotError(f"{source} has no outcomes of {study}: {first}")
    return str(raw["scale"]), stages


def _files(folder: Path) -> list[str]:
    """Paths of all files below a folder but the manifest, relative to it, in order."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if path != MANIFEST)


def _copy(origin: Path, copy: Path, *, without: Set[Path] = frozenset()) -> None:
    for path in [origin] if origin.is_file() else sorted(origin.rglob("*")):
        # DVC keeps its own .gitignore files beside the outs; a killed writer leaves its half.
        left = path.name == ".gitignore" or path.suffix == ".part"
        if path.is_file() and not left and without.isdisjoint((path, *path.parents)):
            with atomic(copy / path.relative_to(origin) if path != origin else copy) as part:
                shutil.copyfile(path, part)


def _devices(run_info: Path) -> str:
    """The devices the stages ran on; accelerators first, and alone where there are any."""
    devices = {read_json(path).get("device", "unknown") for path in run_info.glob("*.json")}
    return ", ".join(sorted(devices - {"cpu"})) or ("cpu" if devices else "unknown")
