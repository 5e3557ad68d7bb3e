"""Tables as declarations: a column is a title, how it is printed, and a function of a row.

    table("hebbian-accuracy", words, runs, [Column("network", "text", label), Column("images", "count", n_images)])

`table` asks every column about every row once. What comes out is plain: `Table.rows` are dictionaries of numbers and
texts, which `save` writes as a CSV, and `Table.columns` say how a page prints them. Proportions stay proportions in the
CSV and are printed as percent; an estimate `x` has its interval in `x_low` and `x_high`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic, read_json, write_json
from biorobust.reporting.numbers import MINUS, MISSING, count, interval, percent, points

INDEX = "tables.json"
TEXTS = ("text", "label")
Value = str | float | int | None
Row = TypeVar("Row")
Cell = Any  # a value, or an estimate or a difference with its interval: value, low, high


@dataclass(frozen=True)
class Column:
    """`value`: of a row, or the key of a row that is a mapping. `key`: its name in the CSV, by default from the title.

    `kind`: text, label (text on one line), percent, points, estimate (percent with interval), difference (points with
    interval), count or plain (three digits); "" is for the CSV alone. Words in a column of numbers are printed as they
    are.
    """

    title: str
    kind: str
    value: Callable[[Any], Cell] | str
    key: str = ""

    @property
    def name(self) -> str:
        return self.key or (self.value if isinstance(self.value, str) else re.sub(r"\W+", "_", self.title))

    def of(self, row: Any) -> Cell:
        """The cell of a row."""
        return row.get(self.value) if isinstance(self.value, str) else self.value(row)


@dataclass(frozen=True)
class Printed:
    """How a column of the CSV is printed; kinds as in `Column`."""

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
    columns: tuple[Printed, ...]
    rows: tuple[Mapping[str, Value], ...]


def table(id: str, words: Sequence[str], rows: Iterable[Row], columns: Sequence[Column]) -> Table:
    """`words`: the title, and the caption if there is one."""
    title, caption = (*words, "")[:2]
    return Table(
        id=id,
        title=title,
        caption=caption,
        columns=tuple(Printed(column.name, column.title, column.kind) for column in columns if column.kind),
        rows=tuple(
            {key: value for column in columns for key, value in _plain(column.name, column.of(row)).items()}
            for row in rows
        ),
    )


def _plain(key: str, value: Cell) -> dict[str, Value]:
    """The cells of a column; without an interval where it has no width, as for one seed of a logged number."""
    if value is None or isinstance(value, (str, float, int)):
        return {key: value}
    if value.low == value.high:
        return {key: value.value}
    return {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}


def cell(row: Mapping[str, Any], column: Printed) -> str:
    """One printed cell."""
    value = row.get(column.key)
    if value is None or value == "":
        return MISSING
    if column.kind in TEXTS or isinstance(value, str):
        return str(value)
    if column.kind == "count":
        return count(int(value))
    if column.kind == "plain":
        return f"{value:.3g}".replace("-", MINUS)
    written = percent(value) if column.kind in ("percent", "estimate") else points(value)
    if column.kind in ("percent", "points"):
        return written
    return f"{written} {interval(row.get(f'{column.key}_low'), row.get(f'{column.key}_high'))}".strip()


def save(tables: Sequence[Table], folder: str | Path) -> None:
    """Write `<id>.csv` of every table, texts in quotes and numbers bare, and all but the rows in `tables.json`."""
    folder = Path(folder)
    for item in tables:
        keys = dict.fromkeys(key for row in item.rows for key in row)
        with atomic(folder / f"{item.id}.csv") as part, open(part, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(keys), lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
            writer.writeheader()
            for row in item.rows:
                writer.writerow({k: round(value, 6) if isinstance(value, float) else value for k, value in row.items()})
    write_json(folder / INDEX, [{k: value for k, value in asdict(item).items() if k != "rows"} for item in tables])


def read(folder: str | Path) -> dict[str, Table]:
    """The tables of a folder by id, none where nothing was written. Raises BiorobustError for a missing CSV."""
    folder = Path(folder)
    if not (folder / INDEX).exists():
        return {}
    tables = {}
    for entry in read_json(folder / INDEX):
        try:
            columns = tuple(Printed(**column) for column in entry.pop("columns"))
            rows = tuple(_read_rows(folder / f"{entry['id']}.csv"))
            tables[entry["id"]] = Table(columns=columns, rows=rows, **entry)
        except (KeyError, TypeError, AttributeError):
            raise BiorobustError(f"{folder / INDEX} does not say what a table holds: run `dvc repro tables`") from None
    return tables


def _read_rows(path: Path) -> list[Mapping[str, Value]]:
    """An empty cell is none; what stands in quotes is text and everything else a number."""
    if not path.exists():
        raise BiorobustError(f"{path} is missing: run `dvc repro tables`")
    with open(path, encoding="utf-8", newline="") as stream:
        try:
            rows = csv.DictReader(stream, quoting=csv.QUOTE_NONNUMERIC)
            return [{key: None if cell == "" else cell for key, cell in row.items()} for row in rows]
        except ValueError:
            raise BiorobustError(f"{path} has a text without quotes: run `dvc repro tables`") from None
