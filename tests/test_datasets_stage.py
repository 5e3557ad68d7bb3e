"""The stage `download`: what it writes, what it prints, and when it calls a data set stale."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from biorobust import datasets
from biorobust.datasets import mirror
from biorobust.errors import BiorobustError
from stages import download

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty working folder with params.yaml; gives a function that sets data.source in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(mirror.VARIABLE, raising=False)

    def source(name: str) -> None:
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        Path("params.yaml").write_text(re.sub(r"source: \w+", f"source: {name}", text), encoding="utf-8")

    source("bundled")
    return source


def test_the_stage_writes_the_two_files_and_says_what_it_took(checkout, capsys):
    download.main(["mnist"])
    assert len(datasets.load("data/datasets/mnist.npz").test_labels) == 359
    assert json.loads(Path("reports/metrics/data/mnist.json").read_text())["source"] == "bundled"
    assert json.loads(Path("reports/run_info/download@mnist.json").read_text())["stage"] == "download@mnist"
    said = "mnist: bundled (stand-in), 1438 training and 359 test images of 28x28, in data/datasets/mnist.npz\n"
    assert capsys.readouterr().out == said


def test_data_is_stale_only_when_auto_took_bundled_data_and_a_mirror_is_set_now(checkout, monkeypatch, capsys):
    def stale() -> str:
        download.main(["--stale"])
        return capsys.readouterr().out

    record = Path("reports/metrics/data/mnist.json")
    monkeypatch.setenv(mirror.VARIABLE, "/anywhere")
    checkout("auto")
    assert stale() == ""  # never made: DVC will make it anyway
    record.parent.mkdir(parents=True)
    record.write_text('{"source": "bundled"}')
    assert stale() == "download@mnist\n"
    checkout("bundled")
    assert stale() == ""
    checkout("auto")
    record.write_text('{"source": "mirror"}')
    assert stale() == ""
    record.write_text('{"source": "bundled"}')
    monkeypatch.delenv(mirror.VARIABLE)
    assert stale() == ""


def test_a_damaged_record_is_named(checkout, monkeypatch):
    monkeypatch.setenv(mirror.VARIABLE, "/anywhere")
    checkout("auto")
    Path("reports/metrics/data").mkdir(parents=True)
    Path("reports/metrics/data/mnist.json").write_text('{"source": "bun')
    with pytest.raises(BiorobustError, match=r"reports/metrics/data/mnist\.json is not valid JSON"):
        download.main(["--stale"])


@pytest.mark.parametrize("arguments", [[], ["mnist", "--stale"], ["--fresh"]])
def test_a_wrong_call_is_refused_with_the_usage(checkout, capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        download.main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m stages.download" in capsys.readouterr().err


def test_an_error_is_one_line_and_leaves_nothing_behind(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "stages.download", "mnist"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), mirror.VARIABLE: "/no/such/folder"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("error: BIOROBUST_DATA_MIRROR=/no/such/folder is not a folder")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
