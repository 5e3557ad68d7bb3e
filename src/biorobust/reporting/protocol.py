"""The protocol section of the report: every threshold as it stands, and the dated amendments of docs/protocol.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from biorobust import params
from biorobust.core.errors import BiorobustError
from biorobust.core.intervals import LEVEL
from biorobust.reporting.numbers import listed
from biorobust.statistics.thresholds import THRESHOLDS

AMENDMENTS = Path("docs/protocol.md")
HEADING = re.compile(r"^(##(?!#).*)$", re.MULTILINE)
EXAMPLE = 'a heading such as "## 2026-01-31: what changed"'


class Amendment(NamedTuple):
    """A change of the protocol: ISO date, what changed, and the paragraphs that say why and what it did."""

    date: str
    title: str
    paragraphs: tuple[str, ...]


def described() -> tuple[tuple[str, str], ...]:
    """Every threshold of the repository but those that belong to a single claim."""
    t = THRESHOLDS

    def points(value: float) -> str:
        return f"{100 * value:g} point{'' if value == 0.01 else 's'}"

    trained = listed(
        f"{study}{'' if name == 'all' else f' ({name})'} {100 * level:g} %"
        for study, module in params.STUDIES.items()
        for name, level in module.TRAINED.items()
    )
    return (
        ("Level of every interval", f"{100 * LEVEL:g} %"),
        (
            "Region around a printed number",
            f"the larger of {points(t.tolerance)} and {t.reported_widths:g} times the Wilson half-width of that number",
        ),
        ("Partly", f"within {t.partly:g} times that region"),
        (
            "Smallest difference of accuracies that counts",
            f"the smaller of {points(t.smallest_effect)} and {100 * t.gap_share:g} % of the printed difference",
        ),
        ("No difference", f"within {points(t.same)}"),
        (
            f"No difference where a report prints accuracies above {100 * t.high_accuracy:g} %",
            f"ratio of the errors from {1 / t.error_ratio:.2f} to {t.error_ratio:.2f}",
        ),
        (
            "A network counts as trained above",
            f"{trained}; never more than its printed accuracy less {points(t.below_reported)}",
        ),
    )


def amendments(root: Path) -> tuple[Amendment, ...]:
    """The headings "## date: title" of docs/protocol.md with the paragraphs below each, as they stand.

    Raises BiorobustError for any other heading of this kind: its text would pass for that of the amendment above it.
    """
    path = root / AMENDMENTS
    if not path.exists():
        raise BiorobustError(f"{path} is missing: restore it with git")
    text = path.read_text(encoding="utf-8")
    _, *parts = HEADING.split(text)
    if not parts:
        raise BiorobustError(f"{path}: no amendment, {EXAMPLE}")
    return tuple(_amendment(*part, path) for part in zip(parts[::2], parts[1::2], strict=True))


def _amendment(heading: str, text: str, path: Path) -> Amendment:
    found = re.fullmatch(r"## (\d{4}-(?:0\d|1[0-2])-[0-3]\d): (.*\S.*)", heading)
    if not found:
        raise BiorobustError(f"{path}: {heading!r} is no amendment, {EXAMPLE}")
    parts = (" ".join(part.split()) for part in text.split("\n\n"))
    return Amendment(found[1], found[2], tuple(filter(None, parts)))
