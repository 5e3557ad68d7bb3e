"""Tables of the k-WTA study: the report's eight in its own layout, its own numbers, oddities, ablations, trainings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from statistics import fmean
from typing import Any

from biorobust.core import outcomes
from biorobust.kwta.report.ablations import QUESTIONS, ablations, setting
from biorobust.kwta.report.headline import steps
from biorobust.kwta.report.printed import COLLAPSE, Key, Printed, Verdict, printed, verdicts
from biorobust.kwta.report.study import BEST, CLEAN, DEEPFOOL, MEASURES, NAMES, ORIGINAL_STEP, PGD, Cell, Kwta, row_name
from biorobust.reporting import columns
from biorobust.reporting.claims import Judged
from biorobust.reporting.estimates import value
from biorobust.reporting.labels import full_name
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.metrics_file import Content
from biorobust.reporting.numbers import share
from biorobust.reporting.requirements import printed_accuracies
from biorobust.reporting.table import Column, Table, table
from biorobust.reporting.words import paragraphs
from biorobust.statistics import Accuracy, Counts, difference, rules

LEVELS = ("0.5", "0.7", "0.8")
FIRST = "alexnet-svhn-scratch"  # the network of the report that did not learn
CELL = (
    Column("start", "text", attrgetter("place.init")),
    Column("cell", "", attrgetter("id")),
    Column("activation", "label", attrgetter("row")),
)
UNDECIDED = (rules.INCONCLUSIVE, rules.NOT_RUN, rules.NOT_TESTABLE)


def tables(m: Measurements, study: Kwta, judged: Sequence[Judged]) -> list[Table]:
    claims = [item.claim for item in judged if item.counted]
    cells, reported, said = study.cells(m), printed(claims), verdicts(judged, m)
    places = [tuple(rows) for _, rows in groupby(cells, key=attrgetter("place"))]
    return [
        *(_place(m, place, reported, said) for place in places if any(cell.trained for cell in place)),
        _own_numbers(m, judged),
        _anomalies(m, study, reported),
        _ablations(m, study),
        _reencoded(m, cells),
        _training(m, cells, printed_accuracies(claims)),
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
    m: Measurements, cells: Sequence[Cell], reported: Mapping[Key, Printed], said: Mapping[Key, Verdict]
) -> Table:
    """A table as the report has it, a column per attack; under each of its rows ours, and what the ledger says."""
    place, kept = cells[0].place, _kept_from(m.get(f"train/{cell.id}") for cell in cells)
    note = kept + columns.nonfinite({cell.row: cell.attacked for cell in cells})
    return table(
        f"kwta-table-{place.number or place.network}",
        _words("place", m, place=place, note=note),
        [row for cell in cells for row in _lines(cell, reported, said)],
        (
            Column("activation", "label", "activation"),
            Column("cell", "", "cell"),
            Column("line", "text", "line"),
            *(Column(words, "estimate", name) for name, words in MEASURES.items()),
        ),
    )


def _lines(cell: Cell, reported: Mapping[Key, Printed], said: Mapping[Key, Verdict]) -> Iterator[dict[str, Any]]:
    """The lines of a cell: the report's, empty where that is of another gamma, ours, and the verdicts.

    A network of our own has no line of the report, and sees the image as it is, so that it has one line.
    """
    known, of_report = {"activation": cell.row, "cell": cell.id}, cell.place.number is not None
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
        yield known | _verdicts(found)


def _verdicts(found: dict[str, Verdict]) -> dict[str, str]:
    """The line of verdicts. What limits all of them alike, and a reason they share, stand in front."""
    collapse = found.pop(COLLAPSE, None)
    marks = dict.fromkeys(mark for verdict in found.values() for mark in verdict.marks)
    reasons = dict.fromkeys(_short(part.reason) for part, _ in found.values() if part.verdict in UNDECIDED)
    line = f"verdict ({', '.join(marks)})" if marks else "verdict"
    row = {"line": f"{line}: {'; '.join(reasons)}" if reasons else line}
    row |= {name: verdict.part.verdict for name, verdict in found.items()}
    if collapse and collapse.part.verdict in (rules.REPRODUCED, rules.NOT_REPRODUCED):
        row[CLEAN] = f"one class for every image, as reported: {collapse.part.verdict}"
    return row


def _short(reason: str) -> str:
    """The first of the reasons why something is undecided, without the file: the ledger has it in full."""
    return re.sub(r" \(?(of )?(train|attack)/[\w/-]+\)?", "", reason).partition("; ")[0]


# --- the report against itself ----------------------------------------------------------------------------------------


def _own_numbers(m: Measurements, judged: Sequence[Judged]) -> Table:
    """How many comparisons of every claim the report's own numbers support, contradict or leave open."""
    rows = []
    for item in judged:
        words = Counter(part.own_numbers for part in item.parts if part.own_numbers)
        against = [part.label for part in item.parts if part.own_numbers == rules.CONTRADICTS]
        row = {"claim": item.claim.id, "statement": item.claim.statement, "rows": words.total(), **words}
        row["against"] = "; ".join([*against[:3], *["..."] * (len(against) > 3)])
        rows += [row] if words else []
    titles = {rules.SUPPORTS: "support it", rules.CONTRADICTS: "contradict it", rules.CANNOT_TELL: "cannot tell"}
    return table(
        "kwta-own",
        _words("own_numbers", m),
        rows,
        (
            Column("claim", "text", "claim"),
            Column("the report says", "text", "statement"),
            Column("comparisons", "count", "rows"),
            *(Column(title, "count", lambda row, word=word: row.get(word, 0), word) for word, title in titles.items()),  # type: ignore[misc]
            Column("which contradict", "text", "against"),
        ),
    )


