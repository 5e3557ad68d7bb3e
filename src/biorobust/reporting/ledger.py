"""The ledger: a row for every part of every claim under every reading, with its verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.numbers import MINUS, interval, percent, points
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import SHARED, paragraphs
from biorobust.statistics import rules

Row = tuple[Judged, Part]


def _claim(title: str, value: Callable[[Judged], str], *, kind: str = "") -> Column:
    return Column(title, kind, lambda row: value(row[0]))


def _part(title: str, attribute: str = "", *, kind: str = "") -> Column:
    return Column(title, kind, lambda row: getattr(row[1], attribute or title))


COLUMNS = (
    _claim("claim", lambda item: item.claim.id, kind="text"),
    _claim("reading", lambda item: item.reading.name if item.reading else ""),
    _claim("counted", lambda item: "yes" if item.counted else "no"),
    _claim("claim_verdict", lambda item: item.verdict),
    _part("part", "label", kind="text"),
    _part("rule"),
    _part("reported", kind="percent"),
    _part("reported_against"),
    _part("ours", "measured", kind="percent"),
    _part("against"),
    _part("low"),
    _part("high"),
    _part("interval"),
    _part("images", "n_images"),
    _part("seeds", "n_seeds"),
    _part("difference", kind="points"),
    _part("holm_p", "p"),
    _part("verdict", kind="text"),
    Column("provisional", "", lambda row: "yes" if row[1].provisional and row[1].verdict in rules.DECIDED else ""),
    _part("reason"),
    _part("own_numbers"),
    _part("metrics", "path"),
    _claim("note", lambda item: item.note),
)


def ledger(judged: Sequence[Judged]) -> Table:
    """One row per part. A claim's own verdict stands in every row of it."""
    rows = [(item, part) for item in judged for part in item.parts]
    return table("ledger", paragraphs(SHARED, "ledger_table"), rows, COLUMNS)


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
