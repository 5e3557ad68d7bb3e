"""Why does the report find a deviation of exactly zero at four layers? Hypotheses Z1 to Z15, tested in our networks.

A test measures which layers a hypothesis would put at zero; vonenet/report/hypotheses.py holds them against the
report's. Artefacts are mistakes of a program that compares activations, made here on purpose. None of this proves what
the report's program did: it is not public, and the networks are ours.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biorobust.analysis import capture, pca
from biorobust.analysis.deviation import dissimilarity
from biorobust.vonenet.model import layers
from biorobust.vonenet.model.layers import median
from biorobust.vonenet.model.models import Classifier, convolutions, norms
from biorobust.vonenet.model.stimuli import quantised

AXIS = 0.01  # of the largest value: closer to zero than this, a point on a linear axis looks as if it were on it
ROUNDED = 0.005  # below this a value with two decimals is printed as 0.00
SHALLOW = 0.02  # log10: a layer less than 5 % below its neighbours is no dip that wants a cause
NUMBERS = (4, 12, 25, 44)  # the report's

# --- artefacts: what a program with a mistake would have printed ----------------------------------------------------


def compare(clean: Mapping[str, Tensor], perturbed: Mapping[str, Tensor]) -> np.ndarray:
    """1 - r of every layer of `clean`, (N, L); NaN where it is undefined."""
    found = [dissimilarity(values, perturbed[name]) for name, values in clean.items()]
    return torch.stack(found, dim=1).cpu().numpy()


@torch.no_grad()
def artefacts(model: Classifier, clean: Tensor, perturbed: Tensor) -> dict[str, np.ndarray]:
    """Mistake -> 1 - r per image and convolution (N, L), for images (N, 3, H, W) and a network without noise."""
    modules = convolutions(model)

    def features(images: Tensor) -> dict[str, Tensor]:
        return capture.features(model, images, modules)

    def uncopied(images: Tensor) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}
        with capture.hooked(modules, kept.__setitem__):
            model(images)
        return kept

    def replacing(name: str, module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return first.setdefault(name, output.clone()).clone()

    first: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, module in modules.items():
            hooks.enter_context(module.register_forward_hook(partial(replacing, name)))
        replaced = features(clean), features(perturbed)
    a, b = features(clean), features(perturbed)
    last = list(modules)[-1]
    pixels = torch.rand(clean.shape, generator=torch.Generator().manual_seed(0)).to(clean)
    halves = compare(*({name: values.half() for name, values in found.items()} for found in (a, b)))
    return {
        # No mistake, but images of random pixels: a layer still at 0 would be compared with itself.
        "marker": compare(a, features(pixels)),
        # One dictionary for both passes: the second has overwritten the first when they are compared.
        "shared": compare(b, b),
        # Clean compared with clean at one layer of each stage: four lines copied and not edited.
        "pasted": compare(a, b | {name: a[name] for name in layers.REPORTED if name in a}),
        # Outputs kept without a copy: whatever the network does in place afterwards has been done to them.
        "uncloned": compare(uncopied(clean), uncopied(perturbed)),
        # Hooks made in a loop that all store under the loop's last name: one entry, read for every layer.
        "late_bound": compare(*(dict.fromkeys(modules, found[last]) for found in (a, b))),
        # A hook that hands back what it stored first, as `dict.setdefault` does: the second pass uses the first's.
        "replaced": compare(*replaced),
        "half": 1 - (1 - halves).astype(np.float16).astype(np.float64),
        # Perturbed images stored with 8 bits a pixel before the network sees them; clean ones came from such a file.
        "eight_bit": compare(a, features(quantised(perturbed))),
        "pictures": compare(*({name: picture(values) for name, values in found.items()} for found in (a, b))),
    }


def picture(activations: Tensor) -> Tensor:
    """First principal component of each image, in a basis of its own, stretched to 0..255 whole numbers."""
    drawn = []
    for one in activations.split(1):
        scores = pca.scores(pca.fit(one), one)
        low, high = scores.min(), scores.max()
        drawn.append(((scores - low) / (high - low) * 255).round() if high > low else torch.zeros_like(scores))
    return torch.cat(drawn)


@torch.no_grad()
def overwritten(model: Classifier, image: Tensor) -> list[str]:
    """Those convolutions, and the norms behind them, whose output the rest of the pass changes if no copy is taken."""
    modules = {**convolutions(model), **{f"norm of {name}": norm for name, norm in norms(model).items()}}
    kept: dict[str, tuple[Tensor, Tensor]] = {}
    with capture.hooked(modules, lambda name, out: kept.update({name: (out, out.clone())})):
        model(image)
    return [name for name, (live, copy) in kept.items() if not torch.equal(live, copy)]


@torch.no_grad()
def calls(model: Classifier, image: Tensor) -> Counter[str]:
    leaves = {name: module for name, module in model.named_modules() if name and not list(module.children())}
    with capture.hooked(leaves, lambda name, output: None) as counted:
        model(image)
    return counted


# --- tests: evidence from one network -> numbers and words -----------------------------------------------------------


def layers_where(condition: np.ndarray) -> list[int]:
    return [int(n) for n in np.flatnonzero(condition)]


def drawn_at_zero(curve: np.ndarray) -> list[int]:
    """Layers of a curve (L,) that are not zero and that a linear axis shows at zero."""
    return layers_where((curve > 0) & (curve < AXIS * np.nanmax(curve)))


def numberings(names: Sequence[str]) -> dict[str, list[int]]:
    """The report's numbers read in another way -> the convolutions they would then be, counted from 0 over all."""
    without = [n for n, name in enumerate(names) if "downsample" not in name]
    return {
        "counted from 1": [n - 1 for n in NUMBERS],
        "downsampling left out": [without[n] for n in NUMBERS if n < len(without)],
    }


