"""Label maps of content and style: who may take from whom."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST_AREA = 0.005  # of a picture: a label smaller than this has no statistics worth having
FEWEST = 20  # places; smaller labels are not fought for, they would take too many places from others
ROUNDS, PULL, GOOD = 40, 2.0, 0.01  # of `claims`: how often, how strongly, and what share of its pixels a label may lose anyway


class Regions:
    """Which places may be matched with which, from label maps of content and style.

    With both, places of one label only take from places of that label (a label that the style lacks takes from anywhere).
    With the style's alone, only what is not black there is used. With the content's alone, only what is not black changes.

    Args:
        content, style: labels int64 (1, 1, H, W) of any size, or None.
    """

    def __init__(self, content: Tensor | None = None, style: Tensor | None = None):
        self.kept = content if style is None else None
        if content is None and style is not None and style.any():
            content, style = torch.ones_like(style[..., :1, :1]), (style > 0).long()
        both = content is not None and style is not None
        self.labels = (content, style) if both else None
        self.all = style.unique().tolist() if both else []  # the style's
        self.shared = sorted(set(content.unique().tolist()) & set(self.all)) if both else []
        self.seen: dict[tuple[int, tuple[int, int]], Tensor] = {}  # what `channels` gave: it is asked for at every update

    def at(self, k: int, size: tuple[int, int]) -> Tensor:
        """Labels (H * W) of the content (0) or the style (1) at a size."""
        return F.interpolate(self.labels[k].float(), size=size, mode="nearest-exact").long().flatten()

    def allowed(self, size: tuple[int, int]) -> Tensor | None:
        """(H * W, H * W) bool at a size that both have, or None where everything is."""
        if not self.shared:
            return None
        ours, theirs = self.at(0, size), self.at(1, size)
        same = ours[:, None] == theirs
        return same | ~same.any(1, keepdim=True)

    def areas(self, ours: Tensor, theirs: Tensor) -> list[tuple[Tensor | None, Tensor | None]]:
        """For each shared label the weights (1, 1, H, W) of its places in two pictures; one pair of None without labels."""
        found = []
        for label in self.shared:
            pair = [(self.at(k, x.shape[-2:]) == label).float().view(1, 1, *x.shape[-2:]) for k, x in enumerate((ours, theirs))]
            if min(part.mean() for part in pair) >= LEAST_AREA:
                found.append(tuple(pair))
        return found or [(None, None)]

    def share(self, k: int, label: int, size: tuple[int, int]) -> Tensor:
        """How much of each place has a label, (1, 1, *size) in [0, 1]: borders are as soft as the size makes them."""
        here = (self.labels[k] == label).float()
        smaller = all(new <= old for new, old in zip(size, here.shape[-2:], strict=True))
        return F.interpolate(here, size=size, mode="area" if smaller else "bilinear")

    def channels(self, k: int, size: tuple[int, int]) -> Tensor | None:
        """How much each place of the content (0) or the style (1) is of each of the style's labels, (1, labels, *size).

        Half way between the label's share of the place and whether the place is the label's: soft at borders, yet a place on one
        side is nearer to all on its side. A place of the style is the label's that has most of it; in the content shares are
        weighed by `claims`, so that what is thinner than a place is not lost to its ground. The sum is 1, or less where the
        content has what the style lacks. None without a label that both have.
        """
        if not self.shared:
            return None
        if (k, size) not in self.seen:
            shares = torch.cat([self.share(k, label, size) for label in self.all], 1)
            shares = torch.cat([shares, (1 - shares.sum(1, keepdim=True)).clamp(min=0)], 1)
            if k == 0:
                shares = shares * claims(shares)
                shares = shares / shares.sum(1, keepdim=True)
            self.seen[k, size] = (shares + owned(shares))[:, :-1] / 2
        return self.seen[k, size]

    def over(self, content: Tensor, image: Tensor) -> Tensor:
        """`image` (1, 3, H, W) with the content's own pixels where a mask of the content alone is black, its border softened."""
        if self.kept is None:
            return image
        changes = F.interpolate((self.kept > 0).float(), content.shape[-2:])
        soft = F.avg_pool2d(F.pad(changes, (2,) * 4, mode="replicate"), 5, stride=1)  # a step between two pixels would show
        return image * soft + content * (1 - soft)


def owned(counts: Tensor) -> Tensor:
    """Whose each place is: 1 for the label (1, labels, H, W) that counts most there, else 0."""
    return F.one_hot(counts.argmax(1), counts.shape[1]).permute(0, 3, 1, 2).to(counts)


def claims(shares: Tensor) -> Tensor:
    """What the shares (1, labels, H, W) count (1, labels, 1, 1) for no label to lose much of its pixels to others' places.

    It begins with one over the square root of the area. In each round labels that lose more than the mean count more, those that
    lose less count less; the round in which the worst label loses least is taken.
    """
    areas = shares.sum((2, 3), keepdim=True)
    weights = areas.clamp(min=1).rsqrt()
    best, least, large = weights, 2.0, areas >= FEWEST
    for _ in range(ROUNDS if large.any() else 0):
        lost = 1 - (owned(shares * weights) * shares).sum((2, 3), keepdim=True) / areas.clamp(min=1)
        if (worst := lost[large].max().item()) < least:
            best, least = weights, worst
        if worst < GOOD:
            break
        weights = weights * torch.where(large, PULL * (lost - lost[large].mean()), 0).exp()
    return best
