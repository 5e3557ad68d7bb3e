"""Layers of CNN-F by themselves, in float64; test_cnnf_network.py has their cycles against other implementations."""

import pytest
import torch
from torch.testing import assert_close

from biorobust.cnnf.model.layers import AdaPool, Conv2d, Linear, normalise


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


def test_an_empty_channel_stays_zero():
    x = torch.zeros(1, 2, 3, 3, requires_grad=True)
    y = normalise(x)
    y.sum().backward()
    assert not y.any()
    assert x.grad.isfinite().all()


def test_pooling_gives_nothing_in_either_direction_where_feedback_was_0():
    layer, x = AdaPool(), torch.randn(1, 1, 2, 2)
    largest, memory = layer.feedforward(x)
    _, memory = layer.feedback(torch.zeros_like(largest), memory)
    chosen, memory = layer.feedforward(x, memory)
    back, _ = layer.feedback(torch.ones_like(chosen), memory)
    assert not chosen.any()
    assert not back.any()
