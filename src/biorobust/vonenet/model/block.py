"""VOneBlock: a fixed model of primary visual cortex, simple and complex cells with Gabor fields and neuronal noise.

The noise has a variance equal to its mean (a Fano factor near 1), as spike counts have. It belongs to the model, so it
is there in evaluation too.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from biorobust.core.errors import BiorobustError
from biorobust.networks.pixels import once
from biorobust.vonenet.model.parameters import check_frequency, gabor_kernels, sample_colours, sample_parameters

COLOURS = 3
NOISE_MODES = ("neuronal", "gaussian", "none")
FLOOR = 1e-4  # added to the variance, so that the square root has a gradient at 0
NoiseSource = Callable[[Tensor], Tensor]  # responses (B, n, h, w) -> standard normal numbers of their shape


def live_noise(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fresh numbers, from `generator` (on the responses' device) or torch's global one."""
    return torch.empty_like(like).normal_(generator=generator)


@dataclass
class FrozenNoise:
    """The same numbers in every forward pass: one draw for all images (`seeds` an integer), or one for each.

    They are made on the CPU and depend on nothing but the seed and the response's shape.
    """

    seeds: int | tuple[int, ...]
    _drawn: Tensor | None = field(default=None, repr=False)

    def __call__(self, like: Tensor) -> Tensor:
        shape = like.shape[1:]
        if isinstance(self.seeds, tuple) and len(self.seeds) != len(like):
            raise BiorobustError(f"noise has {len(self.seeds)} seeds, the minibatch {len(like)} images: must be equal")
        if self._drawn is None or self._drawn.shape[1:] != shape:
            seeds = self.seeds if isinstance(self.seeds, tuple) else (self.seeds,)
            draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
            self._drawn = torch.stack(draws)
        self._drawn = self._drawn.to(like)
        return self._drawn.expand_as(like)


def add_noise(responses: Tensor, *, mode: str, scale: float, level: float, source: NoiseSource) -> Tensor:
    """Noisy responses of the same shape, never negative, as the `responses`, which are left as they are.

    none: x. gaussian: relu(x + scale n), n ~ N(0, 1). neuronal: t = scale x + level is a spike count with mean and
    variance t (+ FLOOR); the result is relu((t + n sqrt(t + FLOOR) - level) / scale) (Dapello, Marques et al. 2020).
    """
    if mode == "none":
        return responses
    normal = source(responses)
    if mode == "gaussian":
        return torch.add(responses, normal, alpha=scale).relu_()
    deviation = torch.add(responses.new_tensor(level + FLOOR), responses, alpha=scale).sqrt_()
    # (t + n s - level) / scale = x + n s / scale; without gradients the memory of s can be used again.
    out = None if responses.requires_grad else deviation
    return torch.addcmul(responses, normal, deviation, value=1 / scale, out=out).relu_()


