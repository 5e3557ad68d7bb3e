"""Attacks that see outputs alone: Square (Andriushchenko et al. 2020) in L-infinity, and corners of the ball drawn at
random.

Unlike in AutoAttack every image has squares of its own, in place and signs, and they may touch every edge.
"""

from __future__ import annotations

import torch
from torch import nn

from biorobust.attacks import draws
from biorobust.attacks.crafting import Batch, Crafted
from biorobust.attacks.search import Judge, Search, searched

HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # queries


def craft(view: nn.Module, batch: Batch, *, eps: tuple[float, ...], queries: int, share: float = 0.8) -> Crafted:
    """Squares of pixels moved to an end of the ball, each kept where the margin rises.

    queries: at most so many forward passes an image, the start (vertical stripes) being the first. share: of the
    pixels that the first squares cover; it is halved after the queries of HALVED_AFTER, whatever `queries` is.
    """
    judge = Judge(batch.judge or view, batch)
    return searched(batch, eps, lambda _, search: _squares(search, judge, batch, queries=queries, share=share))


def side(query: int, shape: torch.Size | tuple[int, ...], share: float) -> int:
    """Pixels along a square at one query (1, 2, ...; 0 is the start) on images of shape (C, H, W)."""
    halvings = sum(query > after for after in HALVED_AFTER)
    wide = round((share / 2**halvings * shape[-2] * shape[-1]) ** 0.5)
    return max(1, min(wide, shape[-2], shape[-1]))


def _squares(search: Search, judge: Judge, batch: Batch, *, queries: int, share: float) -> None:
    channels, height, width = shape = batch.images.shape[1:]
    rows = search.rows
    places, signs = batch.keys("square")[rows], batch.keys("sign")[rows]
    lower, upper = search.lower[rows], search.upper[rows]
    stripes = draws.coins(batch.keys("stripes")[rows], (channels, 1, width))
    x = torch.where(stripes, upper, lower)
    margin = torch.full_like(search.margin[rows], float("-inf"))
    vertical, horizontal = (torch.arange(n, device=x.device) for n in (height, width))
    for query in range(queries if search.eps else 1):
        if not len(rows):
            return
        tried = x
        if query:
            size = side(query, shape, share)
            drawn = draws.uniform(places, (2,), block=query)
            free = drawn.new_tensor([height - size + 1, width - size + 1])
            first = (drawn * free).long().minimum(free.long() - 1)[:, :, None]
            tall, wide = (
                (at >= first[:, i]) & (at < first[:, i] + size) for i, at in enumerate((vertical, horizontal))
            )
            inside = tall[:, None, :, None] & wide[:, None, None, :]
            up = draws.coins(signs, (channels, 1, 1), block=query)
            tried = torch.where(inside, torch.where(up, upper, lower), x)
        said = judge(tried, rows, step=query)
        better = said.fooled | (said.margin > margin)
        x = torch.where(better[:, None, None, None], tried, x)
        margin = torch.where(better, said.margin.to(margin.dtype), margin)
        left = search.note(tried, rows, said, step=query)
        if not left.all():
            state = rows, places, signs, lower, upper, x, margin
            rows, places, signs, lower, upper, x, margin = (part[left] for part in state)


def corners(view: nn.Module, batch: Batch, *, eps: tuple[float, ...], queries: int) -> Crafted:
    """Corners of the ball, every pixel up or down by the toss of a coin: a network that breaks hides its gradients."""
    judge, keys = Judge(batch.judge or view, batch), batch.keys("corner")

    def drawn(_: int, search: Search) -> None:
        for query in range(queries if search.eps else 1):
            rows = search.rows
            if not len(rows):
                return
            up = draws.coins(keys[rows], search.images.shape[1:], block=query)
            x = torch.where(up, search.upper[rows], search.lower[rows])
            search.note(x, rows, judge(x, rows, step=query), step=query)

    return searched(batch, eps, drawn)
