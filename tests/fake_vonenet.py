"""Made-up metrics of the VOneNet study, beside those of `fake_metrics`: every file of its contract.

Deviations rise with depth and dip at second convolutions; a network with a V1 stage deviates a third as much without
noise and far more with it.
"""

import numpy as np
import pandas as pd
from made_up import attacked, cells, provenance, settings, summary, trained, write_adaptive

from biorobust.core import outcomes
from biorobust.core.files import write_csv, write_json, write_npz
from biorobust.vonenet.model.hypotheses import drawn_at_zero, numberings
from biorobust.vonenet.report.study import vonenet

STUDY, DATASET, EXACT = "vonenet", "cifar10", "imagenet_samples"
N_TEST = 10_000
REASON = "its file is not here: put it in a folder, set BIOROBUST_WEIGHTS to that folder and run again"
BLOCKS = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}
NOISES = ("none", "frozen", "live", "mean")
SHOWN = ("self", "own", "from-resnet50", "from-voneresnet50", "signs", "own-eps", "signs-eps", "other")
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
    for stage, blocks in BLOCKS.items():
        for block in range(blocks):
            names += [f"{stage}.{block}.conv{i}" for i in (1, 2, 3)]
            names += [f"{stage}.{block}.downsample.0"] if block == 0 else []
    return names


def write_metrics(root, *, scale="cpu", fidelity="official", seeds=(0,)):
    """Write every file of the study below `root`, for every run of params.yaml at the given scale."""
    Writer(root, settings(scale=scale), fidelity, seeds).write()


