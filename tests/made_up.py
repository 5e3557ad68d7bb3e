"""What the made-up metrics of all studies share: trainings, attacks, outcomes, and networks attacked anew."""

import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from edits import project

from biorobust import params
from biorobust.core import outcomes
from biorobust.core.attack_plan import Adaptive, AdaptiveSize, adaptive_name
from biorobust.core.files import write_csv, write_json, write_npz
from biorobust.core.left_out import not_at_this_scale
from biorobust.core.outcomes import Outcome
from biorobust.question.model import attacking
from biorobust.question.model.params import AttackPlan
from biorobust.statistics import mean_interval, wilson

ROOT = Path(__file__).resolve().parent.parent
WORST = "worst-case"
SHARES = (0.53, 0.38, 0.25, 0.14, 0.08, 0.05)  # of accuracy that networks keep under attacks that adapt to them


class Writer:
    """Writes metrics files of a study at a scale; `changes` are other blocks of params.yaml."""

    sha256 = "0" * 64

    def __init__(self, root, study, *, scale, seeds, fidelity="official", **changes):
        self.root, self.study, self.seeds, self.fidelity = root, study, list(seeds), fidelity
        self.params, self.packed = params.check(project(scale=scale) | changes), {}

    def block(self, *names):
        """What was run, under the names of params.yaml; a later block's keys win, and sizes those of methods."""
        parts = [part[name].model_dump() for name in names for part in (self.params.blocks, self.params.sizes)]
        merged = {key: value for part in parts for key, value in part.items() if key != "seeds"}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in merged.items()}

    def dataset(self, name):
        return {"name": name, "source": "official", "fidelity": self.fidelity, "sha256": self.sha256}

    def data(self, name, title, *, shape, n_train, n_test, n_classes=10):
        said = {"title": title, "note": "Made-up provenance for tests.", "licence": "none", "files": {}}
        said |= {"image_shape": shape, "n_classes": n_classes}
        said |= {"train": {"n": n_train}, "test": {"n": n_test}}
        write_json(self.root / f"data/{name}.json", self.dataset(name) | said)

    def file(self, kind, run, dataset, settings, reason=None, *, also=None, **body):
        """A metrics file; with a reason that of a run that is unavailable, which has no body but what is in `also`."""
        state = {"status": "unavailable", "reason": reason} if reason else {"status": "ok"}
        head = {"run": run, "study": self.study, "scale": self.params.scale, **state}
        head |= ({"dataset": self.dataset(dataset)} if dataset else {}) | (also or {})
        write_json(self.root / f"{kind}/{run}.json", head | {"settings": settings} | ({} if reason else body))

    def table(self, name, rows, columns=None):
        write_csv(self.root / f"{name}.csv", pd.DataFrame(rows, columns=columns))

    def arrays(self, name, **arrays):
        write_npz(self.root / f"{name}.npz", arrays)

    def finish(self, dataset):
        """The outcomes that were packed and, if the study has such a block, networks attacked anew."""
        outcomes.write(self.root / f"outcomes/{self.study}.npz", self.packed)
        if f"{self.study}_adaptive" in self.params.blocks:
            write_adaptive(self.root, self.study, self.params, dataset=self.dataset(dataset), seeds=self.seeds)


def trained(seed, correct, n, *, collapsed=False):
    """The entry of one training with so many right answers."""
    accuracy = {"accuracy": correct / n, "wilson": list(wilson(correct, n))}
    return {"seed": seed, "correct": correct, "n": n, "collapsed": collapsed, "diverged": False} | accuracy


def summary(entries):
    """The mean accuracy of trainings with its interval."""
    return mean_interval([entry["accuracy"] for entry in entries])._asdict() | {"n_seeds": len(entries)}


