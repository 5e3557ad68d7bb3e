"""Rows of claims.yaml that repeat: a part with `each` is written out once per item of the series it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

EACH = "each"
Items = Sequence[Mapping[str, Any]]


def written_out(part: Mapping[str, Any], series: Mapping[str, Items]) -> list[dict[str, Any]]:
    """The part once per item, or per combination of items where it names several series; as it is without `each`.

    An item's names in braces become its values in every text and key of the part; a text that is nothing but one name
    becomes the value itself, a number for example. Other names in braces are left for readings. Raises KeyError for a
    series that is not there.
    """
    rest = {key: value for key, value in part.items() if key != EACH}
    chosen = product(*(series[name] for name in part.get(EACH, ())))
    return [_filled(rest, {key: value for item in items for key, value in item.items()}) for items in chosen]


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {_filled(key, names): _filled(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, names) for entry in value]
    if not isinstance(value, str):
        return value
    for name, given in names.items():
        if value == f"{{{name}}}":
            return given
        value = value.replace(f"{{{name}}}", str(given))
    return value
