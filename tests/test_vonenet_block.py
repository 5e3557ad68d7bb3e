"""VOneBlock: the sparse path against dense convolutions, what its cells respond to, and gradients to the image."""

import math

import pytest
import torch

from benchmarks.vonenet import dense, published
from biorobust.core.errors import BiorobustError
from biorobust.vonenet import VOneBlock, sample_parameters

SMALL = {"image_size": 32, "visual_degrees": 2.0, "ksize": 13, "sf_max": 5.6, "stride": 2}


def small(**changes):
    return VOneBlock(**(SMALL | {"simple_channels": 7, "complex_channels": 5} | changes))


def images(n=2, size=32, dtype=torch.float64):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1


@pytest.mark.parametrize("colours", ["published", "paired"])
@pytest.mark.parametrize(("simple", "complex_"), [(7, 5), (6, 0), (0, 3), (1, 1)])
def test_sparse_equals_dense(simple, complex_, colours):
    block = small(simple_channels=simple, complex_channels=complex_, colours=colours, noise="none").double()
    y = block(images())
    assert y.shape == (2, simple + complex_, 16, 16)
    torch.testing.assert_close(y, published(block, dense(block), images()), rtol=1e-10, atol=1e-12)


def test_sizes_other_than_its_own_and_channels_last():
    block = small(noise="none", stride=3).double()
    x = images(size=45)
    torch.testing.assert_close(block(x), published(block, dense(block), x), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(block(x.contiguous(memory_format=torch.channels_last)), block(x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stride", [2, 3])
def test_a_grey_image_needs_one_channel(stride):
    block = small(noise="none", stride=stride).double()
    grey = images(size=33)[:, :1].requires_grad_()
    coloured = grey.detach().expand(-1, 3, -1, -1).clone().requires_grad_()
    y = block(grey)
    torch.testing.assert_close(y, block(coloured), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(block(grey.detach()), y.detach(), rtol=1e-10, atol=1e-12)
    weights = torch.rand_like(y)
    (slope,) = torch.autograd.grad((y * weights).sum(), grey)
    (by_channel,) = torch.autograd.grad((block(coloured) * weights).sum(), coloured)
    torch.testing.assert_close(slope, by_channel.sum(dim=1, keepdim=True), rtol=1e-10, atol=1e-12)


def grating(frequency, theta, phase, *, size, ppd):
    """Sine grating (size, size) with `frequency` in cycles per degree along direction `theta`, 0 at the centre."""
    offsets = (torch.arange(size, dtype=torch.float64) - size // 2) / ppd
    t = math.radians(theta)
    along = offsets[:, None] * math.cos(t) + offsets[None, :] * math.sin(t)
    return torch.cos(2 * math.pi * frequency * along + phase)


def test_complex_cells_ignore_the_phase_of_a_drifting_grating_and_simple_cells_follow_it():
    block = VOneBlock(simple_channels=40, complex_channels=40, colours="paired", noise="none").double()
    cells = sample_parameters(n_filters=80)
    modulation = []
    # Fields well inside the window: truncated ones are no quadrature pairs.
    fits = [i for i in range(80) if max(cells.nx[i], cells.ny[i]) / cells.sf[i] * 28 < 4.5 and cells.nx[i] > 0.3]
    for i in fits:
        drift = torch.stack(
            [grating(cells.sf[i], cells.theta[i], 2 * math.pi * k / 8, size=224, ppd=28) for k in range(8)]
        )
        x = drift[:, None, 84:140, 84:140].expand(-1, 3, -1, -1)
        y = block(x)[:, i, 7, 7]
        modulation.append((i, ((y.max() - y.min()) / (y.max() + y.min())).item()))
    assert len([i for i in fits if i < 40]) >= 5
    assert len([i for i in fits if i >= 40]) >= 5
    for i, depth in modulation:
        assert depth > 0.99 if i < 40 else depth < 0.06, (i, depth)


@pytest.mark.parametrize("noise", ["none", "gaussian", "neuronal"])
@pytest.mark.parametrize("grey", [True, False])
def test_gradients_to_the_image_are_finite_in_every_mode(noise, grey):
    block = small(noise=noise)
    x = torch.zeros(2, 3, 32, 32) if grey else images(dtype=torch.float32)
    x[:, :, 8:24, 8:24] = 0.0  # a mid-grey square in either
    x.requires_grad_()
    block(x).square().sum().backward()
    assert x.grad.isfinite().all()
    assert grey or x.grad.abs().max() > 0


def test_gradients_are_those_of_finite_differences():
    block = small(simple_channels=2, complex_channels=2, ksize=5, stride=4, image_size=16, visual_degrees=1.0).double()
    x = images(n=1, size=16).requires_grad_()
    for mode in ("none", "gaussian", "neuronal"):
        with block.noise(mode, seed=None if mode == "none" else 3):
            assert torch.autograd.gradcheck(lambda x: block(x), (x,), fast_mode=True)


def test_nothing_in_it_is_trained_and_its_state_is_enough():
    block = small()
    assert list(block.parameters()) == []
    assert set(block.state_dict()) == {"kernels", "colours"}
    other = small(gabor_seed=1, colour_seed=1)
    other.load_state_dict(block.state_dict())
    with block.noise("none"), other.noise("none"):
        assert torch.equal(block(images(dtype=torch.float32)), other(images(dtype=torch.float32)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"simple_channels": 0, "complex_channels": 0}, "simple_channels = 0, complex_channels = 0"),
        ({"ksize": 12}, "ksize = 12: must be an odd number"),
        ({"filters": "random"}, "filters = 'random': must be one of biological, uniform"),
        ({}, "images of 12 x 32 pixels: smaller than the V1 filters"),
    ],
)
def test_impossible_blocks_and_images_are_refused(settings, message):
    with pytest.raises(BiorobustError, match=message):
        small(**settings)(torch.zeros(1, 3, 12, 32))
