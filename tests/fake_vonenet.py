"""Made-up metrics of the VOneNet study, beside those of `fake_hebbian`: every file of its contract.

Deviations rise with depth and dip at second convolutions; a network with a V1 stage deviates a third as much without
noise and far more with it.
"""

from itertools import product

import numpy as np
from made_up import Writer, attacked, packed, summary, trained

from biorobust.vonenet.model.hypotheses import drawn_at_zero, numberings
from biorobust.vonenet.report.study import vonenet

DATASET, EXACT = "cifar10", "imagenet_samples"
N_TEST = 10_000
REASON = "its file is not here: put it in a folder, set BIOROBUST_WEIGHTS to that folder and run again"
NOISES = ("none", "frozen", "live")
SHOWN = ("self", "own", "from-resnet50", "from-voneresnet50", "signs", "own-eps", "other")
ATTACKS = ("deepfool-own", "deepfool-live", "deepfool-resnet50", "deepfool-voneresnet50", "random-signs")
# Accuracy at the largest size under DeepFool, and clean.
ACCURACY = {
    "resnet50": (0.80, 0.02),
    "voneresnet50": (0.76, 0.62),
    "voneresnet50-noiseless": (0.78, 0.04),
    "resnet50-untrained": (0.10, 0.05),
    "voneresnet50-untrained": (0.10, 0.06),
}
FOUR = [4, 12, 25, 44]


def convolutions(run):
    """The names of a ResNet50's 53 convolutions."""
    names = ["bottleneck" if run.startswith("vone") else "conv1"]
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            parts = ["conv1", "conv2", "conv3", *(["downsample.0"] if block == 0 else [])]
            names += [f"layer{stage}.{block}.{part}" for part in parts]
    return names


def write_metrics(root, *, scale="cpu", seeds=(0,)):
    """Write every file of the study below `root`, for every run of params.yaml at the given scale."""
    writer = _Writer(root, "vonenet", scale=scale, seeds=seeds)
    for name, title in ((DATASET, "CIFAR-10"), (EXACT, "ImageNet samples")):
        writer.data(name, title, shape=[32, 32, 3], n_train=N_TEST, n_test=N_TEST)
    raw = {key: {name: run.model_dump() for name, run in runs.items()} for key, runs in writer.params.runs.items()}
    writer.write(vonenet(raw))
    writer.finish(DATASET)


def scatter(seed):
    return (seed % 3 - 1) * 0.005


def with_ends(name, value, reach):
    """A logged number with the ends of its interval."""
    return {name: value, f"{name}_low": value - reach, f"{name}_high": value + reach}


