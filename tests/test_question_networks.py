"""The comparison's networks: a twin differs in the defence alone; V1's noise has one size, on learned filters too."""

import pytest
import torch
from attack_victims import assert_many_passes_are_those_of_copies
from edits import project

from biorobust import params
from biorobust.core.errors import ParamsError
from biorobust.core.tensors import Tensors
from biorobust.kwta.model.operator import KWTA
from biorobust.question.model import networks, training
from biorobust.question.model.params import DATASETS, FAMILIES, compared
from biorobust.question.model.rows import networks as all_networks
from biorobust.vonenet import VOneBlock

V1 = {"simple_channels": 4, "complex_channels": 4, "ksize": 7, "stride": 2, "image_size": 28, "visual_degrees": 0.875}
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


def settings(**changed):
    raw = project(scale="gpu")
    return params.check(raw | {key: raw[key] | value for key, value in changed.items()})


SETTINGS = settings()
NETWORKS = all_networks(SETTINGS)


def built(name):
    """What a network of the comparison is built from, for data of the right shape."""
    network = NETWORKS[name]
    channels, *sides = SHAPES[network.dataset]
    train = torch.zeros(200, *sides, *([channels] if channels > 1 else []), dtype=torch.uint8)
    labels = torch.arange(200) % 10
    data = Tensors(train, labels, torch.zeros(200, dtype=torch.bool), train[:20], labels[:20], 10)
    return network, training.describe(network, data, SETTINGS)


def model(dataset, *, gamma=None, front="none", width=4):
    torch.manual_seed(0)
    v1 = V1 | {"image_size": SHAPES[dataset][1], "noise_scale": 0.35, "noise_level": 0.07}
    config = {"dataset": dataset, "n_classes": 10, "width": width, "gamma": gamma, "front": front, "v1": v1}
    return networks.build(config)


@pytest.mark.parametrize(
    ("dataset", "front"),
    [("mnist", "v1-noiseless"), ("cifar10", "none"), ("cifar10", "v1"), ("cifar10", "learned-noisy")],
)
def test_many_passes_of_one_image_are_those_of_as_many_copies(dataset, front):
    found = model(dataset, front=front).eval()
    logits = assert_many_passes_are_those_of_copies(found, torch.rand(1, *SHAPES[dataset]))
    assert logits.shape == (4, 10)
    assert (logits.std(dim=0).max() > 1e-5) == (front in ("v1", "learned-noisy"))


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_image_of_a_minibatch_is_seen(dataset):
    found, x = model(dataset, front="v1-noiseless").eval(), torch.rand(3, *SHAPES[dataset])
    torch.testing.assert_close(found(x), torch.cat([found(one[None]) for one in x]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dataset", DATASETS)
def test_k_wta_is_the_plain_network_but_for_its_activations(dataset):
    plain, sparse = model(dataset), model(dataset, gamma=0.1)
    assert [type(m) for m in plain.modules() if not isinstance(m, torch.nn.ReLU)] == [
        type(m) for m in sparse.modules() if not isinstance(m, KWTA)
    ]
    for (name, a), (other, b) in zip(plain.state_dict().items(), sparse.state_dict().items(), strict=True):
        assert (name, a.shape) == (other, b.shape)


def test_the_stage_without_noise_gives_the_same_twice_and_the_noisy_one_does_not():
    x = torch.rand(4, 1, 28, 28)
    quiet, noisy = model("mnist", front="v1-noiseless").eval(), model("mnist", front="v1").eval()
    assert torch.equal(quiet(x), quiet(x))
    assert not torch.equal(noisy(x), noisy(x))


def test_learned_filters_respond_as_strongly_as_those_of_v1():
    """Noise whose variance grows with the response has the same size only where the mean response is the same."""
    stage = networks.LearnedNoisyStage(
        n_inputs=1, n_filters=8, ksize=7, stride=2, scale=0.35, level=0.07, n_outputs=4
    ).train()
    images = torch.rand(256, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    block = VOneBlock(**V1, noise="none")
    stage.measure_mean(block, images)
    with torch.no_grad():
        mean = block.responses(2 * images.expand(-1, 3, -1, -1) - 1).mean()
        responses = stage.norm(stage.filters(2 * images - 1)).relu() * (stage.mean / 0.3989)
    assert responses.mean().item() == pytest.approx(mean.item(), rel=0.05)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_twin_is_trained_alike(name):
    network, mine = built(name)
    if network.twin is None or network.left_out:
        return
    _, its = built(network.twin)
    differs = {key for key in mine.recipe.keys() | its.recipe.keys() if mine.recipe.get(key) != its.recipe.get(key)}
    defence = {"kwta": {"gamma_fall"}, "cnnf": {"cycles", "residual"}, "yardsticks": {"noise"}, "vonenet": set()}
    defence["adversarial"] = {"gamma_fall"} if "kwta" in network.name else {"eps", "steps", "step", "epochs"}
    if network.family in defence:
        assert differs <= defence[network.family]


def test_noise_of_training_images_is_that_of_the_data_set():
    for dataset in DATASETS:
        network, its = built(f"{dataset}-noise")
        assert its.recipe["noise"] == network.threat.noise
        assert "noise" not in built(f"{dataset}-plain")[1].recipe


def test_pgd_in_training_stays_within_epsilon_and_raises_the_loss():
    torch.manual_seed(0)
    found = model("mnist", width=8)
    x, y = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    moved = training.ascended(found, x, y, eps=0.1, steps=7, step=0.025)
    assert (moved - x).abs().max().item() <= 0.1 + 1e-6
    assert 0 <= moved.min() <= moved.max() <= 1
    loss = torch.nn.functional.cross_entropy
    assert loss(found(moved), y) > loss(found(x), y)
    assert found.training


def test_every_network_is_compared_once_with_networks_of_its_kind():
    groups = compared(SETTINGS.runs)
    assert sorted(name for group in groups for name in group) == sorted(NETWORKS)
    for group in groups:
        assert len({(NETWORKS[name].family, NETWORKS[name].noisy) for name in group}) <= 1
    assert {network.family for network in NETWORKS.values()} == set(FAMILIES)


ROW = {"network": "body", "method": "kwta", "front": "none", "images": "clean"}


@pytest.mark.parametrize(
    ("block", "slip", "words"),
    [
        ("question_attack", {"views": {"cortex": ["apgd-margin"]}}, "views"),
        ("question_rows_kwta", {"kwta-high": ROW | {"twin": "plane"}}, r"kwta-high.twin = 'plane'"),
        ("question_rows_kwta", {"plain": ROW | {"twin": None}}, "plain: named in two families"),
    ],
)
def test_a_slip_in_its_parameters_is_named(block, slip, words):
    with pytest.raises(ParamsError, match=words):
        settings(**{block: slip})
