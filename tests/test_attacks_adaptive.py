"""Attacks that look at their iterates: known answers on linear models, the published algorithm, promises."""

import itertools

import attack_victims as victims
import numpy as np
import pytest
import torch
from torch import nn

from biorobust import attacks
from biorobust.attacks import apgd, draws, losses, records, square
from biorobust.attacks.crafting import Batch
from biorobust.attacks.search import Judge
from biorobust.core.errors import BiorobustError

SAME = ("apgd-margin", "apgd-noise", "pgd-averaged-64")  # the code of another one on another loss, or for longer
WEAKER = ("random-corners", "pgd-averaged-64", "square", "fmn")  # where gradients are good, or as strong and dear
WATCHED = [name for name, attack in attacks.ATTACKS.items() if attack.watched and name not in SAME]


def broken(table, attack, eps):
    rows = table[(table["attack"] == attack) & (table["eps"] == eps)]
    return rows.sort_values("index")["broken"].to_numpy(dtype=bool)


def breakable(model, images, labels):
    """(N,), from which epsilon on a linear model can be fooled; pixels must have room for it."""
    weight, outputs = model[1].weight, model(images)
    apart = outputs.gather(1, labels[:, None]) - outputs
    lengths = (weight[labels][:, None] - weight[None]).abs().sum(dim=2)
    return (apart / lengths).masked_fill(lengths == 0, float("inf")).amin(dim=1).numpy()


@pytest.fixture(scope="module")
def linear():
    model, images, _ = victims.linear()
    images = 0.35 + 0.3 * images  # room on both sides, so that [0, 1] takes nothing off the ball
    return model, images, model(images).argmax(dim=1)


@pytest.mark.parametrize("name", [name for name in WATCHED if not attacks.get(name).given])
def test_on_a_linear_model_the_worst_case_is_known(name, linear):
    model, images, labels = linear
    needed = breakable(model, images, labels)
    eps = float(np.median(needed))
    of_length = {name: victims.shorter(attacks.get(name), queries=800)}
    table = attacks.run(model, images, labels, of_length, eps=[eps, 0.3], seed=0)
    at = broken(table, name, eps)
    assert not at[needed > eps * (1 + 1e-5)].any()  # no attack can do what cannot be done
    missed = (at != (needed < eps)).sum()  # up the loss of the labels alone, a path may end at another class's wall
    assert missed <= {"apgd-targeted": 0, "random-corners": 20}.get(name, 4)
    if name == "fmn":
        # Foolbox's steps can end on the wall itself, where a tie is no success, and stay there.
        found = table[table["eps"] == eps]["raw_fools"].to_numpy()
        assert found.sum() >= 34
        np.testing.assert_allclose(table[table["eps"] == eps]["raw_distance"][found], needed[found], rtol=0.03)
    assert broken(table, name, 0.3).sum() >= {"random-corners": 30, "fmn": 34}.get(name, 40)


def naive_apgd(model, image, label, *, eps, steps, start):
    """Algorithm 1 of Croce & Hein (2020) on one image's cross-entropy: the largest loss reached, and every iterate."""

    def value_and_slope(x):
        at = x.clone().requires_grad_()
        value = nn.functional.cross_entropy(model(at[None]), label[None])
        return value.item(), torch.autograd.grad(value, at)[0]

    def project(x):
        return torch.min(torch.max(x, image - eps), image + eps).clamp(0, 1)

    x, before, size = start, start, 2 * eps
    value, grad = value_and_slope(x)
    best, best_x, best_grad, checked, halved, rises, last = value, x, grad, value, False, 0, 0
    iterates, wait = [x], max(int(0.22 * steps), 1)
    for step in range(1, steps + 1):
        moved = project(x + size * grad.sign())
        if step > 1:
            moved = project(x + 0.75 * (moved - x) + 0.25 * (x - before))
        before, x, old = x, moved, value
        value, grad = value_and_slope(x)
        iterates.append(x)
        rises += value > old
        if value > best:
            best, best_x, best_grad = value, x, grad
        if step - last == wait:
            halved = rises <= 0.75 * wait or (not halved and best <= checked)
            if halved:
                size, x, grad, value = size / 2, best_x, best_grad, best
            checked, rises, last = best, 0, step
            wait = max(wait - max(int(0.03 * steps), 1), max(int(0.06 * steps), 1))
    return iterates


