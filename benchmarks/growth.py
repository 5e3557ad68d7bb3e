"""Does finding the k largest of N values take a time in proportion to N, or to N log N?

T(N) is the processor time of one row of N values. In proportion to N means T(N) = a N + c, c being what a call costs
whatever N. So the marginal time a value, (T(2 N) - T(N)) / N, is a for short rows and for long ones, and it grows as
log2 N + 2 if T(N) = b N log2 N + c. Its growth from SHORT to LONG rows tells the two apart. Parts that grow more slowly
than N, as our selection's sample does, lower it.

Rows of every length are cut from the same TOTAL values, so that a value comes from the same cache whatever the length.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import processor_seconds

GAMMA = 0.2
SHORT, LONG = 32_768, 524_288  # values a row; each is compared with twice as many
LENGTHS = (SHORT, 2 * SHORT, LONG, 2 * LONG)
TOTAL = 2 * LONG
PREDICTED = (math.log2(LONG) + 2) / (math.log2(SHORT) + 2)  # what N log N grows by
HALFWAY = (1 + PREDICTED) / 2

Rows = NDArray[np.float32]


def selection(rows: Rows) -> None:
    """Ours."""
    import torch

    from biorobust.kwta.model.selection import kth_largest, winners

    kth_largest(torch.from_numpy(rows), winners(GAMMA, rows.shape[1]))


def one_pass(rows: Rows) -> None:
    """What is known to take N: add every value to the sum of those before it."""
    sums = np.empty_like(rows[0])
    for row in rows:
        np.cumsum(row, out=sums)


def sort(rows: Rows) -> None:
    """What is known to take N log N."""
    for row in rows:
        np.sort(row)


# Name -> what is timed, and how often in a row, so that each takes milliseconds.
METHODS: Mapping[str, tuple[Callable[[Rows], None], int]] = {
    "selection": (selection, 3),
    "pass": (one_pass, 1),
    "sort": (sort, 1),
}


def growth(seconds: Mapping[int, float]) -> float:
    """Marginal time a value in LONG rows over that in SHORT ones: 1 if in proportion to N, PREDICTED for N log N.

    seconds: by the values a row holds, for going once through TOTAL values.
    """

    def marginal(n: int) -> float:
        return 2 * seconds[2 * n] - seconds[n]  # a row's time is seconds n / TOTAL; the common factor cancels

    return marginal(LONG) / marginal(SHORT)


def seconds_by_round(rounds: int) -> dict[str, list[dict[int, float]]]:
    """By method, one mapping for `growth` per round; all methods and lengths in turn, on values drawn anew."""
    found: dict[str, list[dict[int, float]]] = {name: [] for name in METHODS}
    for number in range(rounds):
        values = np.random.default_rng(number).standard_normal(TOTAL, dtype=np.float32)
        taken: dict[str, dict[int, float]] = {name: {} for name in METHODS}
        for length in LENGTHS[:: 1 if number % 2 else -1]:
            rows = values.reshape(-1, length)
            for name, (method, times) in METHODS.items():
                method(rows)
                taken[name][length] = processor_seconds(lambda: [method(rows) for _ in range(times)]) / times  # noqa: B023
        for name, seconds in taken.items():
            found[name].append(seconds)
    return found


def median(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Median and the ends of its 95 % interval, from the order of the rounds: no assumption on how times scatter."""
    from scipy.stats import quantile_test

    middle = statistics.median(ratios)
    interval = quantile_test(ratios, q=middle).confidence_interval(0.95)
    return middle, float(interval.low), float(interval.high)


def measured(*, rounds: int) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Growth of the marginal time a value of the selection and both controls, and nanoseconds a value by length.

    To be called in a process of its own (`timing.fresh`): it sets torch to one thread.
    """
    import torch

    torch.set_num_threads(1)
    seconds = seconds_by_round(rounds)
    growths: dict[str, float] = {}
    for name, taken in seconds.items():
        key = "growth" if name == "selection" else f"growth_{name}"
        ends = median([growth(each) for each in taken])
        growths |= dict(zip((key, f"{key}_low", f"{key}_high"), ends, strict=True))
    by_length = [
        {"n": n} | {name: 1e9 / TOTAL * statistics.median(each[n] for each in taken) for name, taken in seconds.items()}
        for n in LENGTHS
    ]
    return growths, by_length
