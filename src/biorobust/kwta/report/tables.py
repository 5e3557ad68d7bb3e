"""Tables of the k-WTA study: the report's eight and ours in its own layout, ablations, another JPEG."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from biorobust.kwta.report.ablations import QUESTIONS, changed, collapsed, state
from biorobust.kwta.report.printed import COLLAPSE, Key, Printed, printed, verdicts
from biorobust.kwta.report.study import CLEAN, DATASETS, FAST, MEASURES, NAMES, NETWORKS, Cell, Kwta, row_name
from biorobust.reporting import columns
from biorobust.reporting.claims import Judged, Part
from biorobust.reporting.estimates import Estimate, estimate
from biorobust.reporting.labels import full_name
from biorobust.reporting.labels import said as in_words
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import Content
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import paragraphs
from biorobust.statistics import Accuracy, Counts, difference, rules

UNDECIDED = (rules.INCONCLUSIVE, rules.NOT_RUN, rules.NOT_TESTABLE)


def tables(m: Measurements, study: Kwta, judged: Sequence[Judged]) -> list[Table]:
    reported = printed(item.claim for item in judged if item.counted)
    cells, said, limits = study.cells(m), verdicts(judged), {item.claim.id: item.note for item in judged}
    places = [(place, tuple(rows)) for place, rows in groupby(cells, key=attrgetter("place"))]
    return [
        *(
            _place(m, rows, reported, said, limits=limits.get(f"K{place.key}", ""))
            for place, rows in places
            if any(cell.trained for cell in rows)
        ),
        _ablations(m, study),
        _reencoded(m, cells),
    ]


def _words(block: str, m: Measurements, /, *, note: str = "", **given: Any) -> tuple[str, str]:
    title, caption = paragraphs("kwta", block, m, **given)
    return title, caption + note


def _kept_from(contents: Iterable[Content | None]) -> str:
    """A sentence for a caption: why some of these could not be run, each reason once; "" where none says.

    What to do about it, behind the colon of a reason, the study's section says once for all.
    """
    reasons = [str(content["reason"]) for content in contents if content and content["status"] != "ok"]
    said = dict.fromkeys(reason.partition(": ")[0] for reason in reasons)
    return f" Not run: {'; '.join(said)}." if said else ""


# --- the report's tables ----------------------------------------------------------------------------------------------


def _place(
    m: Measurements, cells: Sequence[Cell], reported: Mapping[Key, Printed], said: Mapping[Key, Part], *, limits: str
) -> Table:
    """A table as the report has it, a column per attack; under each of its rows ours, and what the ledger says.

    limits: what limits these verdicts, in words.
    """
    place, kept = cells[0].place, _kept_from(m.get(f"train/{cell.id}") for cell in cells)
    note = kept + columns.nonfinite({cell.row: cell.attacked for cell in cells})
    return table(
        f"kwta-table-{place.key}",
        _words(
            "place",
            m,
            place=place,
            trained=next(filter(None, map(attrgetter("trained"), cells))),
            limits=limits,
            note=note,
        ),
        [row for cell in cells for row in _lines(cell, reported, said)],
        (
            Column("activation", "label", "activation"),
            Column("cell", "", "cell"),
            Column("line", "text", "line"),
            *(Column(words, "estimate", name) for name, words in MEASURES.items()),
        ),
    )


def _lines(cell: Cell, reported: Mapping[Key, Printed], said: Mapping[Key, Part]) -> Iterator[dict[str, Any]]:
    """The lines of a cell: the report's, empty where that is of another gamma, ours, and the verdicts.

    The small fast network has no line of the report, and sees the image as it is, so that it has one line.
    """
    known, of_report = {"activation": cell.row, "cell": cell.id}, cell.place.network != FAST
    numbers = {name: reported[cell.id, name] for name in MEASURES if (cell.id, name) in reported}
    others = [number.gamma for number in numbers.values() if number.gamma != cell.gamma]
    if of_report:
        yield known | {"line": "report"} | {name: None if others else number.value for name, number in numbers.items()}
    if not cell.trained:
        yield {**known, "line": "ours", **dict.fromkeys(MEASURES, rules.NOT_RUN)}
        return
    for line, tensor in (("ours, tensor", True), ("ours, image", False)) if of_report else (("ours", False),):
        measures = [name for name in MEASURES if tensor or name != CLEAN or not of_report]
        yield known | {"line": line} | {name: cell.of(name, tensor=tensor) for name in measures}
    if others:
        line = f"verdict: the claim is about the row {row_name(others[0])}"
        yield {**known, "line": line, **dict.fromkeys(numbers, "not compared")}
    elif of_report:
        found = {name: said[cell.id, name] for name in (*MEASURES, COLLAPSE) if (cell.id, name) in said}
        yield known | _verdicts(found, ours=cell.place.number is None)


def _verdicts(found: dict[str, Part], *, ours: bool) -> dict[str, str]:
    """The line of verdicts, in the words for claims of ours or of the report; a reason that they share in front."""
    collapse = found.pop(COLLAPSE, None)
    reasons = dict.fromkeys(_short(part.reason) for part in found.values() if part.verdict in UNDECIDED)
    row = {"line": f"verdict: {'; '.join(reasons)}" if reasons else "verdict"}
    row |= {name: in_words(part.verdict, ours) for name, part in found.items()}
    if collapse and collapse.verdict in (rules.REPRODUCED, rules.NOT_REPRODUCED):
        row[CLEAN] = f"one class for every image, as reported: {collapse.verdict}"
    return row


def _short(reason: str) -> str:
    """The first of the reasons why something is undecided, without the file: the ledger has it in full."""
    return re.sub(r" \(?(of )?(train|attack)/[\w/-]+\)?", "", reason).partition("; ")[0]


# --- ablations, another JPEG ------------------------------------------------------------------------------------------


def _ablations(m: Measurements, study: Kwta) -> Table:
    """A row per ablation: what was changed, accuracy clean and attacked, and how many of its trainings collapsed."""
    contents = {name: m.get(f"ablations/{name}") for name in study.ablations}
    found = [content for content in contents.values() if content and not columns.left_out(content)]
    attacked = {content["run"]: {"attacks": {of["attack"]: of}} for content in found if (of := content.get("robust"))}
    note = columns.omitted(contents) + _kept_from(contents.values()) + columns.nonfinite(attacked)
    runs = [content["settings"] for content in found]
    sizes = dict.fromkeys((run["epochs"], -(-run["n_train"] // run["batch_size"]), run["n_train"]) for run in runs)

    def where(content: Content) -> str:
        network, dataset = content["settings"]["network"], content["settings"]["dataset"]
        return f"{NETWORKS.get(network, 'small ResNet18')}, {DATASETS[dataset]}"

    def accuracy(content: Content) -> Estimate | None:
        seeds = content.get("per_seed")
        return estimate(Accuracy(tuple(seed["correct"] for seed in seeds), seeds[0]["n"])) if seeds else None

    return table(
        "kwta-ablations",
        _words("ablations", m, sizes=list(sizes), note=note),
        found,
        (
            Column("question", "text", lambda content: QUESTIONS.get(asks := content.get("question", ""), asks)),
            Column("name", "", "run", "name"),
            Column("network, data", "label", where, "network"),
            Column("activation", "label", lambda content: row_name(content["settings"]["gamma"])),
            Column("setting", "label", changed, "changed"),
            Column("epochs", "", lambda content: content["settings"]["epochs"]),
            Column("n_train", "", lambda content: content["settings"]["n_train"]),
            columns.estimate("clean", accuracy),
            columns.estimate("attacked", lambda content: accuracy(content.get("robust", {})), key="robust"),
            Column("collapsed", "label", collapsed),
            Column("state", "text", state),
        ),
    )


def _reencoded(m: Measurements, cells: Sequence[Cell]) -> Table:
    """Accuracy before and after another JPEG, and the paired difference, after minus before."""
    found = {cell: again for cell in cells if (again := (cell.attacked or {}).get("reencoded"))}
    first: Content = next(iter(found.values()), {})
    kinds = {"clean": "clean", "robust": "attacked"}
    forms = {"before": ("before", "percent"), "after": ("after", "percent"), "change": ("change [95 %]", "difference")}

    def share_of(kind: str, when: str) -> Callable[[Cell], Any]:
        return lambda cell: _before_and_after([seed[kind] for seed in found[cell]["per_seed"]])[when]

    return table(
        "kwta-reencoded",
        _words("reencoded", m, again=first, attack=full_name(first["attack"]) if first else ""),
        list(found),
        (
            Column("network", "text", lambda cell: NAMES[cell.place.network]),
            Column("start", "text", attrgetter("place.init")),
            Column("cell", "", attrgetter("id")),
            Column("activation", "label", attrgetter("row")),
            *(
                Column(f"{words}, {title}", form, share_of(kind, when), f"{kind}_{when}")
                for kind, words in kinds.items()
                for when, (title, form) in forms.items()
            ),
        ),
    )


def _before_and_after(counts: Sequence[Any]) -> dict[str, Any]:
    """counts: of each training, images right before, after, and both."""
    pairs = []
    for c in counts:
        both, won, lost = c["both"], c["after"] - c["both"], c["before"] - c["both"]
        pairs.append(Counts(both, won, lost, c["n"] - both - won - lost))
    before, after = (Accuracy(tuple(c[when] for c in counts), counts[0]["n"]) for when in ("before", "after"))
    change = difference(after, before, tables=pairs, same_networks=True)
    return {"before": before.value, "after": after.value, "change": change}
