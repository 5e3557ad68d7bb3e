"""1 - Pearson r against naive float64 loops, by its two ways of computing it; what is undefined says so."""

import math

import pytest
import torch

from biorobust.analysis import deviation as dev
from biorobust.analysis.deviation import dissimilarity


def pair(*shape, seed=0, size=0.1, dtype=torch.float32):
    """Activations whose channels have different means, and the same with noise of standard deviation `size`."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(1, shape[1], *[1] * (len(shape) - 2), generator=generator, dtype=torch.float64)
    a = means + torch.randn(*shape, generator=generator, dtype=torch.float64)
    return a.to(dtype), (a + size * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)


def sums(a, b):
    return dev.totals(dev.moments(dev.own(a), b))


def without_means(x):
    return x.double() - x.double().flatten(2).mean(dim=2).view(*x.shape[:2], *[1] * (x.ndim - 2))


def naive(a, b):
    """Loops over images in float64, by the textbook formula."""
    values = []
    for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True):
        x, y = x.ravel() - x.mean(), y.ravel() - y.mean()
        values.append(1 - math.fsum(x * y) / math.sqrt(math.fsum(x * x) * math.fsum(y * y)))
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(3, 5, 7, 6), (2, 1, 9, 9), (4, 6, 11), (2, 3, 1, 2)])
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
def test_it_is_one_minus_pearson_r(shape, size):
    a, b = pair(*shape, size=size)
    torch.testing.assert_close(dissimilarity(a, b), naive(a, b), atol=1e-13, rtol=1e-9)
    torch.testing.assert_close(dev.raw(sums(a, b)), naive(a, b), atol=1e-9, rtol=1e-4)
    expected = naive(without_means(a), without_means(b))
    torch.testing.assert_close(dev.centred(sums(a, b)), expected, atol=1e-9, rtol=1e-4)


def test_it_knows_its_landmarks():
    a, _ = pair(3, 4, 5, 5)
    assert dissimilarity(a, -a).tolist() == pytest.approx([2.0] * 3)
    assert dissimilarity(a, 1e-6 * a).tolist() == pytest.approx([0.0] * 3, abs=1e-12)
    assert dissimilarity(a, 3 * a + 7).tolist() == pytest.approx([0.0] * 3, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_tensor_and_itself_are_exactly_zero_apart(dtype):
    a, _ = pair(4, 8, 6, 6, dtype=dtype)
    found = sums(a, a.clone())
    for values in (dissimilarity(a, a.clone()), dev.raw(found), dev.centred(found)):
        assert values.tolist() == [0.0] * 4


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
        assert dissimilarity(a, a + t * e).item() == pytest.approx(expected.item(), rel=1e-3)


def test_what_has_no_variance_is_undefined():
    a, b = pair(4, 3, 5, 5)
    a[0], b[1], a[2], b[2] = 0.7, 0.1, 2.0, 3.0
    undefined = [True, True, True, False]
    found = sums(a, b)
    for values in (dissimilarity(a, b), dev.raw(found), dev.centred(found)):
        assert values.isnan().tolist() == undefined
    assert dev.between_share(found).isnan().tolist() == [True, False, True, False]
    a[3, 0, 0, 0] = float("inf")
    assert dissimilarity(a, b).isnan().all()
    flat = torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 5, 5)  # variance between channels only
    found = sums(flat, flat + b[3:])
    assert dev.raw(found).isfinite().all()
    assert dev.centred(found).isnan().all()


def test_shapes_that_differ_are_refused():
    a, b = pair(2, 3, 4, 4)
    for compare in (dissimilarity, sums):
        with pytest.raises(ValueError, match="need the same layer"):
            compare(a, b[:, :2])


def test_the_share_between_channels():
    a, b = pair(3, 4, 6, 6)
    x = a.double()
    expected = x.mean(dim=(2, 3)).var(dim=1, correction=0) / x.flatten(1).var(dim=1, correction=0)
    torch.testing.assert_close(dev.between_share(sums(a, b)), expected, rtol=1e-6, atol=0)
