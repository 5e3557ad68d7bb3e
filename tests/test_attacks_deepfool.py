"""DeepFool against the formula on linear models, and where a jump makes raw and clipped perturbations differ."""

import attack_victims as victims
import numpy as np
import pytest
import torch
from torch import nn

from biorobust import attacks
from biorobust.attacks import deepfool, noise, records
from biorobust.attacks.crafting import Batch

OVERSHOOT = 0.02


@pytest.fixture(scope="module")
def linear():
    """In float64, images away from black and white so that the unit box does not get in the way."""
    model, images, _ = victims.linear(n_classes=4, dtype=torch.float64)
    images = 0.3 + 0.4 * images
    return model, images, model(images).argmax(dim=1)


def nearest_boundary(model, images):
    """For a linear model: L-infinity distance to the nearest boundary, and the sign vector that leads there."""
    weight, z = model[1].weight, model(images)
    distances, directions = [], []
    for image, scores in zip(images, z, strict=True):
        i = int(scores.argmax())
        others = [k for k in range(len(scores)) if k != i]
        far = [float(scores[i] - scores[k]) / float((weight[k] - weight[i]).abs().sum()) for k in others]
        k = others[int(np.argmin(far))]
        distances.append(min(far))
        directions.append((weight[k] - weight[i]).sign().reshape(image.shape))
    return torch.tensor(distances, dtype=torch.float64), torch.stack(directions)


def test_on_a_linear_model_deepfool_takes_one_step_of_the_known_size(linear):
    model, images, labels = linear
    found = deepfool.minimal(model, images, labels, steps=20, candidates=10, overshoot=OVERSHOOT)
    smallest, direction = nearest_boundary(model, images)
    expected = (1 + OVERSHOOT) * (smallest + 1e-4)  # Foolbox adds 1e-4 to every step
    assert found.success.all()
    assert not found.nonfinite_gradient.any()
    torch.testing.assert_close(found.distance, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.images, images + expected.reshape(-1, 1, 1, 1) * direction, rtol=0, atol=1e-9)
    assert (model(found.images).argmax(dim=1) != labels).all()


def test_one_pass_for_all_candidates_and_none_for_images_that_stand_still_changes_nothing():
    """On a convolutional network in float64 where images take one to many steps: Foolbox's numbers for less."""
    generator = torch.Generator().manual_seed(0)
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, stride=2), nn.Tanh(), nn.Flatten()
    model = victims.frozen(nn.Sequential(*layers, nn.Linear(8 * 5 * 5, 6)).double())
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    images = torch.rand(12, 3, 12, 12, generator=generator, dtype=torch.float64)
    labels = model(images).argmax(dim=1)
    labels[0] = (labels[0] + 1) % 6  # wrong from the start
    passed = []
    handle = model.register_forward_hook(lambda module, inputs, output: passed.append(len(inputs[0])))
    made, counted = [], []
    for one_pass in (False, True):
        batch = Batch(images=images, labels=labels, generator=torch.Generator())
        plan = {"steps": 7, "candidates": 6, "overshoot": OVERSHOOT, "one_pass": one_pass}
        made.append(deepfool.craft(model, batch, eps=(0.01,), **plan))
        counted.append(list(passed))
        passed.clear()
    handle.remove()
    torch.testing.assert_close(made[0].raw, made[1].raw, rtol=0, atol=1e-10)
    torch.testing.assert_close(made[0].images[0], made[1].images[0], rtol=0, atol=1e-10)
    assert torch.equal(made[0].step[0], made[1].step[0])
    assert torch.equal(made[0].zero_gradient[0], made[1].zero_gradient[0])
    steps = made[0].step[0]
    assert 0 == steps[0] < 1 < int(steps.max())
    last = int(steps.max())
    # Two passes that must agree, one that ranks the classes, then per step those that are on their way, and those that
    # just arrived once more.
    assert counted[1][:4] == [12, 12, 12, 12]
    assert counted[1][4 : 4 + last] == [int((steps >= step).sum()) for step in range(1, last + 1)]
    assert sum(counted[1][2:]) < sum(counted[0]) / 2


