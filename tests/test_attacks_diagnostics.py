"""Masking diagnostics: networks that hide their gradients are flagged, plain ones are not; rules on made-up records."""

import attack_victims as victims
import pandas as pd
import pytest
import torch

from biorobust import attacks
from biorobust.attacks import diagnostics
from biorobust.statistics.thresholds import MASKING

EPS = 0.1


# Logits on a coarse grid, and through a tanh that is as good as a step.
HIDDEN = {"rounded": lambda z: (z / 2).round() * 2, "saturated": lambda z: (1000 * z).tanh()}


def examined(model, monkeypatch, *, n):
    victims.lighten(monkeypatch)
    _, images, labels = victims.digits(n=n)
    return {finding.check: finding for finding in diagnostics.examine(model, images, labels, eps=EPS, seed=0)}


def test_a_plain_network_is_not_flagged_and_goes_to_zero(monkeypatch):
    model, images, labels = victims.digits(n=30)
    found = examined(model, monkeypatch, n=30)
    assert not diagnostics.masked(list(found.values())), [f for f in found.values() if f.flagged]
    assert len(found) == 13
    assert found["consistent gradients"].value > 0.8
    table = attacks.run(model, images, labels, ["apgd-cross-entropy"], eps=[0.3], seed=0)
    assert table["broken"].all()


@pytest.mark.parametrize("hide", HIDDEN)
def test_networks_masked_on_purpose_are_flagged(hide, monkeypatch):
    model, images, labels = victims.digits(n=40)
    hidden = victims.of(lambda x: HIDDEN[hide](model(x)))
    found = examined(hidden, monkeypatch, n=20)
    assert diagnostics.masked(list(found.values()))
    flagged = {check for check, finding in found.items() if finding.flagged}
    assert {"zero gradients", "unbounded epsilon", "consistent gradients"} <= flagged
    if hide == "rounded":  # where gradients fail, those of the network behind the grid do not
        attack = ["pgd-cross-entropy", "pgd-cross-entropy@behind"]
        table = attacks.run(hidden, images, labels, attack, eps=[0.15], seed=0, views={"behind": model})
        rates = table.groupby("attack")["broken"].mean()
        assert rates[attack[1]] > rates[attack[0]] + 0.5


def made_up(**broken):
    """Records of 100 images: the first so many that each attack breaks; a negative number: the last so many."""
    rows = [
        {"attack": attack, "eps": EPS, "index": i, "label": 0, "clean_prediction": 0, "broken": i < n or i >= 100 + n}
        | {"zero_gradient": False, "verified": True}
        for attack, n in broken.items()
        for i in range(100)
    ]
    return pd.DataFrame(rows).assign(broken=lambda table: table["broken"].astype(bool))


def named(table):
    return table.assign(attack=table["attack"].str.replace("_", "-"))


@pytest.mark.parametrize(("one", "many", "flagged"), [(53, 50, False), (54, 50, True), (40, 60, False)])
def test_a_single_step_may_win_by_chance_only(one, many, flagged):
    table = named(made_up(fgsm_cross_entropy=one, pgd_cross_entropy=many))
    found = diagnostics.single_step(table, eps=EPS)
    assert (found.flagged, found.value) == (flagged, pytest.approx((one - many) / 100))


@pytest.mark.parametrize(("n", "flagged"), [(-1, False), (-2, True), (60, False)])
def test_blind_attacks_must_not_find_what_gradients_do_not(n, flagged):
    table = made_up(square=n, white=60)
    found = diagnostics.blind(table, eps=EPS, check="black", attacks=["square"], against=["white"])
    assert found.flagged == flagged
    assert found.limit == MASKING.blind


def test_the_other_rules_on_records():
    table = pd.concat([made_up(a=50), made_up(a=45).assign(eps=0.2), made_up(a=90).assign(eps=0.3)])
    found = diagnostics.rising(table, attack="a")
    assert found.flagged
    assert found.value == pytest.approx(0.05)
    assert not diagnostics.rising(table[table["eps"] != 0.2], attack="a").flagged
    assert diagnostics.unbounded(table, attack="a").value == pytest.approx(0.1)
    for most, flagged in ((53, False), (60, True)):
        efforts = made_up(less=50, more=most).replace({"less": "apgd@once", "more": "apgd@steps"})
        assert diagnostics.convergence(efforts, eps=EPS, what="steps").flagged == flagged
    walked = named(made_up(pgd_cross_entropy=50, pgd_cross_entropy_best=61))
    assert diagnostics.last_iterate(walked, eps=EPS).flagged
    unsteady = made_up(a=100).assign(verified=lambda rows: rows["index"] >= 2)
    assert diagnostics.stability(unsteady).flagged
    dead = made_up(a=0).assign(zero_gradient=lambda rows: rows["index"] < 2)
    assert diagnostics.flat(dead, attack="a").value == pytest.approx(0.02)
    with pytest.raises(ValueError, match="no records of 'b'"):
        diagnostics.unbounded(table.assign(attack="c"), attack="b")


def test_the_gradient_of_a_noisy_landscape_turns():
    model, images, labels = victims.digits(n=50)
    images = 0.2 + 0.6 * images  # black would stay where it is half of the time
    ripples = victims.of(lambda x: model(x + 0.001 * torch.sin(20_000 * x)))
    smooth, jagged = (diagnostics.turning(of, images, labels, eps=EPS, seed=0) for of in (model, ripples))
    assert smooth.value > 0.8 > MASKING.turning > jagged.value
    assert jagged.flagged > smooth.flagged
