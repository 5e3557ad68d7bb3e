"""Bootstrap intervals and principal components against small independent computations."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from biorobust.analysis import bootstrap, pca


def activations(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_bootstrap_covers_and_is_the_same_every_time():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        found = bootstrap.interval(rng.normal(1.0, 1.0, size=40), draws=200, seed=seed)
        covered += found.low <= 1.0 <= found.high
    assert 180 <= covered <= 198  # 95 % of 200, within chance
    values = rng.lognormal(size=(30, 4))
    first, again = bootstrap.interval(values), bootstrap.interval(values)
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert np.allclose(first.value, np.median(values, axis=0))
    assert np.allclose(bootstrap.interval(values, statistic="mean").value, values.mean(axis=0))


def test_bootstrap_leaves_out_what_is_undefined():
    values = np.stack([np.arange(9.0), np.full(9, np.nan)], axis=1)
    values[0, 0] = np.nan
    found = bootstrap.interval(values)
    assert found.value[0] == 4.5
    assert np.isnan([end[1] for end in found]).all()
    with pytest.raises(ValueError, match="no images"):
        bootstrap.interval(np.empty((0, 3)))
    with pytest.raises(ValueError, match="median or mean"):
        bootstrap.interval(values, statistic="mode")


@pytest.mark.parametrize("shape", [(1, 6, 9, 8), (2, 40, 3, 3), (3, 5, 4, 4)])
def test_components_are_those_of_scikit_learn_up_to_the_sign(shape):
    x = activations(*shape).double() * torch.arange(1.0, shape[1] + 1).reshape(1, -1, 1, 1)
    basis = pca.fit(x, n_components=3)
    reference = PCA(n_components=3, svd_solver="full").fit(x.movedim(1, -1).reshape(-1, shape[1]).numpy())
    overlap = np.abs((basis.components.numpy() * reference.components_).sum(axis=1))
    assert overlap == pytest.approx(np.ones(3), abs=1e-9)
    assert basis.explained.numpy() == pytest.approx(reference.explained_variance_ratio_)
    largest = basis.components.gather(1, basis.components.abs().argmax(dim=1, keepdim=True))
    assert bool((largest > 0).all())
    assert torch.equal(pca.fit(-x).components, basis.components)  # the sign does not flip with the data


def test_clean_and_moved_share_a_basis():
    clean = activations(1, 8, 10, 10)
    basis = pca.fit(clean)
    moved = clean + 0.3 * basis.components[0].float().reshape(1, -1, 1, 1)
    change = pca.scores(basis, moved) - pca.scores(basis, clean)
    assert torch.allclose(change[:, 0], torch.full((1, 10, 10), 0.3, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(change[:, 1:], torch.zeros(1, 2, 10, 10, dtype=torch.float64), atol=1e-6)


def test_what_has_no_variance_is_flagged():
    constant = torch.ones(1, 4, 5, 5)
    basis = pca.fit(constant)
    assert basis.degenerate.all()
    line = torch.zeros(1, 4, 5, 5)
    line[0, 2] = torch.arange(25.0).reshape(5, 5)
    assert pca.fit(line).degenerate.tolist() == [False, True, True]
    assert pca.fit(activations(1, 2, 6, 6)).degenerate.tolist() == [False, False, True]
    with pytest.raises(ValueError, match="finite"):
        pca.fit(constant / 0)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        pca.fit(torch.ones(3, 4))
