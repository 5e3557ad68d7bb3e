"""The studies, in the order of the report; no other file names them all. docs/add-a-study.md says what each has."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

STUDIES = ("question", "hebbian", "cnnf", "kwta", "vonenet")


def modules(name: str) -> dict[str, ModuleType]:
    """Study -> its module of this name, such as `model.params`."""
    return {study: import_module(f"biorobust.{study}.{name}") for study in STUDIES}
