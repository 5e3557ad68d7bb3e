"""The first screen: findings before counts, the reports' claims apart from our own, nothing open called decided, and
one training named as such; page, summary.md and README say the same."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from html import unescape

import pandas as pd
import pytest
import report_checkout
from report_checkout import judged, record, text, write_checkout

from biorobust.reporting.claims import Part
from biorobust.reporting.labels import said
from biorobust.reporting.render import render, render_template
from biorobust.reporting.view import shown
from biorobust.statistics import rules
from stages import tables

COUNTED = r"(\d+) ([a-z ]+?)(?: \((\d+) provisional\))?(?=[,.])"  # in a line of text
OPEN = (rules.INCONCLUSIVE, rules.NOT_TESTABLE, rules.NOT_RUN)


def counted(items):
    """What a row of counts has to say of these claims: verdict word -> how many, and how many are provisional."""
    words = {said(item.verdict, item.claim.ours): [] for item in items}
    for item in items:
        words[said(item.verdict, item.claim.ours)].append(item.provisional)
    return {word: (len(single), sum(single)) for word, single in words.items()}


def read(line, pattern):
    """The same from text in which `pattern` finds (count, word, provisional count or nothing)."""
    return {word: (int(n), int(single or 0)) for n, word, single in re.findall(pattern, line)}


alone = report_checkout.alone("kwta")
PRINTED = "the reports and papers"  # whose claims are not ours


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A recorded run of one training each, with every kind of verdict but stand-in data, beside a tiny run."""
    there = write_checkout(tmp_path_factory.mktemp("there"), study="kwta", scale="cpu")
    root = write_checkout(tmp_path_factory.mktemp("here"), study="kwta", scale="tiny")
    record(root, there, "big-run", study="kwta")
    tables.write(root)
    return root


@pytest.fixture(scope="module")
def claims(root):
    """The recorded run's claims: those of the reports, and ours."""
    items = judged(root, recorded="big-run")
    return {kind: [i for i in items if i.claim.ours == ours] for kind, ours in ((PRINTED, False), ("our own", True))}


@pytest.fixture(scope="module")
def rendered(root):
    return render(root)


@pytest.fixture(scope="module")
def block(root):
    return render_template(root, "readme.md.j2")


@pytest.mark.parametrize(("kind", "place"), [(PRINTED, 0), ("our own", 1)])
def test_claims_of_our_own_are_counted_apart(kind, place, rendered, block, claims):
    expected, n = counted(claims[kind]), len(claims[kind])
    decided = sum(item.verdict in rules.DECIDED for item in claims[kind])
    assert re.search(rf"\b{n} claims of {kind}, {decided} decided", text(rendered.html))
    lists = re.findall(r'<ul class="verdicts">(.*?)</ul>', rendered.html, re.DOTALL)
    assert read(text(lists[place]), r"(\d+) ([a-z ]+?) (?:\((\d+) provisional\) )?(?=[+~×?○·]|$)") == expected
    widths = re.findall(r'<div class="bar" aria-hidden="true">(.*?)</div>', rendered.html, re.DOTALL)[place]
    assert sum(map(int, re.findall(r"flex: (\d+)", widths))) == n
    line = rendered.summary.splitlines()[2 + 2 * place]
    assert line.startswith(f"**{n} claims of {kind}**")
    assert read(line, COUNTED) == expected
    line = next(line for line in block.splitlines() if line.startswith(f"{n} claims of {kind}: "))
    assert read(line, COUNTED) == expected


def test_the_readme_shows_the_recorded_run_and_no_ledger(block):
    assert "- **k-winners-take-all activations.** " in block
    (run,) = (line for line in block.splitlines() if line.startswith("| `big-run` at"))
    assert "cpu" in run
    assert [line for line in block.splitlines() if re.match(r"\| [A-Z]\d", line)] == []


def test_one_training_and_open_parts_are_named_beside_the_verdict(rendered, claims):
    for item in claims[PRINTED] + claims["our own"]:
        (row,) = re.findall(
            rf'<tbody id="claim-{item.claim.id}">\n<tr class="claim">.*?</tr>', rendered.html, re.DOTALL
        )
        (line,) = (line for line in rendered.summary.splitlines() if line.startswith(f"| {item.claim.id} |"))
        n_open, n = (sum(part.counts and part.verdict in of for part in item.parts) for of in (OPEN, rules.VERDICTS))
        mostly = item.verdict in rules.DECIDED and n_open > n / 2
        for shown_as in (text(row), line):
            assert ("provisional" in shown_as) == item.provisional, shown_as
            assert (f"{n_open} of {n} parts open" in shown_as) == mostly, shown_as


def test_this_run_is_set_against_the_recorded_one_effect_by_effect(root, rendered):
    frame = pd.read_csv(root / "reports/tables/current/agreement.csv")
    assert len(frame) > 1
    first = rendered.html[: rendered.html.index('id="ledger"')]
    summary = re.search(r"<summary>This run \(scale tiny\).*?: (.*?)</summary>", first)
    assert summary
    words = dict(re.findall(r"([a-z ]+): (\d+)", summary[1]))
    assert {word.strip(): int(n) for word, n in words.items()} == {"same direction": 0} | dict(Counter(frame["word"]))
    for effect, word in zip(frame["effect"], frame["word"], strict=True):
        (row,) = (row for row in re.findall(r"<tr>.*?</tr>", first, re.DOTALL) if effect in unescape(text(row)))
        assert word in text(row)


def part(verdict, **more):
    """A counted part of the rule "threshold"; `more` are other fields of it."""
    given = {"rule": "threshold", "verdict": verdict, "counts": True}
    return Part(**(dict.fromkeys(field.name for field in dataclasses.fields(Part)) | given | more))


def test_the_part_that_decides_most_stands_for_its_claim():
    good, bad, left_open = part(rules.REPRODUCED), part(rules.NOT_REPRODUCED), part(rules.INCONCLUSIVE)
    near, far = (part(rules.REPRODUCED, rule="number", difference=gap) for gap in (0.01, -0.02))
    unmeasured = part(rules.NOT_RUN, rule="number")
    uncounted = part(rules.NOT_REPRODUCED, rule="number", difference=0.9, counts=False)
    assert shown([good, left_open, bad, part(rules.NOT_REPRODUCED)]) is bad
    assert shown([good, left_open]) is left_open
    assert shown([good, part(rules.REPRODUCED)]) is good
    assert shown([uncounted, good, bad, near, far, near]) is far
    assert shown([unmeasured, good]) is unmeasured
