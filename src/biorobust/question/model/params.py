"""Parameters of the comparison: which networks stand side by side, how they are trained, what attacks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from biorobust.core.attack_plan import Attacks, Sizes
from biorobust.core.config import Block, Count, Images, NotNegative, Positive, Share, ShareBelow1
from biorobust.core.left_out import SomeRuns

DATASETS = ("mnist", "cifar10")
NOISY_FRONTS = ("v1", "learned-noisy")  # they draw noise in evaluation too
FAMILIES = ("yardsticks", "hebbian", "cnnf", "kwta", "vonenet", "adversarial")
ONLY_MNIST = {  # network -> why there is none on photographs
    "hebbian": "competing units on raw pixels do not learn photographs",
    "end-to-end": "it is the twin of the Hebbian network, which does not learn photographs",
    "cnnf": "feedback on photographs does not fit the budget of two cores",
}


class Threat(Block):
    """What a data set is attacked with: L-infinity, in units of pixel intensity [0, 1].

    eps: where every attack is tried. curve: other sizes, for APGD alone. noise: standard deviation of the Gaussian
    noise that some networks are trained on.
    """

    eps: float = Field(gt=0, le=1)
    curve: Sizes
    noise: Positive


class Training(Block):
    """How every network with a convolutional body is trained: SGD with Nesterov momentum.

    warmup: share of the steps in which the rate rises; from there it falls to 0. gamma_fall: share of the epochs in
    which the gamma of k-WTA falls from 1 to its own. clip_norm: largest L2 norm of the gradient.
    """

    batch_size: Count
    learning_rate: Positive
    warmup: float = Field(gt=0, lt=1)
    momentum: ShareBelow1
    weight_decay: NotNegative
    label_smoothing: ShareBelow1
    clip_norm: Positive | None
    crop: int = Field(ge=0)
    flip: bool
    gamma_fall: Share


class Adversarial(Block):
    """Training on PGD's images: so many steps, each of this share of epsilon, from a random start."""

    steps: Count
    step: Positive


class V1Front(Block):
    """The V1 stage in front of a small image; its cells and their noise are those of the block `vonenet`."""

    simple_channels: int = Field(ge=0)
    complex_channels: int = Field(ge=0)
    ksize: int = Field(ge=1)
    stride: Count
    pixels_per_degree: Positive


class AttackPlan(Block):
    """Attacks in their order. reports: on all images, as the four reports used them. adaptive: on the images that all
    before have left, and blind: the same without gradients. views: of a family, further ones with a gradient from
    elsewhere. draws: passes in which a noisy network is judged, and over which its gradients are averaged.
    """

    reports: Attacks
    adaptive: Attacks
    views: dict[str, Attacks]
    blind: Attacks
    draws: int = Field(ge=2)

    @field_validator("views")
    @classmethod
    def _of_families(cls, views: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if set(views) - set(FAMILIES):
            raise ValueError(f"lists of attacks for some of {', '.join(FAMILIES)}")
        return views


class AttackSize(Block):
    """n_images: of MNIST, n_cifar10: of CIFAR-10, n_noisy: at most for a network with noise, whose gradients are means.
    queries: of attacks without gradients, noisy_queries: the same on networks with noise. n_examined: images on which
    the first training is examined for masked gradients, a fourth of them on a network with noise (0: none)."""

    n_images: int = Field(ge=8)
    n_cifar10: int = Field(ge=8)
    n_noisy: int = Field(ge=8)
    queries: Count
    noisy_queries: Count
    n_examined: int = Field(ge=0)

    def attacked(self, dataset: str, *, noisy: bool) -> int:
        wanted = self.n_images if dataset == "mnist" else self.n_cifar10
        return min(wanted, self.n_noisy) if noisy else wanted


class Size(Block):
    """trained: the rows this scale has. width: channels of the body's first layer; cnnf_width: of CNN-F's. The rest
    is of single families."""

    trained: SomeRuns
    n_train: Images
    width: Count
    epochs: Count
    adversarial_epochs: Count
    cnnf_width: Count
    cnnf_epochs: Count
    n_hidden: Count
    hebbian_epochs: Count
    readout_epochs: Count
    seeds: Count


class Row(Block):
    """A network of the comparison, in the list of the family that one stage trains. method: the block with its knob.

    front: what stands before the body. images: what it is trained on. twin: the same without the defence, or null.
    """

    network: Literal["body", "hebbian", "end-to-end", "cnnf"]
    method: Literal["relu", "kwta", "kwta_low", "hebbian_original", "end_to_end", "cnnf", "cnn"]
    front: Literal["none", "v1", "v1-noiseless", "learned-noisy"]
    images: Literal["clean", "noisy", "both", "adversarial"]
    twin: str | None


# Accuracy above which a network counts as trained: by data set, by network, or of all. Those of the
# studies with the same task and networks as small. Part of the protocol.
TRAINED = {"mnist": 0.90, "cifar10": 0.30}
CHECK = ("rows", "check")  # file beside this one, and function that looks at what refers to what
ARCHITECTURES = {  # name in a checkpoint -> file beside this one, and function that builds it
    "question-network": ("networks", "build")
}
BLOCKS = {
    "question": Threat,
    "question_cifar10": Threat,
    "question_training": Training,
    "question_cifar10_training": Training,
    "question_adversarial": Adversarial,
    "question_front": V1Front,
    "question_attack": AttackPlan,
}
SIZES = {"question": Size, "question_cifar10": Size, "question_attack": AttackSize}
ROWS = {family: f"question_rows_{family}" for family in FAMILIES}
RUNS = dict.fromkeys(ROWS.values(), Row)
PARTS = dict.fromkeys(("question", "question_cifar10"), tuple(RUNS))
NETWORKS: tuple[str, ...] = ()  # they have an attack stage of their own, as one network's images are shown to others
APART = tuple(RUNS)
# The attack by which a family's report, or the original, called its networks robust.
REPORTS = {
    "hebbian": "fgsm-report",
    "cnnf": "pgd-cross-entropy@first",
    "kwta": "pgd-report",
    "vonenet": "deepfool-report",
}


def block(dataset: str, name: str = "question") -> str:
    """The block of a data set: MNIST's has the plain name, that `question.eps` is the knob of."""
    return name if dataset == "mnist" else name.replace("question", f"question_{dataset}", 1)


def compared(runs: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Networks that have the same attacks on as many images: of a family on a data set, with and without noise."""
    return [
        [f"{dataset}-{name}" for name, row in runs[ROWS[family]].items() if (row.front in NOISY_FRONTS) == noisy]
        for dataset in DATASETS
        for family in FAMILIES
        for noisy in (False, True)
    ]