def test_at_an_epsilon_it_fools_exactly_when_the_boundary_is_near_enough(linear):
    model, images, labels = linear
    smallest, _ = nearest_boundary(model, images)
    middle = float(smallest.median()) + 1e-3
    table = attacks.run(model, images, labels, ["deepfool-report"], eps=(0.0, middle, 0.5), seed=0)
    at = {eps: table[table["eps"] == eps] for eps in (0.0, middle, 0.5)}
    assert at[middle]["broken"].to_numpy().tolist() == (smallest < middle).tolist()
    assert not at[0.0]["broken"].any()
    assert at[0.5]["broken"].all()
    assert set(at[0.5]["step"]) == {1}
    assert set(at[middle].loc[~at[middle]["broken"], "step"]) == {-1}
    for part in at.values():
        assert part["raw_fools"].all()
        np.testing.assert_allclose(part["raw_distance"], (1 + OVERSHOOT) * (smallest + 1e-4), rtol=1e-5)
        np.testing.assert_allclose(part["distance"], np.minimum(part["raw_distance"], part["eps"]), atol=1e-7)
    counted = records.counts(table, eps=(0.0, middle, 0.5))["deepfool-report"]
    within = int(((1 + OVERSHOOT) * (smallest + 1e-4) <= middle).sum())
    assert counted["correct_raw"] == [40, 40 - within, 0]
    assert counted["raw_fooled"] == 40
    assert counted["raw_distance_median"] == pytest.approx(float(at[0.0]["raw_distance"].median()))


def jumping(model, images, radius):
    """A model that, further than `radius` (L-infinity) from all known images, says what it says of the nearest one."""

    def logits(x):
        distance, nearest = (x[:, None] - images[None]).abs().flatten(2).amax(dim=2).min(dim=1)
        z = model(x)
        return torch.where((distance > radius)[:, None], 0 * z + model(images)[nearest], z)

    return victims.of(logits)


def test_on_a_network_with_jumps_raw_and_clipped_perturbations_differ(linear):
    model, images, labels = linear
    smallest, _ = nearest_boundary(model, images)
    chosen = int(smallest.argsort()[20])
    size, radius = 1.005 * float(smallest[chosen]), 1.01 * float(smallest[chosen])  # the overshoot goes further
    jump = jumping(model, images, radius)
    table = attacks.run(jump, images, labels, ["deepfool-report"], eps=(0.0, size, 0.5), seed=0)
    at = table[table["eps"] == size]
    assert at["broken"].tolist() == (smallest < size).tolist()
    assert at["raw_fools"].tolist() == ((1 + OVERSHOOT) * (smallest + 1e-4) < radius).tolist()
    row = at[at["index"] == chosen].iloc[0]
    assert row["broken"]  # clipped it fools, and as it comes it does not
    assert not row["raw_fools"]
    counted = records.counts(table, eps=(0.0, size, 0.5))["deepfool-report"]
    assert counted["correct"][1] < counted["correct_raw"][1]
    assert counted["correct"][2] == counted["correct_raw"][2] == 40 - counted["raw_fooled"]


def test_vanished_gradients_are_seen_and_other_columns_filled(linear):
    model, images, labels = linear
    names, even = ["deepfool-report", "fgsm-margin"], (torch.arange(40) % 2 == 0)[:, None]
    half_blind = victims.of(lambda x: torch.where(even[: len(x)], model(x), model(x).detach()))
    table = attacks.run(half_blind, images, labels, names, eps=(0.0, 0.5), seed=0, batch_size=40)
    of_deepfool = table[(table["attack"] == "deepfool-report") & (table["eps"] == 0.5)]
    assert of_deepfool["zero_gradient"].tolist() == [False, True] * 20
    assert not of_deepfool.loc[of_deepfool["zero_gradient"], "raw_fools"].any()
    assert not of_deepfool.loc[of_deepfool["zero_gradient"], "raw_distance"].any()
    other = table[table["attack"] == "fgsm-margin"]
    assert other["raw_distance"].isna().all()
    assert table["raw_fools"].dtype == bool
    assert not other["raw_fools"].any()
    assert "correct_raw" not in records.counts(table, eps=(0.0, 0.5))["fgsm-margin"]


def test_random_signs_have_the_size_of_the_perturbation_and_follow_the_generator(linear):
    _, images, _ = linear
    distance = torch.linspace(0, 0.2, len(images), dtype=images.dtype)

    def draw(seed, size=distance):
        return noise.signs(images, size, torch.Generator().manual_seed(seed))

    moved = draw(0) - images
    torch.testing.assert_close(moved.abs(), distance.reshape(-1, 1, 1, 1).expand_as(images), rtol=0, atol=1e-12)
    up = (moved[1:] > 0).double().mean().item()
    assert up == pytest.approx(0.5, abs=0.06)
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    clipped = draw(0, 0.9)
    assert clipped.min() == 0
    assert clipped.max() == 1
    with pytest.raises(ValueError, match="0 or more"):
        draw(0, -0.1)
