"""Recipes and training of the k-WTA study, and what attacks make of a trained ReLU network."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from edits import project

from biorobust import datasets, params
from biorobust.core.errors import ParamsError
from biorobust.core.tensors import Tensors, as_tensors
from biorobust.kwta.model import attacking, networks, recipe, training
from biorobust.kwta.model.operator import KWTA
from biorobust.kwta.model.params import Attacks, Incremental, Probe, ProbeSize, Run, cells

PLAN = Incremental(start=0.2, step=0.005, hold=0.5555555556, factor=0.01)  # a little more than 50 of 90 epochs
SETTINGS = params.check(project())


def planned(network, *, method="relu", **changes):
    """What params.yaml trains a network with from random weights, but for some changes."""
    whole = recipe.Cell(Run(init="scratch", method=method), network, "cifar10").recipe(SETTINGS)
    return whole.model_copy(update=changes)


@pytest.fixture(scope="module")
def digits(bundled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    bundled("svhn", folder)
    return as_tensors(datasets.load(folder / "data/datasets/svhn.npz"), n_train=2000, device="cpu")


SMALL = planned("resnet18-small", method="kwta", width=4, epochs=2, batch_size=32, precision="float32")


def part(data, n):
    test = data.test_images[:60], data.test_labels[:60]
    train = data.train_images[:n], data.train_labels[:n], data.held_out[:n]
    return Tensors(*train, *test, n_classes=10, evaluation=torch.arange(30))


def trained(small, data, folder, *, plan=None, name="a"):
    return training.train(name, small, data, seed=0, state=folder / f"{name}.pt", plan=plan)


def test_gamma_falls_as_the_original_lowered_it():
    at = recipe.incremental(PLAN, gamma=0.1, epochs=90)
    gammas = [at(epoch) for epoch in range(90)]
    assert gammas[:50] == [0.2] * 50
    expected, gamma = [], Fraction(1, 5)
    for epoch in range(40):  # at every even epoch, the first included
        gamma = max(gamma - Fraction(1, 200), Fraction(1, 10)) if epoch % 2 == 0 else gamma
        expected.append(float(gamma))
    assert gammas[50:] == expected
    for epochs in (2, 9, 80):
        at = recipe.incremental(PLAN, gamma=0.1, epochs=epochs)
        assert (at(0), at(epochs - 1)) == (0.2, 0.1)


def test_gamma_falls_in_a_straight_line_and_arrives():
    at = recipe.linear(gamma=0.1, epochs=6, fall=2 / 3)
    assert [at(epoch) for epoch in range(6)] == pytest.approx([1.0, 0.775, 0.55, 0.325, 0.1, 0.1])
    for epochs, fall, gammas in ((1, 1.0, [0.2]), (3, 0.0, [0.2] * 3), (3, 1.0, [1.0, 0.6, 0.2])):
        at = recipe.linear(gamma=0.2, epochs=epochs, fall=fall)
        assert [at(epoch) for epoch in range(epochs)] == gammas


def test_the_small_fast_network_is_whitened_and_its_gamma_falls(digits, tmp_path):
    small, data = planned("fast", method="kwta", width=4, epochs=4, batch_size=32), part(digits, 96)
    done = trained(small, data, tmp_path)
    assert [row["gamma"] for row in done.curve] == pytest.approx([1.0, 0.733333, 0.466667, 0.2], abs=1e-5)
    assert {module.gamma for module in done.model.modules() if isinstance(module, KWTA)} == {0.2}
    rates = [row["learning_rate"] for row in done.curve]
    assert rates[0] == max(rates)
    expected = networks.PixelFastNet(width=4)
    expected.whiten(data.train_images / 255)
    assert torch.equal(done.model.body.whitening.weight, expected.whitening.weight)


@pytest.mark.parametrize("scale", params.SCALES)
def test_every_cell_and_ablation_has_a_recipe_at_every_scale(scale):
    settings = params.check(project(scale=scale))
    found = {
        cell: recipe.Cell(run, *place).recipe(settings)
        for name, run in settings.runs["kwta_runs"].items()
        for cell, place in cells(name).items()
        if "fast" not in cell
    }
    for cell, made in found.items():
        assert made.image_size >= 63
        assert (made.width == 64) >= ("pretrained" in cell)
        assert (made.activation == "relu") == (made.gamma is None)
        assert (made.source in found) == ("transferred" in cell)
        if made.source:  # as wide as what it starts from, trained as from ImageNet weights
            assert (made.width, found[made.source].dataset != made.dataset) == (found[made.source].width, True)
            same = found[cell.replace("transferred", "pretrained")].model_copy(update={"width": made.width})
            assert made == same.model_copy(update={"init": "transferred", "source": made.source})
    for run in settings.runs["kwta_ablations"].values():
        changed, baseline = recipe.of_ablation(settings, run)
        assert changed == baseline.model_copy(update={run.change: run.to})


@pytest.mark.parametrize(("change", "wrong"), [("learning_rat", "learning_rat"), ("gamma_by_layer", "random")])
def test_an_ablation_that_changes_nothing_that_exists_is_named(change, wrong):
    raw = project()
    raw["kwta_ablations"]["clip"] |= {"change": change, "to": "random"}
    with pytest.raises(ParamsError, match=f"kwta_ablations.clip.* = '{wrong}': must be one of"):
        params.check(raw)


def test_bfloat16_trains_like_float32_and_is_measured_and_kept_in_float32(digits, tmp_path):
    data, half = part(digits, 64), SMALL.model_copy(update={"precision": "bfloat16", "epochs": 1})
    rounded = trained(half, data, tmp_path)
    x, y = data.train_images[:32] / 255, data.train_labels[:32]
    (in_full, _), (in_half, logits) = (
        training.objective(recipe, n_classes=10)(rounded.model, x, y) for recipe in (SMALL, half)
    )
    assert in_half.item() != in_full.item()
    assert in_half.item() == pytest.approx(in_full.item(), rel=0.05)
    assert logits.dtype == torch.float32
    assert {value.dtype for value in rounded.model.state_dict().values()} == {torch.float32, torch.int64}
    loss, predictions = training.evaluate(rounded.model, data.test_images, data.test_labels)
    right = (predictions == data.test_labels).double().mean()
    assert (loss, right) == (rounded.entry["test_loss"], rounded.entry["accuracy"])


def test_incremental_gamma_is_set_logged_and_kept(digits, tmp_path):
    lowered = SMALL.model_copy(update={"gamma": 0.1, "gamma_schedule": "incremental", "epochs": 3})
    for _ in range(2):  # the second call finds a finished training
        done = trained(lowered, part(digits, 32), tmp_path, plan=PLAN)
        assert [row["gamma"] for row in done.curve] == [0.2, 0.2, 0.1]
        assert [row["learning_rate"] for row in done.curve] == pytest.approx([0.1, 0.1, 0.001])
        assert {module.gamma for module in done.model.modules() if isinstance(module, KWTA)} == {0.1}


def test_a_network_that_says_one_class_is_flagged_and_one_that_diverges_ends(digits, tmp_path):
    data = part(digits, 64)
    stuck = trained(SMALL.model_copy(update={"learning_rate": 1e-12, "epochs": 1}), data, tmp_path)
    with torch.no_grad():
        stuck.model.body.fc.weight.zero_()
        stuck.model.body.fc.bias.copy_(torch.arange(10.0))
    entry = training.seed_entry(0, stuck.model, data, stuck.curve, diverged=False)
    assert entry["collapsed"]
    assert entry["label_entropy"] == 0
    assert entry["predicted"] == [0] * 9 + [60]
    assert set(entry["epochs_to"].values()) == {None}
    wild = SMALL.model_copy(update={"learning_rate": 1e30, "clip": None, "epochs": 3})
    diverged = trained(wild, data, tmp_path, name="wild")
    assert diverged.entry["diverged"]
    assert len(diverged.curve) == 1


def test_first_weights_keep_the_size_of_what_passes():
    """Of random images through AlexNet, where torch's own weights let little through; pooling takes the largest."""
    torch.manual_seed(0)
    config = training.config(planned("alexnet", width=8, image_size=64), n_classes=10)
    images, sizes = torch.randn(16, 3, 64, 64), {}
    for kind in ("torch", "he"):
        body = networks.build(config).body.eval()
        if kind == "he":
            training.initialise(body)
        with torch.no_grad():
            sizes[kind] = body(images).std().item()
    assert sizes["torch"] < 0.05
    assert 0.3 < sizes["he"] < 10


