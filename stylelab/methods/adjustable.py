"""Adjustable Real-Time Style Transfer (Babaeizadeh & Ghiasi, ICLR 2020), for any style.

1. The style picture is looked at once: means and deviations of the extractor's features and of its colours are its code.
2. Λ turns the code and three weights α, one for the style loss of each of conv2_2, conv3_4 and conv4_4, into a scale and a shift
   for every channel of T (4.1, Table 1). The content's own weight is 1.
3. T paints the content in one pass; each of its convolutions is followed by instance normalisation with those scales and
   shifts (equation 6, Table 2).
4. Other α, other picture: nothing is trained again. Random α and shadows on the content give random pictures (5.3).

Where we leave the paper, or it leaves us the choice:
- The paper trains one network for each style. Here Λ also reads a style code, so one network does every picture; trained with
  ``--style FILE`` it is the paper's model. Mixing two styles, and `strength`, are straight lines between codes: from the
  content's own to the style's; `strength` takes the α along, since only at 000 the picture is trained to be the photograph.
- Λ also reads nine numbers of the content: means, deviations and correlations of its colours. Instance normalisation takes them
  away, and at α = 0 nothing could bring them back; there the picture is trained to be the photograph itself.
- In training a style's loss counts α² times, which makes even steps of a slider even steps of the picture, and the statistics of
  conv1, colour and grain, come with every slider: the three layers alone leave a picture its own colours. The reasons are in
  `stylelab/train/adjustable.py`.
- The networks that ship are narrower than Tables 1 and 2 (see weights/README.md); the classes have the paper's sizes by default.
- An epsilon in the normalisation: without one a flat picture divides by zero.
- Borders are mirrored. The paper says "SAME", which paints a frame.
- The paper's mask of noise "multiplies the content with an inverse Gaussian filter on a white image with a handful of random
  zeros", sizes not given: here each zero is a shadow of `SHADOW_RADIUS` of the long side that leaves `SHADOW_DEPTH` of the light.
- A style is always measured at `STYLE_SIDE` pixels, the side at which the network learned, so strokes have a size in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .. import weights
from ..features import VGG, load_extractor
from ..images import least_side, resize
from ..losses import gram
from ..method import Input, Method, Params, Step, knob
from ..nets.adjustable import CODE_LAYERS, NAMED, STYLE_LAYERS, Adjustable
from ..precision import fast_arithmetic

STYLE_SIDE = 256  # px, long side, as in training
SHADOW_RADIUS = 1 / 12  # of the long side: the Gaussian's deviation
SHADOW_DEPTH = 0.6  # of the light in the middle of a shadow is taken away
GRID = 4  # pictures a side of figure 9's grid
VARIATIONS = 4  # of figure 5
SHEET_SIDE = 256  # px, long side of a picture on a sheet, at most
ALPHAS = ("alpha_2", "alpha_3", "alpha_4")  # knobs, in the order of `STYLE_LAYERS`
MOST_SHADOWS = 9  # the paper: fewer than 10
AXES = {"conv3 × conv4": (1, 2), "conv2 × conv3": (0, 1), "conv2 × conv4": (0, 2)}  # the first is figure 9's


@dataclass(frozen=True)
class AdjustableParams(Params):
    alpha_2: float = knob(
        1.0, "Fine strokes (α conv2)", 0.0, 1.0, step=0.01, help="Weight of the style's smallest features: grain and colour."
    )
    alpha_3: float = knob(1.0, "Strokes (α conv3)", 0.0, 1.0, step=0.01, help="Weight of the style's middle-sized features.")
    alpha_4: float = knob(1.0, "Broad strokes (α conv4)", 0.0, 1.0, step=0.01, help="Weight of the style's largest features.")
    strength: float = knob(
        1.0, "Strength", 0.0, 1.0, step=0.01, help="From the photo (0) to the style as the other sliders have it (1)."
    )
    second: str = knob("none", "Second style", choices=("none", *NAMED), help="A style of the project's own to mix in.")
    mix: float = knob(0.5, "Mix", 0.0, 1.0, step=0.01, help="Share of the second style, where there is one.")
    randomise: bool = knob(False, "Randomise", help="Draw the three α from the seed instead.")
    noise: int = knob(
        0,
        "Shadows",
        0,
        MOST_SHADOWS,
        step=1,
        help="Random soft shadows on the content, which move the strokes; the paper has up to 9.",
    )
    sheets: str = knob(
        "none",
        "More pictures",
        choices=("none", "grid", "variations", "both"),
        help="grid: two α from 0 to 1, across and down; variations: four random results, by α, by shadows and by both.",
        advanced=True,
    )
    grid_axes: str = knob("conv3 × conv4", "The grid's α", choices=tuple(AXES), help="Down and across.", advanced=True)

    @property
    def alphas(self) -> tuple[float, float, float]:
        """As the sliders stand, or drawn from the seed."""
        if self.randomise:
            return tuple(torch.rand(3, generator=torch.Generator().manual_seed(self.seed)).tolist())
        return self.alpha_2, self.alpha_3, self.alpha_4

    def drawn(self) -> AdjustableParams:
        """The same with the α as they are, whether they were drawn or not."""
        return replace(self, randomise=False, **dict(zip(ALPHAS, self.alphas, strict=True)))


class Painter(nn.Module):
    """The network, the extractor that reads style codes for it, and named codes that need no picture.

    Args:
        network: T and Λ.
        vgg: the extractor that its codes were made with.
        named: standardised codes (numbers,) by name.
    """

    def __init__(self, network: Adjustable, vgg: VGG, named: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.network, self.vgg, self.named = network, vgg, dict(named or {})
        self.weights: list[dict[str, str]] = []


# ---- what a slider's move is made of: `encode` once for a picture, `style_code` once for a style, `repaint` at every move


@dataclass(frozen=True)
class Encoding:
    """What is known of a content picture before anybody chooses α: `features` (1, C, H, W), `colours` (1, 9) or None."""

    features: Tensor
    colours: Tensor | None


@torch.no_grad()
def encode(model: Painter, content: Tensor) -> Encoding:
    """The part of the network that does not depend on α and style, of (1, 3, H, W) in [0, 1]."""
    with fast_arithmetic(content.device):
        features = model.network.transform.encode(content.contiguous(memory_format=torch.channels_last))
    return Encoding(features, model.network.colours(content))


@torch.no_grad()
def style_code(model: Painter, picture: Tensor) -> Tensor:
    """(1, numbers) of (1, 3, H, W) in [0, 1]."""
    picture = resize(picture, max(STYLE_SIDE, least_side(picture)))
    with fast_arithmetic(picture.device):
        features = model.vgg(picture.contiguous(memory_format=torch.channels_last), CODE_LAYERS)
    return model.network.code(features, picture)


@torch.no_grad()
def repaint(model: Painter, encoding: Encoding, code: Tensor, alphas: tuple[float, float, float]) -> Tensor:
    """The picture (1, 3, H, W) in [0, 1] for a code and three α: Λ, then the rest of T."""
    wanted = torch.tensor([alphas], device=encoding.features.device)
    table = model.network.adjust(wanted, code, encoding.colours)
    with fast_arithmetic(wanted.device):
        return model.network.transform.paint(encoding.features, table).float()


def blended(own: Tensor, style: Tensor, second: Tensor | None, params: AdjustableParams) -> Tensor:
    """The code on the way from the content's `own` to the style's, or to the mix of two styles."""
    if second is not None:
        style = torch.lerp(style, second, params.mix)
    return torch.lerp(own, style, params.strength)


def shadowed(content: Tensor, zeros: int, generator: torch.Generator) -> Tensor:
    """5.3: the content (1, 3, H, W) times a white mask with `zeros` Gaussian holes at random places."""
    height, width = content.shape[-2:]
    long = max(height, width)
    y, x = (torch.arange(side, device=content.device).float() / long for side in (height, width))
    mask = torch.ones(height, width, device=content.device)
    for row, column in torch.rand(zeros, 2, generator=generator).tolist():
        away = (y[:, None] - row * height / long).square() + (x - column * width / long).square()
        mask = mask * (1 - SHADOW_DEPTH * torch.exp(away / (-2 * SHADOW_RADIUS**2)))
    return content * mask


@dataclass(frozen=True)
class Live:
    """A pair of pictures that has been looked at: what is left for a slider's move is Λ and T.

    `content` (1, 3, H, W) as large as the result; `encoding` its encoding; `own`, `style`, `second` the codes (1, numbers) of the
    content, the style and the second style, if there is a picture of one.
    """

    model: Painter
    content: Tensor
    encoding: Encoding
    own: Tensor
    style: Tensor
    second: Tensor | None

    @classmethod
    def of(cls, model: Painter, content: Tensor, style: Tensor, size: int, second_style: Tensor | None = None) -> Live:
        """Look at pictures (1, 3, H, W) in [0, 1]; the result will have `size` pixels on its long side."""
        content = resize(content, size)
        second = None if second_style is None else style_code(model, second_style)
        codes = style_code(model, content), style_code(model, style), second
        return cls(model, content, encode(model, content), *codes)

    def on(self, content: Tensor, size: int) -> Live:
        """The same styles on another content: a clip's next frame, a smaller copy."""
        content = resize(content, size)
        return replace(self, content=content, encoding=encode(self.model, content), own=style_code(self.model, content))

    def __call__(self, params: AdjustableParams) -> Tensor:
        """The picture (1, 3, H, W) in [0, 1] as the knobs stand."""
        encoding, second = self.encoding, self.second
        if params.noise:
            generator = torch.Generator().manual_seed(params.seed)
            encoding = encode(self.model, shadowed(self.content, params.noise, generator))
        if second is None and params.second != "none":
            second = self.model.named[params.second].to(self.content.device)[None]
        alphas = tuple(params.strength * alpha for alpha in params.alphas)
        return repaint(self.model, encoding, blended(self.own, self.style, second, params), alphas)


