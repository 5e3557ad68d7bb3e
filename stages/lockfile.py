"""DVC's own command line, in which no kill loses dvc.lock: `python -m stages.lockfile repro`.

After every stage DVC writes the file anew from its first byte on, which takes a tenth of a second and more. A kill in
that moment leaves it empty, and all stages run again, or damaged, and DVC stops. Here it is written beside and renamed.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from biorobust.core.files import atomic


def dvc(arguments: Sequence[str]) -> int:
    """Run a command of DVC in this process; its exit status."""
    from dvc import dvcfile
    from dvc.cli import main
    from dvc.utils.serialize import modify_yaml

    @contextlib.contextmanager
    def whole(path: str, fs: Any = None) -> Iterator[Any]:
        with atomic(path) as part:
            if Path(path).exists():
                shutil.copyfile(path, part)
            with modify_yaml(str(part), fs=fs) as content:
                yield content

    dvcfile.modify_yaml = whole
    return int(main(list(arguments)))


if __name__ == "__main__":
    sys.exit(dvc(sys.argv[1:]))
