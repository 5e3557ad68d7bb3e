"""The scale of params.yaml: which there are, and how to set it in a file that a person wrote.

Loads nothing beyond the standard library until a file is changed, so that it can be asked before anything is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

Scale = Literal["tiny", "laptop", "cpu", "gpu", "paper"]
SCALES: tuple[str, ...] = get_args(Scale)


def unknown_scale(scale: str) -> str:
    return f"SCALE={scale}: must be {', '.join(SCALES[:-1])} or {SCALES[-1]}"


def set_scale(path: str | Path, scale: str) -> bool:
    """Make `scale` the value of the top-level key of that name; every other byte of the file stays as it is.

    However YAML lets the old value be written (plain, quoted, as a block, tagged, an alias), it is what gets replaced;
    quotes stay. Returns whether it was another one.
    Raises BiorobustError for an unknown scale, a file that is missing or not YAML, and one without the key.
    """
    from biorobust.core.errors import BiorobustError, ParamsError
    from biorobust.core.files import parse_yaml, read_yaml, write_text

    if scale not in SCALES:
        raise BiorobustError(unknown_scale(scale))
    path = Path(path).resolve()  # a link stays a link: what it points to is written
    before = read_yaml(path, error=ParamsError)
    if not isinstance(before, dict) or "scale" not in before:
        raise ParamsError(f"{path.name}: scale: missing key")
    if before["scale"] == scale:
        return False
    text = path.read_bytes().decode("utf-8")
    start, end = _place(text)
    quote = text[start] if text[start:end][:1] in ("'", '"') else ""
    changed = text[:start] + quote + scale + quote + text[end:]
    if start == end or parse_yaml(changed.encode(), name=path.name) != before | {"scale": scale}:
        raise ParamsError(f"{path.name}: scale is written in a way that only a person can change: edit it by hand")
    write_text(path, changed)
    return True


def _place(text: str) -> tuple[int, int]:
    """Where the value of the top-level key `scale` stands, a tag before it left out; (0, 0) if it is no scalar."""
    import yaml

    depth, is_key, wanted = 0, True, False
    end = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.NodeEvent) and depth == 1:
            if wanted and event.end_mark:
                end = event.end_mark.index
            is_key, wanted = not is_key, is_key and getattr(event, "value", None) == "scale"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.ScalarToken | yaml.AliasToken) and token.end_mark.index == end:
            value = text[token.start_mark.index : end].rstrip()  # a block scalar ends with its line break
            return token.start_mark.index, token.start_mark.index + len(value)
    return 0, 0
