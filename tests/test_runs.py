"""Every architecture that a checkpoint may name, saving and loading, and the choice of beta on held-out images."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from report_checkout import FAKES

from biorobust.core import places, runs
from biorobust.core.errors import BiorobustError
from biorobust.core.files import read_json, write_json
from biorobust.core.tensors import Tensors, as_tensors
from biorobust.datasets import Dataset
from biorobust.hebbian.model import readout as readout_module
from biorobust.hebbian.model.params import Readout

CONFIGS = {name: config for fake in FAKES.values() for name, config in fake.CONFIGS.items()}
SHAPES = {name: fake.SHAPE for fake in FAKES.values() if hasattr(fake, "SHAPE") for name in fake.CONFIGS}


@pytest.fixture
def images(architecture):
    shape = (7, *SHAPES.get(architecture, (1, 28, 28)))
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def fresh(architecture):
    torch.manual_seed(1)
    model = runs.new(architecture, CONFIGS[architecture])
    if architecture == "hebbian-classifier":
        model.weights.copy_(torch.rand(model.weights.shape))
    return model


def test_every_architecture_is_tested_here():
    assert set(CONFIGS) == set(runs.architectures())


@pytest.mark.parametrize("architecture", runs.architectures())
def test_models_learn_and_come_back_the_same_frozen_and_in_eval_mode(architecture, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = fresh(architecture)
    logits = model(images)
    assert logits.shape == (7, 10)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    model.eval()
    configs = dict.fromkeys((0, 3), CONFIGS[architecture])
    runs.save("a-run", {0: model, 3: model}, architecture=architecture, configs=configs)
    assert runs.seeds("a-run") == [0, 3]
    loaded = runs.load("a-run", seed=3)
    assert torch.equal(loaded(images), model(images))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    views = runs.attack_views("a-run", loaded)
    module = importlib.import_module(runs.architectures()[architecture][0])
    assert set(views) == set(getattr(module, "attack_views", lambda _: {})(loaded))
    for view in views.values():
        assert view(images).shape == (7, 10)
    with pytest.raises(BiorobustError, match="has no seed 1; it has 0, 3"):
        runs.load("a-run", seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda content: content | {"configs": {"0": CONFIGS["end-to-end"] | {"n_hidden": 13}}},
            r"seed0\.safetensors does not fit its model\.json",
        ),
        (lambda content: [], r"model\.json has no configs by seed: delete it and run `dvc repro`"),
        (
            lambda content: content | {"architecture": "end-to-start"},
            r"'end-to-start' is unknown; known are question-network, hebbian",
        ),
        (lambda content: content | {"configs": {"0": {}}}, r"model\.json describes no network \(missing 'n_inputs'\)"),
    ],
)
def test_a_damaged_description_is_named_in_one_line(change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs.save("a-run", {0: fresh("end-to-end")}, architecture="end-to-end", configs={0: CONFIGS["end-to-end"]})
    path = runs.folder("a-run") / "model.json"
    write_json(path, change(read_json(path)))
    with pytest.raises(BiorobustError, match=message) as refused:
        runs.load("a-run")
    assert "\n" not in str(refused.value)


def test_a_run_that_is_missing_or_unavailable_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BiorobustError, match=r"nothing/model\.json is missing: run `dvc repro`"):
        runs.load("nothing")
    runs.save_unavailable("a-run", architecture="end-to-end", reason="weights.pth is not here: put it there")
    assert runs.seeds("a-run") == []
    with pytest.raises(BiorobustError, match=r"run 'a-run' is unavailable: weights\.pth is not here: put it there"):
        runs.load("a-run")


READOUT = Readout(inputs="raw", power=1.0, beta=1.0, m=2.0, learning_rate=0.05, schedule="constant", batch_size=16)


def separable():
    """Two classes of 4-pixel images told apart by which half is bright; a sixth is held out."""
    n, generator = 120, torch.Generator().manual_seed(2)
    labels = torch.randint(0, 2, (n,), generator=generator)
    pixels = torch.randint(0, 60, (n, 1, 2, 2), generator=generator, dtype=torch.uint8)
    pixels[torch.arange(n), 0, labels] += 150
    held_out = torch.arange(n) % 6 == 0
    return Tensors(pixels, labels, held_out, torch.zeros(0, 1, 2, 2, dtype=torch.uint8), labels[:0], 2)


def choose(data, *beta):
    readout = READOUT.model_copy(update={"beta": beta})
    return readout_module.choose_beta(torch.eye(4), data, readout=readout, batch_size=16, epochs=12, seed=0)


def test_beta_is_chosen_by_accuracy_on_the_held_out_images_alone():
    data = separable()
    choice = choose(data, 1e-6, 0.5)
    accuracies = dict(choice.candidates)
    assert choice.beta == max(accuracies, key=accuracies.get)
    assert accuracies[0.5] > 0.95
    # Spoilt labels of held-out images change what is measured; there are no test images to look at.
    spoilt = replace(data, train_labels=torch.where(data.held_out, 1 - data.train_labels, data.train_labels))
    assert dict(choose(spoilt, 0.5).candidates)[0.5] == pytest.approx(1 - accuracies[0.5])
    assert choice.as_json()["chosen"] == choice.beta


def test_a_subset_of_the_training_images_is_fixed_and_small_sets_get_small_minibatches():
    pixels = np.random.default_rng(0).integers(0, 255, (100, 3, 3), dtype=np.uint8)
    split = {"train_images": pixels, "train_labels": np.arange(100) % 10, "tuning": np.arange(0, 100, 7)}
    split |= {"test_images": pixels[:5], "test_labels": np.arange(5), "evaluation": np.arange(5)}
    dataset = Dataset(name="mnist", n_classes=10, **split)
    part, again, whole = (as_tensors(dataset, n_train=n, device="cpu") for n in (40, 40, 60_000))
    assert torch.equal(part.train_images, again.train_images)
    assert len(part.train_images) == 40
    assert len(whole.train_images) == 100
    assert whole.held_out.nonzero().flatten().tolist() == list(range(0, 100, 7))
    assert whole.train_images.shape == (100, 1, 3, 3)
    assert whole.batch_size(3584) == 6  # 16 minibatches an epoch
    assert whole.batch_size(4) == 4
    assert whole.epochs(3, n_train=50) == 3
    assert whole.epochs(3, n_train=1000) == 30  # as many images as there would be


def test_a_run_is_found_whatever_else_bears_its_name(tmp_path, monkeypatch):
    """Pretraining leaves a folder `original` too, and a stage of several runs writes below a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/checkpoints/hebbian/original").mkdir(parents=True)
    save = {"architecture": "simple-conv", "configs": {0: CONFIGS["simple-conv"]}}
    runs.save("original", {0: fresh("simple-conv")}, **save)
    with places.together("several"):
        runs.save("one-of-them", {0: fresh("simple-conv")}, **save)
    assert [runs.seeds(name) for name in ("original", "one-of-them")] == [[0], [0]]
    assert runs.folder("one-of-them").parent.name == "several"
