"""What tables, figures, sentences and claims ask of the table of measurements: estimates with their intervals.

`share` counts the images of a run, training by training, and `between` compares two on the same images; on them stand
`accuracy`, `curve` and `difference`. `value` and `values` are numbers that a file logs for each seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biorobust.core import outcomes
from biorobust.core.outcomes import Cell
from biorobust.reporting.measurements import Measurements, Row
from biorobust.reporting.metrics_file import Content
from biorobust.statistics import Accuracy, Counts, Difference, interval, mean_interval, paired_counts
from biorobust.statistics import difference as difference_of


class NotMeasured(Exception):
    """The metrics do not hold what is asked for; the message says what is missing."""


class Estimate(NamedTuple):
    """A value with its 95 % interval; `n` images (0: not of images), `n_seeds` trainings."""

    value: float
    low: float
    high: float
    n: int
    n_seeds: int


@dataclass(frozen=True)
class AttackCurve:
    """Accuracy of a run under one attack, `points[i]` at `eps[i]` (L-infinity, pixel intensity in [0,1])."""

    eps: tuple[float, ...]
    points: tuple[Estimate, ...]

    @property
    def first(self) -> Estimate:
        """Without an attack, where the smallest epsilon is 0."""
        return self.points[0]

    @property
    def last(self) -> Estimate:
        """At the largest epsilon."""
        return self.points[-1]

    def at(self, eps: float) -> Estimate | None:
        """The point at one epsilon, None where it was not attacked."""
        return next((p for value, p in zip(self.eps, self.points, strict=True) if abs(value - eps) < 1e-9), None)


# --- shares of images -------------------------------------------------------------------------------------------------


class Share(NamedTuple):
    """Which share of images is asked for: of a run, under an attack or on one kind of test images."""

    run: str
    quantity: str = "accuracy"
    attack: str | None = None
    eps: float | None = None
    images: str = "clean"


def counts(asked: Share, m: Measurements) -> Sequence[Row]:
    """The rows of a share, one per seed. Raises NotMeasured where one is not there."""
    if asked.attack is None:
        name = asked.run if "/" in asked.run else f"train/{asked.run}"
        entries, rows = results(name, m)["per_seed"], m.rows(name, "accuracy", images=asked.images)
        where = f"on {asked.images} images"
    else:
        name = f"attack/{asked.run}"
        entries = results(name, m)["attacks"].get(asked.attack, {"per_seed": [None]})["per_seed"]
        eps = None if asked.quantity == "zero_gradient_correct" else asked.eps or 0.0
        rows = m.rows(name, asked.quantity, attack=asked.attack, eps=eps)
        where = f"under {asked.attack}" + ("" if eps is None else f" at eps {eps:g}")
    if len(rows) < len(entries) or any(row.value is None for row in rows):
        raise NotMeasured(f"{name}.json has no {asked.quantity} {where}")
    return rows


def results(name: str, m: Measurements) -> Content:
    """A metrics file that has results. Raises NotMeasured with the reason for one that is missing or unavailable."""
    content = m.get(name)
    if content is None:
        raise NotMeasured(f"{name} was not run")
    if content.get("status") != "ok":
        raise NotMeasured(f"{name}: {content.get('reason', 'unavailable')}")
    return content


def share(asked: Share, m: Measurements) -> Accuracy:
    """A share of images, training by training, with the images themselves where they were kept. Raises NotMeasured."""
    rows = counts(asked, m)
    if len({row.n for row in rows}) != 1:
        raise NotMeasured(f"{rows[0].file}.json: the seeds were tested on different numbers of images")
    n, right = rows[0].n or 0, tuple(row.k or 0 for row in rows)
    images = _images(asked, m, rows)
    fits = images is not None and images.shape[1] == n and tuple(images.sum(axis=1).tolist()) == right
    return Accuracy(right, n, outcomes=images if fits else None)


def _images(asked: Share, m: Measurements, rows: Sequence[Row]) -> NDArray[np.bool_] | None:
    """Which images every training gets right, bool (S, n): as the file itself says, or the study's outcomes."""
    if asked.quantity != "accuracy":
        return None
    if asked.attack is None and asked.images == "clean":
        entries = (m.get(rows[0].file) or {})["per_seed"]
        if all("right" in entry for entry in entries):
            return np.stack([outcomes.from_text(entry["right"], entry["n"]) for entry in entries])
    kept = (m.outcomes(rows[0].study) or {}).get(_cell(asked, m))
    return kept.right if kept is not None and kept.seeds == tuple(row.seed for row in rows) else None


def _cell(asked: Share, m: Measurements) -> Cell:
    """Where the table of outcomes has a share."""
    if asked.attack is not None:
        return outcomes.cell(asked.run, asked.attack, asked.eps or 0.0)
    if asked.images == "clean":
        return outcomes.cell(asked.run, outcomes.CLEAN, 0.0)
    # Every run of a study is tested under one noise, or one blur, and its settings say at which level.
    disturbed, setting = {"noisy": ("noise", "evaluation_noise_level"), "blurred": ("blur", "evaluation_blur")}[
        asked.images
    ]
    return outcomes.cell(asked.run, disturbed, m.settings(f"train/{asked.run}").get(setting, 0.0))


