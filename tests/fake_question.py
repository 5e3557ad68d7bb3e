"""Made-up metrics of the comparison, every file of its contract, for tests of everything that only reads metrics."""

from made_up import WORST, Writer, attacked, packed, summary, trained

from biorobust.core import outcomes
from biorobust.question.model import attacking, left_out
from biorobust.question.model.params import REPORTS, AttackPlan, AttackSize
from biorobust.question.model.rows import networks

STUDY, N_TEST = "question", 10_000
# Accuracy without an attack, and what the worst case leaves of it at epsilon; the report's attack leaves twice that.
KEPT = {
    "plain": (0.99, 0.40),
    "noise": (0.99, 0.55),
    "hebbian-units": (0.97, 0.41),
    "end-to-end": (0.98, 0.40),
    "kwta-low": (0.975, 0.36),
    "kwta-high": (0.98, 0.38),
    "v1": (0.98, 0.37),
    "adversarial": (0.98, 0.90),
    "kwta-adversarial": (0.97, 0.7),
}
SIGNS = {"own": 0, "rounded": 5, "saturated": 4}


def write_metrics(root, *, scale="paper", seeds=(0, 1, 2)):
    """Write every file of docs/contracts.md below `root`, for every network that the scale has."""
    writer = _Writer(root, STUDY, scale=scale, seeds=seeds)
    for dataset in ("mnist", "cifar10"):
        writer.data(dataset, dataset, shape=[28, 28], n_train=60_000, n_test=N_TEST)
    for network in networks(writer.params).values():
        writer.network(network)
    outcomes.write(root / f"outcomes/{STUDY}.npz", writer.packed)


class _Writer(Writer):
    sha256 = "5" * 64

    def of(self, kind, name, network, settings, **body):
        said = left_out.head(network, scale=self.params.scale, **settings)
        self.file(kind, name, network.dataset, said["settings"], network.left_out, **body)

    def network(self, network):
        row = network.name.partition("-")[2]
        self.plan = self.params.block("question_attack", AttackPlan)
        self.size = self.params.size("question_attack", AttackSize)
        attacked = {"eps": network.threat.eps, "n_images": self.size.attacked(network.dataset, noisy=network.noisy)}
        clean, kept = KEPT.get(row, (0.98, 0.42))
        shares = dict.fromkeys(attacking.names(self.plan, network.family), kept) | {WORST: kept}
        shares |= dict.fromkeys(self.plan.reports, min(clean, 2 * kept)) | {"transfer": kept, "warm-start": kept}
        n_train = min(network.size.n_train, 60_000 if network.dataset == "mnist" else 50_000)
        trained = {"n_train": n_train, "epochs": network.size.epochs}
        self.of("train", network.name, network, trained, **self.trained(clean))
        self.of("attack", network.name, network, attacked, **self.attacked(network, shares, attacked["n_images"]))
        if network.family in REPORTS and network.twin:
            ahead = {"advantage_report": 0.2, "advantage_worst": 0.01, "advantage_lost": 0.19}
            entries = [{"seed": seed} | {key: of + 0.001 * seed for key, of in ahead.items()} for seed in self.seeds]
            self.of("advantage", network.name, network, attacked, seeds=self.seeds, per_seed=entries)
        if row == "plain":
            entries = [{"seed": seed} | {f"{kind}_signs": n for kind, n in SIGNS.items()} for seed in self.seeds]
            self.of("controls", network.dataset, network, attacked, seeds=self.seeds, per_seed=entries)

    def trained(self, clean):
        entries = [trained(seed, round((clean + 0.001 * (seed - 1)) * N_TEST), N_TEST) for seed in self.seeds]
        cost = {"n_parameters": 200_000, "inference_mflop": 5.1, "training_passes": 6}
        return cost | {"seeds": self.seeds, "accuracy": summary(entries), "per_seed": entries}

    def attacked(self, network, shares, n):
        eps, grid = network.threat.eps, sorted({*network.threat.curve, network.threat.eps})

        def correct(attack, seed):
            everywhere = attack in (attacking.CURVE, WORST)
            at = (round(n * min(1, shares[attack] * eps / size)) if size < 0.4 else 0 for size in grid)
            return [k if everywhere or size == eps else None for size, k in zip(grid, at, strict=True)]

        attacks = attacked(shares, self.seeds, n, correct, flat=True)
        if not network.left_out:
            self.packed |= packed(network.name, attacks, grid, n)
        finding = {"check": "zero gradients", "limit": 0.01, "about": "share of images with a gradient of exactly zero"}
        kinds = SIGNS if network.name.endswith("-plain") else {"own": 0}
        found = {kind: [finding | {"value": float(n > 0), "flagged": n > 0}] for kind, n in kinds.items()}
        return {"eps": grid, "n_images": n, "attacks": attacks, "seeds": self.seeds, "diagnostics": {"seed0": found}}


# See FAKES of report_checkout.
FACTS = {
    "claims": [f"Q{n}{kind}" for kind in ("", "c") for n in range(7)],
    "scale": "gpu",
    "given": {
        *("twin", "report's attack", "operations per image, millions", "passes per training image", "training"),
        *("masked on purpose", "checks", "signs", "dataset", "measured"),
    },
    "known": {"2018", "2020", "2021", "2022", "2023", "2025", "67", "3.5", "2.7"},  # the last two by chance
}
V1 = {"simple_channels": 3, "complex_channels": 3, "ksize": 5, "stride": 2, "image_size": 28, "visual_degrees": 1.0}
CONFIGS = {
    "question-network": {
        **{"dataset": "mnist", "n_classes": 10, "width": 3, "gamma": 0.3, "front": "v1-noiseless", "v1": V1}
    }
}
ALL = "question hebbian cnnf kwta vonenet networks attacks"  # it has networks of all the others
STAGES = {
    "question_train": ALL,
    **dict.fromkeys(("question_attack", "question_transfer", "adapt"), f"{ALL} statistics"),
}
