"""What must hold of the learning rule; test_benchmarks.py has it against the published algorithm."""

import pytest
import torch

from biorobust.hebbian import learn
from biorobust.hebbian.model.diagnostics import lengths
from biorobust.hebbian.model.rule import bracket, initial_weights, step


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def test_black_images_change_nothing(generator):
    weights = torch.randn(5, 8, generator=generator)
    new = weights.clone()
    step(new, bracket(weights, p=3), torch.zeros(3, 8), learning_rate=0.02, p=3, k=2, delta=0.4)
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
    drawn = {
        name: initial_weights(name, n_hidden=100, n_inputs=100, generator=generator) for name in ("uniform", "normal")
    }
    assert 0 <= drawn["uniform"].min() < drawn["uniform"].max() < 1
    assert [of.mean().item() for of in drawn.values()] == pytest.approx([0.5, 0], abs=0.04)
    assert drawn["normal"].std().item() == pytest.approx(1, abs=0.04)
