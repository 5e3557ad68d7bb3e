"""What is measured of a trained network: accuracy per cycle and readout, self-consistency, margins, reconstructions;
and what feedback does to attacked letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from biorobust import attacks
from biorobust.attacks.crafting import Batch, unless_broken
from biorobust.cnnf.model import noise
from biorobust.cnnf.model.network import FeedbackNetwork
from biorobust.core.intervals import wilson
from biorobust.core.training import share

NOISE_SEED = 26  # of the evaluation's noise: the same for all runs and seeds
N_PICTURES = 6  # letters whose reconstructions are kept: the first evaluation images, not chosen ones
IMAGES = ("clean", "noisy", "blurred")  # versions of the test images; prefixes of what is logged of them


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
    return {
        "first": logits[0].argmax(dim=1),
        "last": logits[-1].argmax(dim=1),
        "average": logits.mean(dim=0).argmax(dim=1),
    }


def margins(logits: Tensor, labels: Tensor) -> list[float]:
    """Per cycle, the mean over images of p(true class) - max p(other class), from logits (T + 1, N, K)."""
    p = logits.double().softmax(dim=-1)
    at_label = labels.view(1, -1, 1).expand(len(p), -1, 1)
    true = p.gather(2, at_label).squeeze(2)
    other = p.scatter(2, at_label, -1.0).amax(dim=2)
    return (true - other).mean(dim=1).tolist()


def changes(logits: Tensor) -> list[float]:
    """Per feedback, the share of images whose prediction differs from that of the cycle before."""
    predictions = logits.argmax(dim=-1)
    return (predictions[1:] != predictions[:-1]).double().mean(dim=1).tolist()


def accuracies(logits: Tensor, labels: Tensor, *, images: str) -> dict[str, Any]:
    """Numbers and lists of the contract that follow from the logits (T + 1, N, K) of one version of the images."""
    found: dict[str, Any] = {
        f"{images}_{name}_accuracy": share(predictions == labels) for name, predictions in readouts(logits).items()
    }
    found[f"{images}_cycle_accuracy"] = [share(each.argmax(dim=1) == labels) for each in logits]
    margin, changed = margins(logits, labels), changes(logits)
    found |= {f"{images}_margin": margin, f"{images}_changed": changed}
    if changed:
        found |= {f"{images}_changed_first": changed[0], f"{images}_changed_last": changed[-1]}
        found[f"{images}_margin_gain"] = margin[-1] - margin[0]
    if len(changed) > 1:
        found[f"{images}_changed_fall"] = changed[0] - changed[-1]
    return found


def fitted(pictures: Tensor, targets: Tensor) -> Tensor:
    """a x + b per picture, a >= 0, nearest to its target in squares; both (N, C, H, W), computed in float64.

    Feedback gives pixels in no particular unit; a picture that varies against its target becomes its mean.
    """
    x, y = pictures.double().flatten(1), targets.double().flatten(1)
    x, mean = x - x.mean(dim=1, keepdim=True), y.mean(dim=1, keepdim=True)
    spread = x.square().sum(dim=1, keepdim=True)
    slope = (x * (y - mean)).sum(dim=1, keepdim=True) / spread
    slope = torch.where(spread > 0, slope, 0).clamp(min=0)
    return (slope * x + mean).view(targets.shape)


def psnr(pictures: Tensor, targets: Tensor) -> float:
    """Mean over pictures of the peak signal-to-noise ratio in dB after `fitted`; the peak is 1."""
    error = (fitted(pictures, targets) - targets.double()).square().flatten(1).mean(dim=1)
    return (-10 * error.clamp(min=1e-12).log10()).mean().item()


@dataclass(frozen=True)
class Reconstructions:
    """pixels: (T, N, C, H, W), unnormalised. feature_rms, reconstruction_rms: of h, and of h' after each feedback."""

    pixels: Tensor
    feature_rms: float
    reconstruction_rms: list[float]


@torch.no_grad()
def reconstruct(model: FeedbackNetwork, images: Tensor, *, batch_size: int = 250) -> Reconstructions:
    """Feedback of every cycle taken on to the pixels. A plain CNN has none: T = 0."""
    pixels, squares, feature_squares = [], [], []
    for part in images.split(batch_size):
        first, *cycled = model.states(part)
        feature_squares.append(_mean_square(first.feature))
        if cycled:
            squares.append(torch.stack([_mean_square(state.reconstruction) for state in cycled]))
            pixels.append(torch.stack([model.pixels(state) for state in cycled]))
    return Reconstructions(
        pixels=torch.cat(pixels, dim=1) if pixels else images.new_zeros(0, *images.shape),
        feature_rms=torch.cat(feature_squares).mean().sqrt().item(),
        reconstruction_rms=torch.cat(squares, dim=1).mean(dim=1).sqrt().tolist() if squares else [],
    )


