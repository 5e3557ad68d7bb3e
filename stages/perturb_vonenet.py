"""Perturb images against every network with or without a V1 stage.

A stage of its own, because each network's layers are measured on the perturbed images of others too.
"""

from __future__ import annotations

from biorobust import params
from biorobust.vonenet.model.params import GROUPS
from stages.common import no_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    settings = params.load()
    with run_info("perturb_vonenet"):
        from biorobust.vonenet.model import experiments

        for group in GROUPS:
            experiments.perturb(group, settings)


if __name__ == "__main__":
    stage_main(main)
