"""Files of weights that others trained: in the folder of BIOROBUST_WEIGHTS, or downloaded where asked for."""

from __future__ import annotations

import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic, sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

VARIABLE = "BIOROBUST_WEIGHTS"
DOWNLOADS = Path("data/weights")
TIMEOUT = 10  # seconds without an answer
HASHED = re.compile(r".+-([0-9a-f]{8,64})\.pth")  # torchvision's names end with the first digits of the SHA-256


class Unavailable(BiorobustError):
    """A file that is not here; the message says what to do, and names no folder of this machine."""


def find(name: str, *, address: str | None = None) -> Path:
    """The file `name` in the weights folder; without such a folder, downloaded from `address` if there is one.

    Raises Unavailable when it cannot be had, BiorobustError for one whose SHA-256 is not the one in its name.
    """
    if folder := os.environ.get(VARIABLE):
        path = Path(folder).expanduser() / name
        if not path.is_file():
            raise Unavailable(f"{name} is not in the folder of {VARIABLE}: put it there and run `make repro` again")
    elif address:
        path = DOWNLOADS / name
        if not path.is_file():
            _download(address, path)
    else:
        raise Unavailable(
            f"{name} is not here: put it in a folder, set {VARIABLE} to that folder and run `make repro` again"
        )
    named = HASHED.fullmatch(name)
    if named and not sha256(path).startswith(named[1]):
        raise BiorobustError(f"{path}: its SHA-256 does not begin with {named[1]}: get the file again")
    return path


def _download(address: str, path: Path) -> None:
    try:
        with (
            urllib.request.urlopen(address, timeout=TIMEOUT) as answer,
            atomic(path) as part,
            open(part, "wb") as stream,
        ):
            shutil.copyfileobj(answer, stream)
    except OSError as error:  # urllib's own errors among them
        # Not the system's own words, which differ between machines and would change every report.
        why = f"HTTP status {error.code}" if isinstance(error, urllib.error.HTTPError) else "no connection"
        raise Unavailable(
            f"{path.name} cannot be downloaded ({why}): put it in a folder, "
            f"set {VARIABLE} to that folder and run `make repro` again"
        ) from None


def here(name: str) -> bool:
    """Whether the weights folder has the file. Raises BiorobustError for a damaged one."""
    try:
        find(name)
    except Unavailable:
        return False
    return True


def read(path: str | Path, *, classes: tuple[type, ...] = ()) -> dict[str, Any]:
    """The dictionary in a file that torch saved: tensors, plain containers and, where the file needs them, `classes`.

    Read by torch's restricted unpickler, which runs nothing. Raises BiorobustError when the file is missing, damaged,
    or holds anything else.
    """
    import torch  # not at the top: `make repro` asks which files are here

    if not Path(path).is_file():
        raise BiorobustError(f"{path} is missing")
    try:
        with torch.serialization.safe_globals(list(classes)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BiorobustError(f"{path} cannot be read as tensors ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(content, Mapping):
        raise BiorobustError(f"{path} holds a {type(content).__name__}: must be a dictionary")
    return dict(content)


def without_prefix(state: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a network that was trained under DataParallel, which calls it `module`, as the network's own."""
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def fill(network: nn.Module, state: Mapping[str, Tensor], *, path: str | Path) -> None:
    """Give a network the tensors of the file `path`, under the network's names; no more and no fewer.

    Raises BiorobustError in one line where they are not those of the network.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BiorobustError(f"{path} does not fit the network ({' '.join(str(error).split())[:300]})") from None
