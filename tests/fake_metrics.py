"""A complete metrics folder with made-up numbers, for tests of everything that only reads metrics.

Accuracies lie near what the study is expected to give, in whole images, so counts, shares and intervals fit together.
Seeds scatter by a fifth of a point; `shift` moves every accuracy of the Hebbian runs (-0.2: twenty points lower);
`fewer` gives a network only that many of the seeds.
"""

import numpy as np
import pandas as pd
from made_up import attacked, cells, provenance, settings, shares, summary, trained, write_adaptive

from biorobust.core import outcomes
from biorobust.core.files import write_csv, write_json, write_npz

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


def write_metrics(root, *, scale="paper", fidelity="official", seeds=(0, 1, 2), shift=0.0, fewer=None):
    """Write every file of docs/contracts.md below `root`, for every run of params.yaml at the given scale."""
    checked = settings(scale=scale)
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
    def __init__(self, root, checked, fidelity, seeds, shift, fewer):
        self.root, self.params, self.fidelity, self.shift = root, checked, fidelity, shift
        self.seeds, self.fewer = seeds, fewer
        self.attack_block = checked.blocks["hebbian_attack"].model_dump()
        self.n_images = min(checked.sizes["hebbian_attack"].n_images, N_TEST)
        self.dataset = {"name": "mnist", "source": "official", "fidelity": fidelity, "sha256": "0" * 64}

    def settings(self, *methods):
        """What was run, under the names of params.yaml; a later method's keys win."""
        merged = {}
        for method in methods:
            merged |= self.params.blocks[method].model_dump() | self.params.sizes[method].model_dump()
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in merged.items() if key != "seeds"
        }

    def head(self, run, settings):
        head = {"run": run, "study": STUDY, "scale": self.params.scale, "status": "ok"}
        return head | {"dataset": self.dataset, "settings": settings}

    def seeds_of(self, run):
        return self.seeds[: self.fewer.get(run, len(self.seeds))]

    def scatter(self, seed):
        """-0.2, 0 or 0.2 points."""
        return (seed % 3 - 1) * 0.002

    def accuracy(self, run, attack, eps, seed):
        hebbian = run in self.params.runs["hebbian_runs"]
        kept = 1 - (1 - STRENGTH[attack]) * min(eps / 0.3, 1) if hebbian else 1.0
        under_report = float(np.interp(eps, self.attack_block["eps"], CURVES[run])) + self.scatter(seed)
        return float(np.clip((under_report + (self.shift if hebbian else 0.0)) * kept, 0, 1))

    def correct(self, run, attack, seed):
        """Images still right at each eps; the worst case is a little below the strongest single attack."""
        names = self.attack_block["attacks"] if attack == "worst-case" else [attack]
        share = 0.97 if attack == "worst-case" else 1.0
        return [
            round(min(self.accuracy(run, name, eps, seed) for name in names) * (share if eps else 1.0) * self.n_images)
            for eps in self.attack_block["eps"]
        ]

    def data(self):
        said = provenance("MNIST", shape=[28, 28], n_train=60_000, n_test=N_TEST)
        write_json(self.root / "data/mnist.json", self.dataset | said)

    def pretrain(self, weights):
        entry = self.params.runs["hebbian_weights"][weights]
        settings = self.settings(entry.method) | {"init": entry.init}
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

    def train(self, run):
        entry = self.params.runs["hebbian_runs"].get(run) or self.params.runs["hebbian_controls"][run]
        hebbian = run in self.params.runs["hebbian_runs"]
        settings = self.settings(entry.readout if hebbian else entry.method)
        if hebbian:
            # As the stage does: the weights' settings under their own names, the readout's own beside them.
            shared = {"inputs", "learning_rate", "schedule", "batch_size", "epochs", "n_train"}
            readout = {f"readout_{key}" if key in shared else key: value for key, value in settings.items()}
            weights = self.params.runs["hebbian_weights"][entry.weights]
            of_weights = self.settings(weights.method) | {"init": weights.init}
            settings = of_weights | readout | {"units": entry.units}
            candidates = settings["beta"] if isinstance(settings["beta"], list) else []
            settings["beta"] = candidates[0] if candidates else settings["beta"]
        per_seed = []
        for seed in self.seeds_of(run):
            per_seed.append(trained(seed, round(self.accuracy(run, "fgsm-report", 0.0, seed) * N_TEST), N_TEST))
            if run == "end-to-end":
                per_seed[-1]["autocorrelation"] = 0.35 + self.scatter(seed)
        more = {"n_parameters": 20_000, "accuracy": summary(per_seed)}
        if hebbian and candidates:
            tried = [{"value": beta, "tuning_accuracy": 0.9} for beta in candidates]
            more["choice"] = {"key": "beta", "candidates": tried, "chosen": candidates[0]}
        write_json(
            self.root / f"train/{run}.json",
            self.head(run, settings) | more | {"seeds": self.seeds_of(run), "per_seed": per_seed},
        )
        self.curve(run, {"test_accuracy": more["accuracy"]["mean"], "learning_rate": 1e-4})
        if not hebbian:
            self.weights_picture(run)

    def attack(self, run):
        seeds, eps = self.seeds_of(run), self.attack_block["eps"]
        attacks = attacked(
            [*self.attack_block["attacks"], "worst-case"],
            seeds,
            self.n_images,
            lambda attack, seed: self.correct(run, attack, seed),
            lambda attack, seed: {} if attack == "worst-case" else self.gradients(run, attack, seed),
        )
        rows = shares(attacks, eps)
        settings = {"n_images": self.n_images, "attacks": list(self.attack_block["attacks"])}
        more = {"eps": eps, "n_images": self.n_images, "attacks": attacks, "seeds": seeds}
        write_json(self.root / f"attack/{run}.json", self.head(run, settings) | more)
        write_csv(self.root / f"curves/attack-{run}.csv", rows)
        images = np.random.default_rng(0).integers(0, 256, (len(eps), 8, 28, 28), dtype=np.uint8)
        labels = np.arange(8)
        predictions = np.tile(labels, (len(images), 1))
        pictures = {"images": images, "labels": labels, "predictions": predictions, "eps": np.array(eps)}
        pictures |= {"attack": np.array("fgsm-report")}
        write_npz(self.root / f"pictures/adversarial-{run}.npz", pictures)

    def gradients(self, run, attack, seed):
        """Saturated outputs: the images of the plateau have no gradient under the report's loss; elsewhere few do."""
        saturated = attack == "fgsm-report" and run in PLATEAU
        share = max(PLATEAU[run] + self.scatter(seed) + self.shift, 0.0) if saturated else 0.0012
        return {
            "zero_gradient": round(min(1.05 * share, 1.0) * self.n_images),
            "zero_gradient_correct": round(share * self.n_images),
            "unverified": [0] * len(self.attack_block["eps"]),
        }

    def outcomes(self):
        packed = {}
        for run in [*self.params.runs["hebbian_runs"], *self.params.runs["hebbian_controls"]]:
            for attack in [outcomes.CLEAN, *self.attack_block["attacks"], "worst-case"]:
                clean = attack == outcomes.CLEAN
                right = {
                    seed: self.correct(run, "fgsm-report" if clean else attack, seed) for seed in self.seeds_of(run)
                }
                packed |= cells(run, attack, self.attack_block["eps"][: 1 if clean else None], self.n_images, right)
        outcomes.write(self.root / f"outcomes/{STUDY}.npz", packed)

    def curve(self, name, more):
        epochs = range(1, 6)
        rows = [
            {"seed": seed, "epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 0.5 / epoch} | more
            for seed in self.seeds_of(name)
            for epoch in epochs
        ]
        write_csv(self.root / f"curves/{name}.csv", pd.DataFrame(rows))

    def weights_picture(self, name):
        units = np.random.default_rng(1).normal(size=(16, 28, 28)).astype(np.float16)
        write_npz(self.root / f"pictures/weights-{name}.npz", {"units": units})