class Writer:
    """Writes every file of the study for one scale."""

    def __init__(self, root, checked, fidelity, seeds):
        self.root, self.params, self.fidelity, self.seeds = root, checked, fidelity, list(seeds)
        raw = {key: {name: run.model_dump() for name, run in runs.items()} for key, runs in checked.runs.items()}
        self.study = vonenet(raw)
        self.plan = checked.blocks["vonenet_activations"].model_dump()
        self.n = min(checked.sizes["vonenet_perturbations"].n_images, N_TEST)

    def write(self):
        for name, title in ((DATASET, "CIFAR-10"), (EXACT, "ImageNet samples")):
            said = provenance(title, shape=[32, 32, 3], n_train=N_TEST, n_test=N_TEST)
            write_json(self.root / f"data/{name}.json", self.dataset(name) | said)
        for run in self.study.runs:
            self.train(run)
            self.perturb(run)
            self.activations(run)
            self.attack(run)
            self.pictures(run)
        for run in self.study.exact:
            for kind in ("train", "perturb", "activations", "riddle", "attack"):
                self.unavailable(kind, run)
        for run, twin in self.study.baselines.items():
            if run in self.study.runs:
                self.deviations(run, twin)
            else:
                self.unavailable("deviations", run)
        self.outcomes()
        write_adaptive(self.root, STUDY, self.params, dataset=self.dataset(), seeds=self.seeds)
        rng = np.random.default_rng(3)
        v1 = {key: rng.random((4, 14, 14)).astype(np.float16) for key in ("simple", "complex")}
        v1 |= {f"{key}_noisy": values + rng.random((4, 14, 14)).astype(np.float16) for key, values in v1.items()}
        bank = {
            "filters": rng.normal(size=(48, 25, 25)).astype(np.float16),
            "colours": np.arange(48, dtype=np.uint8) % 3,
        }
        image = {"image": rng.integers(0, 256, (56, 56, 3), dtype=np.uint8)}
        write_npz(self.root / "portraits/v1-natural.npz", {**v1, **bank, **image})

    def dataset(self, name=DATASET):
        return {"name": name, "source": "official", "fidelity": self.fidelity, "sha256": "0" * 64}

    def head(self, run, settings, dataset=DATASET):
        head = {"run": run, "study": STUDY, "scale": self.params.scale, "status": "ok"}
        return head | {"dataset": self.dataset(dataset), "settings": dict(settings)}

    def unavailable(self, kind, run):
        head = self.head(run, {}, EXACT) | {"status": "unavailable", "reason": REASON}
        write_json(self.root / f"{kind}/{run}.json", head)

    def with_seeds(self, kind, run, settings, entry, **more):
        seeds = {"seeds": self.seeds, "per_seed": [{"seed": seed} | entry(seed) for seed in self.seeds]}
        write_json(self.root / f"{kind}/{run}.json", self.head(run, settings) | more | seeds)

    def train(self, run):
        size = self.params.sizes["vonenet_training"]
        block = self.params.blocks[size.recipe]
        settings = block.model_dump() | size.model_dump() | self.params.runs["vonenet_runs"][run].model_dump()

        def entry(seed):
            correct = round((ACCURACY[run][0] + self.scatter(seed)) * N_TEST)
            shares = trained(seed, correct, N_TEST)
            counted = {key: shares[key] for key in ("correct", "n", "accuracy", "wilson")}
            under = dict.fromkeys(("none", "neuronal"), counted) if run.startswith("vone") else None
            return shares | {"under_noise": under}

        accuracy = summary([entry(seed) for seed in self.seeds])
        self.with_seeds("train", run, settings, entry, accuracy=accuracy, n_parameters=1_500_000)

    def scatter(self, seed):
        return (seed % 3 - 1) * 0.005

    def perturb(self, run):
        settings = self.params.blocks["vonenet_perturbations"].model_dump()
        settings = {key: value for key, value in settings.items() if key != "sources"} | {"n_images": self.n}
        entered = round(ACCURACY[run][0] * self.n)

        def crafted(noise):
            sizes = [0.001, 0.004, 0.006, 0.009, 0.03]
            fooled = {"success": 1.0, "fresh_draws": 16, "fresh_success": 0.8, "fresh_majority": 0.9}
            return {"noise": noise, "n": entered} | fooled | {"size": sizes, "unmoved": 0, "erased": 1}

        noisy = self.noisy(run)
        roles = {"own": crafted("frozen" if noisy else "none")} | ({"live": crafted("live")} if noisy else {})
        self.with_seeds(
            "perturb", run, settings, lambda seed: {"n": self.n, "entered": entered, **roles}, n_images=self.n
        )

    def noisy(self, run):
        return self.params.runs["vonenet_runs"][run].noise != "none"

    def curve(self, run, noise):
        """Raw deviation of the 53 convolutions."""
        names = convolutions(run)
        values = np.geomspace(1e-3, 3e-1, len(names)) * np.array(
            [0.4 if name.endswith("conv2") else 1.0 for name in names]
        )
        scale = 1.0 if not run.startswith("vone") else {"none": 0.3, "frozen": 0.35, "live": 20.0, "mean": 4.0}[noise]
        return np.minimum(values * scale, 1.2)

    def settings(self):
        return {"common_eps": self.plan["common_eps"]} | self.params.sizes["vonenet_activations"].model_dump()

    def activations(self, run):
        rows = []
        matrices = []
        one = []
        names, trained = convolutions(run), not run.endswith("untrained")
        for seed in self.seeds:
            for noise in NOISES if self.noisy(run) else NOISES[:1]:
                for shown in SHOWN if noise in ("none", "frozen") else SHOWN[:5]:
                    if shown == f"from-{run}":
                        continue
                    values = self.curve(run, noise) * {
                        "self": 0.9 if noise in ("live", "mean") else 0.0,
                        "signs": 0.5,
                        "other": 3.0,
                    }.get(shown, 1.0)
                    columns = [("conv", place, name, values[place]) for place, name in enumerate(names)]
                    columns += [("norm", p, name, values[p]) for p, name in enumerate(names) if shown == "own" and p]
                    columns += [("v1", -1, "v1", values[0])] if run.startswith("vone") else []
                    for kind, place, name, value in columns:
                        ends = {
                            f"{statistic}{end}": value * factor
                            for statistic in ("raw", "centred", "relative", "normalised")
                            for end, factor in (("", 1.0), ("_low", 0.8), ("_high", 1.3))
                        }
                        head = {
                            "seed": seed,
                            "noise": noise,
                            "shown": shown,
                            "kind": kind,
                            "layer": place,
                            "name": name,
                        }
                        dip = (0.95 if trained and name.endswith("conv2") else 0.05) if kind == "conv" else None
                        rows.append(head | {"n": 100, "undefined": 0} | ends | {"between": 0.5, "dip_share": dip})
                        if noise == "none" and shown == "own" and kind == "conv":
                            low_high = {"low": value * 0.9, "high": value * 1.1}
                            one.append(
                                {"seed": seed, "image": 7, "layer": place, "name": name, "raw": value} | low_high
                            )
            for noise in ("none", "live") if self.noisy(run) else ("none",):
                for shown in ("own", "signs"):
                    for place, name in enumerate(names):
                        head = {"seed": seed, "noise": noise, "shown": shown, "layer": place, "name": name}
                        ceiling = {"ceiling_low": 0.7, "ceiling_high": 0.8} if noise == "live" else {}
                        matrices.append(head | {"similarity": 0.99 - place / 200} | ceiling)
        write_csv(self.root / f"activations/{run}.csv", pd.DataFrame(rows))
        write_csv(self.root / f"activations/{run}-matrices.csv", pd.DataFrame(matrices))
        write_csv(self.root / f"activations/{run}-one-image.csv", pd.DataFrame(one))

        def entry(seed):
            found = {"entered": (n := round(ACCURACY[run][0] * self.n)), "compared": n}
            found |= {"lowest": [4, 12, 25, 46]}
            found |= {"lowest_share": 0.75, "conv2_always": 0.6, "undefined": 0, "smallest": 1.2e-5}
            for key, value in (("zero_share", 0.0), ("conv2_dip_share", 0.95 if trained else 0.05)):
                found |= {key: value, f"{key}_low": max(0.0, value - 0.02), f"{key}_high": value + 0.02}
            floors = {"none": 0.0, "frozen": 0.0, "live": 0.55, "mean": 0.13} if self.noisy(run) else {"none": 0.0}
            found |= {f"self_last_{noise}": value / 2 for noise, value in floors.items()}
            return found | (
                {f"self_v1_{noise}": value for noise, value in floors.items()} if run.startswith("vone") else {}
            )

        self.with_seeds("activations", run, self.settings(), entry)
        numbers = self.riddle(run)
        outcomes = [
            {"id": id, "hypothesis": f"Hypothesis {id}", "test": "a test", "finding": "It gave a number."}
            | {"numbers": found}
            for id, found in numbers.items()
        ]
        self.with_seeds("riddle", run, self.settings(), lambda seed: {"numbers": numbers}, outcomes=outcomes)

    def riddle(self, run):
        """What the tests of the zero-deviation hypotheses measured: pictures come near, three dips are learned."""
        names, every = convolutions(run), list(range(53))
        lowest = {"convolutions": [4, 12, 25, 46], "channels centred": [1, 14, 24, 46]}
        return {
            "Z1": {"at_zero": drawn_at_zero(self.curve(run, "none")), "minima": FOUR},
            "Z2": {"lowest": lowest},
            "Z3": {"depth_left": 0.48},
            "Z4": {"zeros": every},
            "Z5": {"zeros": FOUR},
            "Z6": {"zeros": []},
            "Z7": {"zeros": []},
            "Z8": {"layers": []},
            "Z9": {"unmoved": 0, "layers": every},
            "Z10": {"zeros": [], "lowest": [4, 14, 25, 44]},
            "Z11": {"several": 16, "layers": []},
            "Z12": {"numberings": numberings(names)},
            "Z13": {"two_decimals": every[:10], "half": []},
            "Z14": {"zeros": every},
            "Z15": {"minima": FOUR, "minima_untrained": [4]},
        }

    def right(self, run, attack, seed):
        clean, worst = ACCURACY[run]
        share = {"random-signs": 0.1, "worst-case": 1.1}.get(attack, 1.0)
        sizes = self.plan["eps"]
        kept = [clean - (clean - worst) * min(1.0, share * eps / sizes[-1]) + self.scatter(seed) for eps in sizes]
        return [round(min(max(value, 0.0), 1.0) * self.n) for value in kept]

    def attacks(self, run):
        gradient = ["pgd-cross-entropy"]
        return [*ATTACKS, *gradient, "worst-case"]

    def attack(self, run):
        names = self.attacks(run)
        attacks = attacked(names, self.seeds, self.n, lambda name, seed: self.right(run, name, seed))
        asked = {"n_images": self.n, "attacks": list(attacks)}
        more = {"eps": list(self.plan["eps"]), "n_images": self.n, "attacks": attacks, "seeds": self.seeds}
        write_json(self.root / f"attack/{run}.json", self.head(run, asked) | more)

    def deviations(self, run, twin):
        rows = []
        noises = NOISES if self.noisy(run) else NOISES[:1]
        compared = ("own", "transferred", "returned", "signs", "own-eps", "transferred-eps", "signs-eps", "other")
        numbers = {"images": 100, "layers": 52}
        for noise in noises:
            ratio = float(np.log10(self.curve(run, noise)[1:] / self.curve(twin, "none")[1:]).mean())
            for key in compared:
                name = f"{key}_{noise}"
                numbers |= {
                    f"log_ratio_{name}": ratio,
                    f"log_ratio_{name}_low": ratio - 0.1,
                    f"log_ratio_{name}_high": ratio + 0.1,
                }
                numbers |= {f"lower_{name}": float(ratio < 0), f"higher_{name}": float(ratio > 0)}
                numbers |= {f"one_image_{name}": 0.96 if ratio < 0 else 0.02}
                rows += [
                    {"seed": seed, "compared": key, "noise": noise, "layer": place, "name": layer, "log_ratio": ratio}
                    | {"low": ratio - 0.1, "high": ratio + 0.1}
                    for seed in self.seeds
                    for place, layer in enumerate(convolutions(run))
                    if place
                ]
        for key, value in (
            ("size_log_ratio", 0.3),
            ("alike_clean", 0.6),
            ("alike_perturbed", 0.58),
            ("alike_drop", 0.02),
        ):
            numbers |= {key: value, f"{key}_low": value - 0.02, f"{key}_high": value + 0.02}
        write_csv(self.root / f"deviations/{run}.csv", pd.DataFrame(rows))
        self.with_seeds("deviations", run, self.settings() | {"twin": twin}, lambda seed: numbers)

    def outcomes(self):
        packed = {}
        for run in self.study.runs:
            for attack in self.attacks(run):
                right = {seed: self.right(run, attack, seed) for seed in self.seeds}
                packed |= cells(run, attack, self.plan["eps"], self.n, right)
        outcomes.write(self.root / f"outcomes/{STUDY}.npz", packed)

    def pictures(self, run):
        rng = np.random.default_rng(2)
        images = {key: rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8) for key in ("clean", "perturbed")}
        images |= {"change": rng.normal(scale=0.01, size=(6, 32, 32, 3)).astype(np.float16), "labels": np.arange(6)}
        images |= {"before": np.arange(6), "after": np.arange(6) + 1, "size": np.full(6, 0.006)}
        write_npz(self.root / f"portraits/perturbed-{run}.npz", images)
        layers = ["layer1.0.downsample.0", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2"]
        drawn = {"layers": np.array(layers), "image": images["clean"][0], "perturbed": images["perturbed"][0]}
        for place, side in enumerate((16, 8, 4, 2)):
            drawn |= {
                f"{key}_{place}": rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
                for key in ("clean", "perturbed")
            }
            drawn |= {f"change_{place}": rng.random((side, side)).astype(np.float16)}
            drawn |= {f"explained_{place}": np.array([0.5, 0.2, 0.1], dtype=np.float32)}
            drawn |= {f"degenerate_{place}": np.array([False, False, place == 3])}
        write_npz(self.root / f"portraits/pca-{run}.npz", drawn)
