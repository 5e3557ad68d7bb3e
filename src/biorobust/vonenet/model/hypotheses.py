"""Why does the report find a deviation of exactly zero at four layers? Hypotheses Z1 to Z15, tested in our networks.

A test measures which layers a hypothesis would put at zero; vonenet/report/hypotheses.py holds them against the
report's. Artefacts are mistakes of a program that compares activations, made here on purpose. None of this proves what
the report's program did: it is not public, and the networks are ours.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

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

# --- artefacts: what a program with a mistake would have printed, 1 - r per image and convolution (N, L) ------------


@dataclass(frozen=True)
class Pair:
    """A network without noise, and clean and perturbed images (N, 3, H, W)."""

    model: Classifier
    clean: Tensor
    perturbed: Tensor

    @property
    def convolutions(self) -> dict[str, nn.Conv2d]:
        return convolutions(self.model)

    def features(self, images: Tensor) -> dict[str, Tensor]:
        return capture.features(self.model, images, self.convolutions)

    def both(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return self.features(self.clean), self.features(self.perturbed)


def compare(
    clean: Mapping[str, Tensor], perturbed: Mapping[str, Tensor], *, change: Callable[[Tensor], Tensor] = lambda x: x
) -> np.ndarray:
    """1 - r of every layer of `clean`, (N, L), after a `change` of both; NaN where it is undefined."""
    found = [dissimilarity(change(values), change(perturbed[name])) for name, values in clean.items()]
    return torch.stack(found, dim=1).cpu().numpy()


def marker(pair: Pair) -> np.ndarray:
    """No mistake, but images of random pixels: a layer still at 0 would be compared with itself."""
    noise = torch.rand(pair.clean.shape, generator=torch.Generator().manual_seed(0)).to(pair.clean)
    return compare(pair.features(pair.clean), pair.features(noise))


def shared(pair: Pair) -> np.ndarray:
    """One dictionary for both passes: the second pass has overwritten the first when they are compared."""
    _, perturbed = pair.both()
    return compare(perturbed, perturbed)


def pasted(pair: Pair) -> np.ndarray:
    """Clean compared with clean at one layer of each stage: four lines copied and not edited."""
    clean, perturbed = pair.both()
    return compare(clean, perturbed | {name: clean[name] for name in layers.REPORTED if name in clean})


def uncloned(pair: Pair) -> np.ndarray:
    """Outputs kept without a copy: whatever the network does in place afterwards has been done to them."""
    outputs: list[dict[str, Tensor]] = [{}, {}]
    for kept, images in zip(outputs, (pair.clean, pair.perturbed), strict=True):
        with torch.no_grad(), capture.hooked(pair.convolutions, kept.__setitem__):
            pair.model(images)
    return compare(*outputs)


def late_bound(pair: Pair) -> np.ndarray:
    """Hooks made in a loop that all store under the loop's last name: one entry, read for every layer."""
    last = list(pair.convolutions)[-1]
    return compare(*(dict.fromkeys(pair.convolutions, features[last]) for features in pair.both()))


