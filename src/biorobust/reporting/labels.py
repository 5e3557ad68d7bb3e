"""What runs and attacks are called and how they are drawn: one registry for tables, figures, page and text.

Names on the left are those of params.yaml and of the metrics. Colours: Okabe & Ito (2008), with a darker and a browner
vermillion for the variants of one model; variants also differ in line style and marker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from biorobust.statistics import rules

INK = "#010203"  # becomes the text colour of the page
FAINT = "#808183"  # grid lines and floors: 3:1 or more on white and on near-black

# --- runs -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """How a run, or an attack in a run's panel, is drawn: its line is `width` points wide and `dashes`.

    `colour` holds on white; DARK has what a page may set on a dark ground.
    """

    label: str
    colour: str
    marker: str
    dashes: str | tuple[int, tuple[int, ...]]
    width: float = 1.5
    filled: bool = True


# Colour on white -> colour on a dark ground.
DARK = {
    "#d55e00": "#ff8b3d",
    "#8c2d04": "#f4a582",
    "#a6761d": "#e0b050",
    "#5f6062": "#a9aaac",
    "#0072b2": "#6cb6e8",
    "#56348b": "#b79be6",
    "#8b3465": "#e69bc4",
    "#a6611a": "#e0b050",
    "#00758f": "#62c4d6",
    "#2a4b9b": "#9db4f0",
    "#3f4042": "#c9cacc",
    "#3a9bd1": "#9fd3f2",
    "#7a93a8": "#b8c9d6",
    "#009e73": "#3cc9a0",
}
LOOKS = {
    "report-uniform": Look("Hebbian (uniform start)", "#d55e00", "o", "-"),
    "report-normal": Look("Hebbian (normal start)", "#8c2d04", "s", "--"),
    "normal-converged": Look("Hebbian (normal start, converged units)", "#8c2d04", "D", ":"),
    "normal-dropped": Look("Hebbian (normal start, as many units at random)", "#8c2d04", "v", "-."),
    "original": Look("Hebbian (original recipe)", "#a6761d", "^", "-."),
    "simple-conv": Look("convolutional network", INK, "P", "-"),
    "end-to-end": Look("end-to-end network", "#5f6062", "X", "--"),
    "cnn-clean": Look("CNN", INK, "P", "-"),
    "cnn-noisy": Look("CNN on the same noisy batches", "#5f6062", "X", "--"),
    "cnn-feedback": Look("CNN-F", "#0072b2", "o", "-"),
    "clean-not-cycled": Look("CNN-F, clean images not cycled", "#56348b", "s", "--"),
    "noisy-only": Look("CNN-F, noisy images only", "#8b3465", "v", "-."),
    "strong-noise": Look("CNN-F, stronger noise", "#a6611a", ">", "-."),
    "plain-relu": Look("CNN-F, plain ReLU forward", "#00758f", "^", ":"),
    "longer": Look("CNN-F, trained longer", "#2a4b9b", "D", "--"),
    "cnn-longer": Look("CNN, trained longer", "#3f4042", "P", "--"),
    "resnet50": Look("ResNet50", INK, "P", "-"),
    "voneresnet50": Look("VOneResNet50", "#0072b2", "o", "-"),
    "voneresnet50-noiseless": Look("VOneResNet50 (no noise)", "#3a9bd1", "s", "--"),
    "resnet50-untrained": Look("ResNet50 (random weights)", "#5f6062", "X", ":"),
    "voneresnet50-untrained": Look("VOneResNet50 (random weights)", "#7a93a8", "v", ":"),
    "scratch-relu": Look("ReLU", INK, "P", "-"),
    "scratch-kwta": Look("k-WTA", "#0072b2", "o", "-"),
    "scratch-kwta-low": Look("k-WTA, small γ", "#d55e00", "s", "--"),
    "pretrained-relu": Look("ReLU, pretrained", INK, "P", "-"),
    "pretrained-kwta": Look("k-WTA, pretrained", "#0072b2", "o", "-"),
    "pretrained-kwta-low": Look("k-WTA, small γ, pretrained", "#d55e00", "s", "--"),
    "transferred-relu": Look("ReLU, transferred", INK, "P", "-"),
    "transferred-kwta": Look("k-WTA, transferred", "#0072b2", "o", "-"),
    "transferred-kwta-low": Look("k-WTA, small γ, transferred", "#d55e00", "s", "--"),
    "imagenet-resnet50": Look("ResNet50 (ImageNet)", "#5f6062", "P", "--"),
    "imagenet-voneresnet50": Look("VOneResNet50 (ImageNet)", "#0072b2", "D", "--"),
}
# Rows of the comparison; a network is a row on a data set, such as "mnist-plain".
COMPARED = {
    "plain": Look("plain network", INK, "P", "-"),
    "noise": Look("noise in training", "#5f6062", "X", "--"),
    "hebbian-units": Look("Hebbian units", "#a6761d", "^", "-"),
    "end-to-end": Look("Hebbian units' size, end to end", "#a6761d", "v", ":"),
    "feedback": Look("CNN-F", "#0072b2", "o", "-"),
    "no-feedback": Look("CNN-F without feedback", "#0072b2", "s", ":"),
    "kwta-high": Look("k-WTA", "#8c2d04", "<", "--"),
    "kwta-low": Look("k-WTA, small γ", "#d55e00", "s", "-"),
    "v1": Look("V1 stage", "#009e73", "D", "-"),
    "v1-noiseless": Look("V1 stage without noise", "#009e73", "d", ":"),
    "v1-noise-alone": Look("V1's noise on learned filters", "#56348b", "v", "-."),
    "adversarial": Look("adversarial training", "#8b3465", "*", "-"),
    "kwta-adversarial": Look("k-WTA, small γ, adversarial training", "#8b3465", "s", "--"),
}
# A cell of the k-WTA tables is a row on a network and a data set, such as "fast-cifar10-scratch-kwta".
CELLS = {"fast-cifar10": "small fast network, CIFAR-10", "resnet18-cifar10": "ResNet18, CIFAR-10"}
TASKS = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
SPARE = {"#0072b2": "-", "#009e73": "--", "#cc79a7": "-."}
EXTRA = tuple(Look("", colour, marker, dashes) for colour, dashes in SPARE.items() for marker in "v<>")


def look(run: str) -> Look:
    """The look of a run; one that is not listed here gets its own name and a look of the spare ones."""
    if run in LOOKS:
        return LOOKS[run]
    dataset, _, row = run.partition("-")
    if dataset in TASKS and row in COMPARED:
        return replace(COMPARED[row], label=f"{COMPARED[row].label} ({TASKS[dataset]})")
    place, row = "-".join(run.split("-")[:2]), run.partition("-")[2].partition("-")[2]
    if place in CELLS and row in LOOKS:
        return replace(LOOKS[row], label=f"{LOOKS[row].label} ({CELLS[place]})")
    return replace(EXTRA[sum(run.encode()) % len(EXTRA)], label=run)


def network(run: str) -> str:
    """A run without what tells it from others of the same network: "Hebbian (normal start)" -> "Hebbian"."""
    return look(run).label.partition(" (")[0]


def label(run: str) -> str:
    """A run in words."""
    return look(run).label


# --- verdicts ---------------------------------------------------------------------------------------------------------

OWN = {rules.REPRODUCED: "held", rules.PARTLY: "held in part", rules.NOT_REPRODUCED: "did not hold"}


def said(verdict: str, ours: bool) -> str:
    """A verdict in words: nobody reproduces a claim of our own, it holds or not."""
    return OWN.get(verdict, verdict) if ours else verdict


# --- attacks ----------------------------------------------------------------------------------------------------------

REPORT_LOSS = "fgsm-report"
WORST_CASE = "worst-case"
IMAGE_WORST_CASE = f"{WORST_CASE}-image"  # of a study with two threat models: over attacks on the image alone
RESIZED = "-resized"
# Every attack of the registry in full words, for tables in which the attack itself is what differs.
NAMES = {
    "fgsm-report": "FGSM on the report's loss",
    "fgsm-cross-entropy": "FGSM",
    "fgsm-margin": "FGSM on the margin",
    "pgd-report": "PGD with the report's step",
    "pgd-corrected": "PGD with the original paper's step",
    "pgd-cross-entropy": "PGD",
    "pgd-margin": "PGD on the margin",
    "pgd-targeted": "PGD to another class",
    "deepfool-report": "DeepFool",
    "apgd-cross-entropy": "APGD",
    "apgd-margin": "APGD on the margin",
    "apgd-logits-ratio": "APGD on the logits ratio",
    "apgd-targeted": "APGD to other classes",
    "apgd-noise": "APGD averaged over noise",
    "fmn": "fast minimum-norm",
    "pgd-averaged": "PGD on averaged gradients",
    "pgd-averaged-64": "PGD on gradients averaged over 64 points",
    "square": "Square",
    "random-corners": "random corners",
    "transfer": "transfer",
    "warm-start": "APGD from the best point known",
    WORST_CASE: "worst case, image by image",
    IMAGE_WORST_CASE: "worst case of the attacks on the image",
}


# Where a gradient comes from that is not the network's own.
VIEWS = {
    "model": "gradient of the network itself",
    "first": "gradient through the first pass",
    "smooth": "gradient through smooth gates",
    "float64": "gradient in float64",
    "backward-sigmoid": "backward pass of a sigmoid",
    "backward-0.5": "backward pass of γ = 0.5",
}


def full_name(attack: str) -> str:
    """An attack in words: `pgd-margin-best@first` is PGD on the margin, best iterate, gradient of "first".

    Knows the suffixes -best and -resized (the resized tensor instead of the image), and @view. One that is not listed
    above keeps its own name.
    """
    name, _, view = attack.partition("@")
    plain = name.removesuffix(RESIZED)
    words = [NAMES.get(plain.removesuffix("-best"), plain.removesuffix("-best"))]
    words += ["best iterate"] * plain.endswith("-best") + ["on the resized image"] * name.endswith(RESIZED)
    return ", ".join([*words, *([VIEWS.get(view, f"gradient of “{view}”")] if view else [])])


# Attacks, or the losses that are attacked: lines in ink.
ATTACKS = {
    REPORT_LOSS: Look("the report's loss", INK, "", "--", 1.2),
    "fgsm-cross-entropy": Look("cross-entropy", INK, "", ":", 1.2),
    "fgsm-margin": Look("margin", INK, "", "-.", 1.2),
    "pgd-cross-entropy": Look("PGD on the cross-entropy", INK, "", "-.", 1.2),
    "deepfool-own": Look("DeepFool, own", INK, "", "--", 1.2),
    "deepfool-live": Look("DeepFool, own, crafted in live noise", INK, "", (0, (6, 1)), 1.0),
    "deepfool-resnet50": Look("DeepFool, from ResNet50", INK, "", ":", 1.2),
    "deepfool-voneresnet50": Look("DeepFool, from VOneResNet50", INK, "", (0, (1, 3)), 1.2),
    "random-signs": Look("random signs", INK, "", (0, (1, 1)), 0.8),
    WORST_CASE: Look("worst of these, image by image", INK, "", "-", 2.0),
}
# Of the CNN-F study, where attacks differ in where their gradient comes from. A plain CNN has one pass only.
FGSM = "fgsm-cross-entropy"
FEEDBACK_ATTACKS = {
    f"{FGSM}@first": Look("FGSM, first pass", INK, "", ":", 1.0),
    FGSM: Look("FGSM, all cycles", INK, "", "--", 1.0),
    "pgd-cross-entropy@first": Look("PGD, first pass", INK, "", (0, (1, 1)), 1.4),
    "pgd-cross-entropy": Look("PGD, all cycles", INK, "", "-.", 1.4),
    "pgd-targeted": Look("PGD to another letter", INK, "", (0, (6, 2)), 1.0),
    WORST_CASE: Look("worst of these, image by image", INK, "", "-", 2.2),
}


EXTRA_DASHES = ((0, (8, 2)), (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)))


def attack_look(attack: str, listed: Mapping[str, Look] = ATTACKS) -> Look:
    """The line of an attack; one that is not listed gets its full name and spare dashes."""
    if attack in listed:
        return listed[attack]
    return Look(full_name(attack), INK, "", EXTRA_DASHES[sum(attack.encode()) % len(EXTRA_DASHES)], 1.0)


def attack_looks(attacks: Iterable[str], listed: Mapping[str, Look] = ATTACKS) -> dict[str, Look]:
    """The lines of a study's attacks, as params.yaml names them, and of the worst case over them."""
    return {attack: attack_look(attack, listed) for attack in (*attacks, WORST_CASE)}


def in_panel(run: str, attack: str) -> Look:
    """The line of an attack in the panel of a run: the worst case in the run's colour, all else in ink."""
    found = attack_look(attack)
    return replace(found, colour=look(run).colour) if attack == WORST_CASE else found
