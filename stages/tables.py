"""Write the ledger and the tables of every study, for this run and for the newest recorded ones."""

from __future__ import annotations

from pathlib import Path

from biorobust.core.files import atomic
from biorobust.reporting import agreement, claim_file
from biorobust.reporting.claims import Judged, judge
from biorobust.reporting.ledger import ledger
from biorobust.reporting.registry import STUDIES
from biorobust.reporting.snapshot import RECORDED, snapshots
from biorobust.reporting.source import Source, sources
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
    by_key: dict[str, list[Source]] = {}
    for study in STUDIES:
        for source in sources(root, study, found=found):
            by_key.setdefault(source.key, []).append(source)
    effects = [
        item
        for study in STUDIES
        for now, *before in [sources(root, study, found=found)]
        for item in agreement.compared(now.study, now.metrics(), before[0].metrics() if before else None)
    ]
    with atomic(out) as part:
        for key, of_key in by_key.items():
            judged: list[Judged] = []
            tables: list[Table] = []
            for source in of_key:
                metrics = source.metrics()
                of_study = judge([claim for claim in claims if claim.study == source.study.name], metrics)
                judged += of_study
                tables += source.study.tables(metrics, of_study)
            extra = [agreement.table(effects)] if key == "current" else []
            save([ledger(judged), *extra, *tables], part / key)


if __name__ == "__main__":
    stage_main(main)
