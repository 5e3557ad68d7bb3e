"""Made-up metrics of the CNN-F study, every file of its contract, for tests of everything that only reads metrics.

Accuracies lie near the report's, in whole images, so counts, shares and intervals fit together. Seeds scatter by a
fifth of a point; `shift` moves every accuracy of the networks with feedback.
"""

from dataclasses import asdict

import numpy as np
from made_up import Writer, attacked, outcome, packed, summary, trained

from biorobust.cnnf.model import params as study
from biorobust.cnnf.model.params import plan as plan_of
from biorobust.core import outcomes
from biorobust.core.left_out import has_run, not_at_this_scale

STUDY, DATASET = "cnnf", "emnist_letters"
N_TEST, N_CLASSES, N_PICTURES = 20_800, 26, 6
IMAGES = ("clean", "noisy", "blurred")
# Accuracy on clean and on noisy images after the last cycle; on blurred ones it is BLURRED less than on noisy ones.
ACCURACY = {
    "cnn-clean": (0.922, 0.838),
    "cnn-noisy": (0.905, 0.884),
    "cnn-feedback": (0.781, 0.887),
    "clean-not-cycled": (0.902, 0.889),
    "noisy-only": (0.741, 0.892),
    "plain-relu": (0.888, 0.880),
    "longer": (0.842, 0.901),
    "cnn-longer": (0.926, 0.836),
    "t1-r0": (0.80, 0.842),
    "t2-r0": (0.81, 0.873),
    "t3-r0": (0.80, 0.840),
    "t1-r1": (0.82, 0.877),
    "t2-r1": (0.81, 0.880),
    "t3-r1": (0.79, 0.823),
    "t1-r3": (0.80, 0.871),
    "t2-r3": (0.79, 0.880),
    "t3-r3": (0.78, 0.894),
}
OTHER = (0.85, 0.86)
BLURRED = 0.03
# How fast a network falls with epsilon, and what an attack leaves of it.
STRENGTH = {"cnn-clean": 0.72, "cnn-noisy": 0.98}
LEFT = (0.9, 1.0, 0.5, 0.6, 0.8)


def write_metrics(root, *, scale="paper", seeds=(0, 1, 2), shift=0.0):
    """Write every file of docs/contracts.md below `root`, for every run that the scale has of params.yaml."""
    writer = _Writer(root, STUDY, scale=scale, seeds=seeds)
    writer.write(shift)
    writer.finish(DATASET)


