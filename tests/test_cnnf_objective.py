"""The five terms of the objective, against loops over images and cycles in float64."""

from dataclasses import replace

import cnnf_networks
import pytest
import torch
from edits import project
from torch.nn import functional
from torch.testing import assert_close

from biorobust import params
from biorobust.cnnf import CNNF, TwoBlock
from biorobust.cnnf.model import objective, training
from biorobust.cnnf.model.objective import TERMS
from biorobust.cnnf.model.params import Noise, Training, plan

WEIGHTS = {"first": 1.0, "cycles": 0.7, "feature": 0.5, "block1": 0.4, "block2": 0.3, "clean": 0.2}
LABELS = torch.tensor([0, 3, 1])
SHAPE = (1, 9, 8)
KINDS = {"two-block": (TwoBlock, {"width": 3, "ind": 1}), "original": (CNNF, {"ind": 2})}


def network(kind="two-block", **options):
    build, defaults = KINDS[kind]
    return cnnf_networks.network(build, **(defaults | {"image_shape": SHAPE} | options))


def halves():
    return torch.rand(2, 3, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def terms(model, clean, noisy, *, cycle_clean=True, detach=False):
    return objective.terms(model, clean, noisy, LABELS, weights=WEIGHTS, cycle_clean=cycle_clean, detach=detach)


def entropy(state, label):
    return -float(state.logits[0].log_softmax(0)[label])


def activations(model, image):
    """The ReLU's output of every block that pools, by its index, in the first pass, from torch's own functions."""
    found, x = {}, image * 2 - 1
    for index, block in enumerate(model.blocks):
        if not hasattr(block, "conv"):
            break
        x = functional.conv2d(x, block.conv.weight, padding=1)
        x = x / (x.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
        x = (x + block.bias.bias.view(1, -1, 1, 1)).relu()
        if block.pool:
            found[index], x = x, functional.max_pool2d(x, 2)
    return found


def below(h, noisy):
    """What feedback at h makes of the activation that was pooled to it: normalised, unpooled, through its ReLU."""
    h = h / (h.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
    _, places = functional.max_pool2d(noisy, 2, return_indices=True)
    return functional.max_unpool2d(h, places, 2, output_size=noisy.shape[-2:]) * (noisy > 0)


def targets(model, image):
    """What the three squared errors compare with, of one clean image."""
    blocks = {f"block{number}": seen for number, seen in enumerate(activations(model, image).values(), start=1)}
    return {"feature": model.first_pass(image).feature, **blocks}


def squares(model, image, wanted):
    """The three squared errors of one noisy image against its targets, of a network that composes its layers."""
    found = dict.fromkeys(wanted, 0.0)
    for state in list(model.states(image))[1:]:
        made = {"feature": state.reconstruction}
        for number, (index, seen) in enumerate(activations(model, image).items(), start=1):
            inside = state.memories[index].reconstruction
            made[f"block{number}"] = below(state.reconstruction, seen) if index < model.ind else inside
        for name, target in wanted.items():
            error = ((made[name] - target) ** 2).mean()
            found[name] += WEIGHTS[name] * error / (3 * model.cycles)
    return found


def naive(model, clean, noisy, *, cycle_clean):
    """The five terms, image by image and cycle by cycle."""
    found = dict.fromkeys(TERMS, 0.0)
    share = 1 / (2 * (model.cycles + 1))
    of_clean = WEIGHTS["clean"] * (share if cycle_clean else 1 / 2)
    for i, label in enumerate(LABELS.tolist()):
        of_c, of_n = (list(model.states(half[i : i + 1])) for half in (clean, noisy))
        found["first"] += WEIGHTS["first"] * (of_clean * entropy(of_c[0], label) + share * entropy(of_n[0], label))
        for t in range(1, model.cycles + 1):
            found["cycles"] += WEIGHTS["cycles"] * share * entropy(of_n[t], label)
            if cycle_clean:
                found["cycles"] += WEIGHTS["cycles"] * of_clean * entropy(of_c[t], label)
        for name, error in squares(model, noisy[i : i + 1], targets(model, clean[i : i + 1])).items():
            found[name] += float(error)
    return found


@pytest.mark.parametrize("cycle_clean", [True, False])
@pytest.mark.parametrize("cycles", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_term_is_that_of_the_formulas(kind, cycles, cycle_clean):
    clean, noisy = halves()
    with torch.no_grad():
        found, logits = terms(network(kind, cycles=cycles), clean, noisy, cycle_clean=cycle_clean)
        model = network(kind, cycles=cycles, fuse=False)
        wanted = naive(model, clean, noisy, cycle_clean=cycle_clean)
        assert_close(logits, model(noisy))
    assert tuple(found) == TERMS
    for name in TERMS:
        assert float(found[name]) == pytest.approx(wanted[name], rel=1e-10, abs=1e-14), name
        assert (float(found[name]) > 0) == (cycles > 0 or name == "first")


@pytest.mark.parametrize("cycles", [0, 2])
@pytest.mark.parametrize("half", [0, 1])
def test_one_half_alone_has_its_cross_entropies_and_no_reconstruction(half, cycles):
    model, images = network(cycles=cycles), halves()[half]
    with torch.no_grad():
        found, logits = terms(model, *((images, None), (None, images))[half])
        states = [list(model.states(images[i : i + 1])) for i in range(3)]
        assert_close(logits, model(images))
    entropies = [
        sum(entropy(of[t], label) for of, label in zip(states, LABELS, strict=True)) for t in range(cycles + 1)
    ]
    assert float(found["first"]) == pytest.approx(WEIGHTS["first"] * entropies[0] / (cycles + 1), rel=1e-12)
    assert float(found["cycles"]) == pytest.approx(WEIGHTS["cycles"] * sum(entropies[1:]) / (cycles + 1), rel=1e-12)
    assert [float(found[name]) for name in ("feature", "block1", "block2")] == [0, 0, 0]


def test_detached_gradients_are_those_of_targets_held_fixed():
    """By finite differences of the squared errors; a network without detaching has other gradients and equal values."""
    clean, noisy = halves()
    model, plain = network(), network(fuse=False)
    weight, index, step = plain.blocks[0].conv.weight, (1, 0, 1, 2), 1e-6
    found = {}
    for detach in (False, True):
        parts, _ = terms(model, clean, noisy, detach=detach)
        errors = parts["feature"] + parts["block1"] + parts["block2"]
        gradient = torch.autograd.grad(errors, model.blocks[0].conv.weight)[0]
        found[detach] = float(errors.detach()), float(gradient[index])
    moved = []
    with torch.no_grad():
        fixed = [targets(plain, image[None]) for image in clean]
        for change in (step, -2 * step):
            weight[index] += change
            errors = [squares(plain, image[None], wanted) for image, wanted in zip(noisy, fixed, strict=True)]
            moved.append(sum(float(error) for each in errors for error in each.values()))
    assert found[True][1] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-5, abs=1e-8)
    assert found[False][1] != pytest.approx(found[True][1], rel=0.01)
    assert found[False][0] == found[True][0]


@pytest.mark.parametrize("images", ["clean", "both", "noisy"])
def test_a_training_sees_the_halves_it_is_told_to(images, monkeypatch):
    asked, model, clean = [], network(), halves()[0]
    monkeypatch.setattr(training.training, "fit", lambda *_, objective, **__: asked.append(objective))
    settings = params.check(project() | {"scale": "tiny"})
    shared, noise = settings.block("cnnf_training", Training), settings.block("cnnf_noise", Noise)
    own = replace(plan("cnn-feedback", settings), images=images, noise_level=0.0)  # perturbed images are the clean ones
    how = {"adversarial": None, "batch_size": 3, "seed": 0, "state": None, "label": ""}
    training.fit(model, clean, LABELS, settings=shared, plan=own, noise_=noise, **how)
    _, said, parts = asked[0](model, clean, LABELS)
    weights = {name: getattr(shared, f"weight_{name}") for name in WEIGHTS}
    given = [None if images == other else clean for other in ("noisy", "clean")]
    wanted, logits = objective.terms(model, *given, LABELS, weights=weights, cycle_clean=True, detach=shared.detach)
    assert torch.equal(said, logits)
    assert parts == wanted
