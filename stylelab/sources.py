"""What a picture takes its features from: styles and their rotations, shares and labels (NNST 3.2 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .matching import nearest, shared_out
from .regions import Regions


def turned(style: Tensor, rotations: bool) -> list[Tensor]:
    """The style and, if asked for, its copies rotated by 90, 180 and 270 degrees (3.1)."""
    return [style.rot90(k, (2, 3)) for k in range(4 if rotations else 1)]


@dataclass(frozen=True)
class Sources:
    """What a picture takes its features from.

    Args:
        styles: pictures (1, 3, H, W), RGB in [0, 1].
        shares: of the places, one for each style; they sum to 1.
        regions: labels of the content and of the first style; the other styles may be taken from everywhere.
    """

    styles: tuple[Tensor, ...]
    shares: tuple[float, ...] = (1.0,)
    regions: Regions = field(default_factory=Regions)

    @classmethod
    def of(cls, weighted: Iterable[tuple[Tensor | None, float]], regions: Regions) -> Sources:
        """From styles with their weights; what is None or weighs 0 is left out."""
        styles, counts = zip(*((style, count) for style, count in weighted if style is not None and count > 0), strict=True)
        return cls(styles, tuple(count / sum(counts) for count in counts), regions)

    def changed(self, change: Callable[[Tensor], Tensor]) -> Sources:
        """The same with other pictures."""
        return replace(self, styles=tuple(change(style) for style in self.styles))

    def guides(self, sizes: list[tuple[int, int]], rotations: bool) -> list[list[Tensor | None]]:
        """For each style, laid out at one of `sizes`, and each of its copies the guiding channels (1, labels, H, W), or None."""
        first = self.regions.channels(1, sizes[0])
        if first is None:
            return [[None] * (4 if rotations else 1) for _ in sizes]
        return [turned(first, rotations)] + [turned(first.new_zeros(1, first.shape[1], *size), rotations) for size in sizes[1:]]

    def mean(self, means: list[list[Tensor]]) -> Tensor:
        """The mean feature of all styles and copies, each style by its share, from that of each copy of each style."""
        return sum(share * torch.stack(copies).mean(0) for share, copies in zip(self.shares, means, strict=True))

    def pixels(self, label: int | None = None) -> tuple[Tensor, Tensor | None]:
        """All pixels that may be taken from, (1, 3, 1, N), or one label's, and weights (1, 1, 1, N) by which each style counts as
        much as its share. A single style is given as it is.
        """
        if label is None and len(self.styles) == 1:
            return self.styles[0], None
        counts = [style.new_ones(1, 1, *style.shape[-2:]) for style in self.styles]
        if label is not None:
            counts[0] = self.regions.share(1, label, self.styles[0].shape[-2:])
        counts = torch.cat([share * (w / w.sum()).flatten() for share, w in zip(self.shares, counts, strict=True)])
        pixels = torch.cat([style.flatten(2) for style in self.styles], 2)
        return pixels[..., None, counts > 0], counts[None, None, None, counts > 0]


@torch.no_grad()
def taken(queries: Tensor, styles: Iterable[Iterable[tuple[Tensor, Tensor]]], shares: Sequence[float]) -> Tensor:
    """For each of `queries` (M, C) the value of the key that is most like it, (M, D); each style gets its share of the queries.

    `styles` gives for each style its copies' keys (N, C) and values (N, D); only one copy is held at a time.
    """
    found, likeness = [], []
    for copies in styles:
        best = None
        for keys, values in copies:
            index = nearest(queries, keys)
            similarity = (queries * keys[index]).sum(1)
            if best is None:
                best, chosen = similarity, values[index]
            else:
                better = similarity > best
                best, chosen[better] = best.maximum(similarity), values[index[better]]
        found.append(chosen)
        likeness.append(best)
    if len(found) == 1:
        return chosen
    which = shared_out(torch.stack(likeness), shares)
    for k in range(1, len(found)):
        found[0][which == k] = found[k][which == k]
    return found[0]
