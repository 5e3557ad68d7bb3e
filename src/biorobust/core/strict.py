"""Files that people write, checked strictly: what does not fit is one line that names the place and the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from biorobust.core.errors import BiorobustError

Text = Annotated[str, StringConstraints(min_length=1)]


class Strict(BaseModel):
    """A block of keys. Unknown keys, missing keys and values of another type are errors; nothing is converted."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


Block = TypeVar("Block", bound=Strict)


def checked(block: type[Block], raw: object, where: str, *, error: type[BiorobustError] = BiorobustError) -> Block:
    """`raw` as a block. Raises `error` with one line, which `where` begins, for the first thing that does not fit."""
    if not isinstance(raw, Mapping):
        raise error(f"{where}: must be a block of keys, not {raw!r}")
    try:
        return block.model_validate(raw)
    except ValidationError as problem:
        # A misspelt key is also a missing one: the unknown one says more.
        first = min(problem.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
        raise error(_line(block, first, where)) from None


def _line(block: type[Strict], first: Mapping[str, Any], where: str) -> str:
    place, kind, given = first["loc"], first["type"], first["input"]
    path = ".".join([where, *map(str, place)])
    if kind == "missing":
        return f"{path}: missing key"
    if kind == "extra_forbidden":
        known = f": known are {', '.join(block.model_fields)}" if len(place) == 1 else ""
        return f"{'.'.join([where, *map(str, place[:-1])])}: unknown key {place[-1]!r}{known}"
    if kind == "literal_error":
        return f"{path}: {given!r} is not one of {first['ctx']['expected']}"
    if kind == "value_error":
        return f"{path}: {first['ctx']['error']}"
    message = first["msg"]
    return f"{path}: {given!r} does not fit: {message[0].lower()}{message[1:]}"
