"""Laplacian pyramids with bilinear resampling (Burt & Adelson 1983; NNST 3.4 optimises a picture in this form)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def scale_to(image: Tensor, like: Tensor) -> Tensor:
    """`image` (N, C, h, w) bilinearly at the height and width of `like`."""
    return F.interpolate(image, size=like.shape[-2:], mode="bilinear", align_corners=False)


def most_levels(image: Tensor) -> int:
    """How many levels halve the shorter side before it would vanish: 1 for one pixel, 9 for 256."""
    return min(image.shape[-2:]).bit_length()


def decompose(image: Tensor, levels: int) -> list[Tensor]:
    """Laplacian pyramid of (N, C, H, W), finest first; the last entry is the low-pass remainder.

    `levels` counts all entries; it is cut to `most_levels`, so that no level is ever empty (odd and narrow pictures too).
    """
    bands = []
    for _ in range(min(levels, most_levels(image)) - 1):
        half = F.interpolate(image, size=[side // 2 for side in image.shape[-2:]], mode="bilinear", align_corners=False)
        bands.append(image - scale_to(half, image))
        image = half
    return [*bands, image]


def collapse(bands: list[Tensor]) -> Tensor:
    """The picture whose pyramid this is; inverts `decompose` up to rounding."""
    image = bands[-1]
    for band in reversed(bands[:-1]):
        image = band + scale_to(image, band)
    return image
