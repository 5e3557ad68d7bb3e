"""Layers of CNN-F against their mathematics, in float64; gates are tested in whole networks."""

import pytest
import torch
from torch.testing import assert_close

from biorobust.cnnf.model.layers import AdaPool, Bias, Conv2d, Linear, normalise


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("layer", "shape"), [(Linear(7, 4), (3, 7)), (Conv2d(3, 5), (2, 3, 7, 9))])
def test_feedback_is_the_adjoint_and_teaches_the_weight_that_feedforward_has(layer, shape):
    """<A x, y> = <x, A' y> for every weight, so both sides have one gradient with respect to it."""
    layer, x = layer.double(), torch.randn(shape)
    y = torch.randn_like(layer.feedforward(x))
    expected, found = (layer.feedforward(x) * y).sum(), (x * layer.feedback(y)).sum()
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(one, layer.weight)[0] for one in (found, expected)))
    assert len(list(layer.parameters())) == 1


def test_convolutions_start_with_the_variance_of_the_report():
    weight = Conv2d(64, 128).weight
    assert float(weight.detach().var()) == pytest.approx(2 / (9 * 128), rel=0.02)


def test_bias_is_subtracted_in_feedback_or_left_alone():
    for shape in ((2, 3, 4, 4), (2, 3)):
        y = torch.randn(shape)
        layer = Bias(3)
        layer.bias.data.normal_()
        assert_close(layer.feedback(layer.feedforward(y)), y)
        layer.subtract = False
        assert layer.feedback(y) is y


def test_normalising_scales_and_leaves_an_empty_channel_at_zero():
    x = torch.randn(4, 3, 6, 5) + 1.5
    x[0, 0] = 0
    x.requires_grad_()
    y = normalise(x)
    assert_close(y, x / (x.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt())
    y.sum().backward()
    assert x.grad.isfinite().all()


def windows(x, rows, columns):
    """The values of each 2x2 window of a map as a list of (value, flat place), first row first."""
    width = x.shape[-1]
    for i in range(rows):
        for j in range(columns):
            places = [(2 * i + a, 2 * j + b) for a in (0, 1) for b in (0, 1)]
            yield (i, j), [(float(x[p]), p[0] * width + p[1]) for p in places]


def test_adapool_takes_the_extreme_that_feedback_asks_for_and_puts_it_back():
    """Feedback of exactly 0, as of a channel without any, does not come up in whole networks with random weights."""
    layer, x = AdaPool(), torch.randn(1, 1, 7, 8)
    largest, memory = layer.feedforward(x)
    hidden = torch.randn_like(largest)
    hidden[..., 0, 0] = 0
    _, memory = layer.feedback(hidden, memory)
    chosen, memory = layer.feedforward(x, memory)
    y = torch.randn_like(chosen)
    back, _ = layer.feedback(y, memory)
    assert int((back != 0).sum()) == hidden.numel() - 1
    for (i, j), window in windows(x[0, 0], *largest.shape[-2:]):
        asked = float(hidden[0, 0, i, j])
        value, place = (max if asked > 0 else min)(window, key=lambda pair: pair[0])
        assert float(chosen[0, 0, i, j]) == (value if asked else 0.0)
        assert float(back.flatten()[place]) == (float(y[0, 0, i, j]) if asked else 0.0)
