"""Everything a template needs to know about one run, current or recorded: judged claims, pictures, tables, provenance.

A view is made from files only, so the report can be rendered where nothing was ever run.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from biorobust.files import read_json
from biorobust.reporting import rules
from biorobust.reporting.claim import Check
from biorobust.reporting.claims import Claim, Judged, Part, judge, verdict_counts
from biorobust.reporting.figures.figure import read_index
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.requirements import STAND_IN
from biorobust.reporting.snapshot import Rejected, Snapshot
from biorobust.reporting.study import Study, read_params
from biorobust.reporting.tables.ledger import cells
from biorobust.reporting.tables.table import Table, read

SYMBOLS = dict(zip(rules.VERDICTS, "+~×?○·", strict=True))
LONGEST_TABLE = 100  # rows of a figure's data that are printed; a longer file is only named


@dataclass(frozen=True)
class PartRow:
    """A part and how its numbers are printed."""

    part: Part
    cells: Mapping[str, str]


@dataclass(frozen=True)
class ClaimView:
    """A claim under its counted reading, and further readings. `shown`: the part that stands for it in the ledger."""

    judged: Judged
    rows: tuple[PartRow, ...]
    shown: PartRow
    others: tuple[tuple[Judged, tuple[PartRow, ...]], ...]


@dataclass(frozen=True)
class FigureView:
    """A figure with its drawing inlined. `rows` is empty where the data file is too long to print."""

    entry: Mapping[str, Any]
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    file: str


@dataclass(frozen=True)
class View:
    """One run of the project. `key` is "current" or "recorded"; `snapshot` is None for the current run."""

    key: str
    title: str
    scale: str
    judged: tuple[Judged, ...]
    claims: Mapping[str, ClaimView]
    counts: Mapping[str, int]
    metrics: Metrics
    datasets: tuple[Mapping[str, Any], ...]
    figures: tuple[FigureView, ...]
    tables: Mapping[str, Table]
    params: Mapping[str, Any]
    params_text: str
    locked: tuple[Mapping[str, str], ...]
    run_info: tuple[Mapping[str, Any], ...]
    snapshot: Snapshot | None
    claims_changed: bool

    @property
    def name(self) -> str:
        """The title inside a sentence."""
        return self.title[0].lower() + self.title[1:]

    @property
    def decided(self) -> int:
        """How many claims could be judged at all."""
        return sum(self.counts[verdict] for verdict in (*rules.DECIDED, rules.INCONCLUSIVE))

    @property
    def stand_in(self) -> bool:
        """Whether the run used data that are not the real ones."""
        return any(data["fidelity"] == STAND_IN for data in self.datasets)

    @property
    def wall_seconds(self) -> float:
        return float(sum(entry["wall_seconds"] for entry in self.run_info))

    @property
    def commits(self) -> tuple[tuple[str | None, bool], ...]:
        """The commits the stages ran at, and whether code or parameters differed from them."""
        return tuple(dict.fromkeys((entry.get("commit"), bool(entry.get("modified"))) for entry in self.run_info))

    def distinct(self, *keys: str) -> tuple[str, ...]:
        """The different values the stages noted under `keys`, in order of appearance."""
        return tuple(dict.fromkeys(", ".join(str(entry.get(key)) for key in keys) for entry in self.run_info))


def current(root: Path, study: Study, claims: Sequence[Claim]) -> View:
    """The run of the checkout `root`. Raises BiorobustError naming a damaged file."""
    reports = root / "reports"
    return _view("current", study, claims, base=root, results=reports, outputs=reports, snapshot=None, changed=False)


def recorded(root: Path, study: Study, claims: Sequence[Claim], snapshot: Snapshot) -> View:
    """A recorded run, judged by the claims of the checkout `root`."""
    changed = snapshot.claims_changed(root / "reports" / "claims.yaml")
    base, outputs = snapshot.path, root / "reports"
    return _view(
        "recorded", study, claims, base=base, results=base, outputs=outputs, snapshot=snapshot, changed=changed
    )


def newest(found: Iterable[Snapshot | Rejected], study: str) -> Snapshot | None:
    """The snapshot of a study that was recorded last."""
    valid = [item for item in found if isinstance(item, Snapshot) and study in item.studies]
    return max(valid, key=lambda item: (item.recorded_at, item.name), default=None)


def _view(
    key: str,
    study: Study,
    claims: Sequence[Claim],
    *,
    base: Path,
    results: Path,
    outputs: Path,
    snapshot: Snapshot | None,
    changed: bool,
) -> View:
    """base has params.yaml, dvc.lock; results: metrics/, run_info/; outputs: tables/<key>, figures/<study>/<key>."""
    metrics = Metrics(results / "metrics")
    judged = judge(claims, metrics)
    params = read_params(base / "params.yaml")
    return View(
        key=key,
        title=f"Recorded run {snapshot.name}" if snapshot else "This run",
        scale=str(params["scale"]),
        judged=tuple(judged),
        claims=_claim_views(judged),
        counts=verdict_counts(judged),
        metrics=metrics,
        datasets=tuple(found for name in study.datasets if (found := metrics.data(name)) is not None),
        figures=tuple(_figures(outputs / "figures" / study.name / key, prefix=key)),
        tables=read(outputs / "tables" / key),
        params=params,
        params_text=(base / "params.yaml").read_text(encoding="utf-8"),
        locked=tuple(_locked(base / "dvc.lock", study)),
        run_info=tuple(_run_info(results / "run_info", study)),
        snapshot=snapshot,
        claims_changed=changed,
    )


def _rows(item: Judged) -> tuple[PartRow, ...]:
    checks: Iterable[Check] = item.claim.under(item.reading)
    return tuple(PartRow(part, cells(part, check)) for part, check in zip(item.parts, checks, strict=True))


def _shown(rows: Sequence[PartRow]) -> PartRow:
    """The counted number furthest from what the report prints; without one, the first counted part."""
    counted = [row for row in rows if row.part.counts]
    numbers = [row for row in counted if row.part.rule == "number" and row.part.difference is not None]
    return max(numbers, key=lambda row: abs(row.part.difference or 0.0)) if numbers else counted[0]


def _claim_views(judged: Sequence[Judged]) -> dict[str, ClaimView]:
    views = {}
    for item in judged:
        if item.counted:
            rows = _rows(item)
            others = tuple(
                (other, _rows(other)) for other in judged if other.claim.id == item.claim.id and not other.counted
            )
            views[item.claim.id] = ClaimView(judged=item, rows=rows, shown=_shown(rows), others=others)
    return views


def inline_svg(svg: str, *, prefix: str, alt: str) -> str:
    """SVG for use inside a page that holds several: identifiers get a prefix, the drawing a text alternative."""
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    escaped = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escaped}" ', 1)


def _figures(folder: Path, *, prefix: str) -> Iterable[FigureView]:
    for entry in read_index(folder):
        with open(folder / entry["data"], encoding="utf-8", newline="") as stream:
            columns, *rows = csv.reader(stream)
        yield FigureView(
            entry=entry,
            svg=inline_svg(
                (folder / entry["file"]).read_text(encoding="utf-8"), prefix=f"{prefix}-{entry['id']}", alt=entry["alt"]
            ),
            columns=tuple(columns),
            rows=tuple(tuple(map(_rounded, row)) for row in rows) if len(rows) <= LONGEST_TABLE else (),
            file="/".join((*folder.parts[-3:], entry["data"])),
        )


def _rounded(value: str) -> str:
    """A number of a data file to four digits, anything else as it is."""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _run_info(folder: Path, study: Study) -> Iterable[Mapping[str, Any]]:
    """Of the study's own stages: what tables, figures and report took would change the page at every rendering."""
    for stage in study.stages():
        if (folder / f"{stage}.json").exists():
            yield read_json(folder / f"{stage}.json")


def _locked(path: Path, study: Study) -> Iterable[Mapping[str, str]]:
    """What dvc.lock says about the outs of the study's stages."""
    if not path.exists():
        return
    stages = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("stages", {})
    for stage in study.stages():
        for out in stages.get(stage, {}).get("outs", ()):
            yield {"stage": stage, "path": out["path"], "md5": out.get("md5", "")}
