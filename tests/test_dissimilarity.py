"""1 - Pearson r and its relatives against naive float64 loops and SciPy; what is undefined says so."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from biorobust.analysis import deviation as dev
from biorobust.analysis.deviation import dissimilarity


def pair(*shape, seed=0, size=0.1, dtype=torch.float32):
    """Activations whose channels have different means, and the same with noise of standard deviation `size`."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(1, shape[1], *[1] * (len(shape) - 2), generator=generator, dtype=torch.float64)
    a = means + torch.randn(*shape, generator=generator, dtype=torch.float64)
    return a.to(dtype), (a + size * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)


def naive(a, b, *, center):
    """Loops over images and channels in float64, by the textbook formula."""
    values = []
    for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True):
        if center:
            x = np.stack([channel - channel.mean() for channel in x])
            y = np.stack([channel - channel.mean() for channel in y])
        x, y = x.ravel() - x.mean(), y.ravel() - y.mean()
        values.append(1 - math.fsum(x * y) / math.sqrt(math.fsum(x * x) * math.fsum(y * y)))
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 7, 6), (2, 1, 9, 9), (4, 6, 11), (2, 3, 1, 2)])
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
def test_it_is_one_minus_pearson_r(shape, center, size):
    a, b = pair(*shape, size=size)
    torch.testing.assert_close(dissimilarity(a, b, center=center), naive(a, b, center=center), atol=1e-13, rtol=1e-9)


def test_it_agrees_with_scipy_and_knows_its_landmarks():
    a, b = pair(3, 4, 5, 5)
    expected = [1 - pearsonr(x.double().ravel(), y.double().ravel()).statistic for x, y in zip(a, b, strict=True)]
    assert dissimilarity(a, b, center=False).numpy() == pytest.approx(expected, rel=1e-9)
    assert dissimilarity(a, -a, center=False).tolist() == pytest.approx([2.0] * 3)
    assert dissimilarity(a, 1e-6 * a, center=False).tolist() == pytest.approx([0.0] * 3, abs=1e-12)
    assert dissimilarity(a, 3 * a + 7, center=True).tolist() == pytest.approx([0.0] * 3, abs=1e-12)
    assert dissimilarity(a.flatten(1), b.flatten(1), center=False).numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_tensor_and_itself_are_exactly_zero_apart(dtype):
    a, _ = pair(4, 8, 6, 6, dtype=dtype)
    for center in (False, True):
        assert dissimilarity(a, a.clone(), center=center).tolist() == [0.0] * 4
    found = dev.totals(dev.moments(dev.own(a), a.clone()))
    assert [dev.raw(found).tolist(), dev.centred(found).tolist(), dev.relative_l2(found).tolist()] == [[0.0] * 4] * 3


def test_tiny_deviations_keep_their_digits():
    """1 - r of a and a + t e is t^2 |e'|^2 / (2 |a'|^2) with e' the part of e across a, far below float64's 1e-16."""
    a, _ = pair(1, 3, 8, 8, dtype=torch.float64)
    e = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    u, v = (x.ravel() - x.mean() for x in (a, e))
    across = v - u * (u @ v) / (u @ u)
    for t in (1e-5, 1e-8):
        d = (a + t * e) - a  # what is left of t * e in floating point
        assert torch.allclose(d, t * e, rtol=1e-6)
        expected = t**2 * (across @ across) / (2 * u @ u)
        assert dissimilarity(a, a + t * e, center=False).item() == pytest.approx(expected.item(), rel=1e-3)


def test_what_has_no_variance_is_undefined():
    a, b = pair(4, 3, 5, 5)
    a[0], b[1], a[2], b[2] = 0.7, 0.1, 2.0, 3.0
    assert dissimilarity(a, b, center=False).isnan().tolist() == [True, True, True, False]
    a[3, 0, 0, 0] = float("inf")
    assert dissimilarity(a, b, center=False).isnan().all()
    flat = torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 5, 5)  # variance between channels only
    assert dissimilarity(flat, flat + b[3:], center=False).isfinite().all()
    assert dissimilarity(flat, flat + b[3:], center=True).isnan().all()


def test_shapes_that_do_not_fit_are_refused():
    a, b = pair(2, 3, 4, 4)
    with pytest.raises(ValueError, match="need the same layer"):
        dissimilarity(a, b[:, :2], center=False)
    with pytest.raises(ValueError, match="need \\(N"):
        dissimilarity(a.ravel(), b.ravel(), center=False)
    with pytest.raises(ValueError, match="positions"):
        dissimilarity(a.flatten(1), b.flatten(1), center=True)


def test_relative_l2_and_the_share_between_channels():
    a, b = pair(3, 4, 6, 6)
    found = dev.totals(dev.moments(dev.own(a), b))
    x, y = a.double(), b.double()
    expected = (y - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    torch.testing.assert_close(dev.relative_l2(found), expected, rtol=1e-6, atol=0)
    total = x.flatten(1).var(dim=1, correction=0)
    torch.testing.assert_close(
        dev.between_share(found), x.mean(dim=(2, 3)).var(dim=1, correction=0) / total, rtol=1e-6, atol=0
    )
    assert dev.relative_l2(dev.totals(dev.moments(dev.own(torch.zeros(1, 2, 3)), torch.ones(1, 2, 3)))).isnan().all()


def test_sums_of_a_dead_layer_are_undefined():
    a, b = pair(3, 4, 8, 8)
    a[0], b[1] = 0.3, 0.0
    found = dev.totals(dev.moments(dev.own(a), b))
    assert dev.raw(found).isnan().tolist() == [True, True, False]
    assert dev.centred(found).isnan().tolist() == [True, True, False]
    assert dev.between_share(found).isnan().tolist() == [True, False, False]
