"""Every layer of CNN-F against its mathematics, in float64."""

import pytest
import torch
from torch.testing import assert_close

from biorobust.cnnf.model.layers import AdaPool, AdaReLU, AvgPool, Bias, Conv2d, Dropout, Gate, InsNorm, Linear


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def adjoint_gap(layer, x):
    """|<A x, y> - <x, A' y>| over the size of the terms, A' being the layer's feedback."""
    with torch.no_grad():
        forward, memory = layer.feedforward(x)
        y = torch.randn_like(forward)
        back, _ = layer.feedback(y, memory)
    assert back.shape == x.shape
    return float(((forward * y).sum() - (x * back).sum()).abs() / (forward.norm() * y.norm()))


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 6)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_feedback_of_a_convolution_is_its_adjoint(size, stride):
    assert adjoint_gap(Conv2d(3, 5, stride=stride), torch.randn(2, 3, *size)) < 1e-13


def test_feedback_of_a_linear_layer_is_its_adjoint_with_one_parameter():
    layer = Linear(7, 4)
    assert adjoint_gap(layer, torch.randn(3, 7)) < 1e-13
    assert len(list(layer.parameters())) == 1


@pytest.mark.parametrize(("layer", "shape"), [(Linear(7, 4), (3, 7)), (Conv2d(3, 5, stride=2), (2, 3, 8, 8))])
def test_feedback_teaches_the_weight_that_feedforward_has(layer, shape):
    """<A x, y> = <x, A' y> for every weight, so both sides have one gradient with respect to it."""
    layer, x = layer.double(), torch.randn(shape)
    forward, memory = layer.feedforward(x)
    y = torch.randn_like(forward)
    (expected,) = torch.autograd.grad((forward * y).sum(), layer.weight)
    (found,) = torch.autograd.grad((x * layer.feedback(y, memory)[0]).sum(), layer.weight)
    assert_close(found, expected)


def test_convolutions_start_with_the_variance_of_the_report():
    weight = Conv2d(64, 128).weight
    assert float(weight.detach().var()) == pytest.approx(2 / (9 * 128), rel=0.02)


def test_bias_is_subtracted_in_feedback_or_left_alone():
    for shape in ((2, 3, 4, 4), (2, 3)):
        y = torch.randn(shape)
        layer = Bias(3)
        layer.bias.data.normal_()
        assert_close(layer.feedback(layer.feedforward(y)[0])[0], y)
        layer.subtract = False
        assert layer.feedback(y)[0] is y


def test_insnorm_scales_and_keeps_the_mean():
    x = torch.randn(4, 3, 6, 5) + 1.5
    y, _ = InsNorm().feedforward(x)
    assert_close(y.square().mean(dim=(2, 3)), torch.ones(4, 3))
    assert float(y.mean(dim=(2, 3)).min()) > 0.3
    assert_close(InsNorm().feedforward(y)[0], y)
    scales = torch.tensor([2.0, 3.0, 50.0]).view(1, 3, 1, 1)
    assert_close(InsNorm().feedback(x * scales)[0], y, rtol=1e-7, atol=1e-7)
    assert_close(InsNorm().feedforward(x[:1])[0], y[:1])


def test_insnorm_of_an_empty_channel_is_zero():
    x = torch.zeros(1, 2, 3, 3, requires_grad=True)
    y, _ = InsNorm().feedforward(x)
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


@pytest.mark.parametrize("window", [2, 3, 4])
def test_upsampling_is_window_squared_times_the_adjoint_of_averaging(window):
    x = torch.randn(2, 3, 9, 13)
    layer = AvgPool(window)
    y, memory = layer.feedforward(x)
    other = torch.randn_like(y)
    back, _ = layer.feedback(other, memory)
    assert back.shape == x.shape
    assert_close((x * back).sum(), window**2 * (y * other).sum())


def test_dropout_keeps_one_mask_for_both_directions_and_all_cycles():
    layer, x = Dropout(0.25), torch.ones(4, 1000)
    y, memory = layer.feedforward(x)
    assert float(y.mean()) == pytest.approx(1.0, abs=0.05)
    assert set(y.unique().tolist()) == {0.0, 1 / 0.75}
    assert torch.equal(layer.feedback(x, memory)[0], y)
    assert torch.equal(layer.feedforward(x, memory)[0], y)
    assert not torch.equal(layer.feedforward(x)[0], y)
    layer.eval()
    assert torch.equal(layer.feedforward(x)[0], x)
