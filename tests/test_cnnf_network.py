"""The networks of CNN-F: against a straightforward implementation, against torch's layers, and what they refuse."""

import cnnf_networks
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from benchmarks import cnnf as benchmark
from biorobust.cnnf import CNNF, TwoBlock
from biorobust.cnnf.model.network import attack_views


def network(kind=TwoBlock, **options):
    return cnnf_networks.network(kind, **options)


def images(n=4, shape=(1, 28, 28), seed=1):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_parameter_count_of_the_originals_network():
    assert sum(p.numel() for p in CNNF(10, cycles=1, residual=0.1).parameters()) == 3_298_962


@pytest.mark.parametrize("kind", [TwoBlock, CNNF])
def test_without_cycles_it_is_the_plain_cnn_bit_for_bit(kind):
    x = images().float()
    plain, cycling = (network(kind, cycles=cycles).float() for cycles in (0, 3))
    assert torch.equal(plain(x), cycling(x, return_cycles=True)[0])
    plain.readout = "last"
    assert torch.equal(plain(x), cycling.first_pass(x).logits)
    assert torch.equal(attack_views(cycling)["first"](x), plain(x))


@pytest.mark.parametrize("cycles", [0, 1, 3])
def test_loss_and_gradients_equal_the_straightforward_implementation(cycles):
    torch.manual_seed(0)
    reference = benchmark.Straightforward(cycles).double()
    for block in (reference.block1, reference.block2, reference):
        nn.init.normal_(block.bias, std=0.3)
    model = benchmark.ours(cycles, like=reference)
    clean, noisy, labels = images(6, seed=1), images(6, seed=2), torch.arange(6)
    theirs, mine = reference.loss(clean, noisy, labels), benchmark.our_loss(model, clean, noisy, labels)
    theirs.backward()
    mine.backward()
    assert_close(mine, theirs)
    pairs = {
        "blocks.0.conv.weight": reference.block1.conv.weight,
        "blocks.0.bias.bias": reference.block1.bias,
        "blocks.1.conv.weight": reference.block2.conv.weight,
        "blocks.1.bias.bias": reference.block2.bias,
        "blocks.2.linear.weight": reference.linear.weight,
        "blocks.2.bias.bias": reference.bias,
    }
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, pairs[name].grad.view_as(parameter), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("subtract_bias", [True, False])
@pytest.mark.parametrize(
    ("kind", "ind"), [(TwoBlock, 0), (TwoBlock, 1), (TwoBlock, 2), (CNNF, 0), (CNNF, 1), (CNNF, 2), (CNNF, 4)]
)
def test_pooling_first_changes_nothing(kind, ind, subtract_bias):
    """Logits of every cycle, pixels and gradients against layers run one after the other, on an odd image size."""
    shape = (1, 13, 10)
    residual = (0.0, 0.3, 1.0)[ind % 3]
    options = {"ind": ind, "subtract_bias": subtract_bias, "image_shape": shape, "residual": residual}
    fused, composed = (network(kind, fuse=fuse, **options) for fuse in (True, False))
    found = []
    for model in (fused, composed):
        x = images(3, shape).requires_grad_()
        states = list(model.states(x))
        logits, pixels = torch.stack([state.logits for state in states]), model.pixels(states[-1])
        gradients = torch.autograd.grad(logits.square().sum() + pixels.square().sum(), [x, *model.parameters()])
        found.append([logits, pixels, *gradients])
    for mine, theirs in zip(*found, strict=True):
        assert_close(mine, theirs, rtol=1e-9, atol=1e-11)