def test_cross_entropy_sees_the_whole_head_and_accuracy_the_classes():
    recipe = planned("alexnet", width=8, image_size=64, logits=1000, precision="float32")
    model = networks.build(training.config(recipe, n_classes=10)).eval()
    x, y = torch.rand(4, 3, 32, 32), torch.arange(4)
    loss, logits = training.objective(recipe, n_classes=10)(model, x, y)
    outputs = model.outputs(x).double()
    assert loss.item() == pytest.approx(sum(outputs[i].logsumexp(0) - outputs[i, i] for i in range(4)).item(), rel=1e-5)
    assert logits.shape == (4, 10)


@pytest.fixture(scope="module")
def victim(digits, tmp_path_factory):
    """A ReLU network on the bundled data, trained well above chance."""
    small = {"width": 8, "image_size": 48, "epochs": 4, "batch_size": 50, "crop": 0, "flip": False, "drop_at": 1.0}
    done = trained(planned("resnet18", **small, precision="float32"), digits, tmp_path_factory.mktemp("victim"))
    assert done.entry["accuracy"] > 0.4
    return attacking.Victim(
        name="relu",
        model=done.model.eval().requires_grad_(False),
        images=digits.test_images[:24] / 255,
        labels=digits.test_labels[:24],
        index=torch.arange(24).numpy(),
        eps=0.031,
        seed=0,
        key={},
    )


