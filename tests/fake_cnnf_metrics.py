"""Made-up metrics of the CNN-F study, every file of its contract, for tests of everything that only reads metrics.

Accuracies lie near the report's, in whole images, so counts, shares and intervals fit together. Seeds scatter by half a
point; `shift` moves every accuracy of the networks with feedback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from fake_metrics import ROOT, overlap
from PIL import Image, ImageDraw

from biorobust.analysis import mean_interval, wilson
from biorobust.files import write_csv, write_json, write_npz

STUDY = "cnnf"
N_TEST, N_IMAGES, N_CLASSES = 20_800, 2_000, 26
LEVEL = 0.3
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
EPS = (0.0, 0.05, 0.1, 0.2, 0.3)
ATTACKS = (
    *("fgsm-cross-entropy", "fgsm-cross-entropy@first"),
    *("pgd-cross-entropy-best", "pgd-cross-entropy-best@first", "pgd-targeted"),
)
# Accuracy on clean and on noisy images after the last cycle.
ACCURACY = {
    "feedback": (0.781, 0.887),
    "cnn": (0.922, 0.838),
    "cnn-noisy": (0.905, 0.884),
    "feedback-cycled": (0.902, 0.889),
    "feedback-long": (0.842, 0.901),
    "r0-t1": (0.80, 0.842),
    "r0-t2": (0.81, 0.873),
    "r0-t3": (0.80, 0.840),
    "r01-t1": (0.82, 0.877),
    "r01-t2": (0.81, 0.880),
    "r01-t3": (0.79, 0.823),
    "r03-t1": (0.80, 0.871),
    "r03-t2": (0.79, 0.880),
    "r03-t3": (0.78, 0.894),
}
OTHER = (0.85, 0.86)
# Largest epsilon that leaves anything, and how fast a network falls.
STRENGTH = {"feedback": 1.0, "cnn": 0.72, "cnn-noisy": 0.98}
LEFT = dict(zip(ATTACKS, (1.0, 0.9, 0.6, 0.5, 0.8), strict=True))
TERMS = ("first", "cycles", "feature", "block1", "block2")


def write_metrics(
    root: Path,
    *,
    scale: str = "paper",
    fidelity: str = "official",
    seeds: Sequence[int] = (0, 1, 2),
    grid_seeds: Sequence[int] = (0,),
    shift: float = 0.0,
) -> None:
    """Write every file of docs/contracts.md below `root`, for every run of params.yaml."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"scale": scale}
    writer = _Writer(root, raw, fidelity, list(seeds), list(grid_seeds), shift)
    writer.data()
    for run in writer.runs:
        writer.train(run)
        writer.curves(run)
        writer.pictures(run)
    for run in raw["cnnf_runs"]:
        writer.attack(run)
    writer.compare()


def letters(n: int) -> np.ndarray:
    """uint8 (n, 28, 28), white letters on black."""
    pictures = []
    for index in range(n):
        canvas = Image.new("L", (11, 11), 0)
        ImageDraw.Draw(canvas).text((2, -1), chr(ord("A") + index % N_CLASSES), fill=255)
        pictures.append(np.asarray(canvas.resize((28, 28), Image.Resampling.BICUBIC)))
    return np.stack(pictures)


