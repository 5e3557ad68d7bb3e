"""Setting the scale: whatever way YAML lets it be written, and nothing else of the file changes."""

from pathlib import Path

import pytest

from biorobust import params
from biorobust.core.errors import BiorobustError, ParamsError
from biorobust.core.scale import set_scale

ROOT = Path(__file__).resolve().parent.parent
SPELLINGS = {
    "plain": ("# mine\nscale: laptop  # a comment\nseed: 0\n", "# mine\nscale: tiny  # a comment\nseed: 0\n"),
    "single quotes": ("'scale' : 'laptop'\r\nseed: 1\r\n", "'scale' : 'tiny'\r\nseed: 1\r\n"),
    "flow": ("{a: 1, scale: laptop, b: 2}", "{a: 1, scale: tiny, b: 2}"),
    "tag": ("scale: !!str laptop # x\n", "scale: !!str tiny # x\n"),
    "alias": ("x: &s laptop\nscale: *s\ny: *s\n", "x: &s laptop\nscale: tiny\ny: *s\n"),
    "block": ("scale: |-\n  laptop\nb: 1\n", "scale: tiny\nb: 1\n"),
    "other keys of that name": ("a: {scale: 5}\nscale: 3\nscales:\n  scale: 4\n", None),
    "no line break at the end": ("é: ü\nscale: laptop", "é: ü\nscale: tiny"),
    "quoted over two lines": ('scale:\n  "lap\\\n  top"\nb: 2\n', 'scale:\n  "tiny"\nb: 2\n'),
}


@pytest.mark.parametrize(("text", "wanted"), SPELLINGS.values(), ids=SPELLINGS)
def test_only_the_value_is_replaced(tmp_path, text, wanted):
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode())
    set_scale(path, "tiny")
    assert path.read_bytes().decode() == (wanted or text.replace("scale: 3", "scale: tiny"))


def test_the_scale_of_the_project_goes_there_and_back(tmp_path):
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    before = params.load(path).scale
    for scale in ("tiny", before):
        set_scale(path, scale)
        assert params.load(path).scale == scale
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("text", "scale", "error", "words"),
    [
        ("scale: laptop\n", "huge", BiorobustError, "SCALE=huge: must be tiny, laptop, cpu, gpu or paper"),
        ("seed: 0\n", "tiny", ParamsError, "scale: missing key"),
        ("scale: [a\n", "tiny", ParamsError, "not valid YAML"),
        ("scale: {a: 1}\n", "tiny", ParamsError, "edit it by hand"),
        ("scale: &s laptop\nother: *s\n", "tiny", ParamsError, "edit it by hand"),  # `other` would change too
        (None, "tiny", ParamsError, "is missing"),
    ],
)
def test_what_cannot_be_set_is_one_line_and_changes_nothing(tmp_path, text, scale, error, words):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=words) as raised:
        set_scale(path, scale)
    assert "\n" not in str(raised.value)
    assert not path.exists() if text is None else path.read_text() == text
