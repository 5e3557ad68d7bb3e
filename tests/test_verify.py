"""`make verify`: a recorded run is run again from its commit and settings, and its numbers are compared."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from small_metrics import logged, network, seal

from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.core.scale import set_scale
from biorobust.reporting import snapshot, verification
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.verification import DIFFERS, EQUAL, WITHIN
from stages import verify

ROOT = Path(__file__).resolve().parent.parent
STAGE = "train_controls@a-run"
OUTS = [f"{name}.json" for name in ("summary/hebbian", "data/mnist", "train/a-run", "attack/a-run", "pretrain/a")]
OUTS += ["curves/a-run.csv"]


def git(*arguments, folder):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(metrics, *, correct=(900, 905, 910), left=700, data="0"):
    """What the one stage of these tests measures."""
    counts = {"correct": [left], "zero_gradient": 5, "zero_gradient_correct": 5, "unverified": [0]}
    attacked = {"fgsm-report": [counts] * len(correct)}
    network(metrics, "a-run", correct, attacked=attacked, study="hebbian")
    logged(metrics, "pretrain/a", converged_share=[0.25], norm=[1.5])
    said = {"name": "mnist", "title": "digits", "note": "made up", "licence": "none", "source": "mirror"}
    split = {"n": 10, "per_class": [1] * 10}
    sizes = {"image_shape": [28, 28], "n_classes": 10, "train": split, "test": split}
    write_json(metrics / "data/mnist.json", said | sizes | {"sha256": data * 64, "fidelity": "official"})
    write_json(metrics / "summary/hebbian.json", {})  # a part of a study without its headline networks
    (metrics / "curves").mkdir(exist_ok=True)
    (metrics / "curves/a-run.csv").write_text(f"seed,epoch,loss\n0,1,{left}\n")


def lock(folder):
    outs = [{"path": f"reports/metrics/{out}", "md5": "0"} for out in OUTS]
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {STAGE: {"outs": outs}}}))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout whose second commit came after the recorded run."""
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path / "work"))
    root = tmp_path / "checkout"
    (root / "reports").mkdir(parents=True)
    (root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    write(root / "reports/metrics", correct=(1, 2, 3))  # what the commit holds is not what a run of it gives
    lock(root)
    git("init", "--quiet", folder=root)
    for message in ("first", "second"):
        (root / "code.py").write_text(message)
        git("add", "--all", folder=root)
        git("commit", "--quiet", "--message", message, folder=root)
    folder = root / snapshot.RECORDED / "a-run"
    write(folder / "metrics")
    lock(folder)
    (folder / "params.yaml").write_text((root / "params.yaml").read_text().replace("seed: 0", "seed: 3", 1))
    seal(folder, commit=git("rev-parse", "HEAD~1", folder=root))
    return root


@pytest.fixture
def run(monkeypatch):
    """Lets `dvc repro` in the clone write what `write` does with changes, or fail; gives what it was asked for."""

    def stand_in(fail=False, **changes):
        asked = []

        def repro(clone, targets, *, work):
            asked.append((clone, targets, work))
            assert (clone / "code.py").read_text() == "first"
            assert "seed: 3" in (clone / "params.yaml").read_text()
            if fail:
                raise BiorobustError("a stage failed")
            assert not (clone / "dvc.lock").exists()
            assert not (clone / "reports/metrics").exists()
            write(clone / "reports/metrics", **changes)
            lock(clone)

        monkeypatch.setattr(verify, "repro", repro)
        return asked

    return stand_in


def again(root, **options):
    return verify.verify("a-run", **({"study": None, "stage": None, "keep": False, "root": root} | options))


def test_the_same_numbers_are_equal_and_leave_nothing(root, run, capsys):
    asked = run()
    numbers = again(root)
    assert {number.verdict for number in numbers} == {EQUAL}
    said = capsys.readouterr().out
    assert f"{len(numbers)} numbers: {len(numbers)} equal, 0 within their intervals, 0 differ" in said
    assert "1 files of curves, pictures and single images: 1 equal" in said
    ((clone, targets, _),) = asked
    assert targets == ["compare@hebbian"]
    assert not clone.exists()


def test_each_number_is_judged_by_its_own_interval(root, run, capsys):
    run(correct=(901, 905, 910), left=500, data="1")
    found = {(number.row.quantity, number.row.attack): number.verdict for number in again(root)}
    assert found["accuracy", ""] == WITHIN
    assert found["accuracy", "fgsm-report"] == DIFFERS
    assert found["zero_gradient", "fgsm-report"] == EQUAL
    said = capsys.readouterr().out
    assert "mnist: other data" in said
    assert ": 1 within their intervals, 1 differ" in said.replace(" equal,", ":")
    (row,) = (line for line in said.splitlines() if line.endswith(DIFFERS))
    assert {"hebbian", "a-run", "fgsm-report", "0.7", "0.5"} <= set(row.split())


def compared(root, before, now):
    """The only number of one training, from what it logged before and now."""
    for side, values in (("before", before), ("now", now)):
        logged(root / side, "pretrain/a", **{name: [value] for name, value in values.items()})
    sides = (Measurements(root / side) for side in ("before", "now"))
    (number,) = verification.compared(["pretrain/a"], *sides)
    return number


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        ({"norm": 1.5000001}, EQUAL),  # rounding
        ({"norm": 1.6}, DIFFERS),  # nothing tells its scatter
        ({"norm": None}, DIFFERS),  # no longer measured
    ],
)
def test_a_number_of_one_training_has_no_interval(tmp_path, now, verdict):
    number = compared(tmp_path, {"norm": 1.5}, now)
    assert (number.verdict, number.has_interval) == (verdict, False)
    assert ("without an interval" in verification.total([number])) is (verdict == DIFFERS)


