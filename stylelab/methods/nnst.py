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
- Feature splitting compares every `max(H, W) // 64`th position, shifted at random in content and style at every update,
  and sums the layers' mean centred cosine distances, both as in the authors' code. The paper does not mention the sampling,
  but its 38 s at 512 px are out of reach without. These shifts, and the search for patches, are all that is random: `seed`.
- Scales whose short side is under 16 px are left out, and the pyramid has as many levels as the picture can be halved: the
  authors' code fails on such pictures.
- The colour filter is the authors' (3 x 3, five rounds), and colour is handled in Oklab, as their code does; "lightness" is
  its L. The paper filters before matching statistics, the code after: `colour_order`.
- The `compact` weights have VGG-19's shape; the layers taken from them are VGG-16's by name, without conv3_4.
- The supplement's design decisions (figures 6 and 12 to 18) are the knobs `zero_centre`, `layers`, `patch`, `coarsest`,
  `splitting`, `split_by` and `rematch`; their columns stand in `figures.SHEETS`. What else Chen & Schmidt do (squared error, no
  rotations) is not.
  The border is repeated for 3 x 3 patches, and in feature splitting a patch is of neighbours on the grid. With `splitting`
  "always" what is matched is the picture as it is, so each scale begins from alpha * last result + (1 - alpha) * content, as the
  caption of figure 8 says; from the last result alone the content was lost. Without `rematch` matches are found once among
  `neighbours.KEYS` places of a style in each layer, drawn at random, as a decoder's re-feeds do.
- Labels: the guiding weights are the paper's, 0.5 each. Half of a border place is one label's alone, so that soft borders do not
  let labels mix (`Regions.channels`). A label that the style lacks takes from anywhere; one mask alone says what is used, or what
  changes (`Regions`). Each label is coloured after its own places' statistics (the paper is silent), but with the rest where it
  covers less than 0.5 % of a picture.
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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .. import weights
from ..decoding import Model, decode, eighths
from ..errors import BadInput, WeightsMissing
from ..features import SMALLEST_SIDE, layer_names, load_extractor
from ..hypercolumns import LAYERS
from ..images import resize
from ..method import Input, Method, Onward, Params, Step, knob
from ..neighbours import Splitter, column_loss, rearranged, splitting_loss
from ..nets.decoder import decoders
from ..palette import MONOCHROME, as_light_as, coloured_by_label, lightness_only, relit
from ..patchpainting import TURNS, enlarged
from ..pyramid import collapse, decompose, scale_to
from ..regions import Regions
from ..sources import Sources

