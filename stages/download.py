"""Get one data set from data.source, check it, and store it in one file with its provenance.

Reads params.yaml (data.source). Writes data/datasets/<name>.npz and reports/metrics/data/<name>.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from biorobust import datasets
from biorobust.core.files import read_json
from biorobust.params import Params, load
from stages.common import run_info, stage_main

DATA = Path("data/datasets")
PROVENANCE = Path("reports/metrics/data")


def stale(params: Params) -> list[str]:
    """The DVC stages that took bundled data for want of a folder with real data, now that a variable names one.

    DVC cannot see it: neither a parameter nor a file has changed.
    """
    if params.data.source != "auto":
        return []
    return [
        f"download@{name}"
        for name in params.datasets
        if _source(name) == "bundled" and datasets.local_folder(name) is not None
    ]


def _source(name: str) -> str | None:
    path = PROVENANCE / f"{name}.json"
    return read_json(path).get("source") if path.is_file() else None


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.download", description=__doc__)
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("name", nargs="?", help="the data set, for example mnist")
    choice.add_argument(
        "--stale", action="store_true", help="print the stages to run again now that real data is at hand"
    )
    args = parser.parse_args(argv)
    params = load()
    if args.stale:
        for stage in stale(params):
            print(stage)
        return

    npz = DATA / f"{args.name}.npz"
    with run_info(f"download@{args.name}"):
        record = datasets.get(
            args.name, source=params.data.source, npz=npz, provenance=PROVENANCE / f"{args.name}.json"
        )
    shape = "x".join(map(str, record["image_shape"]))
    print(
        f"{args.name}: {record['source']} ({record['fidelity']}), {record['train']['n']} training and "
        f"{record['test']['n']} test images of {shape}, in {npz}"
    )


if __name__ == "__main__":
    stage_main(main)
