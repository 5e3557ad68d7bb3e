"""Snapshots: what goes in, what is rejected, and recording from a clean clone with a real git and a real DVC."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_metrics import write_metrics
from made_up import ROOT
from report_checkout import claims_of

from biorobust import params
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.core.scale import set_scale
from biorobust.reporting import claim_file, snapshot
from biorobust.reporting.registry import STUDIES, read_params
from biorobust.reporting.snapshot import Rejected, Snapshot, SnapshotError
from biorobust.statistics import THRESHOLDS
from stages import record

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def finished(root, *, scale="paper", device="cpu"):
    """A checkout in which everything was run."""
    root.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "params.yaml").read_text()
    (root / "params.yaml").write_text(text)
    set_scale(root / "params.yaml", scale)
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    write_metrics(root / "reports/metrics", scale=scale)
    claims_of(*STUDIES, root=root)
    (root / "reports/metrics/.gitignore").write_text("/x\n")
    for stage in STUDIES["hebbian"](read_params(root / "params.yaml")).stages():
        write_json(root / f"reports/run_info/{stage}.json", {"stage": stage, "device": device, "wall_seconds": 1.0})
    write_json(root / "reports/run_info/report.json", {"stage": "report", "device": "another machine"})
    return root


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("checkout"))


def make(tmp_path, source, name="a-name"):
    return snapshot.create(name, root=tmp_path, source=source, studies=["hebbian"], commit=COMMIT)


def test_a_snapshot_holds_the_results_as_they_were(tmp_path, checkout):
    made = make(tmp_path, checkout)
    assert made.path == tmp_path / "reports/recorded/a-name"
    assert (made.name, made.scale, made.studies, made.commit) == ("a-name", "paper", ("hebbian",), COMMIT)
    assert made.device == "cpu"
    assert set(made.protocol) == {"thresholds", "hebbian"}
    assert not made.protocol_changed(claim_file.load(checkout / "reports/claims"))
    listed = json.loads((made.path / "manifest.json").read_text())["files"]
    there = {path.relative_to(made.path).as_posix() for path in made.path.rglob("*") if path.is_file()}
    assert set(listed) == there - {"manifest.json"}
    assert {
        "params.yaml",
        "dvc.lock",
        "claims/hebbian.yaml",
        "reported/hebbian.csv",
        "metrics/outcomes/hebbian.npz",
    } <= set(listed)
    assert "run_info/compare@hebbian.json" in listed
    assert {"run_info/report.json", "claims/kwta.yaml"}.isdisjoint(listed)  # not of the study
    assert snapshot.snapshots(tmp_path / "reports/recorded") == [made]


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("claims/hebbian.yaml", "at_least: 0.2", "at_least: 0.3", True),  # a threshold
        ("reported/hebbian.csv", "0.9664", "0.9665", True),  # a printed number
        ("claims/hebbian.yaml", "at: &grid [0.0, 0.05,", "at: &grid [0, 5.0e-2,", False),  # the same, in other words
        ("claims/kwta.yaml", "at_least: 0.1", "at_least: 0.2", False),  # of another study
    ],
)
def test_an_edit_of_the_studys_claims_is_seen(tmp_path, checkout, file, old, new, changed):
    made = make(tmp_path, checkout)
    edited = Path(shutil.copytree(checkout / "reports", tmp_path / "edited"))
    text = (edited / file).read_text()
    assert old in text
    (edited / file).write_text(text.replace(old, new, 1))
    assert made.protocol_changed(claim_file.load(edited / "claims")) is changed


def test_a_changed_threshold_is_a_changed_protocol(tmp_path, checkout, monkeypatch):
    made, claims = make(tmp_path, checkout), claim_file.load(checkout / "reports/claims")
    monkeypatch.setattr(snapshot, "THRESHOLDS", dataclasses.replace(THRESHOLDS, tolerance=2 * THRESHOLDS.tolerance))
    assert made.protocol_changed(claims)


def test_names_are_checked(tmp_path, checkout):
    with pytest.raises(SnapshotError, match="may hold only a-z, 0-9 and -"):
        make(tmp_path, checkout, "../up")
    assert not (tmp_path / "reports").exists()


def test_a_snapshot_is_never_overwritten(tmp_path, checkout):
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
def test_an_unfinished_checkout_leaves_nothing_behind(tmp_path, checkout, lost, message):
    source = Path(shutil.copytree(checkout, tmp_path / "source"))
    (source / lost).unlink()
    with pytest.raises(SnapshotError, match=message):
        make(tmp_path / "main", source)
    assert not (tmp_path / "main").exists()


def test_notes_that_belong_to_no_run_of_this_scale_are_left_out(tmp_path, checkout):
    source = Path(shutil.copytree(checkout, tmp_path / "source"))
    notes = source / "reports/run_info"
    (notes / "compare@hebbian.json").unlink()
    write_json(
        notes / "train_controls@simple-conv.json", {"device": "A Fast Card", "scale": "tiny", "wall_seconds": 1.0}
    )
    write_json(notes / "train_controls@end-to-end.json", {"device": "cpu", "scale": "paper", "wall_seconds": 1.0})
    made = make(tmp_path / "main", source)
    kept = {path.name for path in (made.path / "run_info").iterdir()}
    assert not kept & {"compare@hebbian.json", "train_controls@simple-conv.json"}
    assert "train_controls@end-to-end.json" in kept
    assert made.device == "cpu"
    write_json(notes / "train_controls@simple-conv.json", {"device": "A Fast Card", "wall_seconds": 1.0})
    assert make(tmp_path / "again", source).device == "A Fast Card"


def test_results_of_other_studies_and_of_killed_writers_stay_behind(tmp_path, checkout):
    source = Path(shutil.copytree(checkout, tmp_path / "source"))
    outs = {
        "train_kwta@a-run": ["train/a-cell.json", "pictures"],
        "train_controls@simple-conv": ["train/simple-conv.json"],
    }
    stages = {stage: {"outs": [{"path": f"reports/metrics/{path}"} for path in paths]} for stage, paths in outs.items()}
    (source / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    for path in ("train/a-cell.json", "pictures/a-cell.json", "train/in-no-lock.json"):
        write_json(source / "reports/metrics" / path, {})
    (source / "reports/metrics/train/x.json.0123456789ab.part").write_text("{")
    metrics = make(tmp_path / "main", source).path / "metrics"
    assert not (metrics / "train/a-cell.json").exists()
    assert not (metrics / "pictures").exists()
    assert not list(metrics.rglob("*.part"))
    assert (metrics / "train/simple-conv.json").exists()
    assert (metrics / "train/in-no-lock.json").exists()


def test_results_of_another_scale_are_refused(tmp_path):
    source = finished(tmp_path / "source", scale="tiny")
    set_scale(source / "params.yaml", "paper")
    with pytest.raises(SnapshotError, match=r"is of scale tiny, params\.yaml says paper"):
        make(tmp_path / "main", source)


def spoil_number(folder):
    path = folder / "metrics/train/simple-conv.json"
    path.write_text(path.read_text().replace('"correct": 9', '"correct": 8', 1))


def spoil_manifest(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    write_json(folder / "manifest.json", manifest | changes)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_number, "metrics/train/simple-conv.json was changed after recording (its SHA-256 does not fit)"),
        (lambda folder: (folder / "params.yaml").unlink(), "params.yaml is missing"),
        (lambda folder: (folder / "metrics/extra.json").write_text("{}"), "metrics/extra.json is not in manifest.json"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is not valid JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json is not valid JSON"),
        (lambda folder: spoil_manifest(folder, commit=None), "manifest.json has no valid commit"),
        (lambda folder: spoil_manifest(folder, name="other"), "manifest.json is that of other"),
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
def project(tmp_path, monkeypatch):
    """A git and DVC repository whose one stage writes a whole set of metrics, or fails while `fail` exists."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "T")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@t")
    root = tmp_path / "project"
    claims_of(*STUDIES, root=root)
    (root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_scale(root / "params.yaml", "laptop")
    places = {"fail": str(tmp_path / "fail"), "seen": str(tmp_path / "seen")}
    places["made"] = str(finished(tmp_path / "made", scale="tiny") / "reports")
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
    (project / ".record/again").parent.mkdir(exist_ok=True)
    (project / ".record/a-run").rename(project / ".record/again")
    (project / ".record/again/left.py").write_text("a file that the new commit does not have")
    take(project, "again")
    found = snapshot.load(project / "reports/recorded/again")
    assert found.commit == shell("git", "rev-parse", "HEAD", cwd=project)
    assert found.scale == "tiny"


def test_a_part_of_a_study_is_recorded_with_parameters_of_its_own(project):
    with pytest.raises(BiorobustError, match=r"^--set hebbian\.dleta=1: params\.yaml has no hebbian\.dleta$"):
        take(project, values=["hebbian.dleta=1"])
    take(project, values=["scales.tiny.hebbian_attack.n_images=9", "seed=3"])
    made = params.load(project / ".record/a-run/params.yaml")
    assert (made.values["scales"]["tiny"]["hebbian_attack"]["n_images"], made.seed) == (9, 3)
    assert read_params(project / "reports/recorded/a-run/params.yaml")["seed"] == 3
    assert "seed: 0" in (project / "params.yaml").read_text()


def test_a_dirty_tree_is_refused(project):
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "# edited\n")
    with pytest.raises(BiorobustError) as error:
        take(project)
    assert str(error.value) == "uncommitted changes (params.yaml first): commit or stash them, then record"
    assert not (project / ".record").exists()


