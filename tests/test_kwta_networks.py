"""The study's networks: torchvision's numbers and names at full width, who is replaced, heads, ImageNet weights."""

import hashlib

import pytest
import torch
import torchvision
from torch import nn
from torch.testing import assert_close

from biorobust.kwta.model import networks, probes, weights
from biorobust.kwta.model.operator import KWTA
from biorobust.networks.alexnet import AlexNet
from biorobust.networks.resnet import ResNet
from biorobust.networks.weights import VARIABLE, Unavailable

NARROW = 4
TINY = {
    "network": "resnet18",
    "n_classes": 10,
    "logits": 10,
    "width": NARROW,
    "image_size": 64,
    "normalise": False,
    "gamma": None,
    "stem": "kwta",
}


def images(side=32):
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))


def build(**changes):
    torch.manual_seed(0)
    return networks.build(TINY | changes).eval()


def test_fresh_weights_are_distributed_as_torchvisions():
    theirs = torchvision.models.resnet18().state_dict()
    for name, mine in ResNet(18).state_dict().items():
        if mine.ndim > 1:
            assert mine.std().item() == pytest.approx(theirs[name].std().item(), rel=0.05), name


@pytest.mark.parametrize(
    ("network", "side", "stem", "n_values", "n_calls"),
    [
        ("resnet18", 224, "kwta", 2_308_096, 17),
        ("alexnet", 224, "kwta", 493_184, 7),
        ("resnet18-small", 32, "relu", 491_520, 16),
    ],
)
def test_activations_are_those_of_the_report_and_of_the_original(network, side, stem, n_values, n_calls):
    """Values per sample that k-WTA selects from, as counted for the report's networks and the original's."""
    with torch.device("meta"):  # shapes alone
        model = build(network=network, width=64, image_size=side, gamma=0.1, stem=stem)
        _, passed = probes.observed(model, torch.empty(1, 3, 32, 32))
    relu = [name for name, module in model.named_modules() if isinstance(module, nn.ReLU)]
    selected = {name: mask for name, mask in passed.items() if name not in relu}
    assert len(selected) == n_calls
    assert sum(mask.numel() for mask in selected.values()) == n_values
    assert relu == ([] if stem == "kwta" else ["body.relu"])


def test_a_head_of_1000_gives_the_logits_of_the_classes_and_trains_on_all():
    model = build(logits=1000, network="alexnet")
    x = images()
    assert model.outputs(x).shape == (3, 1000)
    assert torch.equal(model(x), model.outputs(x)[:, :10])


def test_resizing_is_inside():
    model = build()
    assert model.resize(images()).shape[-1] == model.resize(images(side=64)).shape[-1] == 64
    assert torch.equal(model.body(model.resize(images())), model(images()))


def test_normalisation_is_inside():
    plain, normalised = build(), build(normalise=True)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = images(side=64)
    assert_close(normalised(x), plain((x - mean[:, None, None]) / std[:, None, None]))
    assert set(plain.state_dict()) == set(normalised.state_dict())


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """A folder of made-up narrow weights under torchvision's names, without the counters of batch normalisation."""
    files, made = {}, tmp_path / "made.pth"
    for network, model in {"resnet18": ResNet(18, width=NARROW), "alexnet": AlexNet(width=NARROW)}.items():
        torch.save({name: value for name, value in model.state_dict().items() if "num_batches" not in name}, made)
        files[network] = f"{network}-{hashlib.sha256(made.read_bytes()).hexdigest()[:8]}.pth"
        made.rename(tmp_path / files[network])
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(weights, "FILES", files)
    monkeypatch.setattr(weights, "FULL_WIDTH", NARROW)
    return tmp_path


@pytest.mark.parametrize(("network", "logits"), [("resnet18", 10), ("alexnet", 1000)])
def test_imagenet_weights_are_taken_from_a_folder(imagenet, network, logits):
    model = build(network=network, width=NARROW, logits=logits, gamma=0.1)
    fresh = {name: value.clone() for name, value in model.body.state_dict().items()}
    weights.load_imagenet(model, network=network, width=NARROW)
    stored = weights.read(imagenet / weights.FILES[network])
    for name, value in model.body.state_dict().items():
        kept = (logits == 10 and name in list(fresh)[-2:]) or "num_batches" in name
        assert torch.equal(value, fresh[name] if kept else stored[name]), name
    assert any(isinstance(module, KWTA) for module in model.modules())


def test_weights_that_cannot_be_had_are_a_reason_not_a_crash(imagenet, monkeypatch, tmp_path_factory):
    with pytest.raises(Unavailable, match="of width 4, the network has 16"):
        weights.load_imagenet(build(), network="resnet18", width=16)
    with pytest.raises(Unavailable, match="no ImageNet weights of resnet18-small"):
        weights.load_imagenet(build(), network="resnet18-small", width=NARROW)
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.chdir(empty)
    monkeypatch.setattr(weights, "ADDRESS", "http://127.0.0.1:9/")
    with pytest.raises(
        Unavailable, match=r"alexnet-.* cannot be downloaded \(no connection\): .*set BIOROBUST_WEIGHTS"
    ):
        weights.load_imagenet(build(network="alexnet"), network="alexnet", width=NARROW)
    assert list(empty.rglob("*.p*")) == []
