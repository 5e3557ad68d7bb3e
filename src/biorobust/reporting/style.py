"""The look of every figure: one colour per model, one font, SVG whose bytes repeat and which reads on light and dark.

Ink (text, axes, black curves) is drawn in a marker colour that `to_svg` replaces by `currentColor`, so the page's own
text colour decides; model colours become CSS variables with the light value as fallback. Which: `labels`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing

from biorobust.reporting.labels import DARK, FAINT, INK

FONTS = "'Source Sans 3', 'Helvetica Neue', Helvetica, Arial, sans-serif"
# What a report printed: hollow and neutral, in no run's colour, since its numbers are of none of them.
REPORTED: dict[str, Any] = {"ls": "", "marker": "o", "mfc": "none", "mec": FAINT, "mew": 1.3, "ms": 8}
WIDTH = 7.2  # inches: a figure as wide as the page's wide column


def _variable(colour: str) -> str:
    return f"--model-{colour[1:]}"


def css_variables(*, dark: bool) -> str:
    """The declarations a page needs so that model colours follow its colour scheme."""
    return " ".join(f"{_variable(light)}: {night if dark else light};" for light, night in DARK.items())


@contextmanager
def drawing_style() -> Iterator[None]:
    """Matplotlib settings for what is drawn in the block, or the function below it, and its defaults for all others."""
    texts = ("axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color", "ytick.color")
    settings: Any = {
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
        **dict.fromkeys(("axes.edgecolor", *texts), INK),
        **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.7),
        **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 9),
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 8.5),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
        "figure.constrained_layout.use": True,
        "font.family": "DejaVu Sans",
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "grid.color": FAINT,
        "grid.linewidth": 0.4,
        "grid.alpha": 0.5,
        "lines.linewidth": 1.5,
        "lines.markersize": 4.5,
        "svg.fonttype": "none",
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield


def to_svg(drawing: Drawing, *, salt: str) -> str:
    """The drawing as SVG text: no date, no metadata, identifiers from `salt`, colours left to the page."""
    stream = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.hashsalt": salt, "svg.fonttype": "none"})
        drawing.savefig(stream, format="svg", metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Matplotlib's style block has the selector `*`, which inside a page would match all of it.
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    # Shown as a file of its own, a drawing has no page to take a colour from: one that reads on light and on dark.
    svg = svg.replace("<svg ", '<svg color="#737373" style="stroke-linejoin: round; stroke-linecap: butt" ', 1)
    svg = re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", svg)
    # Matplotlib names every element, and equal pictures alike; a page needs the names that something refers to.
    used = set(re.findall(r"#([\w.-]+)[\")]", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = svg.replace(INK, "currentColor")
    for colour in DARK:
        svg = svg.replace(colour, f"var({_variable(colour)}, {colour})")
    return svg
