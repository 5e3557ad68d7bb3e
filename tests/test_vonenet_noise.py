"""Response noise: its formula and statistics, and that frozen numbers are frozen whatever the minibatch."""

from functools import partial

import pytest
import torch

from biorobust.core.errors import BiorobustError
from biorobust.vonenet import VOneBlock, noise, resnet18, voneresnet18
from biorobust.vonenet.model.block import NOISE_MODES, add_noise, frozen_noise, live_noise

SMALL = {"image_size": 32, "visual_degrees": 2.0, "ksize": 13, "sf_max": 5.6}
SMALL |= {"simple_channels": 6, "complex_channels": 6}


def block(**changes):
    return VOneBlock(**(SMALL | changes))


def images(n=4):
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_the_formulas():
    x = torch.linspace(0, 4, 60, dtype=torch.float64).reshape(1, 3, 4, 5)
    n = frozen_noise(5)(x)
    t = 0.35 * x + 0.07
    expected = {
        "neuronal": ((t + n * torch.sqrt(t + 1e-4) - 0.07) / 0.35).clamp(min=0),
        "gaussian": (x + 0.35 * n).clamp(min=0),
        "none": x,
    }
    for mode in NOISE_MODES:
        made = add_noise(x, mode=mode, scale=0.35, level=0.07, source=frozen_noise(5))
        torch.testing.assert_close(made, expected[mode], rtol=1e-12, atol=1e-12)
        silent = add_noise(x, mode=mode, scale=0.35, level=0.07, source=torch.zeros_like)
        assert torch.equal(silent, x)


def test_the_variance_of_neuronal_noise_is_its_mean():
    source = partial(live_noise, generator=torch.Generator().manual_seed(0))
    for response in (20.0, 80.0):  # so high that rectification removes nothing
        x = torch.full((1, 1, 400, 400), response, dtype=torch.float64)
        counts = 0.35 * add_noise(x, mode="neuronal", scale=0.35, level=0.07, source=source) + 0.07
        mean = 0.35 * response + 0.07
        assert counts.mean().item() == pytest.approx(mean, rel=0.01)
        assert counts.var().item() == pytest.approx(mean, rel=0.02)


def test_live_noise_comes_in_evaluation_too_from_torch_s_generator_or_one_given():
    v1, x = block().eval(), images()
    torch.manual_seed(0)
    a, b = v1(x), v1(x)
    assert not torch.equal(a, b)
    torch.manual_seed(0)
    assert torch.equal(v1(x), a)
    state = torch.get_rng_state()
    for _ in range(2):
        with v1.noise(generator=torch.Generator().manual_seed(0)):
            assert torch.equal(v1(x), a)
            assert torch.equal(v1(x), b)
    assert torch.equal(state, torch.get_rng_state())


def test_one_seed_gives_every_image_the_same_numbers():
    v1, x = block(), images()
    same = x[:1].expand(3, -1, -1, -1)
    with v1.noise(seed=0):
        y = v1(same)
        assert torch.equal(y[0], y[1])
        assert torch.equal(y[0], v1(same[:1])[0])
        torch.testing.assert_close(v1(x), torch.cat([v1(x[i : i + 1]) for i in range(4)]), rtol=0, atol=1e-5)
    with v1.noise(seed=1):
        assert not torch.equal(v1(same), y)
    torch.manual_seed(99)
    with v1.noise(seed=0):  # zero is a seed
        assert torch.equal(v1(same), y)


def test_seeds_belong_to_images_not_to_places():
    v1, x = block(), images()
    with v1.noise(seeds=[10, 11, 12, 13]):
        whole = v1(x)
        assert torch.equal(v1(x), whole)
    with v1.noise(seeds=[13, 11]):
        torch.testing.assert_close(v1(x[[3, 1]]), whole[[3, 1]], rtol=0, atol=1e-5)
    with v1.noise(seeds=[10, 11, 12]), pytest.raises(BiorobustError, match="noise has 3 seeds, the minibatch 4 images"):
        v1(x)


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 1, "seeds": [1]}, "one of seed, seeds and generator"),
        ({"mode": "off"}, "noise = 'off': must be one of neuronal, gaussian, none"),
        ({"mode": "none", "seed": 3}, "has no use: name a mode, neuronal or gaussian"),
    ],
)
def test_contexts_that_mean_nothing_are_refused(arguments, message):
    with pytest.raises(BiorobustError, match=message), block().noise(**arguments):
        pass


def test_the_model_s_context_does_nothing_where_there_is_no_noise():
    x = (images(2) + 1) / 2
    plain = resnet18(width=4, n_classes=3, image_size=32).eval()
    silent = voneresnet18(width=4, n_classes=3, **(SMALL | {"noise": "none"})).eval()
    noisy = voneresnet18(width=4, n_classes=3, **SMALL).eval()
    assert not torch.equal(noisy(x), noisy(x))
    for model in (plain, silent, noisy):
        with noise(model, seed=4):
            assert torch.equal(model(x), model(x))
