"""Deep Translation Prior: test-time training for photorealistic style transfer (Kim, Kim & Kim, 2022).

1. Photo and reference are squashed to a square of 256 pixels; a copy of the extractor gives conv3_4 features of both.
2. Correspondence: the correlation of centred features (equations 6 and 7), as a softmax over all places of the reference, warps
   the reference's features and its small picture to the photo (equation 8).
3. Generation: a decoder with random weights turns the warped features into a picture; the answer is 1/9 of it and 8/9 of the
   warped picture (equations 9 and 10, table 2).
4. From the second step on the photo's features are mixed with those of the last answer (equation 11).
5. Both modules, extractor and decoder, are trained on this one pair for 1000 steps: the answer's features shall be told apart
   place by place like the photo's (equation 13), each patch of them shall be like some patch of the reference's (equation 14),
   and what is warped there and back shall come back (equation 16).
6. Full resolution, which the paper has not: a colour transform that is affine near every pixel and follows the photo's edges
   (`bilateral`) is fitted to the answer and to the reference's statistics, and then acts on the photo at its own size.

The paper calls one number both the content's weight (its total loss: 1/5) and the style's (its supplement, and its table 1, where
4/5 keeps less of the photo). Here it is `style_weight`; 0.8 is the authors' setting, 0.2 the other column of table 1.

Where we leave the paper, or it leaves us the choice:
- Step 6. The square answer is blurred (the warped picture has 64 x 64 places) and cannot be laid over the photo as it is. The fit
  is to the answer's colours at that coarseness, to the reference's Gram matrices on the untouched extractor and of its colours,
  and to the photo by SSIM, the paper's own measure. Nearest patches say nothing of how much of each there is: they left haze.
- Style and content layers, their weights, 3 x 3 patches, cosine distances and random places are the authors' code's; they compare
  2048 places of a layer, we 1024 unless it is `official`.
- The decoder's last layer has no ReLU, else half of the colours were out of reach; its weights begin as He et al.'s.
- `cycle` = features divides equation 16 by the features' own mean square: trained features otherwise shrink until it is nothing.
- Convolutions of the extractor repeat the border instead of padding zeros, which left a frame.
- The decoder is as wide as the extractor: table 2 for `full`, a quarter of it for `compact`.
- Masks are not in the paper, see `Regions`.

`official` has the authors' values (sunwoo76/Deep_Translation_Prior): temperature 0.01, each feature centred by itself, 3 x 3
patches in the correlation, a residual decoder with instance norm, a cycle on pictures. `fast` is that, but for the patches, on a
smaller square for fewer steps.
"""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..bilateral import constant_grid, places, roughness, transformed
from ..colour import match_moments, moment_transform
from ..features import VGG, load_extractor
from ..images import in_a_row, least_side, resize
from ..losses import gram, gram_difference, info_nce, nearest_cosine, ssim
from ..matching import SMALLEST, as_map, relative, rows, soft_matches, warp
from ..method import Input, Method, Params, Step, knob, own_size
from ..precision import fast_arithmetic
from ..regions import Regions

MATCHED = "conv3_4"  # implementation details: relu3_4
CONTENT = {"conv1_2": 1 / 32, "conv2_2": 1 / 16, "conv3_4": 1 / 8}  # authors' code
STYLE = {"conv1_2": 1 / 64, "conv2_2": 1 / 32, "conv3_4": 1 / 16, "conv4_4": 1 / 8, "conv5_4": 1 / 4}  # authors' code
CONTRAST = 0.07  # temperature of equation 12, as authors' code
ADAM = dict(betas=(0.5, 0.999))  # authors' code