class VOneBlock(nn.Module):
    """V1 responses (B, simple + complex, h, w) to images (B, 3, H, W) scaled to [-1, 1] (0 is mid grey).

    Simple cells, which come first, are half-rectified Gabor responses, complex cells the root mean square of a
    quadrature pair; both are multiplied by `k_exc`, then noise is added (Dapello, Marques et al. 2020, as the
    defaults). h = ceil(H / stride).

    image_size pixels span visual_degrees, which fixes the filters' scale, also for images of another size. filters:
    "biological" or the "uniform" control. colours: "published" draws the channels of a quadrature pair independently,
    "paired" once. noise: the mode outside any `noise` context. Nothing is trained: filters are buffers, and gradients
    go to the image only.

    Raises BiorobustError for an even kernel, one larger than the image, no cells, or sf_max above the Nyquist limit.
    """

    kernels: Tensor  # (F, ksize, ksize): simple cells, complex cells, then the quadrature partners of the complex cells
    colours: Tensor  # (F,) int64: the one input channel each filter sees
    _sorted: Tensor  # (F, 1, ksize, ksize): kernels in the order of their channels
    _place: Tensor  # (F,) int64: where each filter stands in that order

    def __init__(
        self,
        *,
        image_size: int = 224,
        visual_degrees: float = 8.0,
        simple_channels: int = 256,
        complex_channels: int = 256,
        ksize: int = 25,
        stride: int = 4,
        sf_min: float = 0.0,
        sf_max: float = 9.0,
        sf_corr: float = 0.75,
        k_exc: float = 25.0,
        filters: str = "biological",
        colours: str = "published",
        noise: str = "neuronal",
        noise_scale: float = 0.35,
        noise_level: float = 0.07,
        gabor_seed: int = 0,
        colour_seed: int = 0,
    ) -> None:
        super().__init__()
        _check_layout(simple_channels, complex_channels, ksize=ksize, stride=stride, image_size=image_size)
        _check_choice("filters", filters, ("biological", "uniform"))
        _check_choice("colours", colours, ("published", "paired"))
        _check_choice("noise", noise, NOISE_MODES)
        if noise_scale <= 0 or noise_level < 0:
            raise BiorobustError(
                f"noise_scale = {noise_scale}, noise_level = {noise_level}: must be above 0, and not below"
            )
        check_frequency(sf_max, image_size=image_size, visual_degrees=visual_degrees)
        self.simple_channels, self.complex_channels = simple_channels, complex_channels
        self.ksize, self.stride, self.k_exc = ksize, stride, k_exc
        self.noise_mode, self.noise_scale, self.noise_level = noise, noise_scale, noise_level
        self._source: NoiseSource = live_noise

        n = simple_channels + complex_channels
        cells = sample_parameters(
            n_filters=n, seed=gabor_seed, sf_min=sf_min, sf_max=sf_max, sf_corr=sf_corr, uniform=filters == "uniform"
        )
        first, second = sample_colours(n_filters=n, seed=colour_seed, paired=colours == "paired")
        ppd = image_size / visual_degrees
        q0 = gabor_kernels(cells, ksize=ksize, pixels_per_degree=ppd)
        q1 = gabor_kernels(cells, ksize=ksize, pixels_per_degree=ppd, quadrature=True)
        self.register_buffer("kernels", torch.cat([q0, q1[simple_channels:]]))
        self.register_buffer(
            "colours", torch.cat([torch.from_numpy(first), torch.from_numpy(second[simple_channels:])])
        )
        self._sort()
        self.register_load_state_dict_post_hook(_sort_again)

    def _sort(self) -> None:
        order = self.colours.argsort(stable=True)
        self.register_buffer("_sorted", self.kernels[order][:, None].contiguous(), persistent=False)
        self.register_buffer("_place", order.argsort(), persistent=False)
        self._split: list[int] = self.colours.bincount(minlength=COLOURS).tolist()

    def filter_responses(self, x: Tensor) -> Tensor:
        """Linear responses (B, F, h, w) of all filters times `k_exc`, in the order of `kernels`. Each sees one channel
        of the image, so a third of the products of a dense convolution are left.
        """
        if min(x.shape[-2:]) < self.ksize:
            size = " x ".join(map(str, x.shape[-2:]))
            raise BiorobustError(
                f"images of {size} pixels: must be at least as large as the V1 filters (ksize {self.ksize})"
            )
        # The image is smaller than what becomes of it. Single channels of a channels-last one would take the slow path.
        x = (self.k_exc * x).contiguous()
        channels = enumerate(self._sorted.split(self._split))
        return torch.cat(
            [
                functional.conv2d(x[:, colour : colour + 1], weights, stride=self.stride, padding=self.ksize // 2)
                for colour, weights in channels
                if len(weights)
            ],
            dim=1,
        ).index_select(1, self._place)

    def responses(self, x: Tensor) -> Tensor:
        """Responses of the cells (B, simple + complex, h, w) before noise; never negative."""
        sizes = [self.simple_channels, self.complex_channels, self.complex_channels]
        simple, even, odd = self.filter_responses(x).split(sizes, dim=1)
        return torch.cat([functional.relu(simple), magnitude(even, odd).mul_(1 / math.sqrt(2))], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # weak responses and their noise stay in float32
            return add_noise(
                once(self.responses, x),
                mode=self.noise_mode,
                scale=self.noise_scale,
                level=self.noise_level,
                source=self._source,
            )

    @contextlib.contextmanager
    def noise(
        self,
        mode: str | None = None,
        *,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[None]:
        """Other noise inside the `with`: another mode, or other numbers (at most one of the three; else torch's global
        generator).

        seed: one draw for every image of every forward pass. seeds: one for each image of a minibatch. generator: live.
        Raises BiorobustError for more than one of them, or for numbers without noise to use them in.
        """
        mode = self.noise_mode if mode is None else mode
        _check_choice("noise", mode, NOISE_MODES)
        named = sum(value is not None for value in (seed, seeds, generator))
        if named > 1:
            raise BiorobustError("noise takes one of seed, seeds and generator")
        if mode == "none" and named:
            raise BiorobustError("noise is none, so a seed or generator has no use: name a mode, neuronal or gaussian")
        before = self.noise_mode, self._source
        if seed is not None:
            self._source = FrozenNoise(int(seed))
        elif seeds is not None:
            self._source = FrozenNoise(tuple(int(one) for one in seeds))
        else:
            self._source = partial(live_noise, generator=generator)
        self.noise_mode = mode
        try:
            yield
        finally:
            self.noise_mode, self._source = before


def magnitude(a: Tensor, b: Tensor) -> Tensor:
    """sqrt(a^2 + b^2) with gradient 0 where both are 0 (the plain root has NaN there: any mid-grey image)."""
    squared = (a * a).addcmul_(b, b)
    if not squared.requires_grad:
        return squared.sqrt_()
    seen = squared > 0
    return squared.where(seen, 1.0).sqrt().where(seen, 0.0)


def _sort_again(block: Any, _: Any) -> None:
    block._sort()


def _check_layout(simple: int, complex_: int, *, ksize: int, stride: int, image_size: int) -> None:
    if simple < 0 or complex_ < 0 or simple + complex_ == 0:
        raise BiorobustError(
            f"simple_channels = {simple}, complex_channels = {complex_}: must be 0 or more, and not both 0"
        )
    if ksize < 1 or ksize % 2 == 0:
        raise BiorobustError(f"ksize = {ksize}: must be an odd number of pixels")
    if stride < 1:
        raise BiorobustError(f"stride = {stride}: must be 1 or more pixels")
    if image_size < ksize:
        raise BiorobustError(f"ksize = {ksize}: must be at most the image's {image_size} pixels (image_size)")


def _check_choice(name: str, value: str, options: Sequence[str]) -> None:
    if value not in options:
        raise BiorobustError(f"{name} = {value!r}: must be one of {', '.join(options)}")
