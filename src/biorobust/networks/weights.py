"""Files of weights that others trained: in the folder of BIOROBUST_WEIGHTS, or downloaded where asked for."""

from __future__ import annotations

import functools
import re
import urllib.error
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from biorobust.core.connection import stall_timeout
from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic, folder_of, sha256

P = ParamSpec("P")
T = TypeVar("T")

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

    Raises Unavailable when it cannot be had, BiorobustError for a file of the user's folder that is not what its name
    says. A download that is not, one of an earlier version included, is thrown away.
    """
    if folder := folder_of(VARIABLE):
        path = folder / name
        if not path.is_file():
            raise Unavailable(f"{name} is not in the folder of {VARIABLE}: put it there and run `make repro` again")
        if not _is_named(path, name):
            raise BiorobustError(f"{path}: its SHA-256 does not begin with {_digits(name)}: get the file again")
    elif address:
        path = DOWNLOADS / name
        if not path.is_file() or not _is_named(path, name):
            _download(address, path)
    else:
        raise Unavailable(
            f"{name} is not here: put it in a folder, set {VARIABLE} to that folder and run `make repro` again"
        )
    return path


def _digits(name: str) -> str:
    """The first digits of the SHA-256 that a file's name gives; empty where it gives none."""
    named = HASHED.fullmatch(name)
    return named[1] if named else ""


def _is_named(path: Path, name: str) -> bool:
    return sha256(path).startswith(_digits(name))


def _download(address: str, path: Path) -> None:
    """Put the file there if all of it came; else leave nothing and raise Unavailable with the reason."""
    import torch.hub

    path.unlink(missing_ok=True)
    try:
        with atomic(path) as part, stall_timeout(TIMEOUT):
            torch.hub.download_url_to_file(address, str(part), hash_prefix=_digits(path.name) or None, progress=False)
        return
    # Not the system's own words, which differ between machines and would change every report.
    except BiorobustError:  # the disk's
        raise
    except urllib.error.HTTPError as error:
        why = f"HTTP status {error.code}"
    except urllib.error.URLError:
        why = "no connection"
    except RuntimeError:
        why = "what came has not the SHA-256 that its name says"
    except Exception:  # http.client has its own kinds for garbled answers
        why = "the connection broke off or the answer was garbled"
    raise Unavailable(
        f"{path.name} cannot be downloaded ({why}): put it in a folder, "
        f"set {VARIABLE} to that folder and run `make repro` again"
    )


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
        # torch's own words advise to switch its protection off.
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = f"it asks for {asked[1]}" if asked else type(error).__name__
        raise BiorobustError(f"{path} cannot be read as tensors ({why}): get the file again") from None
    if not isinstance(content, Mapping):
        raise BiorobustError(f"{path} holds a {type(content).__name__}: must be a dictionary")
    return dict(content)


def without_prefix(state: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a network that was trained under DataParallel, which calls it `module`, as the network's own."""
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def fill(network: nn.Module, state: Mapping[str, Tensor], *, path: str | Path) -> None:
    """Give a network the tensors of the file `path`, under the network's names; no more and no fewer.

    Raises BiorobustError in one line where they are not those of the network.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BiorobustError(f"{path} does not fit the network ({' '.join(str(error).split())[:300]})") from None


def foreign(load: Callable[Concatenate[Path, P], T]) -> Callable[Concatenate[str | Path, P], T]:
    """A function that takes apart the file it is given first; odd types and shapes in it become one line.

    The result raises BiorobustError where `load` stumbles over what the file holds.
    """

    @functools.wraps(load)
    def one_line(path: str | Path, *args: P.args, **options: P.kwargs) -> T:
        try:
            return load(Path(path), *args, **options)
        except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise BiorobustError(f"{path} is not of the layout it should have ({why}): get the file again") from None

    return one_line
