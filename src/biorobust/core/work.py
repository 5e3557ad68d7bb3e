"""Where an interrupted stage keeps what it has done, so that the next start goes on instead of beginning again.

State lives in `$BIOROBUST_WORK` (default `data/work`), outside every DVC out, under a name that hashes everything the
result depends on: parameters, data, seed and the source of the code. State of other settings is never picked up. A
state also holds how long it took, by the start of the stage that worked on it, so that what a result cost adds up.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from biorobust.core.errors import BiorobustError
from biorobust.core.files import atomic, folder_of, read_json, write_json

PACKAGES = ("biorobust", "stages")  # whose sources a state depends on; a change of a library starts nothing anew
SECONDS = "seconds by start"  # the key of a state under which its cost lies


class _Start:
    """The start of a stage in this process: since when it works on which state, and what others spent on it before.

    name: tells this start from all others. log: file of the seconds that starts took which did not come to their end.
    """

    def __init__(self, name: str, log: Path | None = None) -> None:
        self.name, self.log, self.began = name, log, time.perf_counter()
        self.earlier: dict[str, float] = read_json(log) if log and log.exists() else {}
        self.since: dict[Path, float] = {}
        self.before: dict[Path, dict[str, float]] = {}


_start = _Start(f"process {os.getpid()}")


def begin(stage: str, *, settings: str) -> None:
    """A start of a stage begins. settings: text that is the same for those starts whose cost is to be added up."""
    global _start
    digest = hashlib.sha256(settings.encode()).hexdigest()[:16]
    name = f"{stage} {datetime.now(UTC).isoformat()} {os.getpid()}"
    _start = _Start(name, folder() / f"{stage}-{digest}.starts.json")


def seconds() -> float:
    """Since the start began."""
    return time.perf_counter() - _start.began


def note_start() -> None:
    """Note how long the start has taken: when it is interrupted, and with every state, as a kill gives none."""
    if _start.log:
        write_json(_start.log, _start.earlier | {_start.name: seconds()})


def seconds_of_others() -> list[float]:
    """What each other start took that had to do with this result: interrupted ones, and makers of states used here."""
    found: dict[str, float] = {}
    for spent in _start.before.values():
        for name, taken in spent.items():
            found[name] = found.get(name, 0.0) + taken
    found.pop(_start.name, None)
    return [max(found.get(name, 0.0), _start.earlier.get(name, 0.0)) for name in found | _start.earlier]


def end() -> None:
    """The stage has written its results: its states are done with."""
    finish(states())
    if _start.log:
        _start.log.unlink(missing_ok=True)


def leave() -> None:
    """The start is over: what else this process does is none of its cost."""
    global _start
    _start = _Start(f"process {os.getpid()}")


def states() -> list[Path]:
    return list(_start.since)


def state_path(name: str, key: Mapping[str, Any], *, code: tuple[ModuleType, ...]) -> Path:
    """The file that holds the state of the computation `name` with the settings `key`.

    code: the modules that do the computation; what they import is found by `sources`.
    """
    found = {module: path.read_text(encoding="utf-8") for module, path in sources(code).items()}
    text = json.dumps([key, found], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = folder() / f"{name}-{digest}.pt"
    _start.since[path] = time.perf_counter()
    return path


def folder() -> Path:
    return folder_of("BIOROBUST_WORK") or Path("data/work")


def sources(code: Iterable[ModuleType]) -> dict[str, Path]:
    """The files of these modules and of all modules of PACKAGES they import, however indirectly, inside functions too.

    Read off the source: a module that is imported by a name put together at run time is not among them.
    """
    # A module run as a program calls itself __main__; its specification knows better.
    waiting = [(module.__spec__.name if module.__spec__ else module.__name__, True) for module in code]
    done: set[tuple[str, bool]] = set()
    found: dict[str, Path] = {}
    while waiting:
        name, named = waiting.pop()
        path = _file(name)
        if path is None or (name, named) in done:
            continue
        done.add((name, named))
        found[name] = path
        waiting.append((name.rpartition(".")[0], False))  # the package runs as well, but gives nothing away
        package = path.name == "__init__.py"
        for module, attribute in _imports(path.read_text(encoding="utf-8"), package=package, named=named):
            inner = f"{module}.{attribute}"
            waiting.append((inner if attribute and _file(inner) else module, True))
    return found


def _file(name: str) -> Path | None:
    top, *rest = name.split(".")
    if top not in PACKAGES:
        return None
    place = Path(importlib.import_module(top).__path__[0], *rest)
    return next((path for path in (place / "__init__.py", Path(f"{place}.py")) if path.is_file()), None)


@functools.cache
def _imports(source: str, *, package: bool, named: bool) -> tuple[tuple[str, str | None], ...]:
    """(module, attribute or None) of every import of a source, those for type checkers left out.

    A package gives out lazily what it imports for type checkers: that counts where it is `named` in an import. Where
    it is only the parent of a module that is, nothing inside its functions and conditions does.
    """
    tree = ast.parse(source)
    if package:
        nodes = list(ast.walk(tree)) if named else list(tree.body)
    else:
        ifs = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
        checked = [statement for node in ifs if ast.unparse(node.test) == "TYPE_CHECKING" for statement in node.body]
        unread = {id(inner) for statement in checked for inner in ast.walk(statement)}
        nodes = [node for node in ast.walk(tree) if id(node) not in unread]
    found: list[tuple[str, str | None]] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:  # relative imports are not used here
            found += [(node.module, alias.name) for alias in node.names]
    return tuple(found)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write in one step: a kill during the write leaves the previous state."""
    import torch

    before = _start.before.get(path, {})
    now = time.perf_counter()
    spent = before.get(_start.name, 0.0) + now - _start.since.get(path, now)
    with atomic(path) as part, open(part, "wb") as stream:  # to a stream: a path would name the archive inside
        torch.save({**state, SECONDS: {**before, _start.name: spent}}, stream)
        note_start()  # before the state is there, so that a kill finds either both or the log alone


def load_state(path: Path) -> dict[str, Any] | None:
    """The saved state, or None when there is none. Raises BiorobustError naming a damaged file."""
    import torch

    _start.since[path] = time.perf_counter()
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        _start.before[path] = state.pop(SECONDS, {})
    except Exception as error:
        raise BiorobustError(f"{path} is damaged ({type(error).__name__}): delete it and run again") from None
    return state


def once(path: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `compute` gives, taken from the state where an earlier start has computed it, else kept there."""
    state = load_state(path)
    if state is None:
        state = compute()
        save_state(path, state)
    return state


def finish(states: Iterable[Path]) -> None:
    """Delete the states of a stage whose results are written, unless $BIOROBUST_KEEP_STATES is set.

    With states kept, a stage whose evaluation was edited runs again without training again.
    """
    if not os.environ.get("BIOROBUST_KEEP_STATES"):
        for state in states:
            state.unlink(missing_ok=True)
