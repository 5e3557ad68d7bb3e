"""One table style for everything: a row is a dictionary of plain values (the CSV), a column says how they are printed.

Proportions stay proportions in the CSV and are printed as percent. An estimate or difference column `x` prints `x` with
the interval `x_low`, `x_high` behind it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic, read_json, write_json
from biorobust.reporting.numbers import MINUS, MISSING, count, interval, percent, points

INDEX = "tables.json"
TEXTS = ("text", "label")
Value = str | float | int | None


@dataclass(frozen=True)
class Column:
    """`kind`: text, label (text that stays on one line), percent, points, estimate (percent with interval), difference
    (points with interval), count or plain (three digits). Words in a column of numbers are printed as they are."""

    key: str
    title: str
    kind: str = "text"

    @property
    def number(self) -> bool:
        """Whether the column is set right-aligned in tabular figures."""
        return self.kind not in TEXTS


@dataclass(frozen=True)
class Table:
    """`rows` may hold more keys than `columns` prints; the CSV has them all."""

    id: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]


def cell(row: Mapping[str, Any], column: Column) -> str:
    """One printed cell."""
    value = row.get(column.key)
    if value is None or value == "":
        return MISSING
    if column.kind in TEXTS or isinstance(value, str):
        return str(value)
    if column.kind in ("estimate", "difference"):
        low, high = (row.get(f"{column.key}_{end}") for end in ("low", "high"))
        written = percent(float(value)) if column.kind == "estimate" else points(float(value))
        return f"{written} {interval(low, high)}".strip()
    if column.kind == "count":
        return count(int(value))
    return {"percent": percent, "points": points, "plain": _plain}[column.kind](float(value))


def _plain(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)


def save(tables: Sequence[Table], folder: str | Path) -> None:
    """Write `<id>.csv` of every table and `tables.json`, which holds everything but the rows."""
    folder = Path(folder)
    for table in tables:
        keys = dict.fromkeys(key for row in table.rows for key in row)
        with atomic(folder / f"{table.id}.csv") as part, open(part, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(keys), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _rounded(value) for key, value in row.items()} for row in table.rows)
    entries = [{key: value for key, value in asdict(table).items() if key != "rows"} for table in tables]
    write_json(folder / INDEX, entries)


def _rounded(value: Value) -> Value:
    return round(value, 6) if isinstance(value, float) else value


def read(folder: str | Path) -> dict[str, Table]:
    """The tables of a folder by id, none where nothing was written. Raises BiorobustError for a missing CSV."""
    folder = Path(folder)
    if not (folder / INDEX).exists():
        return {}
    tables = {}
    for entry in read_json(folder / INDEX):
        columns = tuple(Column(**column) for column in entry.pop("columns"))
        rows = tuple(_read_rows(folder / f"{entry['id']}.csv", columns))
        tables[entry["id"]] = Table(columns=columns, rows=rows, **entry)
    return tables


def _read_rows(path: Path, columns: Sequence[Column]) -> list[Mapping[str, Value]]:
    text = {column.key for column in columns if column.kind in TEXTS}
    if not path.exists():
        raise BiorobustError(f"{path} is missing: run `dvc repro tables`")
    with open(path, encoding="utf-8", newline="") as stream:
        return [
            {key: value if key in text else _number(value) for key, value in row.items()}
            for row in csv.DictReader(stream)
        ]


def _number(value: str) -> Value:
    """A number where it is one; a text that no column prints stays a text."""
    if value == "":
        return None
    try:
        return float(value)
    except ValueError:
        return value
