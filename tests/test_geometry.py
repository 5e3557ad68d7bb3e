"""Bootstrap intervals and principal components against small independent computations."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from biorobust.analysis import bootstrap, pca


def test_bootstrap_covers_and_is_the_same_every_time():
    rng = np.random.default_rng(0)
    found = bootstrap.interval(rng.normal(1.0, 1.0, size=(40, 200)), draws=200)
    assert 180 <= ((found.low <= 1.0) & (found.high >= 1.0)).sum() <= 198  # 95 % of 200, within chance
    values = rng.lognormal(size=(30, 4))
    first, again = bootstrap.interval(values), bootstrap.interval(values)
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert np.allclose(first.value, np.median(values, axis=0))
    assert np.allclose(bootstrap.interval(values, statistic="mean").value, values.mean(axis=0))
    # What is undefined is left out.
    values = np.stack([np.arange(9.0), np.full(9, np.nan)], axis=1)
    values[0, 0] = np.nan
    found = bootstrap.interval(values)
    assert found.value[0] == 4.5
    assert np.isnan([end[1] for end in found]).all()


@pytest.mark.parametrize("shape", [(1, 6, 9, 8), (2, 40, 3, 3)])
def test_the_component_is_scikit_learn_s_up_to_the_sign(shape):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()
    x *= torch.arange(1.0, shape[1] + 1).reshape(1, -1, 1, 1)
    found = pca.fit(x)
    positions = x.movedim(1, -1).reshape(-1, shape[1]).numpy()
    reference = PCA(n_components=1, svd_solver="full").fit(positions)
    assert abs(found.direction.numpy() @ reference.components_[0]) == pytest.approx(1, abs=1e-9)
    assert found.direction.max() == found.direction.abs().max()
    assert torch.equal(pca.fit(-x).direction, found.direction)  # the sign does not flip with the data
    scores = pca.scores(found, x).numpy()
    assert np.abs(scores.ravel()) == pytest.approx(np.abs(reference.transform(positions)[:, 0]), abs=1e-9)


def test_what_has_no_variance_has_no_direction():
    constant = torch.ones(1, 4, 5, 5)
    assert not pca.fit(constant).direction.any()
    with pytest.raises(ValueError, match="finite"):
        pca.fit(constant / 0)
