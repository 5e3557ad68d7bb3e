"""Files in the layout of the originals' own programs, against forward passes written from their description."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from biorobust import cnnf, kwta
from biorobust.core.errors import BiorobustError

CHANNELS = [(1, 16), (16, 32), (32, 32), (32, 64)]
UNITS = [(3136, 1000), (1000, 128), (128, 7)]


def drawn(*shape, seed, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pixels(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def cnnf_file():
    """As the original's network saves itself: every weight under two or three names, biases with all axes."""
    state = {}
    for i, (n_in, n_out) in enumerate(CHANNELS, start=1):
        weight = drawn(n_out, n_in, 3, 3, seed=i, scale=(2 / (9 * n_out)) ** 0.5)
        state |= {f"conv{i}.conv.weight": weight, f"conv{i}.conv_t.weight": weight}
        state[f"ins{i}_bias.bias"] = drawn(1, n_out, 1, 1, seed=10 + i, scale=0.3)
    for i, (n_in, n_out) in enumerate(UNITS, start=1):
        weight = drawn(n_out, n_in, seed=20 + i, scale=n_in**-0.5)
        state |= {f"fc{i}.weight": weight, f"fc{i}.linear.weight": weight}
        state[f"fc{i}.linear_t.weight"] = drawn(n_in, n_out, seed=40 + i)  # stale, as after a training without cycles
        state[f"fc{i}_bias.bias"] = drawn(1, n_out, seed=30 + i, scale=0.3)
    return state


class Original:
    """The original's network layer by layer, with what each layer remembers of the pass before in dictionaries."""

    def __init__(self, state, *, residual, ind):
        self.state = {name: tensor.double() for name, tensor in state.items()}
        self.residual, self.ind = residual, ind
        self.came = {}  # what feedback last brought to a layer
        self.open = {}
        self.places = {}

    def relu(self, name, x):
        if name in self.came:
            x = x + self.residual * (self.came[name] - x)
        self.open[name] = x * self.came.get(name, torch.ones_like(x)) > 0
        return x * self.open[name]

    def relu_back(self, name, y):
        self.came[name] = y
        return y * self.open[name]

    def pool(self, name, x):
        high, at_high = functional.max_pool2d(x, 2, return_indices=True)
        if name not in self.came:
            self.places[name] = at_high, None, None
            return high
        low, at_low = functional.max_pool2d(-x, 2, return_indices=True)
        sign = self.came[name].sign()
        self.places[name] = at_high, at_low, sign
        return high * (sign > 0) - low * (sign < 0)

    def pool_back(self, name, y):
        at_high, at_low, sign = self.places[name]
        self.came[name] = y
        if at_low is None or sign is None:
            return functional.max_unpool2d(y, at_high, 2)
        return functional.max_unpool2d(y * (sign > 0), at_high, 2) + functional.max_unpool2d(y * (sign < 0), at_low, 2)

    @staticmethod
    def normalised(x):
        return x / ((x * x).mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()

    def up(self, x, *, start):
        """Logits from the input of convolution `start` + 1 on, and the input of convolution `ind` + 1 on the way."""
        feature = x
        for i in range(start + 1, 5):
            feature = x if i == self.ind + 1 else feature
            x = functional.conv2d(x, self.state[f"conv{i}.conv.weight"], padding=1)
            x = self.relu(f"relu{i}", self.normalised(x) + self.state[f"ins{i}_bias.bias"])
            x = self.pool(f"pool{i}", x) if i > 2 else x
        x = x.flatten(1)
        for i in (1, 2, 3):
            x = x @ self.state[f"fc{i}.linear.weight"].T + self.state[f"fc{i}_bias.bias"]
            x = self.relu(f"relu{i + 4}", x) if i < 3 else x
        return x, feature

    def down(self, y):
        """What feedback makes of the feature; biases are left alone."""
        for i in (3, 2, 1):
            y = (self.relu_back(f"relu{i + 4}", y) if i < 3 else y) @ self.state[f"fc{i}.linear.weight"]
        y = y.view(-1, 64, 7, 7)
        for i in range(4, self.ind, -1):
            y = self.normalised(y)
            y = self.pool_back(f"pool{i}", y) if i > 2 else y
            y = functional.conv_transpose2d(
                self.relu_back(f"relu{i}", y), self.state[f"conv{i}.conv.weight"], padding=1
            )
        return y

    def logits(self, images, *, cycles):
        """(T + 1, B, K), of images in [0, 1]."""
        found, feature = self.up(images * 2 - 1, start=0)
        every = [found]
        for _ in range(cycles):
            feature = feature + self.residual * (self.down(every[-1]) - feature)
            every.append(self.up(feature, start=self.ind)[0])
        return torch.stack(every)


@pytest.mark.parametrize(("ind", "cycles"), [(2, 0), (2, 3), (1, 2), (0, 2)])
def test_an_official_cnnf_is_the_originals_network(ind, cycles, tmp_path):
    state = cnnf_file()
    torch.save(state, tmp_path / "CNNF_1_fmnist.pt")
    model = cnnf.load_official(tmp_path / "CNNF_1_fmnist.pt", cycles=cycles, residual=0.2, ind=ind)
    assert not model.training
    assert sum(parameter.numel() for parameter in model.parameters()) == 3_298_962 - 3 * 129  # 7 classes, not 10
    images = pixels(5, 1, 28, 28)
    expected = Original(state, residual=0.2, ind=ind).logits(images, cycles=cycles)
    assert_close(model.double()(images, return_cycles=True), expected, rtol=1e-10, atol=1e-11)
    assert_close(model(images), expected.mean(dim=0), rtol=1e-10, atol=1e-11)


def without(state, name):
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: without(state, "conv2.conv.weight"), r"not the original's .*: it has no conv2\.conv\.weight"),
        (lambda state: state | {"fc1.weight": torch.ones(1000, 3136)}, r"fc1\.weight differs from fc1\.linear\.weight"),
        (
            lambda state: state | dict.fromkeys(("conv1.conv.weight", "conv1.conv_t.weight"), torch.ones(8, 1, 3, 3)),
            "does not fit the network",
        ),
    ],
)
def test_other_files_are_no_official_cnnf(change, message, tmp_path):
    torch.save(change(cnnf_file()), tmp_path / "other.pt")
    with pytest.raises(BiorobustError, match=message) as refused:
        cnnf.load_official(tmp_path / "other.pt")
    assert "\n" not in str(refused.value)


