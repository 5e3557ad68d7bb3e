"""Attacks: the registry walked, FGSM against its formula, records against a count by hand."""

import attack_victims as victims
import numpy as np
import pandas as pd
import pytest
import torch

from biorobust import attack_names, attacks
from biorobust.attacks import fgsm, losses, records
from biorobust.attacks.crafting import Batch
from biorobust.core.errors import BiorobustError

EPS = (0.0, 0.1, 0.3)


@pytest.fixture(scope="module")
def victim():
    """A linear classifier of 5x5 images that is right on most of them."""
    model, images, labels = victims.linear()
    labels[:5] = (labels[:5] + 1) % 4  # the first five are wrong from the start
    return model, images, labels


def test_the_names_checked_without_torch_are_those_of_the_registry():
    assert tuple(attacks.ATTACKS) == attack_names.NAMES


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_every_registered_attack_keeps_its_promises(name, victim, monkeypatch):
    victims.lighten(monkeypatch)
    model, images, labels = victim
    run = {"eps": EPS, "seed": 0, "batch_size": 16, "keep": (kept := {})}
    run["views"] = {"report": model}  # of attacks that take their gradient from it
    run["given"] = {"earlier": victims.points(images, labels, model, eps=EPS)}
    table = attacks.run(model, images, labels, [name], **run)
    assert torch.equal(kept[name][0], images)
    assert 0 <= kept[name].min() <= kept[name].max() <= 1
    assert tuple(table.columns)[: len(records.COLUMNS)] == records.COLUMNS
    assert set(table.columns) <= set(records.COLUMNS) | set(records.EXTRA_COLUMNS)
    assert len(table) == len(EPS) * len(images)
    assert (table["distance"] <= table["eps"] + 1e-6).all()
    assert table["verified"].all()
    clean = table[table["eps"] == 0]
    assert (clean["broken"] == (clean["clean_prediction"] != clean["label"])).all()
    accuracy = 1 - table.groupby("eps")["broken"].mean()
    assert accuracy[0.0] == pytest.approx(35 / 40)
    assert accuracy[0.3] < accuracy[0.0]
    assert table[table["index"] < 5]["broken"].all()  # wrong before the attack counts as broken
    assert attacks.about(name)


def test_fgsm_is_the_sign_of_the_gradient_and_takes_one_gradient_for_the_grid(victim):
    model, images, labels = victim
    calls = 0

    def counted(outputs, y):
        nonlocal calls
        calls += 1
        return losses.margin(outputs, y)

    batch = Batch(images=images, labels=labels, generator=torch.Generator())
    crafted = fgsm.craft(model, batch, loss=counted, eps=EPS)
    assert calls == 1
    assert not crafted.zero_gradient[0].any()
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(losses.margin(model(x), labels), x)
    for eps, changed in zip(EPS, crafted.images, strict=True):
        torch.testing.assert_close(changed, (images + eps * gradient.sign()).clamp(0, 1), rtol=0, atol=1e-6)


def test_zero_gradients_are_seen_per_image_and_move_nothing(victim):
    model, images, labels = victim

    def halfblind(x):
        brightness = x.flatten(1).mean(dim=1)
        return model(x) * (brightness > brightness.median()).float()[:, None]

    table = attacks.run(victims.of(halfblind), images, labels, ["fgsm-margin"], eps=(0.2,), seed=0, batch_size=40)
    assert 0 < table["zero_gradient"].sum() < len(images)
    assert ((table["distance"] > 0) == ~table["zero_gradient"]).all()


def test_an_image_that_the_attack_puts_right_counts_as_broken_all_the_same(victim):
    model, images, labels = victim
    views = {"helps": victims.of(lambda x: -model(x))}
    table = attacks.run(model, images, labels, ["fgsm-margin@helps"], eps=(0.3,), seed=0, views=views)
    helped = (table["clean_prediction"] != table["label"]) & (table["adversarial_prediction"] == table["label"])
    assert helped.any()
    assert table[helped]["broken"].all()


def test_unknown_attacks_and_bad_images_are_refused(victim):
    model, images, labels = victim
    with pytest.raises(BiorobustError, match="known are fgsm-report"):
        attacks.run(model, images, labels, ["fgsn"], eps=EPS, seed=0)
    with pytest.raises(ValueError, match="0, 1"):
        attacks.run(model, images * 255, labels, ["fgsm-report"], eps=EPS, seed=0)


def made_up(broken):
    """Records of two attacks on three images at two epsilons from broken[attack][eps][image]."""
    rows = [
        {"attack": a, "eps": e, "index": i, "label": 0, "clean_prediction": 0, "adversarial_prediction": int(b)}
        | {"broken": b, "zero_gradient": i == 2, "verified": not (a == "y" and i == 0)}
        for a, per_eps in broken.items()
        for e, per_image in per_eps.items()
        for i, b in enumerate(per_image)
    ]
    return pd.DataFrame(rows)


def test_worst_case_is_per_image_over_attacks_and_smaller_epsilons():
    table = made_up(
        {
            "x": {0.1: [True, False, False], 0.2: [False, False, False]},
            "y": {0.1: [False, False, False], 0.2: [False, True, False]},
        }
    )
    worst = records.worst_case(table)
    assert worst[worst["eps"] == 0.1].sort_values("index")["broken"].tolist() == [True, False, False]
    assert worst[worst["eps"] == 0.2].sort_values("index")["broken"].tolist() == [True, True, False]
    alone = made_up({"z": {0.2: [False, False, True]}})
    counted = records.counts(pd.concat([table, alone], ignore_index=True), eps=(0.1, 0.2))
    assert counted["x"]["correct"] == [2, 3]
    assert counted["y"]["correct"] == [3, 2]
    assert counted["z"]["correct"] == [None, 2]  # not run at the other one
    assert counted["z"]["unverified"] == [None, 0]
    assert counted["worst-case"]["correct"] == [2, 0]  # below the smaller of the two, 2: not the minimum of means
    assert counted["x"]["zero_gradient"] == counted["x"]["zero_gradient_correct"] == 1
    assert counted["y"]["unverified"] == [1, 1]
    with pytest.raises(ValueError, match="fewer epsilons"):
        records.worst_case(pd.concat([table, made_up({"x": {0.3: [True]}})]))


def test_pictures_are_bytes_with_predictions(victim):
    model, images, labels = victim
    seen = attacks.pictures(model, images[:3], labels[:3], "fgsm-margin", eps=EPS)
    assert seen["images"].dtype == np.uint8
    assert seen["images"].shape == (3, 3, 5, 5)
    assert seen["predictions"].shape == (3, 3)
    assert np.array_equal(seen["images"][0], (images[:3, 0] * 255).round().byte().numpy())
