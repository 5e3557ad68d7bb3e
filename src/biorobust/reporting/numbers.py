"""How numbers are written, once for figures, tables and text: proportions as percent, differences as points."""

from __future__ import annotations

from collections.abc import Iterable

MISSING = "–"
MINUS = "−"


def percent(value: float | None, *, digits: int = 2) -> str:
    """A proportion as percent without the sign: 0.9664 -> "96.64"; None -> a dash."""
    return MISSING if value is None else f"{100 * value:.{digits}f}".replace("-", MINUS)


def share(value: float) -> str:
    """A proportion inside a sentence: 0.2609 -> "26.1 %", which never breaks across lines."""
    return f"{percent(value, digits=1)}\u00a0%"


def epsilon(value: float) -> str:
    """The size of a perturbation inside a sentence: "ε = 0.3", which never breaks across lines."""
    return f"ε\u00a0=\u00a0{value:g}"


def points(value: float | None, *, digits: int = 2) -> str:
    """A difference of proportions in percentage points, always signed: -0.012 -> "−1.20"."""
    return MISSING if value is None else f"{100 * value:+.{digits}f}".replace("-", MINUS)


def interval(low: float | None, high: float | None, *, digits: int = 2) -> str:
    """A 95 % interval of proportions: "[96.2, 97.1]"; empty where there is none."""
    if low is None or high is None:
        return ""
    return f"[{percent(low, digits=digits)}, {percent(high, digits=digits)}]"


def count(value: int | None) -> str:
    """A whole number with thin spaces between thousands: 60000 -> "60 000"."""
    return MISSING if value is None else f"{value:,}".replace(",", "\u202f")


def listed(words: Iterable[str], *, last: str = "and") -> str:
    """Words as English lists them: "a, b and c"."""
    *head, tail = list(words)
    return f"{', '.join(head)} {last} {tail}" if head else tail


def duration(seconds: float) -> str:
    """Wall time in the unit a reader thinks in: "41 s", "12 min", "3.4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
