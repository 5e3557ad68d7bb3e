"""The small fast network: what its first convolution does to patches, what learns, and which activations it takes."""

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from biorobust.kwta.model import networks, probes
from biorobust.kwta.model.operator import KWTA, set_gamma
from biorobust.networks.fast import VARIANCE, FastNet


def photographs(n=40, seed=0):
    """Images whose neighbouring pixels and channels go together, as in photographs."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(n, 3, 36, 36, generator=generator)
    smooth = functional.avg_pool2d(noise, 5, stride=1)
    return (smooth + 0.5 * smooth.roll(1, dims=1) - 0.25).clamp(0, 1)


def test_patches_come_out_uncorrelated_with_mean_0_and_both_signs():
    images, model = photographs(), FastNet(width=4)
    model.whiten(images)
    with torch.no_grad():
        found = model.whitening(images).permute(0, 2, 3, 1).flatten(0, 2).double()
    assert_close(found[:, 12:], -found[:, :12])
    variances = found[:, :12].var(dim=0)
    assert_close(found.mean(dim=0), torch.zeros(24, dtype=torch.float64), rtol=0, atol=1e-4)
    covariance = found[:, :12].T.cov()
    assert_close(covariance, covariance.diag().diag(), rtol=0, atol=1e-3)
    patches = functional.unfold(images.double(), 2).transpose(1, 2).flatten(0, 1)
    spread = torch.linalg.eigvalsh(patches.T.cov())
    assert_close(variances, spread / (spread + VARIANCE), rtol=1e-3, atol=1e-3)
    assert variances.max() > 0.9  # in the directions in which photographs differ


def test_the_first_convolution_does_not_learn_and_all_else_does():
    torch.manual_seed(0)
    model = FastNet(width=4)
    model.whiten(photographs())
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    functional.cross_entropy(model(photographs(16, seed=1)), torch.arange(16) % 10).backward()
    optimiser.step()
    same = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert same == ["whitening.weight", "whitening.bias"]


@pytest.mark.parametrize("gamma", [None, 0.2])
def test_it_is_built_with_seven_activations_and_sees_images_as_they_are(gamma):
    torch.manual_seed(0)
    config = {"network": "fast", "n_classes": 10, "logits": 10, "width": 4, "image_size": 32, "normalise": False}
    model = networks.build(config | {"gamma": gamma, "stem": "kwta"}).eval()
    x = photographs(3)[:, :, :32, :32].requires_grad_()
    assert torch.equal(model.resize(x), x)
    logits, passed = probes.observed(model, x)
    assert logits.shape == (3, 10)
    assert len(passed) == 7
    if gamma is not None:
        assert all(mask.flatten(1).double().mean(dim=1).min() >= 0.19 for mask in passed.values())
        set_gamma(model, 0.5)
    assert {module.gamma for module in model.modules() if isinstance(module, KWTA)} == ({0.5} if gamma else set())
    (gradient,) = torch.autograd.grad(model(x).square().sum(), x)
    assert gradient.flatten(1).abs().sum(dim=1).gt(0).all()
