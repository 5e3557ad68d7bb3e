"""The k-WTA operator against its definition, written out in float64: values, ties, gradients, formats, bad input."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from biorobust.kwta import KWTA, kwta, replace_relu
from biorobust.kwta.model import operator, selection

GAMMAS = [Fraction(thousandths, 1000) for thousandths in range(100, 201, 5)]
LONG = 3 * selection.DIRECT + 1  # rows that are selected by sampling and counting


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def published(x, gamma):
    """The definition: sort each sample, take the k-th largest as threshold, keep all that reach it."""
    rows, gamma = x.double().flatten(1), Fraction(str(gamma))
    k = gamma.numerator * rows.shape[1] // gamma.denominator
    least = rows.sort(dim=1, descending=True).values[:, k - 1 : k]
    return torch.where(rows >= least, rows, 0.0).view(x.shape)


def same(ours, expected):
    """Equal as numbers (-0 equals 0), and of the dtype of the input."""
    return torch.equal(ours.double(), expected)


@pytest.mark.parametrize("gamma", GAMMAS, ids=float)
def test_random_shapes_agree_with_the_definition_at_every_gamma_of_the_original(gamma):
    draw = random.Random(int(gamma * 1000))
    for trial in range(8):
        conv = (draw.randint(1, 4), draw.randint(1, 6), draw.randint(3, 9), draw.randint(3, 9))
        shape = conv if trial % 2 else (draw.randint(1, 5), draw.randint(10, 300))
        x = normal(*shape, seed=trial) + draw.choice([-3, 0, 3])
        if trial % 4 > 1:
            x = x.round()  # ties
        assert same(kwta(x, float(gamma)), published(x, float(gamma))), shape


def awkward(n):
    """Rows on which a sample misleads: constant, two values, sorted, periodic, heavy tails, nearly all zero."""
    ramp = torch.arange(n, dtype=torch.float32)
    rows = [
        torch.zeros(n),
        (ramp % 2),
        ramp,
        -ramp,
        (ramp % 16) / 16 - 0.5,
        torch.tan((normal(n).sigmoid() - 0.5) * 3.1),
        torch.where(ramp < n // 50, ramp, 0.0),
        torch.where(ramp % 97 == 0, 1e30, -1e30),
        normal(n).round(),
    ]
    return torch.stack(rows)


@pytest.mark.parametrize("gamma", [1 / 64, 0.1, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("n", [300, LONG, 4 * LONG])
def test_awkward_rows(gamma, n):
    k = selection.winners(gamma, n)
    for x in (awkward(n), awkward(n).double()):
        assert torch.equal(selection.kth_largest(x, k), x.sort(dim=1, descending=True).values[:, k - 1])
        assert same(kwta(x, gamma), published(x, gamma))


def test_the_number_of_winners_is_exact():
    for gamma in GAMMAS:
        for n in (512, 193_600, 802_816, 200_704, 100_352, 50_176, 25_088, 4096, 139_968, 64_896, 43_264, 65_536):
            assert selection.winners(float(gamma), n) == gamma.numerator * n // gamma.denominator
    assert selection.winners(0.145, 193_600) == 28_072  # int(0.145 * 193600) is 28071
    assert int(0.145 * 193_600) == 28_071
    assert selection.winners(np.float32(0.1), 10) == selection.winners(1, 1) == 1


@pytest.mark.parametrize(
    ("by_layer", "gammas"),
    [
        ("equal", [0.1, 0.1, 0.1, 0.1, 0.1]),
        ("falling", [0.15, 0.125, 0.1, 0.075, 0.05]),
        ("rising", [0.05, 0.075, 0.1, 0.125, 0.15]),
        ("middle", [0.05, 0.1, 0.15, 0.1, 0.05]),
    ],
)
def test_gamma_by_layer(by_layer, gammas):
    layers = [operator.KWTA(0.3) for _ in gammas]
    operator.spread(torch.nn.Sequential(torch.nn.Linear(2, 2), *layers), 0.1, by_layer)
    assert [layer.gamma for layer in layers] == pytest.approx(gammas)


def test_all_ties_win_and_are_counted():
    x = torch.tensor([[1.0, 3.0, 3.0, 3.0, 0.0, -1.0, 2.0, 2.0, 2.0, 2.0]])
    assert kwta(x, 0.2).tolist() == [[0, 3, 3, 3, 0, 0, 0, 0, 0, 0]]
    assert operator.mask(x, 0.2).sum() == 3
    assert operator.mask(x, 0.5).sum() == 7


def test_negative_values_and_zeros_can_win():
    x = torch.tensor([[-5.0, -1.0, -2.0, -3.0], [0.0, -1.0, -0.0, -2.0]], requires_grad=True)
    y = kwta(x, 0.5)
    assert y.tolist() == [[0, -1, -2, 0], [0, 0, 0, 0]]
    assert operator.mask(x, 0.5).tolist() == [[False, True, True, False], [True, False, True, False]]
    y.sum().backward()
    assert x.grad.tolist() == [[0, 1, 1, 0], [1, 0, 1, 0]]


@pytest.mark.parametrize("shift", [-3.0, 0.0, 3.0], ids=["negative", "mixed", "positive"])
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (2, LONG)])
def test_the_gradient_is_the_mask(shape, shift):
    x = (normal(*shape) + shift).requires_grad_()
    upstream = normal(*shape, seed=1)
    (gradient,) = torch.autograd.grad(kwta(x, 0.2), x, upstream)
    assert torch.equal(gradient, torch.where(published(x.detach(), 0.2) != 0, upstream, 0.0))


@pytest.mark.parametrize("shift", [-3.0, 0.0])
def test_memory_formats_give_the_same_values_in_the_same_format(shift):
    x = normal(2, 8, 5, 7) + shift
    expected = kwta(x, 0.2)
    last = x.to(memory_format=torch.channels_last).requires_grad_()
    ours = kwta(last, 0.2)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(ours, expected)
    ours.sum().backward()
    assert torch.equal(last.grad, operator.mask(x, 0.2).float())
    for odd in (normal(2, 8, 5, 14)[..., ::2], normal(8, 2, 5, 7).transpose(0, 1)):
        assert torch.equal(kwta(odd, 0.2), kwta(odd.contiguous(), 0.2))


@pytest.mark.parametrize("shift", [0.0, -3.0])  # winners above 0, which the output tells; winners below
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_ties(dtype, shift):
    x = (normal(3, 400) + shift).to(dtype).requires_grad_()
    y = kwta(x, 0.2)
    assert y.dtype == dtype
    assert same(y, published(x, 0.2))
    won = operator.mask(x, 0.2)
    upstream = normal(3, 400).to(dtype)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    assert same(gradient, torch.where(won, upstream, 0.0))


@pytest.mark.parametrize("n", [10, LONG])
def test_nan_and_infinity(n):
    x = normal(4, n)
    x[0, :1] = math.nan  # takes one of the k places
    x[1, :] = math.nan
    x[2, :2] = torch.tensor([math.inf, -math.inf])
    x[3, :] = -math.inf
    k = selection.winners(0.5, n)
    y = kwta(x.requires_grad_(), 0.5)
    y.nan_to_num().sum().backward()
    assert y[0].isnan().tolist() == [True] + [False] * (n - 1)
    assert (y[0] != 0).sum() == k  # NaN differs from 0
    assert y[1].isnan().all()
    assert y[2, 0] == math.inf
    assert y[2, 1] == 0
    assert not torch.signbit(y[2, 1])
    assert (y[3] == -math.inf).all()
    assert torch.equal(operator.mask(x, 0.5)[0, 0], torch.tensor(True))
    with torch.no_grad():
        many = torch.full((1, n), math.nan)
        many[0, : n // 4] = math.inf
        many[0, n // 2 :] = 1.0
        assert torch.equal(kwta(many, 0.2).isnan(), many.isnan())  # NaN and inf tie for the first places
        assert (kwta(many, 0.2)[0, : n // 4] == math.inf).all()
        assert (kwta(many, 0.2)[0, n // 2 :] == 0).all()


def test_a_batch_may_be_empty():
    empty = torch.zeros(0, 3, 4, 4, requires_grad=True)
    kwta(empty, 0.2).sum().backward()
    assert empty.grad.shape == (0, 3, 4, 4)


@pytest.mark.parametrize("gamma", [0, -0.1, 1.01, math.nan, math.inf, True])
def test_gamma_outside_its_range_is_named(gamma):
    with pytest.raises(ValueError, match=r"gamma = .*: must be a number above 0 and up to 1"):
        kwta(normal(2, 10), gamma)
    with pytest.raises(ValueError, match="gamma"):
        KWTA(gamma)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (normal(2, 9), "gamma = 0.1 of 9 values leaves no winner"),
        (torch.ones(2, 10, dtype=torch.int64), r"floating point \(B, ...\), not torch.int64"),
        (normal(10), r"of shape \(10,\)"),
    ],
)
def test_no_winner_and_wrong_tensors_are_named(x, words):
    with pytest.raises(ValueError, match=words):
        kwta(x, 0.1)


@pytest.mark.parametrize(("shift", "bytes_per_value"), [(0.0, 0), (-3.0, 1)])
def test_at_most_one_byte_a_value_is_kept_beside_the_output(shift, bytes_per_value):
    x = (normal(4, 8, 10, 10) + shift).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        y = kwta(x, 0.2)
    extra = [tensor for tensor in kept if tensor.untyped_storage().data_ptr() != y.untyped_storage().data_ptr()]
    assert sum(tensor.numel() * tensor.element_size() for tensor in extra) == bytes_per_value * x.numel()


def test_the_layer_follows_its_gamma():
    layer, x = KWTA(0.2), normal(2, 50)
    assert torch.equal(layer(x), kwta(x, 0.2))
    layer.gamma = 0.1
    assert torch.equal(layer.eval()(x), kwta(x, 0.1))


def nested():
    shared = nn.ReLU()
    return nn.Sequential(nn.Linear(4, 20), nn.ReLU(inplace=True), nn.Sequential(shared, nn.Linear(20, 20), shared))


@pytest.mark.parametrize(("stem", "n_relu"), [("relu", 1), ("kwta", 0)])
def test_relu_is_replaced_everywhere_but_perhaps_at_the_stem(stem, n_relu):
    model = replace_relu(nested(), 0.2, stem=stem)
    assert sum(isinstance(module, nn.ReLU) for module in model.modules()) == n_relu
    assert isinstance(model[1], nn.ReLU) == (stem == "relu")
    assert model[2][0] is model[2][2]  # one object used twice stays one object
    assert model[2][0].gamma == 0.2
    operator.set_gamma(model, 0.1)
    assert model[2][0].gamma == 0.1


def test_a_model_without_relu_is_named_instead_of_left_alone():
    for model, stem in ((nn.Linear(2, 2), "kwta"), (nn.Sequential(nn.ReLU()), "relu")):
        with pytest.raises(ValueError, match=r"has no nn\.ReLU"):
            replace_relu(model, 0.2, stem=stem)
