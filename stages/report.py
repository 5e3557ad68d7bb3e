"""Write report.html and summary.md from tracked metrics, tables and figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from biorobust.core.files import write_text
from biorobust.reporting.render import render
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m stages.report", description=__doc__).parse_args(argv)
    with run_info("report"):
        rendered = render(Path())
        write_text("reports/report.html", rendered.html)
        write_text("reports/summary.md", rendered.summary)


if __name__ == "__main__":
    stage_main(main)
