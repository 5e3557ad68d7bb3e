"""VOneBlock: a fixed model of primary visual cortex, simple and complex cells with Gabor fields and neuronal noise.

The noise has a variance equal to its mean, as spike counts have. It is part of the model, in evaluation too.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor, nn
from torch.nn import functional

from biorobust.core.errors import BiorobustError
from biorobust.networks.pixels import filtered, once

COLOURS = 3
NOISE_MODES = ("neuronal", "gaussian", "none")
FLOOR = 1e-4  # added to the variance, so that the square root has a gradient at 0
NoiseSource = Callable[[Tensor], Tensor]  # responses (B, n, h, w) -> standard normal numbers of their shape


def live_noise(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fresh numbers, from `generator` (on the responses' device) or torch's global one."""
    return torch.empty_like(like).normal_(generator=generator)


def frozen_noise(*seeds: int) -> NoiseSource:
    """The same numbers in every forward pass: one draw for each image, or one for all of them where there is one seed.

    They are made on the CPU and depend on nothing but the seed and the response's shape.
    """

    @cache
    def drawn(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
        draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(draws).to(device, dtype)

    def source(like: Tensor) -> Tensor:
        if len(seeds) not in (1, len(like)):
            raise BiorobustError(f"noise has {len(seeds)} seeds, the minibatch {len(like)} images: must be equal")
        return drawn(like.shape[1:], like.dtype, like.device).expand_as(like)

    return source


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
    """V1 responses (B, simple + complex, h, w) to images (B, 3 or 1, H, W) scaled to [-1, 1] (0 is mid grey).

    Simple cells, which come first, are half-rectified Gabor responses, complex cells the root mean square of a
    quadrature pair; both are multiplied by `k_exc`, then noise is added (Dapello, Marques et al. 2020, as the
    defaults). h = ceil(H / stride). Nothing is trained.

    image_size pixels span visual_degrees, which fixes the filters' scale, also for images of another size. filters:
    "biological" or the "uniform" control. colours: "published" draws the channels of a quadrature pair independently,
    "paired" once. noise: the mode outside any `noise` context.

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
        _check_choice("filters", filters, ("biological", "uniform"))
        _check_choice("colours", colours, ("published", "paired"))
        _check_choice("noise", noise, NOISE_MODES)
        n, pixels_per_degree = simple_channels + complex_channels, image_size / visual_degrees
        nyquist = pixels_per_degree / (2 * math.sqrt(2))  # half a cycle per pixel, less along the diagonal
        for wrong, message in (
            (n == 0, f"{simple_channels = }, {complex_channels = }: must not be both 0"),
            (ksize % 2 == 0, f"{ksize = }: must be an odd number of pixels"),
            (ksize > image_size, f"{ksize = }: must be at most the image's {image_size} pixels (image_size)"),
            (
                sf_max > nyquist,
                f"{sf_max = }: must be at most {nyquist:.4g} cycles per degree, the Nyquist limit image_size / "
                f"visual_degrees / (2 sqrt 2) of {image_size} pixels over {visual_degrees:g} degrees",
            ),
        ):
            if wrong:
                raise BiorobustError(message)
        self.simple_channels, self.complex_channels = simple_channels, complex_channels
        self.ksize, self.stride, self.k_exc = ksize, stride, k_exc
        self.noise_mode, self.noise_scale, self.noise_level = noise, noise_scale, noise_level
        self._source: NoiseSource = live_noise

        population = sample_parameters(
            n_filters=n, seed=gabor_seed, sf_min=sf_min, sf_max=sf_max, sf_corr=sf_corr, uniform=filters == "uniform"
        )
        first, second = sample_colours(n_filters=n, seed=colour_seed, paired=colours == "paired")
        even, odd = (
            gabor_kernels(population, ksize=ksize, pixels_per_degree=pixels_per_degree, quadrature=quadrature)
            for quadrature in (False, True)
        )
        self.register_buffer("kernels", torch.cat([even, odd[simple_channels:]]))
        self.register_buffer("colours", torch.cat([first, second[simple_channels:]]))
        self._sort()
        self.register_load_state_dict_post_hook(VOneBlock._sort)

    def _sort(self, _: Any = None) -> None:
        order = self.colours.argsort(stable=True)
        self.register_buffer("_sorted", self.kernels[order][:, None].contiguous(), persistent=False)
        self.register_buffer("_place", order.argsort(), persistent=False)
        self._split: list[int] = self.colours.bincount(minlength=COLOURS).tolist()

    def responses(self, x: Tensor) -> Tensor:
        """Responses of the cells (B, simple + complex, h, w) before noise; never negative.

        Each filter sees one channel of the image, or the only one of a grey image.
        """
        if min(x.shape[-2:]) < self.ksize:
            height, width = x.shape[-2:]
            raise BiorobustError(
                f"images of {height} x {width} pixels: smaller than the V1 filters (ksize {self.ksize})"
            )
        # The image is smaller than what becomes of it. Single channels of a channels-last one would take the slow path.
        x = (self.k_exc * x).contiguous()
        if x.shape[1] == 1:
            linear = filtered(x, self.kernels[:, None], stride=self.stride)
        else:
            found = [
                functional.conv2d(x[:, colour : colour + 1], weights, stride=self.stride, padding=self.ksize // 2)
                for colour, weights in enumerate(self._sorted.split(self._split))
                if len(weights)
            ]
            linear = torch.cat(found, dim=1).index_select(1, self._place)
        sizes = [self.simple_channels, self.complex_channels, self.complex_channels]
        simple, even, odd = linear.split(sizes, dim=1)
        return torch.cat([functional.relu(simple), magnitude(even, odd).mul_(1 / math.sqrt(2))], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        noise: dict[str, Any] = {"mode": self.noise_mode, "scale": self.noise_scale, "level": self.noise_level}
        with torch.autocast(x.device.type, enabled=False):  # weak responses and their noise stay in float32
            return add_noise(once(self.responses, x), source=self._source, **noise)

    @contextlib.contextmanager
    def noise(
        self,
        mode: str | None = None,
        *,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[None]:
        """Other noise inside the `with`: another mode, or numbers from elsewhere than torch's global generator.

        seed: one draw for every image of every forward pass. seeds: one for each image of a minibatch. generator: live.
        Raises BiorobustError for more than one of them, or for one without noise.
        """
        mode = self.noise_mode if mode is None else mode
        _check_choice("noise", mode, NOISE_MODES)
        named = sum(value is not None for value in (seed, seeds, generator))
        if named > 1:
            raise BiorobustError("noise takes one of seed, seeds and generator")
        if mode == "none" and named:
            raise BiorobustError("noise is none, so a seed or generator has no use: name a mode, neuronal or gaussian")
        frozen = seeds if seed is None else [seed]
        source = partial(live_noise, generator=generator) if frozen is None else frozen_noise(*frozen)
        before = self.noise_mode, self._source
        self.noise_mode, self._source = mode, source
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


def _check_choice(name: str, value: str, options: Sequence[str]) -> None:
    if value not in options:
        raise BiorobustError(f"{name} = {value!r}: must be one of {', '.join(options)}")


# --- Gabor filters of a population of V1 cells, with parameters drawn from distributions measured in macaque V1 -------
#
# Dapello, Marques et al. (2020) sample orientation (De Valois et al. 1982a), spatial frequency (De Valois et al. 1982b)
# and receptive-field shape (Ringach 2002b) from published histograms. A Gaussian copula ties frequency to shape, a
# joint histogram the two axes of the shape; orientation and phase are independent.

ORIENTATION_EDGES = np.array([-22.5, 22.5, 67.5, 112.5, 157.5])  # degrees
ORIENTATION_COUNTS = np.array([66, 49, 77, 54])
FREQUENCY_EDGES = np.array([0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0])  # cycles per degree
FREQUENCY_COUNTS = np.array([4, 4, 8, 25, 32, 26, 28, 12])
SHAPE_EDGES = np.linspace(-1, 0.2, 6)  # log10 of the envelope's standard deviation in cycles of the carrier
# Rows: bins of nx (along the carrier); columns: bins of ny (across). No cell was seen in the last row.
SHAPE_COUNTS = np.array([[2, 0, 1, 0, 0], [8, 9, 4, 1, 0], [1, 2, 19, 17, 3], [0, 0, 1, 7, 4], [0, 0, 0, 0, 0]])


class GaborParameters(NamedTuple):
    """One value per filter, float64 (n,). Angles in degrees.

    sf: cycles per degree of visual angle. theta: direction of the carrier. phase: of the carrier at the centre.
    nx, ny: standard deviation of the Gaussian envelope along and across the carrier, in cycles of the carrier.
    """

    sf: np.ndarray
    theta: np.ndarray
    phase: np.ndarray
    nx: np.ndarray
    ny: np.ndarray


def sample_parameters(
    *,
    n_filters: int,
    seed: int = 0,
    sf_min: float = 0.0,
    sf_max: float = 9.0,
    sf_corr: float = 0.75,
    uniform: bool = False,
) -> GaborParameters:
    """Draw `n_filters` sets of Gabor parameters; equal arguments give equal parameters on every machine.

    sf_min, sf_max: keep the frequency bins within these limits (cycles per degree). sf_corr: correlation of the copula
    that ties frequency to nx. uniform: the control population, in which orientation, octave of frequency and log shape
    are flat and nothing is tied.

    The draws are the published ones: NumPy's legacy generator, in the order phase, orientation, copula, ny. Raises
    BiorobustError for limits that leave no bin.
    """
    rng = np.random.RandomState(seed)
    phase = 360 * rng.rand(n_filters)
    counts, edges = _frequency_bins(sf_min, sf_max, strict=uniform)
    if uniform:
        theta = 180 * rng.rand(n_filters)
        log_sf = _quantile(rng.rand(n_filters), np.ones(len(counts)), np.log2(edges))
        low, high = SHAPE_EDGES[0], SHAPE_EDGES[-1]
        nx, ny = (10 ** (low + (high - low) * rng.rand(n_filters)) for _ in range(2))
        return GaborParameters(sf=2**log_sf, theta=theta, phase=phase, nx=nx, ny=ny)
    theta = _quantile(rng.rand(n_filters), ORIENTATION_COUNTS, ORIENTATION_EDGES)
    theta[theta < 0] += 180
    tied = norm.cdf(_correlated(rng.standard_normal((n_filters, 2)), sf_corr))
    log_nx = _quantile(tied[:, 0], SHAPE_COUNTS.sum(axis=1), SHAPE_EDGES)
    log_sf = _quantile(tied[:, 1], counts, np.log2(edges))
    rows = np.searchsorted(10**SHAPE_EDGES, 10**log_nx) - 1
    log_ny = [_quantile(u, SHAPE_COUNTS[row], SHAPE_EDGES) for u, row in zip(rng.rand(n_filters), rows, strict=True)]
    return GaborParameters(sf=2**log_sf, theta=theta, phase=phase, nx=10**log_nx, ny=10 ** np.array(log_ny))


def sample_colours(*, n_filters: int, seed: int, paired: bool) -> tuple[Tensor, Tensor]:
    """The input channel (0, 1, 2) each filter of a quadrature pair sees: two int64 (n,), with the draws of torch's
    global generator seeded with `seed`. paired: both see the same, as do a third of those drawn independently.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randint(0, COLOURS, (n_filters,), generator=generator) for _ in range(2))
    return first, first if paired else second


