"""VOneBlock: the sparse path against dense convolutions, and gradients to the image."""

from functools import partial

import pytest
import torch

from benchmarks.vonenet import dense, published
from biorobust.core.errors import BiorobustError
from biorobust.vonenet import VOneBlock

SMALL = {"image_size": 32, "visual_degrees": 2.0, "ksize": 13, "sf_max": 5.6, "stride": 2}
exactly = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-12)


def small(**changes):
    return VOneBlock(**(SMALL | {"simple_channels": 7, "complex_channels": 5} | changes))


def images(n=2, size=32, dtype=torch.float64):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1


@pytest.mark.parametrize(
    ("simple", "complex_", "colours"), [(7, 5, "published"), (6, 0, "paired"), (0, 3, "published")]
)
def test_sparse_equals_dense(simple, complex_, colours):
    block = small(simple_channels=simple, complex_channels=complex_, colours=colours, noise="none").double()
    for size in (32, 45):  # its own, and another
        x = images(size=size)
        y = block(x)
        assert y.shape == (2, simple + complex_, (size + 1) // 2, (size + 1) // 2)
        exactly(y, published(block, dense(block), x))
        exactly(block(x.contiguous(memory_format=torch.channels_last)), y)


@pytest.mark.parametrize("stride", [2, 3])
def test_a_grey_image_needs_one_channel(stride):
    block = small(noise="none", stride=stride).double()
    grey = images(size=33)[:, :1].requires_grad_()
    coloured = grey.detach().expand(-1, 3, -1, -1).clone().requires_grad_()
    y = block(grey)
    exactly(y, block(coloured))
    exactly(block(grey.detach()), y.detach())
    weights = torch.rand_like(y)
    (slope,) = torch.autograd.grad((y * weights).sum(), grey)
    (by_channel,) = torch.autograd.grad((block(coloured) * weights).sum(), coloured)
    exactly(slope, by_channel.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("noise", ["none", "gaussian", "neuronal"])
def test_gradients_to_the_image_are_finite_in_every_mode(noise):
    x = images(dtype=torch.float32)
    x[0], x[1, :, 8:24, 8:24] = 0.0, 0.0  # mid-grey: all of one image, a square of the other
    x.requires_grad_()
    small(noise=noise)(x).square().sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad[1].abs().max() > 0


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
