"""Gabor parameters and kernels: the published stream of draws, its histograms, and the formula of a kernel."""

import math

import numpy as np
import pytest
import torch

from biorobust.core.errors import BiorobustError
from biorobust.vonenet.model.block import gabor_kernels, sample_colours, sample_parameters

GOLDEN = {
    "phase": [197.57286141, 257.46817189, 216.99481539, 196.15794588],
    "theta": [106.69324167, 98.12721177, 89.77007304, 102.44220024],
    "nx": [0.26982312, 0.63590785, 0.48201525, 0.42551192],
    "ny": [0.47918378, 1.52001134, 0.47947796, 0.36526081],
    "sf": [2.21516636, 5.43424621, 4.29826205, 5.50837626],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_published_stream(name):
    drawn = getattr(sample_parameters(n_filters=512, seed=0, sf_max=9), name)
    assert len(drawn) == 512
    np.testing.assert_allclose(drawn[:4], GOLDEN[name], rtol=1e-8)


@pytest.mark.parametrize(
    ("sf_corr", "nx", "sf"),
    [
        (1.0, [0.29135877, 0.66469060, 0.48677939], [2.01003087, 5.59421547, 4.44762675]),
        (0.0, [0.45068281, 0.19151709, 0.25150559], [3.64657085, 2.63447758, 2.62118684]),
        (-0.3, [0.33980904, 0.54423844, 0.45914513], [4.26516649, 1.44536940, 1.86927006]),
        (-1.0, [0.29135877, 0.66469060, 0.48677939], [3.91983270, 1.18750364, 1.73835863]),
    ],
)
def test_the_published_stream_at_other_correlations(sf_corr, nx, sf):
    """Expected: NumPy 2's RandomState(0).multivariate_normal with OpenBLAS, through the measured histograms."""
    cells = sample_parameters(n_filters=512, seed=0, sf_corr=sf_corr)
    np.testing.assert_allclose(cells.nx[:3], nx, rtol=1e-7)
    np.testing.assert_allclose(cells.sf[:3], sf, rtol=1e-7)
    assert np.corrcoef(np.log(cells.sf), np.log(cells.nx))[0, 1] == pytest.approx(sf_corr, abs=0.06)


def test_the_population_has_the_measured_histograms():
    cells = sample_parameters(n_filters=20000, seed=3)
    share = np.histogram((cells.theta + 22.5) % 180, bins=[0, 45, 90, 135, 180])[0] / 20000
    np.testing.assert_allclose(share, np.array([66, 49, 77, 54]) / 246, atol=0.012)
    octaves = np.histogram(cells.sf, bins=[0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8])[0] / 20000
    np.testing.assert_allclose(octaves, np.array([4, 4, 8, 25, 32, 26, 28, 12]) / 139, atol=0.012)
    bins = 10 ** np.linspace(-1, 0.2, 6)
    joint = np.histogram2d(cells.nx, cells.ny, bins=[bins, bins])[0] / 20000
    counts = [[2, 0, 1, 0, 0], [8, 9, 4, 1, 0], [1, 2, 19, 17, 3], [0, 0, 1, 7, 4], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(joint, np.array(counts) / 79, atol=0.012)
    tied = np.corrcoef(np.log(cells.sf), np.log(cells.nx))[0, 1]
    assert 0.7 < tied < 0.8
    assert abs(np.corrcoef(cells.phase, np.log(cells.sf))[0, 1]) < 0.03


def test_the_control_population_is_flat_and_untied():
    cells = sample_parameters(n_filters=20000, seed=3, uniform=True)
    for values in (
        cells.theta / 180,
        (np.log10(cells.nx) + 1) / 1.2,
        (np.log10(cells.ny) + 1) / 1.2,
        cells.phase / 360,
    ):
        np.testing.assert_allclose(np.histogram(values, bins=4, range=(0, 1))[0] / 20000, 0.25, atol=0.015)
    octaves = np.histogram(cells.sf, bins=[0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8])[0] / 20000
    np.testing.assert_allclose(octaves, 1 / 8, atol=0.012)
    assert abs(np.corrcoef(np.log(cells.sf), np.log(cells.nx))[0, 1]) < 0.03


def test_colours_are_torch_draws_and_leave_its_generator_alone():
    torch.manual_seed(7)
    expected = [torch.randint(0, 3, (512,)) for _ in range(2)]
    before = torch.get_rng_state()
    first, second = sample_colours(n_filters=512, seed=7, paired=False)
    assert torch.equal(before, torch.get_rng_state())
    assert [first.tolist(), second.tolist()] == [colours.tolist() for colours in expected]
    assert 0.25 < (first == second).double().mean() < 0.42
    assert torch.equal(*sample_colours(n_filters=512, seed=7, paired=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_filters": 4, "sf_max": 0.6}, "sf_min = 0.0, sf_max = 0.6: must enclose two of the bin edges 0.5, 0.7"),
        ({"n_filters": 4, "sf_min": 8.5}, "sf_min = 8.5"),
    ],
)
def test_impossible_populations_are_refused(settings, message):
    with pytest.raises(BiorobustError, match=message.replace(".", r"\.")):
        sample_parameters(**settings)


def test_kernels_follow_the_formula():
    cells = sample_parameters(n_filters=16)
    for quadrature in (False, True):
        bank = gabor_kernels(cells, ksize=25, pixels_per_degree=28, quadrature=quadrature)
        assert bank.shape == (16, 25, 25)
        assert bank.dtype == torch.float32
        for i in (0, 5, 11):
            f = cells.sf[i] / 28
            sx, sy = cells.nx[i] / f, cells.ny[i] / f
            t, phase = math.radians(cells.theta[i]), math.radians(cells.phase[i] + 90 * quadrature)
            for row, column in [(0, 0), (12, 12), (3, 20), (24, 7), (13, 11)]:
                a, b = row - 12, column - 12
                u, v = a * math.cos(t) + b * math.sin(t), -a * math.sin(t) + b * math.cos(t)
                bell = math.exp(-(u * u / sx**2 + v * v / sy**2) / 2) / (2 * math.pi * sx * sy)
                assert bank[i, row, column].item() == pytest.approx(
                    bell * math.cos(2 * math.pi * f * u + phase), abs=1e-8
                )
