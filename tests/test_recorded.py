"""Networks inside recorded runs: half precision where it changes nothing, small ones only, and loaded by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small_metrics import network, seal

from biorobust import recorded, runs
from biorobust.core import runs as core_runs
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, read_tensors, sha256, write_json, write_npz, write_tensors
from biorobust.reporting import snapshot

ROOT = Path(__file__).resolve().parent.parent
RUN, N = "end-to-end", 40
CONFIG = {"n_inputs": 784, "n_hidden": 8, "n_classes": 10}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A finished checkout with two trainings of one network, attacked, and the images it was tested on."""
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.chdir(source)
    shutil.copy(ROOT / "params.yaml", source)
    models = {}
    for seed in (0, 1):
        torch.manual_seed(seed)
        models[seed] = core_runs.new(RUN, CONFIG)
    core_runs.save(RUN, models, architecture=RUN, configs={0: CONFIG, 1: CONFIG})
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (N, 28, 28), dtype=np.uint8), np.arange(N) % 10
    places = {"evaluation": np.arange(N), "tuning": np.arange(4)}
    split = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    write_npz(source / "data/datasets/mnist.npz", split | places)
    recorded._data.cache_clear()
    return source


def keep(source, *, attack="fgsm-cross-entropy"):
    """A snapshot that is being made, and what is said of its networks."""
    root = source.parent / "checkout"
    part = root / snapshot.RECORDED / "a-run"
    attacked = {attack: [{"correct": [N // 2]}] * 2}
    network(part / "metrics", RUN, [N // 2] * 2, n=N, attacked=attacked, study="hebbian")
    for kind in ("train", "attack"):
        content = read_json(part / f"metrics/{kind}/{RUN}.json")
        dataset = content["dataset"] | {"name": "mnist", "sha256": sha256(source / "data/datasets/mnist.npz")}
        write_json(part / f"metrics/{kind}/{RUN}.json", content | {"dataset": dataset})
    return part, recorded.keep(part, source=source, root=root, studies=["hebbian"])


def test_a_kept_network_answers_as_it_did(source, monkeypatch):
    part, said = keep(source)
    assert said == {RUN: {"0": "float16", "1": "float16"}}
    stored = read_tensors(part / f"checkpoints/{RUN}/seed1.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    seal(part, checkpoints=said)
    (part.parents[1] / "notebooks").mkdir()
    monkeypatch.chdir(part.parents[2])
    images = torch.rand(5, 1, 28, 28)
    kept = runs.load(RUN, recorded="a-run", seed=1)
    assert not kept.training
    monkeypatch.chdir(source)
    full = runs.load(RUN, seed=1)
    assert torch.allclose(kept(images), full(images), atol=1e-3)
    assert not torch.equal(kept(images), full(images))


def test_a_changed_network_is_refused_and_one_that_is_not_there_says_why(source):
    part, said = keep(source)
    said[RUN]["2"] = "left out: 6.3 MB in half precision"
    seal(part, checkpoints=said)
    load = recorded.load
    given = {"recorded": "a-run", "device": "cpu", "root": source.parent / "checkout"}
    with pytest.raises(BiorobustError, match=r"no network 'end-to-end' of seed 2: left out: 6\.3 MB"):
        load(RUN, seed=2, **given)
    with pytest.raises(BiorobustError, match=r"no network 'other' of seed 0: it has end-to-end \(seeds 0, 1\)"):
        load("other", seed=0, **given)
    path = part / f"checkpoints/{RUN}/seed0.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(BiorobustError, match="was changed after recording"):
        load(RUN, seed=0, **given)


def test_what_is_too_large_is_left_out_with_the_reason(source, monkeypatch):
    size = sum(2 * tensor.numel() for tensor in read_tensors(f"data/checkpoints/{RUN}/seed0.safetensors").values())
    monkeypatch.setattr(recorded, "TOGETHER", int(1.5 * size))  # room for one of two
    part, said = keep(source)
    assert said[RUN]["0"] == "float16"
    assert "left of those for recorded runs" in said[RUN]["1"]
    assert list(read_json(part / f"checkpoints/{RUN}/model.json")["configs"]) == ["0"]
    monkeypatch.setattr(recorded, "TOGETHER", 10 * size)
    monkeypatch.setattr(recorded, "EACH", size - 1)
    part.rename(part.with_name("one run"))
    _, said = keep(source)
    assert all("left of those for recorded runs" in word for word in said[RUN].values())
    monkeypatch.setattr(recorded, "LARGEST", size - 1)
    _, said = keep(source)
    assert all("one training may have" in word for word in said[RUN].values())


@pytest.mark.parametrize("weak", ["_accuracy", "_worst_case"])
def test_half_precision_that_changes_an_accuracy_is_not_taken(source, monkeypatch, weak):
    found = iter([0.5, 0.497] * 2)
    monkeypatch.setattr(recorded, weak, lambda *_, **__: next(found))
    part, said = keep(source)
    assert all(word.startswith("float32: half precision changes") for word in said[RUN].values())
    stored = read_tensors(part / f"checkpoints/{RUN}/seed0.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float32}


def test_half_precision_that_cannot_be_attacked_again_is_not_taken(source):
    _, said = keep(source, attack="an-attack-of-old")
    assert all("none of its attacks can be made again" in word for word in said[RUN].values())
    assert all(word.startswith("float32") for word in said[RUN].values())


def test_the_images_of_the_attacks_come_back_from_what_was_added_to_them(source, monkeypatch):
    monkeypatch.setattr(recorded, "_worst_case", lambda *_, **__: pytest.fail("attacked again"))
    _, images, _ = recorded._data(source, "mnist").evaluated(N)
    points = (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).sign()).clamp(0, 1)
    write_tensors(source / f"data/question/question-a/{RUN}.safetensors", {"seed0": points, "seed1": points.clone()})
    part, said = keep(source)
    seal(part, checkpoints=said)
    assert [path.name for path in (part / "perturbations").iterdir()] == [f"{RUN}.npz"]
    root = part.parents[2]
    shutil.copytree(source / "data/datasets", root / "data/datasets")
    (part.parents[1] / "notebooks").mkdir()
    monkeypatch.chdir(root)
    clean, found, labels = runs.adversarial(RUN, recorded="a-run")
    assert torch.equal(clean, images)
    assert torch.allclose(found, points, atol=1e-4)
    assert labels.tolist() == [index % 10 for index in range(N)]
    with pytest.raises(BiorobustError, match="no perturbations of 'other': it has end-to-end"):
        runs.adversarial("other", recorded="a-run")
    stored = dict(np.load("data/datasets/mnist.npz"))
    write_npz(Path("data/datasets/mnist.npz"), stored | {"test_images": stored["test_images"][::-1]})
    with pytest.raises(BiorobustError, match=r"mnist.npz holds other images than recorded run 'a-run'.*download@mnist"):
        runs.adversarial(RUN, recorded="a-run")
