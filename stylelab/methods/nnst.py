"""Neural Neighbor Style Transfer, optimised variant (Kolkin, Kucera, Paris, Sykora, Shechtman & Shakhnarovich, 2022).

1. Content and style are brought to an eighth, a quarter, half and the whole of `size`; each result starts the next (3.6).
2. Hypercolumns: activations of all layers of the first four blocks, bilinearly at a quarter of the resolution (3.1).
3. Each hypercolumn of alpha * last result + (1 - alpha) * content is replaced by its nearest neighbour among those of the
   style and its rotations by 90, 180 and 270 degrees, under the cosine of zero-centred features (3.2, equation 1).
4. 200 updates of Adam on a Laplacian pyramid bring the picture's hypercolumns towards those targets (3.4, equation 8).
5. Feature splitting: at full size another 200 updates in which every layer is matched by itself, anew after each update (3.2).
6. The result's lightness takes the content's colours, filtered along it and moved to the style's statistics, unless the
   style has hardly any colour (3.5).

Where we leave the paper, or it leaves us the choice:
- Each layer is divided by its channel count inside the hypercolumn, as in the authors' code; the paper is silent.
- Feature splitting compares positions on a grid of at most 64 x 64, shifted at random in content and style at every update,
  and sums the layers' mean centred cosine distances, both as in the authors' code. The paper does not mention the sampling,
  but its 38 s at 512 px are out of reach without. These shifts are the method's only random choice: they use `seed`.
- Scales whose short side is under 16 px are left out, and the pyramid has as many levels as the picture can be halved: the
  authors' code fails on such pictures.
- The colour filter is the authors' (3 x 3, five rounds), and colour is handled in Oklab, as their code does; "lightness" is
  its L. The paper filters before matching statistics, the code after: `colour_order`.
- The `compact` weights have VGG-19's shape; the layers taken from them are VGG-16's by name, without conv3_4.
- `colour` = content and luminance are not in the paper. Luminance: only lightness is stylised (Gatys et al. 2017).

The `official` preset has the authors' values (nkolkin13/NeuralNeighborStyleTransfer) without their defects: there the last
stage compares stale features at 512 px, and some sizes and every CPU fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..colour import clamp_to, filter_along, match_moments, moments, oklab, rgb
from ..features import SMALLEST_SIDE, VGG, layer_names, load_extractor
from ..images import resize
from ..matching import nearest, rows, unit
from ..method import Method, Params, Step, knob
from ..precision import fast_arithmetic
from ..pyramid import collapse, decompose, scale_to

LAYERS = layer_names("vgg16", blocks=4)  # 3.1: conv1_1 ... conv4_3; 2688 channels at width 64
ADAM = dict(lr=2e-3, betas=(0.9, 0.999))  # 3.4
PYRAMID_LEVELS = 8  # 3.4
GRID = 64  # authors' code: positions a side that feature splitting compares
MONOCHROME = {"filter-first": 4e-5, "match-first": 6e-5}  # largest (co)variance of A and B: 3.5; authors' code


@dataclass(frozen=True)
class NNSTParams(Params):
    alpha: float = knob(
        0.25,
        "Stylisation",
        0.0,
        1.0,
        step=0.05,
        help="Weight of the coarser result when matching: 0 keeps most content, 1 least (α).",
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


def hypercolumns(features: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
    """(1, channels of all layers, *size): every layer bilinearly at `size` and divided by its channel count."""
    return torch.cat([F.interpolate(f.float(), size=size, mode="bilinear") / f.shape[1] for f in features.values()], 1)


def quarter(image: Tensor) -> tuple[int, int]:
    """Height and width of a picture's hypercolumns (3.1)."""
    return max(1, image.shape[-2] // 4), max(1, image.shape[-1] // 4)


def turned(style: Tensor, rotations: bool) -> list[Tensor]:
    """The style and, if asked for, its copies rotated by 90, 180 and 270 degrees (3.1)."""
    return [style.rot90(k, (2, 3)) for k in range(4 if rotations else 1)]


@torch.no_grad()
def rearranged(vgg: VGG, content: Tensor, style: Tensor, params: NNSTParams) -> Tensor:
    """Equation 1: the style's hypercolumns put where the content's most similar ones are, (1, C, H/4, W/4)."""
    queries = rows(hypercolumns(extract(vgg, content), quarter(content)))
    keys = torch.cat([rows(hypercolumns(extract(vgg, s), quarter(s))) for s in turned(style, params.rotations)])
    centres = (queries.mean(0), keys.mean(0)) if params.zero_centre else (None, None)
    found = keys[nearest(unit(queries, centres[0]), unit(keys, centres[1]))]
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

    def __init__(self, vgg: VGG, style: Tensor, params: NNSTParams, generator: torch.Generator):
        self.vgg, self.generator, self.centred = vgg, generator, params.zero_centre
        with torch.no_grad():
            copies = [extract(vgg, s) for s in turned(style, params.rotations)]
            self.keys: dict[str, list[Tensor]] = {}  # layer -> unit vectors of each rotation, (1, C, H, W)
            for name in copies[0]:
                maps = [copy[name].float() for copy in copies]
                centre = torch.stack([m.mean((2, 3), keepdim=True) for m in maps]).mean(0) if self.centred else 0
                self.keys[name] = [F.normalize(m - centre, dim=1) for m in maps]

    def grid(self, features: Tensor) -> Tensor:
        """Vectors (N, C) of (1, C, H, W) on a grid of at most `GRID` positions along the longer side, shifted at random."""
        stride = max(1, max(features.shape[-2:]) // GRID)
        y, x = (int(torch.randint(min(stride, side), (), generator=self.generator)) for side in features.shape[-2:])
        return rows(features[..., y::stride, x::stride])

    def __call__(self, image: Tensor) -> Tensor:
        total = image.new_zeros(())
        for name, features in extract(self.vgg, image).items():
            queries = self.grid(features).float()
            queries = unit(queries, queries.mean(0) if self.centred else None)
            keys = torch.cat([self.grid(copy) for copy in self.keys[name]])
            total = total + 1 - (queries * keys[nearest(queries, keys)]).sum(1).mean()
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


def coloured(content: Tensor, style: Tensor, painted: Tensor, params: NNSTParams) -> Tensor:
    """3.5: the painted lightness with the content's colours, moved to the style's statistics; all RGB in [0, 1].

    A style whose A and B hardly vary keeps the painted colours, matched to the style's statistics when the order is the
    authors' (paper: no colour step at all).
    """
    content, style, painted = oklab(content), oklab(style), oklab(painted)
    lightness = clamp_to(painted[:, :1], style[:, :1])
    first = params.colour_order == "filter-first"
    spread = moments(style[:, 1:])[1]
    if (spread.diagonal() if first else spread.abs()).max() < MONOCHROME[params.colour_order]:
        lab = painted if first else clamp_to(match_moments(torch.cat([lightness, painted[:, 1:]], 1), style), style)
    elif first:
        lab = match_moments(torch.cat([painted[:, :1], filter_along(content[:, 1:], painted[:, :1])], 1), style)
    else:
        colours = filter_along(match_moments(content[:, 1:], style[:, 1:]), lightness)
        lab = torch.cat([lightness, clamp_to(colours, style[:, 1:])], 1)
    return rgb(lab).clamp(0, 1)


def relit(content: Tensor, painted: Tensor) -> Tensor:
    """The painted lightness with the content's own colours filtered along it."""
    lightness = oklab(painted)[:, :1]
    return rgb(torch.cat([lightness, filter_along(oklab(content)[:, 1:], lightness)], 1)).clamp(0, 1)


def lightness_only(content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Both pictures as greys, the style's lightness moved to the content's mean and deviation (Gatys et al. 2017)."""
    grey, reference = (rgb(oklab(x)[:, :1] * x.new_tensor([1.0, 0, 0]).view(1, 3, 1, 1)) for x in (content, style))
    return grey.clamp(0, 1), ((reference - reference.mean()) / (reference.std() + 1e-6) * grey.std() + grey.mean()).clamp(0, 1)


def scales(content: Tensor, style: Tensor, params: NNSTParams) -> list[int]:
    """Long sides, coarse to fine, ending at `params.size`, without those that leave a picture a short side under 16 px."""
    narrowest = min(min(x.shape[-2:]) / max(x.shape[-2:]) for x in (content, style))
    first = params.size / 8 if params.coarsest == "eighth" else min(64, params.size)
    sides, side = [], float(params.size)
    while side >= first:
        sides.append(round(side))
        side /= 2
    return [s for s in reversed(sides) if round(s * narrowest) >= SMALLEST_SIDE] or [params.size]


def run(vgg: VGG, content: Tensor, style: Tensor, params: NNSTParams) -> Iterator[Step]:
    """Stylise `content` (1, 3, H, W) after `style` (1, 3, H', W'), both RGB in [0, 1]."""
    generator = torch.Generator().manual_seed(params.seed)
    original = resize(content, params.size)
    if params.colour == "luminance":
        content, style = lightness_only(content, style)
    sides = scales(content, style, params)
    n = params.iterations * (len(sides) + params.splitting)
    i, result = 0, None
    for side in sides:
        c, s = resize(content, side), resize(style, side)
        start = c if result is None else scale_to(result, c)
        if params.content_band and result is not None:
            start = start + decompose(c, 2)[0]
        target = rearranged(vgg, params.alpha * start + (1 - params.alpha) * c, s, params)
        for result, loss in descend(start, column_loss(vgg, target), params.iterations, params.learning_rate):
            i += 1
            if i < n:
                yield Step(i, n, f"{side} px", result.clamp(0, 1), {"hypercolumns": loss})
    painted, losses = result, {"hypercolumns": loss}
    if params.splitting:
        split = SplitLoss(vgg, s, params, generator)
        for painted, loss in descend(result, split, params.iterations, params.learning_rate):
            i, losses = i + 1, {"splitting": loss}
            if i < n:
                yield Step(i, n, "feature splitting", painted.clamp(0, 1), losses)
    painted = painted.clamp(0, 1)
    finish = {
        "style": lambda: coloured(original, s, painted, params),
        "painted": lambda: painted,
        "content": lambda: relit(original, painted),
        "luminance": lambda: relit(original, painted),
    }[params.colour]
    # Without the colour step the coloured result is still one click away, and the other way round.
    other = {"coloured": coloured(original, s, painted, params)} if params.colour == "painted" else {"uncoloured": painted}
    yield Step(n, n, "colour", finish(), losses, other)


def load(device: torch.device, family: str) -> VGG:
    """The extractor: VGG-16 (`full`) or the compact network."""
    return load_extractor("vgg16", family, device)


METHOD = Method(
    name="nnst",
    title="Neural Neighbor",
    paper="Kolkin et al., Neural Neighbor Style Transfer, 2022",
    url="https://arxiv.org/abs/2203.13215",
    summary="Repaints the photo with the painting's own strokes: every patch of features is replaced by its nearest neighbour "
    "in the style, and the pixels are optimised until they have those features.",
    params=NNSTParams,
    presets={
        "paper": {},
        "official": {"coarsest": "64px", "content_band": True, "colour_order": "match-first"},
        "fast": {"size": 256, "iterations": 60},
    },
    load=load,
    run=run,
    full=("vgg16",),
)
