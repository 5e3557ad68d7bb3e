"""Provenance tells what ran from what DVC restored, and at which commit."""

import dataclasses

import pytest
import yaml
from edits import project
from report_checkout import claims_of

from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_json
from biorobust.reporting import claim_file
from biorobust.reporting.provenance import provenance
from biorobust.reporting.snapshot import Snapshot
from biorobust.reporting.source import current

STAGES = ("download@mnist", "hebbian_pretrain@normal", "train_controls@simple-conv", "compare@hebbian")
COMMIT = "a" * 40


def note(root, stage, **more):
    entry = {"stage": stage, "wall_seconds": 10.0, "device": "cpu", "commit": COMMIT, "modified": False}
    write_json(root / f"reports/run_info/{stage}.json", entry | more)


@pytest.fixture
def root(tmp_path):
    """A checkout of scale laptop whose lock lists four stages, each with a note."""
    raw = project(scale="laptop")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    locked = {stage: {"outs": [{"path": f"{stage}.out", "md5": "0a1b"}]} for stage in STAGES}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": locked}))
    claims_of("hebbian", root=tmp_path)
    for stage in STAGES:
        note(tmp_path, stage, scale="laptop")
    return tmp_path


def of(root, *, recorded_at=None):
    """Of the checkout; with a commit, as if it were a snapshot recorded there."""
    source = current(root, "hebbian")
    if recorded_at:
        made = Snapshot(
            path=root,
            name="a-run",
            studies=("hebbian",),
            scale="laptop",
            commit=recorded_at,
            recorded_at="2026-01-01T00:00:00+00:00",
            device="cpu",
            files={},
        )
        (root / "run_info").exists() or (root / "run_info").symlink_to(root / "reports/run_info")
        source = dataclasses.replace(source, snapshot=made)
    return provenance([source], claims=claim_file.load(root / "reports/claims"))


def test_times_of_stages_that_ran_add_up(root):
    found = of(root)
    assert list(found.notes) == list(STAGES)
    assert (found.at_least, found.seconds) == ("at least ", 40.0)  # old notes are of the last start
    for stage in STAGES:
        note(root, stage, scale="laptop", total_seconds=25.0, starts=2)
    assert (of(root).at_least, of(root).seconds) == ("", 100.0)
    assert found.commits == ((COMMIT, False),)
    assert found.studies == ("Competing hidden units",)


def test_a_stage_without_a_note_was_restored_from_cache(root):
    (root / "reports/run_info/compare@hebbian.json").unlink()
    note(root, "train_controls@simple-conv", scale="paper", commit="b" * 40)
    found = of(root)
    assert [stage for stage, entry in found.notes.items() if entry is None] == list(STAGES[2:])
    assert (found.at_least, found.seconds) == ("at least ", 20.0)
    assert found.commits == ((COMMIT, False),)


def test_commits_of_a_recorded_run_are_told_where_they_differ(root):
    assert of(root).other_commits == ()
    assert of(root, recorded_at=COMMIT).other_commits == ()
    note(root, "compare@hebbian", scale="laptop", commit="b" * 40, modified=True)
    assert of(root, recorded_at=COMMIT).other_commits == (("b" * 40, True),)


@pytest.mark.parametrize(("text", "said"), [("{", "is not valid"), ("{}", "does not say")])
def test_a_damaged_note_is_named(root, text, said):
    (root / "reports/run_info/compare@hebbian.json").write_text(text)
    with pytest.raises(BiorobustError, match=rf"compare@hebbian\.json {said}"):
        of(root)


@pytest.mark.parametrize("text", ["stages: none\n", "stages: {compare@hebbian: {outs: [a]}}\n"])
def test_a_damaged_lock_is_named(root, text):
    (root / "dvc.lock").write_text(text)
    with pytest.raises(BiorobustError, match=r"dvc\.lock does not list the outputs of stages"):
        of(root)
