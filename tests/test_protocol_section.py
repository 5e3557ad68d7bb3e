"""The protocol section: every threshold as it stands and every amendment; a heading that is none is refused."""

import re
from dataclasses import fields, replace
from html import unescape

import pytest
import report_checkout
from report_checkout import copied, text, write_checkout

from biorobust.core.errors import BiorobustError
from biorobust.reporting import protocol
from biorobust.reporting.render import render
from biorobust.statistics import THRESHOLDS, Thresholds

OTHER = {"level": 0.9, "same": 0.04, "high_accuracy": 0.9, "error_ratio": 1.7, "gap_share": 0.25}


alone = report_checkout.alone("hebbian")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_checkout(tmp_path_factory.mktemp("checkout"))


def section(root):
    found = re.search(r'<section id="protocol">.*?</section>', render(root).html, re.DOTALL)
    assert found
    return unescape(text(found[0]))


def changes():
    """Field and another value of it; of a mapping one for each entry."""
    found = []
    for field in fields(Thresholds):
        value = getattr(THRESHOLDS, field.name)
        if isinstance(value, dict):
            found += [(field.name, value | {key: 7 * number}) for key, number in value.items()]
        else:
            found.append((field.name, OTHER.get(field.name, 7 * value)))
    return found


@pytest.mark.parametrize(("name", "value"), changes())
def test_every_threshold_is_printed(name, value, monkeypatch):
    before = protocol.described()
    monkeypatch.setattr(protocol, "THRESHOLDS", replace(THRESHOLDS, **{name: value}))
    assert getattr(THRESHOLDS, name) != value
    changed = [new for old, new in zip(before, protocol.described(), strict=True) if old != new]
    assert len(changed) >= 1


def test_the_page_shows_thresholds_hash_and_amendments(root):
    said = section(root)
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


@pytest.mark.parametrize(
    "heading",
    [
        "## 28.11.2026: rules",
        "## 2026-11-28 rules",
        "## 2026-13-28: rules",
        "## 2026-11-28: ",
        "## Rules",
        "##2026-11-28: x",
    ],
)
def test_a_malformed_heading_is_one_clear_line(heading, root, tmp_path):
    checkout = copied(root, tmp_path)
    path = checkout / "docs/protocol.md"
    path.write_text(path.read_text() + f"\n{heading}\n\nWhy.\n")
    with pytest.raises(BiorobustError) as caught:
        render(checkout)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{path}: {heading!r} ")
    assert '"## 2026-01-31: what changed"' in said
