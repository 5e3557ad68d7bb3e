"""Run a study's notebook, which draws its figures, for this run and for its newest recorded one."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
from pathlib import Path

from biorobust.core.errors import BiorobustError
from biorobust.core.progress import progress
from biorobust.reporting.claim_file import CLAIMS, ClaimsError
from biorobust.reporting.registry import STUDIES
from biorobust.reporting.snapshot import RECORDED, snapshots
from biorobust.reporting.source import Source, sources
from stages import ROOT
from stages.common import run_info, stage_main

# Executed copies hold times and cell outputs; they are for reading and outside everything whose bytes repeat.
EXECUTED = Path("data/work/notebooks")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.figures", description=__doc__)
    parser.add_argument("study", choices=STUDIES)
    study = parser.parse_args(argv).study
    out = Path("reports/figures") / study
    with run_info(f"figures@{study}"):
        shutil.rmtree(out, ignore_errors=True)
        found = sources(Path(), study, found=snapshots(RECORDED))
        for source in progress(found, label=f"figures of {study}", unit="notebooks"):
            execute(source, out=out / source.key)


def execute(source: Source, *, out: Path) -> None:
    """Run the notebook in a kernel of its own. Raises BiorobustError with the kernel's message for a user's error."""
    import papermill

    logging.getLogger("papermill").setLevel(logging.WARNING)
    # The kernel starts elsewhere and has to find the library of this checkout, installed or not.
    path = [str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    EXECUTED.mkdir(parents=True, exist_ok=True)
    study = source.study.name
    label = f"recorded run {source.snapshot.name}" if source.snapshot else "current run"
    parameters = {"metrics": source.metrics, "params": source.params, "claims": CLAIMS, "out": out}
    try:
        papermill.execute_notebook(
            f"reports/notebooks/{study}.ipynb",
            EXECUTED / f"{study}-{out.name}.ipynb",
            parameters={name: str(value) for name, value in parameters.items()} | {"label": label},
            kernel_name="python3",
            cwd=Path.cwd(),
            progress_bar=False,
        )
    except papermill.PapermillExecutionError as error:
        if error.ename in {BiorobustError.__name__, ClaimsError.__name__}:
            raise BiorobustError(error.evalue) from None
        raise


if __name__ == "__main__":
    stage_main(main)
