"""The protocol section: every threshold as it stands and every amendment; a heading that is none is refused."""

import re
from dataclasses import fields, replace
from html import unescape

import pytest
import report_checkout
from report_checkout import text, write_checkout

from biorobust.core.errors import BiorobustError
from biorobust.reporting import protocol
from biorobust.reporting.render import render
from biorobust.statistics import THRESHOLDS, Thresholds

OTHER = {"high_accuracy": 0.9, "gap_share": 0.25}  # of the rest seven times as much

alone = report_checkout.alone("hebbian")


def test_every_threshold_is_printed(monkeypatch):
    before = protocol.described()
    for field in fields(Thresholds):
        other = OTHER.get(field.name, 7 * field.default)
        monkeypatch.setattr(protocol, "THRESHOLDS", replace(THRESHOLDS, **{field.name: other}))
        assert protocol.described() != before, field.name


def test_the_page_shows_thresholds_hash_and_amendments(tmp_path):
    root = write_checkout(tmp_path)
    section = re.search(r'<section id="protocol">.*?</section>', render(root).html, re.DOTALL)
    assert section
    said = unescape(text(section[0]))
    for name, value in protocol.described():
        assert f"{name} {value}" in said
    assert THRESHOLDS.fingerprint() in said
    found = protocol.amendments(root)
    assert len(found) > 3
    for item in found:
        assert f"{item.date}: {item.title}" in said
        for paragraph in item.paragraphs:
            assert re.sub(r"\s+", "", paragraph.replace("`", "")) in re.sub(r"\s+", "", said)


def test_an_amendment_has_its_date_its_title_and_its_own_paragraphs(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/protocol.md").write_text(
        "# Protocol\n\nWords.\n\n## 2026-02-01: the newer\n\nOne\nline.\n\n### why\n\n## 2026-01-31: the older\n"
    )
    assert protocol.amendments(tmp_path) == (
        protocol.Amendment("2026-02-01", "the newer", ("One line.", "### why")),
        protocol.Amendment("2026-01-31", "the older", ()),
    )


def test_a_malformed_heading_is_one_clear_line(tmp_path):
    path = tmp_path / "docs/protocol.md"
    path.parent.mkdir()
    for heading in ("28.11.2026: rules", " 2026-11-28 rules", " 2026-13-28: rules", " 2026-11-28: ", "2026-11-28: x"):
        path.write_text(f"# Protocol\n\n## 2026-01-31: fine\n\n##{heading}\n\nWhy.\n")
        with pytest.raises(BiorobustError) as caught:
            protocol.amendments(tmp_path)
        said = str(caught.value)
        assert "\n" not in said
        assert said.startswith(f"{path}: {'##' + heading!r} ")
        assert '"## 2026-01-31: what changed"' in said
