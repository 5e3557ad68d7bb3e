"""Take over the networks that others trained on ImageNet: `python -m stages.import_vonenet`.

Their files are looked for in the folder that BIOROBUST_WEIGHTS names. One without its file is noted as unavailable.
"""

from __future__ import annotations

import argparse

from biorobust import params
from biorobust.core import places
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", help="one entry of vonenet_imagenet in params.yaml; without it, all of them")
    only = parser.parse_args(argv).run
    settings = params.load()
    with run_info("import_vonenet"), places.together("imagenet"):
        from biorobust.vonenet.model import experiments

        for name in [only] if only else settings.runs["vonenet_imagenet"]:
            experiments.take_over(name, settings)


if __name__ == "__main__":
    stage_main(main)
