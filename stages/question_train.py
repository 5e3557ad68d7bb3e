"""Train a family of networks of the comparison on both data sets: `python -m stages.question_train kwta`."""

from __future__ import annotations

from biorobust import params
from biorobust.core import places
from biorobust.core.progress import progress
from biorobust.question.model import left_out
from biorobust.question.model.params import FAMILIES
from biorobust.question.model.rows import group, networks
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    family = one_argument(argv, __doc__, "family", ", ".join(FAMILIES))
    settings = params.load()
    chosen = networks(settings, family=family).values()
    with run_info(f"question_train@{family}"), places.together(group(family)):
        for network in progress(chosen, label="training", unit="networks"):
            if network.left_out:
                left_out.train(network, scale=settings.scale)
                continue
            from biorobust.question.model import experiments

            experiments.train(network, settings)


if __name__ == "__main__":
    stage_main(main)
