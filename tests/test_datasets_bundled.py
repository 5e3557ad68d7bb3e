"""The bundled stand-ins: real digits, and generated pictures from which something can be learned."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from biorobust import datasets
from biorobust.core.tensors import as_tensors
from biorobust.core.training import SCHEDULES, Recipe, cross_entropy, fit, predict, share
from biorobust.datasets import mnist

# What a small network has to get right of the test pictures; chance is 1/26 and 1/10.
LEARNED = {"emnist_letters": 0.8, "cifar10": 0.6, "svhn": 0.7}


@pytest.fixture
def load(bundled, tmp_path):
    """Gives a bundled data set, made once for all tests."""

    def load(name):
        bundled(name, tmp_path)
        return datasets.load(tmp_path / f"data/datasets/{name}.npz")

    return load


@pytest.fixture(params=LEARNED)
def stand_in(request, load):
    """A generated stand-in with classes to learn."""
    return load(request.param)


# --- the bundled digits ---


def test_the_bundled_digits_are_those_of_scikit_learn_each_in_one_split(load):
    data, digits = load("mnist"), load_digits()
    stored = {image.tobytes(): label for image, label in zip(data.train_images, data.train_labels, strict=True)}
    tested = {image.tobytes(): label for image, label in zip(data.test_images, data.test_labels, strict=True)}
    assert len(digits.images) == len(stored) + len(tested) == 1797
    assert stored.keys().isdisjoint(tested)
    for image, label in zip(digits.images[::50], digits.target[::50], strict=True):
        assert (stored | tested)[mnist.enlarge(image).tobytes()] == label


def test_an_enlarged_digit_is_framed_as_mnist_frames_its_own():
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
    pictures = {image.tobytes() for split in (stand_in.train_images, stand_in.test_images) for image in split}
    assert len(pictures) == len(stand_in.train_labels) + len(stand_in.test_labels)
    for labels in (stand_in.train_labels, stand_in.test_labels):
        assert len(set(np.bincount(labels, minlength=stand_in.n_classes))) == 1


def test_a_small_network_learns_it_well_above_chance(stand_in):
    data = as_tensors(stand_in, n_train=2_600, device="cpu")
    n_channels, side, _ = data.test_images.shape[1:]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(n_channels, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU())
    model.extend([nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()])
    model.append(nn.Linear(32 * (side // 4) ** 2, data.n_classes))
    recipe = Recipe(epochs=5, batch_size=64, learning_rate=0.003, schedule=SCHEDULES["linear"])
    fit(model, data.train_images, data.train_labels, recipe=recipe, objective=cross_entropy(), seed=0)
    right = share(predict(model, data.test_images) == data.test_labels)
    assert right > LEARNED[stand_in.name]


def slope(grey):
    """Exponent of frequency in the amplitude spectrum of square pictures (N, side, side)."""
    side = grey.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = (np.abs(np.fft.fft2((grey - grey.mean(axis=(1, 2), keepdims=True)) * window)) ** 2).mean(axis=0).ravel()
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)).ravel()
    bands = np.digitize(frequency, np.geomspace(4 / side, 0.4, 12))
    points = [np.log([frequency[bands == i].mean(), power[bands == i].mean() ** 0.5]) for i in range(1, 12)]
    return float(np.polyfit(*np.transpose(points), 1)[0])


def test_stand_in_photographs_have_the_spectrum_of_natural_ones(load):
    # Photographs fall with about 1 / frequency; the mirror's 250 ImageNet images give -1.23 by the same measure.
    data = load("imagenet_samples")
    assert -1.4 < slope(data.test_images.mean(axis=3)) < -1.0
    assert len(set(data.test_labels.tolist())) == len(data.test_labels) == 32
