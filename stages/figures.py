"""Run the notebook that draws a study's figures, for this run and for its newest recorded one."""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic
from biorobust.core.progress import progress
from biorobust.reporting.claim_file import CLAIMS, ClaimsError
from biorobust.reporting.registry import STUDIES
from biorobust.reporting.snapshot import RECORDED, snapshots
from biorobust.reporting.source import Source, sources
from stages import ROOT
from stages.common import run_info, stage_main

# Executed copies hold times and cell outputs; they are for reading and outside everything whose bytes repeat.
EXECUTED = Path("data/work/notebooks")
NOTEBOOK = Path("reports/notebooks/study.ipynb")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.figures", description=__doc__)
    parser.add_argument("study", choices=STUDIES)
    study = parser.parse_args(argv).study
    out = Path("reports/figures") / study
    with run_info(f"figures@{study}"):
        found = sources(Path(), study, found=snapshots(RECORDED))
        with atomic(out) as part:
            for source in progress(found, label=f"figures of {study}", unit="notebooks"):
                execute(source, out=part / source.key)


def execute(source: Source, *, out: Path) -> None:
    """Run the notebook in a kernel of its own. Raises BiorobustError with the kernel's message for a user's error."""
    import papermill

    logging.getLogger("papermill").setLevel(logging.WARNING)
    EXECUTED.mkdir(parents=True, exist_ok=True)
    study = source.study.name
    parameters = {"study": study, "params": source.root / "params.yaml", "claims": CLAIMS, "out": out}
    with tempfile.TemporaryDirectory() as settings:
        try:
            papermill.execute_notebook(
                NOTEBOOK,
                EXECUTED / f"{study}-{out.name}.ipynb",
                parameters={name: str(value) for name, value in parameters.items()}
                | {"label": source.label, "metrics": list(map(str, source.folders))},
                kernel_name="python3",
                cwd=Path.cwd(),
                progress_bar=False,
                kernel_manager_class=own_kernel(Path(settings)),
            )
        except papermill.PapermillExecutionError as error:
            if error.ename in {BiorobustError.__name__, ClaimsError.__name__}:
                raise BiorobustError(error.evalue) from None
            raise BiorobustError(
                f"{NOTEBOOK} ended with {error.ename}: {error.evalue} ({source.label}); "
                f"{EXECUTED}/{study}-{out.name}.ipynb shows where"
            ) from None


def own_kernel(settings: Path) -> type:
    """A kernel manager that starts this interpreter, whatever kernels and start-up files the user has.

    settings: an empty folder, in which IPython looks for the user's.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            specs = KernelSpecManager(kernel_dirs=[])
            files = {"connection_file": str(settings / "connection.json"), "ip": str(settings / "kernel")}
            # Over files instead of ports, which others on the machine could listen to.
            super().__init__(kernel_spec_manager=specs, transport="ipc", **files, **options)
            # The kernel starts elsewhere and has to find the library of this checkout, installed or not.
            path = [str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            own = {"PYTHONPATH": os.pathsep.join(path), "IPYTHONDIR": str(settings), "PYTHONSTARTUP": ""}
            assert self.kernel_spec is not None
            self.kernel_spec.argv.append("--IPKernelApp.log_level=CRITICAL")  # errors of the notebook come back to here
            self.kernel_spec.env |= {name: value.replace("$", "$$") for name, value in own.items()}

    return Kernel


if __name__ == "__main__":
    stage_main(main)
