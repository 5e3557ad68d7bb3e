"""Attack the cells of a row of the k-WTA tables in both threat models: `python -m stages.attack_kwta kwta`."""

from __future__ import annotations

from biorobust import params
from biorobust.core import places
from biorobust.core.progress import progress
from biorobust.kwta.model.recipe import cells_of, group
from stages.common import one_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    row = one_argument(argv, __doc__, "row", "relu, kwta, kwta-low, transferred, or one of kwta_runs in params.yaml")
    settings = params.load()
    cells = cells_of(row, settings)
    with run_info(f"attack_kwta@{row}"), places.together(f"{group(row)}-attacked"):
        from biorobust.kwta.model import experiments

        for name, cell in progress(cells.items(), label=f"attacks on {row}", unit="cells"):
            experiments.attack_cell(name, cell.dataset, settings)


if __name__ == "__main__":
    stage_main(main)
