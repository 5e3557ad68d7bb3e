"""The measured side of a check: its quantity over trainings and images, or the contrast of two, with an interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from biorobust.core.intervals import LEVEL
from biorobust.reporting.claim import CONTRASTS, Check, Claim, Quantity
from biorobust.reporting.estimates import NotMeasured, paired, share
from biorobust.reporting.measurements import Measurements, eps_key
from biorobust.reporting.quantities import PerSeed, asked, per_seed
from biorobust.statistics.accuracy import Accuracy, Borrowed, difference, error_ratio, interval, pooled

IMAGES_AND_SEEDS, IMAGES, SEEDS = "images and seeds", "images", "seeds"
BORROWED = "images and seeds (scatter of seeds borrowed)"
# Measurements of this folder do not come from a training, so one of them is no single training.
UNTRAINED = "timing/"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Proportions, all None where nothing was measured.

    `low`, `high` belong to `difference` where there is one, else to `measured`. `ratio`: errors of the first over
    errors of the second with its interval, where the rule asks for it. `interval` says over what it reaches, or which
    end is open. `provisional`: one training, whose scatter nobody knows. `p`: of the test against 0, not corrected;
    `path`: the file.
    """

    measured: float | None = None
    against: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: tuple[float, float, float] | None = None
    interval: str = ""
    n_images: int | None = None
    n_seeds: int | None = None
    p: float | None = None
    provisional: bool = False
    path: str = ""

    @property
    def middle(self) -> float:
        """What the interval is of."""
        found = self.measured if self.difference is None else self.difference
        assert found is not None
        return found


@dataclass
class Scatter:
    """Between-seed variance of a study's accuracies, for settings that were trained once.

    `runs`: every run of the study that a claim names. One instance serves all checks of a study.
    """

    metrics: Measurements
    runs: tuple[str, ...]
    _known: dict[Quantity, Borrowed | None] = field(default_factory=dict)

    @classmethod
    def of(cls, study: str, claims: Iterable[Claim], metrics: Measurements) -> Scatter:
        checks = [check for claim in claims if claim.study == study for check in claim.every_check]
        named = (q.of for check in checks for q in check.quantities if q.kind == "accuracy" and "/" not in q.of)
        return cls(metrics, tuple(dict.fromkeys(named)))

    def borrowed(self, quantity: Quantity, eps: float | None) -> Borrowed | None:
        """Pooled over the runs with several trainings, under the same attack or on the same kind of images."""
        key = replace(quantity, of=f"{eps_key(eps or 0.0)}")
        if key not in self._known:
            found = []
            for run in self.runs:
                try:
                    of_run = per_seed(replace(quantity, of=run), eps, self.metrics)
                except NotMeasured:
                    continue
                entries = (self.metrics.get(f"train/{run}") or {}).get("per_seed", ())
                if not any(entry.get("collapsed") or entry.get("diverged") for entry in entries):
                    found.append(Accuracy(tuple(of_run.counts.values()), of_run.n_images or 0))
            self._known[key] = pooled(found)
        return self._known[key]

    def accuracy(self, quantity: Quantity, eps: float | None) -> Accuracy:
        """A share of images, training by training, with the scatter that the others lend to a single one."""
        found = share(asked(quantity, eps), self.metrics)
        if quantity.kind != "accuracy" or found.n_seeds > 1:
            return found
        return replace(found, borrowed=self.borrowed(quantity, eps))


def measure(check: Check, scatter: Scatter) -> Measured:
    """Raises NotMeasured when a file, an attack, an epsilon or a value is not there."""
    if check.quantity.kind == "curve_distance":
        return _curve_distance(check.quantity, scatter)
    first = per_seed(check.quantity, check.eps, scatter.metrics)
    if check.against is None:
        return _single(check, first, scatter)
    second = per_seed(check.against, check.eps, scatter.metrics)
    if first.over_seeds and second.over_seeds:
        return _shares_of_seeds(first.over_seeds, second.over_seeds, path=first.path)
    kinds = check.quantity.kind, check.against.kind
    same_attack = (check.quantity.of, check.quantity.attack) == (check.against.of, check.against.attack)
    if kinds == ("accuracy", "zero_gradient_correct") and same_attack:
        return _part_of_the_right(first, second)
    if first.counts and second.counts:
        return _accuracies(check, check.against, first.path, scatter)
    return _values(check, check.against, first, second)


def _reach(known: bool, several: bool) -> dict[str, Any]:
    """Over what the interval of a share of images reaches. known: how it scatters over seeds; several: from its own."""
    return {
        "interval": IMAGES if not known else IMAGES_AND_SEEDS if several else BORROWED,
        "provisional": not known,
    }


def _accuracies(check: Check, against: Quantity, path: str, scatter: Scatter) -> Measured:
    a, b = (scatter.accuracy(quantity, check.eps) for quantity in (check.quantity, against))
    first, second = (asked(quantity, check.eps) for quantity in (check.quantity, against))
    tables = paired(first, second, scatter.metrics)
    same = check.quantity.of == against.of
    found = difference(a, b, tables=tables, same_networks=same)
    ratio = error_ratio(a, b, tables=tables) if check.errors else None
    # One network tested in two ways: that its accuracy scatters says nothing of how the difference does.
    known = a.n_seeds > 1 if same else a.knows_seeds and b.knows_seeds
    return Measured(
        measured=a.value,
        against=b.value,
        difference=found.value,
        low=found.low,
        high=found.high,
        ratio=ratio and ratio[:3],
        n_images=a.n,
        n_seeds=min(a.n_seeds, b.n_seeds),
        p=ratio.p if ratio else found.p,
        path=path,
        **_reach(known, a.n_seeds > 1 and b.n_seeds > 1),
    )


