"""Attack a family of networks of the comparison, each by itself: `python -m stages.question_attack kwta`."""

from __future__ import annotations

from biorobust import params
from biorobust.core.progress import progress
from biorobust.question.model import left_out
from biorobust.question.model.params import FAMILIES
from biorobust.question.model.rows import group, networks
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    family = one_argument(argv, __doc__, "family", ", ".join(FAMILIES))
    settings = params.load()
    chosen, folder = networks(settings, family=family).values(), left_out.ATTACKED / group(family)
    with run_info(f"question_attack@{family}"):
        for network in progress(chosen, label="attacks", unit="networks"):
            if network.left_out:
                left_out.attack(network, folder)
                continue
            from biorobust.question.model import robustness

            robustness.attack(network, settings, folder)


if __name__ == "__main__":
    stage_main(main)
