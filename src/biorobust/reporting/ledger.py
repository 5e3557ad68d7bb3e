"""The ledger: a row for every part of every claim under every reading, with its verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from biorobust.reporting.claim import Check
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.numbers import MINUS, MISSING, interval, percent, points
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import SHARED, paragraphs
from biorobust.statistics import rules

Row = tuple[Judged, Part]


def _claim(title: str, value: Callable[[Judged], str], *, kind: str = "") -> Column:
    return Column(title, kind, lambda row: value(row[0]))


def _part(title: str, attribute: str, *, kind: str = "") -> Column:
    return Column(title, kind, lambda row: getattr(row[1], attribute))


def _provisional(row: Row) -> str:
    return "yes" if row[1].provisional and row[1].verdict in rules.DECIDED else ""


COLUMNS = (
    _claim("claim", lambda item: item.claim.id, kind="text"),
    _claim("reading", lambda item: item.reading.name if item.reading else ""),
    _claim("counted", lambda item: "yes" if item.counted else "no"),
    _claim("claim_verdict", lambda item: item.verdict),
    _part("part", "label", kind="text"),
    _part("rule", "rule"),
    _part("reported", "reported", kind="percent"),
    _part("reported_against", "reported_against"),
    _part("ours", "measured", kind="percent"),
    _part("against", "against"),
    _part("low", "low"),
    _part("high", "high"),
    _part("interval", "interval"),
    _part("images", "n_images"),
    _part("seeds", "n_seeds"),
    _part("difference", "difference", kind="points"),
    _part("holm_p", "p"),
    _part("verdict", "verdict", kind="text"),
    Column("provisional", "", _provisional),
    _part("reason", "reason"),
    _part("own_numbers", "own_numbers"),
    _part("metrics", "path"),
    _claim("note", lambda item: item.note),
)


def ledger(judged: Sequence[Judged]) -> Table:
    """One row per part. A claim's own verdict stands in every row of it."""
    rows = [(item, part) for item in judged for part in item.parts]
    return table("ledger", paragraphs(SHARED, "ledger_table"), rows, COLUMNS)


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