def test_apgd_equals_the_published_algorithm_written_out_in_float64():
    model, images, labels = victims.conv(n=6, dtype=torch.float64)
    eps, steps = 0.02, 40
    stubborn = victims.of(lambda x: nn.functional.one_hot(labels, 5).to(x.dtype))  # nobody is ever fooled
    batch = Batch(images=images, labels=labels, generator=torch.Generator(), seed=3, name="apgd", judge=stubborn)
    seen = []
    apgd.craft(spy(model, seen), batch, eps=(eps,), loss=losses.cross_entropies, steps=steps)
    unit = 2 * draws.uniform(batch.keys("start", 0), images.shape[1:]).double() - 1
    for i in range(6):
        start = (images[i] + eps * unit[i]).clamp(0, 1)
        expected = naive_apgd(model, images[i], labels[i], eps=eps, steps=steps, start=start)
        assert len(expected) == len(seen) == steps + 1
        for step in range(steps + 1):
            torch.testing.assert_close(seen[step][i], expected[step], rtol=0, atol=1e-9)


def spy(model, seen):
    """A model, and every minibatch it was shown."""
    return victims.of(lambda x: seen.append(x.detach().clone()) or model(x))


def test_all_attacks_end_within_a_few_points_of_each_other_where_gradients_are_good():
    model, images, labels = victims.digits(n=25)
    names = [n for n, attack in attacks.ATTACKS.items() if attack.watched and not attack.given and n not in WEAKER]
    table = attacks.run(model, images, labels, [*names, "pgd-cross-entropy-best"], eps=[0.1], seed=0)
    rates = {name: broken(table, name, 0.1).mean() for name in names}
    assert max(rates.values()) - min(rates.values()) < 0.05, rates
    worst = records.worst_case(table)["broken"].mean()
    assert worst >= max(rates.values())  # per image, so never above any single attack
    assert worst < max(rates.values()) + 0.05


@pytest.mark.parametrize("name", [name for name in WATCHED if name != "transfer"])
def test_batches_change_no_record(name, monkeypatch):
    victims.lighten(monkeypatch)
    model, images, labels = victims.digits(n=20)
    eps = (0.0, 0.12)
    given = {"other": victims.points(images, labels, victims.digits(seed=1)[0], eps=eps)}
    run = {"eps": eps, "seed": 2, "given": given}
    whole = attacks.run(model, images, labels, [name], **run)
    parts = attacks.run(model, images, labels, [name], batch_size=7, **run).sort_values(["eps", "index"])
    exact = ["index", "broken", "adversarial_prediction", "step", "zero_gradient", "verified"]
    assert whole[exact].equals(parts.reset_index(drop=True)[exact])
    np.testing.assert_allclose(whole["distance"], parts["distance"], atol=1e-5)
    some = torch.tensor([3, 11, 19])  # survivors alone, under the numbers they have in the list
    points = {key: value[:, some] for key, value in given.items()}
    alone = attacks.run(model, images[some], labels[some], [name], index=some, **{**run, "given": points})
    same = whole[whole["index"].isin(some.tolist())].reset_index(drop=True)
    assert same[exact].equals(alone[exact])


def test_broken_images_leave_and_wrong_ones_are_never_asked(monkeypatch):
    model, images, labels = victims.digits(n=45)
    wrong = labels.clone()
    wrong[:10] = (model(images[:10]).argmax(dim=1) + 1) % 10
    victims.lighten(monkeypatch)
    for name in ("apgd-cross-entropy", "square", "random-corners", "pgd-averaged"):
        seen = []
        table = attacks.run(spy(model, seen), images, wrong, [name], eps=[0.15], seed=0)
        sizes = [len(x) for x in seen[1:-4]]  # before them the clean pass, after them one, and again in three parts
        assert max(sizes) <= 35
        assert min(sizes) < 30
        assert sizes == sorted(sizes, reverse=True)
        assert (table["step"][:10] == 0).all()
        assert not table["distance"][:10].any()


