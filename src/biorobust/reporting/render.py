"""report.html and summary.md from tracked files: this run, the newest valid snapshot, and templates without any result.

The templates refuse undefined names, so a missing value is an error here and never an empty cell there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from biorobust.errors import BiorobustError
from biorobust.files import sha256
from biorobust.reporting import claim_file, numbers, reported, rules, style
from biorobust.reporting.headline import headline
from biorobust.reporting.snapshot import Rejected, snapshots
from biorobust.reporting.study import STUDIES, read_params
from biorobust.reporting.tables.table import cell
from biorobust.reporting.view import SYMBOLS, View, current, newest, recorded

STUDY = "hebbian"


@dataclass(frozen=True)
class Rendered:
    """The two files, as text."""

    html: str
    summary: str


def render(root: str | Path, *, templates: str | Path | None = None) -> Rendered:
    """Render the report of the checkout `root`. Equal files give equal text.

    Raises BiorobustError naming a damaged file or a template that asks for something unknown.
    """
    given = context(Path(root))
    html, summary = (
        render_template(root, name, templates=templates, given=given) for name in ("report.html.j2", "summary.md.j2")
    )
    return Rendered(html=html, summary=summary)


def render_template(
    root: str | Path, name: str, *, templates: str | Path | None = None, given: Mapping[str, Any] | None = None
) -> str:
    """One template of the checkout `root`, filled. Raises BiorobustError as `render` does."""
    folder = Path(templates) if templates else Path(root) / "reports" / "templates"
    try:
        return _tidy(_environment(folder).get_template(name).render(given or context(Path(root))))
    except TemplateError as error:
        raise BiorobustError(f"{folder}: {error.__class__.__name__}: {error}") from error


def context(root: Path) -> dict[str, Any]:
    """What the templates see."""
    claims = claim_file.load(root / "reports" / "claims.yaml")
    study = STUDIES[STUDY](read_params(root / "params.yaml"))
    found = snapshots(root / "reports" / "recorded")
    now = current(root, study, claims)
    newest_snapshot = newest(found, STUDY)
    before = recorded(root, study, claims, newest_snapshot) if newest_snapshot else None
    leading: View = before or now
    return {
        "study": study,
        "current": now,
        "recorded": before,
        "leading": leading,
        "views": [before, now] if before else [now],
        "rejected": [item for item in found if isinstance(item, Rejected)],
        "headline": headline(leading.judged, leading.metrics, reported.curves(claims)),
        "claims_sha256": sha256(root / "reports" / "claims.yaml"),
    }


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
        "duration": numbers.duration,
        "listed": numbers.listed,
        "slug": lambda verdict: verdict.replace(" ", "-"),
        "cell": cell,
        "unpiped": lambda text: str(text).replace("|", "\\|"),
        "safe_svg": Markup,
    }
    page.tests["numeric"] = lambda text: bool(re.fullmatch(r"-?[\d.]+(e-?\d+)?", text))
    page.globals |= {
        "VERDICTS": rules.VERDICTS,
        "SYMBOLS": SYMBOLS,
        "label": lambda run: style.look(run).label,
        "styles": lambda: Markup(_styles(folder)),
    }
    return page


def _styles(folder: Path) -> str:
    colours: Mapping[str, str] = {
        "colours_light": style.css_variables(dark=False),
        "colours_dark": style.css_variables(dark=True),
    }
    sheet = (folder / "report.css").read_text(encoding="utf-8")
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: colours[match[1]], sheet)


def _tidy(text: str) -> str:
    """No trailing spaces and no runs of empty lines, which template blocks leave behind."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"
