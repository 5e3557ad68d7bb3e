"""One runnable module per stage of dvc.yaml: read params, call the library, write outs.

`python -m stages.<name> --help` works from the top of a checkout without installing it. The library beside this folder
comes before an installed one, so a copy of the checkout (as `dvc exp run --temp` makes) runs its own code.
A user's settings of matplotlib, which may be of another version and change what is drawn, are left out.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
os.environ.pop("MPLBACKEND", None)
os.environ["MATPLOTLIBRC"] = os.devnull
