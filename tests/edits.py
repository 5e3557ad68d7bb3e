"""Parameters that differ from those of params.yaml."""

import copy
import functools
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def _stored():
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def project(**others):
    """What params.yaml of this project holds, with other blocks."""
    return copy.deepcopy(_stored()) | others


def changed(raw, path, value):
    """A copy of nested blocks with the value at a path such as "hebbian/k" replaced, or the key removed for None."""
    copied = copy.deepcopy(raw)
    block = copied
    *parents, last = path.split("/")
    for key in parents:
        block = block[key]
    if value is None:
        del block[last]
    else:
        block[last] = value
    return copied