def grid(live: Live, params: AdjustableParams) -> Iterator[Tensor]:
    """Figure 9, row by row: two α from 0 to 1, the third as it stands."""
    set_, (down, across) = dict(zip(ALPHAS, params.alphas, strict=True)), AXES[params.grid_axes]
    values = torch.linspace(0, 1, GRID).tolist()
    for one in values:
        turned = [set_ | {ALPHAS[down]: one, ALPHAS[across]: other} for other in values]
        yield torch.cat([live(replace(params, randomise=False, **alphas)) for alphas in turned], 3)


def variations(live: Live, params: AdjustableParams) -> Iterator[Tensor]:
    """Figure 5, row by row: random α; shadows; both. The columns are `VARIATIONS` seeds, `params.seed` and those after it."""
    shadows = params.noise or MOST_SHADOWS
    for chance in (
        {"randomise": True, "noise": 0},
        {"randomise": False, "noise": shadows},
        {"randomise": True, "noise": shadows},
    ):
        draws = [replace(params, seed=(params.seed + k) % 2**31, **chance) for k in range(VARIATIONS)]
        yield torch.cat([live(draw) for draw in draws], 3)


@torch.no_grad()
def grams(model: Painter, picture: Tensor) -> dict[str, Tensor]:
    """Gram matrices (C, C) of (1, 3, H, W) at each of `STYLE_LAYERS`, at the side where styles are measured."""
    with fast_arithmetic(picture.device):
        found = model.vgg(resize(picture, max(STYLE_SIDE, least_side(picture))), STYLE_LAYERS)
    return {name: gram(features.float()) for name, features in found.items()}