def norm(x):
    return x / (x.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()


def masked_feedback(model, x):
    """Logits of every cycle of a network whose forward passes are plain: torch's own ReLU, pooling and unpooling."""
    kept = {}

    def up(x, start):
        for index, block in list(enumerate(model.blocks))[start:]:
            kept[index] = [x]
            if hasattr(block, "linear"):
                z = functional.linear(x.flatten(1), block.linear.weight) + block.bias.bias
                x = z.relu() if block.gate else z
            else:
                z = norm(functional.conv2d(x, block.conv.weight, padding=1)) + block.bias.bias.view(1, -1, 1, 1)
                x = z.relu()
            kept[index].append(z)
            if getattr(block, "pool", None):
                x, places = functional.max_pool2d(x, 2, return_indices=True)
                kept[index].append(places)
        return x

    def down(y):
        for index, block in reversed(list(enumerate(model.blocks))[model.ind :]):
            below, z, *places = kept[index]
            if hasattr(block, "linear"):
                y = y * (z > 0) if block.gate else y
                y = ((y - block.bias.bias * block.bias.subtract) @ block.linear.weight).view_as(below)
            else:
                y = norm(y)
                y = functional.max_unpool2d(y, places[0], 2, output_size=z.shape[-2:]) if places else y
                y = y * (z > 0) - block.bias.bias.view(1, -1, 1, 1) * block.bias.subtract
                y = functional.conv_transpose2d(y, block.conv.weight, padding=1)
        return y

    found = [up(x * 2 - 1, 0)]
    h = kept[model.ind][0]
    for _ in range(model.cycles):
        h = h + model.residual * (down(found[-1]) - h)
        found.append(up(h, model.ind))
    return torch.stack(found)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(("kind", "ind"), [(TwoBlock, 0), (TwoBlock, 1), (CNNF, 2), (CNNF, 4)])
@pytest.mark.parametrize("subtract_bias", [True, False])
def test_plain_forward_passes_with_masked_feedback_are_what_torch_computes(kind, ind, subtract_bias, fuse):
    """Logits of every cycle and gradients, of pixels and weights; they are not those of the adaptive network."""
    options = {"ind": ind, "cycles": 3, "image_shape": (1, 12, 12), "subtract_bias": subtract_bias, "fuse": fuse}
    model, x = network(kind, adaptive=False, **options), images(3, (1, 12, 12)).requires_grad_()
    leaves = [x, *model.parameters()]
    found, wanted = (
        [logits, *torch.autograd.grad(logits.square().sum(), leaves)]
        for logits in (model(x, return_cycles=True), masked_feedback(model, x))
    )
    for mine, theirs in zip(found, wanted, strict=True):
        assert_close(mine, theirs, rtol=1e-9, atol=1e-11)
    adaptive = network(kind, **options)(x, return_cycles=True)
    assert torch.equal(adaptive[0], found[0][0])
    assert float((adaptive[1:] - found[0][1:]).detach().abs().amax(dim=(1, 2)).min()) > 1e-3


def test_readouts_and_cycles_come_from_one_pass():
    model, x = network(cycles=3), images()
    every = model(x, return_cycles=True)
    assert every.shape == (4, 4, 5)
    assert_close(model(x), every.mean(dim=0))
    model.readout = "last"
    assert torch.equal(model(x), every[-1])
    shorter = network(cycles=2)
    assert torch.equal(shorter(x, return_cycles=True), every[:3])
    assert float((every[1:] - every[:-1]).detach().abs().max()) > 1e-3


def test_images_of_a_batch_do_not_touch_each_other():
    model, x = network(), images(5)
    order = torch.tensor([3, 0, 4, 1, 2])
    together = model(x, return_cycles=True)
    assert_close(model(x[order], return_cycles=True), together[:, order])
    assert_close(model(x[2:3], return_cycles=True), together[:, 2:3])


@pytest.mark.parametrize(
    "options", [{"cycles": -1}, {"residual": -0.1}, {"residual": float("nan")}, {"ind": 3}, {"readout": "best"}]
)
def test_impossible_networks_are_refused(options):
    with pytest.raises(ValueError, match="{} = {!r}".format(*next(iter(options.items())))):
        network(**options)


def test_images_that_are_no_numbers_or_of_another_shape_are_refused():
    x = images()
    for bad in (float("nan"), float("inf"), -float("inf")):
        x[1, 0, 5, 5] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            network()(x)
    with pytest.raises(ValueError, match=r"this network takes \(B, 1, 28, 28\)"):
        network()(images(2, (1, 27, 28)))
