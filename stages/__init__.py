"""One runnable module per stage of dvc.yaml: read params, call the library, write outs.

`python -m stages.<name> --help` works from the top of a checkout without installing it. The library beside this folder
comes before an installed one, so a copy of the checkout (as `dvc exp run --temp` makes) runs its own code.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
