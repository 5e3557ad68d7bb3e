"""Files of weights that others trained, in the folder that BIOROBUST_WEIGHTS names. Nothing is downloaded."""

from __future__ import annotations

import os
import re
from pathlib import Path

from biorobust.errors import BiorobustError
from biorobust.files import sha256

VARIABLE = "BIOROBUST_WEIGHTS"
HASHED = re.compile(r".+-([0-9a-f]{8,64})\.pth")  # torchvision's names end with the first digits of the SHA-256


class Unavailable(BiorobustError):
    """A file that is not here; the message says what to do, and names no folder of this machine."""


def find(name: str) -> Path:
    """The file `name` in the weights folder.

    Raises Unavailable when there is none, BiorobustError for one whose SHA-256 is not the one in its name.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise Unavailable(
            f"{name} is not here: put it in a folder, set {VARIABLE} to that folder and run `make repro` again"
        )
    path = Path(folder).expanduser() / name
    if not path.is_file():
        raise Unavailable(f"{name} is not in the folder of {VARIABLE}: put it there and run `make repro` again")
    named = HASHED.fullmatch(name)
    if named and not sha256(path).startswith(named[1]):
        raise BiorobustError(f"{path}: its SHA-256 does not begin with {named[1]}: get the file again")
    return path


def here(name: str) -> bool:
    """Whether the weights folder has the file. Raises BiorobustError for a damaged one."""
    try:
        find(name)
    except Unavailable:
        return False
    return True