# Step 6, ours
FIT_SIDE, FIT_RATE = 256, 0.03
CELLS, LEVELS = 16, 8  # Gharbi et al. 2017
STATISTICS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_3", "conv4_1", "conv4_3")
REACH, EDGE = 2, 0.03  # coarse cells around an edge that are in doubt; standard deviation of colours that makes half a doubt
COARSE = 8  # px: the answer's colours are trusted at no finer scale
ANSWER_WEIGHT, COLOUR_WEIGHT, STRUCTURE_WEIGHT, RANGE_WEIGHT = 5.0, 1.0, 0.8, 10.0
PLACE_ROUGHNESS, BRIGHTNESS_ROUGHNESS = 200.0, 40.0
EVOLUTION = 6  # pictures in the strip of figure 4
POINTS = (4, 3)  # query points of figure 3: columns, rows


@dataclass(frozen=True)
class DTPParams(Params):
    size: int = own_size()
    style_weight: float = knob(
        0.8,
        "Style against content",
        0.1,
        0.9,
        step=0.1,
        help="How much of the reference's light and colour to take: 0.2 stays close to the photo, 0.8 goes far (λ of table 1).",
    )
    training_steps: int = knob(1000, "Training steps", 1, 2000, step=1, help="Updates of both modules on this pair.")
    warped_feature: bool = knob(True, "Warped feature", help="Off: the decoder gets noise (WF of figure 7).", advanced=True)
    warped_image: bool = knob(
        True, "Warped image", help="Off: the decoder must paint everything (WI of figure 7).", advanced=True
    )
    moving_average: bool = knob(
        True, "Moving average", help="Match with the last answer's features too (FMA of figure 7).", advanced=True
    )
    generation: bool = knob(
        True, "Generation module", help="Off: the warped picture is the answer (G. Module of figure 7).", advanced=True
    )
    cycle: str = knob(
        "features",
        "Cycle loss",
        choices=("features", "pictures", "none"),
        help="features: equation 16; pictures: the authors' code; none: figure 7.",
        advanced=True,
    )
    temperature: float = knob(
        0.07,
        "Temperature",
        0.01,
        0.2,
        step=0.005,
        help="Of the matching: low takes single places, high blends many.",
        advanced=True,
    )
    centring: str = knob(
        "over places",
        "Centring",
        choices=("over places", "over channels"),
        help="What is subtracted from features before they are matched: equation 7 or the authors' code.",
        advanced=True,
    )
    patch: str = knob(
        "1x1", "Matched patch", choices=("1x1", "3x3"), help="Of features; the authors' code has 3x3.", advanced=True
    )
    decoder: str = knob(
        "plain",
        "Decoder",
        choices=("plain", "residual"),
        help="plain: table 2; residual: the authors' code, with instance norm.",
        advanced=True,
    )
    momentum: float = knob(
        0.4, "Momentum", 0.0, 1.0, step=0.1, help="The photo's own share in the moving average (m).", advanced=True
    )
    share: float = knob(
        1 / 9, "Decoder's share", 0.0, 1.0, step=0.01, help="In the answer, beside the warped picture (λw).", advanced=True
    )
    samples: int = knob(1024, "Places compared", 64, 4096, step=64, help="At random in each layer and step.", advanced=True)
    square: int = knob(256, "Square", 64, 512, step=16, help="Side in pixels that training works at.", advanced=True)
    fit_steps: int = knob(
        80, "Steps at full resolution", 1, 300, step=1, help="Updates of the colour transforms (ours).", advanced=True
    )
    learning_rate: float = knob(1e-4, "Learning rate", 1e-5, 1e-2, step=1e-5, help="Adam's, of both modules.", advanced=True)