def attacked(names, seeds, n, correct, more=lambda name, seed: {}, *, flat=False):
    """By attack an entry for each training; correct(name, seed): right answers at each epsilon, None: not attacked.

    flat: with the counts of images without a gradient, of which there are none.
    """

    def entry(name, seed):
        right = correct(name, seed)
        flat_ = {"zero_gradient": 0, "zero_gradient_correct": 0, "unverified": [k if k is None else 0 for k in right]}
        return {"seed": seed, "n": n, "correct": right} | more(name, seed) | (flat_ if flat and name != WORST else {})

    return {name: {"about": f"what {name} is", "per_seed": [entry(name, seed) for seed in seeds]} for name in names}


def packed(run, attacks, grid, n):
    """The outcomes of all attacks at each epsilon."""
    found = {}
    for attack, said in attacks.items():
        for i, eps in enumerate(grid):
            counts = {entry["seed"]: entry["correct"][i] for entry in said["per_seed"]}
            if None not in counts.values():
                found[outcomes.cell(run, attack, eps)] = outcome(run, counts, n)
    return found


def outcome(run, counts, n):
    """Which of `n` images each training gets right: as many as `counts` says by seed, and rather the easy ones."""
    right = np.zeros((len(counts), n), bool)
    for row, (seed, count) in enumerate(counts.items()):
        right[row, _easiest_first(run, seed, n)[:count]] = True
    return Outcome(tuple(counts), np.arange(n), right)


def other_outcomes(path, change):
    """Rewrite a file of outcomes: as many right answers as `change` makes of those there are."""
    kept = outcomes.read(path)
    counts = {
        cell: {seed: change(int(row.sum())) for seed, row in zip(of.seeds, of.right, strict=True)}
        for cell, of in kept.items()
    }
    outcomes.write(path, {cell: outcome(cell.run, of_cell, len(kept[cell].images)) for cell, of_cell in counts.items()})


@cache
def _easiest_first(run, seed, n):
    """The images as one training ranks them, (n,): what it keeps under an attack it also keeps under a weaker one."""
    difficulty = np.random.default_rng(n).standard_normal(n)
    own = np.random.default_rng([zlib.crc32(run.encode()), seed]).standard_normal(n)
    return np.argsort(difficulty + 0.5 * own, kind="stable")


def write_adaptive(root, study, checked, *, dataset, seeds):
    """A file for every network of `<study>_adaptive`; each keeps clearly less than the one before it."""
    chosen, plan = checked.block(f"{study}_adaptive", Adaptive), checked.block("question_attack", AttackPlan)
    n = checked.size(f"{study}_adaptive", AdaptiveSize).n_images
    grid = sorted({*chosen.curve, chosen.eps})
    kept = outcomes.read(root / f"outcomes/{study}.npz")
    for run, share in zip(chosen.networks, SHARES, strict=False):
        name = adaptive_name(run)

        def known(attack, seed, share=share):
            left = share * (1.7 if attack in plan.reports else 1.0)
            counts = {eps: max(0, round(n * min(0.95, left * chosen.eps / eps)) - seed % 3) for eps in grid}
            everywhere = attack in (attacking.CURVE, WORST)
            return [count if everywhere or eps == chosen.eps else None for eps, count in counts.items()]

        attacks = attacked((*attacking.names(plan, study), WORST) if n else (), seeds, n, known, flat=True)
        kept |= packed(name, attacks, grid, n)
        head = {"run": name, "study": study, "scale": checked.scale, "dataset": dict(dataset)}
        head["settings"] = {"eps": chosen.eps, "n_images": n, "twin": chosen.twins.get(run)}
        ran = {"status": "ok", "eps": grid, "n_images": n, "seeds": list(seeds), "attacks": attacks}
        reason = not_at_this_scale(checked.scale, f"{study}_adaptive")
        found = ran if n else {"status": "unavailable", "reason": reason}
        write_json(root / f"adaptive-{study}/attack/{name}.json", head | found)
    outcomes.write(root / f"outcomes/{study}.npz", kept)
