"""What is measured of a trained network: accuracy per cycle and readout, self-consistency, margins, reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from biorobust.cnnf.model import noise
from biorobust.cnnf.model.network import FeedbackNetwork
from biorobust.core.training import share

NOISE_SEED = 26  # of the evaluation's noise: the same for all runs and seeds
N_PICTURES = 6  # letters whose reconstructions are kept: the first evaluation images, not chosen ones


def noisy(images: Tensor, *, kind: str, level: float) -> Tensor:
    """One fixed draw of noise on float (N, C, H, W) in [0, 1], on the CPU: the first images get the same however many
    there are (if they have a multiple of 16 pixels, what torch draws at a time)."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    return noise.KINDS[kind](images.cpu(), level, generator).to(images.device)


@torch.no_grad()
def cycle_logits(model: FeedbackNetwork, images: Tensor, *, batch_size: int = 250) -> Tensor:
    """(T + 1, N, K) logits of the first pass and of every cycle."""
    return torch.cat([model(part, return_cycles=True) for part in images.split(batch_size)], dim=1)


def readouts(logits: Tensor) -> dict[str, Tensor]:
    """(N,) predictions by the `first` pass, the `last` cycle and the `average` logits, from (T + 1, N, K)."""
    read = {"first": logits[0], "last": logits[-1], "average": logits.mean(dim=0)}
    return {name: each.argmax(dim=1) for name, each in read.items()}


def accuracies(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """The accuracy under each readout, and means over images: `cycle_accuracy` and `margin`, p(true class) - max
    p(other class), of the first pass and every cycle; `changed`, of every feedback the share whose prediction it
    changes. logits: (T + 1, N, K)."""
    p, predictions = logits.double().softmax(dim=-1), logits.argmax(dim=-1)
    at_label = labels.view(1, -1, 1).expand(len(p), -1, 1)
    margins = p.gather(2, at_label).squeeze(2) - p.scatter(2, at_label, -1.0).amax(dim=2)
    found: dict[str, Any] = {f"{name}_accuracy": share(said == labels) for name, said in readouts(logits).items()}
    found["cycle_accuracy"] = (predictions == labels).double().mean(dim=1).tolist()
    found["margin"] = margin = margins.mean(dim=1).tolist()
    found["changed"] = changed = (predictions[1:] != predictions[:-1]).double().mean(dim=1).tolist()
    if changed:
        found |= {"changed_first": changed[0], "changed_last": changed[-1], "margin_gain": margin[-1] - margin[0]}
    if len(changed) > 1:
        found["changed_fall"] = changed[0] - changed[-1]
    return found


def fitted(pictures: Tensor, targets: Tensor) -> Tensor:
    """a x + b per picture (..., C, H, W), a >= 0, nearest to its target in squares, computed in float64.

    Feedback gives pixels in no particular unit; a picture that varies against its target becomes its mean.
    """
    x, y = pictures.double().flatten(-3), targets.double().flatten(-3)
    x, mean = x - x.mean(dim=-1, keepdim=True), y.mean(dim=-1, keepdim=True)
    spread = x.square().sum(dim=-1, keepdim=True)
    slope = (x * (y - mean)).sum(dim=-1, keepdim=True) / spread
    slope = torch.where(spread > 0, slope, 0).clamp(min=0)
    return (slope * x + mean).view(pictures.shape)


def psnr(pictures: Tensor, targets: Tensor) -> Any:
    """Peak signal-to-noise ratio in dB after `fitted`, the peak being 1: the mean over pictures (N, C, H, W), or a list
    of it, one of each cycle of (T, N, C, H, W)."""
    error = (fitted(pictures, targets) - targets.double()).square().flatten(-3).mean(dim=-1)
    return (-10 * error.clamp(min=1e-12).log10()).mean(dim=-1).tolist()


@torch.no_grad()
def reconstruct(model: FeedbackNetwork, images: Tensor, *, batch_size: int = 250) -> Tensor:
    """(T, N, C, H, W): feedback of every cycle taken on to the pixels, unnormalised. A plain CNN has none: T = 0."""
    if not model.cycles:
        return images.new_zeros(0, *images.shape)
    parts = images.split(batch_size)
    pixels = [[model.pixels(state) for state in islice(model.states(part), 1, None)] for part in parts]
    return torch.cat([torch.stack(each) for each in pixels], dim=1)


def reconstruction(model: FeedbackNetwork, images: Tensor, clean: Tensor) -> dict[str, Any]:
    """PSNR to the clean images of one version of them, (N, C, H, W), and of its reconstructions."""
    quality = psnr(reconstruct(model, images), clean)
    found: dict[str, Any] = {"psnr": quality}
    if len(quality) > 1:
        found["psnr_change"] = quality[-1] - quality[0]
    if not torch.equal(images, clean):
        found["input_psnr"] = psnr(images, clean)
        found |= {"psnr_gain": quality[-1] - found["input_psnr"]} if quality else {}
    return found


def pictures(model: FeedbackNetwork, images: Sequence[Tensor], targets: Tensor) -> dict[str, Any]:
    """Reconstructions to look at: `images` uint8 (V, n, H, W) for V versions of n letters, `reconstructions` uint8
    (V, T, n, H, W) fitted to the clean letters `targets` (n, 1, H, W), `predictions` int64 (V, T + 1, n)."""

    def seen(values: Tensor) -> Any:
        return values[..., 0, :, :].clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()

    back = torch.stack([fitted(reconstruct(model, version), targets) for version in images])
    predicted = torch.stack([cycle_logits(model, version).argmax(dim=-1) for version in images])
    shown = {"images": seen(torch.stack(list(images))), "reconstructions": seen(back)}
    return shown | {"predictions": predicted.cpu().numpy()}
