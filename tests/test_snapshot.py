"""Snapshots: what goes in, what is rejected, and recording from a clean clone with a real git and a real DVC."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from fake_hebbian import write_metrics
from made_up import ROOT
from report_checkout import claims_of

from biorobust import params
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.core.scale import set_scale
from biorobust.reporting import claim_file, snapshot
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.snapshot import Rejected, Snapshot, SnapshotError, protocol
from biorobust.statistics import THRESHOLDS
from stages import record

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def note(root, stage, **more):
    write_json(root / f"reports/run_info/{stage}.json", {"stage": stage, "device": "cpu", "wall_seconds": 1.0} | more)


def finished(root):
    """A checkout in which everything was run, at scale tiny."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "params.yaml", root)
    set_scale(root / "params.yaml", "tiny")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    write_metrics(root / "reports/metrics", scale="tiny", seeds=(0,))
    claims_of(*STUDIES, root=root)
    (root / "reports/metrics/.gitignore").write_text("/x\n")
    for stage in STUDIES["hebbian"](read_params(root / "params.yaml")).stages():
        note(root, stage)
    note(root, "report", device="another machine")
    return root


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def source(checkout, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(checkout, tmp_path / "source"))


def make(root, source, name="a-name"):
    return snapshot.create(name, root=root, source=source, studies=["hebbian"], commit=COMMIT)


def test_a_snapshot_holds_the_results_as_they_were(tmp_path, checkout):
    made = make(tmp_path, checkout)
    assert made.path == tmp_path / "reports/recorded/a-name"
    assert (made.name, made.scale, made.studies, made.commit) == ("a-name", "tiny", ("hebbian",), COMMIT)
    assert made.device == "cpu"
    assert set(made.protocol) == {"thresholds", "hebbian"}
    assert not made.protocol_changed(claim_file.load(checkout / "reports/claims"))
    listed = read_json(made.path / "manifest.json")["files"]
    there = {path.relative_to(made.path).as_posix() for path in made.path.rglob("*") if path.is_file()}
    assert set(listed) == there - {"manifest.json"}
    assert {
        *("params.yaml", "dvc.lock", "claims/hebbian.yaml", "reported/hebbian.csv"),
        *("metrics/outcomes/hebbian.npz", "run_info/compare@hebbian.json"),
    } <= set(listed)
    assert {"run_info/report.json", "claims/kwta.yaml"}.isdisjoint(listed)  # not of the study
    assert snapshot.snapshots(tmp_path / "reports/recorded") == [made]


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("reported/hebbian.csv", "0.9664", "0.9665", True),  # a printed number
        ("claims/hebbian.yaml", "at: &grid [0.0, 0.05,", "at: &grid [0, 5.0e-2,", False),  # the same, in other words
        ("claims/kwta.yaml", "at_least: 0.1", "at_least: 0.2", False),  # of another study
    ],
)
def test_an_edit_of_the_studys_claims_is_seen(tmp_path, checkout, file, old, new, changed):
    edited = Path(shutil.copytree(checkout / "reports", tmp_path / "edited"))
    text = (edited / file).read_text()
    assert old in text
    (edited / file).write_text(text.replace(old, new, 1))
    before, after = (claim_file.load(folder / "claims") for folder in (checkout / "reports", edited))
    assert (protocol(before, ["hebbian"]) != protocol(after, ["hebbian"])) is changed


def test_another_threshold_and_another_level_of_training_are_a_changed_protocol(tmp_path, checkout, monkeypatch):
    made, claims = make(tmp_path, checkout), claim_file.load(checkout / "reports/claims")
    monkeypatch.setitem(params.STUDIES["kwta"].TRAINED, "all", 0.123)
    assert not made.protocol_changed(claims)  # of another study
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "THRESHOLDS", dataclasses.replace(THRESHOLDS, tolerance=0.02))
        assert made.protocol_changed(claims)
    monkeypatch.setitem(params.STUDIES["hebbian"].TRAINED, "all", 0.123)
    assert made.protocol_changed(claims)


def test_a_name_is_checked_and_never_taken_twice(tmp_path, checkout):
    with pytest.raises(SnapshotError, match="may hold only a-z, 0-9 and -"):
        make(tmp_path, checkout, "../up")
    assert not (tmp_path / "reports").exists()
    make(tmp_path, checkout)
    with pytest.raises(SnapshotError, match="choose another name"):
        make(tmp_path, checkout)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("dvc.lock", "not a finished checkout"),
        ("reports/metrics/attack/original.json", "run `dvc repro compare@hebbian` there first"),
        ("reports/metrics/outcomes/hebbian.npz", "no outcomes of hebbian"),
    ],
)
def test_an_unfinished_checkout_leaves_nothing_behind(tmp_path, source, lost, message):
    (source / lost).unlink()
    with pytest.raises(SnapshotError, match=message):
        make(tmp_path / "main", source)
    assert not (tmp_path / "main").exists()


def test_results_of_another_scale_are_refused(tmp_path, source):
    set_scale(source / "params.yaml", "cpu")
    with pytest.raises(SnapshotError, match=r"is of scale tiny, params\.yaml says cpu"):
        make(tmp_path / "main", source)