def convolution(inputs: int, outputs: int, kernel: int, generator: torch.Generator) -> nn.Conv2d:
    """Initialised after He et al. (2015) from `generator`: with torch's own the plain decoder is a constant for 100 steps."""
    made = nn.utils.skip_init(nn.Conv2d, inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_uniform_(made.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(made.bias)
    return made


class Layer(nn.Module):
    """One layer of the decoder: a 3 x 3 convolution and, unless it is the last, ReLU.

    `residual`, the authors' form: instance norm before the ReLU, and the layer's input added at the end, through a 1 x 1
    convolution where the number of channels changes.
    """

    def __init__(self, inputs: int, outputs: int, residual: bool, last: bool, generator: torch.Generator):
        super().__init__()
        finish = [] if last else [nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()] if residual else [nn.ReLU()]
        self.main = nn.Sequential(convolution(inputs, outputs, 3, generator), *finish)
        self.skip = (nn.Identity() if inputs == outputs else convolution(inputs, outputs, 1, generator)) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) if self.skip is None else self.main(x) + self.skip(x)


class Decoder(nn.Module):
    """Table 2: conv3_4 features (1, 4 * width, H, W) to an ImageNet-normalised picture (1, 3, 4 * H, 4 * W).

    Args:
        width: the extractor's; table 2 has 64. residual: the authors' layers and nearest instead of bilinear enlarging.
    """

    def __init__(self, width: int, residual: bool, generator: torch.Generator):
        super().__init__()
        half, w = width // 2, width
        plan = ((4 * w, 4 * w, 4 * w, 2 * w), (2 * w, 2 * w, 2 * w, 2 * w, w), (w, w, w, half, half, half, 3))
        self.enlarging = dict(mode="nearest") if residual else dict(mode="bilinear", align_corners=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Layer(a, b, residual, b == 3, generator) for a, b in itertools.pairwise(block))) for block in plan
        )

    def forward(self, feature: Tensor) -> Tensor:
        first, *others = self.blocks
        x = first(feature)
        for block in others:
            x = block(F.interpolate(x, scale_factor=2, **self.enlarging))
        return x


def affinity(queries: Tensor, keys: Tensor, params: DTPParams) -> Tensor:
    """exp(M(u, v) / temperature) of equation 8 up to a factor, (H * W, h * w); M is the correlation of equation 6."""

    def prepared(x: Tensor) -> Tensor:
        if params.patch == "3x3":
            x = F.unfold(x, 3, padding=1)[..., None]
        x = x - x.mean(1 if params.centring == "over channels" else (2, 3), keepdim=True)
        return rows(F.normalize(x, dim=1))

    return soft_matches(prepared(queries), prepared(keys), params.temperature)


def picked(features: Tensor, index: Tensor, patch: int) -> Tensor:
    """Vectors (N, patch * patch, C) around the positions `index` of (1, C, H, W); outside is what lies at the border."""
    height, width = features.shape[-2:]
    y, x, reach = index // width, index % width, range(-(patch // 2), patch // 2 + 1)
    around = [(y + dy).clamp(0, height - 1) * width + (x + dx).clamp(0, width - 1) for dy in reach for dx in reach]
    table = features.permute(0, 2, 3, 1).reshape(height * width, -1)  # no copy where memory is channels last
    return table.index_select(0, torch.stack(around, 1).flatten()).view(len(index), patch * patch, -1)


