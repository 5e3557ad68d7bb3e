"""Write the ledger and the tables of every study, for this run and for the newest recorded ones."""

from __future__ import annotations

from pathlib import Path

from biorobust.core.files import atomic
from biorobust.reporting import agreement, claim_file
from biorobust.reporting.claims import Judged, judge
from biorobust.reporting.ledger import ledger
from biorobust.reporting.registry import STUDIES
from biorobust.reporting.snapshot import RECORDED, snapshots
from biorobust.reporting.source import sources
from biorobust.reporting.table import Table, save
from stages.common import no_argument, run_info, stage_main


def main(argv: list[str] | None = None) -> None:
    no_argument(argv, __doc__)
    with run_info("tables"):
        write(Path())


def write(root: Path) -> None:
    """Write `reports/tables/current` and, for the studies that have a valid snapshot, `reports/tables/recorded`."""
    out = root / "reports" / "tables"
    claims = claim_file.of_checkout(root)
    found = snapshots(root / RECORDED)
    judged: dict[str, list[Judged]] = {}
    tables: dict[str, list[Table]] = {}
    effects: list[agreement.Compared] = []
    for study in STUDIES:
        shown = {source.key: (source.study, source.metrics()) for source in sources(root, study, found=found)}
        effects += agreement.compared(*shown["current"], shown.get("recorded", (None, None))[1])
        for key, (made, metrics) in shown.items():
            of_study = judge([claim for claim in claims if claim.study == study], metrics)
            judged.setdefault(key, []).extend(of_study)
            tables.setdefault(key, []).extend(made.tables(metrics, of_study))
    with atomic(out) as part:
        for key in judged:
            extra = [agreement.table(effects)] if key == "current" else []
            save([ledger(judged[key]), *extra, *tables[key]], part / key)


if __name__ == "__main__":
    stage_main(main)
