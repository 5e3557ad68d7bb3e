"""Attack a family of networks of the comparison, each by itself: `python -m stages.question_attack kwta`."""

from __future__ import annotations

from biorobust import params
from biorobust.core.progress import progress
from biorobust.question.model import left_out
from biorobust.question.model.params import FAMILIES, AttackPlan, AttackSize
from biorobust.question.model.rows import group, networks
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    family = one_argument(argv, __doc__, "family", ", ".join(FAMILIES))
    settings = params.load()
    chosen = networks(settings, family=family)
    plan, size = settings.block("question_attack", AttackPlan), settings.size("question_attack", AttackSize)
    here = [network for network in chosen.values() if not network.left_out]
    with run_info(f"question_attack@{family}"):
        folder = left_out.ATTACKED / group(family)
        for network in chosen.values():
            if network.left_out:
                left_out.attack(network, folder)
        if here:
            from biorobust.question.model import robustness

            for network in progress(here, label="attacks", unit="networks"):
                robustness.attack(network, plan=plan, size=size, folder=folder)


if __name__ == "__main__":
    stage_main(main)