def test_a_finished_checkout_whose_code_or_claims_were_edited_is_refused(project, tmp_path):
    finished(project)
    for name in ("run.py", "reports/claims/hebbian.yaml", "reports/reported/hebbian.csv"):
        text = (project / name).read_text()
        (project / name).write_text(text + "# edited\n")
        with pytest.raises(BiorobustError, match=f"{name} differs from commit"):
            record.take("a-run", source=project, studies=["hebbian"], root=tmp_path)
        (project / name).write_text(text)
    record.take("a-run", source=project, studies=["hebbian"], root=tmp_path)
    assert snapshot.load(tmp_path / "reports/recorded/a-run").scale == "paper"


def test_a_stage_that_came_from_the_cache_keeps_what_was_noted_when_it_ran(tmp_path):
    for name in ("root", "clone"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / "params.yaml", tmp_path / name)
        set_scale(tmp_path / name / "params.yaml", "cpu")
    entries = {"same": {"cmd": "a"}, "other": {"cmd": "b"}, "smaller": {"cmd": "c"}, "ran": {"cmd": "d"}}
    write_json(tmp_path / "root/dvc.lock", {"stages": entries})  # JSON is YAML
    write_json(tmp_path / "clone/dvc.lock", {"stages": entries | {"other": {"cmd": "changed"}}})
    for stage in entries:
        note = {"stage": stage, "scale": "tiny" if stage == "smaller" else "cpu", "wall_seconds": 5.0}
        write_json(tmp_path / f"root/reports/run_info/{stage}.json", note)
    write_json(tmp_path / "clone/reports/run_info/ran.json", {"stage": "ran", "scale": "cpu", "wall_seconds": 7.0})
    record.copy_notes(tmp_path / "clone", tmp_path / "root")
    noted = {path.stem: read_json(path)["wall_seconds"] for path in (tmp_path / "clone/reports/run_info").iterdir()}
    assert noted == {"same": 5.0, "ran": 7.0}