class _Writer:
    def __init__(
        self,
        root: Path,
        raw: Mapping[str, Any],
        fidelity: str,
        seeds: list[int],
        grid_seeds: list[int],
        shift: float,
    ) -> None:
        self.root, self.raw, self.shift = root, raw, shift
        self.seeds, self.grid_seeds = seeds, grid_seeds
        self.attacked = list(raw["cnnf_runs"])
        self.runs = [*raw["cnnf_runs"], *raw["cnnf_variants"], *raw["cnnf_grid"]]
        self.dataset = {"name": "emnist_letters", "source": "official", "fidelity": fidelity, "sha256": "2" * 64}

    def seeds_of(self, run: str) -> list[int]:
        return self.grid_seeds if run in self.raw["cnnf_grid"] else self.seeds

    def cycles(self, run: str) -> int:
        return int(self.settings(run)["cycles"])

    def scatter(self, run: str, seed: int) -> float:
        """-0.5, 0 or 0.5 points, in another order for every run."""
        return ((seed + len(run)) % 3 - 1) * 0.005

    def head(self, run: str) -> dict[str, Any]:
        head = {"run": run, "study": STUDY, "scale": self.raw["scale"], "status": "ok", "dataset": self.dataset}
        return head | {"settings": self.settings(run), "seeds": self.seeds_of(run)}

    def settings(self, run: str) -> dict[str, Any]:
        return fake_settings(self.raw, run)

    def accuracy(self, run: str, images: str, seed: int, cycle: int | None = None) -> float:
        """At the end of the cycles, or at an earlier one: the first pass is better on clean and worse on noisy images."""
        clean, noisy = ACCURACY.get(run, OTHER)
        steps = self.cycles(run)
        back = 0 if cycle is None else steps - cycle
        value = clean + 0.02 * back if images == "clean" else noisy - 0.015 * back
        return float(np.clip(value + self.scatter(run, seed) + (self.shift if steps else 0.0), 0, 1))

    def correct(self, run: str, images: str, seed: int) -> int:
        return round(self.accuracy(run, images, seed) * N_TEST)

    def data(self) -> None:
        content = {
            "title": "EMNIST Letters",
            "note": "Made-up provenance for tests.",
            "licence": "public domain",
            "files": {"gzip.zip": "3" * 64},
            "image_shape": [28, 28],
            "n_classes": N_CLASSES,
            "train": {"n": 124_800, "per_class": [4_800] * N_CLASSES},
            "test": {"n": N_TEST, "per_class": [800] * N_CLASSES},
        }
        write_json(self.root / "data/emnist_letters.json", self.dataset | content)

    def train(self, run: str) -> None:
        per_seed = [self.seed_entry(run, seed) for seed in self.seeds_of(run)]
        summary = mean_interval([entry["accuracy"] for entry in per_seed])._asdict() | {"n_seeds": len(per_seed)}
        more = {"n_parameters": 208_826, "accuracy": summary, "per_seed": per_seed}
        write_json(self.root / f"train/{run}.json", self.head(run) | more)

    def seed_entry(self, run: str, seed: int) -> dict[str, Any]:
        steps, wiggle = self.cycles(run), self.scatter(run, seed)
        entry: dict[str, Any] = {"seed": seed, "n": N_TEST, "n_images": N_IMAGES}
        for images in ("clean", "noisy"):
            k = self.correct(run, images, seed)
            prefix = "" if images == "clean" else "noisy_"
            entry |= {
                f"{prefix}correct": k,
                f"{prefix}accuracy": k / N_TEST,
                f"{prefix}wilson": list(wilson(k, N_TEST)),
            }
            accuracies = [self.accuracy(run, images, seed, cycle) for cycle in range(steps + 1)]
            entry[f"{images}_first_accuracy"] = accuracies[0]
            entry[f"{images}_last_accuracy"] = accuracies[-1]
            entry[f"{images}_average_accuracy"] = float(np.mean(accuracies))
            start = 22.0 if images == "clean" else 14.5
            lists = {
                "cycle_accuracy": accuracies,
                "margin": [value - 0.3 + 0.02 * cycle for cycle, value in enumerate(accuracies)],
                "changed": [(0.08 + wiggle) / 2.5**t for t in range(steps)],
                "psnr": [start + 0.6 * t + 10 * wiggle for t in range(steps)],
                "reconstruction_rms": [0.6 + 0.02 * t + wiggle for t in range(steps)],
            }
            entry |= {f"{images}_{name}": values for name, values in lists.items()}
            if steps:
                entry[f"{images}_changed_first"] = lists["changed"][0]
                entry[f"{images}_changed_last"] = lists["changed"][-1]
                entry[f"{images}_margin_gain"] = lists["margin"][-1] - lists["margin"][0]
            if steps >= 2:
                entry[f"{images}_changed_fall"] = lists["changed"][0] - lists["changed"][-1]
                entry[f"{images}_psnr_change"] = lists["psnr"][-1] - lists["psnr"][0]
        entry |= {"noisy_minus_clean": entry["noisy_accuracy"] - entry["accuracy"]}
        entry |= {"noisy_input_psnr": 12.6, "clean_feature_rms": 0.68}
        if steps:
            entry["noisy_psnr_gain"] = entry["noisy_psnr"][-1] - 12.6
        entry |= {"loss_first_epoch": 1.4 + wiggle, "loss_last_epoch": 0.5, "loss_ratio": 0.5 / (1.4 + wiggle)}
        entry |= {"loss_start": 2.9 + wiggle, "loss_end": 0.48, "loss_fall": 1 - 0.48 / (2.9 + wiggle)}
        entry |= {"learning_rate_error": 1e-9 * (1 + seed), "tuning_accuracy": entry["accuracy"] - 0.003}
        flags = {"collapsed": False, "under_trained": False, "diverged": False}
        return entry | flags | {"noisy_tuning_accuracy": entry["noisy_accuracy"] - 0.004}

    def curves(self, run: str) -> None:
        settings = self.settings(run)
        base, power, epochs = settings["learning_rate"], settings["power"], settings["epochs"]
        steps = epochs * -(-settings["n_train"] // settings["batch_size"])
        by_epoch, by_step, by_level, confused = [], [], [], []
        for seed in self.seeds_of(run):
            for epoch in range(1, epochs + 1):
                loss = 0.45 + 1.0 / epoch + self.scatter(run, seed)
                terms = {term: loss * share for term, share in zip(TERMS, (0.3, 0.45, 0.1, 0.08, 0.07), strict=True)}
                if not settings["cycles"]:
                    terms = {"first": loss} | dict.fromkeys(TERMS[1:], 0.0)
                rate = base * (1 - (epoch * steps / epochs - 1) / steps) ** power
                row = {"seed": seed, "epoch": epoch, "loss": loss, "accuracy": 1 - 0.4 / epoch, "learning_rate": rate}
                by_epoch.append(row | terms)
            rng = np.random.default_rng(seed)
            smoothed = 3.2
            for step in range(0, steps, max(1, steps // 400)):
                raw = 0.5 + 2.7 * np.exp(-6 * step / steps) + 0.12 * rng.standard_normal() + self.scatter(run, seed)
                smoothed = 0.9 * smoothed + 0.1 * raw
                rate = base * (1 - step / steps) ** power
                by_step.append({"seed": seed, "step": step, "loss": raw, "smoothed": smoothed, "learning_rate": rate})
            for level in LEVELS:
                clean, noisy = (self.accuracy(run, images, seed) for images in ("clean", "noisy"))
                value = clean + (noisy - clean) * level / LEVEL - 0.8 * max(0.0, level - LEVEL)
                counts = {name: round((value - drop) * N_IMAGES) for name, drop in (("first", 0.02), ("last", 0.0))}
                by_level.append(
                    {"seed": seed, "level": level, "n": N_IMAGES} | counts | {"average": counts["last"] - 9}
                )
            confused += self.confused(run, seed)
        for name, rows in (("", by_epoch), ("steps-", by_step), ("noise-", by_level)):
            write_csv(self.root / f"curves/{name}{run}.csv", pd.DataFrame(rows))
        write_csv(self.root / f"confusion/{run}.csv", pd.DataFrame(confused))

    def confused(self, run: str, seed: int) -> list[dict[str, Any]]:
        """Right answers in equal shares, wrong ones on the two next letters."""
        rows = []
        for images in ("clean", "noisy"):
            k, each = self.correct(run, images, seed), N_TEST // N_CLASSES
            for label in range(N_CLASSES):
                right = k // N_CLASSES + (label < k % N_CLASSES)
                cells = {label: right, (label + 1) % N_CLASSES: (each - right) * 2 // 3}
                cells[(label + 2) % N_CLASSES] = each - sum(cells.values())
                head = {"seed": seed, "images": images, "label": label}
                rows += [head | {"predicted": to, "count": count} for to, count in cells.items() if count]
        return rows

    def pictures(self, run: str) -> None:
        steps, n = self.cycles(run), 8
        if not steps:
            return
        rng = np.random.default_rng(0)
        clean = letters(n).astype(float)
        noisy = np.clip(clean + 255 * LEVEL * rng.standard_normal(clean.shape), 0, 255)
        arrays = self.reconstructed(np.stack([clean, noisy]), clean, steps)
        write_npz(self.root / f"pictures/reconstructions-{run}.npz", arrays | {"index": np.arange(n)})
        if run == self.attacked[0]:
            eps = np.array(EPS)
            moved = clean + 255 * eps[:, None, None, None] * np.sign(rng.standard_normal((len(EPS), *clean.shape)))
            more = self.reconstructed(np.clip(moved, 0, 255), clean, steps)
            write_npz(self.root / f"pictures/adversarial-reconstructions-{run}.npz", more | {"eps": eps})

    def reconstructed(self, images: np.ndarray, clean: np.ndarray, steps: int) -> dict[str, np.ndarray]:
        """Pictures that approach the clean ones, with a wrong prediction here and there."""
        kept = 0.75 ** np.arange(1, steps + 1)[None, :, None, None, None]
        pictures = clean + (images[:, None] - clean) * kept + 30 * kept
        labels = np.arange(clean.shape[0])
        predictions = np.tile(labels, (len(images), steps + 1, 1))
        predictions[1:, 0, ::3] = (predictions[1:, 0, ::3] + 1) % N_CLASSES
        return {
            "images": images.astype(np.uint8),
            "reconstructions": np.clip(pictures, 0, 255).astype(np.uint8),
            "predictions": predictions,
            "labels": labels,
        }

    def left(self, run: str, attack: str, seed: int) -> list[int]:
        names = ATTACKS if attack == "worst-case" else (attack,)
        clean = self.accuracy(run, "clean", seed)
        reach = 0.35 * STRENGTH.get(run, 0.9)
        falls = [min(LEFT[name] for name in names) * max(0.0, 1 - eps / reach) ** 1.5 if eps else 1.0 for eps in EPS]
        return [
            round(clean * fall * N_IMAGES * (0.97 if attack == "worst-case" and fall < 1 else 1.0)) for fall in falls
        ]

    def attack(self, run: str) -> None:
        attacks: dict[str, Any] = {}
        rows = []
        for attack in (*ATTACKS, "worst-case"):
            per_seed = []
            for seed in self.seeds_of(run):
                counts = self.left(run, attack, seed)
                entry: dict[str, Any] = {"seed": seed, "n": N_IMAGES, "correct": counts}
                if attack != "worst-case":
                    entry |= {"zero_gradient": 3, "zero_gradient_correct": 3, "unverified": [0] * len(EPS)}
                per_seed.append(entry)
                rows += [
                    {"attack": attack, "seed": seed, "eps": eps, "accuracy": k / N_IMAGES}
                    for eps, k in zip(EPS, counts, strict=True)
                ]
            attacks[attack] = {"about": f"what {attack} is", "per_seed": per_seed}
        head = self.head(run) | {"settings": {"n_images": N_IMAGES, "attacks": list(ATTACKS)}}
        more = {"eps": list(EPS), "n_images": N_IMAGES, "attacks": attacks}
        write_json(self.root / f"attack/{run}.json", head | more)
        write_csv(self.root / f"curves/attack-{run}.csv", pd.DataFrame(rows))
        images = np.clip(letters(8)[None] + 255.0 * np.array(EPS)[:, None, None, None], 0, 255).astype(np.uint8)
        labels = np.arange(8)
        predictions = (labels + (np.array(EPS)[:, None] > 0.1)) % N_CLASSES
        shared = {"images": images, "labels": labels, "predictions": predictions, "eps": np.array(EPS)}
        write_npz(self.root / f"pictures/adversarial-{run}.npz", shared | {"attack": np.array(ATTACKS[0])})

    def compare(self) -> None:
        rows = []
        for a, b in combinations(self.runs, 2):
            for seed in [seed for seed in self.seeds_of(a) if seed in self.seeds_of(b)]:
                for attack, eps, images in (("none", 0.0, "clean"), ("noise", LEVEL, "noisy")):
                    counts = overlap(self.correct(a, images, seed), self.correct(b, images, seed), N_TEST)
                    rows.append({"a": a, "b": b, "attack": attack, "eps": eps, "seed": seed} | asdict(counts))
                for attack in (*ATTACKS, "worst-case") if {a, b} <= set(self.attacked) else ():
                    for eps, one, other in zip(
                        EPS, self.left(a, attack, seed), self.left(b, attack, seed), strict=True
                    ):
                        counts = overlap(one, other, N_IMAGES)
                        rows.append({"a": a, "b": b, "attack": attack, "eps": eps, "seed": seed} | asdict(counts))
        write_csv(self.root / f"compare/{STUDY}.csv", pd.DataFrame(rows))


def fake_settings(raw: Mapping[str, Any], run: str) -> dict[str, Any]:
    cnn = run.startswith("cnn")
    s = {"network": "two-block", "width": 8, "ind": 1, "cycles": 0 if cnn else 3, "residual": 0.3, "readout": "last"}
    if run in raw["cnnf_grid"]:
        s |= {"cycles": int(run[-1]), "residual": {"r0": 0.0, "r01": 0.1, "r03": 0.3}[run.split("-")[0]]}
    s |= {"images": "clean" if run == "cnn" else "both", "cycle_clean": run == "feedback-cycled", "detach": False}
    s |= {"noise_kind": "gaussian", "noise_level": {"noise-low": 0.1, "noise-high": 0.5}.get(run, LEVEL)}
    s |= {"evaluation_noise_kind": "gaussian", "evaluation_noise_level": LEVEL, "learning_rate": 0.05, "power": 0.9}
    s |= {"momentum": 0.9, "weight_decay": 5e-4, "clip_norm": 0.5, "batch_size": 256, "weight_first": 1.0}
    s |= {"weight_cycles": 1.0, "weight_clean": 0.1, "weight_reconstruction": 0.1, "bias_feedback": "subtract"}
    s |= {"epochs": 15 if run == "feedback-long" else 5, "n_train": 124_800, "n_test": N_TEST, "n_images": N_IMAGES}
    return s | {"validate": False}