def test_a_relu_network_falls_to_the_corrected_step_and_less_to_the_reports(victim, tmp_path, monkeypatch):
    """The step-size question on one checkpoint: 40 steps of 0.003 epsilon leave what 40 steps of 0.003 break."""
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path))
    plan = SETTINGS.block("kwta_attack", Attacks)
    asked = plan.model_copy(update={"resized_attacks": ("pgd-corrected", "pgd-corrected-best")})
    table = attacking.attack(victim, asked)
    summary = attacking.counts(table, eps=victim.eps)
    right = {name: entry["correct"][0] for name, entry in summary.items()}
    clean = int((table[table["attack"] == "pgd-report"]["clean_prediction"].to_numpy() == victim.labels.numpy()).sum())
    assert right["pgd-corrected-best"] <= right["pgd-corrected"] <= 0.1 * clean
    assert right["pgd-corrected-resized"] <= 0.1 * clean
    assert 0 < right["pgd-corrected"] + 2 < right["pgd-report"] <= clean
    assert right["worst-case"] <= right[attacking.IMAGE_WORST_CASE] <= min(right[name] for name in asked.attacks)
    assert (table["distance"] <= victim.eps + 1e-6).all()
    assert len(list(tmp_path.glob("*.pt"))) == 4  # one of each threat model and set of iterates


def test_one_more_jpeg_is_counted_image_by_image(victim, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path))
    asked = SETTINGS.block("kwta_attack", Attacks)
    table = attacking.attacked(victim, [asked.reencoded_attack])
    test = digits.test_images[:100], digits.test_labels[:100]
    _, predictions = training.evaluate(victim.model, *test)
    monkeypatch.setattr(attacking, "jpeg", lambda images, quality: images)
    same = attacking.reencoded(victim, asked, table, test_images=test[0], test_labels=test[1])
    assert same["clean"]["before"] == int((predictions == test[1]).sum())
    for counts in (same["clean"], same["robust"]):
        assert counts["before"] == counts["after"] == counts["both"]


def test_the_probe_tries_other_gammas_and_puts_the_own_one_back(victim, tmp_path, monkeypatch):
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path))
    plan, size = Probe(length=0.031, n_points=33, gammas=(0.1, 1.0)), ProbeSize(n_lines=2, n_patterns=3)
    model = networks.build(training.config(planned("resnet18", method="kwta", width=8, image_size=48), n_classes=10))
    jumps, changes = attacking.probe(replace(victim, model=model.eval(), name="kwta"), plan, size).values()
    assert {module.gamma for module in model.modules() if isinstance(module, KWTA)} == {0.2}
    assert [row["gamma"] for row in jumps["by_gamma"]] == [0.1, 1.0]
    low, all_pass = (row["signs"] for row in changes["by_gamma"])
    assert low["changed"][-1] > 0 == all_pass["changed"][-1]
