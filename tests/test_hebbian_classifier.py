"""The power classifier, its loss and diagnostics, and the control networks."""

import itertools
import math

import pytest
import torch
from torch import nn

from biorobust.hebbian import HebbianClassifier
from biorobust.hebbian.model import classifier, controls, diagnostics
from biorobust.hebbian.model.classifier import power_loss


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


@pytest.fixture
def model(generator):
    torch.manual_seed(1)
    weights = torch.randn(4, 9, generator=generator, dtype=torch.float64)
    return HebbianClassifier(weights, 3, n=4.5, beta=0.1, inputs="unit").double()


def test_forward_equals_the_published_formula(model, generator):
    images = torch.rand(5, 1, 3, 3, generator=generator, dtype=torch.float64)
    weights, readout = model.weights.tolist(), model.readout.weight.tolist()
    for image, logits in zip(images, model(images).tolist(), strict=True):
        v = image.flatten().tolist()
        length = math.sqrt(sum(value**2 for value in v))
        hidden = [max(sum(w * x / length for w, x in zip(row, v, strict=True)), 0) ** 4.5 for row in weights]
        expected = [0.1 * sum(s * h for s, h in zip(row, hidden, strict=True)) for row in readout]
        assert logits == pytest.approx(expected, rel=1e-9)


def test_gradient_reaches_pixels_through_the_normalisation(model, generator):
    images = torch.rand(2, 1, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model, (images,))


def test_negative_currents_and_black_images_give_numbers(model):
    model.weights.copy_(-model.weights.abs())
    assert torch.equal(model(torch.ones(1, 1, 3, 3, dtype=torch.float64)), torch.zeros(1, 3, dtype=torch.float64))
    assert model(torch.zeros(1, 1, 3, 3, dtype=torch.float64)).isfinite().all()


def test_hidden_weights_are_never_trained(model):
    assert [name for name, _ in model.named_parameters()] == ["readout.weight"]


def test_power_loss_equals_its_sum(generator):
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 3, 1])
    expected = sum(
        abs(math.tanh(logits[b, c]) - (1 if labels[b] == c else -1)) ** 6
        for b, c in itertools.product(range(3), range(4))
    )
    assert power_loss(logits, labels, m=6).item() == pytest.approx(expected)


def test_saturated_outputs_stop_the_gradient_and_the_logits_do_not():
    """Why the report's attack does nothing on a third of the images: tanh is exactly 1 in float32 above about 9.01."""
    weights = torch.full((1, 4), 2.0)
    model = HebbianClassifier(weights, 2, n=1.0, beta=1.0)
    with torch.no_grad():
        model.readout.weight.copy_(torch.tensor([[5.0], [-5.0]]))
    images = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)
    view = classifier.attack_views(model)["report"]
    (blocked,) = torch.autograd.grad(view(images)[0, 0], images)
    (open_,) = torch.autograd.grad(model(images)[0, 0], images)
    assert model(images)[0, 0] > 9.1
    assert not blocked.any()
    assert open_.all()


def test_autocorrelation_equals_morans_i_by_hand_and_leaves_constant_units_out(generator):
    unit = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    mean = unit.mean().item()
    cells = list(itertools.product(range(3), range(4)))
    pairs = [(a, b) for a in cells for b in cells if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1]  # each pair twice
    top = sum((unit[a].item() - mean) * (unit[b].item() - mean) for a, b in pairs)
    expected = 12 / len(pairs) * top / sum((unit[a].item() - mean) ** 2 for a in cells)
    assert diagnostics.autocorrelation(unit[None]).item() == pytest.approx(expected)
    constant = torch.ones_like(unit)
    assert diagnostics.smoothness(torch.stack([unit, constant])) == pytest.approx(expected)
    assert diagnostics.smoothness(constant[None]) is None


def test_units_are_chosen_by_convergence_or_as_many_without_looking():
    lengths = torch.tensor([1.0, 3.0, 1.02, 0.0, 1.0, 2.0, 0.97, 5.0]).repeat(25)
    weights = torch.zeros(200, 3)
    weights[:, 0], weights[:, 1] = lengths.sqrt(), 1e-9 * torch.arange(200)
    every, kept = (diagnostics.choose(weights, units=name, p=2, seed=0) for name in ("all", "converged"))
    assert torch.equal(every, weights)
    assert torch.equal(kept, weights[(lengths - 1).abs() < 0.1])
    drawn = [diagnostics.choose(weights, units="random", p=2, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    for each in drawn:
        place = (each[:, 1] * 1e9).round().int().tolist()
        assert len(set(place)) == len(kept) == 100
        assert place == sorted(place)
        assert 0.3 < diagnostics.converged(each, p=2).double().mean() < 0.7  # as among all: half


def test_where_no_unit_converged_the_nearest_is_kept_and_one_is_drawn():
    weights = torch.tensor([[3.0, 0.0], [0.0, 1.3], [0.1, 0.1]])
    assert torch.equal(diagnostics.choose(weights, units="converged", p=2, seed=0), weights[1:2])
    assert diagnostics.choose(weights, units="random", p=2, seed=0).shape == (1, 2)


def test_converged_is_two_sided():
    weights = torch.tensor([[1.0, 0.0], [0.0, 0.0], [2.0, 0.0], [0.6, 0.8]])
    assert diagnostics.converged(weights, p=2).tolist() == [True, False, False, True]
    assert diagnostics.describe(weights - 0.5, p=2, shape=(1, 2))["negative_share"] == 0.25


def test_controls_have_the_published_size_and_log_probability_views():
    conv, dense = controls.SimpleConvNet(), controls.EndToEnd(784, 2000, 10)
    assert sum(p.numel() for p in conv.parameters()) == 21_840
    assert sum(p.numel() for p in dense.parameters()) == 784 * 2000 + 2000 + 2000 * 10 + 10
    images = torch.rand(3, 1, 28, 28)
    for network in (conv.eval(), dense.eval()):
        logits = network(images)
        assert logits.shape == (3, 10)
        view = controls.attack_views(network)["report"]
        assert not view.training
        torch.testing.assert_close(view(images), nn.functional.log_softmax(logits, dim=1))