def gabor_kernels(
    parameters: GaborParameters, *, ksize: int, pixels_per_degree: float, quadrature: bool = False
) -> Tensor:
    """float32 kernels (n, ksize, ksize); the first image axis is the row. quadrature: the phase 90 degrees further on.

    g(a, b) = exp(-(u^2 / sx^2 + v^2 / sy^2) / 2) / (2 pi sx sy) * cos(2 pi f u + phase), with (u, v) the offset (a, b)
    in pixels turned by theta, f the frequency in cycles per pixel, sx = nx / f and sy = ny / f (Dapello, Marques et al.
    2020). Neither is the mean removed nor the norm fixed.
    """
    sf, theta, phase, nx, ny = (values[:, None, None] for values in parameters)
    frequency, theta = sf / pixels_per_degree, np.deg2rad(theta)
    sigma_x, sigma_y = nx / frequency, ny / frequency
    phase = np.deg2rad(phase) + (math.pi / 2 if quadrature else 0.0)
    offsets = np.arange(ksize) - ksize // 2
    rows, columns = offsets[None, :, None], offsets[None, None, :]
    u = rows * np.cos(theta) + columns * np.sin(theta)
    v = columns * np.cos(theta) - rows * np.sin(theta)
    envelope = np.exp(-0.5 * ((u / sigma_x) ** 2 + (v / sigma_y) ** 2)) / (2 * math.pi * sigma_x * sigma_y)
    return torch.from_numpy((envelope * np.cos(2 * math.pi * frequency * u + phase)).astype(np.float32))


