"""PGD: against a loop written out in float64, its steps and starts, the best iterate, targets, views."""

import attack_victims as victims
import pytest
import torch
from torch.nn import functional

from biorobust import attacks
from biorobust.attacks import losses, pgd, records
from biorobust.attacks.crafting import Batch
from biorobust.core.errors import BiorobustError

EPS = 0.05


@pytest.fixture(scope="module")
def linear():
    return victims.linear()


@pytest.fixture(scope="module")
def conv():
    return victims.conv()


def batch(images, labels, *, seed=3, judge=None, targets=None):
    generator = torch.Generator().manual_seed(seed)
    return Batch(images=images, labels=labels, generator=generator, judge=judge, targets=targets)


def start_of(images, eps, *, seed=3):
    unit = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed), dtype=images.dtype)
    return (images + eps * (2 * unit - 1)).clamp(0, 1)


def naive_cross_entropy(z, y):
    return sum(z[i].exp().sum().log() - z[i, y[i]] for i in range(len(y)))


def naive_negative_output(z, y):
    return -sum(z[i, y[i]] for i in range(len(y)))


def naive_margin(z, y):
    return sum(max(z[i, k] for k in range(z.shape[1]) if k != y[i]) - z[i, y[i]] for i in range(len(y)))


def naive_pgd(model, images, labels, *, loss, eps, steps, step, direction=1):
    """All iterates, the start first."""
    iterates = [start_of(images, eps)]
    for _ in range(steps):
        x = iterates[-1].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(model(x), labels), x)
        moved = iterates[-1] + direction * step * gradient.sign()
        iterates.append(torch.min(torch.max(moved, images - eps), images + eps).clamp(0, 1))
    return iterates


@pytest.mark.parametrize(
    ("ours", "naive", "step", "targeted"),
    [
        (losses.cross_entropy, naive_cross_entropy, {"rel_stepsize": 0.1}, True),
        (losses.margin, naive_margin, {"abs_stepsize": 0.004}, False),
        (losses.negative_output, naive_negative_output, {"rel_stepsize": 0.1}, False),
    ],
)
def test_pgd_equals_a_loop_written_out_in_float64(ours, naive, step, targeted):
    """Up the loss of the labels, or down that of the targets."""
    model, images, labels = victims.conv(n=6, dtype=torch.float64)
    goals = (labels + 2) % 5
    made = batch(images, labels, targets=goals if targeted else None)
    crafted = pgd.craft(model, made, eps=(0.02, EPS), loss=ours, steps=7, targeted=targeted, **step)
    way = {"loss": naive, "steps": 7, "direction": -1 if targeted else 1}
    for eps, found in zip((0.02, EPS), crafted.images, strict=True):
        size = step.get("abs_stepsize") or eps * step["rel_stepsize"]
        expected = naive_pgd(model, images, goals if targeted else labels, eps=eps, step=size, **way)[-1]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        assert (found - images).abs().max() > eps / 2


def test_the_reports_step_is_a_share_of_epsilon_and_the_papers_is_not(conv):
    model, images, labels = conv
    moved = {}
    for name in ("pgd-report", "pgd-corrected"):
        crafted = attacks.get(name).craft(model, batch(images, labels), eps=(0.031,))
        moved[name] = (crafted.images[0] - start_of(images, 0.031)).abs().max().item()
    assert moved["pgd-report"] == pytest.approx(40 * 0.003 * 0.031, rel=1e-3)
    assert moved["pgd-corrected"] > 1.5 * 0.031  # right across the ball
    both = {"loss": losses.cross_entropy, "steps": 5, "rel_stepsize": 0.01, "abs_stepsize": 0.01}
    with pytest.raises(ValueError, match="relative to epsilon or absolute"):
        pgd.craft(model, batch(images, labels), eps=(0.5,), **both)


