"""The bundled stand-ins: real digits, and generated pictures from which something can be learned."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from biorobust.core.training import SCHEDULES, Recipe, as_float, fit, objective
from biorobust.datasets import DATASETS, mnist

# What a small network has to get right of the test pictures; chance is 1/26 and 1/10.
LEARNED = {"emnist_letters": 0.8, "cifar10": 0.6, "svhn": 0.7}


@pytest.fixture(scope="module", params=LEARNED)
def stand_in(request):
    """Name and both splits of a generated stand-in with classes to learn."""
    return request.param, *DATASETS[request.param].sources["bundled"].fetch()


# --- the bundled digits ---


def test_the_bundled_digits_are_those_of_scikit_learn_each_in_one_split():
    from sklearn.datasets import load_digits

    (train, test), digits = DATASETS["mnist"].sources["bundled"].fetch(), load_digits()
    stored = {image.tobytes(): label for image, label in zip(train.images, train.labels, strict=True)}
    tested = {image.tobytes(): label for image, label in zip(test.images, test.labels, strict=True)}
    assert len(digits.images) == len(stored) + len(tested) == 1797
    assert stored.keys().isdisjoint(tested)
    for image, label in zip(digits.images[::50], digits.target[::50], strict=True):
        assert (stored | tested)[mnist.enlarge(image).tobytes()] == label


def test_an_enlarged_digit_is_framed_as_mnist_frames_its_own():
    from sklearn.datasets import load_digits

    for digit in load_digits().images[::25]:
        large = mnist.enlarge(digit).astype(float)
        mass = large.sum()
        centre = [large.sum(1) @ np.arange(28) / mass, large.sum(0) @ np.arange(28) / mass]
        assert np.allclose(centre, 14, atol=0.501)

    block = mnist.enlarge(np.full((8, 8), 16.0))
    assert np.argwhere(block == 255).min(axis=0).tolist() == [4, 4]
    assert np.argwhere(block == 255).max(axis=0).tolist() == [23, 23]
    assert (block > 0).sum() == 20 * 20


# --- generated stand-ins ---


def test_every_picture_is_another_one_and_classes_are_equal(stand_in):
    name, train, test = stand_in
    pictures = {image.tobytes() for split in (train, test) for image in split.images}
    assert len(pictures) == len(train.labels) + len(test.labels)
    for split in (train, test):
        assert len(set(np.bincount(split.labels, minlength=DATASETS[name].n_classes))) == 1


def test_a_small_network_learns_it_well_above_chance(stand_in):
    name, train, test = stand_in
    x, held_out = (as_channels(split.images) for split in (train, test))
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(x.shape[1], 16, 5, stride=2, padding=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (x.shape[2] // 4) ** 2, DATASETS[name].n_classes),
    )
    recipe = Recipe(epochs=5, batch_size=64, learning_rate=0.003, schedule=SCHEDULES["linear"])
    summed = objective(lambda logits, y: cross_entropy(logits, y, reduction="sum"))
    fit(model, x, torch.from_numpy(train.labels), recipe=recipe, objective=summed, seed=0)
    with torch.no_grad():
        right = model(as_float(held_out)).argmax(dim=1).numpy() == test.labels
    assert right.mean() > LEARNED[name]


def as_channels(images):
    return torch.from_numpy(images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2).copy())


def slope(grey):
    """Exponent of frequency in the amplitude spectrum of square pictures (N, side, side)."""
    side = grey.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = (np.abs(np.fft.fft2((grey - grey.mean(axis=(1, 2), keepdims=True)) * window)) ** 2).mean(axis=0).ravel()
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)).ravel()
    bands = np.digitize(frequency, np.geomspace(4 / side, 0.4, 12))
    points = [np.log([frequency[bands == i].mean(), power[bands == i].mean() ** 0.5]) for i in range(1, 12)]
    return float(np.polyfit(*np.transpose(points), 1)[0])


def test_stand_in_photographs_have_the_spectrum_of_natural_ones():
    # Photographs fall with about 1 / frequency; the mirror's 250 ImageNet images give -1.23 by the same measure.
    _, test = DATASETS["imagenet_samples"].sources["bundled"].fetch()
    assert -1.4 < slope(test.images.mean(axis=3)) < -1.0
    assert len(set(test.labels.tolist())) == len(test.labels) == 32
