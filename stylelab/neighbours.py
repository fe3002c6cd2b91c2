"""Features replaced by their nearest neighbours among the styles', and how far a picture is from them (NNST 3.2 and 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from .features import VGG
from .hypercolumns import LAYERS, extract, hypercolumns, layer_maps, quarter
from .matching import as_map, guided, overlapped, patch_rows, rows, unit
from .sources import Sources, taken, turned

# Authors' code: feature splitting compares every (side // GRID)th position, by the longer side: GRID to 2 * GRID - 1 of it.
GRID = 64
KEYS = 4096  # places of a style, in all rotations, that each layer of a result fed in again is compared with


class Matching(Protocol):
    """What of a method's settings says how features are compared."""

    rotations: bool  # of the styles, by 90, 180 and 270 degrees
    zero_centre: bool  # the mean is subtracted from both sides
    split_by: str  # "layers" or "hypercolumns": what feature splitting matches by itself
    rematch: bool  # feature splitting finds its matches anew in every update

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What hypercolumns are made of."""

    @property
    def side(self) -> int:
        """Of the square patches of features that are matched, and averaged where they overlap."""

    @property
    def guidance(self) -> float:
        """What the squared difference of labels weighs where the cosine weighs 1."""


@torch.no_grad()
def rearranged(vgg: VGG, content: Tensor, sources: Sources, params: Matching, carried: Sequence[Tensor] | None = None) -> Tensor:
    """Equation 1: the styles' hypercolumns put where the content's most similar ones are, (1, C, H/4, W/4).

    A rotated copy at a time, so that memory is that of a few hypercolumn maps at any size. Instead of hypercolumns they may have
    something else `carried` along, (1, D, h/4, w/4) for each style: where they are from, for one. Patches are compared by the
    cosine of all their features; what they say of a place is averaged.
    """

    def columns(image: Tensor) -> Tensor:
        return patch_rows(hypercolumns(extract(vgg, image, params.layer_names), quarter(image)), params.side)

    def copies(k: int) -> Iterator[tuple[Tensor, Tensor]]:
        luggage = [None] * len(guides[k]) if carried is None else turned(carried[k], params.rotations)
        for copy, guide, other in zip(turned(sources.styles[k], params.rotations), guides[k], luggage, strict=True):
            values = columns(copy)
            keys = guided(unit(values, centre), None if guide is None else rows(guide))
            yield keys, values if other is None else rows(other)

    queries, centre = columns(content), None
    own = queries.mean(0) if params.zero_centre else None
    if params.zero_centre:
        centre = sources.mean([[columns(copy).mean(0) for copy in turned(s, params.rotations)] for s in sources.styles])
    labels = sources.regions.channels(0, quarter(content))
    queries = guided(unit(queries, own), None if labels is None else rows(labels), params.guidance)
    guides = sources.guides([quarter(style) for style in sources.styles], params.rotations)
    found = taken(queries, map(copies, range(len(guides))), sources.shares)
    return overlapped(found, quarter(content), params.side if carried is None else 1)


class SplitLoss:
    """Feature splitting: the sum over layers of the mean centred cosine distance to each vector's nearest style vector.

    Matches are found anew in every call, on grids shifted by draws from `generator`. Patches are of neighbours on the grid,
    and as like as their places' mean cosine.
    """

    def __init__(self, vgg: VGG, sources: Sources, params: Matching, generator: torch.Generator):
        self.vgg, self.generator, self.sources, self.params = vgg, generator, sources, params
        self.keys: dict[str, list[list[Tensor]]] = {}  # layer -> style -> unit vectors of each rotation, (1, C, H, W)
        self.guides: dict[str, list[list[Tensor | None]]] = {}  # likewise
        with torch.no_grad():
            styles = [[self.maps(copy) for copy in turned(s, params.rotations)] for s in sources.styles]
            for name in list(styles[0][0]):
                maps = [[copy.pop(name) for copy in copies] for copies in styles]
                centre = 0
                if params.zero_centre:
                    centre = sources.mean([[m.float().mean((2, 3), keepdim=True) for m in copies] for copies in maps])
                self.keys[name] = [[F.normalize(m.float() - centre, dim=1).to(m.dtype) for m in copies] for copies in maps]
                self.guides[name] = sources.guides([tuple(copies[0].shape[-2:]) for copies in maps], params.rotations)

    def maps(self, image: Tensor) -> dict[str, Tensor]:
        """What is matched by itself: layers at their own resolutions, or all of them as hypercolumns."""
        found = extract(self.vgg, image, self.params.layer_names)
        return found if self.params.split_by == "layers" else {"": hypercolumns(found, quarter(image))}

    def grid(self, features: Tensor, guide: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(1, C, H, W) on a grid shifted at random, and what a guide has there, (N, L).

        As in the authors' code the stride is the longer side by `GRID`, rounded down, so that a side of the grid has
        fewer than 2 * `GRID` positions.
        """
        stride = max(1, max(features.shape[-2:]) // GRID)
        y, x = (int(torch.randint(min(stride, side), (), generator=self.generator)) for side in features.shape[-2:])
        return features[..., y::stride, x::stride], None if guide is None else rows(guide[..., y::stride, x::stride])

    def styles(self, name: str) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """For each style the guided keys of a layer, all its copies together, and the keys themselves."""
        for copies, guides in zip(self.keys[name], self.guides[name], strict=True):
            found, labels = zip(*map(self.grid, copies, guides), strict=True)
            keys = torch.cat([patch_rows(m, self.params.side).float() for m in found])
            yield [(guided(keys, None if labels[0] is None else torch.cat(labels)), keys)]

    def __call__(self, image: Tensor) -> Tensor:
        total, side = image.new_zeros(()), self.params.side
        for name, features in self.maps(image).items():
            here, labels = self.grid(features, self.sources.regions.channels(0, tuple(features.shape[-2:])))
            queries = rows(here).float()
            queries = unit(queries, queries.mean(0) if self.params.zero_centre else None)
            asking = patch_rows(as_map(queries.detach(), here), side) / side**2
            found = taken(guided(asking, labels, self.params.guidance), self.styles(name), self.sources.shares)
            if side > 1:
                found = unit(rows(overlapped(found, tuple(here.shape[-2:]), side)))
            total = total + 1 - (queries * found).sum(1).mean()
        return total


class Splitter:
    """Feature splitting at once: hypercolumns whose layers are taken from the styles each by itself (3.2).

    Layers are compared at their own resolution, or a quarter of the picture's where that is less.
    """

    def __init__(self, vgg: VGG, sources: Sources, params: Matching, generator: torch.Generator):
        self.vgg, self.sources, self.params = vgg, sources, params
        # layer -> style -> guided keys and values of `KEYS` places
        self.styles: dict[str, list[list[tuple[Tensor, Tensor]]]] = {}
        copies = [[self.maps(copy) for copy in turned(s, params.rotations)] for s in sources.styles]
        for name in params.layer_names:
            maps = [[copy.pop(name) for copy in of_style] for of_style in copies]
            vectors = [[patch_rows(m, params.side) for m in of_style] for of_style in maps]
            centre = sources.mean([[v.mean(0) for v in of_style] for of_style in vectors]) if params.zero_centre else None
            guides = sources.guides([tuple(of_style[0].shape[-2:]) for of_style in maps], params.rotations)
            self.styles[name] = []
            for of_style, labels in zip(vectors, guides, strict=True):
                values = torch.cat(of_style)
                chosen = torch.randperm(len(values), generator=generator)[:KEYS].to(values.device)
                values, guide = values[chosen], None if labels[0] is None else torch.cat([rows(m) for m in labels])[chosen]
                self.styles[name].append([(guided(unit(values, centre), guide), values)])

    def maps(self, image: Tensor) -> dict[str, Tensor]:
        return layer_maps(extract(self.vgg, image, self.params.layer_names), quarter(image))

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """(1, C, H / 4, W / 4) for a picture (1, 3, H, W)."""
        found = {}
        for name, maps in self.maps(image).items():
            queries, labels = patch_rows(maps, self.params.side), self.sources.regions.channels(0, tuple(maps.shape[-2:]))
            queries = unit(queries, queries.mean(0) if self.params.zero_centre else None)
            queries = guided(queries, None if labels is None else rows(labels), self.params.guidance)
            chosen = taken(queries, self.styles[name], self.sources.shares)
            found[name] = overlapped(chosen, tuple(maps.shape[-2:]), self.params.side)
        return hypercolumns(found, quarter(image))


def column_loss(vgg: VGG, target: Tensor, layers: Sequence[str] = LAYERS) -> Callable[[Tensor], Tensor]:
    """Equation 8, plus one: mean cosine distance of a picture's hypercolumns to `target`.

    The hypercolumns are not put together: products and lengths are summed layer by layer, which takes half the time.
    """
    size = target.shape[-2:]
    parts = F.normalize(target, dim=1).split([vgg.channels(name) for name in layers], 1)

    def loss(image: Tensor) -> Tensor:
        product = length = 0
        for part, features in zip(parts, extract(vgg, image, layers).values(), strict=True):
            layer = F.interpolate(features.float(), size=size, mode="bilinear")
            product = product + (layer * part).sum(1) / layer.shape[1]
            length = length + layer.square().sum(1) / layer.shape[1] ** 2
        return 1 - (product / length.clamp(min=1e-12).sqrt()).mean()

    return loss


def splitting_loss(
    vgg: VGG, picture: Tensor, sources: Sources, params: Matching, generator: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """What feature splitting descends from `picture`: matches that follow it, or those that it has now."""
    if params.rematch:
        return SplitLoss(vgg, sources, params, generator)
    at_once = Splitter(vgg, sources, params, generator) if params.split_by == "layers" else None
    target = rearranged(vgg, picture, sources, params) if at_once is None else at_once(picture)
    return column_loss(vgg, target, params.layer_names)