class Training:
    """Both modules and the pair that they learn (steps 1 to 5).

    Args:
        content, style: squares (1, 3, S, S), RGB in [0, 1], S a multiple of 16.
    """

    def __init__(self, vgg: VGG, content: Tensor, style: Tensor, regions: Regions, params: DTPParams, generator: torch.Generator):
        self.params, self.regions, self.generator = params, regions, generator
        self.encoder, device = vgg.trainable(), content.device
        decoder = Decoder(vgg.width, params.decoder == "residual", generator)
        self.decoder = decoder.to(device, memory_format=torch.channels_last)
        pair = torch.cat([content, style])
        self.pair = ((pair - vgg.mean) / vgg.std).contiguous(memory_format=torch.channels_last)
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=params.learning_rate, fused=True, **ADAM)
        self.allowed = regions.allowed((content.shape[-2] // 4, content.shape[-1] // 4))
        self.last: Tensor | None = None  # the last answer's features

    def answer(self, feature: Tensor, image: Tensor) -> Tensor:
        """Equation 10, (1, 3, S, S) normalised, from warped features and picture (1, C or 3, S / 4, S / 4)."""
        p = self.params
        enlarged = F.interpolate(image, size=self.pair.shape[-2:], mode="bilinear")
        if not p.generation:
            return enlarged
        if not p.warped_feature:
            feature = torch.randn(feature.shape, generator=self.generator).to(feature)
        made = self.decoder(feature)
        return p.share * made + (1 - p.share) * enlarged if p.warped_image else made

    def step(self) -> tuple[Tensor, dict[str, Tensor]]:
        """One update; the answer before it, RGB (1, 3, S, S) clamped to [0, 1], and the losses."""
        weight = self.params.style_weight
        self.optimiser.zero_grad(set_to_none=True)
        with fast_arithmetic(self.pair.device):
            answer, losses = self.losses()
            total = weight * losses["style"] + (1 - weight) * losses["content"] + losses.get("cycle", 0)
        total.backward()
        self.optimiser.step()
        return self.rgb(answer), {name: loss.detach() for name, loss in losses.items()}

    def rgb(self, normalised: Tensor) -> Tensor:
        """A picture to look at."""
        return (normalised.detach().float() * self.encoder.std + self.encoder.mean).clamp(0, 1).contiguous()

    def losses(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Equations 6 to 16: the answer, and the losses by name."""
        p, size = self.params, [side // 4 for side in self.pair.shape[-2:]]
        found = self.encoder.onward(self.pair, None, STYLE)
        ours, theirs = ({name: maps[k : k + 1] for name, maps in found.items()} for k in (0, 1))
        query = ours[MATCHED]
        if p.moving_average and self.last is not None:
            query = p.momentum * query + (1 - p.momentum) * self.last
        weights = affinity(query, theirs[MATCHED], p)
        if self.allowed is not None:
            weights = (weights + SMALLEST) * self.allowed  # where the allowed are so unlike that nothing is left, their mean
        self.weights = weights.detach()
        small = F.adaptive_avg_pool2d(self.pair, size)
        values = [torch.cat([rows(f[MATCHED]), rows(small[k : k + 1])], 1) for k, f in enumerate((ours, theirs))]
        there = warp(weights, values[1])
        feature, image = (as_map(part, query) for part in (there[:, :-3], there[:, -3:]))
        self.warped = self.rgb(image)
        answer = self.answer(feature, image)
        made = self.encoder.onward(answer, None, STYLE)
        self.last = made[MATCHED].detach()
        losses = {"content": answer.new_zeros(()), "style": answer.new_zeros(())}
        for name, weight in STYLE.items():
            index, patch = self.drawn(made[name]), 1 if name == "conv5_4" else 3
            mine, their = (picked(maps[name], index, patch) for maps in (made, theirs))
            if name in CONTENT:
                original = picked(ours[name], index, 1)[:, 0]
                losses["content"] = losses["content"] + CONTENT[name] * info_nce(mine[:, patch * patch // 2], original, CONTRAST)
            difference = self.style_difference(mine.flatten(1), their.flatten(1), index, made[name].shape[-2:])
            losses["style"] = losses["style"] + weight * difference
        if p.cycle != "none":
            losses["cycle"] = self.cycle(weights, there, values, query)
        return answer, losses

    def drawn(self, features: Tensor) -> Tensor:
        """Positions to compare: all of a small layer, `samples` at random of a large one."""
        count = features.shape[-2] * features.shape[-1]
        if count <= self.params.samples:
            return torch.arange(count, device=features.device)
        return torch.randperm(count, generator=self.generator)[: self.params.samples].to(features.device)

    def style_difference(self, ours: Tensor, theirs: Tensor, index: Tensor, size: tuple[int, int]) -> Tensor:
        """Equation 14 in a layer, label by label where there are labels."""
        if not self.regions.shared:
            return nearest_cosine(ours, theirs)
        labels, other = (self.regions.at(k, size)[index] for k in (0, 1))
        total = ours.new_zeros(())
        for label in labels.unique():
            mine, their = labels == label, other == label
            total = total + mine.sum() * nearest_cosine(ours[mine], theirs[their] if their.any() else theirs)
        return total / len(labels)

    def cycle(self, weights: Tensor, there: Tensor, values: list[Tensor], like: Tensor) -> Tensor:
        """Equations 15 and 16: the reference warped to the photo and back, and the photo the other way round."""
        back, away = warp(weights.T, torch.cat([there, values[0]], 1)).split([there.shape[1], values[0].shape[1]], 1)
        if self.allowed is not None:  # a place of the reference that nothing may take from has nothing to get back
            back = torch.where(self.allowed.any(0)[:, None], back, values[1])
        returned = (warp(weights, away), back)
        if self.params.cycle == "features":
            pairs = [(a[:, :-3].float(), b[:, :-3].float()) for a, b in zip(returned, values, strict=True)]
            return sum((a - b).square().mean() / b.square().mean().clamp(min=1e-12) for a, b in pairs)
        made = [self.answer(as_map(vectors[:, :-3], like), as_map(vectors[:, -3:], like)) for vectors in returned]
        return sum(F.mse_loss(picture.float(), self.pair[k : k + 1]) for k, picture in enumerate(made))

    def matches(self) -> tuple[Tensor, Tensor]:
        """The best match of every place, relative places (1, 2, S / 4, S / 4): photo to reference, and back."""
        height, width = (side // 4 for side in self.pair.shape[-2:])
        found = [self.weights.argmax(axis).view(1, height, width) for axis in (1, 0)]
        return tuple(relative(torch.stack([f % width, f // width], 1), (height, width)) for f in found)


def coarse(image: Tensor) -> Tensor:
    """Means of overlapping squares of `COARSE` pixels."""
    half = COARSE // 2
    return F.avg_pool2d(F.pad(image, (half,) * 4, mode="replicate"), COARSE, stride=half)


def trust(photo: Tensor) -> Tensor:
    """How far the answer's coarse colours can be believed, in (0, 1]: little where the photo has an edge nearby.

    There they are a mixture of both sides and would spread as a halo.
    """
    light = coarse(torch.cat([photo, photo.square()], 1))
    variance = (light[:, 3:] - light[:, :3].square()).mean(1, keepdim=True).clamp(min=0)
    nearby = F.max_pool2d(F.pad(variance, (REACH,) * 4, mode="replicate"), 2 * REACH + 1, stride=1)
    return 1 / (1 + nearby / EDGE**2)


def small(picture: Tensor, params: DTPParams) -> Tensor:
    """As large as step 6 and previews have it."""
    return resize(picture, max(min(FIT_SIDE, params.size), least_side(picture)))


class FullResolution:
    """Step 6: a grid of affine colour transforms, fitted on a small photo, for the photo at any size.

    It begins as the global transfer of mean and covariance: from the identity, strong changes of light ended in haze. With labels
    there is no such thing as a global transfer, and it does begin as the identity.

    Args:
        content, style: RGB in [0, 1]. answer: of the training, (1, 3, S, S).
    """

    def __init__(self, vgg: VGG, content: Tensor, style: Tensor, answer: Tensor, regions: Regions, params: DTPParams):
        self.vgg, self.regions, self.params = vgg, regions, params
        self.photo, self.style = (small(x, params) for x in (content, style))
        self.areas = regions.areas(self.photo, self.style)
        start = torch.eye(3).to(content), torch.zeros(3, 1).to(content)
        if not regions.shared:
            start = moment_transform(self.photo, self.style)
        self.where, self.grid = places(self.photo), constant_grid(self.photo, CELLS, LEVELS, *start)
        self.answer = coarse(F.interpolate(answer, self.photo.shape[-2:], mode="bilinear"))
        self.trust = trust(self.photo)
        with torch.no_grad():
            self.wanted = self.statistics(self.style, 1)

    def statistics(self, image: Tensor, k: int) -> tuple[list[Tensor], list[Tensor]]:
        """Gram matrices, label by label: the extractor's layers, and colours fine and coarse; `k`: 0 photo, 1 reference."""
        with fast_arithmetic(image.device):
            layers = [f.float() for f in self.vgg(image, STATISTICS).values()]
        plain = torch.cat([image, torch.ones_like(image[:, :1])], 1)  # with a 1, so that the mean is in the matrix too
        return tuple(
            [
                gram(f, None if share[k] is None else F.adaptive_avg_pool2d(share[k], f.shape[-2:]))
                for f in maps
                for share in self.areas
            ]
            for maps in (layers, [plain, F.avg_pool2d(plain, COARSE)])
        )

    def objective(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """What is descended, and its part of the extractor's statistics."""
        raw = transformed(self.photo, grid, self.where)
        image = raw.clamp(0, 1)
        image = image + (raw - image) * 0.1  # a way back for what went out of range
        features, colours = (
            torch.stack([gram_difference(a, b) for a, b in zip(ours, theirs, strict=True)]).mean()
            for ours, theirs in zip(self.statistics(image, 0), self.wanted, strict=True)
        )
        weight = self.params.style_weight
        structure = STRUCTURE_WEIGHT * ((1 - weight) / weight) ** 0.5  # four times as much at 0.2 as at 0.8
        terms = (
            features,
            COLOUR_WEIGHT * colours,
            ANSWER_WEIGHT * (self.trust * (coarse(raw) - self.answer).square()).mean(),
            structure * (1 - ssim(image, self.photo)),
            roughness(grid, PLACE_ROUGHNESS, BRIGHTNESS_ROUGHNESS),
            RANGE_WEIGHT * (raw - image).square().mean(),
        )
        return sum(terms), features

    def fit(self) -> Iterator[tuple[Tensor, Tensor]]:
        """After each update the small photo transformed, and the difference of statistics before it."""
        grid = self.grid.requires_grad_()
        optimiser, steps = torch.optim.Adam([grid], lr=FIT_RATE), self.params.fit_steps
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, FIT_RATE / 10)
        for _ in range(steps):
            optimiser.zero_grad(set_to_none=True)
            total, statistics = self.objective(grid)
            total.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                image = transformed(self.photo, grid, self.where).clamp(0, 1)
            yield image, statistics.detach()

    @torch.no_grad()
    def __call__(self, content: Tensor) -> Tensor:
        """The photo at its own size, transformed; what the mask keeps is untouched."""
        return self.regions.over(content, transformed(content, self.grid, places(content)).clamp(0, 1))


def marked(picture: Tensor, points: Tensor) -> Tensor:
    """`picture` (1, 3, H, W) with a coloured disc, ringed in white, at each of the relative `points` (N, 2) of x and y."""
    height, width = picture.shape[-2:]
    y, x = torch.meshgrid(*(torch.arange(side, device=picture.device) for side in (height, width)), indexing="ij")
    picture, radius = picture.clone(), max(height, width) / 45
    for n, (px, py) in enumerate(points.tolist()):
        away = ((x - px * width).square() + (y - py * height).square()).sqrt()
        colour = picture.new_tensor(colorsys.hsv_to_rgb(n / len(points), 1, 1)).view(3, 1)
        picture[0, :, away <= radius + 1.5] = 1.0
        picture[0, :, away <= radius] = colour
    return picture


def matched_points(content: Tensor, style: Tensor, fields: list[Tensor]) -> Tensor:
    """Figure 3: query points on the photo, and on the reference where each of `fields` has them."""
    x, y = torch.meshgrid(*((torch.arange(n) + 0.5) / n for n in POINTS), indexing="xy")
    queries = torch.stack([x.flatten(), y.flatten()], 1)
    panels = [marked(content, queries)]
    for field in fields:
        height, width = field.shape[-2:]
        panels.append(marked(style, field[0][:, (queries[:, 1] * height).long(), (queries[:, 0] * width).long()].T))
    return in_a_row(panels).clamp(0, 1)


def run(
    vgg: VGG,
    content: Tensor,
    style: Tensor,
    params: DTPParams,
    *,
    content_mask: Tensor | None = None,
    style_mask: Tensor | None = None,
) -> Iterator[Step]:
    """Give `content` (1, 3, H, W) the light and colour of `style` (1, 3, H', W'), both RGB in [0, 1]; masks: see `Regions`."""
    generator = torch.Generator().manual_seed(params.seed)
    regions = Regions(content_mask, style_mask)
    side = params.square // 16 * 16
    square = [F.interpolate(x, (side, side), mode="bilinear", antialias=True) for x in (content, style)]
    training = Training(vgg, *square, regions, params, generator)
    copy = small(content, params)
    n, fields, evolution = params.training_steps + params.fit_steps, [], []
    seen = {round(1 + k * (params.training_steps - 1) / (EVOLUTION - 1)) for k in range(EVOLUTION)}
    for i in range(1, params.training_steps + 1):
        answer, losses = training.step()
        preview = F.interpolate(answer, copy.shape[-2:], mode="bilinear")
        if i in seen:
            evolution.append(preview)
        if i in (1, (params.training_steps + 1) // 2, params.training_steps):
            fields.append(training.matches())
        yield Step(i, n, "training", preview, losses)
    full = FullResolution(vgg, content, style, answer, regions, params)
    for i, (preview, statistics) in enumerate(full.fit(), params.training_steps + 1):
        if i < n:
            yield Step(i, n, "full resolution", preview, {"statistics": statistics})
    photo = resize(content, params.size)
    extras = {
        "global_colour": match_moments(photo, style).clamp(0, 1),  # what one could have at once, to compare with
        "square": F.interpolate(answer, photo.shape[-2:], mode="bilinear"),
        "warped": F.interpolate(training.warped, photo.shape[-2:], mode="bilinear"),
        "matches": matched_points(full.photo, full.style, [there for there, _ in fields]),
        "evolution": in_a_row(evolution),
    }
    last = dict(zip(("a_to_b", "b_to_a"), fields[-1], strict=True))
    yield Step(n, n, "full resolution", full(photo), {"statistics": statistics}, extras, last)


def load(device: torch.device, family: str) -> VGG:
    """The extractor: VGG-19 (`full`) or the compact network."""
    return load_extractor("vgg19", family, device).padded("replicate")


BORROWED = {"temperature": 0.01, "centring": "over channels", "decoder": "residual", "cycle": "pictures"}
OFFICIAL = BORROWED | {"patch": "3x3", "samples": 2048}
METHOD = Method(
    name="dtp",
    title="Deep Translation Prior",
    paper="Kim, Kim & Kim, Deep Translation Prior: Test-time Training for Photorealistic Style Transfer, 2022",
    url="https://arxiv.org/abs/2112.06150",
    summary="Gives a photo the light and colour of another photo and leaves it a photo: two networks learn on this one pair "
    "which place takes after which, and the photo follows at full resolution.",
    params=DTPParams,
    presets={
        "paper": {},
        "official": OFFICIAL,
        "fast": BORROWED | {"square": 192, "training_steps": 100},
    },
    load=load,
    run=run,
    full=("vgg19",),
    inputs=(
        Input(
            "content_mask",
            "Content mask",
            "mask",
            "What of the photo may change; with both masks, areas of one colour take from each other.",
            "content",
        ),
        Input(
            "style_mask",
            "Style mask",
            "mask",
            "What of the reference may be used; with both masks, areas of one colour take from each other.",
            "style",
        ),
    ),
    sheets=("matches", "evolution"),
    views=("match map",),
)