def replaced(pair: Pair) -> np.ndarray:
    """A hook that hands back what it stored first, as `dict.setdefault` does: the second pass uses the first's."""
    first: dict[str, Tensor] = {}

    def hook(name: str, module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return first.setdefault(name, output.clone()).clone()

    handles = [module.register_forward_hook(partial(hook, name)) for name, module in pair.convolutions.items()]
    try:
        return compare(*pair.both())
    finally:
        for handle in handles:
            handle.remove()


def half(pair: Pair) -> np.ndarray:
    stored = compare(*pair.both(), change=Tensor.half)
    return 1 - (1 - stored).astype(np.float16).astype(np.float64)


def eight_bit(pair: Pair) -> np.ndarray:
    """Perturbed images stored with 8 bits a pixel before the network sees them; clean ones came from such a file."""
    return compare(pair.features(pair.clean), pair.features(quantised(pair.perturbed)))


def pictures(pair: Pair) -> np.ndarray:
    """First principal component of each activation, in a basis of its own, stretched to 0..255 whole numbers."""

    def picture(activations: Tensor) -> Tensor:
        drawn = []
        for one in activations.split(1):
            scores = pca.scores(pca.fit(one, n_components=1), one)
            low, high = scores.min(), scores.max()
            drawn.append(((scores - low) / (high - low) * 255).round() if high > low else torch.zeros_like(scores))
        return torch.cat(drawn)

    return compare(*pair.both(), change=picture)


ARTEFACTS: dict[str, Callable[[Pair], np.ndarray]] = {
    artefact.__name__: artefact
    for artefact in (marker, shared, pasted, uncloned, late_bound, replaced, half, eight_bit, pictures)
}


def overwritten(pair: Pair) -> dict[str, bool]:
    """Whether what a convolution, or the norm behind it, had just made is changed by the rest of the pass when no copy
    is taken.
    """
    modules = {**pair.convolutions, **{f"norm of {name}": norm for name, norm in norms(pair.model).items()}}
    kept: dict[str, tuple[Tensor, Tensor]] = {}
    with torch.no_grad(), capture.hooked(modules, lambda name, out: kept.update({name: (out, out.clone())})):
        pair.model(pair.clean[:1])
    return {name: not torch.equal(live, copy) for name, (live, copy) in kept.items()}


def calls(pair: Pair) -> Counter[str]:
    leaves = {name: module for name, module in pair.model.named_modules() if name and not list(module.children())}
    with torch.no_grad(), capture.hooked(leaves, lambda name, output: None) as counted:
        pair.model(pair.clean[:1])
    return counted


# --- tests: evidence from one network -> numbers ---------------------------------------------------------------------


@dataclass(frozen=True)
class Evidence:
    """One network without noise. Arrays are (N, L): images that were moved, and convolutions (`names`); 1 - r.

    raw, centred: under the network's own perturbation; norm_raw: behind the normalisation (NaN without one); signs,
    itself: raw, for random signs and for the clean images again; live: the latter under live noise, None without any.
    between: share of variance between channel means. artefacts: by name, (n, L). size: L-infinity of every
    perturbation, of unmoved images too; left: after rounding to 8 bits. overwritten: layer -> whether an output kept
    without a copy changes later. calls: module -> calls a pass.
    """

    names: Sequence[str]
    raw: np.ndarray
    centred: np.ndarray
    norm_raw: np.ndarray
    signs: np.ndarray
    itself: np.ndarray
    live: np.ndarray | None
    between: np.ndarray
    artefacts: Mapping[str, np.ndarray]
    size: np.ndarray
    left: np.ndarray
    overwritten: Mapping[str, bool]
    calls: Mapping[str, int]

    def zeros(self, artefact: str) -> list[int]:
        """Layers at exactly zero (or undefined, which a careless program prints as 0) for more than half the images."""
        return layers_where((~(self.artefacts[artefact] > 0)).mean(axis=0) > 0.5)


Numbers = dict[str, Any]


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


def minima(values: np.ndarray, asked: Sequence[int]) -> list[int]:
    """Those of the layers `asked` that are dips of the median curve of (N, L)."""
    dip = layers.dips(median(values))
    return [n for n in asked if dip[n]]


def natural_minima(e: Evidence) -> Numbers:
    four = layers.reported(e.names)
    return {
        "exact_zeros": int((e.raw == 0).sum()),
        "least": float(np.nanmin(e.raw[:, four])),
        "at_zero": drawn_at_zero(median(e.raw)),
        "minima": minima(e.raw, four),
        "minima_by_signs": minima(e.signs, four),
    }


def scaled_by_stage(e: Evidence) -> Numbers:
    curves = {"convolutions": e.raw, "channels centred": e.centred, "behind normalisation": e.norm_raw}
    per_image = [layers.lowest(row, e.names) == layers.reported(e.names) for row in e.raw]
    return {
        "lowest": {name: layers.lowest(median(values), e.names) for name, values in curves.items()},
        "share_of_images": float(np.mean(per_image)),
    }


def channel_means(e: Evidence) -> Numbers:
    four = layers.reported(e.names)
    depth_raw, depth_centred = (median(layers.depth(values))[four] for values in (e.raw, e.centred))
    deep = depth_raw < -SHALLOW
    share = median(e.between)
    return {
        "depth_left": float(np.minimum(depth_centred[deep], 0).sum() / depth_raw[deep].sum()) if deep.any() else None,
        "between_here": float(median(share[four])),
        "between_elsewhere": float(median(np.delete(share, four))),
    }


def undefined(e: Evidence) -> Numbers:
    return {"undefined": int(np.isnan(e.raw).sum()), "layers": layers_where(np.isnan(e.raw).any(axis=0))}


def no_perturbation(e: Evidence) -> Numbers:
    unmoved, erased = int((e.size == 0).sum()), int((e.left == 0).sum())
    return {"unmoved": unmoved, "erased": erased, "layers": layers_where((e.itself == 0).all(axis=0))}


def called_often(e: Evidence) -> Numbers:
    several = [name for name, n in e.calls.items() if n > 1]
    found = [n for n, known in enumerate(e.names) if any(name.endswith(known) for name in several)]
    return {"several": len(several), "layers": found}


def learned(names: Sequence[str], trained: np.ndarray, untrained: np.ndarray) -> dict[str, Any]:
    """Z15 for raw deviations (N, L) of a network and of one with random weights: see `solve`."""
    second, four = layers.second_convolutions(names), layers.reported(names)
    numbers: Numbers = {}
    for key, values in (("conv2_share", trained), ("conv2_share_untrained", untrained)):
        numbers[key] = float(layers.dips(values)[:, second].mean())
    for key, values in (("minima", trained), ("minima_untrained", untrained)):
        numbers[key] = minima(values, four)
    return _outcome("Z15", numbers)


class Hypothesis(NamedTuple):
    """What it says, how it is tested, and what was found, to be filled in with numbers."""

    hypothesis: str
    test: str
    finding: str
    measure: Callable[[Evidence], Numbers] | None = None


HYPOTHESES = {
    "Z1": Hypothesis(
        "They are natural minima that a linear axis shows as zero",
        "float64, logarithmic axis, local minima",
        "Of {n_values} values {exact_zeros} are exactly zero; the smallest at the report's layers is {least:.1e}. A "
        "linear axis shows these layers of the median curve at zero: {at_zero}. Of the report's layers {minima} are "
        "minima, under random signs {minima_by_signs}.",
        natural_minima,
    ),
    "Z2": Hypothesis(
        "Each stage was scaled to [0, 1] by itself, which makes one zero per stage",
        "are the stages' lowest layers the report's?",
        "Lowest layer of each stage: {lowest}. For {share_of_images:.0%} of single images they are the report's.",
        scaled_by_stage,
    ),
    "Z3": Hypothesis(
        "Fixed differences between channels make r large, most of all at these layers",
        "are the dips there when each channel's mean is taken away?",
        "Depth of the dips that is left without the channel means: {depth_left:.0%}. Between-channel share of the "
        "variance: {between_here:.2f} at the report's layers, {between_elsewhere:.2f} at the others.",
        channel_means,
    ),
    "Z4": Hypothesis(
        "A tensor was compared with itself: a dictionary shared by both passes",
        "that mistake, and marker images",
        "Layers at zero: {zeros}. In our own capture, images of random pixels give no layer less than "
        "{least_marker:.1e}.",
        lambda e: {"zeros": e.zeros("shared"), "least_marker": float(np.nanmin(e.artefacts["marker"]))},
    ),
    "Z5": Hypothesis(
        "Lines copied by hand compare clean with clean at one layer of each stage",
        "that mistake; live noise, under which nothing else gives an exact zero",
        "Layers at zero: {zeros}, by construction, in any network. Least deviation between two passes over one image "
        "under live noise: {least_live:.1e}.",
        lambda e: {"zeros": e.zeros("pasted"), "least_live": None if e.live is None else float(np.nanmin(e.live))},
    ),
    "Z6": Hypothesis(
        "Outputs were kept without a copy and overwritten in place",
        "capture without copies",
        "Outputs overwritten before they are compared: {overwritten}; convolutions among them: {own_overwritten}. "
        "Layers at zero: {zeros}.",
        lambda e: {"zeros": e.zeros("uncloned"), "overwritten": [name for name, yes in e.overwritten.items() if yes]},
    ),
    "Z7": Hypothesis(
        "Hooks made in a loop all stored under one name",
        "that mistake",
        "Layers at zero: {zeros}.",
        lambda e: {"zeros": e.zeros("late_bound")},
    ),
    "Z8": Hypothesis(
        "An undefined correlation (a constant layer) was printed as 0",
        "count the undefined ones",
        "Undefined are {undefined} of {n_values} correlations, at these layers: {layers}.",
        undefined,
    ),
    "Z9": Hypothesis(
        "There was no perturbation: a failed attack, or 8-bit files that erased it",
        "sizes before and after rounding",
        "Of {n_images} perturbations {unmoved} are zero, {erased} after rounding to 8 bits, which puts these layers at "
        "zero: {zeros_eight_bit}. An image compared with itself is at zero in: {layers}.",
        no_perturbation,
    ),
    "Z10": Hypothesis(
        "Pictures of principal components were compared, not activations",
        "that comparison",
        "Compared as pictures (first component, own basis, 8 bits), layers at zero: {zeros}; lowest of each stage: "
        "{lowest}.",
        lambda e: {"zeros": e.zeros("pictures"), "lowest": layers.lowest(median(e.artefacts["pictures"]), e.names)},
    ),
    "Z11": Hypothesis(
        "A module that runs several times in a pass kept its last output only",
        "count the calls of every module",
        "Modules that run more than once in a pass: {several} (up to {most_calls} times); convolutions among them: "
        "{layers}.",
        called_often,
    ),
    "Z12": Hypothesis(
        "The numbers count from 1, or leave the downsampling out",
        "under which numbering are the layers the stages' lowest?",
        "The report's numbers as convolutions: {numberings}. The lowest of each stage: {stage_lowest}.",
        lambda e: {"numberings": numberings(e.names)},
    ),
    "Z13": Hypothesis(
        "Rounding, to two decimals or to 16-bit numbers",
        "round, and count the zeros",
        "Layers of the median curve that two decimals put at 0.00: {two_decimals}; layers that 16-bit numbers put at "
        "0: {half}.",
        lambda e: {"two_decimals": layers_where(median(e.raw) < ROUNDED), "half": e.zeros("half")},
    ),
    "Z14": Hypothesis(
        "A hook handed a stored output back, so the second pass computed with the first's",
        "that mistake",
        "Layers at zero: {zeros}.",
        lambda e: {"zeros": e.zeros("replaced")},
    ),
    "Z15": Hypothesis(
        "The dips are learned, not given by the architecture (ours)",
        "the same network with random weights",
        "A second convolution of a block is a dip in {conv2_share:.0%} of all cases when trained, "
        "{conv2_share_untrained:.0%} with random weights. Of the report's layers these are minima of the median curve: "
        "{minima} when trained, {minima_untrained} with random weights.",
    ),
}


def solve(evidence: Evidence) -> list[dict[str, Any]]:
    """Test Z1 to Z14: `id, hypothesis, test, finding, numbers` each, as `riddle/<run>.json` lists them."""
    facts = {
        "n_values": evidence.raw.size,
        "n_images": len(evidence.size),
        "zeros_eight_bit": evidence.zeros("eight_bit"),
        "most_calls": max(evidence.calls.values(), default=1),
        "own_overwritten": [n for n, name in enumerate(evidence.names) if evidence.overwritten.get(name)],
        "stage_lowest": layers.lowest(median(evidence.raw), evidence.names),
    }
    return [_outcome(id, tested.measure(evidence), facts) for id, tested in HYPOTHESES.items() if tested.measure]


def _outcome(id: str, numbers: Numbers, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    hypothesis, test, finding, _ = HYPOTHESES[id]
    finding = _Words().vformat(finding, (), numbers | dict(facts or {}))
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
