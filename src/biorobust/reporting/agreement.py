"""Does this run point the same way as the recorded one? Headline effect by headline effect, at any size of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biorobust.reporting.claim import Quantity
from biorobust.reporting.effects import MISSING, OTHER, SAME, SMALL
from biorobust.reporting.measure import NotMeasured, between
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.tables.table import Column, Table, Value
from biorobust.statistics import Difference


@dataclass(frozen=True)
class Side:
    """An accuracy: of a run, clean or under an attack at an epsilon, on clean or noisy test images."""

    run: str
    attack: str | None = None
    eps: float = 0.0
    images: str = "clean"

    @property
    def quantity(self) -> Quantity:
        return Quantity("accuracy", of=self.run, attack=self.attack, images=self.images)


@dataclass(frozen=True)
class Effect:
    """The first accuracy minus the second. `pairs`: the first of them that a run holds stands for it."""

    study: str
    words: str
    pairs: tuple[tuple[Side, Side], ...]


def _effect(study: str, words: str, *pairs: tuple[Side, Side]) -> Effect:
    return Effect(study, words, pairs)


def _fgsm(run: str, eps: float) -> Side:
    return Side(run, "fgsm-report", eps)


def _pgd(run: str, eps: float, *, attack: str = "pgd-report") -> Side:
    return Side(run, attack, eps)


FAST, RESNET = "fast-cifar10-scratch", "resnet18-svhn-scratch"
EFFECTS = (
    _effect(
        "hebbian",
        "convolutional above Hebbian network at eps 0.1, the report's attack",
        (_fgsm("simple-conv", 0.1), _fgsm("report-normal", 0.1)),
    ),
    _effect(
        "hebbian",
        "Hebbian above convolutional network at eps 0.3, the report's attack: the plateau",
        (_fgsm("report-normal", 0.3), _fgsm("simple-conv", 0.3)),
    ),
    _effect(
        "hebbian",
        "the plateau above what the worst of three losses leaves, Hebbian network at eps 0.3",
        (_fgsm("report-normal", 0.3), Side("report-normal", "worst-case", 0.3)),
    ),
    _effect(
        "cnnf",
        "noisy training images, without feedback, above clean ones on noisy letters",
        (Side("cnn-noisy", images="noisy"), Side("cnn-clean", images="noisy")),
    ),
    _effect(
        "cnnf",
        "CNN-F above the report's CNN on noisy letters",
        (Side("cnn-feedback", images="noisy"), Side("cnn-clean", images="noisy")),
    ),
    _effect(
        "cnnf",
        "noisy training images above clean ones in the worst case at eps 0.05",
        (Side("cnn-noisy", "worst-case", 0.05), Side("cnn-clean", "worst-case", 0.05)),
    ),
    _effect(
        "kwta",
        "ReLU above k-WTA-0.1 without an attack",
        (Side(f"{FAST}-relu"), Side(f"{FAST}-kwta-low")),
        (Side(f"{RESNET}-relu"), Side(f"{RESNET}-kwta-low")),
    ),
    _effect(
        "kwta",
        "ReLU: the report's PGD leaves more than the original's step",
        (_pgd(f"{FAST}-relu", 0.031), _pgd(f"{FAST}-relu", 0.031, attack="pgd-corrected")),
        (_pgd(f"{RESNET}-relu", 0.047), _pgd(f"{RESNET}-relu", 0.047, attack="pgd-corrected")),
    ),
    _effect(
        "kwta",
        "k-WTA-0.1 above ReLU under DeepFool",
        (
            _pgd(f"{FAST}-kwta-low", 0.031, attack="deepfool-report"),
            _pgd(f"{FAST}-relu", 0.031, attack="deepfool-report"),
        ),
        (
            _pgd(f"{RESNET}-kwta-low", 0.047, attack="deepfool-report"),
            _pgd(f"{RESNET}-relu", 0.047, attack="deepfool-report"),
        ),
    ),
    _effect(
        "vonenet",
        "plain above the V1 stage without an attack",
        (Side("resnet50"), Side("voneresnet50")),
    ),
    _effect(
        "vonenet",
        "the V1 stage above plain under PGD at eps 0.016",
        (
            _pgd("voneresnet50", 0.01569, attack="pgd-cross-entropy"),
            _pgd("resnet50", 0.01569, attack="pgd-cross-entropy"),
        ),
    ),
    _effect(
        "vonenet",
        "the V1 stage's noise: with it above without, PGD at eps 0.016",
        (
            _pgd("voneresnet50", 0.01569, attack="pgd-cross-entropy"),
            _pgd("voneresnet50-noiseless", 0.01569, attack="pgd-cross-entropy"),
        ),
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


def compared(now: Metrics, recorded: Metrics | None, *, study: str) -> list[Compared]:
    """The study's headline effects in two runs."""
    effects = [effect for effect in EFFECTS if effect.study == study]
    return [
        Compared(effect, _measured(effect, now), None if recorded is None else _measured(effect, recorded))
        for effect in effects
    ]


def _measured(effect: Effect, metrics: Metrics) -> Difference | None:
    for first, second in effect.pairs:
        try:
            return between(
                (first.quantity, first.eps), (second.quantity, second.eps), metrics=metrics, study=effect.study
            )
        except NotMeasured:
            continue
    return None


def table(found: Sequence[Compared]) -> Table:
    """A row per effect: this run, the recorded one, and whether they point the same way."""
    rows: list[dict[str, Value]] = []
    for item in found:
        row: dict[str, Value] = {"study": item.effect.study, "effect": item.effect.words, "word": item.word}
        for key, side in (("now", item.now), ("recorded", item.recorded)):
            if side is not None:
                row |= {key: side.value, f"{key}_low": side.low, f"{key}_high": side.high}
        rows.append(row)
    return Table(
        id="agreement",
        title="Headline effects of this run beside the recorded ones",
        caption="Difference of accuracies in points, with its 95 % interval. Only an effect whose interval excludes 0 "
        "points anywhere.",
        columns=(
            Column("effect", "first accuracy minus second"),
            Column("now", "this run [95 %]", "difference"),
            Column("recorded", "recorded [95 %]", "difference"),
            Column("word", "agreement"),
        ),
        rows=tuple(rows),
    )
