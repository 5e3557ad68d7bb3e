"""The one training loop: it learns, resumes bit for bit, follows its schedule, and reports what went wrong."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from biorobust.core import work
from biorobust.core.errors import BiorobustError
from biorobust.core.training import SCHEDULES, Recipe, fit, objective, polynomial, predict, steps, triangular, warmed_up


def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=generator)
    return x, (x[:, 0] > 0).long()


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


def cross_entropy(logits, labels):
    return functional.cross_entropy(logits, labels, reduction="sum")


def train(model, *, epochs=4, state=None, loss=cross_entropy, seed=1, **recipe):
    settings = Recipe(**({"epochs": epochs, "batch_size": 32, "learning_rate": 0.02} | recipe))
    return fit(model, *data(), recipe=settings, objective=objective(loss), seed=seed, state=state)


def test_it_learns():
    model = network()
    result = train(model, epochs=10)
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    x, y = data()
    assert (predict(model, x, batch_size=33) == y).double().mean() > 0.95
    assert not model.training


def test_every_seed_has_an_order_of_images_and_a_dropout_of_its_own():
    def losses(seed, *, dropout, batch_size):
        model = network() if dropout else network()[:1]
        return train(model, epochs=1, seed=seed, batch_size=batch_size).steps

    for given in ({"dropout": False, "batch_size": 32}, {"dropout": True, "batch_size": 200}):
        assert losses(1, **given) == losses(1, **given) != losses(2, **given)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_killed_training_ends_with_the_same_bits(tmp_path, optimiser):
    whole = network()
    expected = train(whole, optimiser=optimiser, clip_norm=0.5, schedule=SCHEDULES["linear"])

    class KilledError(Exception):
        pass

    calls = 0

    def dying(logits, labels):
        nonlocal calls
        calls += 1
        if calls == 18:  # in the third epoch of 7 minibatches
            raise KilledError
        return cross_entropy(logits, labels)

    state = tmp_path / "state.pt"
    settings = {"optimiser": optimiser, "clip_norm": 0.5, "schedule": SCHEDULES["linear"], "state": state}
    with pytest.raises(KilledError):
        train(network(), loss=dying, **settings)
    torch.rand(7)  # whatever the new process did with the global generator must not matter
    resumed = network()
    result = train(resumed, **settings)
    assert result == expected
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    again = network()
    assert train(again, **settings) == expected  # a finished training returns at once from its state


def test_schedule_is_applied_per_step():
    history = train(network(), schedule=SCHEDULES["linear"]).history
    batches = 7
    expected = [0.02 * (1 - (epoch * batches + batches - 1) / (4 * batches)) for epoch in range(4)]
    assert [row["learning_rate"] for row in history] == pytest.approx(expected)


def test_schedules():
    rising = warmed_up(SCHEDULES["linear"], 0.2)
    assert [rising(at) for at in (0.0, 0.1, 0.5)] == pytest.approx([0.0, 0.45, 0.5])
    assert warmed_up(SCHEDULES["linear"], 0.0)(0.1) == pytest.approx(0.9)
    at = triangular(0.2)
    assert [at(progress) for progress in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])
    assert [SCHEDULES["cosine"](at) for at in (0.0, 0.5)] == pytest.approx([1.0, 0.5])
    assert polynomial(0.9)(0.5) == pytest.approx(0.5**0.9)
    factor = steps({0.5: 0.1, 0.75: 0.01})
    assert [factor(at) for at in (0.0, 0.49, 0.5, 0.74, 0.75, 0.99)] == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


def test_parts_of_the_loss_and_every_step_are_logged():
    def two_terms(model, x, y):
        logits = model(x)
        loss, penalty = cross_entropy(logits, y), logits.square().sum()
        return loss + penalty, logits, {"cross_entropy": loss, "penalty": penalty}

    settings = Recipe(epochs=2, batch_size=64, learning_rate=0.02)
    result = fit(network(), *data(), recipe=settings, objective=two_terms, seed=1)
    assert len(result.steps) == 2 * 4
    sizes = torch.tensor([64, 64, 64, 8])
    for epoch, row in enumerate(result.history):
        assert row["cross_entropy"] + row["penalty"] == pytest.approx(row["loss"], rel=1e-5)
        of_epoch = torch.tensor(result.steps[4 * epoch : 4 * epoch + 4])
        assert (of_epoch * sizes).sum().item() / 200 == pytest.approx(row["loss"], rel=1e-5)


def test_weight_decay_shrinks_a_weight_without_gradient():
    model = nn.Linear(6, 2, bias=False)
    before = model.weight.detach().clone()
    settings = Recipe(epochs=1, batch_size=200, learning_rate=0.5, optimiser="sgd", weight_decay=0.1)
    fit(model, *data(), recipe=settings, objective=lambda m, x, y: (0 * m(x).sum(), m(x)), seed=1)
    torch.testing.assert_close(model.weight.detach(), before * (1 - 0.5 * 0.1))


def test_nesterov_looks_ahead_by_the_momentum():
    """In the second step of SGD on a slope that stays the same: the plain one has moved less."""
    moved = {}
    for nesterov in (False, True):
        model = nn.Linear(6, 2, bias=False)
        nn.init.zeros_(model.weight)
        settings = Recipe(epochs=2, batch_size=200, learning_rate=0.1, optimiser="sgd", momentum=0.5, nesterov=nesterov)
        fit(model, *data(), recipe=settings, objective=lambda m, x, y: (200 * m.weight.sum(), m(x)), seed=1)
        moved[nesterov] = model.weight.detach().mean().item()
    assert moved == pytest.approx({False: -0.25, True: -0.325})


def test_before_epoch_is_called_with_every_epoch_that_is_trained(tmp_path):
    seen = []
    settings = {"seed": 1, "objective": objective(cross_entropy), "state": tmp_path / "state.pt"}
    recipe = Recipe(epochs=3, batch_size=64, learning_rate=0.02)
    for _ in range(2):  # the second time nothing is left to train
        fit(network(), *data(), recipe=recipe, before_epoch=lambda model, epoch: seen.append(epoch), **settings)
        assert seen == [0, 1, 2]


def test_a_loss_that_is_no_number_ends_the_training():
    result = train(network(), loss=lambda logits, labels: cross_entropy(logits, labels) * float("nan"))
    assert result.diverged
    assert len(result.history) == 1


def test_clipping_bounds_the_gradient():
    model = network()
    train(model, epochs=1, clip_norm=1e-3, optimiser="sgd")
    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
    assert norm <= 1.001e-3


def test_summed_and_mean_loss_differ_by_the_batch_size():
    moved = {}
    for mean in (True, False):
        model = nn.Linear(6, 2)
        with torch.no_grad():
            model.weight.fill_(0.1)
            model.bias.zero_()
        settings = Recipe(epochs=1, batch_size=200, learning_rate=1e-3, optimiser="sgd")
        fit(model, *data(), recipe=settings, objective=objective(cross_entropy), seed=1, mean_loss=mean)
        moved[mean] = (model.weight - 0.1).detach()
    torch.testing.assert_close(moved[False], 200 * moved[True], rtol=1e-3, atol=1e-7)


def test_state_file_depends_on_settings_and_code_and_damage_is_named(tmp_path, monkeypatch):
    from biorobust.core import errors, files

    monkeypatch.setenv("BIOROBUST_WORK", str(tmp_path))
    one = work.state_path("run", {"lr": 0.1}, code=(errors,))
    assert one == work.state_path("run", {"lr": 0.1}, code=(errors,))
    assert one != work.state_path("run", {"lr": 0.2}, code=(errors,))
    assert one != work.state_path("run", {"lr": 0.1}, code=(files,))
    assert work.load_state(one) is None
    work.save_state(one, {"epoch": 3})
    assert work.load_state(one) == {"epoch": 3}
    one.write_bytes(one.read_bytes()[:40])
    with pytest.raises(BiorobustError, match=r"run-.*damaged.*delete it"):
        work.load_state(one)


def test_finished_states_are_deleted_unless_they_are_to_be_kept(tmp_path, monkeypatch):
    state = tmp_path / "state.pt"
    state.write_bytes(b"x")
    monkeypatch.setenv("BIOROBUST_KEEP_STATES", "1")
    work.finish([state])
    assert state.exists()
    monkeypatch.delenv("BIOROBUST_KEEP_STATES")
    work.finish([state, tmp_path / "never-made.pt"])
    assert not state.exists()
