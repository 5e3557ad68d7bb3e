"""A complete metrics folder with made-up numbers, for tests of everything that only reads metrics.

Accuracies lie near what the study is expected to give, in whole images, so counts, shares and intervals fit together.
Seeds scatter by a fifth of a point.
"""

import numpy as np
from made_up import Writer, attacked, outcome, packed, summary, trained

from biorobust.core import outcomes

STUDY, DATASET = "hebbian", "mnist"
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
# Keys that a readout has as well as the weights it reads, under another name.
SHARED = {"inputs", "learning_rate", "schedule", "batch_size", "epochs", "n_train"}


def write_metrics(root, *, scale="paper", fidelity="official", seeds=(0, 1, 2)):
    """Write every file of docs/contracts.md below `root`, for every run of params.yaml at the given scale."""
    writer = _Writer(root, STUDY, scale=scale, fidelity=fidelity, seeds=seeds)
    writer.data(DATASET, "MNIST", shape=[28, 28], n_train=60_000, n_test=N_TEST)
    for weights in writer.params.runs["hebbian_weights"]:
        writer.pretrain(weights)
    for run in [*writer.params.runs["hebbian_runs"], *writer.params.runs["hebbian_controls"]]:
        writer.train(run)
        writer.attack(run)
    writer.finish(DATASET)


def scatter(seed):
    """-0.2, 0 or 0.2 points."""
    return (seed % 3 - 1) * 0.002


class _Writer(Writer):
    def accuracy(self, run, attack, eps, seed):
        hebbian = run in self.params.runs["hebbian_runs"]
        kept = 1 - (1 - STRENGTH[attack]) * min(eps / 0.3, 1) if hebbian else 1.0
        under_report = float(np.interp(eps, self.block("hebbian_attack")["eps"], CURVES[run])) + scatter(seed)
        return float(np.clip(under_report * kept, 0, 1))

    def correct(self, run, attack, seed, n):
        """Images still right at each eps; the worst case is a little below the strongest single attack."""
        asked = self.block("hebbian_attack")
        names, share = (asked["attacks"], 0.97) if attack == "worst-case" else ([attack], 1.0)
        least = [min(self.accuracy(run, name, eps, seed) for name in names) for eps in asked["eps"]]
        return [round(value * (share if eps else 1.0) * n) for value, eps in zip(least, asked["eps"], strict=True)]

    def pretrain(self, weights):
        entry = self.params.runs["hebbian_weights"][weights]
        settings = self.block(entry.method) | {"init": entry.init}
        per_seed = [
            {
                "seed": seed,
                "converged_share": min(1.0, CONVERGED[weights] + scatter(seed)),
                "negative_share": 0.012,
                "autocorrelation": 0.85 + scatter(seed),
            }
            for seed in self.seeds
        ]
        size = {"n_updates": settings["epochs"] * 16, "n_parameters": settings["n_hidden"] * 784}
        self.file("pretrain", weights, DATASET, settings, **size, seeds=self.seeds, per_seed=per_seed)
        self.curve(f"weights-{weights}", {"converged_share": 0.998 * CONVERGED[weights]})
        self.weights_picture(weights)

    def train(self, run):
        entry = self.params.runs["hebbian_runs"].get(run)
        if entry:
            # As the stage does: the weights' settings under their own names, the readout's own beside them.
            readout = {f"readout_{k}" if k in SHARED else k: v for k, v in self.block(entry.readout).items()}
            weights = self.params.runs["hebbian_weights"][entry.weights]
            settings = self.block(weights.method) | {"init": weights.init} | readout | {"units": entry.units}
        else:
            settings = self.block(self.params.runs["hebbian_controls"][run].method)
        more = {}
        if isinstance(candidates := settings.get("beta"), list):
            settings["beta"] = candidates[0]
            tried = [{"value": beta, "tuning_accuracy": 0.9} for beta in candidates]
            more["choice"] = {"key": "beta", "candidates": tried, "chosen": candidates[0]}
        per_seed = []
        for seed in self.seeds:
            per_seed.append(trained(seed, round(self.accuracy(run, "fgsm-report", 0.0, seed) * N_TEST), N_TEST))
            if run == "end-to-end":
                per_seed[-1]["autocorrelation"] = 0.35 + scatter(seed)
        more |= {"n_parameters": 20_000, "accuracy": summary(per_seed)}
        self.file("train", run, DATASET, settings, **more, seeds=self.seeds, per_seed=per_seed)
        self.curve(run, {"test_accuracy": more["accuracy"]["mean"], "learning_rate": 1e-4})
        if not entry:
            self.weights_picture(run)

    def attack(self, run):
        asked, seeds = self.block("hebbian_attack"), self.seeds
        eps, names, n = asked["eps"], [*asked["attacks"], "worst-case"], min(asked["n_images"], N_TEST)

        def right(attack, seed):
            return self.correct(run, attack, seed, n)

        def gradients(attack, seed):
            """The images of the plateau have no gradient under the report's loss; elsewhere few have none."""
            saturated = attack == "fgsm-report" and run in PLATEAU
            share = PLATEAU[run] + scatter(seed) if saturated else 0.0012
            flat = {"zero_gradient": round(min(1.05 * share, 1.0) * n), "zero_gradient_correct": round(share * n)}
            return {} if attack == "worst-case" else flat | {"unverified": [0] * len(eps)}

        attacks = attacked(names, seeds, n, right, gradients)
        settings = {"n_images": n, "attacks": asked["attacks"]}
        self.file("attack", run, DATASET, settings, eps=eps, n_images=n, attacks=attacks, seeds=seeds)
        images = np.random.default_rng(0).integers(0, 256, (len(eps), 8, 28, 28), dtype=np.uint8)
        shown = {"images": images, "labels": np.arange(8), "predictions": np.tile(np.arange(8), (len(eps), 1))}
        self.arrays(f"pictures/adversarial-{run}", **shown, eps=np.array(eps), attack=np.array("fgsm-report"))
        clean = {seed: right("fgsm-report", seed)[0] for seed in seeds}
        self.packed |= {outcomes.cell(run, outcomes.CLEAN, 0.0): outcome(run, clean, n)} | packed(run, attacks, eps, n)

    def curve(self, name, more):
        rows = [
            {"seed": seed, "epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 0.5 / epoch} | more
            for seed in self.seeds
            for epoch in range(1, 6)
        ]
        self.table(f"curves/{name}", rows)

    def weights_picture(self, name):
        units = np.random.default_rng(1).normal(size=(16, 28, 28)).astype(np.float16)
        self.arrays(f"pictures/weights-{name}", units=units)


# See FAKES of report_checkout.
FACTS = {
    "claims": [f"H{n}" for n in range(1, 10)],
    "scale": "paper",
    "given": {
        *("loss attacked", "weights", "start", "p", "k", "units", "epochs", "name", "quantity", "seed", "training"),
    },
    "known": {"2019", "100.0"},
}
CONFIGS = {
    "hebbian-classifier": {"n_hidden": 12, "n_inputs": 784, "n_classes": 10, "n": 2.0, "beta": 0.5, "inputs": "unit"},
    "simple-conv": {"n_classes": 10},
    "end-to-end": {"n_inputs": 784, "n_hidden": 12, "n_classes": 10},
}
STAGES = {
    **dict.fromkeys(("hebbian_pretrain", "train_supervised", "train_controls"), "hebbian"),
    **dict.fromkeys(("attack_hebbian", "attack_controls"), "hebbian attacks"),
}
