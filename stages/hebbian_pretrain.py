"""Learn hidden units without labels: `python -m stages.hebbian_pretrain uniform`."""

from __future__ import annotations

from biorobust import params
from biorobust.hebbian.model.params import Rule, RuleSize, WeightsRun
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "weights", "an entry of hebbian_weights in params.yaml")
    settings = params.load()
    method = settings.run("hebbian_weights", name, WeightsRun).method
    k, n_hidden = settings.block(method, Rule).k, settings.size(method, RuleSize).n_hidden
    if k > n_hidden:
        raise params.ParamsError(f"{method}.k = {k}: must be at most n_hidden = {n_hidden} (params.yaml)")
    with run_info(f"hebbian_pretrain@{name}"):
        from biorobust.hebbian.model import pretraining

        pretraining.pretrain(name, settings)


if __name__ == "__main__":
    stage_main(main)
