"""Parameters that differ from those of params.yaml."""

import copy


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
