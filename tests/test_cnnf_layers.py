"""Every layer of CNN-F against its mathematics, in float64."""

import pytest
import torch
from torch.testing import assert_close

from biorobust.cnnf.model.layers import AdaPool, AdaReLU, Bias, Conv2d, Gate, Linear, normalise


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("layer", "shape"), [(Linear(7, 4), (3, 7)), *((Conv2d(3, 5), (2, 3, *size)) for size in ((8, 8), (7, 9)))]
)
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


def test_normalising_scales_and_keeps_the_mean():
    x = torch.randn(4, 3, 6, 5) + 1.5
    y = normalise(x)
    assert_close(y.square().mean(dim=(2, 3)), torch.ones(4, 3))
    assert float(y.mean(dim=(2, 3)).min()) > 0.3
    scales = torch.tensor([2.0, 3.0, 50.0]).view(1, 3, 1, 1)
    assert_close(normalise(x * scales), y, rtol=1e-7, atol=1e-7)


def test_an_empty_channel_stays_zero():
    x = torch.zeros(1, 2, 3, 3, requires_grad=True)
    y = normalise(x)
    y.sum().backward()
    assert not y.any()
    assert x.grad.isfinite().all()


def test_adarelu_is_relu_until_feedback_arrives():
    x = torch.randn(50)
    y, memory = AdaReLU(0.3).feedforward(x)
    assert torch.equal(y, x.relu())
    assert torch.equal(memory.open, x > 0)
    assert memory.hidden is None


@pytest.mark.parametrize("residual", [0.0, 0.3, 1.0])
def test_adarelu_lets_through_what_feedback_agrees_with(residual):
    x, hidden = torch.randn(200), torch.randn(200)
    hidden[:20] = 0
    y, memory = AdaReLU(residual).feedforward(x, Gate(x > 0, hidden))
    for i in range(200):
        moved = x[i] + residual * (hidden[i] - x[i])
        assert float(y[i]) == pytest.approx(float(moved) if moved * hidden[i] > 0 else 0.0, abs=1e-14)
    assert (y < 0).any()
    assert not y[:20].any()
    back, after = AdaReLU(residual).feedback(x, memory)
    assert torch.equal(back, torch.where(memory.open, x, torch.zeros(())))
    assert torch.equal(after.hidden, x)  # before masking


def windows(x, rows, columns):
    """The values of each 2x2 window of a map as a list of (value, flat place), first row first."""
    width = x.shape[-1]
    for i in range(rows):
        for j in range(columns):
            places = [(2 * i + a, 2 * j + b) for a in (0, 1) for b in (0, 1)]
            yield (i, j), [(float(x[p]), p[0] * width + p[1]) for p in places]


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_adapool_takes_the_extreme_that_feedback_asks_for_and_puts_it_back(size):
    layer, x = AdaPool(), torch.randn(1, 1, *size)
    largest, memory = layer.feedforward(x)
    hidden = torch.randn_like(largest)
    hidden[..., 0, 0] = 0
    back, memory = layer.feedback(hidden, memory)
    for (i, j), window in windows(x[0, 0], *largest.shape[-2:]):
        value, place = max(window, key=lambda pair: pair[0])
        assert float(largest[0, 0, i, j]) == value
        assert float(back.flatten()[place]) == float(hidden[0, 0, i, j])
    assert int((back != 0).sum()) == hidden.numel() - 1
    chosen, memory = layer.feedforward(x, memory)
    y = torch.randn_like(chosen)
    back, _ = layer.feedback(y, memory)
    for (i, j), window in windows(x[0, 0], *largest.shape[-2:]):
        asked = float(hidden[0, 0, i, j])
        value, place = (max if asked > 0 else min)(window, key=lambda pair: pair[0])
        assert float(chosen[0, 0, i, j]) == (value if asked else 0.0)
        assert float(back.flatten()[place]) == (float(y[0, 0, i, j]) if asked else 0.0)
