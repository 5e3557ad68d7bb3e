"""The study's networks: equal to torchvision's, numbered as the report numbers them, and strict about their input."""

import pytest
import torch
import torchvision
from attack_victims import assert_many_passes_are_those_of_copies

from biorobust.analysis.capture import hooked
from biorobust.core.errors import BiorobustError
from biorobust.networks.resnet import zero_residuals
from biorobust.vonenet import v1
from biorobust.vonenet.model import models
from biorobust.vonenet.model.models import (
    conv_names,
    convolutions,
    norms,
    resnet18,
    resnet50,
    voneresnet18,
    voneresnet50,
)

V1 = {"simple_channels": 4, "complex_channels": 4, "visual_degrees": 2.0, "image_size": 64, "sf_max": 11.3}
REPORTED = {4: "layer1.0.downsample.0", 12: "layer2.0.conv2", 25: "layer3.0.conv2", 44: "layer4.0.conv2"}


def images(n=2, size=64):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("ours", "theirs"), [(resnet18, "resnet18"), (resnet50, "resnet50")])
def test_full_width_is_torchvision_s(ours, theirs):
    reference = getattr(torchvision.models, theirs)(num_classes=7)
    model = ours(n_classes=7, image_size=64)
    assert list(model.body.state_dict()) == list(reference.state_dict())
    model.body.load_state_dict(reference.state_dict())
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for training in (True, False):
        model.train(training)
        reference.train(training)
        torch.testing.assert_close(model(images(1)), reference(normalise(images(1))), rtol=1e-5, atol=1e-5)
    for a, b in zip(model.body.state_dict().values(), reference.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("first", ["conv1", "bottleneck"])
def test_the_53_convolutions_are_the_report_s(first):
    make = resnet50 if first == "conv1" else voneresnet50
    model = make(n_classes=10, width=4, **({} if first == "conv1" else V1) | {"image_size": 64}).eval()
    names = conv_names(model)
    assert len(names) == len(set(names)) == 53
    assert names[0] == first
    assert {index: names[index] for index in REPORTED} == REPORTED
    with torch.device("meta"):  # its names are needed, not its weights
        reference = torchvision.models.resnet50()
    listed = [name for name, module in reference.named_modules() if isinstance(module, torch.nn.Conv2d)]
    assert names[1:] == listed[1:]
    # The projection of a block runs last in it, as it is listed last.
    executed = []
    with torch.no_grad(), hooked(convolutions(model), lambda name, output: executed.append(name)):
        model(images())
    assert executed == names
    assert set(norms(model)) == set(names) - {"bottleneck"}
    for name, norm in norms(model).items():
        assert norm.num_features == convolutions(model)[name].out_channels


def test_images_are_resized_and_normalised_inside_and_gradients_pass():
    model = voneresnet18(width=4, n_classes=3, **V1 | {"noise": "none"}).eval()
    x = images(size=32).requires_grad_()
    model(x).sum().backward()
    assert x.grad.abs().sum() > 0
    resized = torch.nn.functional.interpolate(x, 64, mode="bilinear")
    torch.testing.assert_close(model(x), model.body(resized))
    at_v1 = []
    v1(model).register_forward_hook(lambda module, inputs, output: at_v1.append(inputs[0]))
    model(x)
    torch.testing.assert_close(at_v1[0], 2 * resized - 1)


@pytest.mark.parametrize("wrong", [images() * 2 - 1, images() * 1.01 + 0.01, (images() * 255).byte()])
def test_images_that_are_not_in_0_1_are_refused(wrong):
    with pytest.raises(BiorobustError, match=r"must be in \[0, 1\], the model normalises them itself"):
        resnet18(width=4, image_size=64)(wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"stem": "tiny"}, "stem = 'tiny': must be one of imagenet, small"), ({"width": 0}, "width = 0")],
)
def test_impossible_networks_are_refused(settings, message):
    with pytest.raises(BiorobustError, match=message):
        resnet18(**settings)


@pytest.mark.parametrize("make", [resnet18, resnet50])
def test_blocks_that_begin_as_the_identity_leave_what_their_stage_is_given(make):
    model = make(n_classes=4, width=4, stem="small", image_size=32)
    zero_residuals(model)
    identity = model.body.layer1[1]  # no projection, and a ReLU behind the sum
    x = torch.rand(2, identity.conv1.in_channels, 8, 8)
    torch.testing.assert_close(identity(x), x)
    (gradient,) = torch.autograd.grad(model(images(size=32)).square().sum(), model.body.layer1[0].conv1.weight)
    assert gradient.abs().sum() == 0  # until the normalisation behind has moved
    assert sum(parameter.abs().sum() == 0 for parameter in model.parameters()) >= 8


def test_calibration_sets_the_statistics_of_the_images():
    torch.manual_seed(0)
    model = resnet18(width=4, n_classes=3, stem="small", image_size=32)
    x = images(64, size=32)
    weights = model.body.conv1.weight.clone()
    models.calibrate(model, x, batch_size=32)
    with torch.no_grad():
        first = torch.nn.functional.conv2d(model.body.normalise(x).double(), weights.double(), padding=1)
    torch.testing.assert_close(model.body.bn1.running_mean.double(), first.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-4)
    spread = torch.stack([part.var(dim=(0, 2, 3)) for part in first.split(32)]).mean(dim=0)
    torch.testing.assert_close(model.body.bn1.running_var.double(), spread, rtol=1e-3, atol=1e-4)
    assert torch.equal(model.body.conv1.weight, weights)
    assert not model.training


def test_many_passes_of_one_image_are_those_of_as_many_copies():
    found = voneresnet50(n_classes=10, width=4, **V1).eval()
    assert_many_passes_are_those_of_copies(found, images(1, 32), rtol=1e-3)