def minima(values: np.ndarray, names: Sequence[str]) -> list[int]:
    """Those of the report's layers that are dips of the median curve of (N, L)."""
    dip = layers.dips(median(values))
    return [n for n in layers.reported(names) if dip[n]]


HYPOTHESES = {  # what each says, how it is tested, and what was found, to be filled in with numbers
    "Z1": (
        "They are natural minima that a linear axis shows as zero",
        "float64, logarithmic axis, local minima",
        "Of {n_values} values {exact_zeros} are exactly zero; the smallest at the report's layers is {least:.1e}. A "
        "linear axis shows these layers of the median curve at zero: {at_zero}. Of the report's layers {minima} are "
        "minima, under random signs {minima_by_signs}.",
    ),
    "Z2": (
        "Each stage was scaled to [0, 1] by itself, which makes one zero per stage",
        "are the stages' lowest layers the report's?",
        "Lowest layer of each stage: {lowest}. For {share_of_images:.0%} of single images they are the report's.",
    ),
    "Z3": (
        "Fixed differences between channels make r large, most of all at these layers",
        "are the dips there when each channel's mean is taken away?",
        "Depth of the dips that is left without the channel means: {depth_left:.0%}. Between-channel share of the "
        "variance: {between_here:.2f} at the report's layers, {between_elsewhere:.2f} at the others.",
    ),
    "Z4": (
        "A tensor was compared with itself: a dictionary shared by both passes",
        "that mistake, and marker images",
        "Layers at zero: {zeros}. In our own capture, images of random pixels give no layer less than "
        "{least_marker:.1e}.",
    ),
    "Z5": (
        "Lines copied by hand compare clean with clean at one layer of each stage",
        "that mistake; live noise, under which nothing else gives an exact zero",
        "Layers at zero: {zeros}, by construction, in any network. Least deviation between two passes over one image "
        "under live noise: {least_live:.1e}.",
    ),
    "Z6": (
        "Outputs were kept without a copy and overwritten in place",
        "capture without copies",
        "Outputs overwritten before they are compared: {overwritten}; convolutions among them: {own_overwritten}. "
        "Layers at zero: {zeros}.",
    ),
    "Z7": (
        "Hooks made in a loop all stored under one name",
        "that mistake",
        "Layers at zero: {zeros}.",
    ),
    "Z8": (
        "An undefined correlation (a constant layer) was printed as 0",
        "count the undefined ones",
        "Undefined are {undefined} of {n_values} correlations, at these layers: {layers}.",
    ),
    "Z9": (
        "There was no perturbation: a failed attack, or 8-bit files that erased it",
        "sizes before and after rounding",
        "Of {n_images} perturbations {unmoved} are zero, {erased} after rounding to 8 bits, which puts these layers at "
        "zero: {zeros_eight_bit}. An image compared with itself is at zero in: {layers}.",
    ),
    "Z10": (
        "Pictures of principal components were compared, not activations",
        "that comparison",
        "Compared as pictures (first component, own basis, 8 bits), layers at zero: {zeros}; lowest of each stage: "
        "{lowest}.",
    ),
    "Z11": (
        "A module that runs several times in a pass kept its last output only",
        "count the calls of every module",
        "Modules that run more than once in a pass: {several} (up to {most_calls} times); convolutions among them: "
        "{layers}.",
    ),
    "Z12": (
        "The numbers count from 1, or leave the downsampling out",
        "under which numbering are the layers the stages' lowest?",
        "The report's numbers as convolutions: {numberings}. The lowest of each stage: {stage_lowest}.",
    ),
    "Z13": (
        "Rounding, to two decimals or to 16-bit numbers",
        "round, and count the zeros",
        "Layers of the median curve that two decimals put at 0.00: {two_decimals}; layers that 16-bit numbers put at "
        "0: {half}.",
    ),
    "Z14": (
        "A hook handed a stored output back, so the second pass computed with the first's",
        "that mistake",
        "Layers at zero: {zeros}.",
    ),
    "Z15": (
        "The dips are learned, not given by the architecture (ours)",
        "the same network with random weights",
        "A second convolution of a block is a dip in {conv2_share:.0%} of all cases when trained, "
        "{conv2_share_untrained:.0%} with random weights. Of the report's layers these are minima of the median curve: "
        "{minima} when trained, {minima_untrained} with random weights.",
    ),
}


