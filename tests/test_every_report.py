"""What holds of every study's part of the report: other metrics give other numbers and words, and none give none.

Two pages are rendered, from metrics and from the same metrics with every measured value changed, and compared place by
place. Between any two of some thousand numbers of four digits a few are equal by chance, so a single number proves
nothing about another place.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Set
from importlib import import_module
from typing import NamedTuple

import pytest
from changed_numbers import other_numbers, stale_cells, stale_sentences
from report_checkout import FAKES, ROOT, Page, ledger_verdicts, only, ready, text, write_checkout
from report_checkout import verdicts as judged_at

from biorobust import params
from biorobust.reporting import claim_file, labels
from biorobust.reporting.figure import read_index
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.render import render
from biorobust.reporting.requirements import files
from biorobust.reporting.view import SYMBOLS
from biorobust.statistics import rules
from stages import tables


class Facts(NamedTuple):
    """claims: of the study. given: columns that hold what was reported, asked for or set. known: other such numbers in
    sentences. open: claims that are not run at any scale, for want of official weights or of a stage. cells, numbers,
    ids: the page has more of them, in tables and in sentences. drawings: at least so many."""

    claims: list[str]
    scale: str
    given: Set[str] = frozenset()
    known: Set[str] = frozenset()
    open: Set[str] = frozenset()
    cells: int = 220
    numbers: int = 10
    ids: int = 20
    drawings: int = 2


# The ledger's, and data of figures.
SHARED = {
    *("claim", "statement", "part", "rule", "reported", "own numbers", "trainings × images", "verdict", "difference"),
    *("network", "run", "seeds", "images", "state", "attack", "eps", "image", "label", "n", "epoch", "cell", "why"),
    "twin",
}
FACTS = {study: Facts(**fake.FACTS) for study, fake in FAKES.items()}


@pytest.fixture(scope="module", params=FACTS)
def study(request):
    with only(request.param):
        yield request.param


@pytest.fixture(scope="module")
def roots(study, finished, tmp_path_factory):
    """The same checkout before and after its metrics were changed."""
    scale = FACTS[study].scale
    changed = ready(tmp_path_factory.mktemp("after"), study=study, scale=scale, change=other_numbers)
    return finished(study, scale=scale), changed


@pytest.fixture(scope="module")
def pages(roots):
    return render(roots[0]), render(roots[1])


@pytest.fixture(scope="module")
def verdicts(roots):
    """Claim -> verdict in both."""
    return [judged_at(root) for root in roots]


def test_every_measured_cell_of_the_page_changes(study, pages):
    given = FACTS[study].given | SHARED
    cells = FACTS[study].cells
    for section, least in ((study, cells), ("ledger", 60)) if study == "hebbian" else ((study, cells),):
        compared, stale = stale_cells(pages[0].html, pages[1].html, study=section, given=given)
        assert compared > least
        assert stale == []


def test_every_measured_number_of_a_sentence_changes(study, pages):
    compared, stale = stale_sentences(pages[0].html, pages[1].html, study=study, known=FACTS[study].known)
    assert compared > FACTS[study].numbers
    assert stale == []


def test_every_number_of_the_summary_changes(pages):
    before, after = (
        [line.split("|")[1:-1] for line in page.summary.splitlines() if re.match(r"\| [A-Z]\d+a? \|", line)]
        for page in pages
    )
    for old, new in zip(before, after, strict=True):
        assert old[:2] == new[:2]
        assert old[2] != new[2] or old[-3] != new[-3] or not re.search(r"\d", old[-3])


def test_verdict_words_are_those_of_the_rules(study, verdicts, pages):
    assert set(verdicts[0]) == set(FACTS[study].claims)
    assert verdicts[0] != verdicts[1]
    for said, rendered in zip(verdicts, pages, strict=True):
        page = text(rendered.html)
        assert ledger_verdicts(rendered.summary) == said
        for claim, verdict in said.items():
            row = re.search(rf'<tbody id="claim-{claim}">\n<tr class="claim">.*?</tr>', rendered.html, re.DOTALL)
            assert row
            word = labels.said(verdict, "our own claim" in row[0])
            assert f"{claim} {SYMBOLS[verdict]} {word}" in page
            assert re.findall(r'<span class="verdict [^>]*><b[^>]*>.</b> ([a-z ]+)</span>', row[0]) == [word]


def test_every_figure_follows_the_metrics(study, roots):
    folders = [root / f"reports/figures/{study}/current" for root in roots]
    before, after = map(read_index, folders)
    assert [entry["id"] for entry in before] == [entry["id"] for entry in after]
    for entry in before:
        drawings = [(folder / entry["file"]).read_text() for folder in folders]
        assert drawings[0] != drawings[1] or entry["id"] == "learning-rate", entry["id"]
    drawn = [entry["id"] for entry in before]
    declared = [item.id for item in import_module(f"biorobust.{study}.report.figures").FIGURES]
    assert drawn == [name for name in declared if name in drawn]


def test_the_page_is_well_formed_and_loads_nothing(study, roots, pages):
    rendered = pages[0]
    page = Page(rendered.html)
    page.check(ids=FACTS[study].ids)
    assert len(page.drawings) == len(read_index(roots[0] / f"reports/figures/{study}/current")) >= FACTS[study].drawings
    for part in (text(rendered.html), rendered.summary):
        assert not re.search(r"\{\{|\bNone\b|\bnan\b", part)


def test_every_file_attack_and_epsilon_of_a_claim_exists(study, roots):
    metrics = Measurements(roots[0] / "reports/metrics")
    blocks = params.load(ROOT / "params.yaml").blocks
    sizes = {None}
    for block in (study, f"{study}_cifar10", f"{study}_attack", f"{study}_activations"):
        for key, eps in vars(blocks.get(block, object)).items():
            if key.startswith(("eps", "curve")):
                sizes |= set(eps) if isinstance(eps, tuple) else {eps}
    for claim in claim_file.of_checkout(roots[0], complete=True):
        for check in claim.every_check:
            assert check.eps in sizes, claim.id
            if not check.missing:
                needed = {name for name in files(check) if not name.startswith("pretrain/")}
                assert needed <= {name for name, _ in check.requires}
                assert all(metrics.get(name) is not None for name in files(check)), claim.id


@pytest.mark.parametrize("scale", ["cpu", "gpu", "paper"])
def test_the_larger_scales_run_what_claims_ask_for(study, scale, verdicts, tmp_path):
    drawn = scale == FACTS[study].scale
    found = verdicts[0] if drawn else judged_at(write_checkout(tmp_path, study=study, scale=scale))
    assert {name for name, verdict in found.items() if verdict == rules.NOT_RUN} == FACTS[study].open


@pytest.mark.parametrize("scale", ["tiny", "nothing was run"])
def test_what_was_not_run_at_its_size_is_neither_confirmed_nor_denied(study, scale, tmp_path):
    given = {"scale": scale} if scale == "tiny" else {"change": shutil.rmtree}
    root = write_checkout(tmp_path, study=study, **given)
    tables.write(root)
    rendered = render(root)
    assert set(ledger_verdicts(rendered.summary).values()) == {rules.NOT_RUN}
    page = text(rendered.html)
    assert "No figure has been drawn" in page
    assert Page(rendered.html).drawings == []
    counts = re.findall(r'<ul class="verdicts">(.*?)</ul>', rendered.html, re.DOTALL)
    assert counts
    assert not re.search(r"reproduced|partly|held|hold", " ".join(counts))
    assert "a claim without a verdict has not failed" in page
