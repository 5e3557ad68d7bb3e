"""The measured side of a check: its quantity over trainings and images, or the contrast of two, with an interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean, variance

from biorobust.core.intervals import LEVEL, mean_interval, wilson
from biorobust.reporting.claim import CONTRASTS, Check, Claim, Quantity
from biorobust.reporting.estimates import NotMeasured, paired, share
from biorobust.reporting.measurements import Measurements, eps_key
from biorobust.reporting.quantities import PerSeed, asked, per_seed
from biorobust.statistics.accuracy import Accuracy, Borrowed, difference, error_ratio, interval, pooled

__all__ = ["Measured", "NotMeasured", "Scatter", "measure"]

IMAGES_AND_SEEDS, IMAGES, SEEDS = "images and seeds", "images", "seeds"
BORROWED = "images and seeds (scatter of seeds borrowed)"
# Measurements of these folders do not come from a training, so one of them is no single training.
UNTRAINED = ("timing/",)


@dataclass(frozen=True)
class Measured:
    """Proportions. `low`, `high` belong to `difference` where there is one, else to `value`.

    `ratio`: errors of the first over errors of the second with its interval, where that is what the rule asks.
    `interval` says over what it reaches, or which end is open ("open above", "open below"). `provisional`: one
    training, whose scatter nobody knows. `p` is of the test against 0 and not yet corrected; `path` the metrics file.
    """

    value: float
    n_seeds: int
    path: str
    against: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: tuple[float, float, float] | None = None
    interval: str = ""
    n_images: int | None = None
    provisional: bool = False
    p: float | None = None


@dataclass
class Scatter:
    """Between-seed variance of a study's accuracies, for settings that were trained once.

    `runs`: every run of the study that a claim names. One instance serves all checks of a study.
    """

    metrics: Measurements
    study: str
    runs: tuple[str, ...]
    _known: dict[Quantity, Borrowed | None] = field(default_factory=dict)

    @classmethod
    def of(cls, study: str, claims: Iterable[Claim], metrics: Measurements) -> Scatter:
        checks = [
            check
            for claim in claims
            if claim.study == study
            for reading in claim.readings or (None,)
            for check in claim.under(reading)
        ]
        quantities = [q for check in checks for q in (check.quantity, check.against) if q and q.kind == "accuracy"]
        return cls(metrics, study, tuple(dict.fromkeys(q.of for q in quantities if "/" not in q.of)))

    def borrowed(self, quantity: Quantity, eps: float | None) -> Borrowed | None:
        """Pooled over the runs with several trainings, under the same attack or on the same kind of images."""
        key = Quantity(quantity.kind, of=f"{eps_key(eps or 0.0)}", attack=quantity.attack, images=quantity.images)
        if key not in self._known:
            found = []
            for run in self.runs:
                try:
                    of_run = per_seed(
                        Quantity("accuracy", of=run, attack=quantity.attack, images=quantity.images), eps, self.metrics
                    )
                except NotMeasured:
                    continue
                if not _broken(run, self.metrics):
                    found.append(Accuracy(tuple(of_run.counts.values()), of_run.n_images or 0))
            self._known[key] = pooled(found)
        return self._known[key]


def _broken(run: str, metrics: Measurements) -> bool:
    content = metrics.get(f"train/{run}")
    return bool(content) and any(entry.get("collapsed") or entry.get("diverged") for entry in content["per_seed"])  # type: ignore[index]


def measure(check: Check, metrics: Measurements, *, scatter: Scatter) -> Measured:
    """Raises NotMeasured when a file, an attack, an epsilon or a value is not there."""
    if check.quantity.kind == "curve_distance":
        return _curve_distance(check.quantity, metrics, scatter)
    first = per_seed(check.quantity, check.eps, metrics)
    if check.against is None:
        return _single(check, first, metrics, scatter)
    second = per_seed(check.against, check.eps, metrics)
    if first.over_seeds and second.over_seeds:
        return _shares_of_seeds(first, second)
    if _nested(check.quantity, check.against):
        return _part_of_the_right(first, second)
    if first.counts and second.counts:
        return _accuracies(check, first.path, metrics, scatter)
    return _values(check, first, second)


def accuracy(
    quantity: Quantity, eps: float | None, metrics: Measurements, *, study: str, scatter: Scatter | None = None
) -> Accuracy:
    """A share of images, training by training, with the scatter that `scatter` lends to a single one."""
    lends = scatter is not None and quantity.kind == "accuracy"
    found = share(asked(quantity, eps), metrics, study=study)
    if not lends or found.n_seeds > 1:
        return found
    return replace(found, borrowed=scatter.borrowed(quantity, eps))  # type: ignore[union-attr]


def _accuracies(check: Check, path: str, metrics: Measurements, scatter: Scatter) -> Measured:
    assert check.against is not None
    study = scatter.study
    a = accuracy(check.quantity, check.eps, metrics, study=study, scatter=scatter)
    b = accuracy(check.against, check.eps, metrics, study=study, scatter=scatter)
    tables = paired(asked(check.quantity, check.eps), asked(check.against, check.eps), metrics, study=study)
    same = check.quantity.of == check.against.of
    found = difference(a, b, tables=tables, same_networks=same)
    ratio = error_ratio(a, b, tables=tables) if check.errors else None
    # One network tested in two ways: that its accuracy scatters says nothing of how the difference does.
    known = a.n_seeds > 1 if same else a.knows_seeds and b.knows_seeds
    measured_seeds = a.n_seeds > 1 and b.n_seeds > 1
    return Measured(
        value=a.value,
        against=b.value,
        difference=found.value,
        low=found.low,
        high=found.high,
        ratio=ratio and (ratio.value, ratio.low, ratio.high),
        interval=IMAGES if not known else IMAGES_AND_SEEDS if measured_seeds else BORROWED,
        n_images=a.n,
        n_seeds=min(a.n_seeds, b.n_seeds),
        provisional=not known,
        p=ratio.p if ratio else found.p,
        path=path,
    )


def _single(check: Check, found: PerSeed, metrics: Measurements, scatter: Scatter) -> Measured:
    if check.rule in CONTRASTS:  # a logged difference, against 0
        return _against_zero(found)
    if found.over_seeds:
        low, high = wilson(*found.over_seeds)
        value = found.over_seeds[0] / found.over_seeds[1]
        return Measured(value, found.over_seeds[1], found.path, low=low, high=high, interval=SEEDS)
    if found.counts:
        one = accuracy(check.quantity, check.eps, metrics, study=scatter.study, scatter=scatter)
        low, high = interval(one)
        words = IMAGES if not one.knows_seeds else IMAGES_AND_SEEDS if one.n_seeds > 1 else BORROWED
        return Measured(
            one.value,
            one.n_seeds,
            found.path,
            low=low,
            high=high,
            interval=words,
            n_images=one.n,
            provisional=not one.knows_seeds,
        )
    mean, low_, high_, words = _logged(found)
    provisional = len(found.values) == 1 and not found.path.startswith(UNTRAINED)
    return Measured(mean, len(found.values), found.path, low=low_, high=high_, interval=words, provisional=provisional)


def _logged(found: PerSeed) -> tuple[float, float | None, float | None, str]:
    """A logged value: its mean, and the t interval over seeds, or for one seed what the file itself gives."""
    mean, _, half_width = mean_interval(list(found.values.values()))
    if half_width is not None:
        return mean, mean - half_width, mean + half_width, SEEDS
    if found.over_images:
        low, high = next(iter(found.over_images.values()))
        return mean, low, high, IMAGES
    return mean, None, None, ""


def _against_zero(found: PerSeed) -> Measured:
    mean, low, high, words = _logged(found)
    return Measured(
        mean,
        len(found.values),
        found.path,
        difference=mean,
        low=low,
        high=high,
        interval=words,
        provisional=len(found.values) == 1,
        p=_t_test([(list(found.values.values()), 1.0)]),
    )


def _nested(a: Quantity, b: Quantity) -> bool:
    """Whether b counts a part of a's images: those without any gradient, of those that an attack leaves right."""
    return a.kind == "accuracy" and b.kind == "zero_gradient_correct" and (a.of, a.attack) == (b.of, b.attack)


