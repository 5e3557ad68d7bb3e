"""Noise, and what is measured of a trained network, against NumPy and loops over images."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from torch.testing import assert_close

from biorobust.cnnf import TwoBlock
from biorobust.cnnf.model import evaluation
from biorobust.cnnf.model import training as cnnf_training
from biorobust.cnnf.model.noise import KINDS, blur
from biorobust.core import training


def letters(n=5, shape=(1, 9, 8), seed=1):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


def network(*, cycles=2, n_classes=4):
    torch.manual_seed(0)
    model = TwoBlock(n_classes, cycles=cycles, residual=0.3, width=3, image_shape=(1, 9, 8))
    return model.eval().requires_grad_(False)


def drawn(kind, images, level, seed=7):
    return KINDS[kind](images, level, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kind", "spread"), [("gaussian", 1.0), ("uniform", 3**-0.5)])
def test_level_is_the_standard_deviation_or_the_half_width(kind, spread):
    grey, level = torch.full((200, 1, 28, 28), 0.5), 0.1
    noise = (drawn(kind, grey, level) - grey).double()
    n = noise.numel()
    assert float(noise.mean()) == pytest.approx(0, abs=5 * level * spread / n**0.5)
    assert float(noise.std()) == pytest.approx(level * spread, rel=5 / (2 * n) ** 0.5)
    if kind == "uniform":
        assert float(noise.abs().max()) == pytest.approx(level, rel=1e-3)


def test_salt_and_pepper_replace_a_share_of_the_pixels_half_of_them_each():
    images, level = letters(200, (1, 28, 28)) * 0.8 + 0.1, 0.3
    noisy = drawn("salt-and-pepper", images, level)
    n = noisy.numel()
    for value in (0, 1):
        share = float((noisy == value).double().mean())
        assert share == pytest.approx(level / 2, abs=5 * (level / 2 / n) ** 0.5)
    kept = (noisy != 0) & (noisy != 1)
    assert torch.equal(noisy[kept], images[kept])


@pytest.mark.parametrize("sigma", [0.5, 3.0])
def test_blur_is_the_gaussian_of_scipy(sigma):
    images = torch.rand(3, 2, 9, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wanted = [[gaussian_filter(channel, sigma, mode="nearest", truncate=4) for channel in image] for image in images]
    assert_close(blur(images, sigma), torch.tensor(np.array(wanted)))
    assert_close(blur(torch.full((1, 1, 5, 5), 0.3), sigma), torch.full((1, 1, 5, 5), 0.3))
    assert torch.equal(blur(images, 0.0), images)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_fresh_in_training_and_one_draw_in_evaluation_and_stays_in_range(kind):
    images = letters(40, (1, 28, 28))
    before, state = images.clone(), torch.get_rng_state()
    noisy = evaluation.noisy(images, kind=kind, level=1.0)
    assert torch.equal(images, before)
    assert (float(noisy.min()), float(noisy.max())) == (0, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(evaluation.noisy(images[:7], kind=kind, level=1.0), noisy[:7])
    assert torch.equal(drawn(kind, images, 0.0), images)
    assert not torch.equal(KINDS[kind](images, 0.5), KINDS[kind](images, 0.5))


def test_accuracies_margins_and_changes_are_those_of_counting():
    logits = torch.randn(4, 30, 5, generator=torch.Generator().manual_seed(3))
    labels = np.arange(30) % 5
    found = evaluation.accuracies(logits, torch.from_numpy(labels))
    values = logits.double().numpy()
    for name, each in {"first": values[0], "last": values[-1], "average": values.mean(axis=0)}.items():
        assert found[f"{name}_accuracy"] == pytest.approx(np.mean(each.argmax(axis=1) == labels))
        assert evaluation.readouts(logits)[name].tolist() == each.argmax(axis=1).tolist()
    margins = [
        np.mean([p[label] - np.delete(p, label).max() for p, label in zip(cycle, labels, strict=True)])
        for cycle in softmax(values, axis=2)
    ]
    said = values.argmax(axis=2)
    changed = [np.mean(a != b) for a, b in pairwise(said)]
    assert found["cycle_accuracy"] == pytest.approx((said == labels).mean(axis=1))
    assert found["margin"] == pytest.approx(margins)
    assert found["changed"] == pytest.approx(changed)
    assert (found["changed_first"], found["changed_last"]) == pytest.approx((changed[0], changed[-1]))
    assert found["changed_fall"] == pytest.approx(changed[0] - changed[-1])
    assert found["margin_gain"] == pytest.approx(margins[-1] - margins[0])


def naive_fit(picture, target):
    """Least squares a x + b; where that slope is negative, or the picture has no contrast, the target's mean."""
    x, y = picture.double().numpy().ravel(), target.double().numpy().ravel()
    slope, shift = np.polyfit(x, y, 1) if np.ptp(x) else (0.0, y.mean())
    return slope * x + shift if slope > 0 else np.full_like(y, y.mean())


def test_fitted_pictures_and_psnr_are_those_of_least_squares():
    targets = letters(6)
    # An exact fit, one against its target, one without contrast, and any others.
    odd = targets[0] * 3 - 5, 1 - targets[1], torch.full_like(targets[2], 0.7)
    pictures = torch.stack([*odd, *(targets[3:] + letters(3, seed=9))])
    found = evaluation.fitted(pictures, targets)
    decibels = []
    for picture, target, mine in zip(pictures, targets, found, strict=True):
        wanted = naive_fit(picture, target)
        assert mine.numpy().ravel() == pytest.approx(wanted, abs=1e-6)
        error = np.mean((wanted - target.double().numpy().ravel()) ** 2)
        decibels.append(10 * np.log10(1 / max(error, 1e-12)))
    assert_close(found[0], targets[0].double(), atol=1e-6, rtol=0)
    assert evaluation.psnr(pictures[1:], targets[1:]) == pytest.approx(np.mean(decibels[1:]), rel=1e-6)
    assert evaluation.psnr(pictures[:1], targets[:1]) > 100


def test_reconstructions_do_not_depend_on_the_minibatch():
    model, images = network(), letters(7)
    whole, parts = evaluation.reconstruct(model, images), evaluation.reconstruct(model, images, batch_size=3)
    assert whole.shape == (2, 7, 1, 9, 8)
    assert_close(whole, parts)
    assert_close(evaluation.cycle_logits(model, images, batch_size=3), evaluation.cycle_logits(model, images))


def test_numbers_of_a_loss_that_falls():
    n_steps, epochs = 40, 4
    rates = [0.05 * (1 - (epoch * 10 - 1) / n_steps) ** 0.9 for epoch in (1, 2, 3, 4)]
    rates[2] += 0.001
    numbered = enumerate(rates, start=1)
    history = [{"epoch": epoch, "loss": 5.0 - epoch, "learning_rate": rate} for epoch, rate in numbered]
    fitted = training.Fit(history=history, diverged=False, steps=[4.0, 3.0, *[1.0] * 36, 0.5, 0.25])
    found = cnnf_training.loss_numbers(fitted, learning_rate=0.05, power=0.9, n_steps=n_steps, epochs=epochs)
    assert found["loss_ratio"] == 0.25
    assert found["loss_fall"] == pytest.approx(1 - 0.375 / 3.5)
    assert found["learning_rate_error"] == pytest.approx(0.001 / 0.05)
    one = training.Fit(history=history[:1], diverged=False, steps=[4.0])
    assert cnnf_training.loss_numbers(one, learning_rate=0.05, power=0.9, n_steps=10, epochs=1)["loss_ratio"] is None
