"""What feedback makes of attacked letters, cycle by cycle: `python -m stages.cnnf_pictures cnn-feedback`.

For a run of cnnf_runs that has been attacked.
"""

from __future__ import annotations

from biorobust import params
from biorobust.cnnf.model.params import NetworkRun
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "run", "an entry of cnnf_runs in params.yaml")
    settings = params.load()
    settings.run("cnnf_runs", name, NetworkRun)
    with run_info(f"cnnf_pictures@{name}"):
        from biorobust.cnnf.model import experiments

        experiments.picture_attacked(name)


if __name__ == "__main__":
    stage_main(main)
