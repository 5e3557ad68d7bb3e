"""Unusual models: noisy ones, ones whose outputs are not numbers, ones that resize; the rules of the record."""

import itertools

import attack_victims as victims
import foolbox
import pytest
import torch
from torch import nn
from torch.nn import functional

from biorobust import attacks
from biorobust.attacks import records, scoring
from biorobust.attacks.gradient import nonfinite
from biorobust.core.errors import BiorobustError

EPS = (0.0, 0.1)


@pytest.fixture(scope="module")
def conv():
    return victims.conv()


def cycling(winners, n_classes=3):
    """Logits whose winner is taken from a list, one entry for each forward pass."""
    passes = itertools.cycle(winners)
    return victims.of(lambda x: functional.one_hot(torch.full((len(x),), next(passes)), n_classes).float())


@pytest.mark.parametrize(
    ("winners", "label", "predicted", "share"),
    [
        ([0, 0, 1, 2], 0, 1, 0.5),  # half of the passes is no majority: a tie is no right answer
        ([0, 0, 1, 2, 2], 0, 2, 0.6),  # fooled, though no other class is given as often as the right one
        ([2, 2, 1], 2, 2, 1 / 3),
    ],
)
def test_a_noisy_model_is_fooled_unless_it_is_right_in_most_passes(winners, label, predicted, share):
    images, labels = torch.rand(5, 1, 2, 2), torch.full((5,), label)
    found = scoring.score(cycling(winners), images, labels, repeats=len(winners))
    assert found.predicted.tolist() == [predicted] * 5
    assert found.fooled_share.tolist() == pytest.approx([share] * 5)


def test_a_noisy_model_is_scored_over_fresh_passes(conv):
    model, images, labels = conv
    noisy = victims.noisy(model, 0.05)
    names = ["fgsm-margin", "pgd-margin", "pgd-margin-best"]
    table = attacks.run(noisy, images, labels, names, eps=EPS, seed=0, repeats=20)
    assert table["fooled_share"].between(0, 1).all()
    assert ((table["fooled_share"] * 20) % 1 < 1e-9).all()
    assert table["fooled_share"].nunique() > 5
    clean = table["clean_prediction"] != table["label"]
    assert (table["broken"] == (clean | (table["fooled_share"] >= 0.5))).all()
    assert ((table["adversarial_prediction"] != table["label"]) == (table["fooled_share"] >= 0.5)).all()
    # The share at an epsilon of 0 is that of the noise alone: with Gaussian noise it can be counted independently.
    torch.manual_seed(5)
    alone = torch.stack([noisy(images).argmax(dim=1) != labels for _ in range(400)]).double().mean(dim=0)
    found = table.loc[(table["attack"] == "fgsm-margin") & (table["eps"] == 0), "fooled_share"].to_numpy()
    assert abs(torch.tensor(found) - alone).max() < 0.5
    assert found.mean() == pytest.approx(alone.mean().item(), abs=0.05)
    for name in names:  # the same seed gives the same noise, whatever else is attacked
        torch.rand(3)
        again = attacks.run(noisy, images, labels, [name], eps=EPS, seed=0, repeats=20)
        assert table[table["attack"] == name].reset_index(drop=True).equals(again)


def test_the_averaged_view_has_the_mean_of_the_logits_and_of_the_gradients(conv):
    model, images, labels = conv
    noisy = victims.noisy(nn.Sequential(model, nn.Tanh()), 1.0)
    view = attacks.averaged(noisy, 4)

    def gradient(module, weight):
        torch.manual_seed(0)
        x = images.clone().requires_grad_()
        out = module(x)
        return out, torch.autograd.grad((out.gather(1, labels[:, None]) * weight).sum(), x)[0]

    out, slope = gradient(view, 1.0)
    torch.manual_seed(0)
    parts = [noisy(images) for _ in range(4)]
    torch.testing.assert_close(out, sum(parts) / 4)
    torch.testing.assert_close(slope, gradient(nn.Sequential(model, nn.Tanh()), 1.0)[1])  # the noise has no slope
    assert not view.training
    with pytest.raises(ValueError, match="n = 0"):
        attacks.averaged(noisy, 0)


def sometimes_nan(model):
    """NaN outputs for images whose first pixel is bright, and a gradient of NaN there for dim ones."""

    def logits(x):
        first, z = x[:, :1, 0, 0], model(x)
        z = z + ((first - first.detach()) ** 2).sqrt() * torch.arange(z.shape[1])  # adds 0, with a slope of 0 / 0
        return torch.where(first > 0.8, float("nan"), z)

    return victims.of(logits)


@pytest.mark.parametrize("name", ["fgsm-margin", "pgd-margin-best", "deepfool-report"])
def test_outputs_that_are_not_numbers_count_as_broken_and_are_reported(name, conv):
    model, images, _ = conv
    images = images.clone()
    images[:, 0, 0, 0] = torch.where(torch.arange(24) < 6, 0.9, 0.2)
    labels = model(images).argmax(dim=1)
    labels[:3] = 0  # the class that an arg max over NaN would give
    table = attacks.run(sometimes_nan(model), images, labels, [name], eps=EPS, seed=0)
    silent = table["index"] < 6
    assert table.loc[silent, "broken"].all()
    assert (table.loc[silent, "clean_prediction"] == scoring.NO_CLASS).all()
    assert table["distance"].notna().all()  # no image became NaN with the gradient
    assert (table["distance"] <= table["eps"] + 1e-6).all()
    counted = records.counts(table, eps=EPS)[name]
    assert counted["no_prediction"] == [6, int(((table["adversarial_prediction"] == -1) & (table["eps"] > 0)).sum())]
    assert counted["correct"][0] == 18
    assert table.loc[~silent & (table["eps"] > 0), "distance"].min() > 0  # the other pixels still moved
    assert table.loc[~silent, "nonfinite_gradient"].all()
    assert min(counted["nonfinite_gradient"]) >= 18


