"""The studies, in the order of the report; no other file names them all. docs/add-a-study.md says what each has."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from biorobust.core.errors import BiorobustError

STUDIES = ("question", "hebbian", "cnnf", "kwta", "vonenet")


def modules(name: str) -> dict[str, ModuleType]:
    """Study -> its module of this name, such as `model.params`. Raises BiorobustError for a study without it."""
    found = {}
    for study in STUDIES:
        module = f"biorobust.{study}.{name}"
        try:
            found[study] = import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise  # the module is there and lacks another one
            raise BiorobustError(f"study {study!r} has no module {error.name} (docs/add-a-study.md)") from None
    return found
