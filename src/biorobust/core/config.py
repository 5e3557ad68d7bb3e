"""Blocks of params.yaml as strict frozen pydantic models, with errors of one line.

A field's type holds all that it allows, as in `k: int = Field(ge=2)`, and gives the error its words, which always has
the form `hebbian.k = 1: must be an integer of 2 or more (params.yaml)`. A validator of a field raises ValueError with
what must be, or without a text where the field has a `description`; one of a whole block raises it with a sentence.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from biorobust.core.errors import ParamsError

T = TypeVar("T")
B = TypeVar("B", bound="Block")
UNKNOWN = ("extra_forbidden", "invalid_key")  # pydantic's errors for keys, of which the second are no text


class Block(BaseModel):
    """Every key known and there, every value of its type and range; integers pass as floats, booleans never do."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an odd number")
    return value


def _unlike(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a list without repeats")
    return values


Count = Annotated[int, Field(ge=1)]
Images = Annotated[int, Field(ge=32)]  # to train on, or pixels of their sides
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # what NumPy's generators take; PyTorch's take more
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareBelow1 = Annotated[float, Field(ge=0, lt=1)]
Odd = Annotated[int, AfterValidator(_odd)]
Several = Annotated[tuple[T, ...], Field(strict=False, min_length=1)]  # YAML has lists
Unlike = Annotated[Several[T], AfterValidator(_unlike)]


def build(cls: type[B], values: object, *, where: str = "") -> B:
    """The block that a mapping describes; `where` is the dotted path used in errors ("" at the top).

    Raises ParamsError for a value that is no mapping, an unknown or missing key, a wrong type or a refused value.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        # A misspelt key is also a missing one: what is unknown is said first.
        first = min(error.errors(include_url=False), key=lambda found: found["type"] not in UNKNOWN)
        raise ParamsError(f"{_line(first, cls.model_json_schema(), values, where)} (params.yaml)") from None


def _line(error: Any, schema: dict[str, Any], value: Any, where: str) -> str:
    """An error of pydantic as `key = value: what is wrong`. schema: the JSON schema of what was read from `value`."""
    inside, definitions = schema, schema.get("$defs", {})
    for key in error["loc"]:
        if inside.get("type") != "object" or key == "[key]":  # a field, or the name of a run
            break
        where = f"{where}.{key}" if where else str(key)
        if error["type"] in UNKNOWN and key not in inside.get("properties", {key: None}):
            return f"{where}: unknown key; known are {', '.join(sorted(inside['properties'])) or 'none'}"
        if error["type"] == "missing" and key not in value:
            return f"{where}: missing key"
        inside = inside["properties"][key] if "properties" in inside else inside["additionalProperties"]
        inside, value = definitions.get(inside.get("$ref", "").rpartition("/")[2], inside), value.get(key)
    said = str(error["ctx"]["error"]) if error["type"] == "value_error" else ""
    if inside.get("type") != "object":
        return f"{where} = {value!r}: must be {said or words(inside)}"
    runs = "named runs" if inside.get("additionalProperties") else "keys"
    return f"{where or 'params.yaml'}: {said or f'must be a block of {runs}, not {value!r}'}"


def words(schema: dict[str, Any]) -> str:
    """What the JSON schema of a field allows, such as "an integer of 2 or more"."""
    if "description" in schema:
        return str(schema["description"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(map(words, schema["anyOf"]))
    kind = schema["type"]
    if kind == "array":
        return f"a list of one value or more, each {words(schema['items'])}"
    name = {"integer": "an integer", "number": "a number", "string": "text", "boolean": "true or false"}.get(kind, kind)
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if (low, high, above, below) == (None,) * 4:
        return str(name)
    if (high, below) == (None, None):
        return f"{name} above {above}" if low is None else f"{name} of {low} or more"
    ends = f"({above}" if low is None else f"[{low}", f"{below})" if high is None else f"{high}]"
    return f"{name} in {', '.join(ends)}"
