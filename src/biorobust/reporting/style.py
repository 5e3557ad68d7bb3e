"""The look of every figure: one colour per model, one font, SVG whose bytes repeat and which reads on light and dark.

Ink (text, axes, black curves) is drawn in a marker colour that `to_svg` replaces by `currentColor`, so the page's own
text colour decides; model colours become CSS variables with the light value as fallback. Colours: Okabe & Ito (2008),
with a darker and a browner vermillion for the variants of one model; variants also differ in line style and marker.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing

INK = "#010203"
FAINT = "#808183"  # grid lines and floors: 3:1 or more on white and on near-black
FONTS = "'Source Sans 3', 'Helvetica Neue', Helvetica, Arial, sans-serif"
# What a report printed: hollow and neutral, in no run's colour, since its numbers are of none of them.
REPORTED: dict[str, Any] = {"ls": "", "marker": "o", "mfc": "none", "mec": FAINT, "mew": 1.3, "ms": 8}
WIDTH = 7.2  # inches: a figure as wide as the page's wide column


@dataclass(frozen=True)
class Look:
    """How one run is drawn. `colour` holds on white; `dark` is what a page may set on a dark ground."""

    label: str
    colour: str
    dark: str
    marker: str
    dashes: str


LOOKS = {
    "report-uniform": Look("Hebbian (uniform start)", "#d55e00", "#ff8b3d", "o", "-"),
    "report-normal": Look("Hebbian (normal start)", "#8c2d04", "#f4a582", "s", "--"),
    "normal-converged": Look("Hebbian (normal start, converged units)", "#8c2d04", "#f4a582", "D", ":"),
    "normal-dropped": Look("Hebbian (normal start, as many units at random)", "#8c2d04", "#f4a582", "v", "-."),
    "original": Look("Hebbian (original recipe)", "#a6761d", "#e0b050", "^", "-."),
    "simple-conv": Look("convolutional network", INK, INK, "P", "-"),
    "end-to-end": Look("end-to-end network", "#5f6062", "#a9aaac", "X", "--"),
    "cnn-clean": Look("CNN", INK, INK, "P", "-"),
    "cnn-noisy": Look("CNN on the same noisy batches", "#5f6062", "#a9aaac", "X", "--"),
    "cnn-feedback": Look("CNN-F", "#0072b2", "#6cb6e8", "o", "-"),
    "clean-not-cycled": Look("CNN-F, clean images not cycled", "#56348b", "#b79be6", "s", "--"),
    "noisy-only": Look("CNN-F, noisy images only", "#8b3465", "#e69bc4", "v", "-."),
    "strong-noise": Look("CNN-F, stronger noise", "#a6611a", "#e0b050", ">", "-."),
    "plain-relu": Look("CNN-F, plain ReLU forward", "#00758f", "#62c4d6", "^", ":"),
    "longer": Look("CNN-F, trained longer", "#2a4b9b", "#9db4f0", "D", "--"),
    "cnn-longer": Look("CNN, trained longer", "#3f4042", "#c9cacc", "P", "--"),
    "resnet50": Look("ResNet50", INK, INK, "P", "-"),
    "voneresnet50": Look("VOneResNet50", "#0072b2", "#6cb6e8", "o", "-"),
    "voneresnet50-noiseless": Look("VOneResNet50 (no noise)", "#3a9bd1", "#9fd3f2", "s", "--"),
    "resnet50-untrained": Look("ResNet50 (random weights)", "#5f6062", "#a9aaac", "X", ":"),
    "voneresnet50-untrained": Look("VOneResNet50 (random weights)", "#7a93a8", "#b8c9d6", "v", ":"),
    "scratch-relu": Look("ReLU", INK, INK, "P", "-"),
    "scratch-kwta": Look("k-WTA", "#0072b2", "#6cb6e8", "o", "-"),
    "scratch-kwta-low": Look("k-WTA, lower", "#d55e00", "#ff8b3d", "s", "--"),
    "pretrained-relu": Look("ReLU, pretrained", INK, INK, "P", "-"),
    "pretrained-kwta": Look("k-WTA, pretrained", "#0072b2", "#6cb6e8", "o", "-"),
    "pretrained-kwta-low": Look("k-WTA, lower, pretrained", "#d55e00", "#ff8b3d", "s", "--"),
    "imagenet-resnet50": Look("ResNet50 (ImageNet)", "#5f6062", "#a9aaac", "P", "--"),
    "imagenet-voneresnet50": Look("VOneResNet50 (ImageNet)", "#0072b2", "#6cb6e8", "D", "--"),
}
EXTRA = (Look("", "#0072b2", "#6cb6e8", "v", "-"), Look("", "#009e73", "#3cc9a0", "<", "--"))


def look(run: str) -> Look:
    """The look of a run; a run added to params.yaml later gets its own name and a look of the spare ones."""
    if run in LOOKS:
        return LOOKS[run]
    spare = EXTRA[sum(run.encode()) % len(EXTRA)]
    return Look(run, spare.colour, spare.dark, spare.marker, spare.dashes)


def _colours() -> dict[str, str]:
    """Colour on white -> colour on a dark ground, ink left out."""
    return {item.colour: item.dark for item in (*LOOKS.values(), *EXTRA) if item.colour != INK}


def _variable(colour: str) -> str:
    return f"--model-{colour[1:]}"


def css_variables(*, dark: bool) -> str:
    """The declarations a page needs so that model colours follow its colour scheme."""
    return " ".join(f"{_variable(light)}: {night if dark else light};" for light, night in _colours().items())


@contextmanager
def drawing_style() -> Iterator[None]:
    """Matplotlib settings for everything drawn inside the block, and its defaults for all others, not the user's."""
    settings: Any = {
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "figure.constrained_layout.use": True,
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "axes.labelsize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "grid.color": FAINT,
        "grid.linewidth": 0.4,
        "grid.alpha": 0.5,
        "lines.linewidth": 1.5,
        "lines.markersize": 4.5,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
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
    svg = svg.replace("<svg ", '<svg style="stroke-linejoin: round; stroke-linecap: butt" ', 1)
    svg = re.sub(r"font-family: [^;\"]*", f"font-family: {FONTS}", svg)
    # Matplotlib names every element, and equal pictures alike; a page needs the names that something refers to.
    used = set(re.findall(r"#([\w.-]+)[\")]", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = svg.replace(INK, "currentColor")
    for colour in _colours():
        svg = svg.replace(colour, f"var({_variable(colour)}, {colour})")
    return svg
