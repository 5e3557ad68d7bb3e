"""Response noise: its formula and statistics, and that frozen numbers are frozen whatever the minibatch."""

import pytest
import torch

from biorobust.core.errors import BiorobustError
from biorobust.vonenet import VOneBlock, noise, resnet18, voneresnet18
from biorobust.vonenet.model import response_noise
from biorobust.vonenet.model.response_noise import Frozen, Live, apply

SMALL = {
    "image_size": 32,
    "visual_degrees": 2.0,
    "ksize": 13,
    "sf_max": 5.6,
    "simple_channels": 6,
    "complex_channels": 6,
}


def block(**changes):
    return VOneBlock(**(SMALL | changes))


def images(n=4):
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_the_formulas():
    x = torch.linspace(0, 4, 60, dtype=torch.float64).reshape(1, 3, 4, 5)
    n = Frozen(5).draw(x)
    t = 0.35 * x + 0.07
    neuronal = ((t + n * torch.sqrt(t.clamp(min=0) + 1e-4) - 0.07) / 0.35).clamp(min=0)
    made = {mode: apply(x, mode=mode, scale=0.35, level=0.07, source=Frozen(5)) for mode in response_noise.MODES}
    torch.testing.assert_close(made["neuronal"], neuronal, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(made["gaussian"], (x + 0.35 * n).clamp(min=0), rtol=1e-12, atol=1e-12)
    assert torch.equal(made["none"], x)


def test_numbers_that_are_all_zero_are_no_noise():
    zeros = Frozen(0, _kept=torch.zeros(1, 3, 4, 5, dtype=torch.float64))
    x = torch.linspace(0, 4, 120, dtype=torch.float64).reshape(2, 3, 4, 5)
    for mode in response_noise.MODES:
        assert torch.equal(apply(x, mode=mode, scale=0.35, level=0.07, source=zeros), x)


def test_the_variance_of_neuronal_noise_is_its_mean():
    generator = torch.Generator().manual_seed(0)
    for response in (2.0, 20.0, 80.0):
        x = torch.full((1, 1, 400, 400), response, dtype=torch.float64)
        y = apply(x, mode="neuronal", scale=0.35, level=0.07, source=Live(generator))
        counts = 0.35 * y + 0.07
        mean = 0.35 * response + 0.07
        if response > 10:  # so high that rectification removes nothing
            assert counts.mean().item() == pytest.approx(mean, rel=0.01)
            assert counts.var().item() == pytest.approx(mean, rel=0.02)
        assert y.min() >= 0


def test_live_noise_comes_in_evaluation_too_from_torch_s_generator_or_one_given():
    v1, x = block().eval(), images()
    torch.manual_seed(0)
    a, b = v1(x), v1(x)
    assert not torch.equal(a, b)
    torch.manual_seed(0)
    assert torch.equal(v1(x), a)
    state = torch.get_rng_state()
    with v1.noise(generator=torch.Generator().manual_seed(3)):
        first = v1(x), v1(x)
    with v1.noise(generator=torch.Generator().manual_seed(3)):
        again = v1(x), v1(x)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(*first)
    assert torch.equal(state, torch.get_rng_state())


def test_one_seed_gives_every_image_the_same_numbers():
    v1, x = block(), images()
    same = x[:1].expand(3, -1, -1, -1)
    with v1.noise(seed=0):
        y = v1(same)
        assert torch.equal(y[0], y[1])
        assert torch.equal(y[0], v1(same[:1])[0])
        whole, parts = v1(x), [v1(x[i : i + 1]) for i in range(4)]
        torch.testing.assert_close(whole, torch.cat(parts), rtol=0, atol=1e-5)
    with v1.noise(seed=1):
        assert not torch.equal(v1(same), y)


def test_seed_zero_is_a_seed():
    v1, x = block(), images(1)
    with v1.noise(seed=0):
        first = v1(x)
    torch.manual_seed(99)
    with v1.noise(seed=0):
        assert torch.equal(v1(x), first)


def test_seeds_belong_to_images_not_to_places():
    v1, x = block(), images()
    with v1.noise(seeds=[10, 11, 12, 13]):
        whole = v1(x)
        assert torch.equal(v1(x), whole)
    with v1.noise(seeds=[13, 11]):
        torch.testing.assert_close(v1(x[[3, 1]]), whole[[3, 1]], rtol=0, atol=1e-5)
    with v1.noise(seeds=[10, 11, 12]), pytest.raises(BiorobustError, match="noise has 3 seeds, the minibatch 4 images"):
        v1(x)


def test_frozen_noise_follows_the_size_of_the_images():
    v1 = block()
    with v1.noise(seed=0):
        assert v1(images()).shape[-1] == 8
        assert v1(torch.zeros(2, 3, 64, 64)).shape[-1] == 16
        assert v1(images()).shape[-1] == 8


def test_contexts_nest_and_end_also_after_an_error():
    v1, x = block(), images()
    with v1.noise("none"):
        silent = v1(x)
        assert torch.equal(silent, v1.responses(x))
        with v1.noise("gaussian", seed=1):
            assert not torch.equal(v1(x), silent)
        assert torch.equal(v1(x), silent)
    with pytest.raises(KeyError), v1.noise("none"):
        raise KeyError
    assert not torch.equal(v1(x), v1(x))


def test_a_block_without_noise_gets_it_only_by_name():
    v1, x = block(noise="none"), images()
    assert torch.equal(v1(x), v1(x))
    with pytest.raises(BiorobustError, match="name a mode, neuronal or gaussian"), v1.noise(seed=1):
        pass
    with v1.noise("neuronal", seed=1):
        assert not torch.equal(v1(x), v1.responses(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 1, "seeds": [1]}, "one of seed, seeds and generator"),
        ({"mode": "off"}, "noise = 'off': must be one of neuronal, gaussian, none"),
        ({"mode": "none", "seed": 3}, "has no use"),
    ],
)
def test_contexts_that_mean_nothing_are_refused(arguments, message):
    with pytest.raises(BiorobustError, match=message), block().noise(**arguments):
        pass


def test_the_model_s_context_does_nothing_where_there_is_no_noise():
    x = (images(2) + 1) / 2
    plain = resnet18(width=4, n_classes=3, image_size=32).eval()
    silent = voneresnet18(width=4, n_classes=3, **(SMALL | {"noise": "none"})).eval()
    for model in (plain, silent):
        with noise(model, seed=4):
            assert torch.equal(model(x), model(x))
    noisy = voneresnet18(width=4, n_classes=3, **SMALL).eval()
    assert not torch.equal(noisy(x), noisy(x))
    with noise(noisy, seed=4):
        assert torch.equal(noisy(x), noisy(x))
