"""Loops in a claims file: a block with `each` is written out once for every combination of the lists it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

EACH = "each"
Names = Mapping[str, Any]
PLACEHOLDER = re.compile(r"\{([\w-]+)\}")


def combinations(lists: Iterable[Sequence[Names]]) -> list[Names]:
    """The names of every combination of items, one of each list; the last runs fastest. Of no list: no names, once.

    Of two items with the same name the later list's counts.
    """
    return [{key: value for item in chosen for key, value in item.items()} for chosen in product(*lists)]


def filled(value: Any, names: Names) -> Any:
    """`value` with names in braces filled in, in every text and key. Other names in braces are left.

    A text that is nothing but one name becomes the value itself: a number, or null.
    """
    if isinstance(value, Mapping):
        return {filled(key, names): filled(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return [filled(entry, names) for entry in value]
    if not isinstance(value, str):
        return value
    alone = PLACEHOLDER.fullmatch(value)
    if alone and alone[1] in names:
        return names[alone[1]]
    return PLACEHOLDER.sub(lambda found: str(names.get(found[1], found[0])), value)


def unfilled(value: Any) -> Iterator[str]:
    """The names in braces that nothing has filled in."""
    if isinstance(value, Mapping):
        yield from unfilled([*value, *value.values()])
    elif isinstance(value, list):
        for entry in value:
            yield from unfilled(entry)
    elif isinstance(value, str):
        yield from PLACEHOLDER.findall(value)