def _part_of_the_right(first: PerSeed, second: PerSeed) -> Measured:
    """An attack by gradients cannot move an image without any, so the difference of the two is itself a share."""
    gaps = [first.counts[seed] - second.counts[seed] for seed in first.counts]
    n = first.n_images or 0
    if min(gaps) < 0:
        raise NotMeasured(f"{first.path}: more images without a gradient than are right")
    share = Accuracy(tuple(gaps), n)
    low, high = interval(share)
    return Measured(
        value=fmean(first.values.values()),
        against=fmean(second.values.values()),
        difference=share.value,
        low=low,
        high=high,
        interval=IMAGES_AND_SEEDS if share.n_seeds > 1 else IMAGES,
        n_images=n,
        n_seeds=share.n_seeds,
        provisional=share.n_seeds == 1,
        path=first.path,
    )


def _shares_of_seeds(first: PerSeed, second: PerSeed) -> Measured:
    """Two shares of trainings, such as those that collapsed: every training counts once, as an image elsewhere."""
    assert first.over_seeds
    assert second.over_seeds
    (k_a, n_a), (k_b, n_b) = first.over_seeds, second.over_seeds
    found = difference(Accuracy((k_a,), n_a), Accuracy((k_b,), n_b))
    return Measured(
        value=k_a / n_a,
        against=k_b / n_b,
        difference=found.value,
        low=found.low,
        high=found.high,
        interval=SEEDS,
        n_seeds=min(n_a, n_b),
        p=found.p,
        path=first.path,
    )


