"""A small checkout with made-up metrics, drawn and tabulated but not yet rendered: where the report's tests start."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from fake_metrics import write_metrics

from biorobust.files import write_json
from biorobust.reporting import snapshot
from biorobust.reporting.figures import figure, hebbian
from biorobust.reporting.study import hebbian as hebbian_study
from biorobust.reporting.study import read_params
from stages import tables

ROOT = Path(__file__).resolve().parent.parent


def write_checkout(
    root: Path,
    *,
    scale: str = "paper",
    fidelity: str = "official",
    seeds: tuple[int, ...] = (0, 1, 2),
    change: Callable[[Path], None] = lambda metrics: None,
) -> Path:
    """Templates, claims and params of this repository with the metrics of `write_metrics`, then `change`d."""
    shutil.copytree(ROOT / "reports/templates", root / "reports/templates")
    shutil.copy(ROOT / "reports/claims.yaml", root / "reports/claims.yaml")
    params = re.sub(r"(?m)^scale: \w+", f"scale: {scale}", (ROOT / "params.yaml").read_text())
    (root / "params.yaml").write_text(params)
    (root / "dvc.lock").write_text(
        "stages:\n  download@mnist:\n    outs:\n    - {path: data/datasets/mnist.npz, md5: 0a1b}\n"
    )
    write_metrics(root / "reports/metrics", scale=scale, fidelity=fidelity, seeds=seeds)
    change(root / "reports/metrics")
    for position, stage in enumerate(hebbian_study(read_params(root / "params.yaml")).stages()):
        write_json(root / f"reports/run_info/{stage}.json", run_info(stage, seconds=90.0 + position))
    return root


def run_info(stage: str, *, seconds: float) -> dict[str, object]:
    versions = {"python": "3.11.2", "torch": "2.15.0"}
    machine = {"device": "cpu", "cpu": "a processor", "platform": "Linux x86_64", "threads": 2, "versions": versions}
    noted = {"stage": stage, "wall_seconds": seconds, "peak_memory_mb": 512, "finished": "2026-01-01T00:00:00+00:00"}
    return noted | machine | {"commit": "c0ffee", "modified": True}


def record(root: Path, source: Path, name: str) -> Path:
    """Make a snapshot of the checkout `source` in `root`."""
    return snapshot.create(name, root=root, source=source, studies=["hebbian"], commit="d" * 40).path


def draw_and_tabulate(root: Path) -> None:
    """What the stages before the report do, without a notebook's kernel."""
    _draw(root, root / "reports/metrics", root / "params.yaml", "current")
    for path in sorted((root / "reports/recorded").glob("*")):
        _draw(root, path / "metrics", path / "params.yaml", "recorded")
    tables.write(root)


def _draw(root: Path, metrics: Path, params: Path, key: str) -> None:
    given = hebbian.inputs(metrics=metrics, params=params, claims=root / "reports/claims.yaml")
    figure.save(hebbian.draw(given), root / "reports/figures/hebbian" / key)