def _anomalies(m: Measurements, study: Kwta, reported: Mapping[Key, Printed]) -> Table:
    """What is odd in the report, the test made for it, and its outcome: three paragraphs each of the words."""

    def said(cell: str, measure: str) -> str:
        return share(reported[cell, measure].value.value) if (cell, measure) in reported else "?"

    def cost(init: str) -> str:
        relu, low = (reported.get((f"resnet18-cifar10-{init}-{row}", CLEAN)) for row in ("relu", "kwta-low"))
        return f"{100 * (relu.value.value - low.value.value):.0f}" if relu and low else "?"

    made = ablations(m, study)
    title, caption, *items = paragraphs(
        "kwta",
        "anomalies",
        m,
        said=said,
        cost=cost,
        first=FIRST,
        relu=[
            said(cell, measure)
            for cell, measure in reported
            if measure == PGD and cell.endswith("-relu") and not cell.startswith(FIRST)
        ],
        setting=setting,
        ablations={asks: [row for row in made if row["asks"] == asks and row["ran"]] for asks in QUESTIONS},
        unchanged=[row for row in made if row["asks"] == "clip" and row["ran"] and row["unchanged"]],
        steps=[row for rows in steps(study.cells(m)).values() for row in rows if row[0].gamma is None],
        **_outcomes(m, study),
    )
    return table(
        "kwta-anomalies",
        (title, caption + _kept_from(row["content"] for row in made)),
        [
            {"seen": seen, "test": test, "outcome": outcome}
            for seen, test, outcome in zip(*(items[i::3] for i in range(3)), strict=True)
        ],
        (
            Column("in the report", "text", "seen"),
            Column("test", "text", "test"),
            Column("here", "text", "outcome"),
        ),
    )


def _outcomes(m: Measurements, study: Kwta) -> dict[str, Any]:
    """What the oddities ask of the cells: lists, empty where nothing was measured.

    `gaps`: between clean accuracy on the attacked images and on all, with the number of the former. `ranks`: of k-WTA
    cells, whether PGD leaves more than DeepFool, and how much more than its best iterate. `threats`: accuracy on the
    image minus on the tensor. `active`: mean share of values that pass, by row.
    """
    cells = study.cells(m)
    clean = {(cell.id, seed["seed"]): seed["correct"] / seed["n"] for cell in cells for seed in cell.seeds}
    kwta = ([cell.of(name) for name in (ORIGINAL_STEP, DEEPFOOL, BEST)] for cell in cells if cell.gamma is not None)
    ranks = ([found.value for found in row if found] for row in kwta if all(row))
    threats = [(cell.of(BEST, tensor=False), cell.of(BEST)) for cell in cells]
    alexnet = [cell for cell in cells if cell.id.startswith("alexnet-cifar10-scratch-")]
    return {
        "gaps": [
            (abs(right / n - clean[cell, seed]), n)
            for cell, seed, right, n in _attacked_part(m, study)
            if (cell, seed) in clean
        ],
        "ranks": [(last > deepfool, last - best) for last, deepfool, best in ranks],
        "threats": [image.value - tensor.value for image, tensor in threats if image and tensor],
        "active": {
            cell.row: fmean(passing for seed in cell.seeds for passing in seed["active"].values())
            for cell in alexnet
            if cell.seeds
        },
    }


def _attacked_part(m: Measurements, study: Kwta) -> Iterator[tuple[str, int, int, int]]:
    """Cell, seed, right and all of the images that are attacked, as they are; older runs hold paired counts alone."""
    kept = m.outcomes(study.name) or {}
    for cell in study.networks:
        of_cell = kept.get(outcomes.cell(cell, outcomes.CLEAN, 0.0))
        for seed, right in zip(of_cell.seeds, of_cell.right, strict=True) if of_cell else ():
            yield cell, seed, int(right.sum()), len(right)
    for (a, b, attack, _), by_seed in (m.pairs(study.name) or {}).items():
        for seed, counts in by_seed.items() if attack == outcomes.CLEAN else ():
            yield a, seed, counts.both + counts.only_a, counts.n
            yield b, seed, counts.both + counts.only_b, counts.n