def test_notes_that_belong_to_no_run_of_this_scale_are_left_out(tmp_path, source):
    (source / "reports/run_info/compare@hebbian.json").unlink()
    note(source, "train_controls@simple-conv", device="A Fast Card", scale="cpu")
    note(source, "train_controls@end-to-end", scale="tiny")
    made = make(tmp_path / "main", source)
    kept = {path.name for path in (made.path / "run_info").iterdir()}
    assert not kept & {"compare@hebbian.json", "train_controls@simple-conv.json"}
    assert "train_controls@end-to-end.json" in kept
    assert made.device == "cpu"
    note(source, "train_controls@simple-conv", device="A Fast Card")
    assert make(tmp_path / "again", source).device == "A Fast Card"


def test_results_of_other_studies_and_of_killed_writers_stay_behind(tmp_path, source):
    others = [{"path": f"reports/metrics/{path}"} for path in ("train/a-cell.json", "pictures")]
    own = [{"path": "reports/metrics/train/simple-conv.json"}]
    stages = {"train_kwta@a-run": {"outs": others}, "train_controls@simple-conv": {"outs": own}}
    (source / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    for path in ("train/a-cell.json", "pictures/a-cell.json", "train/in-no-lock.json"):
        write_json(source / "reports/metrics" / path, {})
    (source / "reports/metrics/train/x.json.0123456789ab.part").write_text("{")
    metrics = make(tmp_path / "main", source).path / "metrics"
    left = ("train/a-cell.json", "pictures", "train/x.json.0123456789ab.part")
    assert not any((metrics / path).exists() for path in left)
    assert all((metrics / f"train/{name}.json").exists() for name in ("simple-conv", "in-no-lock"))


def spoil_number(folder):
    path = folder / "metrics/train/simple-conv.json"
    path.write_text(path.read_text().replace('"correct": 9', '"correct": 8', 1))


def spoil_manifest(**changes):
    return lambda folder: write_json(folder / "manifest.json", read_json(folder / "manifest.json") | changes)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_number, "metrics/train/simple-conv.json was changed after recording (its SHA-256 does not fit)"),
        (lambda folder: (folder / "params.yaml").unlink(), "params.yaml is missing"),
        (lambda folder: (folder / "metrics/extra.json").write_text("{}"), "metrics/extra.json is not in manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json is not valid JSON"),
        (spoil_manifest(commit=None), "manifest.json has no valid commit"),
        (spoil_manifest(name="other"), "manifest.json is that of other"),
    ],
)
def test_a_snapshot_that_does_not_fit_is_rejected_by_name(tmp_path, checkout, spoil, reason):
    good, bad = make(tmp_path, checkout, "good"), make(tmp_path, checkout, "bad")
    spoil(bad.path)
    with pytest.raises(SnapshotError) as error:
        snapshot.load(bad.path)
    assert str(error.value) == f"bad: {reason}"
    assert snapshot.snapshots(tmp_path / "reports/recorded") == [Rejected("bad", reason), good]


# --- stages.record ---

RUN = """
import os, pathlib, shutil, sys
if pathlib.Path({fail!r}).exists():
    sys.exit(1)
shutil.copytree({made!r}, "reports", dirs_exist_ok=True, ignore=shutil.ignore_patterns(".gitignore"))
pathlib.Path({seen!r}).write_text(os.environ["BIOROBUST_WORK"])
"""
DVC_YAML = """
stages:
  compare:
    foreach: [hebbian]
    do:
      cmd: python run.py
      deps: [run.py]
      params: [scale]
      outs:
        - reports/metrics/outcomes/${item}.npz:
            cache: false
"""