class _Writer(Writer):
    sha256 = "2" * 64

    def write(self, shift):
        self.shift, self._settings = shift, {}
        self.attacked = list(self.params.runs["cnnf_runs"])
        asked = self.block("cnnf_attack")
        self.n_images, self.attacks, self.eps = (asked[key] for key in ("n_images", "attacks", "eps"))
        sizes = {"shape": [28, 28], "n_classes": N_CLASSES, "n_train": 124_800, "n_test": N_TEST}
        self.data(DATASET, "EMNIST Letters", **sizes)
        for block in study.EVALUATED:
            trained = self.params.size(block, study.Part).trained if block in study.PARTS else "all"
            for run in self.params.runs[block]:
                if has_run(trained, run):
                    self.train(run)
                    self.curves(run)
                    self.pictures(run)
                    if run in self.attacked:
                        self.attack(run)
                    self.outcomes(run)
                else:
                    reason = not_at_this_scale(self.params.scale, block)
                    self.file("train", run, DATASET, self.settings(run), reason)

    def seeds_of(self, run):
        return [0] if run in self.params.runs["cnnf_grid"] else self.seeds

    def cycles(self, run):
        return int(self.settings(run)["cycles"])

    def scatter(self, run, seed):
        """-0.2, 0 or 0.2 points, in another order for every run."""
        return ((seed + len(run)) % 3 - 1) * 0.002

    def settings(self, run):
        """What was run, under the names of the contract."""
        if run not in self._settings:
            noise, own = self.params.blocks["cnnf_noise"], asdict(plan_of(run, self.params))
            found = self.block("cnnf_training", "cnnf_evaluation") | own
            found |= {"noise_kind": noise.kind, "evaluation_noise_kind": noise.kind}
            found |= {"evaluation_noise_level": noise.level, "evaluation_blur": found["blur"]}
            self._settings[run] = {k: v for k, v in found.items() if k not in ("seeds", "levels", "blur_levels")}
        return self._settings[run]

    def accuracy(self, run, images, seed, cycle=None):
        """At the end of the cycles or at an earlier one: they cost clean images accuracy and bring noisy ones some."""
        clean, noisy = ACCURACY.get(run, OTHER)
        steps = self.cycles(run)
        back = 0 if cycle is None else steps - cycle
        spoilt = noisy - (BLURRED if images == "blurred" else 0.0) - 0.015 * back
        value = clean + 0.02 * back if images == "clean" else spoilt
        return float(np.clip(value + self.scatter(run, seed) + (self.shift if steps else 0.0), 0, 1))

    def correct(self, run, images, seed):
        return round(self.accuracy(run, images, seed) * N_TEST)

    def train(self, run):
        per_seed = [self.seed_entry(run, seed) for seed in self.seeds_of(run)]
        more = {"n_parameters": 208_826, "accuracy": summary(per_seed), "per_seed": per_seed}
        self.file("train", run, DATASET, self.settings(run), seeds=self.seeds_of(run), **more)

    def seed_entry(self, run, seed):
        steps, wiggle = self.cycles(run), self.scatter(run, seed)
        entry = trained(seed, self.correct(run, "clean", seed), N_TEST) | {"n_images": self.n_images}
        for images in IMAGES:
            accuracies = [self.accuracy(run, images, seed, cycle) for cycle in range(steps + 1)]
            start = 22.0 if images == "clean" else 14.5
            margin = [value - 0.3 + 0.02 * cycle for cycle, value in enumerate(accuracies)]
            changed = [(0.08 + wiggle) / 2.5**t for t in range(steps)]
            psnr = [start + 0.6 * t + 10 * wiggle for t in range(steps)]
            found = {"cycle_accuracy": accuracies, "margin": margin, "changed": changed, "psnr": psnr}
            if steps:
                found |= {"changed_first": changed[0], "changed_last": changed[-1]}
                found["margin_gain"] = margin[-1] - margin[0]
            if steps >= 2:
                found |= {"changed_fall": changed[0] - changed[-1], "psnr_change": psnr[-1] - psnr[0]}
            if images != "clean":
                found |= {"correct": self.correct(run, images, seed), "input_psnr": 12.6}
                found |= {"psnr_gain": psnr[-1] - 12.6} if steps else {}
            entry |= {f"{images}_{name}": value for name, value in found.items()}
        losses = {"loss_ratio": 0.5 / (1.4 + wiggle), "loss_fall": 1 - 0.48 / (2.9 + wiggle)}
        return entry | losses | {"learning_rate_error": 1e-9 * (1 + seed)}

    def curves(self, run):
        settings = self.settings(run)
        usual, n = settings["evaluation_noise_level"], settings["n_images"]
        by_level = []
        for seed in self.seeds_of(run):
            for level in self.block("cnnf_evaluation")["levels"]:
                clean, noisy = (self.accuracy(run, images, seed) for images in ("clean", "noisy"))
                value = clean + (noisy - clean) * level / usual - 0.8 * max(0.0, level - usual)
                last = round(value * n)
                counts = {"first": round((value - 0.02) * n), "last": last, "average": max(0, last - 9)}
                by_level.append({"seed": seed, "level": level, "n": n} | counts)
        self.table(f"curves/noise-{run}", by_level)
        self.table(f"curves/blur-{run}", [row for row in by_level if row["level"] <= 0.2])
        self.table(f"confusion/{run}", [row for seed in self.seeds_of(run) for row in self.confused(run, seed)])

    def confused(self, run, seed):
        """Right answers in equal shares, wrong ones on the two next letters."""
        rows = []
        for images in IMAGES:
            k, each = self.correct(run, images, seed), N_TEST // N_CLASSES
            for label in range(N_CLASSES):
                right = k // N_CLASSES + (label < k % N_CLASSES)
                cells = {label: right, (label + 1) % N_CLASSES: (each - right) * 2 // 3}
                cells[(label + 2) % N_CLASSES] = each - sum(cells.values())
                head = {"seed": seed, "images": images, "label": label}
                rows += [head | {"predicted": to, "count": count} for to, count in cells.items() if count]
        return rows

    def pictures(self, run):
        """Images as they are, noisy, blurred and attacked, and what the cycles make of them."""
        rng, steps = np.random.default_rng(0), self.cycles(run)
        clean = rng.integers(0, 256, (N_PICTURES, 28, 28)).astype(float)
        noise = 255 * self.settings(run)["evaluation_noise_level"] * rng.standard_normal(clean.shape)
        blurred = (clean + np.roll(clean, 1, axis=2)) / 2
        arrays = self.reconstructed(np.stack([clean, np.clip(clean + noise, 0, 255), blurred]), clean, steps)
        self.arrays(f"pictures/reconstructions-{run}", **arrays, index=np.arange(N_PICTURES))
        if run not in self.attacked:
            return
        eps = np.array(self.eps)
        moved = clean + 255 * eps[:, None, None, None] * np.sign(rng.standard_normal((len(eps), *clean.shape)))
        more = self.reconstructed(np.clip(moved, 0, 255), clean, steps) | {"eps": eps}
        attack = {"attack": np.array(self.attacks[0])}
        self.arrays(f"pictures/adversarial-reconstructions-{run}", **more, **attack)
        labels, wrong = more["labels"], (eps[:, None] > 0.1).astype(np.int64)
        shown = {"images": more["images"], "labels": labels, "predictions": (labels + wrong) % N_CLASSES, "eps": eps}
        self.arrays(f"pictures/adversarial-{run}", **shown, **attack)

    def reconstructed(self, images, clean, steps):
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

    def left(self, run, attack, seed):
        left, reach = dict(zip(self.attacks, LEFT, strict=True)), 0.35 * STRENGTH.get(run, 0.9)
        least = left.get(attack, 0.97 * min(LEFT))  # the worst case is a little below the strongest attack
        falls = [least * max(0.0, 1 - eps / reach) ** 1.5 if eps else 1.0 for eps in self.eps]
        return [round(self.accuracy(run, "clean", seed) * fall * self.n_images) for fall in falls]

    def attack(self, run):
        def more(attack, seed):
            entry = {"zero_gradient": 3, "zero_gradient_correct": 3, "unverified": [0] * len(self.eps)}
            if attack == "pgd-targeted":
                entry["reached"] = [round(0.9 * (self.n_images - k)) for k in self.left(run, attack, seed)]
            return {} if attack == "worst-case" else entry

        names, seeds = (*self.attacks, "worst-case"), self.seeds_of(run)
        attacks = attacked(names, seeds, self.n_images, lambda attack, seed: self.left(run, attack, seed), more)
        settings = {"n_images": self.n_images, "attacks": list(self.attacks)}
        found = {"seeds": seeds, "eps": list(self.eps), "n_images": self.n_images, "attacks": attacks}
        self.file("attack", run, DATASET, settings, **found)
        self.packed |= packed(run, attacks, self.eps, self.n_images)

    def outcomes(self, run):
        seeds, settings = self.seeds_of(run), self.settings(run)
        noise, blur = (settings[f"evaluation_{key}"] for key in ("noise_level", "blur"))
        shown = {"clean": (outcomes.CLEAN, 0.0), "noisy": ("noise", noise), "blurred": ("blur", blur)}
        for images, (attack, eps) in shown.items():
            counts = {seed: self.correct(run, images, seed) for seed in seeds}
            self.packed[outcomes.cell(run, attack, eps)] = outcome(run, counts, N_TEST)


# See FAKES of report_checkout.
FACTS = {
    "claims": [f"F{n}" for n in range(1, 23)],
    "scale": "paper",
    "given": {
        *("choice", "the report", "here", "parameters", "clean, reported", "noisy, reported", "step", "quantity"),
        *("first", "second", "what differs", "residual", "cycles", "counted", "trained at", "level", "cycle"),
    },
    "known": {"2020", "2.6"},  # the latter by chance: ends of two intervals
}
CONFIGS = {
    "cnnf-two-block": {"n_classes": 10, "cycles": 2, "residual": 0.3, "width": 3, "image_shape": [1, 28, 28]},
    "cnnf-original": {"n_classes": 10, "cycles": 1, "residual": 0.1, "image_shape": [1, 28, 28]},
}
STAGES = dict.fromkeys(("train_cnnf", "train_cnnf_variants", "train_cnnf_grid", "attack_cnnf"), "cnnf networks attacks")
