"""Learn hidden units without labels: `python -m stages.hebbian_pretrain uniform`."""

from __future__ import annotations

from biorobust import params
from biorobust.hebbian.model.params import Rule, RuleSize, WeightsRun
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    name = one_argument(argv, __doc__, "weights", "an entry of hebbian_weights in params.yaml")
    settings = params.load()
    run = settings.run("hebbian_weights", name, WeightsRun)
    rule = settings.block(run.method, Rule)
    size = settings.size(run.method, RuleSize)
    if rule.k > size.n_hidden:
        raise params.ParamsError(f"{run.method}.k = {rule.k}: must be at most n_hidden = {size.n_hidden} (params.yaml)")
    with run_info(f"hebbian_pretrain@{name}"):
        from biorobust.hebbian.model import pretraining

        pretraining.pretrain(
            name, rule=rule, init=run.init, size=size, scale=settings.scale, seeds=settings.seeds(size.seeds)
        )


if __name__ == "__main__":
    stage_main(main)
