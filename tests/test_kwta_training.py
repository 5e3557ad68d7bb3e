"""Recipes and training of the k-WTA study, and what attacks make of a trained ReLU network."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from edits import project

from biorobust import datasets, params
from biorobust.core import training as loop
from biorobust.core.errors import ParamsError
from biorobust.core.tensors import Tensors, as_tensors
from biorobust.kwta.model import attacking, networks, recipe, training
from biorobust.kwta.model.operator import KWTA
from biorobust.kwta.model.params import CURVE_COLUMNS, Attacks, Incremental, Probe, ProbeSize, Recipe, Run, cells

PLAN = Incremental(start=0.2, step=0.005, hold=5 / 9, factor=0.01)
ATTACKS = Attacks(
    attacks=("pgd-report", "pgd-corrected", "pgd-corrected-best", "deepfool-report"),
    resized_attacks=("pgd-corrected", "pgd-corrected-best"),
    eps_cifar10=0.031,
    eps_svhn=0.047,
    reencoded_attack="pgd-corrected-best",
    jpeg_quality=75,
)


@pytest.fixture(scope="module")
def settings():
    return params.load()


@pytest.fixture(scope="module")
def digits(bundled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    bundled("svhn", folder)
    return as_tensors(datasets.load(folder / "data/datasets/svhn.npz"), n_train=2000, device="cpu")


@pytest.fixture
def small(settings):
    """A recipe that trains in a second or two."""
    whole = recipe.Cell(Run(init="scratch", method="kwta"), "resnet18-small", "cifar10").recipe(settings)
    return whole.model_copy(update={"width": 4, "n_train": 192, "epochs": 2, "batch_size": 32})


def part(data, n):
    test = data.test_images[:60], data.test_labels[:60]
    train = data.train_images[:n], data.train_labels[:n], data.held_out[:n]
    return Tensors(*train, *test, n_classes=10, evaluation=torch.arange(30))


def trained(small, data, folder, *, seed=0, plan=None, name="a"):
    return training.train(name, small, data, seed=seed, state=folder / f"{name}.pt", plan=plan)


def test_gamma_falls_as_the_original_lowered_it():
    at = recipe.incremental(PLAN, gamma=0.1, epochs=90)
    gammas = [at(epoch) for epoch in range(90)]
    assert gammas[:50] == [0.2] * 50
    expected, gamma = [], Fraction(1, 5)
    for epoch in range(40):  # at every even epoch, the first included
        gamma = max(gamma - Fraction(1, 200), Fraction(1, 10)) if epoch % 2 == 0 else gamma
        expected.append(float(gamma))
    assert gammas[50:] == expected
    for epochs in (2, 3, 9, 20, 80):
        gammas = [recipe.incremental(PLAN, gamma=0.1, epochs=epochs)(epoch) for epoch in range(epochs)]
        assert (gammas[0], gammas[-1]) == (0.2, 0.1)
        assert gammas == sorted(gammas, reverse=True)


def test_the_learning_rate_falls_with_the_first_step_of_gamma():
    """In one step of training, although 0.5555555556 of 90 epochs is a little more than 50."""
    plan = PLAN.model_copy(update={"hold": 0.5555555556})
    for epochs, steps in ((90, 196), (9, 7), (3, 6)):
        first = next(e for e in range(epochs) if recipe.incremental(plan, gamma=0.1, epochs=epochs)(e) < 0.2)
        schedule = loop.steps({recipe.held(plan, epochs) / epochs: plan.factor})
        assert schedule((first * steps - 1) / (epochs * steps)) == 1.0
        assert schedule((first * steps) / (epochs * steps)) == plan.factor


def test_gamma_falls_in_a_straight_line_and_arrives():
    at = recipe.linear(gamma=0.1, epochs=6, fall=2 / 3)
    assert [at(epoch) for epoch in range(6)] == pytest.approx([1.0, 0.775, 0.55, 0.325, 0.1, 0.1])
    for epochs in (1, 2, 3, 8):
        for fall in (0.0, 0.5, 1.0):
            gammas = [recipe.linear(gamma=0.2, epochs=epochs, fall=fall)(epoch) for epoch in range(epochs)]
            assert gammas[-1] == 0.2
            assert gammas[0] == (1.0 if fall and epochs > 1 else 0.2)
            assert gammas == sorted(gammas, reverse=True)


def test_the_small_fast_network_learns_and_its_gamma_falls(settings, digits, tmp_path):
    whole = recipe.Cell(Run(init="scratch", method="kwta"), "fast", "cifar10").recipe(settings)
    data = replace(part(digits, 960), test_images=digits.test_images, test_labels=digits.test_labels)
    small = whole.model_copy(update={"width": 4, "epochs": 4, "batch_size": 32, "n_train": 960})
    done = trained(small, data, tmp_path)
    assert [row["gamma"] for row in done.curve] == pytest.approx([1.0, 0.733333, 0.466667, 0.2], abs=1e-5)
    assert {module.gamma for module in done.model.modules() if isinstance(module, KWTA)} == {0.2}
    rates = [row["learning_rate"] for row in done.curve]
    assert rates[0] == max(rates)
    assert done.entry["accuracy"] > 0.3
    whitening = done.model.body.whitening.weight
    expected = networks.PixelFastNet(width=4)
    expected.whiten(data.train_images / 255)
    assert torch.equal(whitening, expected.whitening.weight)


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
        assert changed.model_copy(update={run.change: getattr(baseline, run.change)}) == baseline
        assert getattr(changed, run.change) == run.to


@pytest.mark.parametrize(
    ("change", "to", "words"),
    [
        ("learning_rat", 0.1, "change = 'learning_rat': must be one of"),
        ("learning_rate", -1, "learning_rate changed.learning_rate = -1: must be a number above 0"),
        ("gamma_by_layer", "random", "gamma_by_layer = 'random': must be one of equal, falling, rising, middle"),
    ],
)
def test_an_ablation_that_changes_nothing_that_exists_is_named(change, to, words):
    raw = project()
    raw["kwta_ablations"]["clip"] |= {"change": change, "to": to}
    with pytest.raises(ParamsError, match=words):
        params.check(raw)


def test_training_is_logged_and_a_finished_one_is_not_repeated(small, digits, tmp_path):
    data = part(digits, 192)
    done, again = (trained(small, data, tmp_path) for _ in range(2))
    assert (again.curve, again.entry) == (done.curve, done.entry)
    assert set(done.curve[0]) == set(CURVE_COLUMNS)
    assert done.curve[-1]["loss"] < done.curve[0]["loss"]
    assert done.entry["active"]["body.layer1.0.relu"] >= 0.2 - 1e-3
    assert sum(done.entry["predicted"]) == done.entry["n"] == 60
    assert training.n_steps(small) == 12


def test_bfloat16_trains_like_float32_and_is_measured_and_kept_in_float32(small, digits, tmp_path):
    data, recipes = part(digits, 192), {}
    for name in ("float32", "bfloat16"):
        recipes[name] = small.model_copy(update={"precision": name, "learning_rate": 0.01})
    exact, rounded = (trained(recipe, data, tmp_path, name=name) for name, recipe in recipes.items())
    x, y = data.train_images[:32] / 255, data.train_labels[:32]
    (in_full, _), (in_half, logits) = (
        training.objective(recipe, n_classes=10)(rounded.model, x, y) for recipe in recipes.values()
    )
    assert in_half.item() != in_full.item()
    assert in_half.item() == pytest.approx(in_full.item(), rel=0.05)
    assert logits.dtype == torch.float32
    assert {value.dtype for value in rounded.model.state_dict().values()} == {torch.float32, torch.int64}
    assert [row["loss"] for row in rounded.curve] == pytest.approx([row["loss"] for row in exact.curve], rel=0.05)
    assert rounded.curve != exact.curve
    loss, predictions = training.evaluate(rounded.model, data.test_images, data.test_labels)
    right = (predictions == data.test_labels).double().mean()
    assert (loss, right) == (rounded.entry["test_loss"], rounded.entry["accuracy"])


def test_incremental_gamma_is_set_logged_and_kept(small, digits, tmp_path):
    lowered = small.model_copy(update={"gamma": 0.1, "gamma_schedule": "incremental", "epochs": 3})
    for _ in range(2):  # the second call finds a finished training
        done = trained(lowered, part(digits, 192), tmp_path, plan=PLAN)
        assert [row["gamma"] for row in done.curve] == [0.2, 0.2, 0.1]
        assert [row["learning_rate"] for row in done.curve] == pytest.approx([0.1, 0.1, 0.001])
        assert {module.gamma for module in done.model.modules() if isinstance(module, KWTA)} == {0.1}


def test_a_network_that_says_one_class_is_flagged_and_one_that_diverges_ends(small, digits, tmp_path):
    data = part(digits, 192)
    stuck = trained(small.model_copy(update={"learning_rate": 1e-12, "epochs": 1, "gamma": None}), data, tmp_path)
    with torch.no_grad():
        stuck.model.body.fc.weight.zero_()
        stuck.model.body.fc.bias.copy_(torch.arange(10.0))
    entry = training.seed_entry(0, stuck.model, data, stuck.curve, diverged=False)
    assert entry["collapsed"]
    assert entry["label_entropy"] == 0
    assert entry["predicted"] == [0] * 9 + [60]
    assert set(entry["epochs_to"].values()) == {None}
    wild = small.model_copy(update={"learning_rate": 1e30, "clip": None, "epochs": 3})
    diverged = trained(wild, data, tmp_path, name="wild")
    assert diverged.entry["diverged"]
    assert len(diverged.curve) == 1


def test_first_weights_keep_the_size_of_what_passes():
    """Of random images through AlexNet, where torch's own weights let little through; pooling takes the largest."""
    torch.manual_seed(0)
    config = training.config(Recipe(**RECIPE | {"network": "alexnet", "image_size": 64}), n_classes=10)
    images, sizes = torch.randn(64, 3, 64, 64), {}
    for kind in ("torch", "he"):
        body = networks.build(config).body.eval()
        if kind == "he":
            training.initialise(body)
        with torch.no_grad():
            sizes[kind] = body(images).std().item()
    assert sizes["torch"] < 0.05
    assert 0.3 < sizes["he"] < 10


