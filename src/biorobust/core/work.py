"""Where an interrupted stage keeps what it has done, so that the next start goes on instead of beginning again.

State lives in `$BIOROBUST_WORK` (default `data/work`), outside every DVC out, under a name that hashes everything the
result depends on: parameters, data, seed and the source of the code. State of other settings is never picked up.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic


def state_path(name: str, key: Mapping[str, Any], *, code: tuple[ModuleType, ...]) -> Path:
    """The file that holds the state of the computation `name` with the settings `key` done by the modules `code`."""
    text = json.dumps(key, sort_keys=True, default=str) + "".join(inspect.getsource(module) for module in code)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path(os.environ.get("BIOROBUST_WORK", "data/work")) / f"{name}-{digest}.pt"


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write in one step: a kill during the write leaves the previous state."""
    import torch

    with atomic(path) as part:
        torch.save(dict(state), part)


def load_state(path: Path) -> dict[str, Any] | None:
    """The saved state, or None when there is none. Raises BiorobustError naming a damaged file."""
    import torch

    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:
        raise BiorobustError(f"{path} is damaged ({type(error).__name__}): delete it and run again") from None
    return state


def finish(states: Iterable[Path]) -> None:
    """Delete the states of a stage whose results are written, unless $BIOROBUST_KEEP_STATES is set.

    With states kept, a stage whose evaluation was edited runs again without training again.
    """
    if not os.environ.get("BIOROBUST_KEEP_STATES"):
        for state in states:
            state.unlink(missing_ok=True)
