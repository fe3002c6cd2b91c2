"""Neural Neighbor Style Transfer, optimised or decoded (Kolkin, Kucera, Paris, Sykora, Shechtman & Shakhnarovich, 2022).

1. Content and style are brought to an eighth, a quarter, half and the whole of `size`; each result starts the next (3.6).
2. Hypercolumns: activations of all layers of the first four blocks, bilinearly at a quarter of the resolution (3.1).
3. Each hypercolumn of alpha * last result + (1 - alpha) * content is replaced by its nearest neighbour among those of the
   style and its rotations by 90, 180 and 270 degrees, under the cosine of zero-centred features (3.2, equation 1).
4. 200 updates of Adam on a Laplacian pyramid bring the picture's hypercolumns towards those targets (3.4, equation 8).
5. Feature splitting: at full size another 200 updates in which every layer is matched by itself, anew after each update (3.2).
   With `synthesis` "decoder" steps 4 and 5 are done by networks, one for each scale (3.3): targets are decoded to a picture, and
   at full size that is fed in again five times, every layer matched by itself.
6. The result's lightness takes the content's colours, filtered along it and moved to the style's statistics, unless the
   style has hardly any colour (3.5).
7. Label maps are channels of their own in step 3 and 5, their squared difference weighed against the cosine (5, `Sources`).
8. Above 1024 px the result of step 5 guides a search for patches of the style, found from coarse to fine; their field is enlarged
   and the picture put together from the style's own pixels; step 6 comes after (5, figure 10, `enlarged`).

Where we leave the paper, or it leaves us the choice:
- Each layer is divided by its channel count inside the hypercolumn, as in the authors' code; the paper is silent.
- Feature splitting compares positions on a grid of at most 64 x 64, shifted at random in content and style at every update,
  and sums the layers' mean centred cosine distances, both as in the authors' code. The paper does not mention the sampling,
  but its 38 s at 512 px are out of reach without. These shifts, and the search for patches, are all that is random: `seed`.
- Scales whose short side is under 16 px are left out, and the pyramid has as many levels as the picture can be halved: the
  authors' code fails on such pictures.
- The colour filter is the authors' (3 x 3, five rounds), and colour is handled in Oklab, as their code does; "lightness" is
  its L. The paper filters before matching statistics, the code after: `colour_order`.
- The `compact` weights have VGG-19's shape; the layers taken from them are VGG-16's by name, without conv3_4.
- Labels: the guiding weights are the paper's, 0.5 each. Half of a border place is the label that has most of it, so that soft
  borders do not let labels mix. A label that the style lacks takes from anywhere; one mask alone says what is used, or what
  changes, see `Regions`. Each label is coloured after its own places' statistics (the paper is silent).
- Several styles, which the paper does not have: a style's weight is its share of the places. Those go to it that resemble it
  most compared with the others (`shared_out`), at every scale and in every layer, whatever rotation they are found in. Features
  are centred, and colours matched, by the styles' statistics in those shares. Masks are of the first style's.
- Patches: the paper names Texler et al. and StyLit without values. Ours are 5 x 5, compared by squared difference of colours with
  the picture at 1024 px, whose colours are first moved to the style's mean and covariance as Image Analogies do with lightness,
  and with what was found so far. Patches keep the style's own pixels: of a style smaller than the result the strokes come finer.
- Decoders: see `nets.decoder` and `train.decoder`. Pictures are padded to whole eighths before they are decoded, and labels are
  stretched with them. When a result is fed in again, its layers are compared with `KEYS` places of each style, drawn once for a
  layer. There is one decoder for each long side of 64, 128, 256 and 512 px; other sizes take the nearest. "decoder+opt" goes on
  with step 5 from the decoder's result.
- Clips are not in the paper: a keyframe begins from the last one's result, carried along the optical flow, and is held near it
  (`HOLD`), where the flow is certain; a decoder is fed with it there.
- `colour` = content and luminance are not in the paper. Luminance: only lightness is stylised (Gatys et al. 2017).

The `official` preset has the authors' values (nkolkin13/NeuralNeighborStyleTransfer) without their defects: there the last
stage compares stale features at 512 px, and some sizes and every CPU fail.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import weights
from ..colour import clamp_to, filter_along, match_moments, moments, oklab, rgb
from ..errors import WeightsMissing
from ..features import SMALLEST_SIDE, VGG, load_extractor
from ..hypercolumns import LAYERS, hypercolumns, layer_maps, quarter
from ..images import resize
from ..matching import as_map, guided, nearest, paint, patchwork, rows, shared_out, side_by_side, unit
from ..method import Input, Method, Params, Step, knob
from ..nets.decoder import Decoder, decoders
from ..precision import fast_arithmetic
from ..pyramid import collapse, decompose, scale_to
from ..regions import LEAST_AREA, Regions

ADAM = dict(lr=2e-3, betas=(0.9, 0.999))  # 3.4
PYRAMID_LEVELS = 8  # 3.4
LARGEST = 1024  # px, long side that pixels are optimised at; section 5: beyond it the field is enlarged
LEVELS, ROUNDS = (4, 2, 1), 3  # of the search for patches: reductions, and turns at each
PATCH, PAINTED = 5, 3  # patches that are compared and painted, in pixels of the picture that is enlarged
SEARCH, RADIUS = 2, 16  # PatchMatch iterations in each turn, random search from the second reduction on
GRID = 64  # authors' code: positions a side that feature splitting compares
KEYS = 4096  # places of a style, in all rotations, that each layer of a result fed in again is compared with
HOLD = 10.0  # weight of the mean squared difference to a clip's last keyframe
MONOCHROME = {"filter-first": 4e-5, "match-first": 6e-5}  # largest (co)variance of A and B: 3.5; authors' code


@dataclass(frozen=True)
class NNSTParams(Params):
    size: int = knob(
        512,
        "Size",
        64,
        4096,
        step=16,
        help="Long side of the result in pixels. Above 1024 it is painted at 1024 and put together from the style's own patches.",
    )
    alpha: float = knob(
        0.25,
        "Stylisation",
        0.0,
        1.0,
        step=0.05,
        help="Weight of the coarser result when matching: 0 keeps most content, 1 least (α).",
    )
    synthesis: str = knob(
        "opt",
        "Synthesis",
        choices=("opt", "decoder", "decoder+opt"),
        help="opt: pixels are optimised; decoder: networks paint at once, in seconds; decoder+opt: a decoder's result, optimised "
        "at full size only.",
    )
    colour: str = knob(
        "style",
        "Colour",
        choices=("style", "painted", "content", "luminance"),
        help="style: the content's colours moved to the style's palette; painted: no colour step; content: keep the "
        "content's colours; luminance: stylise lightness only.",
    )
    iterations: int = knob(200, "Updates per scale", 1, 500, step=1, help="Adam updates at each scale, and again when splitting.")
    rotations: bool = knob(True, "Rotations", help="Also match the style turned by 90, 180 and 270 degrees.")
    splitting: bool = knob(
        True,
        "Feature splitting",
        help="Finish by matching every layer by itself after each update: sharper, more varied strokes.",
    )
    style2_weight: float = knob(
        1.0, "Second style's weight", 0.0, 4.0, step=0.05, help="Its share of the picture, where the first style's is 1."
    )
    style3_weight: float = knob(
        1.0, "Third style's weight", 0.0, 4.0, step=0.05, help="Its share of the picture, where the first style's is 1."
    )
    guidance_weight: float = knob(
        0.5,
        "Guidance weight",
        0.0,
        0.95,
        step=0.05,
        help="How much masks count beside likeness when places are matched: at 0.5 areas of one colour keep to themselves.",
        advanced=True,
    )
    refeeds: int = knob(
        5, "Re-feeds", 1, 10, step=1, help="How often feature splitting feeds a decoder with its own result.", advanced=True
    )
    zero_centre: bool = knob(True, "Zero-centre features", help="Subtract the mean feature before matching.", advanced=True)
    coarsest: str = knob(
        "eighth",
        "Coarsest scale",
        choices=("eighth", "64px"),
        help="Where the coarse-to-fine scales begin; each is twice the one before.",
        advanced=True,
    )
    content_band: bool = knob(
        False,
        "Content detail at each scale",
        help="Lay the content's finest Laplacian band over the enlarged result of the scale before.",
        advanced=True,
    )
    colour_order: str = knob(
        "filter-first",
        "Colour order",
        choices=tuple(MONOCHROME),
        help="Order of the two steps of colour = style.",
        advanced=True,
    )
    learning_rate: float = knob(
        ADAM["lr"], "Learning rate", 1e-4, 2e-2, step=1e-4, help="Adam's, for pixels in [0, 1].", advanced=True
    )

    @property
    def guidance(self) -> float:
        """What the squared difference of labels weighs where the cosine weighs 1 (section 5: w_guide / w_cos)."""
        return self.guidance_weight / (1 - self.guidance_weight)


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


@torch.no_grad()
def rearranged(
    vgg: VGG, content: Tensor, sources: Sources, params: NNSTParams, carried: Sequence[Tensor] | None = None
) -> Tensor:
    """Equation 1: the styles' hypercolumns put where the content's most similar ones are, (1, C, H/4, W/4).

    A rotated copy at a time, so that memory is that of a few hypercolumn maps at any size. Instead of hypercolumns they may have
    something else `carried` along, (1, D, h/4, w/4) for each style: where they are from, for one.
    """

    def columns(image: Tensor) -> Tensor:
        return rows(hypercolumns(extract(vgg, image), quarter(image)))

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
    return found.T.reshape(1, -1, *quarter(content))


def extract(vgg: VGG, image: Tensor) -> dict[str, Tensor]:
    """Activations of `LAYERS`, in bf16 where that is fast."""
    with fast_arithmetic(image.device):
        return vgg(image, LAYERS)


def column_loss(vgg: VGG, target: Tensor) -> Callable[[Tensor], Tensor]:
    """Equation 8, plus one: mean cosine distance of a picture's hypercolumns to `target`.

    The hypercolumns are not put together: products and lengths are summed layer by layer, which takes half the time.
    """
    size = target.shape[-2:]
    parts = F.normalize(target, dim=1).split([vgg.channels(name) for name in LAYERS], 1)

    def loss(image: Tensor) -> Tensor:
        product = length = 0
        for part, features in zip(parts, extract(vgg, image).values(), strict=True):
            layer = F.interpolate(features.float(), size=size, mode="bilinear")
            product = product + (layer * part).sum(1) / layer.shape[1]
            length = length + layer.square().sum(1) / layer.shape[1] ** 2
        return 1 - (product / length.clamp(min=1e-12).sqrt()).mean()

    return loss


class SplitLoss:
    """Feature splitting: the sum over layers of the mean centred cosine distance to each vector's nearest style vector.

    Matches are found anew in every call, on grids shifted by draws from `generator`.
    """

    def __init__(self, vgg: VGG, sources: Sources, params: NNSTParams, generator: torch.Generator):
        self.vgg, self.generator, self.sources, self.params = vgg, generator, sources, params
        self.keys: dict[str, list[list[Tensor]]] = {}  # layer -> style -> unit vectors of each rotation, (1, C, H, W)
        self.guides: dict[str, list[list[Tensor | None]]] = {}  # likewise
        with torch.no_grad():
            styles = [[extract(vgg, copy) for copy in turned(s, params.rotations)] for s in sources.styles]
            for name in LAYERS:
                maps = [[copy.pop(name) for copy in copies] for copies in styles]
                centre = 0
                if params.zero_centre:
                    centre = sources.mean([[m.float().mean((2, 3), keepdim=True) for m in copies] for copies in maps])
                self.keys[name] = [[F.normalize(m.float() - centre, dim=1).to(m.dtype) for m in copies] for copies in maps]
                self.guides[name] = sources.guides([tuple(copies[0].shape[-2:]) for copies in maps], params.rotations)

    def grid(self, features: Tensor, guide: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Vectors (N, C) of (1, C, H, W) on a grid of at most `GRID` positions along the longer side, shifted at random, and what
        a guide has there.
        """
        stride = max(1, max(features.shape[-2:]) // GRID)
        y, x = (int(torch.randint(min(stride, side), (), generator=self.generator)) for side in features.shape[-2:])
        return tuple(None if m is None else rows(m[..., y::stride, x::stride]).float() for m in (features, guide))

    def styles(self, name: str) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """For each style the guided keys of a layer, all its copies together, and the keys themselves."""
        for copies, guides in zip(self.keys[name], self.guides[name], strict=True):
            vectors, labels = zip(*map(self.grid, copies, guides), strict=True)
            keys = torch.cat(vectors)
            yield [(guided(keys, None if labels[0] is None else torch.cat(labels)), keys)]

    def __call__(self, image: Tensor) -> Tensor:
        total = image.new_zeros(())
        for name, features in extract(self.vgg, image).items():
            queries, labels = self.grid(features, self.sources.regions.channels(0, tuple(features.shape[-2:])))
            queries = unit(queries, queries.mean(0) if self.params.zero_centre else None)
            asking = guided(queries.detach(), labels, self.params.guidance)
            total = total + 1 - (queries * taken(asking, self.styles(name), self.sources.shares)).sum(1).mean()
        return total


def descend(image: Tensor, loss: Callable[[Tensor], Tensor], updates: int, rate: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Adam on the Laplacian pyramid of `image`; gives the picture after each update and the loss before it."""
    bands = [band.clone().requires_grad_() for band in decompose(image, PYRAMID_LEVELS)]
    optimiser = torch.optim.Adam(bands, **ADAM | {"lr": rate})
    for _ in range(updates):
        optimiser.zero_grad(set_to_none=True)
        value = loss(collapse(bands))
        value.backward()
        optimiser.step()
        with torch.no_grad():
            image = collapse(bands)
        yield image, value.detach()


# ---- the decoder (3.3)


class Model(nn.Module):
    """The extractor, and decoders with the extractor whose hypercolumns they know.

    Args:
        decoders: by long side in px, may be none. reader: None is `vgg` itself. missing: why there are no decoders.
    """

    def __init__(
        self,
        vgg: VGG,
        decoders: Mapping[int, Decoder] | None = None,
        reader: VGG | None = None,
        missing: WeightsMissing | None = None,
    ):
        super().__init__()
        self.vgg, self.reader, self.missing = vgg, reader or vgg, missing
        self.decoders = nn.ModuleDict({str(side): network for side, network in (decoders or {}).items()})
        self.weights: list[dict[str, str]] = []

    def extractor(self, synthesis: str) -> VGG:
        """For this synthesis.

        Raises:
            WeightsMissing: it needs decoders, and there are none.
        """
        if synthesis == "opt":
            return self.vgg
        if self.missing:
            raise self.missing
        return self.reader

    def decoder(self, side: int) -> Decoder:
        """The one whose scale is nearest to the long side `side`, as ratios go."""
        return self.decoders[min(self.decoders, key=lambda known: abs(math.log(side / int(known))))]


def eighths(image: Tensor) -> Tensor:
    """(1, 3, H, W), its last row and column repeated until both sides are multiples of 8: all layers lie on each other."""
    return F.pad(image, (0, -image.shape[-1] % 8, 0, -image.shape[-2] % 8), mode="replicate")


@torch.no_grad()
def decode(decoder: Decoder, vgg: VGG, target: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """The picture of hypercolumns (1, C, H / 4, W / 4), cut to the size of `like`, and their mean cosine distance to its own."""
    with fast_arithmetic(target.device):
        image = decoder(target).clamp(0, 1)
    made = hypercolumns(extract(vgg, image), quarter(image))
    distance = 1 - F.cosine_similarity(made, target, dim=1).mean()
    return image[..., : like.shape[-2], : like.shape[-1]].contiguous(), distance


class Splitter:
    """Feature splitting for a decoder: hypercolumns whose layers are taken from the styles each by itself (3.2).

    Layers are compared at their own resolution, or a quarter of the picture's where that is less.
    """

    def __init__(self, vgg: VGG, sources: Sources, params: NNSTParams, generator: torch.Generator):
        self.vgg, self.sources, self.params = vgg, sources, params
        self.styles: dict[
            str, list[list[tuple[Tensor, Tensor]]]
        ] = {}  # layer -> style -> guided keys and values of `KEYS` places
        copies = [[layer_maps(extract(vgg, copy), quarter(copy)) for copy in turned(s, params.rotations)] for s in sources.styles]
        for name in LAYERS:
            maps = [[copy.pop(name) for copy in of_style] for of_style in copies]
            centre = sources.mean([[rows(m).mean(0) for m in of_style] for of_style in maps]) if params.zero_centre else None
            guides = sources.guides([tuple(of_style[0].shape[-2:]) for of_style in maps], params.rotations)
            self.styles[name] = []
            for of_style, labels in zip(maps, guides, strict=True):
                values = torch.cat([rows(m) for m in of_style])
                chosen = torch.randperm(len(values), generator=generator)[:KEYS].to(values.device)
                values, guide = values[chosen], None if labels[0] is None else torch.cat([rows(m) for m in labels])[chosen]
                self.styles[name].append([(guided(unit(values, centre), guide), values)])

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """(1, C, H / 4, W / 4) for a picture (1, 3, H, W)."""
        found = {}
        for name, maps in layer_maps(extract(self.vgg, image), quarter(image)).items():
            queries, labels = rows(maps), self.sources.regions.channels(0, tuple(maps.shape[-2:]))
            queries = unit(queries, queries.mean(0) if self.params.zero_centre else None)
            queries = guided(queries, None if labels is None else rows(labels), self.params.guidance)
            found[name] = as_map(taken(queries, self.styles[name], self.sources.shares), maps)
        return hypercolumns(found, quarter(image))


# ---- large pictures


def enlarged(
    content: Tensor, painted: Tensor, sources: Sources, params: NNSTParams, generator: torch.Generator
) -> Iterator[Tensor]:
    """Section 5, figure 10: `painted` (1, 3, H, W) as large as `content`, put together from patches of the styles' own pixels.

    The picture guides the search for the patches. Like the lightness in Image Analogies [16] its colours are first moved to the
    styles' mean and covariance. What is given before the last are small pictures on the way.
    """
    factor = max(content.shape[-2:]) / max(painted.shape[-2:])
    styles = sources.changed(lambda style: resize(style, min(params.size, max(style.shape[-2:]))))
    copies = [copy for style in styles.styles for copy in turned(style, params.rotations)]
    whole = max(1, round(factor))
    gap = math.ceil(PATCH * factor / whole)
    source = side_by_side(copies, gap * whole, whole)
    # At the size of the source labels would not fit into memory.
    small = [tuple(-(-side // whole) for side in style.shape[-2:]) for style in styles.styles]
    inside = side_by_side([copy for size in small for copy in turned(source.new_ones(1, 1, *size), params.rotations)], gap)
    ours, labels = sources.regions.channels(0, tuple(painted.shape[-2:])), None
    if ours is not None:
        labels = ours, side_by_side(list(itertools.chain(*styles.guides(small, params.rotations))), gap), params.guidance
    side = max(painted.shape[-2:])
    pixels, counts = sources.changed(lambda style: resize(style, side)).pixels()
    guide = match_moments(painted, pixels, reference_weights=counts).clamp(0, 1)
    search = dict(levels=LEVELS, patch=PATCH, rounds=ROUNDS, iterations=SEARCH, radius=RADIUS, generator=generator)
    for found in patchwork(guide, source, inside, factor, labels=labels, **search):
        yield found[1].clamp(0, 1)
    yield paint(source, found[0], tuple(content.shape[-2:]), PAINTED).clamp(0, 1)


# ---- colour


def coloured(
    content: Tensor, style: Tensor, painted: Tensor, params: NNSTParams, ours: Tensor | None = None, theirs: Tensor | None = None
) -> Tensor:
    """3.5: the painted lightness with the content's colours, moved to the style's statistics; all RGB in [0, 1].

    A style whose A and B hardly vary keeps the painted colours, matched to the style's statistics when the order is the
    authors' (paper: no colour step at all). `ours`, `theirs` (1, 1, H, W): how much each pixel of content and style counts.
    """
    content, style, painted = oklab(content), oklab(style), oklab(painted)
    lightness = clamp_to(painted[:, :1], style[:, :1])
    first = params.colour_order == "filter-first"
    counted = dict(weights=ours, reference_weights=theirs)
    spread = moments(style[:, 1:], weights=theirs)[1]
    if (spread.diagonal() if first else spread.abs()).max() < MONOCHROME[params.colour_order]:
        lab = painted if first else clamp_to(match_moments(torch.cat([lightness, painted[:, 1:]], 1), style, **counted), style)
    elif first:
        lab = match_moments(torch.cat([painted[:, :1], filter_along(content[:, 1:], painted[:, :1])], 1), style, **counted)
    else:
        colours = filter_along(match_moments(content[:, 1:], style[:, 1:], **counted), lightness)
        lab = torch.cat([lightness, clamp_to(colours, style[:, 1:])], 1)
    return rgb(lab).clamp(0, 1)


def coloured_by_label(content: Tensor, sources: Sources, painted: Tensor, params: NNSTParams) -> Tensor:
    """`coloured` with the statistics of all styles; with labels, each label after its own, borders as soft as the masks'."""
    total, rest, regions = torch.zeros_like(content), torch.ones_like(content[:, :1]), sources.regions
    for label in regions.shared:
        here = regions.share(0, label, tuple(content.shape[-2:]))
        if min(here.mean(), (regions.labels[1] == label).float().mean()) >= LEAST_AREA:
            style, theirs = sources.pixels(label)
            total += here * coloured(content, style, painted, params, here, theirs)
            rest -= here
    if not regions.shared or rest.max() > 1 / 255:
        style, theirs = sources.pixels()
        total += rest * coloured(content, style, painted, params, None, theirs)
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


def finer(sources: Sources, size: int) -> str:
    """What to say of styles that are smaller than a result above `LARGEST`."""
    own = min(max(style.shape[-2:]) for style in sources.styles)
    if size <= LARGEST or own >= size:
        return ""
    return (
        f"A style picture of {own} px is smaller than this result of {size} px: its brush strokes keep their own pixels, so they "
        f"come out {size / own:.1f} times finer than at {LARGEST} px; a larger style picture gives broader ones."
    )


def scales(pictures: Iterable[Tensor], params: NNSTParams) -> list[int]:
    """Long sides, coarse to fine, up to `params.size` or `LARGEST`, without those that leave a picture a short side under 16."""
    narrowest = min(min(x.shape[-2:]) / max(x.shape[-2:]) for x in pictures)
    last = min(params.size, LARGEST)
    first = last / 8 if params.coarsest == "eighth" else min(64, last)
    sides, side = [], float(last)
    while side >= first:
        sides.append(round(side))
        side /= 2
    return [s for s in reversed(sides) if round(s * narrowest) >= SMALLEST_SIDE] or [last]


def held(loss: Callable[[Tensor], Tensor], before: Tensor | None) -> Callable[[Tensor], Tensor]:
    """A loss that also keeps a picture near `before` (1, 4, H, W), RGB and certainty, if given (Ruder et al. 2016, eq. 7)."""
    if before is None:
        return loss
    wanted, certainty = before.split([3, 1], 1)
    return lambda image: loss(image) + HOLD * (certainty * (image - wanted).square()).mean()


def run(
    model: Model,
    content: Tensor,
    style: Tensor,
    params: NNSTParams,
    *,
    content_mask: Tensor | None = None,
    style_mask: Tensor | None = None,
    style2: Tensor | None = None,
    style3: Tensor | None = None,
    before: Tensor | None = None,
) -> Iterator[Step]:
    """Stylise `content` (1, 3, H, W) after `style` (1, 3, H', W') and what else is given, all RGB in [0, 1]; see `Sources`.

    `before` (1, 4, H, W) is for a clip: the last keyframe's result, brought to this frame, and how certain it is there (0 to 1).
    """
    generator = torch.Generator().manual_seed(params.seed)
    decodes, continues, vgg = params.synthesis != "opt", params.synthesis == "decoder+opt", model.extractor(params.synthesis)
    original = resize(content, params.size)
    weighted = ((style, 1.0), (style2, params.style2_weight), (style3, params.style3_weight))
    sources = Sources.of(weighted, Regions(content_mask, style_mask))
    if params.colour == "luminance":
        if before is not None:
            before = torch.cat([lightness_only(before[:, :3]), before[:, 3:]], 1)
        content, sources = lightness_only(content), sources.changed(functools.partial(as_light_as, content))
    sides = scales((content, *sources.styles), params)
    enlarging = params.size > LARGEST
    if decodes:
        n = len(sides) + params.refeeds * params.splitting + params.iterations * continues
    else:
        n = params.iterations * (len(sides) + params.splitting)
    n += enlarging * (len(LEVELS) * ROUNDS + 2)
    i, result = 0, None
    for side in sides:
        c, s = resize(content, side), sources.changed(lambda picture, side=side: resize(picture, side))
        start = c if result is None else scale_to(result, c)
        if params.content_band and result is not None:
            start = start + decompose(c, 2)[0]
        last = None if before is None else resize(before, side)
        if last is not None:
            start = torch.lerp(start, last[:, :3], last[:, 3:])
        query = params.alpha * start + (1 - params.alpha) * c
        if decodes:
            updates = [decode(model.decoder(side), vgg, rearranged(vgg, eighths(query), s, params), c)]
        else:
            target = held(column_loss(vgg, rearranged(vgg, query, s, params)), last)
            updates = descend(start, target, params.iterations, params.learning_rate)
        for result, loss in updates:
            i += 1
            if i < n:
                yield Step(i, n, f"{side} px", result.clamp(0, 1), {"hypercolumns": loss})
    painted, losses = result, {"hypercolumns": loss}
    if decodes and params.splitting:
        splitter = Splitter(vgg, s, params, generator)
        for _ in range(params.refeeds):
            again = painted if last is None else torch.lerp(painted, last[:, :3], last[:, 3:])
            painted, loss = decode(model.decoder(side), vgg, splitter(eighths(again)), c)
            i, losses = i + 1, {"splitting": loss}
            if i < n:
                yield Step(i, n, "feature splitting", painted, losses)
    if continues or (params.splitting and not decodes):
        goal = SplitLoss(vgg, s, params, generator) if params.splitting else column_loss(vgg, rearranged(vgg, query, s, params))
        updates = descend(painted, held(goal, last), params.iterations, params.learning_rate)
        for painted, loss in updates:
            i, losses = i + 1, {"splitting" if params.splitting else "hypercolumns": loss}
            if i < n:
                yield Step(i, n, "optimisation" if decodes else "feature splitting", painted.clamp(0, 1), losses)
    painted = painted.clamp(0, 1)
    if enlarging:
        for picture in enlarged(original, painted, sources, params, generator):
            i += 1
            yield Step(i, n, f"{params.size} px", picture)
        painted = picture
    finish = {
        "style": lambda: coloured_by_label(original, s, painted, params),
        "painted": lambda: painted,
        "content": lambda: relit(original, painted),
        "luminance": lambda: relit(original, painted),
    }
    # Without the colour step the coloured result is still one click away, and the other way round.
    other = {"coloured": finish["style"]()} if params.colour == "painted" else {"uncoloured": painted}
    kept = {name: s.regions.over(original, picture) for name, picture in other.items()}
    yield Step(n, n, "colour", s.regions.over(original, finish[params.colour]()), losses, kept, note=finer(sources, params.size))


def load(device: torch.device, family: str) -> Model:
    """The extractor, VGG-16 (`full`) or the compact network, and its decoders; `auto` takes the compact ones where the full
    extractor has none. Without decoders there is still `opt`.

    Raises:
        WeightsMissing: no extractor.
    """
    vgg = reader = load_extractor("vgg16", family, device)
    described, networks, missing = list(vgg.weights), {}, None
    kinds = [vgg.weights[0]["family"], *(["compact"] if family == "auto" else [])]
    for kind in dict.fromkeys(kinds):
        try:
            file = weights.find("nnst-decoder", kind)
        except WeightsMissing as error:
            missing = missing or WeightsMissing(f"{error} Without decoders there is synthesis=opt.")
            continue
        if kind != kinds[0]:
            reader = load_extractor("vgg16", kind, device)
            described += reader.weights
        networks, missing = decoders(weights.read_tensors(file.path)), None
        described.append(file.described())
        break
    model = Model(vgg, networks, reader, missing)
    model.weights = described
    return model.to(device, memory_format=torch.channels_last)


METHOD = Method(
    name="nnst",
    title="Neural Neighbor",
    paper="Kolkin et al., Neural Neighbor Style Transfer, 2022",
    url="https://arxiv.org/abs/2203.13215",
    summary="Repaints the photo with the painting's own strokes: every patch of features is replaced by its nearest neighbour "
    "in the style, and the pixels are optimised until they have those features, or decoded from them at once.",
    params=NNSTParams,
    presets={
        "paper": {},
        "official": {"coarsest": "64px", "content_band": True, "colour_order": "match-first"},
        "fast": {"size": 256, "iterations": 60},
        "decoder": {"synthesis": "decoder"},
        "decoder+opt": {"synthesis": "decoder+opt", "iterations": 60},
    },
    load=load,
    run=run,
    full=("vgg16",),
    inputs=(
        Input(
            "content_mask",
            "Content mask",
            "mask",
            "With both masks, areas of one colour take from each other; alone, only what is not black is repainted.",
            "content",
        ),
        Input(
            "style_mask",
            "Style mask",
            "mask",
            "With both masks, areas of one colour take from each other; alone, only what is not black is taken.",
            "style",
        ),
        Input("style2", "Second style", "picture", "A picture to take places from too, as many as its weight says."),
        Input("style3", "Third style", "picture", "A picture to take places from too, as many as its weight says."),
    ),
    follows=True,
)
