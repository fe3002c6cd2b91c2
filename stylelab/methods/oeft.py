"""Online Exemplar Fine-Tuning for image-to-image translation (Kang, Kim, Kim & Kim, 2020): no training but on the pair itself.

1. Content and style, squashed to 256 x 256, go through two extractors with parameters of their own; features of several layers
   are brought to one size and concatenated (equations 1 and 2, figure 3).
2. The correlation of centred features, as a softmax over all places of the style, warps the style's picture to the content
   (equations 3 to 6).
3. Both extractors are fine-tuned for 200 steps (equation 11): a place's feature shall be told apart from all others by the
   feature of the warped picture there (InfoNCE, equation 8); the warped picture shall have the style's Gram matrices (9) and
   contextual similarity (10). In every step a pair that was augmented anew, content by light and noise, style by geometry,
   passes as well.
4. Multiple GAN inversion (3.3, see `inversion`): several hypotheses, composing layers 4 to 8 by 10 to 40 codes, are optimised
   until the generator's picture, reduced, is the warped one (equation 12: L2 and perceptual), all of them together.
5. The hypothesis with the smallest Fréchet distance is the result.

`task` "invert" is steps 4 and 5 on the content itself (figure 9), "warp" is steps 1 to 3.

Where we leave the paper, or it leaves us the choice:
- Layers: the paper names none; `LEVELS`. Each is centred over places (equations 4 and 5) and scaled to length 1 before they are
  concatenated, so that all count alike. The picture that is warped has as many places as the features, S / 4.
- The paper gives no temperature, rate or weight. The softmax's is CoCosNet's, InfoNCE's and Adam's are DTP's (same group), the
  contextual loss is CoCosNet's layers and weights. `PERCEPTUAL_WEIGHT` and `CONTEXTUAL_WEIGHT` are ours.
- InfoNCE is over `PLACES` places drawn anew in every step, where equation 8 has all, and of vectors whose own mean over channels
  is taken off, as DTP's code does.
- The warped picture is compared with the style at its own resolution: both were reduced to S / 4 and enlarged again, or the
  style's sharpness would be a difference that no warp can remove. Gram matrices are compared by a relative difference.
- How much is augmented is ours (`JITTER` to `SHIFT`). Four times as much geometry costs more of the style than it brings
  structure. In the augmented pair the style's losses count twice: its contrast draws the features to the structure, and
  with equal weights the warped picture has less of the style than without augmentation.
- Pictures of people's own are not framed like a generator's. `crop` cuts both to the square that is most like its pictures, if
  the content has one (`inversion.Reference.window`); the paper's pictures are aligned beforehand.
- Generators: those that ship make 64 px, not 1024. They have 10 layers instead of 18 and the composing layers 4 to 8 mean the
  same 8 to 32 px; only fewer layers follow. `factor` is by how much the target is smaller than the generator's picture; the
  paper's 4 stands for 256 px under a generator of 1024. What is warped has S / 4 pixels to a side and is never enlarged for it.
  Of the two that ship StyleGAN has the cleaner cats, and `full` has cats of it too, so it comes first; the paper has both. Its
  layers behind the cut take the mean w, and nothing is truncated (mGANprior's StyleGAN: psi 0.7, 8 layers).
- Hypotheses take 60 iterations of L-BFGS instead of 3000 of gradient descent, and start from those of the generator's samples
  that are most like the target: with Adam they were 1 dB behind after as much time.
- The Fréchet distance of a single picture is not defined by the paper; `inversion.Reference` says what it is here. Content and
  style that are farther from the generator's own pictures than these are from each other are reported as outside its domain;
  the warped picture is too blurred to tell.
- The result has the generator's resolution, enlarged to the size asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from PIL import ImageDraw, ImageFont
from torch import Tensor, nn
from torch.nn import functional as F

from .. import weights
from ..errors import WeightsMissing
from ..features import VGG, load_extractor
from ..images import Box, fitted_size, in_a_row, to_pil
from ..inversion import ROUND, Inversion, Reference
from ..losses import FLAT, contextual, gram, gram_difference, info_nce
from ..matching import as_map, relative, rows, soft_matches, warp
from ..method import Method, Params, Step, knob
from ..nets.pggan import PGGAN
from ..nets.stylegan import StyleGAN
from ..precision import fast_arithmetic

GENERATORS = {"stylegan": StyleGAN, "pggan": PGGAN}
LEVELS = ("conv2_2", "conv3_4", "conv4_4")  # ours: from 1/2 to 1/8 of the picture's side, all brought to 1/4
TEMPERATURE = 0.01  # 1 / α of equation 6; CoCosNet
CONTRAST, PLACES = 0.07, 1024  # InfoNCE's temperature, DTP's; the places drawn for it, ours (DTP: 2048)
ADAM = dict(betas=(0.5, 0.999))  # DTP
GRAM_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")  # Johnson et al. 2016, the paper's [18]
CONTEXTUAL_LAYERS = {"conv3_2": 2 / 14, "conv4_2": 4 / 14, "conv5_2": 8 / 14}  # CoCosNet's 2, 4, 8, as a mean
PERCEPTUAL_WEIGHT, CONTEXTUAL_WEIGHT = 0.3, 0.3  # beside InfoNCE; at 1 the structure is not better than without fine-tuning
JITTER, NOISE = 0.25, 0.03  # brightness, contrast and saturation by 1 +- 0.25; deviation of the noise
SCALE, TURN, SHEAR, SHIFT = 0.05, 4.0, 0.04, 0.025  # size by 1 +- 0.05, degrees, slope, share of the side
AUGMENTED_STYLE = 2.0  # of perceptual and contextual losses of the augmented pair, beside those of the pair as it is
# As much as the generator's own pictures do, a window has to look like them. Of 60 photographs with a cat pasted in 56 and 55 are
# above, of the same without it 2 and none (the generators that ship; set on these pictures, and for them alone: not tried with
# those of `full`).
FOUND = {"stylegan": 0.5, "pggan": 0.35}
FAR = 1.25  # times `Reference.usual`: of 100 cats kept aside 0 and 3 are farther, of 50 photographs of other things 31 and 49
EVOLUTION = 6  # pictures in the strip of figure 5
TILE, CAPTION, COLUMNS = 192, 44, 5  # px of a hypothesis on its sheet and of the words under it; hypotheses in a row
WINNER = (46, 160, 67)  # its frame


@dataclass(frozen=True)
class OEFTParams(Params):
    size: int = knob(256, "Size", 64, 1024, step=16, help="Long side of the result in pixels; the aspect ratio is kept.")
    task: str = knob(
        "translate",
        "Task",
        choices=("translate", "warp", "invert"),
        help="translate: the style's picture, moved to the content and made by the generator; warp: only moved; "
        "invert: the content itself, made by the generator.",
    )
    domain: str = knob(
        "stylegan",
        "Generator",
        choices=tuple(GENERATORS),
        help="What the result is made by. Both that ship make cats of 64 pixels; with `full` weights PGGAN makes faces.",
    )
    tuning_steps: int = knob(200, "Fine-tuning steps", 0, 500, step=1, help="Updates of both extractors on this pair.")
    augmentation: bool = knob(True, "Augmentation", help="Off: only the pair as it is passes (figure 8).")
    layers: str = knob(
        "4, 6, 8", "Composing layers", choices=("4, 6, 8", "4, 5, 6, 7, 8", "4", "6", "8"), help="One hypothesis for each."
    )
    crop: str = knob(
        "auto",
        "Crop",
        choices=("auto", "none"),
        help="auto: where the content shows what the generator makes, it and the style are cut to the square that is framed "
        "like the generator's own pictures; none: all of both.",
    )
    codes: str = knob(
        "10, 20, 40", "Codes", choices=("10, 20, 40", "10, 20, 30, 40", "10", "20", "40", "1"), help="Together with each layer."
    )
    inversion_steps: int = knob(
        12, "Inversion rounds", 1, 300, step=1, help=f"Of {ROUND} iterations of L-BFGS, for every hypothesis."
    )
    factor: int = knob(
        2,
        "Super-resolution",
        1,
        4,
        step=1,
        help="How many times smaller than the generator's picture the target is at most; what is missing there is the "
        "generator's own. What is warped has a quarter of the square's side.",
    )
    learning_rate: float = knob(1e-4, "Learning rate", 1e-5, 1e-2, step=1e-5, help="Adam's, of both extractors.", advanced=True)
    square: int = knob(256, "Square", 64, 512, step=16, help="Side in pixels that fine-tuning works at.", advanced=True)

    @property
    def hypotheses(self) -> list[tuple[int, int]]:
        """(composing layer, codes), layer by layer."""
        layers, codes = ([int(word) for word in text.split(",")] for text in (self.layers, self.codes))
        return [(layer, count) for layer in layers for count in codes]


class Model(nn.Module):
    """The extractor and the generators that could be had.

    Args:
        generators: by `domain`. fetch: gives one that is not among them and its description, or raises `WeightsMissing`.
    """

    def __init__(self, vgg: VGG, generators: Mapping[str, nn.Module], fetch: Callable[[str], tuple] | None = None):
        super().__init__()
        self.vgg, self.generators, self.fetch = vgg, nn.ModuleDict(generators), fetch
        self.described: dict[str, dict[str, str]] = {}  # by domain, for reports
        self.references: dict[str, Reference] = {}

    @property
    def weights(self) -> list[dict[str, str]]:
        """All that is here."""
        return [*self.vgg.weights, *self.described.values()]

    def used(self, params: OEFTParams) -> list[dict[str, str]]:
        """What a result with these settings was made with."""
        made_by = [] if params.task == "warp" else [params.domain]
        return [*self.vgg.weights, *(self.described[domain] for domain in made_by if domain in self.described)]

    def generator(self, domain: str) -> tuple[PGGAN | StyleGAN, Reference]:
        """A generator and how its own pictures look, measured once.

        Raises:
            WeightsMissing: it could not be had; a later call tries again.
        """
        if domain not in self.generators:
            generator, self.described[domain] = self.fetch(domain)
            self.generators[domain] = generator.to(self.vgg.mean.device)
        if domain not in self.references:
            self.references[domain] = Reference(self.generators[domain], self.vgg)
        return self.generators[domain], self.references[domain]


# ---- augmentation


def uniform(rng: torch.Generator, reach: float, count: int = 1) -> Tensor:
    """(count,) between -reach and reach."""
    return (torch.rand(count, generator=rng) * 2 - 1) * reach


def photometric(picture: Tensor, rng: torch.Generator) -> Tensor:
    """Other brightness, contrast and saturation, and noise; nothing moves. (1, 3, H, W) in [0, 1]."""
    light, contrast, saturation = (1 + uniform(rng, JITTER, 3)).tolist()
    picture = picture * light
    picture = torch.lerp(picture.mean((1, 2, 3), keepdim=True), picture, contrast)
    picture = torch.lerp(picture.mean(1, keepdim=True), picture, saturation)
    return (picture + torch.randn(picture.shape, generator=rng).to(picture) * NOISE).clamp(0, 1)


def geometric(picture: Tensor, rng: torch.Generator) -> Tensor:
    """Scaled, turned, sheared and shifted about its middle, mirrored outside; colours stay. (1, 3, H, W) in [0, 1]."""
    scale, turn, shear = 1 + uniform(rng, SCALE), uniform(rng, math.radians(TURN)), uniform(rng, SHEAR)
    turned = torch.stack([torch.cat([turn.cos(), -turn.sin()]), torch.cat([turn.sin(), turn.cos()])])
    matrix = turned @ torch.stack([torch.cat([scale, shear]), torch.cat([torch.zeros(1), scale])])
    theta = torch.cat([matrix, uniform(rng, 2 * SHIFT, 2)[:, None]], 1)[None].to(picture)
    grid = F.affine_grid(theta, list(picture.shape), align_corners=False)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="reflection", align_corners=False).clamp(0, 1)


# ---- correspondence fine-tuning


class Tuning:
    """Both extractors and the pair that they learn (steps 1 to 3).

    Args:
        content, style: squares (1, 3, S, S), RGB in [0, 1], S a multiple of 16.
    """

    def __init__(self, vgg: VGG, content: Tensor, style: Tensor, params: OEFTParams, rng: torch.Generator):
        self.vgg, self.pair, self.params, self.rng = vgg, (content, style), params, rng
        self.encoders = nn.ModuleList([vgg.trainable(), vgg.trainable()])  # W_S and W_T
        self.optimiser = torch.optim.Adam(self.encoders.parameters(), lr=params.learning_rate, fused=True, **ADAM)
        self.augmented = self.pair

    def features(self, k: int, picture: Tensor) -> Tensor:
        """Figure 3: unit vectors (S / 4 * S / 4, C) of (1, 3, S, S); `k`: 0 the content's extractor, 1 the style's."""
        size, levels = [side // 4 for side in picture.shape[-2:]], []
        for maps in self.encoders[k](picture.contiguous(memory_format=torch.channels_last), LEVELS).values():
            if maps.shape[-1] > size[1]:
                maps = F.adaptive_avg_pool2d(maps, size)
            maps = F.interpolate(maps, size, mode="bilinear")
            levels.append(F.normalize(maps - maps.mean((2, 3), keepdim=True), dim=1, eps=FLAT))
        return rows(torch.cat(levels, 1)) / len(LEVELS) ** 0.5

    def warped(self, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Equations 1 to 6: the style's picture at the content's places (1, 3, S / 4, S / 4), and the features of both."""
        ours, theirs = self.features(0, content), self.features(1, style)
        small = F.avg_pool2d(style, 4)
        return as_map(warp(soft_matches(ours, theirs, TEMPERATURE, by_row=True), rows(small)), small), ours, theirs

    def losses(self, content: Tensor, style: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Equations 7 to 11 of a pair: the warped picture (1, 3, S / 4, S / 4), and the losses by name."""
        size = style.shape[-2:]
        with fast_arithmetic(style.device):
            warped, ours, _ = self.warped(content, style)
            enlarged = F.interpolate(warped, size, mode="bilinear")
            back = self.features(1, enlarged)
            drawn = torch.randperm(len(ours), generator=self.rng)[:PLACES].to(ours.device)
            losses = {"contrast": info_nce(ours[drawn], back[drawn], CONTRAST)}
            wanted = {*GRAM_LAYERS, *CONTEXTUAL_LAYERS}
            made = self.vgg(enlarged, wanted)
            with torch.no_grad():
                true = self.vgg(F.interpolate(F.avg_pool2d(style, 4), size, mode="bilinear"), wanted)
        made, true = ({name: maps.float() for name, maps in found.items()} for found in (made, true))
        losses["perceptual"] = sum(gram_difference(gram(made[n]), gram(true[n])) for n in GRAM_LAYERS) / len(GRAM_LAYERS)
        losses["contextual"] = contextual_loss(made, true)
        return warped, losses

    def step(self) -> tuple[Tensor, dict[str, Tensor]]:
        """One update; the warped picture before it (1, 3, S / 4, S / 4) in [0, 1], and the losses of the pair as it is."""
        self.optimiser.zero_grad(set_to_none=True)
        warped, losses = self.losses(*self.pair)
        self.total(losses).backward()
        if self.params.augmentation:
            content, style = self.pair
            self.augmented = photometric(content, self.rng), geometric(style, self.rng)
            self.total(self.losses(*self.augmented)[1], AUGMENTED_STYLE).backward()
        self.optimiser.step()
        return warped.detach().float().clamp(0, 1), {name: loss.detach() for name, loss in losses.items()}

    def total(self, losses: Mapping[str, Tensor], style: float = 1.0) -> Tensor:
        """Equation 11; `style`: what its second and third part count."""
        return losses["contrast"] + style * (PERCEPTUAL_WEIGHT * losses["perceptual"] + CONTEXTUAL_WEIGHT * losses["contextual"])

    @torch.no_grad()
    def answer(self) -> tuple[Tensor, dict[str, Tensor]]:
        """As tuned: the warped picture (1, 3, S / 4, S / 4), and the best matches, relative places (1, 2, S / 4, S / 4)."""
        with fast_arithmetic(self.pair[0].device):
            warped, ours, theirs = self.warped(*self.pair)
        size, correlation = warped.shape[-2:], ours.float() @ theirs.float().T
        found = [correlation.argmax(axis).view(1, *size) for axis in (1, 0)]
        fields = [relative(torch.stack([f % size[1], f // size[1]], 1), size) for f in found]
        return warped.float().clamp(0, 1), dict(zip(("a_to_b", "b_to_a"), fields, strict=True))


def contextual_loss(made: Mapping[str, Tensor], true: Mapping[str, Tensor]) -> Tensor:
    """Equation 10 over `CONTEXTUAL_LAYERS`, of the extractor's maps; the first at half its size, as in CoCosNet."""
    total = 0
    for name, weight in CONTEXTUAL_LAYERS.items():
        ours, theirs = (F.avg_pool2d(x[name], 2) if name.startswith("conv3") else x[name] for x in (made, true))
        total = total + weight * contextual(rows(ours), rows(theirs))
    return total


# ---- pictures to look at


def fitted(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, 3, H, W) in [0, 1] at (height, width)."""
    return F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)


def in_rows(pictures: list[Tensor], height: int) -> Tensor:
    """Pictures of one shape, at most `COLUMNS` or the number that makes full rows side by side; white where there is none."""
    count = len(pictures)
    columns = next((c for c in (COLUMNS, 4, 3) if count % c == 0), min(count, COLUMNS))
    pictures = pictures + [torch.ones_like(pictures[0])] * (-count % columns)
    return torch.cat([in_a_row(pictures[k : k + columns], height) for k in range(0, count, columns)], 2).clamp(0, 1)


def captioned(picture: Tensor, words: str, won: bool) -> Tensor:
    """A square picture (1, 3, S, S) at `TILE` px with words under it, (1, 3, TILE + CAPTION, TILE); the winner in a frame."""
    mode = "nearest" if picture.shape[-1] <= TILE else "area"
    page = to_pil(F.pad(F.interpolate(picture, (TILE, TILE), mode=mode), (0, 0, 0, CAPTION), value=1.0))
    draw, ink = ImageDraw.Draw(page), WINNER if won else (60, 60, 60)
    draw.multiline_text((TILE / 2, TILE + 3), words, ink, ImageFont.load_default(15), anchor="ma", align="center")
    if won:
        draw.rectangle((0, 0, TILE - 1, TILE - 1), outline=WINNER, width=5)
    return torch.from_numpy(np.array(page)).to(picture).permute(2, 0, 1)[None] / 255


def cut(model: Model, content: Tensor, style: Tensor, params: OEFTParams) -> tuple[Box | None, Box | None]:
    """The squares of content and style, (1, 3, H, W), that are framed like the generator's pictures; the style is taken to show
    the same thing as the content, so its most likely square will do."""
    if params.crop == "none" or params.task == "warp":
        return None, None
    _, reference = model.generator(params.domain)
    alike, box = reference.window(content)
    if alike < FOUND[params.domain]:
        return None, None
    return box, reference.window(style)[1] if params.task == "translate" else None


def reduced(target: Tensor, generator: PGGAN | StyleGAN, params: OEFTParams) -> Tensor:
    """(1, 3, S, S): `target` as large as `factor` has it, or as it is; what inversion compares the generator's pictures with."""
    side = min(max(target.shape[-2:]), generator.resolution // params.factor)
    return F.interpolate(target, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


def judged(inversion: Inversion, reference: Reference) -> tuple[Tensor, Tensor, float]:
    """The hypothesis decided for, (1, 3, R, R); all with their scores, as a sheet; and its distance."""
    pictures = inversion.pictures()
    best, scores = reference.decide(pictures)
    tiles = [
        captioned(pictures[k : k + 1], f"layer {layer}, {count} codes\ndistance {scores[k]:.2f}", k == best)
        for k, (layer, count) in enumerate(inversion.hypotheses)
    ]
    return pictures[best : best + 1], in_rows(tiles, TILE + CAPTION), scores[best]


def far(pictures: Mapping[str, Tensor], reference: Reference) -> str:
    """A sentence on those pictures that are not of the generator's domain, or nothing."""
    scores = {name: reference.scores(picture)[0] for name, picture in pictures.items()}
    scores = {name: score for name, score in scores.items() if score > FAR * reference.usual}
    if not scores:
        return ""
    measured = ", ".join(f"{score:.1f}" for score in scores.values())
    return (
        f"{' and '.join(scores).capitalize()} {'is' if len(scores) == 1 else 'are'} far from what this generator makes (Fréchet "
        f"distance {measured}; 19 of 20 of its own stay below {reference.usual:.1f}): expect the likeness to be rough."
    )


def run(model: Model, content: Tensor, style: Tensor, params: OEFTParams) -> Iterator[Step]:
    """`style` moved to where `content` has the like, and made anew by a generator; both (1, 3, H, W), RGB in [0, 1]."""
    rng = torch.Generator().manual_seed(params.seed)
    tunes, inverts = params.task != "invert", params.task != "warp"
    generator, reference = model.generator(params.domain) if inverts else (None, None)
    n = params.tuning_steps * tunes + params.inversion_steps * inverts + 1
    width, height = fitted_size(content.shape[-1], content.shape[-2], params.size)
    side = params.square // 16 * 16
    square = [F.interpolate(x, (side, side), mode="bilinear", antialias=True) for x in (content, style)]
    target, extras, fields, losses, note = content, {}, {}, {}, ""
    if tunes:
        tuning, evolution = Tuning(model.vgg, *square, params, rng), []
        seen = {round(1 + k * (params.tuning_steps - 1) / (EVOLUTION - 1)) for k in range(EVOLUTION)}
        for i in range(1, params.tuning_steps + 1):
            warped, losses = tuning.step()
            if i in seen:
                evolution.append(fitted(warped, (height, width)))
            yield Step(i, n, "fine-tuning", fitted(warped, (height, width)), losses)
        target, fields = tuning.answer()
        extras["warped"] = fitted(target, (height, width))
        extras["evolution"] = in_a_row([*evolution, extras["warped"]]).clamp(0, 1)
        extras["augmented"] = in_a_row([square[0], tuning.augmented[0], square[1], tuning.augmented[1]]).clamp(0, 1)
    result = target
    if inverts:
        inversion = Inversion(generator, model.vgg, reduced(target, generator, params), params.hypotheses, rng)
        for i in range(n - params.inversion_steps, n):
            losses = {"inversion": inversion.step().min()}
            result, extras["hypotheses"], distance = judged(inversion, reference)  # after each: Stop shall leave the best so far
            yield Step(i, n, "inversion", extras["hypotheses"], losses)
        losses = losses | {"frechet": torch.tensor(distance)}
        note = far({"content": content} | ({"style": style} if tunes else {}), reference)
    yield Step(n, n, "result", fitted(result, (height, width)), losses, extras, fields, note)


def load(device: torch.device, family: str) -> Model:
    """VGG-19 and the generators, `full` (PGGAN's faces, StyleGAN's cats) or compact (cats, 64 px).

    Raises:
        WeightsMissing: no extractor, or no generator at all.
    """
    vgg = load_extractor("vgg19", family, device).padded("replicate")
    families = ("full", "compact") if family == "auto" and device.type == "cuda" else ("full" if family == "full" else "compact",)

    def fetch(domain: str) -> tuple[nn.Module, dict[str, str]]:
        missing = None
        for each in families:
            try:
                file = weights.find(f"gan-{domain}", each)
                return GENERATORS[domain].from_tensors(weights.read_tensors(file.path)), file.described()
            except WeightsMissing as error:
                missing = error
            except ValueError as error:
                missing = WeightsMissing(f"{file.path.name} cannot be used: {error}.")
        raise missing

    found, missing = {}, []
    for domain in GENERATORS:
        try:
            found[domain] = fetch(domain)
        except WeightsMissing as error:
            missing.append(error)
    if not found:
        raise missing[0]
    model = Model(vgg, {domain: generator for domain, (generator, _) in found.items()}, fetch)
    model.described = {domain: description for domain, (_, description) in found.items()}
    return model.to(device)


METHOD = Method(
    name="oeft",
    title="Online Exemplar Fine-Tuning",
    paper="Kang, Kim, Kim & Kim, Online Exemplar Fine-Tuning for Image-to-Image Translation, 2020",
    url="https://arxiv.org/abs/2011.09330",
    summary="Moves the style's parts to where the content has the like, with two networks that learn on this one pair, and has a "
    "generator of cats make one clean picture of it.",
    params=OEFTParams,
    presets={
        "paper": {},
        "fast": {"square": 160, "tuning_steps": 100, "codes": "20"},
        "invert": {"task": "invert", "inversion_steps": 20, "factor": 1},
    },
    load=load,
    run=run,
    used=Model.used,
    full=("vgg19", "gan-pggan", "gan-stylegan"),
    sheets=("evolution", "augmented", "hypotheses"),
    views=("match map",),
    cut=cut,
)
