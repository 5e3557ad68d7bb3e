"""Measuring on a machine that others use too: one thread, processor time, interleaved repeats, ratios of neighbours.

Processor time of a single thread does not count the moments in which another program had the core. What else slows a
machine (a lower clock, a shared cache) lasts a while: two programs run in turn, A B A B, feel it alike, so the ratio
within a pair is far steadier than either time, and the median over pairs forgets a pair that was unlucky.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Skipped(Exception):
    """A benchmark that cannot be taken here; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row of the table. `ratio` is ours / reference, so smaller is better, and is what the limit is on.

    ours, reference: medians over repeats, in `unit`; ours_least, reference_least: their minima. ratios: of every pair.
    """

    what: str
    unit: str
    ours: float
    reference: float
    ours_least: float
    reference_least: float
    ratio: float
    ratios: tuple[float, ...] = ()


def single(what: str, *, unit: str, ours: float, reference: float) -> Measurement:
    """A measurement without repeats: a count, or a size against its budget."""
    return Measurement(
        what=what,
        unit=unit,
        ours=ours,
        reference=reference,
        ours_least=ours,
        reference_least=reference,
        ratio=ours / reference,
    )


def fresh(run: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a module's function in a new process: what ran before changes how memory is handed out, and so times."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, *args, **kwargs).result()


def processor_seconds(run: Callable[[], object]) -> float:
    """Time for which this process and the children it waited for had a core during one call."""
    start = _spent()
    run()
    return _spent() - start


def _spent() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def paired(
    what: str,
    ours: Callable[[], object],
    reference: Callable[[], object],
    *,
    repeats: int,
    scale: float = 1.0,
    clock: Callable[[Callable[[], object]], float] = processor_seconds,
) -> Measurement:
    """Time both in turn, `repeats` times, after one call each to warm up; `ratio` is the median of the pairs' ratios.

    scale: what the sampled part has to be multiplied by to give the whole (it cancels in the ratio).
    clock: seconds that one call takes.
    """
    ours()
    reference()
    pairs = [(scale * clock(ours), scale * clock(reference)) for _ in range(repeats)]
    mine, theirs = zip(*pairs, strict=True)
    ratios = tuple(a / b for a, b in pairs)
    return Measurement(
        what=what,
        unit="s",
        ours=statistics.median(mine),
        reference=statistics.median(theirs),
        ours_least=min(mine),
        reference_least=min(theirs),
        ratio=statistics.median(ratios),
        ratios=ratios,
    )