def test_intervals_that_a_file_holds_are_used_and_are_no_numbers_themselves(tmp_path):
    ends = {"ratio_low": 1.5, "ratio_high": 2.5}
    number = compared(tmp_path, {"ratio": 2.0} | ends, {"ratio": 2.3} | ends)
    assert (number.row.quantity, number.verdict) == ("ratio", WITHIN)


def test_a_training_that_is_gone_differs(tmp_path):
    network(tmp_path / "before", "a-run", [900, 905])
    network(tmp_path / "now", "a-run", [900])
    for _ in ("one training fewer", "no file"):
        sides = (Measurements(tmp_path / side) for side in ("before", "now"))
        (number, *_) = verification.compared(["train/a-run"], *sides)
        assert (number.now, number.verdict) == (None, DIFFERS)
        (tmp_path / "now/train/a-run.json").unlink(missing_ok=True)


def test_an_interrupted_clone_is_gone_on_with_and_a_kept_one_stays(root, run):
    asked = run(fail=True)
    with pytest.raises(BiorobustError, match="a stage failed"):
        again(root, stage=STAGE)
    ((clone, targets, _),) = asked
    assert targets == [STAGE]
    (clone / "made-before").touch()
    asked = run()
    again(root, study="hebbian", keep=True)
    assert (clone / "made-before").exists()
    assert asked[0][0] == clone


def test_what_cannot_be_verified_is_said_in_one_line(root):
    for options, message in (
        ({"study": "kwta"}, "a-run has no study 'kwta'; it has hebbian"),
        ({"stage": "train_controls@b-run"}, f"has no stage 'train_controls@b-run'; .*{STAGE}"),
    ):
        with pytest.raises(BiorobustError, match=message):
            again(root, **options)
    with pytest.raises(BiorobustError, match="no recorded run 'b-run'; there are a-run"):
        verify.find("b-run", root=root)
    path = root / snapshot.RECORDED / "a-run/manifest.json"
    write_json(path, read_json(path) | {"commit": "c0ffee" * 6 + "c0ff"})
    with pytest.raises(BiorobustError, match="commit c0ffeec0ff is not in this repository's history") as error:
        again(root)
    assert "\n" not in str(error.value)


def test_the_exit_status_tells_whether_numbers_differ(root, run, monkeypatch):
    monkeypatch.setattr(verify, "ROOT", root)
    for left, status in ((690, 0), (500, 1)):
        run(left=left)
        with pytest.raises(SystemExit) as ended:
            verify.main(["a-run"])
        assert ended.value.code == status


def test_a_stage_really_runs_again_and_gives_the_same_numbers(tmp_path, monkeypatch):
    """Weights learned without labels, twice: in a small checkout with the code of this one, and in a clone of it."""
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path / "work"))
    for name in set(os.environ) & {"BIOROBUST_DATA_MIRROR", "BIOROBUST_KEEP_STATES"}:
        monkeypatch.delenv(name)
    first = tmp_path / "first"
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, first / name, ignore=shutil.ignore_patterns("__pycache__"))
    (first / ".dvc").mkdir()
    for name in (".gitignore", ".dvc/config", "dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(ROOT / name, first / name)
    git("init", "--quiet", folder=first)
    git("add", "--all", folder=first)
    git("commit", "--quiet", "--message", "start", folder=first)
    set_scale(first / "params.yaml", "tiny")
    text = (first / "params.yaml").read_text().replace("source: auto", "source: bundled")
    (first / "params.yaml").write_text(text.replace("n_hidden: 64, epochs: 200", "n_hidden: 20, epochs: 5"))
    for command in ("download mnist", "hebbian_pretrain normal"):
        subprocess.run([sys.executable, "-m", *f"stages.{command}".split()], cwd=first, check=True)
    folder = first / snapshot.RECORDED / "a-run"
    folder.mkdir(parents=True)
    for path, kept in snapshot.COPIED.items():
        (first / path).rename(folder / kept)
    seal(folder, commit=git("rev-parse", "HEAD", folder=first))
    numbers = again(first, stage="hebbian_pretrain@normal")
    quantities = {"converged_share", "negative_share", "autocorrelation", "diverged"}
    assert {(number.row.file, number.row.quantity) for number in numbers} == {
        ("pretrain/normal", q) for q in quantities
    }
    assert {number.verdict for number in numbers} == {EQUAL}
