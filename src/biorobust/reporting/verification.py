"""A recorded run and another run of its commit, number by number: equal, inside the recorded interval, or different."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from biorobust.reporting.estimates import Estimate, estimate, spread
from biorobust.reporting.measurements import Measurements, Row
from biorobust.reporting.numbers import MISSING
from biorobust.statistics import Accuracy

EQUAL, WITHIN, DIFFERS = "equal", "within", "differs"
HEAD = ("study", "run", "attack", "number", "recorded", "now", "95 % interval", "verdict")
ROUNDING = 1e-6  # relative: what float32 loses where sums are taken in another order


@dataclass(frozen=True)
class Number:
    """One number of a metrics file, mean over seeds. `row`: what it is of; `now`: None where it was not measured again.

    `recorded`: with its 95 % interval, without width where nothing tells the scatter. `equal`: seed by seed.
    """

    row: Row
    recorded: Estimate | None
    now: float | None
    equal: bool

    @property
    def has_interval(self) -> bool:
        return self.recorded is not None and self.recorded.low < self.recorded.high

    @property
    def verdict(self) -> str:
        known = self.recorded is not None and self.now is not None
        within = known and self.recorded.low <= self.now <= self.recorded.high  # type: ignore[union-attr,operator]
        return EQUAL if self.equal else WITHIN if within else DIFFERS

    @property
    def cells(self) -> tuple[str, ...]:
        """Text under HEAD."""
        row, found = self.row, self.recorded
        what = row.quantity.replace("_", " ")
        what += "" if row.images == "clean" else f" on {row.images} images"
        what += "" if row.eps is None else f" at {row.eps:g}"
        what += "" if row.step is None else f" ({row.step})"
        return (
            row.study,
            row.run,
            row.attack or MISSING,
            what,
            MISSING if found is None else f"{found.value:.6g}",
            MISSING if self.now is None else f"{self.now:.6g}",
            f"[{found.low:.4g}, {found.high:.4g}]" if found is not None and self.has_interval else MISSING,
            self.verdict,
        )


def compared(names: Iterable[str], recorded: Measurements, now: Measurements) -> Iterator[Number]:
    """Every number of the recorded metrics files named, such as "train/simple-conv", beside that of the other run."""
    for name in names:
        before, after = _by_number(recorded, name), _by_number(now, name)
        for key, rows in before.items():
            again = after.get(key, [])
            known = [row.value for row in again if row.value is not None]
            mean = sum(known) / len(known) if len(known) == len(rows) else None
            yield Number(rows[0], _estimate(rows, recorded), mean, _equal(rows, again))


def _by_number(m: Measurements, name: str) -> dict[Row, list[Row]]:
    """The rows of a file, by seed, of each number that is not told by others of them: ends of intervals, shares."""
    found: dict[Row, list[Row]] = {}
    for row in m.every_row(name):
        found.setdefault(row._replace(seed=0, k=None, n=None, value=None), []).append(row)
    names, kinds = {row.quantity for row in found}, {row.images for row in found}

    def told(quantity: str) -> bool:
        base, _, end = quantity.rpartition("_")
        return end == "wilson" or (end in ("low", "high") and base in names) or (end == "accuracy" and base in kinds)

    return {key: rows for key, rows in found.items() if not told(key.quantity)}


def _estimate(rows: Sequence[Row], m: Measurements) -> Estimate | None:
    """The mean over seeds with its interval: of a share of images, that in the file, or Student's t over seeds."""
    first, known = rows[0], [float(row.value) for row in rows if row.value is not None]
    if len(known) < len(rows):
        return None
    if first.n is not None and {row.n for row in rows} == {first.n}:
        return estimate(Accuracy(tuple(row.k or 0 for row in rows), first.n))
    ends = [
        row.value
        for end in ("low", "high")
        for row in m.rows(first.file, f"{first.quantity}_{end}", attack=first.attack, eps=first.eps)
        if row.step == first.step and row.value is not None
    ]
    found = spread(known)
    return found._replace(low=ends[0], high=ends[1]) if len(known) == 1 and len(ends) == 2 else found


def _equal(rows: Sequence[Row], again: Sequence[Row]) -> bool:
    """Whether both runs say the same of every seed, but for rounding."""

    before, after = ({row.seed: row.value for row in found} for found in (rows, again))
    pairs = ((before[seed], after.get(seed)) for seed in before)
    return before.keys() == after.keys() and all(
        a is b if a is None or b is None else math.isclose(a, b, rel_tol=ROUNDING, abs_tol=ROUNDING**2)
        for a, b in pairs
    )


def table(numbers: Sequence[Number]) -> list[tuple[str, ...]]:
    """Rows of text under HEAD: every number that is not equal, and one for each file in which all are."""
    by_file: dict[str, list[Number]] = {}
    for number in numbers:
        by_file.setdefault(number.row.file, []).append(number)
    rows: list[tuple[str, ...]] = [HEAD]
    for found in by_file.values():
        other = [number for number in found if number.verdict != EQUAL]
        rows += [number.cells for number in sorted(other, key=lambda number: number.verdict != DIFFERS)]
        if not other:
            rows.append((*found[0].cells[:-1], f"equal, all {len(found)}" if len(found) > 1 else EQUAL))
    return rows


def total(numbers: Sequence[Number]) -> str:
    """The numbers in one line."""
    n = Counter(number.verdict for number in numbers)
    bare = sum(number.verdict == DIFFERS and not number.has_interval for number in numbers)
    said = f"{len(numbers)} numbers: {n[EQUAL]} equal, {n[WITHIN]} within their intervals, {n[DIFFERS]} differ"
    return f"{said}, {bare} of them without an interval" if bare else said
