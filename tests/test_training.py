"""The one training loop: it learns, resumes bit for bit, follows its schedule, and reports what went wrong."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from biorobust import work
from biorobust.errors import BiorobustError
from biorobust.training import SCHEDULES, Recipe, fit, objective, predict


def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=generator)
    return x, (x[:, 0] > 0).long()


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


def cross_entropy(logits, labels):
    return functional.cross_entropy(logits, labels, reduction="sum")


def train(model, *, epochs=4, state=None, loss=cross_entropy, **recipe):
    settings = Recipe(**({"epochs": epochs, "batch_size": 32, "learning_rate": 0.02} | recipe))
    return fit(model, *data(), recipe=settings, objective=objective(loss), seed=1, state=state)


def test_it_learns():
    model = network()
    result = train(model, epochs=10)
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    x, y = data()
    assert (predict(model, x, batch_size=33) == y).double().mean() > 0.95
    assert not model.training


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
    steps = 7
    expected = [0.02 * (1 - (epoch * steps + steps - 1) / (4 * steps)) for epoch in range(4)]
    assert [row["learning_rate"] for row in history] == pytest.approx(expected)


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


def test_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="adam or sgd"):
        train(network(), optimiser="newton")


def test_state_file_depends_on_settings_and_code_and_damage_is_named(tmp_path, monkeypatch):
    from biorobust import errors, files

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
