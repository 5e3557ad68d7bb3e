"""The measured side of a check: its quantity over trainings and images, or the contrast of two, with an interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from biorobust.core.intervals import LEVEL
from biorobust.reporting.claim import CONTRASTS, Check, Claim, Quantity
from biorobust.reporting.estimates import NotMeasured, Share, counts, paired, results, share
from biorobust.reporting.measurements import Measurements, eps_key
from biorobust.reporting.quantities import PerSeed, per_seed
from biorobust.reporting.requirements import files_of
from biorobust.statistics.accuracy import Accuracy, Borrowed, difference, error_ratio, interval, pooled

IMAGES_AND_SEEDS, IMAGES, SEEDS = "images and seeds", "images", "seeds"
BORROWED = "images and seeds (scatter of seeds borrowed)"
SHARES = ("accuracy", "zero_gradient_correct", "reached")  # of images
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
                entries = (self.metrics.get(f"train/{run}") or {}).get("per_seed", ())
                if not any(entry.get("collapsed") or entry.get("diverged") for entry in entries):
                    with suppress(NotMeasured):
                        rows = counts(asked(replace(quantity, of=run), eps), self.metrics)
                        found.append(Accuracy(tuple(row.k or 0 for row in rows), rows[0].n or 0))
            self._known[key] = pooled(found)
        return self._known[key]

    def share(self, quantity: Quantity, eps: float | None) -> Accuracy:
        """A share of images, training by training, with the scatter that the others lend to a single one."""
        found = share(asked(quantity, eps), self.metrics)
        if quantity.kind != "accuracy" or found.n_seeds > 1:
            return found
        return replace(found, borrowed=self.borrowed(quantity, eps))


def asked(quantity: Quantity, eps: float | None) -> Share:
    """The share of images that a quantity is, at an epsilon."""
    return Share(quantity.of, quantity.kind, quantity.attack, eps, quantity.images)


def measure(check: Check, scatter: Scatter) -> Measured:
    """Raises NotMeasured when a file, an attack, an epsilon or a value is not there."""
    quantity, path = check.quantity, f"{files_of(check.quantity)[-1]}.json"
    if quantity.kind == "curve_distance":
        found = _curve_distance(quantity, scatter)
    elif quantity.kind == "collapses":
        found = _collapses(check, scatter.metrics)
    elif quantity.kind in SHARES:
        found = _shares(check, scatter)
    else:
        found = _logged(check, scatter.metrics)
        path = f"curves/{quantity.of}.csv" if quantity.kind == "fall" else path
    return replace(found, path=path)


def _reach(known: bool, several: bool) -> dict[str, Any]:
    """Over what the interval of a share of images reaches. known: how it scatters over seeds; several: from its own."""
    return {
        "interval": IMAGES if not known else IMAGES_AND_SEEDS if several else BORROWED,
        "provisional": not known,
    }


def _shares(check: Check, scatter: Scatter) -> Measured:
    """A share of images, or the contrast of two."""
    first, second = check.quantity, check.against
    a = scatter.share(first, check.eps)
    if second is None:
        return _share(a, measured=a.value)
    b = scatter.share(second, check.eps)
    if first.kind != second.kind:
        # An attack by gradients cannot move an image without any, so the difference of the two is itself a share.
        gaps = [right - unmoved for right, unmoved in zip(a.counts, b.counts, strict=True)]
        if min(gaps) < 0:
            raise NotMeasured(f"{files_of(first)[-1]}.json: more images without a gradient than are right")
        moved = Accuracy(tuple(gaps), a.n)
        return _share(moved, measured=a.value, against=b.value, difference=moved.value)
    tables = paired(asked(first, check.eps), asked(second, check.eps), scatter.metrics)
    same = first.of == second.of
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
        **_reach(known, a.n_seeds > 1 and b.n_seeds > 1),
    )


def _share(one: Accuracy, **more: Any) -> Measured:
    """One share of images with its interval."""
    low, high = interval(one)
    reach = _reach(one.knows_seeds, one.n_seeds > 1)
    return Measured(low=low, high=high, n_images=one.n, n_seeds=one.n_seeds, **reach, **more)


def _collapses(check: Check, m: Measurements) -> Measured:
    """The share of trainings that collapsed, or two of them: every training counts once, as an image elsewhere."""
    found = []
    for quantity in check.quantities:
        entries = results(quantity.of, m)["per_seed"]
        found.append(Accuracy((sum(bool(entry["collapsed"] or entry["diverged"]) for entry in entries),), len(entries)))
    a, *others = found
    if not others:
        low, high = interval(a)
        return Measured(measured=a.value, low=low, high=high, interval=SEEDS, n_seeds=a.n)
    (b,) = others
    gap, low, high, p = difference(a, b)
    ends: dict[str, Any] = {"low": low, "high": high, "interval": SEEDS, "n_seeds": min(a.n, b.n)}
    return Measured(measured=a.value, against=b.value, difference=gap, p=p, **ends)


def _logged(check: Check, m: Measurements) -> Measured:
    """A logged value: its mean, with the t interval over seeds, or for one seed what the file itself gives."""
    found = per_seed(check.quantity, m)
    if check.against is not None:
        return _two_logged(check, found, per_seed(check.against, m))
    contrast = check.rule in CONTRASTS  # a logged difference, against 0
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
        provisional=_provisional(check, len(values)),
    )


def _two_logged(check: Check, first: PerSeed, second: PerSeed) -> Measured:
    """Two logged values: independent over seeds, or seed by seed where both are of the same networks."""
    if first.never and second.never:
        raise NotMeasured(f"seeds of neither of the two trainings all reached {check.quantity.key}")
    a, b = list(first.values.values()), list(second.values.values())
    gap = fmean(a) - fmean(b)
    if len({quantity.of for quantity in check.quantities}) == 1 and set(first.values) == set(second.values):
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
        n_seeds=n_seeds,
        p=p,
        provisional=_provisional(check, n_seeds),
    )


def _provisional(check: Check, n_seeds: int) -> bool:
    return n_seeds == 1 and not check.quantity.of.startswith(UNTRAINED)


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
    curve = [(printed, scatter.share(under, eps)) for eps, printed in quantity.published.accuracy]
    ends = [(printed, *interval(one)) for printed, one in curve]
    first = curve[0][1]
    return Measured(
        measured=max(abs(one.value - printed) for printed, one in curve),
        low=max(max(low - printed, printed - high, 0.0) for printed, low, high in ends),
        high=max(max(abs(low - printed), abs(high - printed)) for printed, low, high in ends),
        n_images=first.n,
        n_seeds=first.n_seeds,
        **_reach(all(one.knows_seeds for _, one in curve), first.n_seeds > 1),
    )
