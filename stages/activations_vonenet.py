"""Compare the layers of networks with and without a V1 stage between clean and perturbed images."""

from __future__ import annotations

from biorobust import params
from biorobust.core.places import together
from biorobust.vonenet.model.params import GROUPS
from stages.common import no_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    settings = params.load()
    with run_info("activations_vonenet"), together("vonenet"):
        from biorobust.vonenet.model import comparison

        for group in GROUPS:
            comparison.compare_layers(group, settings)


if __name__ == "__main__":
    stage_main(main)
