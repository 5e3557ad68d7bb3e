"""Attacked letters followed through the cycles: where the attack leads, and numbers against single images."""

import pytest
import torch

from biorobust.cnnf import TwoBlock
from biorobust.cnnf.model import evaluation

EPS = (0.0, 0.05, 0.1)
LABELS = torch.arange(6) % 4


def network(cycles=2):
    torch.manual_seed(0)
    model = TwoBlock(4, cycles=cycles, residual=0.3, width=3, image_shape=(1, 9, 8))
    return model.eval().requires_grad_(False)


def letters():
    return torch.rand(6, 1, 9, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attack", ["fgsm-cross-entropy", "pgd-cross-entropy"])
def test_attacks_stay_in_the_ball_and_raise_the_loss_of_the_counted_readout(attack):
    model, images = network(), letters()
    found = evaluation.attacked(model, images, LABELS, attack=attack, eps=EPS, seed=3)
    losses = [torch.nn.functional.cross_entropy(model(changed), LABELS).item() for changed in found]
    assert losses == sorted(losses)
    assert losses[2] > losses[0] + 0.02
    for changed, size in zip(found, EPS, strict=True):
        assert changed.shape == images.shape
        assert float((changed - images).abs().max()) == pytest.approx(size, abs=1e-6)
    in_parts = evaluation.attacked(model, images, LABELS, attack=attack, eps=EPS, seed=3, batch_size=4)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, in_parts, strict=True))


def test_every_number_is_that_of_one_version():
    model, images = network(), letters()
    versions = [images, (images + 0.1).clamp(0, 1), torch.rand_like(images)]
    found = evaluation.followed(model, images, LABELS, versions)
    assert all(len(values) == len(versions) for values in found.values())
    assert found["image_psnr"][0] is None
    for i, version in enumerate(versions):
        states = [model.states(version[n : n + 1]) for n in range(6)]
        for t in range(3):
            said = [int(state[t].logits.argmax()) for state in states]
            assert found["cycle_accuracy"][i][t] == pytest.approx(sum(map(int.__eq__, said, LABELS.tolist())) / 6)
        pixels = [torch.cat([model.pixels(state[t]) for state in states]) for t in (1, 2)]
        assert found["psnr"][i] == pytest.approx([evaluation.psnr(each, images) for each in pixels], rel=1e-4)
        assert (len(found["margin"][i]), len(found["changed"][i]), len(found["reconstruction_rms"][i])) == (3, 2, 2)
    assert found["image_psnr"][2] == pytest.approx(evaluation.psnr(versions[2], images))


def test_a_plain_cnn_has_one_cycle_and_no_reconstruction():
    found = evaluation.followed(network(cycles=0), letters(), LABELS, [letters()])
    assert [len(found[key][0]) for key in ("cycle_accuracy", "margin", "changed", "psnr")] == [1, 1, 0, 0]