def _values(check: Check, first: PerSeed, second: PerSeed) -> Measured:
    """Two logged values: independent over seeds, or seed by seed where both are of the same networks."""
    assert check.against is not None
    if first.never and second.never:
        raise NotMeasured(f"seeds of neither of the two trainings all reached {check.quantity.key}")
    a, b = list(first.values.values()), list(second.values.values())
    same = check.quantity.of == check.against.of and set(first.values) == set(second.values)
    groups = (
        [([first.values[seed] - second.values[seed] for seed in first.values], 1.0)] if same else [(a, 1.0), (b, -1.0)]
    )
    gap = fmean(a) - fmean(b)
    reach = _welch(groups)
    low, high, words = (gap - reach, gap + reach, SEEDS) if reach is not None else (None, None, "")
    if first.never:  # the difference is at least so much
        low, high, words = gap if low is None else low, None, "open above"
    if second.never:
        low, high, words = None, gap if high is None else high, "open below"
    return Measured(
        value=fmean(a),
        against=fmean(b),
        difference=gap,
        low=low,
        high=high,
        interval=words,
        n_images=first.n_images,
        n_seeds=min(len(a), len(b)),
        provisional=min(len(a), len(b)) == 1 and not first.path.startswith(UNTRAINED),
        p=_t_test(groups),
        path=first.path,
    )


def _components(groups: list[tuple[list[float], float]]) -> list[tuple[float, int]]:
    return [(variance(values) / len(values), len(values) - 1) for values, _ in groups]


def _welch(groups: list[tuple[list[float], float]]) -> float | None:
    """Half-width of Welch's 95 % interval of a sum of means; None with a single value in a group."""
    if any(len(values) < 2 for values, _ in groups):
        return None
    from scipy.stats import t

    parts = _components(groups)
    total, spread = sum(part for part, _ in parts), sum(part**2 / df for part, df in parts)
    return float(t.ppf((1 + LEVEL) / 2, total**2 / spread)) * math.sqrt(total) if spread > 0 else 0.0


def _t_test(groups: list[tuple[list[float], float]]) -> float | None:
    """Two-sided p of Welch's test against 0; None with a single value in a group."""
    if any(len(values) < 2 for values, _ in groups):
        return None
    from scipy.stats import t

    parts = _components(groups)
    total, spread = sum(part for part, _ in parts), sum(part**2 / df for part, df in parts)
    centre = sum(sign * fmean(values) for values, sign in groups)
    if spread <= 0:
        return 1.0 if centre == 0 else 0.0
    return float(2 * t.sf(abs(centre) / math.sqrt(total), total**2 / spread))


def _curve_distance(quantity: Quantity, metrics: Measurements, scatter: Scatter) -> Measured:
    """Largest |mean over seeds - published| over the published epsilons.

    Its interval: from the largest of the distances that are sure at one epsilon, to the largest that is possible.
    """
    assert quantity.published is not None
    under = Quantity("accuracy", of=quantity.of, attack=quantity.attack)
    distances: list[tuple[float, float, float]] = []
    curve: Mapping[float, Accuracy] = {
        eps: accuracy(under, eps, metrics, study=scatter.study, scatter=scatter)
        for eps, _ in quantity.published.accuracy
    }
    for eps, printed in quantity.published.accuracy:
        low, high = interval(curve[eps])
        nearest = max(low - printed, printed - high, 0.0)
        distances.append((abs(curve[eps].value - printed), nearest, max(abs(low - printed), abs(high - printed))))
    first = next(iter(curve.values()))
    known = all(one.knows_seeds for one in curve.values())
    return Measured(
        value=max(distance for distance, _, _ in distances),
        low=max(nearest for _, nearest, _ in distances),
        high=max(furthest for _, _, furthest in distances),
        interval=IMAGES if not known else IMAGES_AND_SEEDS if first.n_seeds > 1 else BORROWED,
        n_images=first.n,
        n_seeds=first.n_seeds,
        provisional=not known,
        path=f"attack/{quantity.of}.json",
    )