@pytest.mark.parametrize("name", ["fgsm-cross-entropy", "pgd-cross-entropy-best", "deepfool-report"])
def test_gradients_that_are_not_numbers_are_counted_and_stop_no_attack(name, conv):
    model, images, _ = conv
    images = 0.2 + 0.6 * images
    images[:10, :, 2:4, 2:4] = 0.0
    labels = model(images).argmax(dim=1)
    rooted = victims.of(lambda x: model((x**2).sqrt()))  # the same answers, and a gradient of 0 / 0 at black pixels
    table = attacks.run(rooted, images, labels, [name], eps=EPS, seed=0)
    plain = attacks.run(model, images, labels, [name], eps=EPS, seed=0)
    assert table["verified"].all()
    bad = table["nonfinite_gradient"]
    assert (bad == (table["index"] < 10)).loc[table["eps"] == 0].all()
    if name.startswith("pgd"):  # within the ball half of the starts of a black pixel lie below 0 and are cut off there
        assert bad[table["index"] < 10].all()
    assert not bad[table["index"] >= 10].any()
    # Twelve of 192 numbers are lost to the attack, not the images.
    for part in (table["index"] < 10, table["index"] >= 10):
        broken = [int((found["broken"] & part & (found["eps"] > 0)).sum()) for found in (table, plain)]
        assert broken[0] >= 0.8 * broken[1] > 3, (name, broken)
    counted = records.counts(table, eps=EPS)[name]
    assert counted["nonfinite_gradient"] == [10, 10]
    assert "nonfinite_gradient" not in records.counts(plain, eps=EPS)[name]


def test_deepfool_breaks_as_many_images_of_a_noisy_model_as_foolbox_does():
    """Fresh noise in every pass; with one draw a step it would leave every fourth where a single pass was fooled."""
    model, images, labels = victims.conv(n=60)
    level = 0.002
    best, second = torch.topk(model(images), 2, dim=1)[0].T
    images, labels = images[best - second > 4 * level], labels[best - second > 4 * level]
    noisy = victims.noisy(model, level)
    found = attacks.run(noisy, images, labels, ["deepfool-report"], eps=(0.3,), seed=0, repeats=20)
    assert (found["clean_prediction"] == found["label"]).all()
    torch.manual_seed(1)
    attack = foolbox.attacks.LinfDeepFoolAttack(steps=20, candidates=10, overshoot=0.02)
    _, clipped, _ = attack(foolbox.PyTorchModel(noisy, bounds=(0, 1)), images, labels, epsilons=[0.3])
    theirs = scoring.score(noisy, clipped[0], labels, repeats=20).predicted != labels
    assert theirs.sum() > 40
    assert found["broken"].sum() >= theirs.sum() - 2


class Resizing(nn.Module):
    """Like the study networks that resize: bilinear to 96 x 96, then a body that normalises."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.body = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.Flatten())
        self.body.append(nn.Linear(576, 4))

    def resize(self, x):
        # Interpolation can leave [0, 1] by a rounding, depending on the threads: here it always does.
        return functional.interpolate(x, size=(96, 96), mode="bilinear", align_corners=False) * (1 + 2**-22)

    def forward(self, x):
        return self.body(self.resize(x))


def test_the_resized_tensor_can_be_attacked_instead_of_the_image():
    model = victims.frozen(Resizing())
    images = torch.rand(30, 3, 8, 8)
    images[0] = 1.0
    labels = model(images).argmax(dim=1)
    body, resized = attacks.at_resized(model, images, batch_size=7)
    assert resized.shape == (30, 3, 96, 96)
    assert model.resize(images).max() > 1  # which a runner that checks its input would refuse
    assert 0 <= resized.min() <= resized.max() <= 1
    torch.testing.assert_close(body(resized), model(images))
    of_image = attacks.run(model, images, labels, ["fgsm-margin"], eps=(0.0, 0.02), seed=0)
    of_resized = attacks.run(body, resized, labels, ["fgsm-margin"], eps=(0.0, 0.02), seed=0)
    assert of_image["clean_prediction"].equals(of_resized["clean_prediction"])
    assert (of_resized["distance"] <= of_resized["eps"] + 1e-6).all()
    # Interpolation is a convex combination: the ball around the resized image holds what the smaller one maps to.
    assert of_resized["broken"].sum() >= of_image["broken"].sum()
    with pytest.raises(BiorobustError, match="Sequential does not resize"):
        attacks.at_resized(body, resized)


def test_a_prediction_that_hangs_on_the_size_of_the_minibatch_is_not_verified():
    def of_the_batch(x):
        return x.flatten(1).sum(dim=1, keepdim=True) + torch.tensor([0.0, len(x) - 6.5])

    images, labels = torch.rand(12, 1, 3, 3), torch.ones(12, dtype=torch.int64)
    table = attacks.run(victims.of(of_the_batch), images, labels, ["fgsm-margin"], eps=EPS, seed=0)
    assert not table["broken"].any()
    assert not table["verified"].any()
    assert records.counts(table, eps=EPS)["fgsm-margin"]["unverified"] == [12, 12]


def test_one_bad_pixel_is_found_and_a_sum_that_overflows_is_none():
    inf, nan = float("inf"), float("nan")
    rows = torch.tensor([[3e38, 3e38], [1, inf], [inf, -inf], [nan, 0], [1, 2]]).view(5, 1, 1, 2)
    assert nonfinite(rows).tolist() == [False, True, True, True, False]
    assert not nonfinite(rows[-1:]).any()