def distances(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Squared difference of Gram matrices relative to `theirs`, layer by layer: what the three α weigh."""
    return {n: (ours[n] - theirs[n]).square().sum() / theirs[n].square().sum().clamp(min=1e-12) for n in STYLE_LAYERS}


def run(
    model: Painter, content: Tensor, style: Tensor, params: AdjustableParams, *, second_style: Tensor | None = None
) -> Iterator[Step]:
    """Stylise `content` (1, 3, H, W) after `style` (1, 3, H', W'), and `second_style` if there is one, all RGB in [0, 1]."""
    wanted = {name: rows for name, rows in (("grid", grid), ("variations", variations)) if params.sheets in (name, "both")}
    n = 2 + GRID * ("grid" in wanted) + 3 * ("variations" in wanted)
    live = Live.of(model, content, style, params.size, second_style)
    yield Step(1, n, "style code", live.content.clamp(0, 1))
    image, extras, i = live(params), {}, 1
    if wanted:
        live = live.on(content, min(SHEET_SIDE, params.size))
    for name, rows in wanted.items():
        parts = []
        for part in rows(live, params):
            i += 1
            parts.append(part)
            yield Step(i, n, name, image)
        extras[name] = torch.cat(parts, 2)
    losses = distances(grams(model, image), grams(model, style))
    yield Step(n, n, "picture", image, losses, extras)


def load(device: torch.device, family: str) -> Painter:
    """The network that ships and the compact extractor that its codes come from.

    Raises:
        WeightsMissing: `full`, unless a file of that name has been published.
    """
    found = weights.find("adjustable", "full" if family == "full" else "compact")
    tensors = weights.read_tensors(found.path)
    vgg = load_extractor("vgg19", "compact", device)
    named = {name.removeprefix("named."): tensor.float() for name, tensor in tensors.items() if name.startswith("named.")}
    model = Painter(Adjustable.from_tensors(tensors), vgg, named)
    model.weights = [found.described(), *vgg.weights]
    return model.to(device, memory_format=torch.channels_last)


METHOD = Method(
    name="adjustable",
    title="Adjustable Real-Time",
    paper="Babaeizadeh & Ghiasi, Adjustable Real-Time Style Transfer, ICLR 2020",
    url="https://arxiv.org/abs/1811.08560",
    summary="Paints the photo in one pass of a network whose loss weights stay adjustable after training: three sliders choose "
    "how much of the painting's fine, middle and broad strokes arrive.",
    params=AdjustableParams,
    presets={
        "paper": {},
        "random": {"randomise": True, "noise": MOST_SHADOWS},
        "fast": {"size": 256},
    },
    load=load,
    run=run,
    sheets=("grid", "variations"),
    inputs=(Input("second_style", "Second style", "picture", "A picture to mix in by `mix`, instead of a named style."),),
    views=("live sliders",),
    live=Live.of,
    live_knobs=(*ALPHAS, "strength", "second", "mix", "noise", "seed"),
    live_drawn=ALPHAS,
    live_start=AdjustableParams.drawn,
)
