"""What the library promises about its cost, measured: `python -m benchmarks [name ...]` or `make bench`.

A benchmark is one module here and one name in BENCHMARKS. It has `LIMITS`, the largest allowed ratio ours / reference
per measurement, and `measure()`, which returns one `timing.Measurement` per entry of LIMITS or raises `timing.Skipped`.
Every ratio is taken against a reference of the same run; docs/speed.md says how to read them.
"""

import sys
from pathlib import Path

BENCHMARKS = (
    "hebbian_rule",
    "hebbian_readout",
    "fgsm_grid",
    "attacks",
    "cnnf",
    "kwta",
    "kwta_gpu",
    "vonenet",
    "activations",
    "memory",
    "repro_noop",
)

ROOT = Path(__file__).resolve().parent.parent
# As the stages do: the library of this checkout, without installing anything.
if str(ROOT / "src") not in sys.path:
    sys.path.insert(0, str(ROOT / "src"))
