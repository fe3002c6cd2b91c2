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
  content's own code, which was trained to change nothing, to the style's.
- Λ also reads nine numbers of the content: means, deviations and correlations of its colours. Instance normalisation takes them
  away, and at α = 0 nothing could bring them back; there the picture is trained to be the photograph itself.
- The networks that ship are narrower than Tables 1 and 2 (see weights/README.md); the classes have the paper's sizes by default.
- An epsilon in the normalisation: without one a flat picture divides by zero.
- Borders are mirrored. The paper says "SAME", which paints a frame.
- The paper's mask of noise "multiplies the content with an inverse Gaussian filter on a white image with a handful of random
  zeros", sizes not given: here each zero is a shadow of `SHADOW_RADIUS` of the long side that leaves `SHADOW_DEPTH` of the light.
- A style is always measured at `STYLE_SIDE` pixels, the side at which the network learned, so strokes have a size in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import weights
from ..features import VGG, load_extractor
from ..images import least_side, resize
from ..method import Method, Params, Step, knob
from ..nets.adjustable import CODE_LAYERS, STYLE_LAYERS, Adjustable
from ..precision import fast_arithmetic

STYLE_SIDE = 256  # px, long side, as in training
NAMED = (
    "night",
    "mosaic",
    "oil",
    "pastel",
    "pointillism",
    "stained_glass",
    "watercolour",
    "woodcut",
)  # codes in the weights' file
SHADOW_RADIUS = 1 / 12  # of the long side: the Gaussian's deviation
SHADOW_DEPTH = 0.6  # of the light in the middle of a shadow is taken away
GRID = 4  # pictures a side of figure 9's grid
VARIATIONS = 4  # of figure 5
SHEET_SIDE = 256  # px, long side of a picture on a sheet, at most
AXES = {"conv3 × conv4": (1, 2), "conv2 × conv3": (0, 1), "conv2 × conv4": (0, 2)}  # the first is figure 9's


@dataclass(frozen=True)
class AdjustableParams(Params):
    alpha_2: float = knob(
        1.0, "Fine strokes (α conv2)", 0.0, 1.0, step=0.01, help="Weight of the style's smallest features: grain and colour."
    )
    alpha_3: float = knob(1.0, "Strokes (α conv3)", 0.0, 1.0, step=0.01, help="Weight of the style's middle-sized features.")
    alpha_4: float = knob(1.0, "Broad strokes (α conv4)", 0.0, 1.0, step=0.01, help="Weight of the style's largest features.")
    strength: float = knob(
        1.0, "Strength", 0.0, 1.0, step=0.01, help="From the content's own style code (0) to the style's (1), whatever the α."
    )
    second: str = knob("none", "Second style", choices=("none", *NAMED), help="A style of the project's own to mix in.")
    mix: float = knob(0.5, "Mix", 0.0, 1.0, step=0.01, help="Share of the second style, where there is one.")
    randomise: bool = knob(False, "Randomise", help="Draw the three α from the seed instead.")
    noise: int = knob(
        0, "Shadows", 0, 9, step=1, help="Random soft shadows on the content, which move the strokes; the paper has up to 9."
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


# ---- what a live slider calls: `encode` once for a picture, `style_code` once for a style, `repaint` at every move


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


def grid(model: Painter, content: Tensor, code: Tensor, params: AdjustableParams) -> Iterator[Tensor]:
    """Figure 9, row by row: two α from 0 to 1, the third as it stands."""
    encoding, values = encode(model, content), torch.linspace(0, 1, GRID).tolist()
    down, across = AXES[params.grid_axes]
    for one in values:
        alphas = list(params.alphas)
        rows = []
        for other in values:
            alphas[down], alphas[across] = one, other
            rows.append(repaint(model, encoding, code, tuple(alphas)))
        yield torch.cat(rows, 3)


def variations(model: Painter, content: Tensor, code: Tensor, params: AdjustableParams) -> Iterator[Tensor]:
    """Figure 5, row by row: random α; shadows; both. The columns are `VARIATIONS` draws."""
    generator = torch.Generator().manual_seed(params.seed)
    alphas = [tuple(torch.rand(3, generator=generator).tolist()) for _ in range(VARIATIONS)]
    shadows = [encode(model, shadowed(content, params.noise or 9, generator)) for _ in range(VARIATIONS)]
    plain = [encode(model, content)] * VARIATIONS
    as_set = [params.alphas] * VARIATIONS
    for encodings, drawn in ((plain, alphas), (shadows, as_set), (shadows, alphas)):
        yield torch.cat([repaint(model, e, code, a) for e, a in zip(encodings, drawn, strict=True)], 3)


@torch.no_grad()
def distances(model: Painter, image: Tensor, style: Tensor) -> dict[str, Tensor]:
    """Relative squared difference of Gram matrices at each of `STYLE_LAYERS`: what the three α weigh."""

    def grams(picture: Tensor) -> dict[str, Tensor]:
        with fast_arithmetic(picture.device):
            found = model.vgg(resize(picture, max(STYLE_SIDE, least_side(picture))), STYLE_LAYERS)
        vectors = {name: f[0].float().flatten(1) for name, f in found.items()}
        return {name: v @ v.T / v.shape[1] for name, v in vectors.items()}

    ours, theirs = grams(image), grams(style)
    return {n: (ours[n] - theirs[n]).square().sum() / theirs[n].square().sum().clamp(min=1e-12) for n in STYLE_LAYERS}


def run(
    model: Painter, content: Tensor, style: Tensor, params: AdjustableParams, *, second_style: Tensor | None = None
) -> Iterator[Step]:
    """Stylise `content` (1, 3, H, W) after `style` (1, 3, H', W'), and `second_style` if there is one, all RGB in [0, 1]."""
    device = content.device
    content = resize(content, params.size)
    wanted = {name for name in ("grid", "variations") if params.sheets in (name, "both")}
    n = 2 + GRID * ("grid" in wanted) + 3 * ("variations" in wanted)
    second = model.named[params.second].to(device)[None] if params.second != "none" else None
    if second_style is not None:
        second = style_code(model, second_style)
    code = blended(style_code(model, content), style_code(model, style), second, params)
    yield Step(1, n, "style code")
    generator = torch.Generator().manual_seed(params.seed)
    image = repaint(model, encode(model, shadowed(content, params.noise, generator)), code, params.alphas)
    extras, i, small = {}, 1, resize(content, min(SHEET_SIDE, params.size))
    for name, rows in (("grid", grid), ("variations", variations)):
        if name in wanted:
            parts = []
            for part in rows(model, small, code, params):
                i += 1
                parts.append(part)
                yield Step(i, n, name, image)
            extras[name] = torch.cat(parts, 2)
    yield Step(n, n, "picture", image, distances(model, image, style), extras)


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
        "official": {"alpha_2": 0.5, "alpha_3": 0.5, "alpha_4": 0.5},
        "fast": {"size": 256},
    },
    load=load,
    run=run,
    sheets=("grid", "variations"),
)
