"""A complete metrics folder with made-up numbers, for tests of everything that only reads metrics.

Accuracies lie near what the study is expected to give, in whole images, so counts, shares and intervals fit together.
Seeds scatter by a fifth of a point; `shift` moves every accuracy of the Hebbian runs (-0.2: twenty points lower);
`fewer` gives a network only that many of the seeds.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from fake_adaptive import write_adaptive

from biorobust import params
from biorobust.core import outcomes
from biorobust.core.files import write_csv, write_json, write_npz
from biorobust.core.outcomes import Cell, Outcome
from biorobust.statistics import mean_interval, wilson

ROOT = Path(__file__).resolve().parent.parent
STUDY = "hebbian"
N_TEST = 10_000
# Accuracy under the report's loss at eps 0, .05, ..., .3, .4, .5.
CURVES = {
    "report-uniform": [0.9697, 0.9149, 0.7773, 0.5332, 0.3516, 0.2905, 0.2788, 0.2785, 0.2785],
    "report-normal": [0.9689, 0.6980, 0.3190, 0.2635, 0.2625, 0.2625, 0.2625, 0.2625, 0.2625],
    "normal-converged": [0.9640, 0.8900, 0.7400, 0.5100, 0.3500, 0.2900, 0.2800, 0.2790, 0.2790],
    "normal-dropped": [0.9600, 0.6800, 0.3100, 0.2600, 0.2590, 0.2590, 0.2590, 0.2590, 0.2590],
    "original": [0.9850, 0.9000, 0.7000, 0.4200, 0.2000, 0.0900, 0.0400, 0.0100, 0.0020],
    "simple-conv": [0.9790, 0.9290, 0.8100, 0.6120, 0.3600, 0.1570, 0.0580, 0.0100, 0.0030],
    "end-to-end": [0.9830, 0.8800, 0.4500, 0.1300, 0.0400, 0.0100, 0.0050, 0.0010, 0.0000],
}
PLATEAU = {"report-uniform": 0.2785, "report-normal": 0.2625, "normal-converged": 0.279, "normal-dropped": 0.259}
CONVERGED = {"uniform": 1.0, "normal": 0.306, "original": 0.97}
# What a loss leaves, from eps 0.3 on, of the accuracy a Hebbian run keeps under the report's loss.
STRENGTH = {"fgsm-report": 1.0, "fgsm-cross-entropy": 0.45, "fgsm-margin": 0.2}


def write_metrics(
    root: Path,
    *,
    scale: str = "paper",
    fidelity: str = "official",
    seeds: Sequence[int] = (0, 1, 2),
    shift: float = 0.0,
    fewer: Mapping[str, int] | None = None,
) -> None:
    """Write every file of docs/contracts.md below `root`, for every run of params.yaml at the given scale."""
    checked = params.check(yaml.safe_load((ROOT / "params.yaml").read_text()) | {"scale": scale})
    writer = _Writer(root, checked, fidelity, list(seeds), shift, fewer or {})
    writer.data()
    for weights in checked.runs["hebbian_weights"]:
        writer.pretrain(weights)
    for run in [*checked.runs["hebbian_runs"], *checked.runs["hebbian_controls"]]:
        writer.train(run)
        writer.attack(run)
    writer.outcomes()
    write_adaptive(root, STUDY, checked, dataset=writer.dataset, seeds=writer.seeds)


class _Writer:
    def __init__(
        self,
        root: Path,
        checked: params.Params,
        fidelity: str,
        seeds: list[int],
        shift: float,
        fewer: Mapping[str, int],
    ) -> None:
        self.root, self.params, self.fidelity, self.shift = root, checked, fidelity, shift
        self.seeds, self.fewer = seeds, fewer
        self.attack_block = checked.blocks["hebbian_attack"].model_dump()
        self.n_images = min(checked.sizes["hebbian_attack"].n_images, N_TEST)  # type: ignore[attr-defined]
        self.dataset = {"name": "mnist", "source": "official", "fidelity": fidelity, "sha256": "0" * 64}

    def settings(self, *methods: str) -> dict[str, Any]:
        """What was run, under the names of params.yaml; a later method's keys win."""
        merged: dict[str, Any] = {}
        for method in methods:
            merged |= self.params.blocks[method].model_dump() | self.params.sizes[method].model_dump()
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in merged.items() if key != "seeds"
        }

    def head(self, run: str, settings: dict[str, Any]) -> dict[str, Any]:
        head = {"run": run, "study": STUDY, "scale": self.params.scale, "status": "ok"}
        return head | {"dataset": self.dataset, "settings": settings}

    def seeds_of(self, run: str) -> list[int]:
        return self.seeds[: self.fewer.get(run, len(self.seeds))]

    def scatter(self, seed: int) -> float:
        """-0.2, 0 or 0.2 points."""
        return (seed % 3 - 1) * 0.002

    def accuracy(self, run: str, attack: str, eps: float, seed: int) -> float:
        hebbian = run in self.params.runs["hebbian_runs"]
        kept = 1 - (1 - STRENGTH[attack]) * min(eps / 0.3, 1) if hebbian else 1.0
        under_report = float(np.interp(eps, self.attack_block["eps"], CURVES[run])) + self.scatter(seed)
        return float(np.clip((under_report + (self.shift if hebbian else 0.0)) * kept, 0, 1))

    def correct(self, run: str, attack: str, seed: int) -> list[int]:
        """Images still right at each eps; the worst case is a little below the strongest single attack."""
        names = self.attack_block["attacks"] if attack == "worst-case" else [attack]
        share = 0.97 if attack == "worst-case" else 1.0
        return [
            round(min(self.accuracy(run, name, eps, seed) for name in names) * (share if eps else 1.0) * self.n_images)
            for eps in self.attack_block["eps"]
        ]

    def data(self) -> None:
        split = {"n": N_TEST, "per_class": [1000] * 10}
        write_json(
            self.root / "data/mnist.json",
            self.dataset
            | {
                "title": "MNIST",
                "note": "Made-up provenance for tests.",
                "licence": "CC BY-SA 3.0",
                "files": {"t10k-images-idx3-ubyte.gz": "1" * 64},
                "image_shape": [28, 28],
                "n_classes": 10,
                "train": {"n": 60_000, "per_class": [6000] * 10},
                "test": split,
            },
        )

    def pretrain(self, weights: str) -> None:
        entry = self.params.runs["hebbian_weights"][weights]
        settings = self.settings(entry.method) | {"init": entry.init}  # type: ignore[attr-defined]
        per_seed = [
            {
                "seed": seed,
                "converged_share": min(1.0, CONVERGED[weights] + self.scatter(seed)),
                "negative_share": 0.012,
                "autocorrelation": 0.85 + self.scatter(seed),
                "norm_quantiles": [1.0, 1.0003, 1.0004, 1.0007, 1.0012],
            }
            for seed in self.seeds
        ]
        size = {"n_updates": settings["epochs"] * 16, "n_parameters": settings["n_hidden"] * 784}
        write_json(
            self.root / f"pretrain/{weights}.json",
            self.head(weights, settings) | size | {"seeds": self.seeds, "per_seed": per_seed},
        )
        self.curve(f"weights-{weights}", {"converged_share": CONVERGED[weights]})
        self.weights_picture(weights)

    def train(self, run: str) -> None:
        entry: Any = self.params.runs["hebbian_runs"].get(run) or self.params.runs["hebbian_controls"][run]
        hebbian = run in self.params.runs["hebbian_runs"]
        settings = self.settings(entry.readout if hebbian else entry.method)
        if hebbian:
            # As the stage does: the weights' settings under their own names, the readout's own beside them.
            shared = {"inputs", "learning_rate", "schedule", "batch_size", "epochs", "n_train"}
            readout = {f"readout_{key}" if key in shared else key: value for key, value in settings.items()}
            weights = self.params.runs["hebbian_weights"][entry.weights]
            of_weights = self.settings(weights.method) | {"init": weights.init}  # type: ignore[attr-defined]
            settings = of_weights | readout | {"units": entry.units}
            candidates = settings["beta"] if isinstance(settings["beta"], list) else []
            settings["beta"] = candidates[0] if candidates else settings["beta"]
        per_seed = []
        for seed in self.seeds_of(run):
            correct = round(self.accuracy(run, "fgsm-report", 0.0, seed) * N_TEST)
            flags = {"collapsed": False, "diverged": False}
            share = {"seed": seed, "correct": correct, "n": N_TEST, "accuracy": correct / N_TEST}
            per_seed.append(share | {"wilson": list(wilson(correct, N_TEST))} | flags)
            if run == "end-to-end":
                per_seed[-1]["autocorrelation"] = 0.35 + self.scatter(seed)
        summary = mean_interval([entry["accuracy"] for entry in per_seed])
        more: dict[str, Any] = {"n_parameters": 20_000, "accuracy": summary._asdict() | {"n_seeds": len(per_seed)}}
        if hebbian and candidates:
            tried = [{"value": beta, "tuning_accuracy": 0.9} for beta in candidates]
            more["choice"] = {"key": "beta", "candidates": tried, "chosen": candidates[0]}
        write_json(
            self.root / f"train/{run}.json",
            self.head(run, settings) | more | {"seeds": self.seeds_of(run), "per_seed": per_seed},
        )
        self.curve(run, {"test_accuracy": summary.mean, "learning_rate": 1e-4})
        if not hebbian:
            self.weights_picture(run)

    def attack(self, run: str) -> None:
        attacks, rows = {}, []
        for attack in [*self.attack_block["attacks"], "worst-case"]:
            per_seed = [
                {"seed": seed, "n": self.n_images, "correct": self.correct(run, attack, seed)}
                | ({} if attack == "worst-case" else self.gradients(run, attack, seed))
                for seed in self.seeds_of(run)
            ]
            attacks[attack] = {"about": f"what {attack} is", "per_seed": per_seed}
            rows += [
                {"attack": attack, "seed": entry["seed"], "eps": eps, "accuracy": correct / self.n_images}
                for entry in per_seed
                for eps, correct in zip(self.attack_block["eps"], entry["correct"], strict=True)
            ]
        settings = {"n_images": self.n_images, "attacks": list(self.attack_block["attacks"])}
        more = {"eps": self.attack_block["eps"], "n_images": self.n_images, "attacks": attacks}
        write_json(self.root / f"attack/{run}.json", self.head(run, settings) | more | {"seeds": self.seeds_of(run)})
        write_csv(self.root / f"curves/attack-{run}.csv", pd.DataFrame(rows))
        images = np.random.default_rng(0).integers(0, 256, (len(self.attack_block["eps"]), 8, 28, 28), dtype=np.uint8)
        labels = np.arange(8)
        predictions = np.tile(labels, (len(images), 1))
        eps, attack = np.array(self.attack_block["eps"]), np.array("fgsm-report")
        pictures = {"images": images, "labels": labels, "predictions": predictions, "eps": eps, "attack": attack}
        write_npz(self.root / f"pictures/adversarial-{run}.npz", pictures)

    def gradients(self, run: str, attack: str, seed: int) -> dict[str, Any]:
        """Saturated outputs: the images of the plateau have no gradient under the report's loss; elsewhere few do."""
        saturated = attack == "fgsm-report" and run in PLATEAU
        share = max(PLATEAU[run] + self.scatter(seed) + self.shift, 0.0) if saturated else 0.0012
        return {
            "zero_gradient": round(min(1.05 * share, 1.0) * self.n_images),
            "zero_gradient_correct": round(share * self.n_images),
            "unverified": [0] * len(self.attack_block["eps"]),
        }

    def outcomes(self) -> None:
        packed: dict[Cell, Outcome] = {}
        for run in [*self.params.runs["hebbian_runs"], *self.params.runs["hebbian_controls"]]:
            for attack in [outcomes.CLEAN, *self.attack_block["attacks"], "worst-case"]:
                clean = attack == outcomes.CLEAN
                right = {
                    seed: self.correct(run, "fgsm-report" if clean else attack, seed) for seed in self.seeds_of(run)
                }
                for i, eps in enumerate(self.attack_block["eps"][: 1 if clean else None]):
                    counts = {seed: of_seed[i] for seed, of_seed in right.items()}
                    packed[outcomes.cell(run, attack, eps)] = outcome(run, counts, self.n_images)
        outcomes.write(self.root / f"outcomes/{STUDY}.npz", packed)

    def curve(self, name: str, more: dict[str, float]) -> None:
        epochs = range(1, 6)
        rows = [
            {"seed": seed, "epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 0.5 / epoch} | more
            for seed in self.seeds_of(name)
            for epoch in epochs
        ]
        write_csv(self.root / f"curves/{name}.csv", pd.DataFrame(rows))

    def weights_picture(self, name: str) -> None:
        units = np.random.default_rng(1).normal(size=(16, 28, 28)).astype(np.float16)
        write_npz(self.root / f"pictures/weights-{name}.npz", {"units": units})


def outcome(run: str, counts: Mapping[int, int], n: int) -> Outcome:
    """Which of `n` images each training gets right: as many as `counts` says by seed, and rather the easy ones."""
    right = np.zeros((len(counts), n), bool)
    for row, (seed, count) in enumerate(counts.items()):
        right[row, _easiest_first(run, seed, n)[:count]] = True
    return Outcome(tuple(counts), np.arange(n), right)


def other_outcomes(path: Path, change: Callable[[int], int]) -> None:
    """Rewrite a file of outcomes: as many right answers as `change` makes of those there are."""
    kept = outcomes.read(path)
    counts = {
        cell: {seed: change(int(row.sum())) for seed, row in zip(of.seeds, of.right, strict=True)}
        for cell, of in kept.items()
    }
    outcomes.write(path, {cell: outcome(cell.run, of_cell, len(kept[cell].images)) for cell, of_cell in counts.items()})


@cache
def _easiest_first(run: str, seed: int, n: int) -> np.ndarray:
    """The images as one training ranks them, (n,): what it keeps under an attack it also keeps under a weaker one."""
    difficulty = np.random.default_rng(n).standard_normal(n)
    own = np.random.default_rng([zlib.crc32(run.encode()), seed]).standard_normal(n)
    return np.argsort(difficulty + 0.5 * own, kind="stable")
