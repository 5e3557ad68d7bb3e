"""Does this run point the same way as the recorded one? Headline effect by headline effect, at any size of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biorobust.reporting.effects import MISSING, OTHER, SAME, SMALL
from biorobust.reporting.estimates import NotMeasured, Share, between
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.table import Column, Table
from biorobust.reporting.table import table as declared
from biorobust.reporting.words import SHARED, paragraphs
from biorobust.statistics import Difference


@dataclass(frozen=True)
class Effect:
    """The first accuracy minus the second. `pairs`: the first of them that a run holds stands for it."""

    study: str
    words: str
    pairs: tuple[tuple[Share, Share], ...]


def _effect(study: str, words: str, *pairs: tuple[Share, Share]) -> Effect:
    return Effect(study, words, pairs)


def _on(run: str, *, images: str = "clean") -> Share:
    return Share(run, images=images, eps=0.0)


def _under(attack: str, run: str, eps: float) -> Share:
    return Share(run, attack=attack, eps=eps)


FAST, RESNET = "fast-cifar10-scratch", "resnet18-svhn-scratch"
EFFECTS = (
    _effect(
        "hebbian",
        "convolutional above Hebbian network at eps 0.1, the report's attack",
        (_under("fgsm-report", "simple-conv", 0.1), _under("fgsm-report", "report-normal", 0.1)),
    ),
    _effect(
        "hebbian",
        "Hebbian above convolutional network at eps 0.3, the report's attack: the plateau",
        (_under("fgsm-report", "report-normal", 0.3), _under("fgsm-report", "simple-conv", 0.3)),
    ),
    _effect(
        "hebbian",
        "the plateau above what the worst of three losses leaves, Hebbian network at eps 0.3",
        (_under("fgsm-report", "report-normal", 0.3), _under("worst-case", "report-normal", 0.3)),
    ),
    _effect(
        "cnnf",
        "noisy training images, without feedback, above clean ones on noisy letters",
        (_on("cnn-noisy", images="noisy"), _on("cnn-clean", images="noisy")),
    ),
    _effect(
        "cnnf",
        "CNN-F above the report's CNN on noisy letters",
        (_on("cnn-feedback", images="noisy"), _on("cnn-clean", images="noisy")),
    ),
    _effect(
        "cnnf",
        "noisy training images above clean ones in the worst case at eps 0.05",
        (_under("worst-case", "cnn-noisy", 0.05), _under("worst-case", "cnn-clean", 0.05)),
    ),
    _effect(
        "kwta",
        "ReLU above k-WTA-0.1 without an attack",
        (_on(f"{FAST}-relu"), _on(f"{FAST}-kwta-low")),
        (_on(f"{RESNET}-relu"), _on(f"{RESNET}-kwta-low")),
    ),
    _effect(
        "kwta",
        "ReLU: the report's PGD leaves more than the original's step",
        (_under("pgd-report", f"{FAST}-relu", 0.031), _under("pgd-corrected", f"{FAST}-relu", 0.031)),
        (_under("pgd-report", f"{RESNET}-relu", 0.047), _under("pgd-corrected", f"{RESNET}-relu", 0.047)),
    ),
    _effect(
        "kwta",
        "k-WTA-0.1 above ReLU under DeepFool",
        (
            _under("deepfool-report", f"{FAST}-kwta-low", 0.031),
            _under("deepfool-report", f"{FAST}-relu", 0.031),
        ),
        (
            _under("deepfool-report", f"{RESNET}-kwta-low", 0.047),
            _under("deepfool-report", f"{RESNET}-relu", 0.047),
        ),
    ),
    _effect(
        "vonenet",
        "plain above the V1 stage without an attack",
        (_on("resnet50"), _on("voneresnet50")),
    ),
    _effect(
        "vonenet",
        "the V1 stage above plain under PGD at eps 0.016",
        (
            _under("pgd-cross-entropy", "voneresnet50", 0.01569),
            _under("pgd-cross-entropy", "resnet50", 0.01569),
        ),
    ),
    _effect(
        "vonenet",
        "the V1 stage's noise: with it above without, PGD at eps 0.016",
        (
            _under("pgd-cross-entropy", "voneresnet50", 0.01569),
            _under("pgd-cross-entropy", "voneresnet50-noiseless", 0.01569),
        ),
    ),
    _effect(
        "question",
        "adversarial training above the plain network, worst case at eps 0.1, MNIST",
        (_under("worst-case", "mnist-adversarial", 0.1), _under("worst-case", "mnist-plain", 0.1)),
    ),
    _effect(
        "question",
        "k-WTA above the plain network, PGD with the report's step at eps 0.1, MNIST",
        (_under("pgd-report", "mnist-kwta-low", 0.1), _under("pgd-report", "mnist-plain", 0.1)),
    ),
    _effect(
        "question",
        "k-WTA above the plain network, worst case at eps 0.1, MNIST",
        (_under("worst-case", "mnist-kwta-low", 0.1), _under("worst-case", "mnist-plain", 0.1)),
    ),
)


@dataclass(frozen=True)
class Compared:
    """An effect in this run and in the recorded one; None where it was not run. Differences are proportions."""

    effect: Effect
    now: Difference | None
    recorded: Difference | None

    @property
    def word(self) -> str:
        """One of SAME, OTHER, SMALL, MISSING. Only an effect whose interval excludes 0 points anywhere."""
        if self.now is None or self.recorded is None:
            return MISSING
        if any(found.low <= 0 <= found.high for found in (self.now, self.recorded)):
            return SMALL
        return SAME if (self.now.value > 0) == (self.recorded.value > 0) else OTHER


def compared(now: Measurements, recorded: Measurements | None, *, study: str) -> list[Compared]:
    """The study's headline effects in two runs."""
    effects = [effect for effect in EFFECTS if effect.study == study]
    return [
        Compared(effect, _measured(effect, now), None if recorded is None else _measured(effect, recorded))
        for effect in effects
    ]


def _measured(effect: Effect, metrics: Measurements) -> Difference | None:
    for first, second in effect.pairs:
        try:
            return between(first, second, metrics, study=effect.study)
        except NotMeasured:
            continue
    return None


def table(found: Sequence[Compared]) -> Table:
    """A row per effect: this run, the recorded one, and whether they point the same way."""
    return declared(
        "agreement",
        paragraphs(SHARED, "agreement_table"),
        found,
        (
            Column("study", "", lambda item: item.effect.study),
            Column("first accuracy minus second", "text", lambda item: item.effect.words, "effect"),
            Column("this run [95 %]", "difference", lambda item: item.now, "now"),
            Column("recorded [95 %]", "difference", lambda item: item.recorded, "recorded"),
            Column("agreement", "text", lambda item: item.word, "word"),
        ),
    )