def _single(check: Check, found: PerSeed, scatter: Scatter) -> Measured:
    contrast = check.rule in CONTRASTS  # a logged difference, against 0
    if (one := found.over_seeds) and not contrast:
        low, high = interval(one)
        return Measured(measured=one.value, low=low, high=high, interval=SEEDS, n_seeds=one.n, path=found.path)
    if found.counts and not contrast:
        one = scatter.accuracy(check.quantity, check.eps)
        return _share(one, path=found.path, measured=one.value)
    return _logged(found, contrast=contrast)


def _logged(found: PerSeed, *, contrast: bool) -> Measured:
    """A logged value: its mean, with the t interval over seeds, or for one seed what the file itself gives."""
    values = list(found.values.values())
    mean, (reach, p) = fmean(values), _t_test(values)
    low, high, words = None, None, ""
    if reach is not None:
        low, high, words = mean - reach, mean + reach, SEEDS
    elif found.over_images:
        low, high, words = *next(iter(found.over_images.values())), IMAGES
    return Measured(
        measured=mean,
        difference=mean if contrast else None,
        low=low,
        high=high,
        interval=words,
        n_seeds=len(values),
        p=p if contrast else None,
        provisional=len(values) == 1 and not found.path.startswith(UNTRAINED),
        path=found.path,
    )


def _share(one: Accuracy, **more: Any) -> Measured:
    """One share of images with its interval."""
    low, high = interval(one)
    reach = _reach(one.knows_seeds, one.n_seeds > 1)
    return Measured(low=low, high=high, n_images=one.n, n_seeds=one.n_seeds, **reach, **more)


def _part_of_the_right(first: PerSeed, second: PerSeed) -> Measured:
    """An attack by gradients cannot move an image without any, so the difference of the two is itself a share."""
    gaps = [first.counts[seed] - second.counts[seed] for seed in first.counts]
    if min(gaps) < 0:
        raise NotMeasured(f"{first.path}: more images without a gradient than are right")
    one = Accuracy(tuple(gaps), first.n_images or 0)
    means = (fmean(found.values.values()) for found in (first, second))
    return _share(one, path=first.path, difference=one.value, **dict(zip(("measured", "against"), means, strict=True)))


def _shares_of_seeds(a: Accuracy, b: Accuracy, *, path: str) -> Measured:
    """Two shares of trainings, such as those that collapsed: every training counts once, as an image elsewhere."""
    value, low, high, p = difference(a, b)
    return Measured(
        measured=a.value,
        against=b.value,
        difference=value,
        low=low,
        high=high,
        interval=SEEDS,
        n_seeds=min(a.n, b.n),
        p=p,
        path=path,
    )


def _values(check: Check, against: Quantity, first: PerSeed, second: PerSeed) -> Measured:
    """Two logged values: independent over seeds, or seed by seed where both are of the same networks."""
    if first.never and second.never:
        raise NotMeasured(f"seeds of neither of the two trainings all reached {check.quantity.key}")
    a, b = list(first.values.values()), list(second.values.values())
    gap = fmean(a) - fmean(b)
    if check.quantity.of == against.of and set(first.values) == set(second.values):
        reach, p = _t_test([first.values[seed] - second.values[seed] for seed in first.values])
    else:
        reach, p = _t_test(a, b)
    low, high, words = (gap - reach, gap + reach, SEEDS) if reach is not None else (None, None, "")
    if first.never:  # the difference is at least so much
        low, high, words = gap if low is None else low, None, "open above"
    if second.never:
        low, high, words = None, gap if high is None else high, "open below"
    n_seeds = min(len(a), len(b))
    return Measured(
        measured=fmean(a),
        against=fmean(b),
        difference=gap,
        low=low,
        high=high,
        interval=words,
        n_images=first.n_images,
        n_seeds=n_seeds,
        p=p,
        provisional=n_seeds == 1 and not first.path.startswith(UNTRAINED),
        path=first.path,
    )


def _t_test(values: Sequence[float], others: Sequence[float] | None = None) -> tuple[float | None, float | None]:
    """Of a mean, or a difference of two: half-width of its 95 % interval (Student's or Welch's), two-sided p.

    Both None with a single value.
    """
    from scipy import stats

    groups = [values] if others is None else [values, others]
    if min(map(len, groups)) < 2:
        return None, None
    if all(len(set(group)) == 1 for group in groups):  # nothing scatters
        return 0.0, float(values[0] == (others or [0.0])[0])
    test = stats.ttest_1samp(values, 0.0) if others is None else stats.ttest_ind(values, others, equal_var=False)
    low, high = test.confidence_interval(LEVEL)
    return float(high - low) / 2, float(test.pvalue)


def _curve_distance(quantity: Quantity, scatter: Scatter) -> Measured:
    """Largest |mean over seeds - published| over the published epsilons.

    Its interval: from the largest of the distances that are sure at one epsilon, to the largest that is possible.
    """
    assert quantity.published is not None
    under = Quantity("accuracy", of=quantity.of, attack=quantity.attack)
    curve = [(printed, scatter.accuracy(under, eps)) for eps, printed in quantity.published.accuracy]
    ends = [(printed, *interval(one)) for printed, one in curve]
    first = curve[0][1]
    return Measured(
        measured=max(abs(one.value - printed) for printed, one in curve),
        low=max(max(low - printed, printed - high, 0.0) for printed, low, high in ends),
        high=max(max(abs(low - printed), abs(high - printed)) for printed, low, high in ends),
        n_images=first.n,
        n_seeds=first.n_seeds,
        path=f"attack/{quantity.of}.json",
        **_reach(all(one.knows_seeds for _, one in curve), first.n_seeds > 1),
    )
