"""Benchmarks without their timings: the published rule is ours, growth is told apart, and limits decide."""

import importlib
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from benchmarks import BENCHMARKS, ROOT, __main__, growth, hebbian_rule, timing
from biorobust.hebbian import learn


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the command with made-up benchmarks; gives (exit status, what it printed, what it wrote)."""

    def call(*argv, **modules):
        monkeypatch.setattr(__main__, "BENCHMARKS", tuple(modules))
        monkeypatch.setattr(__main__, "load", modules.__getitem__)
        monkeypatch.setattr(__main__, "fresh", lambda run, *args: run(*args))
        monkeypatch.setattr(__main__.os, "environ", {})
        output = tmp_path / "benchmarks.json"
        status = __main__.main([*argv, "--output", str(output)])
        return status, capsys.readouterr().out, json.loads(output.read_text())

    return call


def made_up(ratio, *, limit):
    row = timing.single("made up", unit="MB", ours=ratio * 200.0, reference=200.0)
    return SimpleNamespace(LIMITS={"made up": limit}, measure=lambda: [row])


def test_every_module_that_measures_is_registered():
    files = {path.stem for path in Path(__main__.__file__).parent.glob("*.py") if "def measure(" in path.read_text()}
    assert files == set(BENCHMARKS)


def test_every_benchmark_says_what_it_measures_and_has_limits():
    page = (ROOT / "docs/speed.md").read_text(encoding="utf-8")
    for name in BENCHMARKS:
        assert all(limit > 0 for limit in importlib.import_module(f"benchmarks.{name}").LIMITS.values())
        assert f"`{name}`" in page


@pytest.mark.parametrize(("p", "k", "delta"), [(2, 2, 0.0), (3, 5, 0.4), (2.5, 3, 0.4)])
def test_published_algorithm_learns_what_the_library_learns(p, k, delta):
    images = torch.rand(32, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    settings = {"batch_size": 10, "learning_rate": 0.05, "p": p, "k": k, "delta": delta}
    ours = learn(
        images,
        n_hidden=7,
        n_epochs=1,
        init="normal",
        generator=torch.Generator().manual_seed(0),
        start=(0, weights.clone()),
        **settings,
    )
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    published = hebbian_rule.published_epoch(weights, images, order=order, **settings)
    assert_close(ours, published, rtol=0, atol=1e-12)
    assert (published - weights).abs().max() > 0.04


@pytest.mark.parametrize("call", [0.0, 1e5])
def test_growth_is_that_of_the_marginal_time_whatever_a_call_costs(call):
    def seconds(row):
        return {n: (row(n) + call) * growth.TOTAL / n for n in growth.LENGTHS}

    assert growth.growth(seconds(lambda n: 0.4 * n)) == pytest.approx(1)
    assert growth.growth(seconds(lambda n: 0.1 * n * math.log2(n))) == pytest.approx(growth.PREDICTED)
    assert growth.growth(seconds(lambda n: 0.4 * n + 9 * n**0.5)) < 1


@pytest.mark.parametrize(
    ("row", "refused"), [(lambda n: 0.4 * n, False), (lambda n: 0.02 * n * math.log2(n), True)], ids=["N", "N log N"]
)
def test_scattered_times_of_n_log_n_are_refused_and_those_of_n_are_not(row, refused):
    """With calls that cost as much as the shortest rows, times that scatter by 2 % and one in twenty twice as long."""
    random = np.random.default_rng(0)

    def taken(n):
        busy = 2 if random.random() < 0.05 else 1
        return (row(n) + 10_000) * busy * random.lognormal(sigma=0.02) * growth.TOTAL / n

    rounds = [{n: taken(n) for n in growth.LENGTHS} for _ in range(41)]
    middle, low, high = growth.median([growth.growth(seconds) for seconds in rounds])
    assert low < middle < high
    assert (low > growth.HALFWAY, high < growth.HALFWAY) == (refused, not refused)


@pytest.mark.parametrize(("ratio", "status", "verdict"), [(0.5, 0, "ok"), (0.51, 1, "OVER")])
def test_exit_status_tells_whether_a_limit_is_missed(run, ratio, status, verdict):
    got, printed, written = run(one=made_up(ratio, limit=0.5), two=made_up(0.1, limit=1.0))
    assert got == status
    assert [line.split()[-1] for line in printed.splitlines()[2:]] == [verdict, "ok"]
    assert [row["ok"] for row in written["measurements"]] == [verdict == "ok", True]
    assert written["measurements"][0]["limit"] == 0.5