def _mean_square(values: Tensor | None) -> Tensor:
    assert values is not None
    return values.double().square().flatten(1).mean(dim=1)


def feedback_entry(model: FeedbackNetwork, images: dict[str, Tensor]) -> dict[str, Any]:
    """PSNR and root mean squares of the reconstructions, by version of the images (N, C, H, W)."""
    entry: dict[str, Any] = {}
    for name in IMAGES:
        found = reconstruct(model, images[name])
        quality = [psnr(pixels, images["clean"]) for pixels in found.pixels]
        entry |= {f"{name}_psnr": quality, f"{name}_reconstruction_rms": found.reconstruction_rms}
        if len(quality) > 1:
            entry[f"{name}_psnr_change"] = quality[-1] - quality[0]
        if name == "clean":
            entry["clean_feature_rms"] = found.feature_rms
            continue
        entry[f"{name}_input_psnr"] = psnr(images[name], images["clean"])
        if quality:
            entry[f"{name}_psnr_gain"] = quality[-1] - entry[f"{name}_input_psnr"]
    return entry


def pictures(model: FeedbackNetwork, images: Sequence[Tensor], targets: Tensor) -> dict[str, Any]:
    """Reconstructions to look at: `images` uint8 (V, n, H, W) for V versions of n letters, `reconstructions` uint8
    (V, T, n, H, W) fitted to the clean letters `targets` (n, 1, H, W), `predictions` int64 (V, T + 1, n)."""

    def seen(values: Tensor) -> Any:
        return values[..., 0, :, :].clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()

    given = torch.stack(list(images))
    back = torch.stack([_fitted_cycles(reconstruct(model, version).pixels, targets) for version in images])
    predicted = torch.stack([cycle_logits(model, version).argmax(dim=-1) for version in images])
    return {"images": seen(given), "reconstructions": seen(back), "predictions": predicted.cpu().numpy()}


def _fitted_cycles(pixels: Tensor, targets: Tensor) -> Tensor:
    return torch.stack([fitted(each, targets) for each in pixels]) if len(pixels) else pixels.double()


def confusion(predictions: Tensor, labels: Tensor, *, n_classes: int) -> Tensor:
    """int64 (K, K) counts, label by prediction."""
    flat = (labels * n_classes + predictions).bincount(minlength=n_classes**2)
    return flat.view(n_classes, n_classes)


def counted_numbers(right: Tensor, clean: Tensor, *, images: str) -> dict[str, Any]:
    """The contract's numbers on noisy or blurred images under the counted readout; right, clean: (N,) bool."""
    correct, n = int(right.sum()), len(right)
    return {
        f"{images}_accuracy": correct / n,
        f"{images}_correct": correct,
        f"{images}_wilson": list(wilson(correct, n)),
        f"{images}_minus_clean": correct / n - int(clean.sum()) / n,
    }


def attacked(
    model: FeedbackNetwork,
    images: Tensor,
    labels: Tensor,
    *,
    attack: str,
    eps: Sequence[float],
    seed: int,
    batch_size: int = 500,
) -> list[Tensor]:
    """Adversarial copies (N, C, H, W) of the images, one per epsilon; gradients go through all cycles."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        crafted = attacks.get(attack).craft(model, Batch(images=x, labels=y, generator=generator), eps=tuple(eps))
        parts.append([unless_broken(changed, x) for changed in crafted.images])
    return [torch.cat(versions) for versions in zip(*parts, strict=True)]


def followed(model: FeedbackNetwork, clean: Tensor, labels: Tensor, versions: Sequence[Tensor]) -> dict[str, list[Any]]:
    """The contract's lists, each with one item per version (N, C, H, W) of the clean images."""
    found: dict[str, list[Any]] = {}
    for images in versions:
        logits, back = cycle_logits(model, images), reconstruct(model, images)
        same = torch.equal(images, clean)
        row = {
            "cycle_accuracy": (logits.argmax(dim=-1) == labels).double().mean(dim=1).tolist(),
            "margin": margins(logits, labels),
            "changed": changes(logits),
            "image_psnr": None if same else psnr(images, clean),
            "psnr": [psnr(pixels, clean) for pixels in back.pixels],
            "reconstruction_rms": back.reconstruction_rms,
        }
        for key, value in row.items():
            found.setdefault(key, []).append(value)
    return found