def test_cross_entropy_sees_the_whole_head_and_accuracy_the_classes():
    recipe = Recipe(**RECIPE | {"logits": 1000, "network": "alexnet", "image_size": 64})
    model = networks.build(training.config(recipe, n_classes=10)).eval()
    x, y = torch.rand(4, 3, 32, 32), torch.arange(4)
    loss, logits = training.objective(recipe, n_classes=10)(model, x, y)
    outputs = model.outputs(x).double()
    assert loss.item() == pytest.approx(sum(outputs[i].logsumexp(0) - outputs[i, i] for i in range(4)).item(), rel=1e-5)
    assert logits.shape == (4, 10)


RECIPE = {
    **{"network": "resnet18", "dataset": "cifar10", "init": "scratch", "activation": "relu", "gamma": None},
    **{"stem": "kwta", "logits": 10, "width": 8, "image_size": 48, "normalise": False, "clip": 0.5},
    **{"n_train": 2000, "epochs": 4, "batch_size": 50, "learning_rate": 0.1, "drop_at": 1.0, "drop_factor": 1.0},
    **{"momentum": 0.9, "weight_decay": 0.0, "crop": 0, "flip": False},
}


@pytest.fixture(scope="module")
def victim(digits, tmp_path_factory):
    """A ReLU network on the bundled data, trained well above chance."""
    folder = tmp_path_factory.mktemp("victim")
    done = trained(Recipe(**RECIPE), digits, folder)
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
    table = attacking.attack(victim, ATTACKS)
    summary = attacking.counts(table, eps=victim.eps)
    right = {name: entry["correct"][0] for name, entry in summary.items()}
    clean = int((table[table["attack"] == "pgd-report"]["clean_prediction"].to_numpy() == victim.labels.numpy()).sum())
    assert right["pgd-corrected-best"] <= right["pgd-corrected"] <= 0.1 * clean
    assert right["pgd-corrected-resized"] <= 0.1 * clean
    assert 0 < right["pgd-corrected"] + 2 < right["pgd-report"] <= clean
    assert right[attacking.IMAGE_WORST_CASE] <= min(right[name] for name in ATTACKS.attacks)
    assert right["worst-case"] <= right[attacking.IMAGE_WORST_CASE]
    assert (table["distance"] <= victim.eps + 1e-6).all()
    assert len(list(tmp_path.glob("*.pt"))) == 4