def paired(a: Share, b: Share, m: Measurements) -> list[Counts]:
    """Paired counts on images that both were tested on: every two trainings where outcomes were kept, if only of a part
    of the images; equal seeds in older runs.
    """
    first, second, study = _cell(a, m), _cell(b, m), counts(a, m)[0].study
    if first.attack != second.attack or first.eps != second.eps:
        return []
    kept = m.outcomes(study)
    if kept is None:
        return list(m.pair(study, first.run, second.run, attack=first.attack, eps=first.eps).values())
    of_a, of_b = kept.get(first), kept.get(second)
    if of_a is None or of_b is None or not np.array_equal(of_a.images, of_b.images):
        return []
    return [paired_counts(right_a, right_b) for right_a in of_a.right for right_b in of_b.right]


def between(a: Share, b: Share, m: Measurements) -> Difference:
    """The first share minus the second. Raises NotMeasured where one is missing."""
    return difference_of(share(a, m), share(b, m), tables=paired(a, b, m), same_networks=a.run == b.run)


# --- what tables, figures and sentences ask ---------------------------------------------------------------------------


def estimate(found: Accuracy) -> Estimate:
    """A share of images with its interval, over images and, where there are several trainings, seeds."""
    return Estimate(found.value, *interval(found), n=found.n, n_seeds=found.n_seeds)


def accuracy(
    m: Measurements, run: str, *, attack: str | None = None, eps: float | None = None, images: str = "clean"
) -> Estimate | None:
    """Accuracy of a run, under an attack or on "clean", "noisy" or "blurred" test images.

    None where it was not run, and without an attack where a seed is broken, which is not averaged away.
    """
    seeds = (m.ran(f"train/{run}") or {}).get("per_seed", ()) if attack is None else ()
    if any(seed["collapsed"] or seed["diverged"] for seed in seeds):
        return None
    with suppress(NotMeasured):
        return estimate(share(Share(run, attack=attack, eps=eps, images=images), m))
    return None


def curve(m: Measurements, run: str, attack: str) -> AttackCurve | None:
    """Accuracy against epsilon under an attack; None where it was not run, without the epsilons at which it was not."""
    content = m.ran(f"attack/{run}")
    if not content or attack not in content["attacks"]:
        return None
    points = {eps: accuracy(m, run, attack=attack, eps=eps) for eps in content["eps"]}
    known = {eps: point for eps, point in points.items() if point is not None}
    return AttackCurve(tuple(known), tuple(known.values())) if known else None


def difference(
    m: Measurements, a: str, b: str, *, attack: str | None = None, eps: float | None = None, images: str = "clean"
) -> Difference | None:
    """Accuracy of run a minus that of run b on the same images; None where one was not run."""
    first, second = (Share(run, attack=attack, eps=eps, images=images) for run in (a, b))
    with suppress(NotMeasured):
        return between(first, second, m)
    return None


def zero_gradient(m: Measurements, run: str, attack: str) -> Estimate | None:
    """Share of images classified correctly whose gradient is exactly zero: no gradient attack can move them."""
    with suppress(NotMeasured):
        return estimate(share(Share(run, "zero_gradient_correct", attack), m))
    return None


def value(m: Measurements, name: str, quantity: str, *, step: int | None = None) -> Estimate | None:
    """A number that a file such as "pretrain/normal" logs for each seed, or an entry of a list; None without any.

    The interval is Student's t over seeds, inside [0, 1] for a share; with a single seed it has no width.
    """
    rows = [row for row in m.rows(name, quantity) if row.step == step]
    if not (numbers := [float(row.value) for row in rows if row.value is not None]):
        return None
    found = spread(numbers)
    if quantity.endswith("_share"):
        return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))
    return found


def values(m: Measurements, name: str, quantity: str) -> tuple[Estimate, ...]:
    """A list that a file logs for each seed, entry by entry; empty where there is none or seeds differ in length."""
    by_step: dict[int, list[float]] = {}
    for row in m.rows(name, quantity):
        if row.step is not None and row.value is not None:
            by_step.setdefault(row.step, []).append(float(row.value))
    if len({len(of_step) for of_step in by_step.values()}) != 1:
        return ()
    return tuple(spread(by_step[step]) for step in sorted(by_step))


def spread(numbers: Sequence[float]) -> Estimate:
    """One estimate from a number per seed; with a single seed the interval is the number itself."""
    mean, _, half_width = mean_interval(numbers)
    reach = half_width or 0.0
    return Estimate(mean, mean - reach, mean + reach, 0, len(numbers))


def by_level(m: Measurements, run: str, kind: str) -> dict[float, Estimate]:
    """Accuracy by the level of the "noise" or "blur" on test images, under the counted readout; empty if not run."""
    if not (readout := m.settings(f"train/{run}").get("readout")) or not m.ran(f"train/{run}"):
        return {}
    at: dict[float, list[Mapping[str, float]]] = {}
    for row in (row for of_seed in (m.curve(f"{kind}-{run}") or {}).values() for row in of_seed):
        at.setdefault(row["level"], []).append(row)
    return {
        level: estimate(Accuracy(tuple(int(row[readout]) for row in at[level]), int(at[level][0]["n"])))
        for level in sorted(at)
    }