class _Writer(Writer):
    def write(self, study):
        self.plan = self.params.blocks["vonenet_activations"].model_dump()
        self.sizes = {"common_eps": self.plan["common_eps"]} | self.params.sizes["vonenet_activations"].model_dump()
        self.n = min(self.params.sizes["vonenet_perturbations"].n_images, N_TEST)
        for run in study.runs:
            for write in (self.train, self.perturb, self.activations, self.attack, self.pictures):
                write(run)
        for run in study.exact:
            for kind in ("train", "perturb", "activations", "riddle", "attack"):
                self.file(kind, run, EXACT, {}, REASON)
        for run, twin in study.baselines.items():
            if run in study.runs:
                self.deviations(run, twin)
            else:
                self.file("deviations", run, EXACT, {}, REASON)

    def with_seeds(self, kind, run, settings, entry, **more):
        per_seed = [{"seed": seed} | entry(seed) for seed in self.seeds]
        self.file(kind, run, DATASET, settings, **more, seeds=self.seeds, per_seed=per_seed)

    def train(self, run):
        size = self.params.sizes["vonenet_training"]
        block = self.params.blocks[size.recipe]
        settings = block.model_dump() | size.model_dump() | self.params.runs["vonenet_runs"][run].model_dump()

        def entry(seed):
            shares = trained(seed, round((ACCURACY[run][0] + scatter(seed)) * N_TEST), N_TEST)
            return shares | {"under_noise": dict.fromkeys(("none", "neuronal"), shares) if self.v1(run) else None}

        accuracy = summary([entry(seed) for seed in self.seeds])
        self.with_seeds("train", run, settings, entry, accuracy=accuracy, n_parameters=1_500_000)

    def perturb(self, run):
        settings = self.params.blocks["vonenet_perturbations"].model_dump(exclude={"sources"}) | {"n_images": self.n}
        entered = round(ACCURACY[run][0] * self.n)

        crafted = {"n": entered, "success": 1.0, "fresh_draws": 16, "fresh_success": 0.8, "fresh_majority": 0.9}
        crafted |= {"size": [0.001, 0.004, 0.006, 0.009, 0.03], "unmoved": 0, "erased": 1}
        roles = {"own": "frozen", "live": "live"} if self.noisy(run) else {"own": "none"}
        entry = {"n": self.n, "entered": entered} | {role: crafted | {"noise": noise} for role, noise in roles.items()}
        self.with_seeds("perturb", run, settings, lambda seed: entry, n_images=self.n)

    def v1(self, run):
        return run.startswith("vone")

    def noisy(self, run):
        return self.params.runs["vonenet_runs"][run].noise != "none"

    def curve(self, run, noise):
        """Raw deviation of the 53 convolutions."""
        names = convolutions(run)
        values = np.geomspace(1e-3, 3e-1, len(names)) * [0.4 if name.endswith("conv2") else 1.0 for name in names]
        scale = 1.0 if not self.v1(run) else {"none": 0.3, "frozen": 0.35, "live": 20.0}[noise]
        return np.minimum(values * scale, 1.2)

    def activations(self, run):
        rows = []
        names, trained, v1 = convolutions(run), not run.endswith("untrained"), self.v1(run)
        noises = NOISES if self.noisy(run) else NOISES[:1]
        for seed, noise in product(self.seeds, noises):
            for shown in SHOWN if noise in ("none", "frozen") else SHOWN[:5]:
                if shown == f"from-{run}":
                    continue
                factor = {"self": 0.9 if noise == "live" else 0.0, "signs": 0.5, "other": 3.0}.get(shown, 1.0)
                values = self.curve(run, noise) * factor
                columns = [("conv", *column) for column in zip(range(53), names, values, strict=True)]
                columns += [("norm", *column) for _, *column in columns[1:]] if shown == "own" else []
                columns += [("v1", -1, "v1", values[0])] if v1 else []
                for kind, place, name, value in columns:
                    head = {"seed": seed, "noise": noise, "shown": shown, "kind": kind, "layer": place, "name": name}
                    dip = (0.95 if trained and name.endswith("conv2") else 0.05) if kind == "conv" else None
                    ends = {"": value, "_low": value * 0.8, "_high": value * 1.3}
                    row = {f"{name}{end}": found for name in ("raw", "centred") for end, found in ends.items()}
                    rows.append(head | {"dip_share": dip} | row)
        self.table(f"activations/{run}", rows)

        def entry(seed):
            n = round(ACCURACY[run][0] * self.n)
            found = {"entered": n, "compared": n, "lowest_share": 0.75, "conv2_always": 0.6}
            found |= with_ends("zero_share", 0.0, 0.02) | {"zero_share_low": 0.0}
            found |= with_ends("conv2_dip_share", 0.95 if trained else 0.05, 0.02)
            for noise, value in zip(noises, (0.0, 0.0, 0.55), strict=False):
                found |= {f"self_v1_{noise}": value} if v1 else {}
            return found

        self.with_seeds("activations", run, self.sizes, entry)
        numbers, said = self.riddle(run), {"test": "a test", "finding": "It gave a number."}
        outcomes = [said | {"id": id, "hypothesis": f"Hypothesis {id}", "numbers": numbers[id]} for id in numbers]
        self.with_seeds("riddle", run, self.sizes, lambda seed: {"numbers": numbers}, outcomes=outcomes)

    def riddle(self, run):
        """What the tests of the zero-deviation hypotheses measured: pictures come near, three dips are learned."""
        every = list(range(53))
        zeros = {"Z4": every, "Z5": FOUR, "Z6": [], "Z7": [], "Z10": [], "Z14": every}
        numbers = {f"Z{n}": {"zeros": zeros.get(f"Z{n}", []), "layers": []} for n in range(1, 16)}
        more = {
            "Z1": {"at_zero": drawn_at_zero(self.curve(run, "none")), "minima": FOUR},
            "Z2": {"lowest": {"convolutions": [4, 12, 25, 46], "channels centred": [1, 14, 24, 46]}},
            "Z3": {"depth_left": 0.48},
            "Z9": {"layers": every},
            "Z10": {"lowest": [4, 14, 25, 44]},
            "Z12": {"numberings": numberings(convolutions(run))},
            "Z13": {"two_decimals": every[:10], "half": []},
            "Z15": {"minima": FOUR, "minima_untrained": [4]},
        }
        return {id: found | more.get(id, {}) for id, found in numbers.items()}

    def right(self, run, attack, seed):
        clean, worst = ACCURACY[run]
        share = {"random-signs": 0.1, "worst-case": 1.1}.get(attack, 1.0)
        sizes = self.plan["eps"]
        kept = [clean - (clean - worst) * min(1.0, share * eps / sizes[-1]) + scatter(seed) for eps in sizes]
        return [round(min(max(value, 0.0), 1.0) * self.n) for value in kept]

    def attack(self, run):
        names, eps = [*ATTACKS, "pgd-cross-entropy", "worst-case"], list(self.plan["eps"])
        attacks = attacked(names, self.seeds, self.n, lambda name, seed: self.right(run, name, seed))
        asked = {"n_images": self.n, "attacks": list(attacks)}
        self.file("attack", run, DATASET, asked, eps=eps, n_images=self.n, attacks=attacks, seeds=self.seeds)
        self.packed |= packed(run, attacks, eps, self.n)

    def deviations(self, run, twin):
        rows = []
        noises = NOISES if self.noisy(run) else NOISES[:1]
        compared = ("own", "transferred", "returned", "signs", "own-eps", "transferred-eps", "other")
        numbers = {"images": 100, "layers": 52}
        for noise in noises:
            ratio = float(np.log10(self.curve(run, noise)[1:] / self.curve(twin, "none")[1:]).mean())
            for key in compared:
                name = f"{key}_{noise}"
                numbers |= with_ends(f"log_ratio_{name}", ratio, 0.1)
                numbers |= {f"lower_{name}": float(ratio < 0), f"higher_{name}": float(ratio > 0)}
                numbers |= {f"one_image_{name}": 0.96 if ratio < 0 else 0.02}
                rows += [
                    {"seed": seed, "compared": key, "noise": noise, "layer": place, "name": layer, "log_ratio": ratio}
                    | {"low": ratio - 0.1, "high": ratio + 0.1}
                    for seed in self.seeds
                    for place, layer in enumerate(convolutions(run))
                    if place
                ]
        for key, value in {"alike_clean": 0.6, "alike_drop": 0.02}.items():
            numbers |= with_ends(key, value, 0.02)
        self.table(f"deviations/{run}", rows)
        self.with_seeds("deviations", run, self.sizes | {"twin": twin}, lambda seed: numbers)

    def pictures(self, run):
        rng = np.random.default_rng(2)
        clean, perturbed = rng.integers(0, 256, (2, 6, 32, 32, 3), dtype=np.uint8)
        numbers = {"labels": np.arange(6), "before": np.arange(6), "after": np.arange(6) + 1, "size": np.full(6, 0.006)}
        change = rng.normal(scale=0.01, size=clean.shape).astype(np.float16)
        self.arrays(f"portraits/perturbed-{run}", clean=clean, perturbed=perturbed, **numbers, change=change)


# See FAKES of report_checkout.
FACTS = {
    "claims": [*(f"V{n}{kind}" for kind in ("", "a") for n in range(1, 8)), "V8a"],
    "scale": "cpu",
    "given": {"perturbation", "trained parameters", "entered", "layer", "filter", "degenerate", "no.", "hypothesis"},
    "known": {"2020", "02", "03"},
    "open": {f"V{n}" for n in range(1, 8)},
}
CONFIGS = {
    "vonenet": {
        **{"network": "voneresnet18", "n_classes": 10, "width": 2, "image_size": 64, "visual_degrees": 2.0},
        **{"simple_channels": 3, "complex_channels": 3, "noise": "none"},
    }
}
SHAPE = (3, 32, 32)
STAGES = {
    **dict.fromkeys(("train_vonenet", "import_vonenet", "perturb_vonenet"), "vonenet networks attacks"),
    "activations_vonenet": "vonenet networks attacks analysis",
}