def solve(
    *,
    names: Sequence[str],
    raw: np.ndarray,
    centred: np.ndarray,
    norm_raw: np.ndarray,
    signs: np.ndarray,
    itself: np.ndarray,
    live: np.ndarray | None,
    between: np.ndarray,
    artefacts: Mapping[str, np.ndarray],
    size: np.ndarray,
    left: np.ndarray,
    overwritten: Sequence[str],
    calls: Mapping[str, int],
) -> list[dict[str, Any]]:
    """Test Z1 to Z14: `id, hypothesis, test, finding, numbers` each, as `riddle/<run>.json` lists them.

    Of one network without noise. Arrays are (N, L): images that were moved, and convolutions (`names`); 1 - r. raw,
    centred: under the network's own perturbation; norm_raw: behind the normalisation (NaN without one); signs, itself:
    raw, for random signs and for the clean images again; live: the latter under live noise, None without any. between:
    share of variance between channel means. size: L-infinity of every perturbation, of unmoved images too; left: after
    rounding to 8 bits. artefacts, overwritten, calls: what these functions find.
    """

    def zeros(artefact: str) -> list[int]:
        """Layers at exactly zero (or undefined, which a careless program prints as 0) for more than half the images."""
        return layers_where((~(artefacts[artefact] > 0)).mean(axis=0) > 0.5)

    four, curve, share = layers.reported(names), median(raw), median(between)
    lowest = partial(layers.lowest, names=names)
    curves = {"convolutions": raw, "channels centred": centred, "behind normalisation": norm_raw}
    depth, depth_centred = (median(layers.depth(values))[four] for values in (raw, centred))
    deep = depth < -SHALLOW
    several = [name for name, n in calls.items() if n > 1]
    numbers: dict[str, dict[str, Any]] = {
        "Z1": {
            "n_values": raw.size,
            "exact_zeros": int((raw == 0).sum()),
            "least": float(np.nanmin(raw[:, four])),
            "at_zero": drawn_at_zero(curve),
            "minima": minima(raw, names),
            "minima_by_signs": minima(signs, names),
        },
        "Z2": {
            "lowest": {name: lowest(median(values)) for name, values in curves.items()},
            "share_of_images": float(np.mean([lowest(row) == four for row in raw])),
        },
        "Z3": {
            "depth_left": float(np.minimum(depth_centred[deep], 0).sum() / depth[deep].sum()) if deep.any() else None,
            "between_here": float(median(share[four])),
            "between_elsewhere": float(median(np.delete(share, four))),
        },
        "Z4": {"zeros": zeros("shared"), "least_marker": float(np.nanmin(artefacts["marker"]))},
        "Z5": {"zeros": zeros("pasted"), "least_live": None if live is None else float(np.nanmin(live))},
        "Z6": {
            "zeros": zeros("uncloned"),
            "overwritten": list(overwritten),
            "own_overwritten": [n for n, name in enumerate(names) if name in overwritten],
        },
        "Z7": {"zeros": zeros("late_bound")},
        "Z8": {
            "n_values": raw.size,
            "undefined": int(np.isnan(raw).sum()),
            "layers": layers_where(np.isnan(raw).any(axis=0)),
        },
        "Z9": {
            "n_images": len(size),
            "unmoved": int((size == 0).sum()),
            "erased": int((left == 0).sum()),
            "zeros_eight_bit": zeros("eight_bit"),
            "layers": layers_where((itself == 0).all(axis=0)),
        },
        "Z10": {"zeros": zeros("pictures"), "lowest": lowest(median(artefacts["pictures"]))},
        "Z11": {
            "several": len(several),
            "most_calls": max(calls.values(), default=1),
            "layers": [n for n, known in enumerate(names) if any(name.endswith(known) for name in several)],
        },
        "Z12": {"numberings": numberings(names), "stage_lowest": lowest(curve)},
        "Z13": {"two_decimals": layers_where(curve < ROUNDED), "half": zeros("half")},
        "Z14": {"zeros": zeros("replaced")},
    }
    return [_outcome(id, found) for id, found in numbers.items()]


