"""report.html and summary.md from tracked files: this run, the newest snapshots, and templates without any result.

The templates refuse undefined names, so a missing value is an error here and never an empty cell there.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup, escape

from biorobust.core.errors import BiorobustError
from biorobust.reporting import claim_file, effects, labels, numbers, style
from biorobust.reporting.claim import Claim
from biorobust.reporting.headline import Headline
from biorobust.reporting.ledger import cells
from biorobust.reporting.price import MOST
from biorobust.reporting.protocol import amendments, described
from biorobust.reporting.provenance import provenance
from biorobust.reporting.registry import STUDIES
from biorobust.reporting.snapshot import RECORDED, Rejected, protocol, snapshots
from biorobust.reporting.source import Source, current, recorded
from biorobust.reporting.study import Study
from biorobust.reporting.table import cell, read
from biorobust.reporting.view import (
    SHOWN,
    SYMBOLS,
    FigureView,
    Overview,
    View,
    bare_reason,
    shared_reasons,
    shown,
    view,
)
from biorobust.statistics import rules

ANSWER = "answer"  # id of a study's figure that answers what the page asks


class Rendered(NamedTuple):
    """The two files, as text."""

    html: str
    summary: str


@dataclass(frozen=True)
class Chapter:
    """A study's part of the page. Its verdicts are those of `leading`, the recorded run if there is one."""

    study: Study
    current: View
    recorded: View | None
    headline: Headline | None
    conclusions: tuple[str, ...]
    facts: Mapping[str, Any]  # what only this study's template prints

    @property
    def leading(self) -> View:
        return self.recorded or self.current

    @property
    def answer(self) -> FigureView | None:
        """The figure that stands on the first screen, of a recorded run."""
        figures = self.recorded.figures if self.recorded else ()
        return next((item for item in figures if item.entry["id"] == ANSWER), None)


def render(root: str | Path) -> Rendered:
    """Render the report of the checkout `root`. Equal files give equal text.

    Raises BiorobustError naming a damaged file or a template that asks for something unknown.
    """
    given = context(Path(root))
    return Rendered(*(render_template(root, name, given=given) for name in ("report.html.j2", "summary.md.j2")))


def render_template(root: str | Path, name: str, *, given: Mapping[str, Any] | None = None) -> str:
    """One template of the checkout `root`, filled. Raises BiorobustError as `render` does."""
    folder = Path(root) / "reports" / "templates"
    try:
        return _tidy(_environment(folder).get_template(name).render(given or context(Path(root))))
    except TemplateError as error:
        raise BiorobustError(f"{_place(error, folder)}: {error.__class__.__name__}: {error}") from error


def _place(error: BaseException, folder: Path) -> str:
    """Which template of the folder, and which line of it, an error comes from; the folder where none does."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    return f"{inside[-1].filename}, line {inside[-1].lineno}" if inside else str(folder)


def context(root: Path) -> dict[str, Any]:
    """What the templates see."""
    claims = claim_file.of_checkout(root)
    found = snapshots(root / RECORDED)

    now = _views([current(root, name) for name in STUDIES], claims, root=root)
    before = _views(list(filter(None, (recorded(found, name) for name in STUDIES))), claims, root=root)
    chapters = [_chapter(now[name], before.get(name)) for name in STUDIES]
    said = {item.verdict for view in now.values() for item in view.judged if item.counted}
    return {
        "beside": bool(before) and len(said) > 1,  # this run's verdicts, in the ledger; all alike they say nothing
        "chapters": chapters,
        "leading": Overview(tuple(chapter.leading for chapter in chapters)),
        "current": Overview(tuple(now.values())),
        "recorded": Overview(tuple(before.values())) if before else None,
        "rejected": [item for item in found if isinstance(item, Rejected)],
        "judged_by": protocol(claims, STUDIES),
        "thresholds": described(),
        "amendments": amendments(root),
        "agreement": read(root / "reports" / "tables" / "current").get("agreement"),
    }


def _views(sources: Sequence[Source], claims: Sequence[Claim], *, root: Path) -> dict[str, View]:
    """By study. Studies that were run together share the provenance of that run."""
    together: dict[Path, list[Source]] = {}
    for one in (one for source in sources for one in (source, *source.older)):
        together.setdefault(one.root, []).append(one)
    runs = {base: provenance(of_run, claims=claims) for base, of_run in together.items()}
    return {
        source.study.name: view(
            source,
            claims,
            outputs=root / "reports",
            runs=[runs[one.root] for one in (source, *source.older)],
        )
        for source in sources
    }


def _chapter(now: View, before: View | None) -> Chapter:
    leading = before or now
    return Chapter(
        study=leading.study,
        current=now,
        recorded=before,
        headline=leading.study.headline(leading.judged, leading.metrics),
        conclusions=leading.study.conclusions(leading.judged, leading.metrics),
        facts=leading.study.facts(leading.metrics, leading.provenance.params),
    )


def _environment(folder: Path) -> Environment:
    page = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and ".html" in name,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters |= {
        "count": numbers.count,
        "tally": effects.tally,
        "duration": numbers.duration,
        "listed": numbers.listed,
        "said": labels.said,
        "slug": lambda verdict: verdict.replace(" ", "-"),
        "cell": cell,
        "cells": cells,
        "label": labels.label,
        "attack": labels.full_name,
        "bare_reason": bare_reason,
        "shared_reasons": shared_reasons,
        "shown": shown,
        "markdown": markdown,
        "coded": lambda text: Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))),
        "safe_svg": Markup,
    }
    page.globals |= {
        "VERDICTS": rules.VERDICTS,
        "DECIDED": rules.DECIDED,
        "SYMBOLS": SYMBOLS,
        "SHOWN": SHOWN,
        "MOST_TRAININGS": MOST,
        "label": labels.label,
        "styles": lambda: Markup(_styles(folder)),
    }
    return page


# What Markdown reads as markup, outside `code`: emphasis, links, tags and entities, and a table's border anywhere.
MARKUP = re.compile(r"[\\|]|[*~](?=\S)|(?<=\S)[*~]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|<(?=[A-Za-z/!?])|&(?=#?\w+;)")


def markdown(text: object) -> str:
    """A text of notes and metrics for a Markdown page: one line that means what it says; `code` stays code."""
    parts = re.split(r"(`[^`]+`)", " ".join(str(text).split()))
    return "".join(
        part.replace("|", "\\|") if i % 2 else MARKUP.sub(r"\\\g<0>", part).replace("`", "\\`")
        for i, part in enumerate(parts)
    )


def _styles(folder: Path) -> str:
    sheet = (folder / "report.css").read_text(encoding="utf-8")
    for ground in ("light", "dark"):
        sheet = sheet.replace(f"{{{{ colours_{ground} }}}}", style.css_variables(dark=ground == "dark"))
    return sheet


def _tidy(text: str) -> str:
    """No trailing spaces and no runs of empty lines, which template blocks leave behind."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"
