"""Snapshots of larger runs: `reports/recorded/<name>/`, outside every DVC out, with a hash of every file.

A snapshot is the evidence behind the report's verdicts, so it is written once, in one step, and never changed: one
whose files do not fit its manifest is rejected by name, and the report says so instead of using it.
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
# Of runs from before there was a file for each study: SHA-256 of claims.yaml -> claims, as they are hashed now.
OF_CLAIMS_YAML = {
    "fa4b90f604deb67b920955f577ac1efd774676cfe916d82a7cb6a86555b1974b": {  # cnnf-cpu
        "cnnf": "7d4e360fc1f98ab743ec002886f81b0e4f983a1d879d814c7efa3bc4bc46a66e",
    },
    "ff705240bfa79ee4e6c37b39e37d2afd59369b6fc6161c6106ba00a8f697670c": {  # vonenet-cpu
        "vonenet": "05529a0aab6fa81e4a4d9b2a4dfc55a58fc6547439a0e01e6d7d8667e13ac6f8",
    },
    "bc5423aa65a90d226a9cddeaa075bd2907f452d758bd41bb84aa72f661deed6c": {  # kwta-cpu-long
        "kwta": "9020c5311f332ae4e65934fcb92720c4bfb9b43356bce677f116e74ecde209d1",
    },
}
# Path in the checkout -> path in the snapshot.
COPIED = {"params.yaml": "params.yaml", "dvc.lock": "dvc.lock", "reports/metrics": "metrics"}
OF_STUDY = {"reports/claims/{}.yaml": "claims/{}.yaml", "reports/reported/{}.csv": "reported/{}.csv"}


class SnapshotError(BiorobustError):
    """A snapshot that cannot be made, or whose files do not fit its manifest."""


class Snapshot(BaseModel):
    """A snapshot whose every hash was found to fit: its manifest. `recorded_at` is UTC in ISO format.

    `protocol`: see the function of that name; without thresholds in runs from before there was one. `checkpoints`:
    run -> seed -> the precision its network is kept in, or why it is not; empty for older runs. `files`: path ->
    SHA-256.
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

        A run from before protocols were hashed counts as changed: all rules were revised then (docs/protocol.md).
        """
        return self.protocol != protocol(claims, self.studies)


class Rejected(NamedTuple):
    """A snapshot that is not used, and why."""

    name: str
    reason: str


def protocol(claims: Sequence[Claim], studies: Iterable[str]) -> dict[str, str]:
    """What a run of these studies is judged by, as SHA-256: the thresholds, and each study's claims."""
    found = {"thresholds": THRESHOLDS.fingerprint()}
    for study in studies:
        # With everything written out: another layout of the file changes nothing.
        own = [asdict(claim) for claim in claims if claim.study == study]
        found[study] = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
    return found


def check_new(name: str, *, root: Path) -> Path:
    """The folder of a new snapshot of the checkout `root`. Raises SnapshotError for a name that is taken, or not made
    of a-z, 0-9 and -.
    """
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

    keep_networks: puts checkpoints into the folder it is given, which has all else but the manifest, and says of each
    what `Snapshot.checkpoints` holds. Results of other studies' stages stay behind, as does a note of another scale.
    Raises SnapshotError when the name is taken, or when a result is missing or was made at another scale.
    """
    target = check_new(name, root=root)
    scale, stages = _check_finished(source, studies)
    claims = claim_file.of_checkout(source, complete=True)
    made = outputs(source / "dvc.lock")
    others = {source / path for stage, paths in made.items() if stage not in stages for path in paths}
    own = {old.format(study): new.format(study) for study in studies for old, new in OF_STUDY.items()}
    with atomic(target) as part:
        for origin, copy in {**COPIED, **own}.items():
            _copy(source / origin, part / copy, without=others)
        for stage in stages:
            if read_note(source / RUN_INFO, stage, scale=scale) is not None:
                _copy(source / RUN_INFO / f"{stage}.json", part / "run_info" / f"{stage}.json")
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
    """Read a snapshot and compare every hash. Raises SnapshotError naming the first file that does not fit."""
    try:
        return _load(path)
    except SnapshotError as error:
        raise SnapshotError(f"{path.name}: {error}") from None


def snapshots(recorded: Path) -> list[Snapshot | Rejected]:
    """Every snapshot below `recorded`, by name; those that do not fit as `Rejected`. A missing folder has none."""
    found: list[Snapshot | Rejected] = []
    for path in sorted(path for path in Path(recorded).glob("*") if path.is_dir() and path.suffix != ".part"):
        try:
            found.append(_load(path))
        except SnapshotError as error:
            found.append(Rejected(path.name, str(error)))
    return found


def _load(path: Path) -> Snapshot:
    if not (path / MANIFEST).exists():
        raise SnapshotError(f"{MANIFEST} is missing")
    try:
        manifest = read_json(path / MANIFEST)
        old = {"protocol": OF_CLAIMS_YAML.get(manifest.get("claims_sha256"), {})}
        found = Snapshot.model_validate({**old, **manifest, "path": path})
    except ValidationError as error:
        raise SnapshotError(f"{MANIFEST} has no valid {error.errors()[0]['loc'][0]}") from None
    except (AttributeError, BiorobustError):
        raise SnapshotError(f"{MANIFEST} is not valid JSON") from None
    if found.name != path.name:
        raise SnapshotError(f"{MANIFEST} is that of {found.name}")
    there, listed = set(_files(path)), found.files
    for name in sorted(there | set(listed)):
        if name not in there:
            raise SnapshotError(f"{name} is missing")
        if name not in listed:
            raise SnapshotError(f"{name} is not in {MANIFEST}")
        if sha256(path / name) != listed[name]:
            raise SnapshotError(f"{name} was changed after recording (its SHA-256 does not fit)")
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