def test_the_best_iterate_is_the_first_that_fools_and_carries_its_number():
    model, images, labels = victims.conv(dtype=torch.float64)
    plan = {"loss": losses.cross_entropy, "steps": 20}
    crafted = pgd.craft(model, batch(images, labels, judge=model), eps=(EPS,), abs_stepsize=0.01, **plan)
    iterates = naive_pgd(model, images, labels, eps=EPS, step=0.01, **plan)
    fooled = torch.stack([model(x).argmax(dim=1) != labels for x in iterates[:-1]])
    first = torch.where(fooled.any(dim=0), fooled.int().argmax(dim=0), 20)
    assert torch.equal(crafted.best.step[0], first)
    assert len(first.unique()) > 3
    expected = torch.stack([iterates[k][i] for i, k in enumerate(first)])
    torch.testing.assert_close(crafted.best.images[0], expected, rtol=0, atol=1e-12)


def test_the_best_iterate_never_leaves_more_images_unbroken_than_the_last(conv):
    _, images, _ = conv
    name = "pgd-margin"

    def swinging(x):
        phase = 900 * x.flatten(1).mean(dim=1)  # walking uphill passes in and out of a class
        return torch.stack([phase.sin(), phase.cos(), 0.9 - 0 * phase], dim=1)

    model = victims.of(swinging)
    labels = model(images).argmax(dim=1)
    table = attacks.run(model, images, labels, [name, f"{name}-best"], eps=(0.0, 0.02, EPS), seed=0)
    wide = table.pivot_table(index=["eps", "index"], columns="attack", values="broken", aggfunc="max")
    assert (wide[f"{name}-best"] >= wide[name]).all()
    assert wide[f"{name}-best"].sum() > wide[name].sum()  # on this network PGD walks past its successes
    best = table[(table["attack"] == f"{name}-best") & table["broken"]]
    assert best["step"].min() < 40
    assert (table.loc[~table["broken"], "step"] == -1).all()
    assert set(table.loc[(table["attack"] == name) & table["broken"], "step"]) == {40}
    # One set of iterates serves both: alone they come out the same.
    alone = attacks.run(model, images, labels, [f"{name}-best"], eps=(0.0, 0.02, EPS), seed=0)
    assert alone.equals(table[table["attack"] == f"{name}-best"].reset_index(drop=True))


def test_targets_are_reached_and_counted(linear):
    model, images, labels = linear
    table = attacks.run(model, images, labels, ["pgd-targeted", "fgsm-margin"], eps=(0.0, 0.5), seed=0)
    aimed = table[table["attack"] == "pgd-targeted"]
    assert (aimed["target"] == (aimed["label"] + 1) % 4).all()
    assert (table.loc[table["attack"] == "fgsm-margin", "target"] == -1).all()
    counted = records.counts(table, eps=(0.0, 0.5))
    reached = ((aimed["adversarial_prediction"] == aimed["target"]) & (aimed["eps"] == 0.5)).sum()
    assert counted["pgd-targeted"]["reached"] == [0, reached]
    assert reached > 0.8 * len(images)
    assert "reached" not in counted["fgsm-margin"]

    given = (labels + 2) % 4
    table = attacks.run(model, images, labels, ["pgd-targeted"], eps=(0.5,), seed=0, targets=given, batch_size=15)
    assert table["target"].tolist() == given.tolist()
    with pytest.raises(ValueError, match="never its own"):
        attacks.run(model, images, labels, ["pgd-targeted"], eps=(0.5,), seed=0, targets=labels)
    shown = attacks.pictures(model, images[:3], labels[:3], "pgd-targeted", eps=(0.0, 0.5))
    assert shown["targets"].tolist() == ((labels[:3] + 1) % 4).tolist()


def test_starts_are_of_the_seed_and_the_attack_alone(conv):
    model, images, labels = conv

    def run(names, *, seed=0, batch_size=10):
        return attacks.run(model, images, labels, names, eps=(0.0, EPS), seed=seed, batch_size=batch_size)

    state = torch.get_rng_state()
    names = ("pgd-report", "pgd-margin-best", "pgd-targeted")
    together = run([*names, "fgsm-margin"])
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are left alone
    for name in names:
        torch.rand(3)
        alone = run([name])
        assert alone.equals(together.loc[together["attack"] == name, alone.columns].reset_index(drop=True))
    first, other = (
        attacks.pictures(model, images, labels, "pgd-report", eps=(EPS,), seed=seed)["images"] for seed in (0, 1)
    )
    assert not (first == other).all()