# --- ablations, JPEG, trainings ---------------------------------------------------------------------------------------


def _ablations(m: Measurements, study: Kwta) -> Table:
    """A row per ablation: what was changed, accuracy clean and attacked, and how many of its trainings collapsed."""
    made = ablations(m, study)
    contents = {row["name"]: row["content"] for row in made}
    found = [row for row in made if not columns.left_out(row["content"])]
    attacks = {row["name"]: row["content"]["robust"] for row in found if row["ran"]}
    attacked = {name: {"attacks": {robust["attack"]: robust}} for name, robust in attacks.items()}
    note = columns.omitted(contents) + _kept_from(contents.values()) + columns.nonfinite(attacked)
    runs = [row["settings"] for row in found if row["content"]]
    sizes = dict.fromkeys((run["epochs"], -(-run["n_train"] // run["batch_size"]), run["n_train"]) for run in runs)
    return table(
        "kwta-ablations",
        _words("ablations", m, sizes=list(sizes), note=note),
        found,
        (
            Column("question", "text", "question"),
            Column("name", "", "name"),
            Column("network, data", "label", "network"),
            Column("activation", "label", "row", "activation"),
            Column("setting", "label", "changed"),
            Column("epochs", "", "epochs"),
            Column("n_train", "", "n_train"),
            Column("clean [95 %]", "estimate", "clean"),
            Column("attacked [95 %]", "estimate", "robust"),
            Column("collapsed", "label", "collapsed"),
            Column("state", "text", "state"),
        ),
    )


def _reencoded(m: Measurements, cells: Sequence[Cell]) -> Table:
    """Accuracy before and after another JPEG, and the paired difference, after minus before."""
    found = {cell: again for cell in cells if (again := (cell.attacked or {}).get("reencoded"))}
    first: Content = next(iter(found.values()), {})

    def share_of(kind: str, when: str) -> Callable[[Cell], Any]:
        return lambda cell: _before_and_after(found[cell]["per_seed"], kind)[when]

    return table(
        "kwta-reencoded",
        _words("reencoded", m, again=first, attack=full_name(first["attack"]) if first else ""),
        list(found),
        (
            Column("network", "text", lambda cell: NAMES[cell.place.network]),
            *CELL,
            *(
                Column(f"{words}, {title}", form, share_of(kind, when), f"{kind}_{when}")
                for kind, words in (("clean", "clean"), ("robust", "attacked"))
                for when, title, form in (
                    ("before", "before", "percent"),
                    ("after", "after", "percent"),
                    ("change", "change [95 %]", "difference"),
                )
            ),
        ),
    )


def _before_and_after(seeds: Sequence[Any], kind: str) -> dict[str, Any]:
    counts = [seed[kind] for seed in seeds]
    pairs = []
    for c in counts:
        both, won, lost = c["both"], c["after"] - c["both"], c["before"] - c["both"]
        pairs.append(Counts(both, won, lost, c["n"] - both - won - lost))
    before, after = (Accuracy(tuple(c[when] for c in counts), counts[0]["n"]) for when in ("before", "after"))
    change = difference(after, before, tables=pairs, same_networks=True)
    return {"before": before.value, "after": after.value, "change": change}


def _training(m: Measurements, cells: Sequence[Cell], levels: Mapping[str, float]) -> Table:
    trained = [cell for cell in cells if cell.trained]

    def mean(quantity: str) -> Callable[[Cell], float | None]:
        return lambda cell: found.value if (found := value(m, f"train/{cell.id}", quantity)) else None

    def epochs(level: str) -> Callable[[Cell], float | None]:
        """Mean over seeds of the epochs it took, None where a seed never came there."""

        def of(cell: Cell) -> float | None:
            reached = [row.value for row in m.rows(f"train/{cell.id}", f"epochs_to.{level}")]
            return fmean(map(float, reached)) if reached and None not in reached else None  # type: ignore[arg-type]

        return of

    return table(
        "kwta-training",
        _words("training", m, missing=len(cells) - len(trained)),
        trained,
        (
            Column("network, data", "label", attrgetter("place.title"), "network"),
            *CELL,
            columns.estimate("test", lambda cell: cell.of(CLEAN)),
            Column("training", "percent", mean("train_accuracy"), "train"),
            *(Column(f"{100 * float(level):.0f} % in", "plain", epochs(level), f"to_{level}") for level in LEVELS),
            Column("of epochs", "count", lambda cell: cell.trained["settings"]["epochs"], "epochs"),
            Column("steps", "", lambda cell: cell.trained.get("n_steps")),
            Column("entropy", "plain", mean("label_entropy")),
            Column("state", "text", lambda cell: columns.state(cell.trained, printed=levels)),
        ),
    )
