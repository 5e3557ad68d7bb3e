"""Made-up metrics of the k-WTA study: every file of its contract, with networks that only a small step leaves standing.

Under the report's step ReLU keeps a part, under the original paper's nothing; k-WTA keeps more under either. AlexNet
with ReLU collapses on SVHN, and cells from ImageNet weights are unavailable unless `pretrained` says otherwise. Those
from weights of the other data set learn three epochs earlier.
"""

from made_up import Writer, attacked, outcome, summary, trained

from biorobust.core import outcomes
from biorobust.core.left_out import has_run, not_at_this_scale
from biorobust.kwta.model import recipe as recipes
from biorobust.kwta.model.params import (
    CURVE_COLUMNS,
    FAST,
    TRANSFERRED,
    AblationSize,
    Attacks,
    Cells,
    TimingSize,
    cells,
)
from biorobust.statistics import wilson

STUDY = "kwta"
REASON = "no ImageNet weights: put the file in the folder of BIOROBUST_WEIGHTS"
N_TEST = {"cifar10": 10_000, "svhn": 3_756}
N_TRAIN = {"cifar10": 50_000, "svhn": 16_902}
# Clean accuracy by network and data set, a value per row; None: collapsed.
CLEAN = {
    ("alexnet", "svhn"): (None, 0.90, 0.88),
    ("alexnet", "cifar10"): (0.83, 0.82, 0.81),
    ("resnet18", "svhn"): (0.95, 0.93, 0.92),
    ("resnet18", "cifar10"): (0.88, 0.85, 0.83),
    (FAST, "cifar10"): (0.66, 0.60, 0.47),
}
# Share of the clean accuracy that an attack leaves, a value per row; on the image a little more than on the tensor.
LEFT = {
    "pgd-report": (0.60, 0.80, 0.82),
    "pgd-corrected": (0.004, 0.10, 0.22),
    "pgd-corrected-best": (0.0, 0.05, 0.12),
    "deepfool-report": (0.0, 0.15, 0.30),
    "worst-case": (0.0, 0.02, 0.06),
}
ON_IMAGE = 1.1
COLLAPSED = 0.195


def write_metrics(root, *, scale="cpu", seeds=(0,), pretrained=False, **overrides):
    """Write every file of the study below `root` for a scale; `overrides` are gammas of blocks of params.yaml."""
    changed = {block: {"gamma": gamma} for block, gamma in overrides.items()}
    writer = _Writer(root, STUDY, scale=scale, seeds=seeds, **changed)
    writer.pretrained, writer.plan = pretrained, writer.params.block("kwta_attack", Attacks)
    writer.n = writer.params.sizes["kwta_attack"].n_images
    for name, title in (("cifar10", "CIFAR-10"), ("svhn", "SVHN")):
        writer.data(name, title, shape=[32, 32, 3], n_train=N_TEST[name], n_test=N_TEST[name])
    for run, plan in writer.params.runs["kwta_runs"].items():
        for name, (network, dataset) in cells(run).items():
            writer.cell(name, plan, network, dataset)
    for name, ablation in writer.params.runs["kwta_ablations"].items():
        writer.ablation(name, ablation)
    writer.finish("cifar10")
    writer.timing()


