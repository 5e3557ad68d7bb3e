"""Attack the cells of a k-WTA run in both threat models: `python -m stages.attack_kwta scratch-kwta`."""

from __future__ import annotations

import argparse

from biorobust import params
from biorobust.core import places
from biorobust.core.progress import progress
from biorobust.kwta.model.params import AttackedSize, Attacks, Probe, ProbeSize
from biorobust.kwta.model.rows import cells_of, group
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", help="relu, kwta or kwta-low, or an entry of kwta_runs in params.yaml")
    parser.add_argument("--cell", help="attack this one only, and write nothing but its state, for the stage to find")
    arguments = parser.parse_args(argv)
    settings = params.load()
    cells = cells_of(arguments.row, settings, only=arguments.cell)
    from biorobust.kwta.model import experiments

    def attack(name: str, *, write: bool) -> None:
        experiments.attack_cell(
            name,
            dataset=cells[name].dataset,
            plan=settings.block("kwta_attack", Attacks),
            size=settings.size("kwta_attack", AttackedSize),
            probe=settings.block("kwta_probe", Probe),
            probed=settings.size("kwta_probe", ProbeSize),
            scale=settings.scale,
            write=write,
        )

    if arguments.cell is not None:
        attack(arguments.cell, write=False)
        return
    with run_info(f"attack_kwta@{arguments.row}"), places.together(f"{group(arguments.row)}-attacked"):
        for name in progress(cells, label=f"attacks on {arguments.row}", unit="cells"):
            attack(name, write=True)


if __name__ == "__main__":
    stage_main(main)
