"""Colour transforms that are affine near every pixel and change smoothly, except across edges of the picture they act on.

The bilateral guided upsampling of Chen, Adams, Wadhwa & Hasinoff (2016), whose grid Gharbi et al. (2017) learn: coefficients in
a small grid over x, y and brightness, read at every pixel's place and own brightness. Two neighbours of different brightness read
different coefficients, so that transforms change at edges and nowhere else: lines stay where they are, and a transform that was
found on a small picture acts on a large one without blur or halo.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def brightness(image: Tensor) -> Tensor:
    """(1, 1, H, W) of RGB (1, 3, H, W)."""
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def constant_grid(image: Tensor, cells: int, levels: int, matrix: Tensor, offset: Tensor) -> Tensor:
    """(1, 12, levels, h, w): everywhere x -> matrix (3, 3) @ x + offset (3, 1), `cells` along the longer side of `image`."""
    height, width = image.shape[-2:]
    h, w = (max(2, round(cells * side / max(height, width))) for side in (height, width))
    return torch.cat([matrix, offset], 1).view(1, 12, 1, 1, 1).repeat(1, 1, levels, h, w)


def places(image: Tensor) -> Tensor:
    """(1, 1, H, W, 3): where in a grid each pixel reads, by its place and brightness, for `transformed`."""
    height, width = image.shape[-2:]
    y, x = ((torch.arange(side, device=image.device) * 2 + 1) / side - 1 for side in (height, width))
    depth = brightness(image)[0, 0] * 2 - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width), depth], -1)[None, None]


def transformed(image: Tensor, grid: Tensor, where: Tensor) -> Tensor:
    """`image` (1, 3, H, W) after the transforms of `grid` read at `where` (from `places(image)`); may leave [0, 1]."""
    read = F.grid_sample(grid, where, mode="bilinear", padding_mode="border", align_corners=False)[:, :, 0]
    rows = read.view(1, 3, 4, *image.shape[-2:])
    return (rows[:, :, :3] * image[:, None]).sum(2) + rows[:, :, 3]


def roughness(grid: Tensor, over_places: float, over_brightness: float) -> Tensor:
    """Mean squared differences of neighbouring coefficients, along x and y and along brightness, with a weight each; 0-d."""
    x, y, brightness = (grid.diff(dim=axis).square().mean() for axis in (4, 3, 2))
    return over_places * (x + y) + over_brightness * brightness