def learned(names: Sequence[str], trained: np.ndarray, untrained: np.ndarray) -> dict[str, Any]:
    """Z15 for raw deviations (N, L) of a network and of one with random weights: see `solve`."""
    second = layers.second_convolutions(names)
    numbers: dict[str, Any] = {}
    for suffix, values in (("", trained), ("_untrained", untrained)):
        numbers[f"conv2_share{suffix}"] = float(layers.dips(values)[:, second].mean())
        numbers[f"minima{suffix}"] = minima(values, names)
    return _outcome("Z15", numbers)


def _outcome(id: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
    hypothesis, test, finding = HYPOTHESES[id]
    finding = _Words().vformat(finding, (), numbers)
    return {"id": id, "hypothesis": hypothesis, "test": test, "finding": finding, "numbers": numbers}


class _Words(string.Formatter):
    """Lists of layers as "4, 12", "none" or, if they are many, how many; None as "does not apply"."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return "does not apply"
        if isinstance(value, Mapping):
            return "; ".join(f"{name}: {self.format_field(item, '')}" for name, item in value.items())
        if isinstance(value, list):
            return (", ".join(map(str, value)) or "none") if len(value) <= 12 else f"{len(value)} layers"
        return str(super().format_field(value, format_spec)).replace("%", " %")
