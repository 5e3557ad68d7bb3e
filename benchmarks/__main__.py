"""Run benchmarks and print one table: `python -m benchmarks [name ...]`.

Exit status: 0 if every ratio is within its limit, 1 if one is over, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS, ROOT
from benchmarks.timing import Measurement, Skipped, fresh
from biorobust.core.files import write_json

THREADS = 1  # docs/speed.md says why
HEADINGS = ("what", "ours", "reference", "ratio", "of minima", "limit", "")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what docs/speed.md promises.")
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(BENCHMARKS)}; all of them by default")
    parser.add_argument("--output", type=Path, default=ROOT / "data/work/benchmarks.json", help="file for the results")
    options = parser.parse_args(argv)
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"benchmark {name!r}: unknown; known are {', '.join(BENCHMARKS)}")

    # Every benchmark runs in a process of its own, where torch sizes its pools from these.
    os.environ |= {"OMP_NUM_THREADS": str(THREADS), "MKL_NUM_THREADS": str(THREADS)}
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for name in options.names or BENCHMARKS:
        started = time.perf_counter()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        module = load(name)
        try:
            rows += judge(name, fresh(module.measure), module.LIMITS)
        except Skipped as reason:
            skipped[name] = str(reason)
        print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    machine = {"threads": THREADS, "torch": metadata.version("torch"), "machine": platform.machine()}
    print(table(rows, skipped))
    write_json(options.output, machine | {"measurements": rows, "skipped": skipped})
    return 0 if all(row["ok"] for row in rows) else 1


def load(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


def judge(name: str, measured: Sequence[Measurement], limits: dict[str, float]) -> list[dict[str, Any]]:
    """Measurements as rows with their limits; every limit has to be measured and every measurement limited."""
    if {row.what for row in measured} != set(limits):
        raise ValueError(f"{name}: measured {[row.what for row in measured]}, but its limits are {list(limits)}")
    return [
        {"benchmark": name, **asdict(row), "limit": limits[row.what], "ok": row.ratio <= limits[row.what]}
        for row in measured
    ]


def table(rows: Sequence[dict[str, Any]], skipped: dict[str, str]) -> str:
    """The results as aligned text, one line each."""
    cells = [HEADINGS] + [
        (
            row["what"],
            f"{row['ours']:.3g} {row['unit']}",
            f"{row['reference']:.3g} {row['unit']}",
            f"{row['ratio']:.3f}",
            f"{row['ours_least'] / row['reference_least']:.3f}",
            f"{row['limit']:.3f}",
            "ok" if row["ok"] else "OVER",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in cells)
    ]
    title = f"ratio = ours / reference, smaller is better; threads: {THREADS}"
    return "\n".join([title, *lines, *(f"{name} skipped: {reason}" for name, reason in skipped.items())])


if __name__ == "__main__":
    sys.exit(main())