def test_a_clone_has_the_hashed_bytes_whatever_git_is_set_to(tmp_path, checkout):
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    made = snapshot.create("a-name", root=origin, source=checkout, studies=["hebbian"], commit=COMMIT)
    (origin / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    (origin / "notes.txt").write_bytes(b"$Id$\nwritten\r\nelsewhere\n")
    (tmp_path / "attributes").write_text("* text=auto ident filter=shout\n")
    person = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "-A"], [*person, "commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    attributes = f"core.attributesFile={tmp_path}/attributes"
    settings = ("core.autocrlf=true", "core.eol=crlf", attributes, "filter.shout.smudge=tr a-z A-Z")
    options = [part for setting in settings for part in ("-c", setting)]
    subprocess.run(["git", "clone", "-q", *options, origin, clone], cwd=tmp_path, check=True)
    assert [item.name for item in snapshot.snapshots(clone / snapshot.RECORDED) if isinstance(item, Snapshot)] == [
        made.name
    ]
    assert (clone / "notes.txt").read_bytes() == (origin / "notes.txt").read_bytes()


def test_folders_named_relative_to_the_start_are_found_from_the_clone(tmp_path, monkeypatch):
    given = []

    def run(*_, env, **__):
        given.append(env)
        return subprocess.CompletedProcess([], 0)

    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record.subprocess, "run", run)
    monkeypatch.setenv("BIOROBUST_DATA_MIRROR", "mirror")
    monkeypatch.setenv("BIOROBUST_WEIGHTS", "/weights")
    monkeypatch.delenv("BIOROBUST_IMAGENET", raising=False)
    record.repro(tmp_path / "clone", ["hebbian"], work=Path("work"))
    assert given[0]["BIOROBUST_DATA_MIRROR"] == str(tmp_path / "mirror")
    assert given[0]["BIOROBUST_WEIGHTS"] == "/weights"
    assert "BIOROBUST_IMAGENET" not in given[0]
