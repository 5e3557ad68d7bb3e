"""Show every compared network the images found on all others, and count: `python -m stages.question_transfer`."""

from __future__ import annotations

from biorobust import params
from biorobust.core import places
from stages.common import no_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    settings = params.load()
    with run_info("question_transfer"), places.together("question"):
        from biorobust.question.model import robustness

        robustness.transfer(settings)


if __name__ == "__main__":
    stage_main(main)
