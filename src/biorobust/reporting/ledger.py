"""The ledger: a row for every part of every claim under every reading, with its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.numbers import MINUS, interval, percent, points
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import SHARED, paragraphs
from biorobust.statistics import rules

# How a page prints them; the other columns are for the CSV alone.
KINDS = dict.fromkeys(("claim", "part", "verdict"), "text")
KINDS |= {"reported": "percent", "ours": "percent", "difference": "points"}


def ledger(judged: Sequence[Judged]) -> Table:
    """One row per part. A claim's own verdict stands in every row of it."""
    rows = [_row(item, part) for item in judged for part in item.parts]
    columns = [Column(key, KINDS.get(key, ""), key) for key in next(iter(rows), {})]
    return table("ledger", paragraphs(SHARED, "ledger_table"), rows, columns)


def _row(item: Judged, part: Part) -> dict[str, Any]:
    return {
        "claim": item.claim.id,
        "reading": item.reading.name if item.reading else "",
        "counted": "yes" if item.counted else "no",
        "claim_verdict": item.verdict,
        "part": part.label,
        "rule": part.rule,
        "reported": part.reported,
        "reported_against": part.reported_against,
        "ours": part.measured,
        "against": part.against,
        "low": part.low,
        "high": part.high,
        "interval": part.interval,
        "images": part.n_images,
        "seeds": part.n_seeds,
        "difference": part.difference,
        "holm_p": part.p,
        "verdict": part.verdict,
        "provisional": "yes" if part.provisional and part.verdict in rules.DECIDED else "",
        "reason": part.reason,
        "own_numbers": part.own_numbers,
        "metrics": part.path,
        "note": item.note,
    }


def cells(part: Part) -> dict[str, str]:
    """How a part is printed: reported, ours with its interval, difference."""
    unit, gap = part.unit, part.difference

    def plain(number: float, sign: str = "") -> str:
        return f"{number:{sign}.2f}".replace("-", MINUS)

    def value(number: float | None) -> str:
        return percent(number) if unit is None or number is None else f"{plain(number)} {unit}".strip()

    def both(number: float | None, other: float | None) -> str:
        return value(number) if other is None else f"{value(number)} / {value(other)}"

    reach = interval(part.low, part.high)
    if unit is not None and part.low is not None and part.high is not None:
        reach = f"[{plain(part.low)}, {plain(part.high)}]"
    difference = points(gap) if unit is None or gap is None else plain(gap, "+")
    ours = both(part.measured, part.against)
    if part.ratio is not None:
        ratio, low, high = part.ratio
        difference = f"errors × {ratio:.2f} [{low:.2f}, {high:.2f}]"
    elif part.against is not None:
        difference = f"{difference} {reach}".strip()
    else:
        ours = f"{ours} {reach}".strip()
    return {"reported": both(part.reported, part.reported_against), "ours": ours, "difference": difference}
