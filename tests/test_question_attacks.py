"""Attacks of the comparison in turn: each takes what the others have left, and none gives an image back."""

from dataclasses import replace
from itertools import pairwise

import attack_victims
import numpy as np
import pytest
import torch
from edits import project

from biorobust import params
from biorobust.attacks import records
from biorobust.question.model import attacking, networks
from biorobust.question.model.attacking import Victim
from biorobust.question.model.params import AttackPlan, AttackSize

EPS = 0.15
SIZE = AttackSize(n_images=40, n_cifar10=8, n_noisy=8, queries=60, noisy_queries=30, n_examined=8)


@pytest.fixture(scope="module", autouse=True)
def workplace(tmp_path_factory):
    """One folder for all tests, so that an attack that several of them look at is made once and then read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("question"))
        attack_victims.lighten(patch)
        yield


def plan(**changed):
    raw = project()
    return params.check(raw).block("question_attack", AttackPlan).model_copy(update={"draws": 4, **changed})


def victim(*, name="mnist-kwta-low", noisy=False, n=16):
    model, images, labels = attack_victims.digits(n=n)
    return Victim(
        name=name,
        family="kwta",
        model=attack_victims.noisy(model, 0.5) if noisy else model,
        views={},
        images=images,
        labels=labels,
        index=np.arange(n) * 3 + 5,  # places in a test split
        eps=EPS,
        curve=(0.05, 0.3),
        seed=0,
        noisy=noisy,
        key={"weights": "some"},
        code=attack_victims,
    )


def by_attack(table, *, eps=EPS):
    at = table[np.isclose(table["eps"], eps)]
    return {name: rows.set_index("index")["broken"].astype(bool) for name, rows in at.groupby("attack", sort=False)}


@pytest.mark.parametrize("noisy", [False, True])
def test_every_attack_has_a_record_of_every_image_and_none_gives_one_back(noisy):
    its, asked = victim(noisy=noisy, n=8 if noisy else 16), plan()
    table, points = attacking.attacked(its, asked, SIZE)
    found = by_attack(table)
    assert set(found) == set(attacking.names(asked, "kwta"))
    for broken in found.values():
        assert sorted(broken.index) == sorted(its.index)
    in_turn = [*asked.adaptive, *asked.views["kwta"], *asked.blind]
    for before, after in (*((report, in_turn[0]) for report in asked.reports), *pairwise(in_turn)):
        assert (found[after] >= found[before].reindex(found[after].index)).all()
    worst = records.worst_case(table)
    worst = worst[np.isclose(worst["eps"], EPS)].set_index("index")["broken"]
    for broken in found.values():
        assert (worst >= broken.reindex(worst.index)).all()
    assert worst.mean() > 0.2
    assert "60 queries" in attacking.about("square", SIZE, noisy=False)  # at this scale
    assert attacking.about("random-corners", SIZE, noisy=True).startswith("30 ")
    assert points.shape == its.images.shape
    assert (points - its.images).abs().max().item() <= EPS + 1e-6


def test_sizes_of_the_curve_are_attacked_too_and_the_points_are_what_broke_the_images():
    its = victim()
    table, points = attacking.attacked(its, plan(), SIZE)
    curve = [by_attack(table, eps=eps)[attacking.CURVE] for eps in (0.05, EPS, 0.3)]
    assert [len(of) for of in curve] == [16] * 3
    assert curve[0].mean() <= curve[1].mean() <= curve[2].mean()
    broken = np.any([of.reindex(its.index).to_numpy() for of in by_attack(table).values()], axis=0)
    right = (its.model(points).argmax(dim=1) == its.labels).numpy()
    assert broken.any()
    assert not right[broken].any()


def test_a_finished_network_is_not_attacked_again(monkeypatch):
    its = victim()
    first, points = attacking.attacked(its, plan(), SIZE)
    monkeypatch.setattr(attacking.attacks, "run", None)
    second, again = attacking.attacked(its, plan(), SIZE)
    assert first.equals(second)
    assert torch.equal(points, again)
    others = plan(views=plan().views | {"cnnf": ("apgd-margin",)})
    assert attacking.attacked(its, others, SIZE)[0].equals(first)  # another family's attacks are none of its own
    for changed in ({"views": {"kwta": ("apgd-margin",)}}, {"draws": 5}, {"reports": plan().reports[1:]}):
        with pytest.raises(TypeError):
            attacking.attacked(its, plan(**changed), SIZE)
    with pytest.raises(TypeError):
        attacking.attacked(replace(its, key={"weights": "other"}), plan(), SIZE)


def test_images_found_on_another_network_break_what_its_own_attacks_left():
    """A network that hides its gradient falls to the images of its twin."""
    plain = victim(name="mnist-plain")
    hidden = replace(victim(), model=networks.rounded(plain.model, attacking.COARSE))
    weak = plan(adaptive=("apgd-cross-entropy",), views={}, blind=("random-corners",))
    _, points = attacking.attacked(plain, weak, SIZE)
    before, own = attacking.attacked(hidden, weak, SIZE)
    after = attacking.shown(hidden, weak, SIZE, before=before, own=own, given={"mnist-plain": points}, key="")
    found = by_attack(records.joined([before, after]))
    assert found["transfer"].mean() > found["apgd-cross-entropy"].mean() + 0.2
    assert (found["warm-start"] >= found["transfer"].reindex(found["warm-start"].index)).all()


def test_networks_masked_on_purpose_are_flagged_and_the_plain_one_is_not():
    found = attacking.examined(victim(name="mnist-plain"), plan(), SIZE)
    signs = {kind: sum(item["flagged"] for item in findings) for kind, findings in found.items()}
    assert signs["own"] == 0
    assert signs["rounded"] > 0
    assert signs["saturated"] > 0
    assert set(attacking.examined(victim(), plan(), SIZE.model_copy(update={"n_examined": 1}))) == {"own"}
