"""Strict building of frozen dataclasses from YAML: every key known, every value of its type and inside its range.

A field says what it allows: `p: int = setting("an integer of 2 or more", lambda p: p >= 2)`. The same text stands in
the error, so a message always has the form `hebbian.k = 1: must be an integer of 2 or more (params.yaml)`.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from biorobust.core.errors import ParamsError

T = TypeVar("T")


def setting(allowed: str, check: Callable[[Any], bool]) -> Any:
    """A dataclass field without default whose value must satisfy `check`; `allowed` says so in words."""
    return dataclasses.field(metadata={"allowed": allowed, "check": check})


def positive(what: str = "a number above 0") -> Any:
    return setting(what, lambda value: value > 0)


def count(low: int = 1) -> Any:
    return setting(f"an integer of {low} or more", lambda value: value >= low)


def one_of(*options: str) -> Any:
    return setting("one of " + ", ".join(options), lambda value: value in options)


def unknown(key: str, where: str, known: typing.Iterable[str]) -> ParamsError:
    """The error for a key that nothing reads, naming the ones that exist."""
    return ParamsError(f"{where}{key}: unknown key; known are {', '.join(sorted(known))} (params.yaml)")


def _fits(value: Any, kind: Any) -> Any:
    """`value` as `kind`, or raise TypeError. Integers pass as floats; booleans never pass as numbers."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        for option in typing.get_args(kind):
            try:
                return _fits(value, option)
            except TypeError:
                continue
        raise TypeError
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or not value:
            raise TypeError
        return tuple(_fits(item, typing.get_args(kind)[0]) for item in value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool) and kind is not float:
        return value
    raise TypeError


def _words(kind: Any) -> str:
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
    if typing.get_origin(kind) is tuple:
        return f"a list of values, each {_words(typing.get_args(kind)[0])}"
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return " or ".join(_words(option) for option in typing.get_args(kind))
    return names.get(kind, str(kind))


def build(cls: type[T], values: object, *, where: str) -> T:
    """An instance of the dataclass `cls` from a mapping; `where` is the dotted path used in errors ("" at the top).

    Raises ParamsError for a value that is no mapping, an unknown or missing key, a wrong type or a refused value.
    """
    if not isinstance(values, Mapping):
        raise ParamsError(f"{where or 'params.yaml'}: must be a block of keys, not {values!r} (params.yaml)")
    prefix = f"{where}." if where else ""
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise unknown(str(key), prefix, fields)
    hints = typing.get_type_hints(cls)
    built = {}
    for name, field in fields.items():
        if name not in values:
            raise ParamsError(f"{prefix}{name}: missing key (params.yaml)")
        value, kind = values[name], hints[name]
        allowed = field.metadata.get("allowed", _words(kind))
        try:
            built[name] = _fits(value, kind)
            if not field.metadata.get("check", lambda _: True)(built[name]):
                raise TypeError
        except TypeError:
            raise ParamsError(f"{prefix}{name} = {value!r}: must be {allowed} (params.yaml)") from None
    return cls(**built)
