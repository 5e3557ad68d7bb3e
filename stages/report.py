"""Write report.html and summary.md from tracked metrics, tables and figures."""

from __future__ import annotations

from pathlib import Path

from biorobust.core.files import write_text
from biorobust.reporting.render import render
from stages.common import no_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    with run_info("report"):
        rendered = render(Path())
        write_text("reports/report.html", rendered.html)
        write_text("reports/summary.md", rendered.summary)


if __name__ == "__main__":
    stage_main(main)