def _correlated(z: np.ndarray, rho: float) -> np.ndarray:
    """(n, 2) normal variables of variance 1 and correlation rho from independent ones.

    The factor is that of NumPy's multivariate_normal with OpenBLAS, written out because its signs, and with them the
    sample, are not the same in every linear algebra library.
    """
    a, b = np.sqrt((1 + abs(rho)) / 2), np.sqrt((1 - abs(rho)) / 2)
    if rho == 0:
        return z
    return z @ np.array([[-a, -a], [-b, b]] if rho > 0 else [[-a, a], [b, b]])


def _frequency_bins(sf_min: float, sf_max: float, *, strict: bool) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges between the first edge >= sf_min and the last edge <= sf_max (< where `strict`)."""
    edges = FREQUENCY_EDGES
    kept = np.flatnonzero((edges >= sf_min) & ((edges < sf_max) if strict else (edges <= sf_max)))
    if len(kept) < 2:
        known = ", ".join(f"{edge:g}" for edge in edges)
        raise BiorobustError(f"sf_min = {sf_min}, sf_max = {sf_max}: must enclose two of the bin edges {known}")
    return FREQUENCY_COUNTS[kept[0] : kept[-1]], edges[kept]


def _quantile(u: np.ndarray | float, counts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Inverse distribution function of a histogram: uniform within a bin."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts / counts.sum())])
    return np.interp(u, cumulative, edges)