def test_one_more_jpeg_is_counted_image_by_image(victim, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path))
    table = attacking.attacked(victim, ["pgd-corrected-best"])
    test = digits.test_images[:100], digits.test_labels[:100]
    tested = {"test_images": test[0], "test_labels": test[1]}
    row = attacking.reencoded(victim, ATTACKS, table, **tested)
    _, predictions = training.evaluate(victim.model, *test)
    assert row["clean"]["before"] == int((predictions == test[1]).sum())
    for counts in (row["clean"], row["robust"]):
        assert counts["both"] <= min(counts["before"], counts["after"])
    assert row["robust"]["n"] == 24
    monkeypatch.setattr(attacking, "jpeg", lambda images, quality: images)
    same = attacking.reencoded(replace(victim, key={"same": 1}), ATTACKS, table, **tested)
    for counts in (same["clean"], same["robust"]):
        assert counts["before"] == counts["after"] == counts["both"]


def test_the_probe_tries_other_gammas_and_puts_the_own_one_back(victim, tmp_path, monkeypatch):
    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path))
    plan, size = Probe(length=0.031, n_points=33, gammas=(0.1, 1.0)), ProbeSize(n_lines=2)
    jumps = attacking.probe(victim, plan, size)
    assert jumps["by_gamma"] == []  # ReLU
    assert jumps["own"]["jump"]["mean"] < jumps["own"]["change"]["mean"]
    model = networks.build(training.config(Recipe(**RECIPE | {"gamma": 0.2, "activation": "kwta"}), n_classes=10))
    jumps = attacking.probe(replace(victim, model=model.eval(), name="kwta"), plan, size)
    assert [row["gamma"] for row in jumps["by_gamma"]] == [0.1, 1.0]
    assert {module.gamma for module in model.modules() if isinstance(module, KWTA)} == {0.2}
    assert all(math.isfinite(row["jump"]["mean"]) and 0 <= row["accuracy"] <= 1 for row in jumps["by_gamma"])
    low, all_pass = (row["crossings"]["mean"] for row in jumps["by_gamma"])
    assert low > 0 == all_pass