def shell(*command, cwd):
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(checkout, tmp_path, monkeypatch):
    """A git and DVC repository whose one stage writes a whole set of metrics, or fails while `fail` exists."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "T")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@t")
    root = tmp_path / "project"
    claims_of(*STUDIES, root=root)
    shutil.copy(ROOT / "params.yaml", root)
    set_scale(root / "params.yaml", "laptop")
    places = {"fail": str(tmp_path / "fail"), "seen": str(tmp_path / "seen")}
    places["made"] = str(checkout / "reports")
    (root / "run.py").write_text(RUN.format(**places))
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / ".gitignore").write_text("/.record/\n/data/\n__pycache__/\n")
    shell("git", "init", "--quiet", "--initial-branch", "main", cwd=root)
    shell(sys.executable, "-m", "dvc", "init", "--quiet", cwd=root)
    shell("git", "add", "--all", cwd=root)
    shell("git", "commit", "--quiet", "--message", "start", cwd=root)
    return root


def take(project, name="a-run", **changes):
    options = {"scale": "tiny", "studies": ["hebbian"], "restart": False, "root": project}
    record.record(name, **(options | changes))


def test_recording_runs_in_a_clone_and_goes_on_after_a_failure(project, tmp_path):
    (tmp_path / "fail").touch()
    with pytest.raises(BiorobustError, match="the same command goes on from there"):
        take(project)
    assert not (project / "reports/recorded").exists()
    (tmp_path / "fail").unlink()
    take(project)
    (found,) = snapshot.snapshots(project / "reports/recorded")
    assert isinstance(found, Snapshot)
    assert (found.name, found.scale, found.commit) == ("a-run", "tiny", shell("git", "rev-parse", "HEAD", cwd=project))
    assert (tmp_path / "seen").read_text() == str(project / "data/work")
    assert shell("git", "status", "--porcelain", cwd=project) == "?? reports/recorded/"
    assert "scale: laptop" in (project / "params.yaml").read_text()

    shell("git", "add", "--all", cwd=project)
    shell("git", "commit", "--quiet", "--message", "recorded", cwd=project)
    (project / ".record/a-run").rename(project / ".record/again")
    (project / ".record/again/left.py").write_text("a file that the new commit does not have")
    take(project, "again")
    found = snapshot.load(project / "reports/recorded/again")
    assert found.commit == shell("git", "rev-parse", "HEAD", cwd=project)


def test_a_part_of_a_study_is_recorded_with_parameters_of_its_own(project):
    with pytest.raises(BiorobustError, match=r"^--set hebbian\.dleta=1: params\.yaml has no hebbian\.dleta$"):
        take(project, values=["hebbian.delta=0.3", "hebbian.dleta=1"])
    take(project, values=["scales.tiny.hebbian_attack.n_images=9", "seed=3"])
    made = params.load(project / ".record/a-run/params.yaml")
    assert (made.values["scales"]["tiny"]["hebbian_attack"]["n_images"], made.seed) == (9, 3)
    assert made.values["hebbian"]["delta"] == 0.4  # what the start that was refused had set is gone
    assert read_params(project / "reports/recorded/a-run/params.yaml")["seed"] == 3
    assert "seed: 0" in (project / "params.yaml").read_text()


def test_a_checkout_with_edits_is_refused(project, tmp_path):
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "# edited\n")
    with pytest.raises(BiorobustError, match=r"uncommitted changes \(params\.yaml first\): commit or stash them"):
        take(project)
    assert not (project / ".record").exists()
    finished(project)  # writes params.yaml anew, which a finished checkout may have changed
    for name in ("run.py", "reports/claims/hebbian.yaml"):
        text = (project / name).read_text()
        (project / name).write_text(text + "# edited\n")
        with pytest.raises(BiorobustError, match=f"{name} differs from commit"):
            record.take("a-run", source=project, studies=["hebbian"], root=tmp_path)
        (project / name).write_text(text)
    record.take("a-run", source=project, studies=["hebbian"], root=tmp_path)
    assert snapshot.load(tmp_path / "reports/recorded/a-run").scale == "tiny"


def test_a_stage_that_came_from_the_cache_keeps_what_was_noted_when_it_ran(tmp_path):
    root, clone = tmp_path / "root", tmp_path / "clone"
    entries = {"same": {"cmd": "a"}, "other": {"cmd": "b"}, "smaller": {"cmd": "c"}, "ran": {"cmd": "d"}}
    for folder, changed in ((root, {}), (clone, {"other": {"cmd": "changed"}})):
        write_json(folder / "dvc.lock", {"stages": entries | changed})  # JSON is YAML
        shutil.copy(ROOT / "params.yaml", folder)
        set_scale(folder / "params.yaml", "cpu")
    for stage in entries:
        note(root, stage, scale="tiny" if stage == "smaller" else "cpu", wall_seconds=5.0)
    note(clone, "ran", scale="cpu", wall_seconds=7.0)
    record.copy_notes(clone, root)
    noted = {path.stem: read_json(path)["wall_seconds"] for path in (clone / "reports/run_info").iterdir()}
    assert noted == {"same": 5.0, "ran": 7.0}


def test_a_clone_has_the_hashed_bytes_whatever_git_is_set_to(tmp_path, checkout):
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    made = make(origin, checkout)
    shutil.copy(ROOT / ".gitattributes", origin)
    (origin / "notes.txt").write_bytes(b"written\r\nelsewhere\n")
    shell("git", "init", "-q", cwd=origin)
    shell("git", "add", "-A", cwd=origin)
    shell("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x", cwd=origin)
    shell("git", "clone", "-q", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", origin, clone, cwd=tmp_path)
    (found,) = snapshot.snapshots(clone / snapshot.RECORDED)
    assert found.files == made.files
    assert (clone / "notes.txt").read_bytes() == (origin / "notes.txt").read_bytes()


def test_folders_named_relative_to_the_start_are_found_from_the_clone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Mock(return_value=subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(record.subprocess, "run", run)
    monkeypatch.setenv("BIOROBUST_DATA_MIRROR", "mirror")
    monkeypatch.setenv("BIOROBUST_WEIGHTS", "/weights")
    monkeypatch.delenv("BIOROBUST_IMAGENET", raising=False)
    record.repro(tmp_path / "clone", ["hebbian"], work=Path("work"))
    given = run.call_args.kwargs["env"]
    assert given["BIOROBUST_DATA_MIRROR"] == str(tmp_path / "mirror")
    assert given["BIOROBUST_WEIGHTS"] == "/weights"
    assert "BIOROBUST_IMAGENET" not in given
