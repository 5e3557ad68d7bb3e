"""Write the recorded results into README.md: `python -m stages.readme` (`--check`: say whether they are up to date)."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from biorobust.core.errors import BiorobustError
from biorobust.core.files import write_text
from biorobust.reporting.render import render_template
from stages.common import stage_main

README = Path("README.md")
BLOCK = re.compile(r"(?<=<!-- recorded results: begin -->\n).*?(?=<!-- recorded results: end -->)", re.DOTALL)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.readme", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if README.md is out of date")
    check = parser.parse_args(argv).check
    text = README.read_text(encoding="utf-8")
    fresh = with_results(text, root=Path())
    if check and fresh != text:
        raise BiorobustError("README.md does not show the newest results: run `python -m stages.readme`")
    if not check:
        write_text(README, fresh)


def with_results(text: str, *, root: Path) -> str:
    """`text` with its block rendered from the checkout `root`. Raises BiorobustError when a marker is gone."""
    if not BLOCK.search(text):
        raise BiorobustError("README.md has lost the markers of its block of results")
    return BLOCK.sub(lambda _: render_template(root, "readme.md.j2"), text, count=1)


if __name__ == "__main__":
    stage_main(main)
