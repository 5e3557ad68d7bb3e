"""The learning rule against a naive reading of its formula, and against what must hold exactly."""

import math

import pytest
import torch

from biorobust.hebbian import learn
from biorobust.hebbian.model.diagnostics import lengths
from biorobust.hebbian.model.rule import bracket, initial_weights, step


def naive_increment(weights, batch, *, p, k, delta):
    """dS by three nested loops over plain Python floats."""
    n_hidden, n_inputs = weights.shape
    change = torch.zeros(n_hidden, n_inputs, dtype=torch.float64)
    for image in batch.tolist():
        currents = [
            sum(math.copysign(abs(w) ** (p - 1), w) * v for w, v in zip(row, image, strict=True))
            for row in weights.tolist()
        ]
        ranked = sorted(range(n_hidden), key=lambda unit: -currents[unit])
        for unit, gain in ((ranked[0], 1.0), (ranked[k - 1], -delta)):
            for i in range(n_inputs):
                change[unit, i] += gain * (image[i] - currents[unit] * weights[unit, i].item())
    return change


def one_step(weights, batch, *, rate=0.02, p, k, delta):
    """(new weights, new powered weights) after one step of the fast rule."""
    weights = weights.clone()
    powered = bracket(weights, p=p)
    step(weights, powered, batch, learning_rate=rate, p=p, k=k, delta=delta)
    return weights, powered


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("p", [2, 2.5, 3])
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("delta", [0.0, 0.4])
@pytest.mark.parametrize("size", [1, 40])  # 40 images on 5 units: every unit wins and loses many times
def test_step_equals_naive_loops(p, k, delta, size, generator):
    weights = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    batch = torch.rand(size, 7, generator=generator, dtype=torch.float64)
    change = naive_increment(weights, batch, p=p, k=k, delta=delta)
    new, powered = one_step(weights, batch, p=p, k=k, delta=delta)
    expected = weights + 0.02 * change / change.abs().max()
    torch.testing.assert_close(new, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(powered, expected.sign() * expected.abs() ** (p - 1), rtol=0, atol=1e-13)


def test_black_images_change_nothing(generator):
    weights = torch.randn(5, 8, generator=generator)
    new, _ = one_step(weights, torch.zeros(3, 8), p=3, k=2, delta=0.4)
    assert torch.equal(new, weights)


def small(images, generator, **changes):
    usual = {"n_hidden": 6, "n_epochs": 4, "batch_size": 7, "learning_rate": 0.02, "p": 3, "k": 2, "delta": 0.4}
    return learn(images, generator=generator, **(usual | {"init": "normal"} | changes))


@pytest.mark.parametrize(("p", "k"), [(2, 2), (3, 3)])
def test_units_settle_on_the_sphere(p, k, generator):
    images, how = torch.rand(500, 50, generator=generator), {"n_hidden": 20, "n_epochs": 50, "batch_size": 50}
    weights = small(images, generator, **how, p=p, k=k, init="uniform")
    assert (lengths(weights, p=p) - 1).abs().max() < 0.05


def test_learning_repeats_and_resumes_bit_for_bit():
    images = torch.rand(40, 9, generator=torch.Generator().manual_seed(1))
    whole = small(images, torch.Generator().manual_seed(3))
    assert torch.equal(whole, small(images, torch.Generator().manual_seed(3)))
    kept = {}

    def keep(done, weights):
        if done == 2:
            kept["start"] = (done, weights.clone())
            kept["generator"] = first.get_state()

    first = torch.Generator().manual_seed(3)
    small(images, first, on_epoch=keep)
    second = torch.Generator()
    second.set_state(kept["generator"])
    assert torch.equal(whole, small(images, second, start=kept["start"]))


def test_uint8_images_mean_the_same_as_floats():
    pixels = torch.randint(0, 256, (40, 9), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    first = small(pixels, torch.Generator().manual_seed(3))
    torch.testing.assert_close(first, small(pixels.float() / 255, torch.Generator().manual_seed(3)))


@pytest.mark.parametrize(
    "changes", [{"k": 1}, {"k": 7}, {"delta": -0.1}, {"p": 1.5}, {"batch_size": 41}, {"init": "ones"}]
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ValueError, match=r"k =|batch_size|init"):
        small(torch.rand(40, 9), torch.Generator(), **changes)


def test_initial_weights_have_their_distributions(generator):
    uniform = initial_weights("uniform", n_hidden=100, n_inputs=100, generator=generator)
    normal = initial_weights("normal", n_hidden=100, n_inputs=100, generator=generator)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.02)
    assert normal.mean().item() == pytest.approx(0, abs=0.04)
    assert normal.std().item() == pytest.approx(1, abs=0.04)
