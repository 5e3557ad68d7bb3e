"""Prose from words files, and tables from columns: what is put in comes out, and what is wrong is named."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from small_metrics import network

from biorobust.attack_names import NAMES
from biorobust.core.errors import BiorobustError
from biorobust.reporting import labels, words
from biorobust.reporting.measurements import Measurements
from biorobust.reporting.table import Column, cell, read, save, table
from biorobust.reporting.words import direction, paragraphs
from biorobust.statistics import Difference, rules

WORDS = """
{% block said %}
{{ {REPRODUCED: "It holds.", NOT_RUN: "It was not run."}[verdict] }}

{% set clean = accuracy("report-normal") %}
{% if clean %}
Clean images: {{ clean.value|share }},
for {{ "simple-conv"|label }}.
{% endif %}

{% if accuracy("no-such-run") %}
Never said.
{% endif %}
{% endblock %}
{% block wrong %}{{ nobody_gave_this }}{% endblock %}
"""


@pytest.fixture
def m(tmp_path, monkeypatch):
    """Made-up metrics, in a checkout whose study "toy" has words."""
    (tmp_path / "reports/notebooks").mkdir(parents=True)
    folder = tmp_path / words.FOLDER
    folder.mkdir(parents=True)
    (folder / "toy.j2").write_text(WORDS)
    (folder / words.SENTENCES).write_text("{% macro nothing() %}{% endmacro %}")
    monkeypatch.chdir(tmp_path)
    network(tmp_path / "metrics", "report-normal", [970])
    return Measurements(tmp_path / "metrics")


def test_a_block_is_filled_from_measurements_paragraph_by_paragraph(m):
    lead, fact = paragraphs("toy", "said", m, verdict=rules.REPRODUCED)
    assert lead == "It holds."
    assert fact == "Clean images: 97.0\u00a0%, for convolutional network."


@pytest.mark.parametrize(("block", "named"), [("other", "no block other"), ("wrong", "nobody_gave_this")])
def test_what_is_wrong_in_a_words_file_is_named(m, block, named):
    with pytest.raises(BiorobustError) as error:
        paragraphs("toy", block, m)
    assert re.match(rf".*toy\.j2.*{named}[^\n]*$", str(error.value))


def test_a_difference_points_somewhere_only_without_0_in_its_interval():
    for low, high, expected in ((0.01, 0.02, 1), (-0.02, -0.01, -1), (0.0, 0.01, 0)):
        assert direction(Difference((low + high) / 2, low, high, 0.5)) == expected


class Ours(NamedTuple):
    value: float
    low: float
    high: float


def test_columns_are_asked_once_and_come_back_from_the_csv_as_they_were(tmp_path):
    asked = []

    def ours(run):
        asked.append(run)
        return {"a": Ours(0.5, 0.4, 0.6), "b": Ours(0.5, 0.5, 0.5)}.get(run)

    columns = (
        Column("network", "text", str),
        Column("ours [95 %]", "estimate", ours, "ours"),
        Column("2 or words", "plain", lambda run: 2.0 if run == "a" else "diverged", "words"),
        Column("code", "", lambda run: "007"),
    )
    made = table("toy", ("Title", "Caption."), ["a", "b", "c"], columns)
    assert asked == ["a", "b", "c"]
    save([made], tmp_path)
    found = read(tmp_path)["toy"]
    assert [row["code"] for row in found.rows] == ["007"] * 3  # a text of digits stays a text
    assert [[cell(row, column) for column in found.columns] for row in found.rows] == [
        ["a", "50.00 [40.00, 60.00]", "2"],
        ["b", "50.00", "diverged"],
        ["c", "–", "diverged"],
    ]


def test_every_attack_has_words_and_one_that_is_not_listed_is_drawn_under_its_name():
    assert {name.removesuffix("-best") for name in NAMES} <= set(labels.NAMES)
    assert labels.full_name("new-one-best@first") == "new-one, best iterate, gradient through the first pass"
    looks = labels.attack_looks(["fgsm-margin", "new-one"])
    assert list(looks) == ["fgsm-margin", "new-one", labels.WORST_CASE]
    assert looks["fgsm-margin"] == labels.ATTACKS["fgsm-margin"]
    assert looks["new-one"].label == "new-one"
    assert labels.in_panel("simple-conv", "new-one") == looks["new-one"]
