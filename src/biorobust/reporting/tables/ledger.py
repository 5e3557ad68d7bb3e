"""The ledger: a row for every part of every claim under every reading, with its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from biorobust.reporting.claim import Check
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.numbers import MINUS, MISSING, interval, percent, points
from biorobust.reporting.tables.table import Column, Table, Value
from biorobust.statistics import rules


def ledger(judged: Sequence[Judged]) -> Table:
    """One row per part. A claim's own verdict stands in every row of it."""
    rows: list[dict[str, Value]] = []
    for item in judged:
        for part in item.parts:
            rows.append(
                {
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
            )
    return Table(
        id="ledger",
        title="Every claim, part by part",
        caption="Proportions. low and high: 95 % interval of ours (rules number and threshold) or of the difference.",
        columns=(
            Column("claim", "claim"),
            Column("part", "part"),
            Column("reported", "reported", "percent"),
            Column("ours", "ours", "percent"),
            Column("difference", "difference", "points"),
            Column("verdict", "verdict"),
        ),
        rows=tuple(rows),
    )


def cells(part: Part, check: Check) -> dict[str, str]:
    """How a part is printed: reported, ours with its interval, difference. `check` knows the unit."""
    unit = check.quantity.unit
    plain = unit is not None

    def value(number: float | None) -> str:
        if number is None:
            return MISSING
        return f"{number:.2f} {unit}".strip().replace("-", MINUS) if plain else percent(number)

    reported = value(part.reported)
    if part.reported_against is not None:
        reported = f"{reported} / {value(part.reported_against)}"
    ours = value(part.measured)
    if part.against is not None:
        ours = f"{ours} / {value(part.against)}"
    gap, reach = part.difference, ""
    if part.low is not None and part.high is not None:
        reach = f"[{part.low:.2f}, {part.high:.2f}]".replace("-", MINUS) if plain else interval(part.low, part.high)
    written = f"{gap:+.2f}".replace("-", MINUS) if plain and gap is not None else points(gap)
    of_difference = part.against is not None
    if part.ratio is not None:
        ratio, low, high = part.ratio
        return {
            "reported": reported,
            "ours": ours,
            "difference": f"errors × {ratio:.2f} [{low:.2f}, {high:.2f}]",
        }
    return {
        "reported": reported,
        "ours": ours if of_difference else f"{ours} {reach}".strip(),
        "difference": f"{written} {reach}".strip() if of_difference else written,
    }
