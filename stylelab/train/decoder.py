"""Train NNST's decoders: hypercolumns to pictures, one network for each of four scales.

    python -m stylelab.train.decoder DATA              all four, one after the other; run it again to resume from runs/decoder/
    python -m stylelab.train.decoder DATA --scale 256  only that one; what ships is written once all four are there
    python -m stylelab.train.decoder --export          write them as they are

DATA is a folder with ``photos-256/*.zip`` and ``styles-256/*.zip``, JPEGs inside. Every step draws crops of photographs and of
paintings and minimises (NNST 3.3.2):

- reconstruction: the bands of a painting decoded from its own hypercolumns, L1 (equation 4);
- cycle: a photograph's hypercolumns replaced by the painting's, decoded; the result's hypercolumns shall be those (5);
- adversarial, in the last part of the run: patches of the result beside patches of the painting (6), see `Critic`.

What is ours:
- Splitting: the result's layers, each by itself, shall be near those of the painting that are nearest to them. It is what the
  last stage of NNST-Opt minimises. Means of several vectors that satisfy the cycle, the paper's "washed out" places, do not.
- Statistics: the result's Gram matrices shall be those of its targets (`statistics_loss`).
- Grid: no pattern of the hypercolumns' cells (`grid_loss`).
- A part of the batch is not photographs but results of the step before, whose targets are matched layer by layer: what
  the decoder is given when it is fed with its own results (3.2).
- Crops instead of whole pictures. Paintings are turned by a random right angle, as the matches of a job are.
- `compact`: narrower branches behind a neck (`nets.decoder`); the finest scale is trained first and each other
  starts from the one before; hidden convolutions are updated by Muon. `paper` has the paper's widths, and its Adam (`ADAM`)
  for all parameters.
- In both recipes, `paper` too: the losses, the batches and the crops above; rates that rise over `WARM_UP` steps and fall to
  nothing as a cosine, gradients clipped to a norm of `CLIP`, and a running mean of the parameters (`AVERAGE`) as what ships.
  The paper has none of these, and plain Adam at a constant rate.

Every few minutes `RUN/SCALE/last.pt`, a sheet of pictures kept aside and a line of `RUN/SCALE/log.csv` are written.
Unless `--run` says otherwise, every recipe and family of weights has a RUN of its own.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .. import metrics, weights
from ..features import VGG, load_extractor
from ..hypercolumns import LAYERS, hypercolumns, layer_maps, quarter
from ..images import resize, to_pil
from ..nets.decoder import FACTORS, SCALES, WIDTHS, Decoder
from ..nets.pggan import LEAK, Equalised
from ..precision import fast_arithmetic
from ..pyramid import collapse, decompose
from . import RUNS, Progress, at_a_side, load_checkpoint, save_checkpoint
from .muon import Muon
from .pictures import PREFIXES, between, held_out, random_crop, read_pack, sheet, unit

BANDS = 4  # 3.3.1
ADAM = dict(lr=2e-3, betas=(0.0, 0.99))  # 3.3.2
MUON_RATE, MUON_MOMENTUM = 0.01, 0.95
REST = dict(lr=1e-3, betas=(0.9, 0.99))  # beside Muon: last layers, residuals, biases
AGAIN = 0.25  # of the rates for a scale that starts from another one's decoder
WARM_UP, CLIP = 50, 2.0  # steps; norm of the gradient
AVERAGE = 0.998  # of the parameters, for what ships
ENLARGED = 1.25  # most that a picture is enlarged for a scale above its own size
ZOOM = 0.75  # crops come from pictures between this and 1 times the scale's long side
REFED = 0.75  # part of the batch that are results of the step before
EMPTY = 5.0  # of 255: mean deviation of a crop's colours below which there is nothing to learn from it
SPLITTING, STATISTICS, GRID = 2.0, 1.0, 5.0  # weights
CELLS = 6  # of the means in `grid_loss`
REFERENCES = 4  # patches of the painting beside each judged one
PART = 8  # how many times smaller than the scale a patch is (equation 6)
LAZY, PENALTY = 16, 1.0  # steps from one R1 penalty to the next (StyleGAN2), its weight
SHIPPED = Path(__file__).parents[2] / "weights" / "nnst-decoder.safetensors"


@dataclass(frozen=True)
class Recipe:
    """What is trained, and how long.

    `steps` are in the order of training. `critic`: channels at 4, 8, ... px. `adversarial`: weight of equation 6, from the part
    `begin` of the steps on.
    """

    widths: tuple[int, int, int, int]
    neck: int
    crop: int  # px, at most half of the scale
    batch: int  # at that crop; as many more as a smaller one leaves room for, up to `largest`
    largest: int
    steps: Mapping[int, int]
    chained: bool  # each starts from the one before
    muon: bool
    critic: tuple[int, ...]
    adversarial: float
    begin: float

    def side(self, scale: int) -> int:
        """Of the crops, px."""
        return min(self.crop, scale // 2)

    def count(self, scale: int) -> int:
        """Of the crops."""
        return min(int(self.batch * (self.crop / self.side(scale)) ** 2), self.largest)


RECIPES = {
    "compact": Recipe(
        (112, 48, 32, 16), 128, 96, 4, 32, {512: 5000, 256: 1000, 128: 500, 64: 400}, True, True, (96, 96, 64, 32, 16), 0.1, 0.8
    ),
    # 3.3.2: three epochs of MS-COCO at batch 4, for each scale
    "paper": Recipe(WIDTHS, 0, 256, 4, 4, dict.fromkeys(SCALES, 88_000), False, False, (512, 512, 256, 128, 64), 1.0, 0.0),
}


# ---- pictures


@dataclass
class Data:
    """uint8 (3, H, W)."""

    photos: list[Tensor]
    styles: list[Tensor]
    test_photos: list[Tensor]
    test_styles: list[Tensor]

    @classmethod
    def read(cls, folder: Path) -> Data:
        """From the packs."""
        parts: list[list[Tensor]] = []
        for pack, prefixes in (("photos-256", PREFIXES), ("styles-256", ("",))):
            kept: tuple[list[Tensor], list[Tensor]] = [], []
            for name, picture in read_pack(folder / pack, prefixes):
                kept[held_out(name)].append(picture)
            parts.append(kept)
        (photos, test_photos), (styles, test_styles) = parts
        return cls(photos, styles, test_photos, test_styles)


def crop_at(picture: Tensor, scale: int, side: int, generator: torch.Generator) -> Tensor:
    """(1, 3, side, side) in [0, 1]: a crop of the picture as it would be at long side `scale`, or somewhat smaller."""
    long = max(picture.shape[-2:])
    wanted = min(scale * between(ZOOM, 1.0, generator), long * ENLARGED)
    width = max(1, min(round(side * long / wanted), *picture.shape[-2:]))
    for _ in range(10):
        y, x = (int(between(0, room - width + 0.999, generator)) for room in picture.shape[-2:])
        part = picture[:, y : y + width, x : x + width]
        if part[:, ::4, ::4].float().std((1, 2)).mean() >= EMPTY:
            break
    crop = unit(random_crop(part, width, generator))
    return crop if width == side else F.interpolate(crop, (side, side), mode="bilinear", antialias=True)


# ---- matching, for a batch of pairs at once


def centred(maps: Tensor) -> Tensor:
    """Features (N, C, H, W) as vectors (N, H * W, C) of length 1, after their mean over places was subtracted."""
    vectors = maps.flatten(2).transpose(1, 2)
    return F.normalize(vectors - vectors.mean(1, keepdim=True), dim=2)


@torch.no_grad()
def matches(queries: Tensor, keys: Tensor) -> Tensor:
    """For vectors (N, M, C) of length 1 the indices (N, M) of the most similar among (N, K, C)."""
    with fast_arithmetic(queries.device):
        return (queries @ keys.transpose(1, 2)).max(2).indices  # argmax takes five times as long in bf16


def taken(maps: Tensor, index: Tensor, like: Tensor) -> Tensor:
    """Vectors of (N, C, h, w) at places (N, H * W) as a map of the height and width of `like`."""
    found = maps.flatten(2).gather(2, index[:, None].expand(-1, maps.shape[1], -1))
    return found.unflatten(2, like.shape[-2:])


def rearranged(content: Tensor, style: Tensor) -> Tensor:
    """Equation 1 for hypercolumns (N, C, H, W) and (N, C, h, w)."""
    return taken(style, matches(centred(content), centred(style)), content)


def split(content: Mapping[str, Tensor], style: Mapping[str, Tensor], size: tuple[int, int]) -> Tensor:
    """Hypercolumns (N, C, *size) whose layers are matched each by itself; `content` and `style` are `layer_maps`."""
    return hypercolumns({name: rearranged(maps, style[name]) for name, maps in content.items()}, size)


def cosine_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Equation 5: mean over the places of (N, C, H, W)."""
    return 1 - F.cosine_similarity(ours, theirs, dim=1).mean()


