"""The colours of a painted picture: the content's, moved to the styles' statistics (NNST 3.5), and lightness alone."""

from __future__ import annotations

import torch
from torch import Tensor

from .colour import clamp_to, filter_along, match_moments, moments, oklab, rgb
from .regions import LEAST_AREA
from .sources import Sources

MONOCHROME = {"filter-first": 4e-5, "match-first": 6e-5}  # largest (co)variance of A and B: 3.5; authors' code


def coloured(
    content: Tensor, style: Tensor, painted: Tensor, order: str, ours: Tensor | None = None, theirs: Tensor | None = None
) -> Tensor:
    """3.5: the painted lightness with the content's colours, moved to the style's statistics; all RGB in [0, 1].

    A style whose A and B hardly vary keeps the painted colours, matched to the style's statistics when the order is the
    authors' (paper: no colour step at all).

    Args:
        order: a key of `MONOCHROME`: colours are filtered along the lightness first, or their statistics matched first.
        ours, theirs: how much each pixel of content and style counts, (1, 1, H, W).
    """
    content, style, painted = oklab(content), oklab(style), oklab(painted)
    lightness = clamp_to(painted[:, :1], style[:, :1])
    first = order == "filter-first"
    counted = dict(weights=ours, reference_weights=theirs)
    spread = moments(style[:, 1:], weights=theirs)[1]
    if (spread.diagonal() if first else spread.abs()).max() < MONOCHROME[order]:
        lab = painted if first else clamp_to(match_moments(torch.cat([lightness, painted[:, 1:]], 1), style, **counted), style)
    elif first:
        lab = match_moments(torch.cat([painted[:, :1], filter_along(content[:, 1:], painted[:, :1])], 1), style, **counted)
    else:
        colours = filter_along(match_moments(content[:, 1:], style[:, 1:], **counted), lightness)
        lab = torch.cat([lightness, clamp_to(colours, style[:, 1:])], 1)
    return rgb(lab).clamp(0, 1)


def coloured_by_label(content: Tensor, sources: Sources, painted: Tensor, order: str) -> Tensor:
    """`coloured` with the statistics of all styles; with labels, each label after its own, borders as soft as the masks'."""
    total, rest, regions = torch.zeros_like(content), torch.ones_like(content[:, :1]), sources.regions
    for label in regions.shared:
        here = regions.share(0, label, tuple(content.shape[-2:]))
        if min(here.mean(), (regions.labels[1] == label).float().mean()) >= LEAST_AREA:
            style, theirs = sources.pixels(label)
            total += here * coloured(content, style, painted, order, here, theirs)
            rest -= here
    if not regions.shared or rest.max() > 1 / 255:
        style, theirs = sources.pixels()
        total += rest * coloured(content, style, painted, order, None, theirs)
    return total.clamp_(0, 1)


def relit(content: Tensor, painted: Tensor) -> Tensor:
    """The painted lightness with the content's own colours filtered along it."""
    lightness = oklab(painted)[:, :1]
    return rgb(torch.cat([lightness, filter_along(oklab(content)[:, 1:], lightness)], 1)).clamp(0, 1)


def lightness_only(image: Tensor) -> Tensor:
    """A picture's Oklab lightness as a grey picture."""
    return rgb(oklab(image)[:, :1] * image.new_tensor([1.0, 0, 0]).view(1, 3, 1, 1)).clamp(0, 1)


def as_light_as(content: Tensor, style: Tensor) -> Tensor:
    """The style as a grey picture with the mean and deviation of the content's (Gatys et al. 2017)."""
    grey, reference = lightness_only(content), lightness_only(style)
    return ((reference - reference.mean()) / (reference.std() + 1e-6) * grey.std() + grey.mean()).clamp(0, 1)
