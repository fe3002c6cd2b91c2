"""Pictures larger than are optimised, put together from patches of the styles' own pixels (NNST 5, figure 10)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .colour import match_moments
from .images import resize
from .matching import paint, patchwork, side_by_side
from .neighbours import Matching
from .sources import Sources

LEVELS, ROUNDS = (4, 2, 1), 3  # of the search for patches: reductions, and turns at each
TURNS = len(LEVELS) * ROUNDS  # pictures on the way
PATCH, PAINTED = 5, 3  # patches that are compared and painted, in pixels of the picture that is enlarged
SEARCH, RADIUS = 2, 16  # PatchMatch iterations in each turn, random search from the second reduction on


def enlarged(
    content: Tensor, painted: Tensor, sources: Sources, params: Matching, generator: torch.Generator
) -> Iterator[Tensor]:
    """Section 5, figure 10: `painted` (1, 3, H, W) as large as `content`, put together from patches of the styles' own pixels.

    The picture guides the search for the patches. Like the lightness in Image Analogies [16] its colours are first moved to the
    styles' mean and covariance. What is given before the last are small pictures on the way.
    """
    size, side = (max(picture.shape[-2:]) for picture in (content, painted))
    factor = size / side
    styles = sources.changed(lambda style: resize(style, min(size, max(style.shape[-2:]))))
    whole = max(1, round(factor))
    gap = math.ceil(PATCH * factor / whole)
    turns = 4 if params.rotations else 1

    def source() -> Tensor:
        """Held while it is looked at, not during the search."""
        return side_by_side(styles.styles, gap * whole, whole, turns)

    # At the size of the source labels would not fit into memory.
    small = [tuple(-(-side // whole) for side in style.shape[-2:]) for style in styles.styles]
    inside = side_by_side([painted.new_ones(1, 1, *size) for size in small], gap, turns=turns)
    ours, labels = sources.regions.channels(0, tuple(painted.shape[-2:])), None
    if ours is not None:
        labels = ours, side_by_side(list(itertools.chain(*styles.guides(small, params.rotations))), gap), params.guidance
    pixels, counts = sources.changed(lambda style: resize(style, side)).pixels()
    guide = match_moments(painted, pixels, reference_weights=counts).clamp(0, 1)
    search = dict(levels=LEVELS, patch=PATCH, rounds=ROUNDS, iterations=SEARCH, radius=RADIUS, generator=generator)
    for found in patchwork(guide, source(), inside, factor, labels=labels, **search):
        yield found[1].clamp(0, 1)
    yield paint(source(), found[0], tuple(content.shape[-2:]), PAINTED).clamp(0, 1)