def test_starts_do_not_depend_on_the_size_of_the_minibatches(conv):
    _, images, labels = conv
    dead = victims.of(lambda x: conv[0](x) * 0)
    generator = torch.Generator().manual_seed(3)

    def craft(rows):
        part = Batch(images=images[rows], labels=labels[rows], generator=generator)
        return pgd.craft(dead, part, eps=(EPS,), loss=losses.margin, steps=1, rel_stepsize=0.1).images[0]

    parts = torch.cat([craft(slice(0, 7)), craft(slice(7, 9)), craft(slice(9, 24))])
    torch.testing.assert_close(parts, start_of(images, EPS), rtol=0, atol=1e-7)


def test_views_give_the_gradient_and_the_model_the_score(conv):
    _, images, _ = conv
    first = conv[0]
    model = victims.of(lambda x: (first(x) + first(x.flip(-1))) / 2)  # like a recurrent network: the mean of two passes
    labels = model(images).argmax(dim=1)
    views = {"first": first}
    names = ["fgsm-cross-entropy", "fgsm-cross-entropy@first", "pgd-margin-best", "pgd-margin-best@first"]
    table = attacks.run(model, images, labels, names, eps=(0.0, EPS), seed=0, views=views)
    assert table["attack"].unique().tolist() == names
    assert not table.loc[table["eps"] == 0, "broken"].any()
    broken = table[table["eps"] == EPS].groupby("attack")["broken"].mean()
    assert broken["pgd-margin-best"] > broken["pgd-margin-best@first"] > 0  # the model's own gradient is the better one
    for name, view in zip(names, (model, first), strict=False):
        (made,) = attacks.get(name).craft(view, batch(images, labels), eps=(EPS,)).images
        rows = table[(table["attack"] == name) & (table["eps"] == EPS)]
        assert rows["adversarial_prediction"].tolist() == model(made).argmax(dim=1).tolist()
    best = table[(table["attack"] == "pgd-margin-best@first") & table["broken"]]
    assert (best["adversarial_prediction"] != best["label"]).all()  # the model judges the iterates, not the view
    assert best["step"].min() < 40
    with pytest.raises(BiorobustError, match=r"'pgd-margin@last': .* view 'last', the model has first, model; give it"):
        attacks.run(model, images, labels, ["pgd-margin@last"], eps=(EPS,), seed=0, views=views)
    for needs_a_view in ("fgsm-report", "fgsm-margin@first"):  # never the logits instead, without a word
        with pytest.raises(BiorobustError, match=r"the model has model; give it in views, or ask for 'fgsm-.*@model'"):
            attacks.run(first, images, labels, [needs_a_view], eps=(EPS,), seed=0)
    asked = attacks.run(first, images, labels, ["fgsm-margin@model"], eps=(EPS,), seed=0)
    plain = attacks.run(first, images, labels, ["fgsm-margin"], eps=(EPS,), seed=0)
    assert asked["distance"].equals(plain["distance"])
    assert "from the view 'first'" in attacks.about("fgsm-margin@first")


@pytest.mark.parametrize(("confirmed", "step"), [(True, 1), (False, 3)])
def test_an_iterate_that_no_longer_fools_when_clipped_gives_way_to_the_last(conv, confirmed, step):
    model, images, labels = conv
    passes = iter([False, True, False, confirmed])  # of the start, of two iterates, and of the one that was kept
    judge = victims.of(lambda x: functional.one_hot((labels + next(passes)) % 5, 5).float())
    made = batch(images, labels, judge=judge)
    crafted = pgd.craft(model, made, eps=(EPS,), loss=losses.margin, steps=3, rel_stepsize=0.5)
    assert set(crafted.best.step[0].tolist()) == {step}
    assert torch.equal(crafted.best.images[0], crafted.images[0]) != confirmed


def test_the_gradient_at_an_epsilon_of_zero_is_that_of_the_image(conv):
    model, images, labels = conv
    marked = images.clone()
    marked[:, 0, 0, 0] = 0.5
    dead_where_untouched = victims.of(lambda x: model(x) * (x[:, :1, 0, 0] != 0.5).float())
    table = attacks.run(dead_where_untouched, marked, labels, ["pgd-margin"], eps=(0.0, EPS), seed=0)
    assert table.loc[table["eps"] == 0, "zero_gradient"].all()
    assert not table.loc[table["eps"] == EPS, "zero_gradient"].any()