class Winners(nn.Module):
    """The k-WTA activation from a sort; ReLU for None."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, x):
        if self.gamma is None:
            return x.clamp_min(0)
        flat = x.flatten(1)
        k = int(self.gamma * flat.shape[1])
        least = flat.sort(dim=1, descending=True).values[:, k - 1]
        return torch.where(x >= least.view(-1, *[1] * (x.ndim - 1)), x, 0)


ORIGINAL = {"fc.": "linear.", "downsample": "shortcut"}  # torchvision's names -> the original's


def resnet(gamma, *, original):
    """A file as the original saves its ResNet18, or the report torchvision's, and the network in it in float64."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=10 if original else 1000)
    if original:  # for 32 pixels, with a ReLU behind the first convolution
        network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    network(torch.rand(4, 3, 64, 64))  # normalisation that fits
    state = network.state_dict()
    for theirs, ours in ORIGINAL.items() if original else ():
        state = {name.replace(theirs, ours): tensor for name, tensor in state.items()}
    for name, parent in list(network.named_modules()):
        if hasattr(parent, "relu") and (name or not original):
            parent.relu = Winners(gamma)
    return state, network.double().eval()


@pytest.mark.parametrize(("gamma", "prefix"), [(None, ""), (0.2, "module.")])
def test_an_official_resnet18_is_the_originals_network(gamma, prefix, tmp_path):
    state, theirs = resnet(gamma, original=True)
    torch.save({prefix + name: tensor for name, tensor in state.items()}, tmp_path / "spresnet18_cifar.pth")
    ours = kwta.load_official(tmp_path / "spresnet18_cifar.pth", gamma=gamma).double()
    assert not ours.training
    images = pixels(2, 3, 32, 32)
    assert_close(ours(images), theirs(images), rtol=1e-9, atol=1e-10)


def test_the_reports_resnet18_is_torchvisions_with_other_activations(tmp_path):
    gamma = 0.1
    state, theirs = resnet(gamma, original=False)
    torch.save(state, tmp_path / "ResNet18_CIFAR-10_k-WTA_0.1.pth")
    ours = kwta.load_official(tmp_path / "ResNet18_CIFAR-10_k-WTA_0.1.pth", gamma=gamma).double()
    small = pixels(1, 3, 32, 32)
    expected = theirs(functional.interpolate(small, 224, mode="bilinear"))
    assert_close(ours.outputs(small), expected, rtol=1e-9, atol=1e-10)
    assert_close(ours(small), expected[:, :10], rtol=1e-9, atol=1e-10)


def test_the_reports_alexnet(tmp_path):
    gamma = 0.2
    torch.manual_seed(0)
    act, pool = Winners(gamma), nn.MaxPool2d(3, 2)
    features = [nn.Conv2d(3, 4, 11, 4, 2), act, pool, nn.Conv2d(4, 12, 5, padding=2), act, pool]
    for n_in, n_out in ((12, 24), (24, 16), (16, 16)):
        features += [nn.Conv2d(n_in, n_out, 3, padding=1), act]
    dropout = nn.Identity()
    classifier = [dropout, nn.Linear(576, 256), act, dropout, nn.Linear(256, 256), act, nn.Linear(256, 1000)]
    theirs = nn.ModuleDict({"features": nn.Sequential(*features, pool), "classifier": nn.Sequential(*classifier)})
    torch.save(theirs.state_dict(), tmp_path / "AlexNet_SVHN_k-WTA_0.2.pth")
    ours, images = kwta.load_official(tmp_path / "AlexNet_SVHN_k-WTA_0.2.pth", gamma=gamma), pixels(3, 3, 224, 224)
    theirs.double()
    expected = theirs["classifier"](theirs["features"](images).flatten(1))[:, :10]
    assert_close(ours.double()(images), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: without(state, "linear.weight"),
            r"holds none of .*: it has no classifier\.6\.weight or fc\.weight",
        ),
        (lambda state: without(state, "layer3.0.bn1.bias"), r"does not fit the network .*layer3\.0\.bn1\.bias"),
    ],
)
def test_other_files_are_no_official_kwta_network(change, message, tmp_path):
    torch.save(change(resnet(None, original=True)[0]), tmp_path / "other.pth")
    with pytest.raises(BiorobustError, match=message) as refused:
        kwta.load_official(tmp_path / "other.pth", gamma=0.1)
    assert "\n" not in str(refused.value)