def test_adversarial_images_are_handed_out_and_stand_a_second_look(monkeypatch):
    victims.lighten(monkeypatch)
    model, images, labels = victims.digits(n=30)
    run = {"eps": (0.0, 0.1), "seed": 0}
    kept = {}
    names = ["apgd-cross-entropy", "square", "fmn"]
    table = attacks.run(model, images, labels, names, keep=kept, **run)
    assert set(kept) == set(names)
    for name, points in kept.items():
        assert points.shape == (2, 30, 1, 8, 8)
        assert points.dtype == torch.float32
        fooled = model(points[1]).argmax(dim=1) != labels
        assert (fooled.numpy() == broken(table, name, 0.1)).all()
    again = attacks.run(model, images, labels, ["transfer", *(f"transfer@{n}" for n in names)], given=kept, **run)
    for name in names:
        assert (broken(again, f"transfer@{name}", 0.1) == broken(table, name, 0.1)).all()
    assert (broken(again, "transfer", 0.1) == records.worst_case(table).query("eps == 0.1")["broken"]).all()


def test_a_warm_start_keeps_what_was_found_and_goes_on_from_it(monkeypatch):
    victims.lighten(monkeypatch)
    model, images, labels = victims.digits(n=50)
    other = victims.digits(seed=1)[0]
    kept = {}
    attacks.run(other, images, labels, ["apgd-cross-entropy"], eps=[0.12], seed=0, keep=kept)
    names = ["transfer", "warm-start", "apgd-margin"]
    table = attacks.run(model, images, labels, names, eps=[0.12], seed=0, given=kept)
    transferred, warm, cold = (broken(table, name, 0.12) for name in names)
    assert transferred.sum() < warm.sum()
    assert (warm >= transferred).all()
    assert warm.sum() >= cold.sum() - 1
    with pytest.raises(BiorobustError, match="give them in `given`"):
        attacks.run(model, images, labels, ["warm-start"], eps=[0.1], seed=0)
    with pytest.raises(BiorobustError, match=r"no points of 'twin' are given, there are apgd-cross-entropy"):
        attacks.run(model, images, labels, ["transfer@twin"], eps=[0.1], seed=0, given=kept)
    with pytest.raises(ValueError, match="one point per epsilon"):
        attacks.run(model, images, labels, ["transfer"], eps=[0.1, 0.2], seed=0, given=kept)


@pytest.mark.parametrize("name", ["apgd-noise", "pgd-averaged", "random-corners"])
def test_noise_belongs_to_the_image_and_success_to_the_majority(name, linear, monkeypatch):
    victims.lighten(monkeypatch)
    model, images, labels = linear
    noisy = victims.noisy(model, 0.05)
    images, labels = images[:12], labels[:12]
    needed = breakable(model, images, labels)
    run = {"eps": [0.0, 0.1], "seed": 0, "repeats": 9}
    whole = attacks.run(noisy, images, labels, [name], **run)
    torch.rand(3)
    parts = attacks.run(noisy, images, labels, [name], batch_size=5, **run).sort_values(["eps", "index"])
    assert whole.equals(parts.reset_index(drop=True))
    assert (whole["broken"] == (whole["fooled_share"] >= 0.5) | (whole["clean_prediction"] != whole["label"])).all()
    if name != "random-corners":
        assert (broken(whole, name, 0.1) == (needed < 0.1)).mean() > 0.8


@pytest.mark.parametrize(("right", "fooled"), [(2, True), (3, False)])
def test_an_image_that_is_right_in_half_of_its_passes_is_broken(right, fooled):
    divided = victims.of(lambda x: nn.functional.one_hot((torch.arange(len(x)) >= right).long(), 2).float())
    points, labels = torch.zeros(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64)
    batch = Batch(images=points, labels=labels, generator=torch.Generator(), seed=0, repeats=4)
    said = Judge(divided, batch)(points, torch.arange(3), step=0)
    assert said.fooled.tolist() == [fooled] * 3


