"""Write the ledger and the tables of the report, for this run and for the newest recorded one."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from biorobust.reporting import claim_file
from biorobust.reporting.claims import judge
from biorobust.reporting.metrics import Metrics
from biorobust.reporting.snapshot import RECORDED, snapshots
from biorobust.reporting.study import hebbian, read_params
from biorobust.reporting.tables.hebbian import tables
from biorobust.reporting.tables.ledger import ledger
from biorobust.reporting.tables.table import save
from biorobust.reporting.view import newest
from stages.common import run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    argparse.ArgumentParser(prog="python -m stages.tables", description=__doc__).parse_args(argv)
    with run_info("tables"):
        write(Path())


def write(root: Path) -> None:
    """Write `reports/tables/current` and, where there is a valid snapshot, `reports/tables/recorded`."""
    out = root / "reports" / "tables"
    claims = claim_file.load(root / "reports" / "claims.yaml")
    sources = {"current": (root / "reports" / "metrics", root / "params.yaml")}
    snapshot = newest(snapshots(root / RECORDED), "hebbian")
    if snapshot:
        sources["recorded"] = (snapshot.path / "metrics", snapshot.params)
    shutil.rmtree(out, ignore_errors=True)
    for key, (folder, params) in sources.items():
        metrics, study = Metrics(folder), hebbian(read_params(params))
        save([ledger(judge(claims, metrics)), *tables(metrics, study, claims)], out / key)


if __name__ == "__main__":
    stage_main(main)
