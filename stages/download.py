"""Get one data set from data.source, check it, and store it in one file with its provenance.

Reads params.yaml (data.source). Writes data/datasets/<name>.npz and reports/metrics/data/<name>.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from biorobust import datasets
from biorobust.params import load
from stages.common import run_info, stage_main

DATA = Path("data/datasets")
PROVENANCE = Path("reports/metrics/data")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.download", description=__doc__)
    parser.add_argument("name", help="the data set, for example mnist")
    args = parser.parse_args(argv)
    params = load()
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
