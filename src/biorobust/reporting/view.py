"""One study in one run, as a template prints it, and all of them: judged claims, figures, tables.

A view is made from files only, so the report can be rendered where nothing was ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.reporting.claim import Claim
from biorobust.reporting.claims import Judged, Part, judge
from biorobust.reporting.figure import read_index
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.price import Price, price
from biorobust.reporting.provenance import Provenance
from biorobust.reporting.requirements import printed_accuracies
from biorobust.reporting.source import Source
from biorobust.reporting.study import Study
from biorobust.reporting.table import Table, read
from biorobust.statistics import rules
from biorobust.statistics.rules import Tally

SYMBOLS = dict(zip(rules.VERDICTS, "+~×?○·", strict=True))
# Which part stands for a claim in the ledger, as the page says it.
SHOWN = (
    "the number furthest from what its source prints; for a claim without such a number the first part that fails, "
    "else the first that is left open, else its first part"
)


@dataclass(frozen=True)
class FigureView:
    """A figure with its drawing inlined. data: the file of its numbers, seen from the page."""

    entry: Mapping[str, Any]
    svg: str
    data: str


@dataclass(frozen=True)
class View:
    """One study in one run. `key` is "current" or "recorded"; views of one run share its `provenance`.

    `runs`: that run, and the older ones that have what it lacks. `claims`: by id, under the counted reading; `others`:
    under further ones. `prices`: open claim -> what would decide it, where that can be computed.
    """

    key: str
    label: str
    study: Study
    runs: tuple[Provenance, ...]
    judged: tuple[Judged, ...]
    claims: Mapping[str, Judged]
    others: Mapping[str, tuple[Judged, ...]]
    prices: Mapping[str, Price]
    metrics: Measurements
    figures: tuple[FigureView, ...]
    tables: tuple[Table, ...]

    @property
    def provenance(self) -> Provenance:
        return self.runs[0]

    @property
    def by_image(self) -> bool:
        """Whether the run kept which images each training gets right."""
        return self.metrics.outcomes(self.study.name) is not None

    @property
    def decided(self) -> bool:
        """Whether any claim was judged and not left open."""
        return any(item.counted and item.verdict in rules.DECIDED for item in self.judged)


@dataclass(frozen=True)
class Overview:
    """All studies at a glance. `views`: one per study, at least one. Recorded ones may be of several runs."""

    views: tuple[View, ...]

    @property
    def runs(self) -> tuple[Provenance, ...]:
        """The runs behind the views, each once."""
        return tuple({id(run): run for view in self.views for run in view.runs}.values())

    @property
    def reports(self) -> Tally:
        """Verdicts of what reports and papers claim, all studies together."""
        return self._tally(ours=False)

    @property
    def ours(self) -> Tally:
        """Verdicts of claims of our own."""
        return self._tally(ours=True)

    @property
    def mostly_open(self) -> list[str]:
        """Claims that are decided although most of their parts are not."""
        return [item.claim.id for view in self.views for item in view.judged if item.counted and item.mostly_open]

    def _tally(self, *, ours: bool) -> Tally:
        counted = (item for view in self.views for item in view.judged if item.counted and item.claim.ours == ours)
        return rules.tally((item.verdict, item.provisional) for item in counted)

    @property
    def decided(self) -> bool:
        """Whether any claim was judged and not left open."""
        return any(view.decided for view in self.views)

    @property
    def datasets(self) -> tuple[Mapping[str, Any], ...]:
        """Those behind the runs, each once, as the first of the runs notes it."""
        found: dict[str, Mapping[str, Any]] = {}
        for data in (data for run in self.runs for data in run.datasets):
            found.setdefault(data["sha256"], data)
        return tuple(found.values())

    @property
    def stand_in(self) -> bool:
        """Whether any of the runs used data that are not the real ones."""
        return any(run.stand_in for run in self.runs)


def view(source: Source, claims: Sequence[Claim], *, outputs: Path, runs: Sequence[Provenance]) -> View:
    """Judge a study by its claims among `claims`. outputs: the folder of figures/ and tables/. runs: of the source and
    its older ones. Raises BiorobustError naming a damaged file.
    """
    key, study, metrics = source.key, source.study, source.metrics()
    judged = judge([claim for claim in claims if claim.study == study.name], metrics)
    counted, printed = [item for item in judged if item.counted], printed_accuracies(claims)
    prices = {
        item.claim.id: price(item, metrics=metrics, runs=dict(zip(source.folders, runs, strict=True)), printed=printed)
        for item in counted
        if item.verdict not in rules.DECIDED
    }
    return View(
        key=key,
        label=source.label,
        study=study,
        runs=tuple(runs),
        judged=tuple(judged),
        claims={item.claim.id: item for item in counted},
        others={item.claim.id: tuple(o for o in judged if o.claim is item.claim and o is not item) for item in counted},
        prices={id_: found for id_, found in prices.items() if found},
        metrics=metrics,
        figures=tuple(_figures(outputs / "figures" / study.name / key, prefix=f"{study.name}-{key}")),
        tables=tuple(item for id_, item in read(outputs / "tables" / key).items() if id_.startswith(f"{study.name}-")),
    )


def bare_reason(item: Judged | Part) -> str:
    """The reason of a verdict without the file in front of it."""
    return re.sub(r"^[\w-]+/[\w-]+: ", "", item.reason)


def shared_reasons(items: Iterable[Judged | Part]) -> dict[str, list[Judged | Part]]:
    """Reason -> those of `items` that were not run for it, where they are several: a table says it once, in a note."""
    found: dict[str, list[Judged | Part]] = {}
    for item in (item for item in items if item.verdict == rules.NOT_RUN):
        found.setdefault(bare_reason(item), []).append(item)
    return {reason: of_reason for reason, of_reason in found.items() if len(of_reason) > 1}


def shown(parts: Iterable[Part]) -> Part:
    """The part that stands for its claim, as SHOWN says: one that fails or is open decides more than one that holds."""
    counted = [part for part in parts if part.counts]
    numbers = [part for part in counted if part.rule == "number" and part.difference is not None]
    if numbers:
        return max(numbers, key=lambda part: abs(part.difference or 0.0))
    ranks = {rules.NOT_REPRODUCED: 0, rules.INCONCLUSIVE: 1}
    return min(counted, key=lambda part: ranks.get(part.verdict, 2))


def inline_svg(svg: str, *, prefix: str, alt: str) -> str:
    """SVG for use inside a page that holds several: identifiers get a prefix, the drawing a text alternative."""
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    escaped = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escaped}" ', 1)


def _figures(folder: Path, *, prefix: str) -> Iterable[FigureView]:
    for entry in read_index(folder):
        try:
            svg = (folder / entry["file"]).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise BiorobustError(f"{error.filename} is missing: run `dvc repro` to make it") from None
        yield FigureView(
            entry=entry,
            svg=inline_svg(svg, prefix=f"{prefix}-{entry['id']}", alt=entry["alt"]),
            data="/".join((*folder.parts[-3:], entry["data"])),
        )
