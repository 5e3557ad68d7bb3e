"""The stage `download`: what it writes, what it prints, and when it calls a data set stale."""

import json
import re
import signal
from pathlib import Path

import pytest

from biorobust import datasets
from biorobust.core.files import write_json
from biorobust.datasets import DATASETS, imagenet_samples, mirror
from biorobust.params import load
from stages import download
from stages import stale as stale_stages
from stages.common import stage_main

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty working folder with params.yaml; gives a function that sets data.source in it."""
    monkeypatch.chdir(tmp_path)
    for variable in (mirror.VARIABLE, imagenet_samples.VARIABLE):
        monkeypatch.delenv(variable, raising=False)

    def source(name):
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


def test_params_yaml_lists_every_data_set():
    assert list(load(ROOT / "params.yaml").datasets) == list(DATASETS)


@pytest.fixture
def stale(capsys):
    """What `python -m stages.stale` prints, line by line."""

    def lines():
        stale_stages.main([])
        return capsys.readouterr().out.splitlines()

    return lines


def took(source):
    """Write records as if every data set had come from `source`."""
    for name in DATASETS:
        write_json(f"reports/metrics/data/{name}.json", {"source": source})


def test_data_is_stale_only_when_auto_took_bundled_data_and_a_mirror_is_set_now(checkout, monkeypatch, stale):
    monkeypatch.setenv(mirror.VARIABLE, "/anywhere")
    checkout("auto")
    assert stale() == []  # never made: DVC will make it anyway
    took("bundled")
    assert stale() == [f"download@{name}" for name in DATASETS]
    checkout("bundled")
    assert stale() == []
    checkout("auto")
    took("mirror")
    assert stale() == []
    took("bundled")
    monkeypatch.delenv(mirror.VARIABLE)
    assert stale() == []


def test_a_mirror_makes_only_those_stale_that_it_has(checkout, monkeypatch, stale, tmp_path):
    monkeypatch.setenv(mirror.VARIABLE, str(tmp_path / "mirror"))
    (tmp_path / "mirror/svhn").mkdir(parents=True)
    checkout("auto")
    took("bundled")
    assert stale() == ["download@svhn"]
    monkeypatch.setenv(imagenet_samples.VARIABLE, "/anywhere")
    assert stale() == ["download@svhn", "download@imagenet_samples"]


@pytest.mark.parametrize("name", DATASETS)
def test_a_bad_file_of_any_data_set_is_one_line_and_leaves_nothing_behind(checkout, monkeypatch, capsys, name):
    checkout("auto")
    Path("mirror", name).mkdir(parents=True)
    for split in ("train", "test"):
        Path("mirror", name, f"{split}.parquet").write_bytes(b"PAR1 and then nothing")
    monkeypatch.setenv(mirror.VARIABLE, "mirror")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        stage_main(lambda: download.main([name]))
    assert stop.value.code == 2
    *said, error = capsys.readouterr().err.splitlines()
    assert said == [f"{name}: taking the mirror, because BIOROBUST_DATA_MIRROR is set"]
    assert re.match(
        rf"error: {Path.cwd()}/mirror/{name}/(train|test)\.parquet: not a readable Parquet file \(.*\): get the", error
    )
    assert sorted(path.name for path in Path().iterdir()) == ["mirror", "params.yaml"]