ADAM = dict(lr=2e-3, betas=(0.9, 0.999))  # 3.4
PYRAMID_LEVELS = 8  # 3.4
LARGEST = 1024  # px, long side that pixels are optimised at; section 5: beyond it the field is enlarged
LAYER_SETS = {  # 3.1; figures 16 and 17
    "blocks 1-4": LAYERS,
    **{f"blocks 1-{blocks}": layer_names("vgg16", blocks) for blocks in (2, 3, 5)},
    **{f"block {block}": tuple(name for name in layer_names("vgg16") if name[4] == str(block)) for block in range(1, 6)},
    **{name: (name,) for name in layer_names("vgg16")},
}
HOLD = 10.0  # weight of the mean squared difference to a clip's last keyframe; ours
ALONE = 0.5  # least guidance weight of a style's mask alone: from here on no likeness outweighs a wrong label


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
    splitting: str = knob(
        "final",
        "Feature splitting",
        choices=("final", "always", "none"),
        help="Match every layer by itself, anew after each update: sharper, more varied strokes. final: after the last scale; "
        "always: at every scale instead, which then begins where α says.",
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
        help="How much masks count beside likeness when places are matched: from 0.5 on areas of one colour keep to themselves. "
        "A mask of the style alone always counts 0.5 or more.",
        advanced=True,
    )
    refeeds: int = knob(
        5, "Re-feeds", 1, 10, step=1, help="How often feature splitting feeds a decoder with its own result.", advanced=True
    )
    zero_centre: bool = knob(True, "Zero-centre features", help="Subtract the mean feature before matching.", advanced=True)
    coarsest: str = knob(
        "eighth",
        "Coarsest scale",
        choices=("eighth", "64px", "whole"),
        help="Where the coarse-to-fine scales begin; each is twice the one before. whole: one scale only.",
        advanced=True,
    )
    layers: str = knob(
        "blocks 1-4",
        "Layers",
        choices=tuple(LAYER_SETS),
        help="Which layers of the network features are made of. Decoders know those of blocks 1-4 only.",
        advanced=True,
    )
    patch: str = knob(
        "1x1",
        "Patches",
        choices=("1x1", "3x3"),
        help="Match places by themselves, or with their neighbours; what overlapping patches say is averaged.",
        advanced=True,
    )
    split_by: str = knob(
        "layers",
        "Split by",
        choices=("layers", "hypercolumns"),
        help="What feature splitting matches by itself. hypercolumns, all layers together, is not for decoders.",
        advanced=True,
    )
    rematch: bool = knob(
        True,
        "Match anew",
        help="Feature splitting finds its matches anew after each update instead of once. Decoders always do.",
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

    @property
    def layer_names(self) -> tuple[str, ...]:
        return LAYER_SETS[self.layers]

    @property
    def side(self) -> int:
        """Of the patches that are matched."""
        return int(self.patch[0])

    def decodable(self) -> None:
        """Raises BadInput where decoders would have to do what only updates of pixels can."""
        for name, known in {"layers": "blocks 1-4", "split_by": "layers", "rematch": True}.items():
            if getattr(self, name) != known:
                raise BadInput(f"Decoders only work with {name} = {str(known).lower()}: leave it so, or use synthesis = opt.")
        if self.splitting == "always":
            raise BadInput("Decoders split features at the last scale only: use splitting = final or none, or synthesis = opt.")


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


def scales(pictures: Iterable[Tensor], params: NNSTParams) -> list[int]:
    """Long sides, coarse to fine, up to `params.size` or `LARGEST`, without those that leave a picture a short side under 16."""
    narrowest = min(min(x.shape[-2:]) / max(x.shape[-2:]) for x in pictures)
    last = min(params.size, LARGEST)
    first = {"eighth": last / 8, "64px": min(64, last), "whole": last}[params.coarsest]
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


def noted(sources: Sources, size: int, masked: bool) -> str:
    """What to say of masks that change nothing (`masked`: the style has one), or of styles smaller than a huge result."""
    if masked and not sources.regions.shared:
        return "The masks have no colour in common, or the style's is all black, so they changed nothing."
    own = min(max(style.shape[-2:]) for style in sources.styles)
    if size <= LARGEST or own >= size:
        return ""
    return (
        f"A style picture of {own} px is smaller than this result of {size} px: its brush strokes keep their own pixels, so they "
        f"come out {size / own:.1f} times finer than at {LARGEST} px; a larger style picture gives broader ones."
    )


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
    if decodes:
        params.decodable()
    splits, always = params.splitting == "final", params.splitting == "always"
    original = resize(content, params.size)
    weighted = ((style, 1.0), (style2, params.style2_weight), (style3, params.style3_weight))
    sources = Sources.of(weighted, Regions(content_mask, style_mask))
    if content_mask is None and style_mask is not None:
        params = replace(params, guidance_weight=max(ALONE, params.guidance_weight))
    if params.colour == "luminance":
        if before is not None:
            before = torch.cat([lightness_only(before[:, :3]), before[:, 3:]], 1)
        content, sources = lightness_only(content), sources.changed(functools.partial(as_light_as, content))
    sides = scales((content, *sources.styles), params)
    enlarging = params.size > LARGEST
    if decodes:
        n = len(sides) + params.refeeds * splits + params.iterations * continues
    else:
        n = params.iterations * (len(sides) + splits)
    n += enlarging * (TURNS + 2)
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
            if always:
                goal = splitting_loss(vgg, query, s, params, generator)
            else:
                goal = column_loss(vgg, rearranged(vgg, query, s, params), params.layer_names)
            updates = descend(query if always else start, held(goal, last), params.iterations, params.learning_rate)
        for result, loss in updates:
            i += 1
            if i < n:
                yield Step(i, n, f"{side} px", result.clamp(0, 1), {"splitting" if always else "hypercolumns": loss})
    painted, losses = result, {"splitting" if always else "hypercolumns": loss}
    if decodes and splits:
        splitter = Splitter(vgg, s, params, generator)
        for _ in range(params.refeeds):
            again = painted if last is None else torch.lerp(painted, last[:, :3], last[:, 3:])
            painted, loss = decode(model.decoder(side), vgg, splitter(eighths(again)), c)
            i, losses = i + 1, {"splitting": loss}
            if i < n:
                yield Step(i, n, "feature splitting", painted, losses)
    if continues or (splits and not decodes):
        if splits:
            goal = splitting_loss(vgg, painted, s, params, generator)
        else:
            goal = column_loss(vgg, rearranged(vgg, query, s, params), params.layer_names)
        updates = descend(painted, held(goal, last), params.iterations, params.learning_rate)
        for painted, loss in updates:
            i, losses = i + 1, {"splitting" if splits else "hypercolumns": loss}
            if i < n:
                yield Step(i, n, "optimisation" if decodes else "feature splitting", painted.clamp(0, 1), losses)
    painted = painted.clamp(0, 1)
    if enlarging:
        for picture in enlarged(original, painted, sources, params, generator):
            i += 1
            yield Step(i, n, f"{params.size} px", picture)
        painted = picture
    finish = {
        "style": lambda: coloured_by_label(original, s, painted, params.colour_order),
        "painted": lambda: painted,
        "content": lambda: relit(original, painted),
        "luminance": lambda: relit(original, painted),
    }
    # Without the colour step the coloured result is still one click away, and the other way round.
    other = {"coloured": finish["style"]()} if params.colour == "painted" else {"uncoloured": painted}
    kept = {name: s.regions.over(original, picture) for name, picture in other.items()}
    yield Step(
        n,
        n,
        "colour",
        s.regions.over(original, finish[params.colour]()),
        losses,
        kept,
        note=noted(sources, params.size, style_mask is not None),
    )


def load(device: torch.device, family: str) -> Model:
    """The extractor, VGG-16 (`full`) or the compact network, and its decoders; `auto` takes the compact ones where the full
    extractor has none. Without decoders there is still `opt`.

    Raises:
        WeightsMissing: no extractor.
    """
    vgg = reader = load_extractor("vgg16", family, device)
    networks, missing, described = {}, None, []
    kinds = [vgg.weights[0]["family"], *(["compact"] if family == "auto" else [])]
    for kind in dict.fromkeys(kinds):
        try:
            file = weights.find("nnst-decoder", kind)
        except WeightsMissing as error:
            missing = missing or WeightsMissing(f"{error} Without decoders there is synthesis=opt.")
            continue
        if kind != kinds[0]:
            reader = load_extractor("vgg16", kind, device)
        networks, missing, described = decoders(weights.read_tensors(file.path)), None, [file.described()]
        break
    return Model(vgg, networks, reader, missing, described).to(device, memory_format=torch.channels_last)


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
    used=lambda model, params: model.used(params.synthesis),
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
    onward=Onward("Go on with updates of pixels", {"synthesis": "decoder"}, {"synthesis": "decoder+opt", "iterations": 60}),
)
