"""Hooks that leave a network as it is, and deviations streamed through them against activations kept whole."""

import numpy as np
import pytest
import torch
from torch import nn

from biorobust.analysis import capture
from biorobust.analysis.deviation import dissimilarity
from biorobust.core.errors import BiorobustError
from biorobust.vonenet.model import layers, models

V1 = {"visual_degrees": 1.0, "simple_channels": 6, "complex_channels": 6, "ksize": 9, "stride": 2, "sf_max": 8}


def images(n=6):
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def plain():
    return prepared(models.resnet18(n_classes=5, width=2, stem="small", image_size=32))


@pytest.fixture(scope="module")
def vone():
    return prepared(models.voneresnet18(n_classes=5, width=2, image_size=32, **V1))


def prepared(model):
    """In eval mode, with normalisation that is not the identity."""
    generator = torch.Generator().manual_seed(7)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low in ((module.weight, 0.5), (module.bias, -1), (module.running_mean, -1)):
                values.data.uniform_(low, 1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval().requires_grad_(False)


def without_means(x):
    return x.double() - x.double().mean(dim=(2, 3), keepdim=True)


def test_what_is_kept_is_what_the_layer_made_and_not_what_came_after():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)).eval()
    x = images(2)
    kept = capture.features(model, x, {"0": model[0]})["0"]
    assert torch.equal(kept, model[0](x))
    assert kept.min() < 0
    seen = {}
    with torch.no_grad(), capture.hooked({"0": model[0]}, seen.__setitem__):
        model(x)
    assert seen["0"].min() == 0  # without a copy the ReLU behind has overwritten it


def test_hooks_change_nothing_and_are_gone_afterwards(plain):
    x = images(3)
    before = plain(x)
    modules = models.convolutions(plain)
    with capture.hooked(modules, lambda name, output: None) as calls:
        assert torch.equal(plain(x), before)
    assert dict(calls) == dict.fromkeys(modules, 1)
    with pytest.raises(KeyError), capture.hooked(modules, lambda name, output: {}[name]):  # a receiver that fails
        plain(x)
    assert not any(module._forward_hooks for module in plain.modules())


def test_a_layer_that_runs_twice_is_refused(plain):
    shared = {"relu": plain.body.layer1[0].relu}
    with pytest.raises(BiorobustError, match=r"'relu' was called 2 times in one pass"):
        capture.features(plain, images(2), shared)
    with pytest.raises(BiorobustError, match="called 0 times"):
        capture.features(plain, images(2), {"spare": nn.Conv2d(3, 3, 1)})


@pytest.mark.parametrize("kind", ["plain", "vone"])
def test_streamed_deviations_are_those_of_activations_kept_whole(kind, request):
    model = request.getfixturevalue(kind)
    clean, changed = images(), images() + 0.05 * torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    changed = changed.clamp(0, 1)
    with models.noise(model, "none"):
        found = layers.deviations(model, clean, {"self": clean, "changed": changed}, batch_size=4)
        hooked = layers.modules(model) | {f"norm of {name}": norm for name, norm in models.norms(model).items()}
        a, b = (capture.features(model, x, hooked) for x in (clean, changed))
    names = [f"norm of {column.name}" if column.kind == layers.NORM else column.name for column in found.columns]
    for place, name in enumerate(names):
        for statistic, change in (("raw", torch.Tensor.double), ("centred", without_means)):
            expected = dissimilarity(change(a[name]), change(b[name])).numpy()
            assert np.allclose(found.sets["changed"][statistic][:, place], expected, rtol=1e-3, atol=1e-10), name
            assert (found.sets["self"][statistic] == 0).all()
    assert found.values("changed", "raw").shape == (6, 20)


def test_live_noise_has_a_floor_and_frozen_noise_has_none(vone):
    clean = images()

    def live(number, rows):
        return models.noise(vone, seeds=[1000 * number + row for row in rows])

    def frozen(number, rows):
        return models.noise(vone, seeds=list(rows))

    def v1(noise, **more):
        found = layers.deviations(vone, clean, {"self": clean}, noise=noise, **more)
        return found.values("self", "raw", layers.V1)

    one = v1(live)
    assert (v1(frozen) == 0).all()
    assert (one > 0).all()
    assert np.array_equal(v1(live, batch_size=4), one)  # what an image gets does not depend on its minibatch