def test_averaged_gradients_see_through_a_rough_surface():
    """Ripples on the pixels turn single gradients into noise; over the width of a ripple they average out."""
    model, images, labels = victims.digits(n=20)
    rough = victims.of(lambda x: model(x + 0.01 * torch.sin(600 * x)))
    tried = {name: victims.shorter(attacks.get(name), steps=30) for name in ("pgd-margin-best", "pgd-averaged")}
    table = attacks.run(rough, images, labels, tried, eps=[0.12], seed=0)
    assert broken(table, "pgd-averaged", 0.12).sum() > broken(table, "pgd-margin-best", 0.12).sum() + 2


def test_squares_shrink_on_schedule_reach_every_edge_and_are_each_images_own():
    assert [square.side(q, (1, 28, 28), 0.8) for q in (1, 10, 11, 51, 201, 5000)] == [25, 25, 18, 13, 9, 2]
    assert square.side(9000, (3, 8, 8), 0.8) == 1
    images = torch.full((50, 2, 6, 5), 0.5)
    seen = []

    def drift(x):
        seen.append(x.clone())
        return torch.tensor([1 - 1e-3 * len(seen), 0.0, 0.0]).expand(len(x), 3)

    batch = Batch(images=images, labels=torch.zeros(50, dtype=torch.int64), generator=torch.Generator(), seed=1)
    square.craft(victims.of(drift), batch, eps=(0.1,), queries=600)
    assert ((seen[0][:, :, 0] - seen[0][:, :, 3]) == 0).all()  # stripes from top to bottom
    changed = torch.stack([(a != b).any(dim=1) for a, b in itertools.pairwise(seen)])  # (Q, B, H, W)
    late = changed[520:]  # single pixels
    assert late.flatten(2).sum(dim=2).max() == 1
    assert late.any(dim=0).any(dim=0).all()  # every pixel, the last row and column too
    assert (late[:, 0] != late[:, 1]).any()  # not in the same places
    for x in seen:
        torch.testing.assert_close((x - 0.5).abs(), torch.full_like(x, 0.1))  # always a corner of the ball


def test_random_numbers_are_uniform_and_belong_to_their_key():
    keys = draws.keys(torch.arange(200), 0, "name")
    numbers = draws.uniform(keys, (50,), block=3)
    assert 0 <= numbers.min() <= numbers.max() < 1
    assert numbers.mean().item() == pytest.approx(0.5, abs=0.01)
    assert numbers.std().item() == pytest.approx(12**-0.5, abs=0.01)
    assert abs(np.corrcoef(numbers.T.numpy())[np.triu_indices(50, 1)]).max() < 0.35
    assert len(numbers.unique()) > 9900
    assert torch.equal(draws.uniform(keys[7:9], (50,), block=3), numbers[7:9])
    assert not torch.equal(draws.uniform(keys, (50,), block=4), numbers)
    heads = draws.coins(keys, (3, 100))
    assert heads.double().mean().item() == pytest.approx(0.5, abs=0.01)
    # Number k of SplitMix64 seeded with 1234567, as its authors' program prints it.
    first = draws.words(torch.tensor([1234567]), 3)[0].tolist()
    assert [value % 2**64 for value in first] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_logits_ratios_equal_naive_formulas_and_do_not_know_the_scale():
    z = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y, goals = torch.arange(6) % 5, (torch.arange(6) + 2) % 5
    found, aimed = losses.logits_ratios(z, y), losses.targeted_logits_ratios(z, y, goals)
    for i in range(6):
        ranked = sorted(z[i].tolist(), reverse=True)
        others = max(z[i, k].item() for k in range(5) if k != y[i])
        assert found[i].item() == pytest.approx(-(z[i, y[i]].item() - others) / (ranked[0] - ranked[2]))
        below = ranked[0] - (ranked[2] + ranked[3]) / 2
        assert aimed[i].item() == pytest.approx(-(z[i, y[i]] - z[i, goals[i]]).item() / below)
    torch.testing.assert_close(losses.logits_ratios(100 * z + 7, y), found)
    with pytest.raises(BiorobustError, match="needs 3 classes, the model has 2"):
        losses.logits_ratios(z[:, :2], torch.zeros(6, dtype=torch.int64))
