"""Parameters of the VOneNet study: one frozen dataclass per block of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from biorobust.core.attack_plan import eps_grid
from biorobust.core.errors import ParamsError
from biorobust.core.schema import count, one_of, positive, setting


@dataclass(frozen=True)
class V1Stage:
    """The VOneBlock of the analogue: the keywords of `VOneBlock` that its runs share, and the scale of its filters.

    pixels_per_degree: an image spans as many degrees of visual angle as it has pixels by this.
    """

    pixels_per_degree: float = positive()
    simple_channels: int = count(0)
    complex_channels: int = count(0)
    ksize: int = setting("an odd number of pixels", lambda ksize: ksize > 0 and ksize % 2 == 1)
    stride: int = count()
    sf_min: float = setting("a number of 0 or more", lambda sf_min: sf_min >= 0)
    sf_max: float = positive()
    sf_corr: float = setting("a number from -1 to 1", lambda rho: -1 <= rho <= 1)
    k_exc: float = positive()
    colours: str = one_of("published", "paired")
    noise_scale: float = positive()
    noise_level: float = setting("a number of 0 or more", lambda level: level >= 0)
    gabor_seed: int = count(0)
    colour_seed: int = count(0)

    def keywords(self, *, image_size: int) -> dict[str, Any]:
        """Of `VOneBlock`, for images of so many pixels."""
        values = asdict(self)
        return {"visual_degrees": image_size / values.pop("pixels_per_degree"), **values}


@dataclass(frozen=True)
class PixelStem:
    """What a plain ResNet has in the place of the V1 stage."""

    stem: str = one_of("imagenet", "small")


@dataclass(frozen=True)
class Training:
    """How all networks of the analogue are trained: SGD on cross-entropy, shifted and mirrored images.

    zero_init: the last normalisation of every residual block starts at 0, so that it begins as the identity.
    """

    image_size: int = count(32)
    batch_size: int = count()
    learning_rate: float = positive()
    momentum: float = setting("a number from 0 to below 1", lambda momentum: 0 <= momentum < 1)
    nesterov: bool = setting("true or false", lambda _: True)
    weight_decay: float = setting("a number of 0 or more", lambda decay: decay >= 0)
    schedule: str = one_of("constant", "linear", "cosine")
    warmup: float = setting("a number from 0 to below 1", lambda share: 0 <= share < 1)
    crop_padding: int = count(0)
    zero_init: bool = setting("true or false", lambda _: True)
    precision: str = one_of("float32", "bfloat16")


@dataclass(frozen=True)
class TrainingSize:
    """recipe: the block of params.yaml with the rest. n_test: so many images of the evaluation list are tested."""

    recipe: str = one_of("vonenet_training", "vonenet_short_training")
    n_train: int = count(32)
    n_test: int = count(8)
    width: int = count()
    epochs: int = count()
    seeds: int = count()


@dataclass(frozen=True)
class Run:
    trained: bool
    method: str = one_of("resnet", "vonenet")
    depth: int = setting("18 or 50", lambda depth: depth in (18, 50))
    noise: str = one_of("neuronal", "gaussian", "none")
    filters: str = one_of("biological", "uniform", "none")


@dataclass(frozen=True)
class ImagenetRun:
    """A network that others trained on ImageNet: the file of its weights, in the folder of BIOROBUST_WEIGHTS."""

    depth: ClassVar[int] = 50
    trained: ClassVar[bool] = True
    method: str = one_of("resnet", "vonenet")
    file: str = setting("the name of a file, without a folder", lambda file: file == Path(file).name != "")


@dataclass(frozen=True)
class Perturbations:
    """DeepFool in L-infinity as Foolbox has it, and the networks whose perturbed images all others are shown."""

    sources: tuple[str, ...]
    steps: int = count()
    candidates: int = count(2)
    overshoot: float = setting("a number of 0 or more", lambda overshoot: overshoot >= 0)
    draws: int = count()


@dataclass(frozen=True)
class PerturbationsSize:
    n_images: int = count(8)


@dataclass(frozen=True)
class Activations:
    """What the layers are compared at. Sizes are L-infinity, in units of pixel intensity."""

    eps: tuple[float, ...] = eps_grid()
    common_eps: float = setting("a number in (0, 1]", lambda eps: 0 < eps <= 1)


@dataclass(frozen=True)
class ActivationsSize:
    """repeats: passes averaged over live noise. matrix: images of a dissimilarity matrix. pictures: images with PCA."""

    repeats: int = count(2)
    matrix: int = count(3)
    pictures: int = count()


@dataclass(frozen=True)
class Group:
    """Networks whose layers are measured on the same images. runs: their list in params.yaml."""

    runs: str
    dataset: str


ANALOGUE = "cifar10"  # the other group is the report's own networks
GROUPS = {
    ANALOGUE: Group(runs="vonenet_runs", dataset="cifar10"),
    "imagenet": Group(runs="vonenet_imagenet", dataset="imagenet_samples"),
}


def baseline(name: str, runs: Mapping[str, Any]) -> str | None:
    """The plain network that one with a V1 stage is compared with: as deep, and trained if it is; else None."""
    run = runs[name]
    if run.method == "resnet":
        return None
    plain = (other for other in runs if runs[other].method == "resnet")
    return next((n for n in plain if (runs[n].depth, runs[n].trained) == (run.depth, run.trained)), None)


def untrained(name: str, runs: Mapping[str, Any]) -> str | None:
    """The network of a trained one's architecture with random weights; None where there is none."""
    run = runs[name]
    random = (other for other in runs if run.trained and not runs[other].trained)
    layout = (run.method, run.depth, getattr(run, "filters", None))
    return next((n for n in random if (runs[n].method, runs[n].depth, runs[n].filters) == layout), None)


BLOCKS = {
    "vonenet": V1Stage,
    "resnet": PixelStem,
    "vonenet_training": Training,
    "vonenet_short_training": Training,
    "vonenet_perturbations": Perturbations,
    "vonenet_activations": Activations,
}
SIZES = {
    "vonenet_training": TrainingSize,
    "vonenet_perturbations": PerturbationsSize,
    "vonenet_activations": ActivationsSize,
}
RUNS = {"vonenet_runs": Run, "vonenet_imagenet": ImagenetRun}
NETWORKS = ()  # the study perturbs images where it reads layers, so the general attack stage has none of its runs
COMPARED = ("vonenet_runs",)  # run lists with attack records all the same


def check_runs(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Noise and filters belong to a V1 stage, a name to one run; raises ParamsError naming the run."""
    for name, run in runs["vonenet_runs"].items():
        if run.method == "resnet" and (run.noise, run.filters) != ("none", "none"):
            raise ParamsError(
                f"vonenet_runs.{name}: a resnet has no V1 stage, noise and filters must be none (params.yaml)"
            )
        if run.method == "vonenet" and run.filters == "none":
            raise ParamsError(f"vonenet_runs.{name}.filters = 'none': must be biological or uniform (params.yaml)")
    for name in runs["vonenet_imagenet"]:
        if name in runs["vonenet_runs"]:
            raise ParamsError(f"run {name!r}: named in two run lists (params.yaml)")