def splitting_loss(made: Mapping[str, Tensor], style: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Mean over layers of the mean centred cosine distance to each vector's nearest of the style's.

    Layers finer than a quarter of the picture are compared on grids of that size, shifted at random: hypercolumns see some of
    their places only, always the same, and what decoders put between these shows as a pattern.
    """
    total, smallest = 0, made["conv3_1"].shape[-1]

    def grid(maps: Tensor) -> Tensor:
        stride = max(1, maps.shape[-1] // smallest)
        y, x = torch.randint(stride, (2,), generator=generator).tolist()
        return centred(maps[..., y::stride, x::stride].float())

    for name, maps in made.items():
        ours, theirs = grid(maps), grid(style[name])
        index = matches(ours.detach(), theirs)
        found = theirs.gather(1, index[..., None].expand(-1, -1, theirs.shape[2]))
        total = total + 1 - (ours * found).sum(2).mean()
    return total / len(made)


def statistics_loss(ours: Tensor, theirs: Tensor, channels: Sequence[int]) -> Tensor:
    """Mean over pairs and layers of the relative difference of Gram matrices of hypercolumns (N, C, H, W), whose layers have so
    many channels. A cosine sees no lengths: without this, contrast grows whenever a result is fed in again.
    """
    total = 0
    for a, b in zip(ours.flatten(2).split(channels, 1), theirs.flatten(2).split(channels, 1), strict=True):
        (a, b) = (x @ x.transpose(1, 2) / x.shape[2] for x in (a, b))
        size = (a.flatten(1).norm(dim=1) * b.flatten(1).norm(dim=1)).sqrt()
        total = total + ((a - b).flatten(1).norm(dim=1) / size.clamp(min=1e-12)).mean()
    return total / len(channels)


def grid_loss(bands: Sequence[Tensor]) -> Tensor:
    """How far each of the places in a hypercolumn's cell of 4 x 4 pixels is from 0 in the finest band, and each of 2 x 2 in the
    next, as a mean over `CELLS` x `CELLS` cells: pictures know nothing of that grid, and layers that pool hardly see it.
    """
    total = 0
    for band, factor in zip(bands[:2], FACTORS[:2], strict=True):
        places = F.pixel_unshuffle(band, factor)
        cells = min(CELLS, *places.shape[-2:])
        total = total + F.avg_pool2d(places, cells, max(1, cells // 2)).abs().mean()
    return total


# ---- the critic


class Critic(nn.Module):
    """Whether a patch is of the same painting as `REFERENCES` others (Park et al. 2020, "Swapping autoencoder", 3.2).

    Theirs has StyleGAN2's residual blocks; these are PGGAN's, learning at equalised rates, as in `train.gan`.

    Args:
        widths: channels at 4, 8, ... px. side: of the patches, 8, 16, ... px.
    """

    def __init__(self, widths: Sequence[int], side: int):
        super().__init__()
        widths = widths[: side.bit_length() - 2]
        self.rgb = Equalised((widths[-1], 3, 1, 1))
        pairs = list(pairwise(widths))[::-1]
        self.blocks = nn.ModuleList(
            nn.ModuleList([Equalised((high, high, 3, 3)), Equalised((low, high, 3, 3))]) for low, high in pairs
        )
        self.code = Equalised((widths[0], 16 * widths[0]))
        self.joined = Equalised((widths[0], 2 * widths[0]))
        self.out = Equalised((1, widths[0]), gain=1.0)

    def encode(self, patches: Tensor) -> Tensor:
        """(N, 3, side, side) in [0, 1] to (N, code)."""
        x = F.leaky_relu(self.rgb(patches * 2 - 1), LEAK)
        for first, second in self.blocks:
            x = F.avg_pool2d(F.leaky_relu(second(F.leaky_relu(first(x), LEAK)), LEAK), 2)
        return F.leaky_relu(self.code(x.flatten(1)), LEAK)

    def forward(self, patches: Tensor, references: Tensor) -> Tensor:
        """(N, 1): above 0 for the same painting's. References (N * `REFERENCES`, 3, side, side)."""
        known = self.encode(references).unflatten(0, (-1, REFERENCES)).mean(1)
        x = torch.cat([self.encode(patches), known], 1)
        return self.out(F.leaky_relu(self.joined(x), LEAK)).float()


def patches(pictures: Tensor, side: int, each: int, generator: torch.Generator) -> Tensor:
    """(N * each, 3, side, side): random parts of (N, 3, H, W)."""
    room = pictures.shape[-1] - side + 1
    places = torch.randint(room, (len(pictures), each, 2), generator=generator).tolist()
    cut = [p[:, y : y + side, x : x + side] for p, at in zip(pictures, places, strict=True) for y, x in at]
    return torch.stack(cut).contiguous(memory_format=torch.channels_last)


# ---- training


class Trainer:
    """One step after another at one scale, the same ones whether or not the run was interrupted."""

    def __init__(
        self, scale: int, recipe: Recipe, vgg: VGG, data: Data, start: Mapping[str, Tensor] | None = None, seed: int = 0
    ):
        """`start`: parameters of another scale's decoder to go on from."""
        self.scale, self.recipe, self.vgg, self.data, self.seed = scale, recipe, vgg, data, seed
        self.device = next(vgg.buffers()).device
        self.side, self.count, self.steps = recipe.side(scale), recipe.count(scale), recipe.steps[scale]
        torch.manual_seed(seed)
        self.network = Decoder(sum(vgg.channels(name) for name in LAYERS), recipe.widths, recipe.neck)
        self.critic = Critic(recipe.critic, scale // PART)
        if start is None:
            self.standardise()
        else:
            self.network.load_state_dict(start)
        for network in (self.network, self.critic):
            network.to(self.device, memory_format=torch.channels_last).train()
        hidden = [layer.weight for branch in self.network.branches for layer in branch.convolutions[:-1]]
        hidden += [self.network.neck.weight] if self.network.neck is not None else []
        known = {id(weight) for weight in hidden}
        others = [value for value in self.network.parameters() if id(value) not in known]
        if recipe.muon:
            self.optimisers = [
                Muon(hidden, MUON_RATE, MUON_MOMENTUM, free=True),
                torch.optim.Adam(others, **REST, fused=True),
            ]
        else:
            self.optimisers = [torch.optim.Adam(self.network.parameters(), **ADAM, fused=True)]
        share = 1.0 if start is None else AGAIN
        self.rates = [share * optimiser.param_groups[0]["lr"] for optimiser in self.optimisers]
        self.optimisers.append(torch.optim.Adam(self.critic.parameters(), **ADAM, fused=True))
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.last: tuple[Tensor, Tensor] | None = None  # results and paintings of the step before
        self.step = 0

    @torch.no_grad()
    def standardise(self) -> None:
        """Means and deviations of hypercolumns' channels, over paintings' crops."""
        generator = torch.Generator().manual_seed(self.seed)
        columns = self.columns(self.features(self.crops(self.data.styles, 64, generator)))
        deviation, mean = torch.std_mean(columns, (0, 2, 3))
        self.network.mean.copy_(mean)
        self.network.deviation.copy_(deviation)

    def state(self) -> dict:
        """For the checkpoint."""
        parts = {"network": self.network.state_dict(), "critic": self.critic.state_dict()}
        parts["optimisers"] = [optimiser.state_dict() for optimiser in self.optimisers]
        return parts | {"average": self.average, "last": self.last, "step": self.step}

    def restore(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        self.critic.load_state_dict(state["critic"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.average, self.last, self.step = state["average"], state["last"], state["step"]

    def averaged(self) -> Decoder:
        """The network with averaged parameters."""
        return Decoder.from_tensors(self.average).to(self.device, memory_format=torch.channels_last)

    def crops(self, pictures: list[Tensor], n: int, generator: torch.Generator) -> Tensor:
        """(n, 3, side, side) in [0, 1]."""
        index = torch.randint(len(pictures), (n,), generator=generator).tolist()
        cut = torch.cat([crop_at(pictures[i], self.scale, self.side, generator) for i in index])
        return cut.to(self.device).contiguous(memory_format=torch.channels_last)

    def features(self, pictures: Tensor) -> dict[str, Tensor]:
        """Activations of `LAYERS`."""
        with fast_arithmetic(self.device):
            return self.vgg(pictures, LAYERS)

    def columns(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Their hypercolumns."""
        return hypercolumns(maps, (self.side // 4, self.side // 4))

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor], int]:
        """Paintings (N, 3, S, S), targets (N, C, S / 4, S / 4), the paintings' `features`, and how many come a second time."""
        n = self.count
        contents, styles = (self.crops(pictures, n, generator) for pictures in (self.data.photos, self.data.styles))
        refed = 0 if self.last is None else int(n * REFED)
        if refed:
            again = torch.randperm(n, generator=generator)[:refed].to(self.device)
            contents, styles = (
                torch.cat([old[again], new[refed:]]) for old, new in zip(self.last, (contents, styles), strict=True)
            )
        with torch.no_grad():
            ours, theirs = self.features(contents), self.features(styles)
            columns = self.columns(theirs)
            fresh = rearranged(self.columns({name: maps[refed:] for name, maps in ours.items()}), columns[refed:])
            parts = [fresh]
            if refed:
                size = columns.shape[-2:]
                first = [layer_maps({k: maps[:refed] for k, maps in features.items()}, size) for features in (ours, theirs)]
                parts.insert(0, split(*first, size))
        return styles, torch.cat(parts), theirs, refed

    def advance(self) -> dict[str, float]:
        """One update. The rates rise over `WARM_UP` steps and fall to nothing as a cosine does."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_000 * self.scale + self.step)
        rate = min((self.step + 1) / WARM_UP, 1) * (math.cos(self.step / self.steps * math.pi) * 0.5 + 0.5)
        for optimiser, full in zip(self.optimisers, self.rates, strict=False):
            optimiser.param_groups[0]["lr"] = full * rate
        styles, targets, theirs, refed = self.batch(generator)
        own = self.columns({name: maps[refed:] for name, maps in theirs.items()})
        with fast_arithmetic(self.device):
            bands = self.network.bands(torch.cat([own, targets]))
        again, made = zip(*(band.split([len(own), len(targets)]) for band in bands), strict=True)
        results, wanted = collapse(list(made)), decompose(styles[refed:], BANDS)
        found = self.features(results)
        columns = self.columns(found)
        losses = {
            "reconstruction": sum((a - b).abs().sum(1).mean() for a, b in zip(again, wanted, strict=True)),
            "cycle": cosine_distance(columns, targets),
            "splitting": splitting_loss(found, theirs, generator),
            "statistics": statistics_loss(columns, targets, [self.vgg.channels(name) for name in LAYERS]),
            "grid": grid_loss(made),
        }
        total = losses["reconstruction"] + losses["cycle"] + SPLITTING * losses["splitting"] + STATISTICS * losses["statistics"]
        total = total + GRID * losses["grid"]
        if self.recipe.adversarial and self.step >= self.recipe.begin * self.steps:
            losses |= self.learn(styles, results.detach(), generator)
            self.critic.requires_grad_(False)
            with fast_arithmetic(self.device):
                answer = self.critic(*self.judged(results, styles, generator))
            self.critic.requires_grad_(True)
            losses["adversarial"] = F.softplus(-answer).mean()
            total = total + self.recipe.adversarial * losses["adversarial"]
        self.network.zero_grad(set_to_none=True)
        total.backward()
        losses["gradient"] = torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        for optimiser in self.optimisers[:-1]:
            optimiser.step()
        self.last = results.detach().clamp(0, 1), styles
        self.step += 1
        share = min(AVERAGE, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.network.state_dict().values()), 1 - share)
        return {name: value.item() for name, value in losses.items()}

    def judged(self, pictures: Tensor, styles: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A patch of each picture, and the patches of its painting beside it."""
        side = self.scale // PART
        return patches(pictures, side, 1, generator), patches(styles, side, REFERENCES, generator)

    def learn(self, styles: Tensor, results: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """One update of the critic, non-saturating loss (Goodfellow et al. 2014), R1 at every `LAZY`th step."""
        real, references = self.judged(styles, styles, generator)
        made, others = self.judged(results, styles, generator)
        with fast_arithmetic(self.device):
            answers = self.critic(torch.cat([real, made]), torch.cat([references, others])).chunk(2)
        loss = F.softplus(-answers[0]).mean() + F.softplus(answers[1]).mean()
        self.optimisers[-1].zero_grad(set_to_none=True)
        loss.backward()
        if self.step % LAZY == 0:
            real.requires_grad_(True)
            (slope,) = torch.autograd.grad(self.critic(real, references).sum(), real, create_graph=True)
            (slope.square().sum((1, 2, 3)).mean() * (0.5 * LAZY * PENALTY)).backward()
        self.optimisers[-1].step()
        right = ((answers[0] > 0).float().mean() + (answers[1] < 0).float().mean()) / 2
        return {"critic": loss.detach(), "right": right}


class Watch:
    """Sheets and figures of pairs kept aside: reconstruction, the first decoding, and three times fed with its own result."""

    def __init__(self, trainer: Trainer, run: Path, pairs: int = 6):
        self.trainer, self.run = trainer, run
        data, side = trainer.data, min(trainer.scale, 256)  # the packs have no larger pictures

        def prepared(pictures: list[Tensor], stride: int) -> list[Tensor]:
            chosen = [unit(pictures[(3 + i * stride) % len(pictures)]) for i in range(pairs)]
            small = [resize(picture, side) for picture in chosen]
            return [p[..., : p.shape[-2] // 8 * 8, : p.shape[-1] // 8 * 8].to(trainer.device) for p in small]

        self.contents, self.styles = prepared(data.test_photos, 7), prepared(data.test_styles, 11)
        run.mkdir(parents=True, exist_ok=True)

    @torch.no_grad()
    def look(self) -> dict[str, float]:
        """Write the sheet; means of the figures."""
        network, rows, figures = self.trainer.averaged(), [], []

        def maps(picture: Tensor) -> tuple[dict[str, Tensor], Tensor]:
            found = self.trainer.features(picture.contiguous(memory_format=torch.channels_last))
            return layer_maps(found, quarter(picture)), hypercolumns(found, quarter(picture))

        def decoded(target: Tensor) -> Tensor:
            with fast_arithmetic(self.trainer.device):
                return network(target).clamp(0, 1)

        for content, style in zip(self.contents, self.styles, strict=True):
            theirs, columns = maps(style)
            again = decoded(columns)
            results = [decoded(rearranged(maps(content)[1], columns))]
            for _ in range(3):
                ours = maps(results[-1])[0]
                results.append(decoded(split(ours, theirs, quarter(content))))
            figures.append(
                metrics.compare(results[-1], content, style) | {"psnr": -10 * (again - style).square().mean().log10().item()}
            )
            rows.append([to_pil(picture) for picture in (content, style, again, results[0], results[1], results[-1])])
        sheet(rows, 256).save(self.run / f"sheet_{self.trainer.step:06d}.png")
        return {name: sum(f[name] for f in figures) / len(figures) for name in figures[0]}


LOSSES = ("reconstruction", "cycle", "splitting", "statistics", "grid", "adversarial", "critic", "right", "gradient")
COLUMNS = ("step", *LOSSES, "seconds")
FIGURES = ("style_distance", "structure_change", "ssim", "psnr")


def train(trainer: Trainer, run: Path, minutes: float = 4.0) -> None:
    """Train from nothing, or on from ``run/last.pt``, to the end of the recipe's steps."""
    if state := load_checkpoint(run / "last.pt", trainer.device):
        trainer.restore(state)
    if trainer.step >= trainer.steps:
        return
    watch, table = Watch(trainer, run), run / "log.csv"
    if not table.is_file():
        table.write_text(",".join((*COLUMNS, *FIGURES)) + "\n")
    progress, looked, sums = Progress(trainer.steps, trainer.step, 30.0), time.monotonic(), {}
    while trainer.step < trainer.steps:
        losses = trainer.advance()
        for name, value in losses.items():
            sums.setdefault(name, []).append(value)
        progress(trainer.step, **losses)
        if time.monotonic() - looked > 60 * minutes or trainer.step == trainer.steps:
            save_checkpoint(run / "last.pt", trainer.state())
            means = {name: sum(values) / len(values) for name, values in sums.items()}
            line = {"step": trainer.step} | means | {"seconds": time.monotonic() - looked} | watch.look()
            with table.open("a") as file:
                csv.writer(file).writerow([f"{line[name]:.6g}" if name in line else "" for name in (*COLUMNS, *FIGURES)])
            print(f"{trainer.scale} px: " + ", ".join(f"{name} {value:.4g}" for name, value in line.items()), flush=True)
            looked, sums = time.monotonic(), {}


def export(run: Path, scales: Iterable[int], path: Path) -> list[int]:
    """Write the averaged parameters of those scales that have a checkpoint as fp16 safetensors; which these are.

    Raises:
        SystemExit: none has.
    """
    tensors: dict[str, Tensor] = {}
    found = []
    for scale in sorted(scales):
        if state := load_checkpoint(run / str(scale) / "last.pt", torch.device("cpu")):
            found.append(scale)
            tensors |= {f"{scale}.{name}": value.half().contiguous() for name, value in state["average"].items()}
    if not found:
        raise SystemExit(f"there is no checkpoint in {run}")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stylelab.train.decoder", description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, nargs="?", help="folder with photos-256 and styles-256")
    parser.add_argument("--recipe", choices=RECIPES, help="default: compact on a CPU, paper on a GPU")
    parser.add_argument("--scale", type=int, choices=SCALES, help="train only this one")
    parser.add_argument(
        "--steps", nargs="*", type=at_a_side(SCALES), default=[], metavar="PX=N", help="steps at a scale instead of the recipe's"
    )
    parser.add_argument("--weights", choices=("auto", "compact", "full"), default="auto", help="the extractor to decode")
    parser.add_argument("--out", type=Path, help=f"default: {SHIPPED.name} (full: -full) among the weights, with all scales")
    parser.add_argument(
        "--run", type=Path, help="folder for checkpoints, sheets and logs; default runs/decoder, or runs/decoder-RECIPE-WEIGHTS"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--export", action="store_true", help="write --out from the checkpoints as they are, and train nothing")
    parser.add_argument("--minutes", type=float, default=4.0, help="between two checkpoints")
    args = parser.parse_args()
    device = torch.device(args.device)
    name = args.recipe or ("compact" if device.type == "cpu" else "paper")
    recipe = replace(RECIPES[name], steps=dict(RECIPES[name].steps) | dict(args.steps))
    vgg = load_extractor("vgg16", args.weights, device)
    family = vgg.weights[0]["family"]
    run = args.run or RUNS / ("decoder" if name == family == "compact" else f"decoder-{name}-{family}")
    if not args.export:
        if args.data is None:
            parser.error("name the folder that holds photos-256 and styles-256")
        data, start = Data.read(args.data), None
        for scale in recipe.steps:
            if args.scale in (None, scale):
                trainer = Trainer(scale, recipe, vgg, data, start)
                train(trainer, run / str(scale), args.minutes)
            if recipe.chained and (state := load_checkpoint(run / str(scale) / "last.pt", device)):
                start = state["average"]
    missing = [str(scale) for scale in SCALES if not (run / str(scale) / "last.pt").is_file()]
    if args.out is None and missing:  # a part must never replace the four that ship
        said = (
            f"nothing is exported, as {run} has no checkpoint for {', '.join(missing)} px: train those, or name a file with --out"
        )
        if args.export:
            raise SystemExit(said)
        print(said)
        return
    out = args.out or (SHIPPED if family == "compact" else SHIPPED.with_stem(f"{SHIPPED.stem}-{family}"))
    found = export(run, recipe.steps, out)
    if args.out is None:
        weights.record("nnst-decoder", family, out)
    print(f"{out}: decoders for {', '.join(map(str, found))} px")


if __name__ == "__main__":
    main()
