"""Files of weights trained elsewhere: made ones of the official layout load, every other kind is refused in a line."""

import pytest
import torch
from made_weights import FLAGS, official

from biorobust.core.errors import BiorobustError
from biorobust.vonenet import load_official, load_official_state_dict, load_torchvision, noise, v1
from biorobust.vonenet.model import models


@pytest.fixture
def stored(tmp_path):
    def store(content):
        path = tmp_path / "voneresnet50_e70.pth.tar"
        torch.save(content, path)
        return path

    return store


def dense_logits(state, body, x):
    """The published form on the dense filters: two convolutions of three channels, then the rest of the network."""
    q0, q1 = state["module.vone_block.simple_conv_q0.weight"], state["module.vone_block.simple_conv_q1.weight"]
    s0, s1 = (torch.nn.functional.conv2d(2 * x - 1, q, stride=4, padding=3) for q in (q0, q1))
    simple, complex_ = s0[:, :6].relu(), (s0[:, 6:] ** 2 + s1[:, 6:] ** 2).sqrt() / 2**0.5
    return body.model(body.bottleneck(25 * torch.cat([simple, complex_], dim=1)))


def test_an_official_file_gives_the_published_network(stored):
    content = official()
    model = load_official(stored(content))
    block = v1(model)
    assert not model.training
    assert (block.simple_channels, block.complex_channels, block.ksize, block.stride) == (6, 4, 7, 4)
    assert (block.noise_mode, block.noise_scale, block.noise_level) == ("neuronal", 0.35, 0.07)
    # Filter i of the first bank is in channel 7 i mod 3, of the second in that or (odd i) the next.
    assert block.colours.tolist() == [(7 * i) % 3 for i in range(10)] + [(7 * i + i % 2) % 3 for i in range(6, 10)]
    x = torch.rand(2, 3, 224, 224)
    with noise(model, "none"), torch.no_grad():
        torch.testing.assert_close(model(x), dense_logits(content["state_dict"], model.body, x), rtol=1e-4, atol=1e-4)
    for name, tensor in content["state_dict"].items():
        if "vone_block" not in name:
            assert torch.equal(model.body.state_dict()[name.removeprefix("module.")], tensor)


def test_the_other_forms_of_official_files(stored):
    unprefixed = official(prefix="", extra={name: torch.ones(3) for name in models.DROPPED})
    expected = load_official_state_dict(stored(official()))
    state = load_official_state_dict(stored(unprefixed))
    assert set(state) == set(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    silent = load_official(stored(official(flags=FLAGS | {"noise_mode": None})))
    x = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(silent(x), silent(x))
    assert v1(load_official(stored(official() | {"flags": FLAGS}))).k_exc == 25  # flags as a dictionary


def without(content, name):
    return content | {"state_dict": {key: value for key, value in content["state_dict"].items() if key != name}}


def two_channels():
    weights = official()["state_dict"]["module.vone_block.simple_conv_q0.weight"].clone()
    weights[3] = 1.0
    return {"vone_block.simple_conv_q0.weight": weights}


OTHER = {"conv1.weight": torch.zeros(4, 3, 7, 7), "fc.bias": torch.zeros(5)}


@pytest.mark.parametrize(
    ("load", "content", "message"),
    [
        (load_official, {"weights": 1}, "not of the layout .*flags"),
        (load_official, without(official(), "module.model.layer3.0.conv2.weight"), "not fit .*layer3.0.conv2.weight"),
        (load_official, official(extra=two_channels()), "filter 3 must have exactly one non-zero channel"),
        (load_official, official(flags=FLAGS | {"complex_channels": 5}), "its flags name 11 V1 channels"),
        (load_torchvision, OTHER, "does not fit the network"),
    ],
)
def test_files_of_another_layout_are_refused(stored, load, content, message):
    with pytest.raises(BiorobustError, match=message):
        load(stored(content))
