"""Stages as programs: help without heavy imports, bad input in one line with a non-zero exit, nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml

from biorobust.core import runs
from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_json, write_tensors

ROOT = Path(__file__).parent.parent
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem not in ("__init__", "common"))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what a stage needs, at scale tiny on bundled data, with nothing made yet; the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    for name in ("stages", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(
        text.replace("scale: laptop", "scale: tiny").replace("source: auto", "source: bundled")
    )
    for name in ("claims", "reported"):
        shutil.copytree(ROOT / "reports" / name, tmp_path / "reports" / name)
    return tmp_path


def environment():
    """This process's variables without those that choose data, device or work folder; as many threads."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BIOROBUST_")}
    return kept | {"OMP_NUM_THREADS": str(torch.get_num_threads())}


def here(name, *arguments):
    """The stage as a call, which saves the start of a program."""
    import_module(f"stages.{name}").main(list(arguments))


def test_every_stage_explains_itself(capsys):
    for name in STAGES:
        if name != "lockfile":  # DVC's own
            with pytest.raises(SystemExit) as ended:
                here(name, "--help")
            assert ended.value.code == 0
            assert "usage:" in capsys.readouterr().out


def test_every_stage_of_the_graph_is_a_program():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    bodies = [body.get("do", body) for body in graph.values()]
    assert all(body["desc"] for body in bodies)
    commands = [line for body in bodies for line in ([body["cmd"]] if isinstance(body["cmd"], str) else body["cmd"])]
    assert {command.split()[2].removeprefix("stages.") for command in commands} <= set(STAGES)
    for body in bodies:
        for dependency in body["deps"]:
            if "$" not in dependency and not dependency.startswith(("data/", "reports/metrics", "reports/tables")):
                assert (ROOT / dependency).exists(), dependency


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        ("hebbian_pretrain", "unifrom", "hebbian_weights has uniform, normal, original"),
        ("attack", "conv", "known are report-uniform"),
        ("train_kwta", "scratch", "kwta_runs has scratch-relu"),
        ("hebbian_pretrain", "uniform", r"data/datasets/mnist\.npz.*download"),
    ],
)
def test_unknown_names_and_missing_data(checkout, name, argument, said):
    with pytest.raises(BiorobustError, match=said):
        here(name, argument)
    assert not (checkout / "data/checkpoints").exists()


def test_rank_beyond_the_units_is_named(checkout, bundled):
    text = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(text.replace("  k: 2 ", "  k: 65 "))
    bundled("mnist", checkout)
    with pytest.raises(BiorobustError, match=r"hebbian\.k = 65.*n_hidden = 64"):
        here("hebbian_pretrain", "uniform")


def test_a_damaged_checkpoint_is_named_and_nothing_is_left(checkout, bundled):
    bundled("mnist", checkout)
    config = {"n_inputs": 784, "n_hidden": 12, "n_classes": 10}
    runs.save("end-to-end", {0: runs.new("end-to-end", config)}, architecture="end-to-end", configs={0: config})
    weights = checkout / "data/checkpoints/end-to-end/seed0.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BiorobustError, match=r"seed0\.safetensors.*damaged.*dvc repro"):
        here("attack", "end-to-end")
    assert not (checkout / "data/attacks").exists()
    assert not list(checkout.rglob("*.part"))


def test_classifiers_on_converged_units_and_on_as_many_drawn_ones(checkout, bundled):
    """Seed by seed the same number of units, and other ones."""
    bundled("mnist", checkout)
    text = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(
        text.replace("hebbian_readout: {n_train: 1000, epochs: 400}", "hebbian_readout: {n_train: 100, epochs: 1}")
    )
    learned = {}
    for seed, n in ((0, 20), (1, 25)):
        weights = torch.randn(64, 784, generator=torch.Generator().manual_seed(seed))
        weights[::2][:n] /= weights[::2][:n].norm(dim=1, keepdim=True)
        learned[seed] = weights
        write_tensors(f"data/checkpoints/hebbian/normal/seed{seed}.safetensors", {"weights": weights})
    write_json("reports/metrics/pretrain/normal.json", {"seeds": [0, 1], "settings": {"p": 2}})
    chosen = {}
    for name in ("normal-converged", "normal-dropped"):
        here("train_supervised", name)
        found = json.loads((checkout / f"reports/metrics/train/{name}.json").read_text())
        assert [entry["n_units"] for entry in found["per_seed"]] == [20, 25]
        chosen[name] = [runs.load(name, seed=seed).weights for seed in (0, 1)]
    for seed, weights in learned.items():
        assert torch.equal(chosen["normal-converged"][seed], weights[::2][: (20, 25)[seed]])
        drawn = chosen["normal-dropped"][seed]
        places = (drawn[:, None] == weights).all(dim=2).nonzero()[:, 1].tolist()
        assert len(set(places)) == len(drawn)
        assert not torch.equal(drawn, chosen["normal-converged"][seed])


def test_kill_in_the_middle_loses_one_epoch_and_changes_nothing(checkout, bundled):
    """SIGKILL during learning; the second start goes on, and its weights equal those of an undisturbed run.

    The time of both is noted.
    """
    bundled("mnist", checkout)
    text = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(text.replace("n_hidden: 64, epochs: 200", "n_hidden: 64, epochs: 80"))
    here("hebbian_pretrain", "uniform")
    weights = checkout / "data/checkpoints/hebbian/uniform/seed0.safetensors"
    metrics = checkout / "reports/metrics/pretrain/uniform.json"
    info = checkout / "reports/run_info/hebbian_pretrain@uniform.json"
    undisturbed = weights.read_bytes(), metrics.read_bytes()
    assert json.loads(info.read_text())["starts"] == 1
    shutil.rmtree(checkout / "data/checkpoints")

    work = checkout / "data/work"
    command = [sys.executable, "-m", "stages.hebbian_pretrain", "uniform"]
    running = subprocess.Popen(command, cwd=checkout, env=environment(), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(work.glob("hebbian-uniform*.pt")):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not weights.exists()
    assert list(work.glob("hebbian-uniform*.pt"))
    (log,) = work.glob("hebbian_pretrain@uniform-*.json")
    (killed,) = json.loads(log.read_text()).values()
    here("hebbian_pretrain", "uniform")
    note = json.loads(info.read_text())
    assert note["starts"] == 2
    assert killed > 0.1
    assert note["total_seconds"] == pytest.approx(note["wall_seconds"] + killed, abs=0.02)
    assert (weights.read_bytes(), metrics.read_bytes()) == undisturbed
    assert list(work.glob("*")) == []