class _Writer(Writer):
    def dataset(self, name):
        fidelity = {"cifar10": "re-encoded", "svhn": "partial"}[name]
        return {"name": name, "source": "mirror", "fidelity": fidelity, "sha256": name.ljust(64, "0")}

    def timing(self):
        growths = {"growth": (0.9, 0.8, 1.0), "growth_pass": (1.0, 0.99, 1.01), "growth_sort": (1.24, 1.22, 1.26)}
        ends = ("", "_low", "_high")
        seed = {key + end: value for key, values in growths.items() for end, value in zip(ends, values, strict=True)}
        timed = self.params.size("kwta_timing", TimingSize).timed
        settings = {"gamma": 0.2, "rounds": 41, "n": 524_288, "against": 32_768} if timed else {}
        reason = None if timed else not_at_this_scale(self.params.scale, "kwta_timing")
        self.file("timing", "kwta", None, settings, reason, also={"run": "selection"}, per_seed=[{"seed": 0} | seed])

    def cell(self, name, run, network, dataset):
        recipe = self.fitted(recipes.Cell(run, network, dataset).recipe(self.params))
        reason = REASON if run.init == "pretrained" and not self.pretrained else None
        if f"{network}-{dataset}" not in self.params.size("kwta_cells", Cells).trained:
            reason = not_at_this_scale(self.params.scale, "kwta_cells")
        entries = [self.trained(recipe, seed) for seed in self.seeds]
        found = {"accuracy": summary(entries), "seeds": self.seeds, "per_seed": entries}
        self.file("train", name, dataset, recipe.model_dump(), reason, **found)
        self.curve(f"curves/{name}", recipe, [] if reason else self.seeds)
        self.attack(name, recipe, reason)

    def fitted(self, recipe):
        return recipe.model_copy(update={"n_train": min(recipe.n_train, N_TRAIN[recipe.dataset])})

    def curve(self, name, recipe, seeds):
        clean, rows = self.clean(recipe), []
        for seed in seeds:
            for epoch in range(1, recipe.epochs + 1):
                done = 1 - 0.8**epoch
                accuracy = COLLAPSED if clean is None else 0.1 + (clean - 0.1) * done
                loss = 2.25 if clean is None else 2.3 - 2.0 * done
                rows.append((seed, epoch, loss, accuracy, recipe.learning_rate, loss + 0.1, accuracy, recipe.gamma))
        self.table(name, rows, CURVE_COLUMNS)

    def row(self, recipe):
        return 0 if recipe.gamma is None else 1 if recipe.gamma > 0.1 else 2

    def clean(self, recipe):
        return CLEAN[recipe.network.removesuffix("-small"), recipe.dataset][self.row(recipe)]

    def trained(self, recipe, seed):
        clean, n = self.clean(recipe), N_TEST[recipe.dataset]
        accuracy = COLLAPSED if clean is None else clean + 0.004 * (seed % 3 - 1) + 0.004
        entry = trained(seed, round(accuracy * n), n, collapsed=clean is None)
        early = 3 * (recipe.init == TRANSFERRED)
        reached = {level / 10: max(1, 2 * self.row(recipe) + level - 2 - early) for level in range(3, 9)}
        epochs_to = {str(level): epoch if accuracy >= level else None for level, epoch in reached.items()}
        return entry | {"epochs_to": epochs_to | {"0.9": None}}

    def right(self, recipe, attack, seed):
        """Images of those attacked that are still right."""
        clean = self.clean(recipe)
        if clean is None or attack == outcomes.CLEAN:
            return round((clean or COLLAPSED) * self.n)
        plain = attack.removesuffix("-resized").removesuffix("-image")
        on_image = not attack.endswith("-resized") and attack != "worst-case"
        left = LEFT[plain][self.row(recipe)] * (ON_IMAGE if on_image else 1.0)
        return round(clean * min(1.0, left) * self.n) + seed

    def attack(self, name, recipe, reason):
        eps, sizes = self.plan.eps(recipe.dataset), self.params.sizes["kwta_attack"]
        settings = recipe.model_dump() | sizes.model_dump() | {"eps": eps, "n_images": self.n}
        settings |= {"attacks": list(self.plan.attacks), "resized_attacks": list(self.plan.resized_attacks)}
        resized = [f"{name}-resized" for name in self.plan.resized_attacks if recipe.network != FAST]
        names = [*self.plan.attacks, *resized, "worst-case", "worst-case-image"]
        attacks = attacked(names, self.seeds, self.n, lambda attack, seed: [self.right(recipe, attack, seed)])
        found = {"eps": [eps], "n_images": self.n, "attacks": attacks, "seeds": self.seeds}
        found |= {"reencoded": self.reencoded(recipe, sizes.n_reencoded), "discontinuity": self.lines(recipe)}
        self.file("attack", name, recipe.dataset, settings, reason, **found)
        # The worst case on the image is worked out from the others.
        for attack in () if reason else (outcomes.CLEAN, *names[:-1]):
            counts = {seed: self.right(recipe, attack, seed) for seed in self.seeds}
            cell = outcomes.cell(name, attack, 0.0 if attack == outcomes.CLEAN else eps)
            self.packed[cell] = outcome(name, counts, self.n)

    def reencoded(self, recipe, n):
        if recipe.dataset != "cifar10":
            return None
        attack = self.plan.reencoded_attack
        clean, robust = round(self.clean(recipe) * n), self.right(recipe, attack, 0)
        again = {
            kind: {"n": n, "before": right, "after": right - n // 50, "both": max(0, right - n // 30)}
            for kind, right, n in (("clean", clean, n), ("robust", robust + self.n // 50, self.n))
        }
        per_seed = [{"seed": seed, **again} for seed in self.seeds]
        return {"quality": self.plan.jpeg_quality, "shift": 4, "attack": attack, "per_seed": per_seed}

    def lines(self, recipe):
        def line(gamma):
            jump = 0.002 if gamma is None else 0.02 * (1 - gamma) / gamma * (1.3 if recipe.gamma == 0.2 else 1.0)
            return {"jump": {"mean": 1.2 * jump, "median": jump}}

        shown = self.params.blocks["kwta_probe"].model_dump() | self.params.sizes["kwta_probe"].model_dump()
        return shown | self.probed(recipe, line)

    def probed(self, recipe, found):
        """What a probe found of a cell, and of its weights with other gammas."""
        gammas = self.params.blocks["kwta_probe"].gammas if recipe.gamma is not None else ()
        return {
            "per_seed": [{"seed": seed, **found(recipe.gamma)} for seed in self.seeds],
            "by_gamma": [{"seed": seed, "gamma": g, **found(g)} for seed in self.seeds for g in gammas],
        }

    def ablation(self, name, run):
        recipe, baseline = map(self.fitted, recipes.of_ablation(self.params, run))
        size = self.params.size("kwta_ablation", AblationSize)
        n_test, n_images = min(size.n_test, N_TEST[recipe.dataset]), size.n_images
        settings = recipe.model_dump() | {"recipe": run.recipe, "n_test": n_test, "n_images": n_images}
        reason = REASON if run.init == "pretrained" and not self.pretrained else None
        if not has_run(size.trained, name):
            reason = not_at_this_scale(self.params.scale, "kwta_ablation")
        changed = {"key": run.change, "value": run.to, "baseline": getattr(baseline, run.change)}
        changed |= {"besides": list(run.besides)} if run.besides else {}
        seeds = list(range(min(run.seeds, size.seeds)))
        # The collapse of ReLU needs the high learning rate.
        slow = recipe.gamma is None and recipe.network == "alexnet" and recipe.learning_rate < 0.1
        as_if = recipe.model_copy(update={"gamma": 0.2}) if slow else recipe
        entries = [self.trained(as_if, seed) for seed in seeds]
        broken = sum(entry["collapsed"] for entry in entries)
        robust = [{"seed": seed, "n": n_images, "correct": round(0.1 * n_images)} for seed in seeds]
        found = {
            "accuracy": summary(entries),
            "collapses": {"collapsed": broken, "n_seeds": len(entries), "wilson": list(wilson(broken, len(entries)))},
            "seeds": seeds,
            "per_seed": entries,
            "robust": {"attack": "pgd-corrected-best", "eps": self.plan.eps(recipe.dataset), "per_seed": robust},
        }
        head = {"question": run.question, "changed": changed}
        self.file("ablations", name, recipe.dataset, settings, reason, also=head, **found)
        self.curve(f"ablations/{name}", recipe, [] if reason else seeds)


# See FAKES of report_checkout.
FACTS = {
    "claims": [*(f"K{n}" for n in range(1, 26) if n != 22), "K7a", "K8a", "K13a", "K14a"],
    "scale": "cpu",
    "given": {"network, data", "activation", "table", "line", "gamma", "learning_rate", "seed", "setting"},
    "known": {"2020", "16902", "62.5", "62.2", "3.32", "196", "1.00"},  # the last: rank correlations of made-up jumps
    "open": {f"K{n}" for n in (3, 4, 7, 8, 13, 14)},
}
CONFIGS = {
    "kwta-network": {
        **{"network": "resnet18", "n_classes": 10, "logits": 10, "width": 2, "image_size": 64, "normalise": False},
        **{"gamma": 0.2, "stem": "kwta"},
    }
}
SHAPE = (3, 32, 32)
STAGES = {
    **dict.fromkeys(("train_kwta", "ablate_kwta", "attack_kwta"), "kwta networks attacks"),
    "time_kwta": "kwta",
}
