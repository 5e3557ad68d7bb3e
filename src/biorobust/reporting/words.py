"""The prose of a study: blocks of reports/templates/words/<study>.j2, filled from its measurements.

A block is named after what it belongs to, a figure, a table or "headline", and is one or more paragraphs: of a figure
its title, text alternative and caption, of a table its title and caption, of the headline the lead and then the facts.
A paragraph that comes out empty is left out. Beside what is handed over, every block sees

    accuracy(run, attack=, eps=, images=)  difference(a, b, ...)  zero_gradient(run, attack)
    value(file, quantity)  values(file, quantity)              estimates, or none where nothing was measured
    share  percent  points  epsilon  count  listed  label      how numbers, lists and runs are written, also as filters
    rows|told("{0:share} for {1:label}")                       the same for every row of a list

and the words of the verdicts under their names, such as REPRODUCED. Undefined names are errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from string import Formatter
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateError

from biorobust.checkout import checkout
from biorobust.core.errors import BiorobustError
from biorobust.reporting import estimates, numbers
from biorobust.reporting.estimates import Estimate
from biorobust.reporting.labels import TASKS, full_name, label, network
from biorobust.reporting.measurements import Measurements
from biorobust.statistics import Difference, rules

FOLDER = Path("reports/templates/words")
SHARED, SENTENCES = "shared", "sentences.j2"  # blocks of several studies; macros that every block sees by name


def named(found: Mapping[str, Any], write: Callable[[float], str] = numbers.share, *, join: str = " for ") -> str:
    """ "27.9 % for Hebbian (uniform start) and 0.4 % for CNN": run -> estimate or number, in words."""
    values = ((run, getattr(item, "value", item)) for run, item in found.items())
    return numbers.listed(f"{write(value)}{join}{label(run)}" for run, value in values)


def in_points(found: Difference) -> str:
    """A difference of shares with its interval: "+1.2 points [0.3, 2.1]"."""
    return f"{numbers.points(found.value, digits=1)} points {numbers.interval(found.low, found.high, digits=1)}"


def estimated(found: Estimate) -> str:
    """A share with its interval: "26.6 % [19.7, 34.8]"."""
    return f"{numbers.share(found.value)} {numbers.interval(found.low, found.high, digits=1)}"


def direction(found: Difference) -> int:
    """1 or -1 where the interval of a difference is on one side of 0, else 0."""
    return (found.low > 0) - (found.high < 0)


class _Pattern(Formatter):
    """str.format whose fields may name a way of writing: "{0:share} for {1:label}"."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return WRITTEN[format_spec](value) if format_spec in WRITTEN else super().format_field(value, format_spec)


def told(rows: Iterable[Any], pattern: str) -> list[str]:
    """The pattern filled with each row, a tuple: [(0.5, "simple-conv")] -> ["50.0 % for convolutional network"]."""
    return [_Pattern().format(pattern, *row) for row in rows]


WRITTEN: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(numbers, name)
        for name in ("share", "percent", "points", "epsilon", "count", "listed", "interval")
    },
    "label": label,
    "row": network,  # a network of the comparison without its data set
    "task": TASKS.get,
    "attack": full_name,
    "named": named,
    "told": told,
    "shares": lambda values: numbers.listed(map(numbers.share, values)),
    "tenths": lambda value: numbers.percent(value, digits=1),  # of a proportion, as percent without the sign
    "hundredths": lambda value: f"{value:.2f}",
    "decimal": lambda value: f"{value:.1f}",
    "in_points": in_points,
    "estimate": estimated,
    "direction": direction,
}
MEASURED = ("accuracy", "difference", "value", "values", "zero_gradient")
VERDICTS = {verdict.upper().replace(" ", "_"): verdict for verdict in rules.VERDICTS}


def paragraphs(name: str, block: str, m: Measurements | None = None, /, **given: Any) -> tuple[str, ...]:
    """The paragraphs of a block of a study, on one line each.

    Raises BiorobustError for a missing block or an unknown name.
    """
    path = checkout() / FOLDER / f"{name}.j2"
    measured = {key: partial(getattr(estimates, key), m) for key in MEASURED} if m else {}
    try:
        template = _template(path, path.stat().st_mtime_ns)
        if block not in template.blocks:
            raise BiorobustError(f"{path}: no block {block}")
        text = "".join(template.blocks[block](template.new_context(measured | given)))
    except (OSError, TemplateError) as error:
        raise BiorobustError(f"{path}, block {block}: {error.__class__.__name__}: {error}") from error
    found = (re.sub(r"[ \n]+", " ", part).strip() for part in re.split(r"\n[ \n]*\n", text))
    return tuple(part for part in found if part)


@cache
def _template(path: Path, changed: int) -> Template:
    """Read again when the file has `changed`."""
    page = Environment(loader=FileSystemLoader(path.parent), undefined=StrictUndefined, trim_blocks=True)
    page.filters |= WRITTEN
    page.globals |= WRITTEN | VERDICTS | {"TASKS": TASKS}
    sentences = page.get_template(SENTENCES)
    page.globals |= {name: macro for name, macro in vars(sentences.module).items() if not name.startswith("_")}
    return page.get_template(path.name)
