"""Train the adjustable network on photographs and paintings: T and Λ together, for any style or for one.

    python -m stylelab.train.adjustable DATA                 any style; run it again to resume from runs/adjustable/
    python -m stylelab.train.adjustable DATA --style FILE    one style: the paper's model

DATA is a folder with ``photos-256/*.zip`` and ``styles-256/*.zip``, JPEGs inside. For each photograph's crop a style and three
weights α are drawn, and the loss is the content's plus α times the styles', each divided by its own running mean (equation 8).
Style statistics are computed once for every picture, so that a step runs the extractor on the crop and on the result only.

A style's loss at a layer is the squared difference of Gram matrices (equation 1), relative to the style's own, so that pale
and busy styles count alike, plus the same of the channels' means and deviations, which are learned sooner.

What it took to make the sliders do something (figure 7):
- α is uniform in [0, 1] for a third of the crops only; the others see corners and edges of the cube (`draw_alphas`).
- A style loss has a running mean for each quarter of the cube (`cells`): where the other sliders stand at 1 it is several times
  lower, and divided by a common mean it hardly counts there.
- Style weights are heavy until the network paints and lighter from `LIGHTER` on. With light ones from the start pictures stay shy
  at α = 1; with heavy ones to the end they are as stylised as they can be with two sliders up, and the third finds nothing left
  to do: its loss then fell by 10 to 15 %, where now it falls by 15 to 25.
- A style's loss counts α to the power of 1.2 (`POWER`; a departure), so that a slider's first fifth does less than its last.
- The statistics of conv1 (`COLOUR_LAYERS`) come along, mostly with conv2's slider and a little with all (`COLOUR_SHARE`; another
  departure). Without them a picture can have the style's statistics from conv2 on and still neither its colours nor its grain:
  optimised pixel by pixel, pictures with next to none of the losses left were no nearer to the style for another network than
  the photographs had been.
- The running means stand still towards the end (`SETTLED`). Divided by means that follow them, losses are minimised as their
  logarithms are, and that has no balance: whichever of content and style is ahead takes all.
- At α = 000, or in its own style, the result is also compared with the photograph itself (`PIXELS`): nothing else asks for its
  colours, and without them T takes thousands of steps to find out that bright is bright.

A run whose pictures are the same for all α stops with a message (`TRAP`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from .. import examples, metrics, weights
from ..features import VGG, load_extractor
from ..images import load_picture, resize, to_pil
from ..nets.adjustable import (
    BLOCKS,
    CODE_LAYERS,
    LAMBDA_DEPTH,
    LAMBDA_WIDTH,
    NAMED,
    STYLE_LAYERS,
    WIDTHS,
    Adjustable,
    raw_code,
)
from ..precision import fast_arithmetic
from . import RUNS, Progress, load_checkpoint, save_checkpoint
from .muon import Muon
from .pictures import PREFIXES, curves, held_out, random_crop, read_pack, sheet, unit

CONTENT_LAYER = "conv3_4"  # 5.1
COLOUR_LAYERS = ("conv1_1", "conv1_2")  # their statistics come with every slider; see the module's docstring
LOSS_LAYERS = (*COLOUR_LAYERS, *STYLE_LAYERS)
STYLE_SIDE = 256  # px, long side at which styles are measured: their brush is as large as in a picture of that size
VARIANTS = 3  # of a painting: itself and crops
RATE, BETAS = 1e-3, (0.9, 0.999)  # Tables 1 and 2
MUON_RATE, MUON_MOMENTUM = 0.005, 0.95  # of T's convolutions: each update turns one by half a percent of its norm
EMPTY = 5.0  # of 255: mean deviation of a crop's colours below which there is nothing to paint
WARM_UP, CLIP = 200, 1.0  # steps; norm of the gradient, which is usually 10 or 20: in effect every step counts alike
LOST = 1e4  # norm of a gradient that is not worth a step
SETTLED = 0.35  # part of the steps after which the running means stand still
AVERAGE = 0.999  # of the parameters, for what ships
NORM_RATE, CELLS = 0.01, 4  # of the running means that losses are divided by; how many each style layer has
CODE_NOISE = 0.1  # standard deviations, added to style codes
OWN_STYLE = 0.06  # of the crops get their own photograph as style: the code of "no change", for the strength slider
POWER = 1.2  # of α in the weight of a style loss; see the module's docstring
COLOUR_WEIGHT = 0.25  # of each of the `COLOUR_LAYERS`
COLOUR_SHARE = 0.8  # of that, what is conv2's slider's own; the rest comes with the mean of all three
LIGHTER = 0.8  # part of the steps after which the recipe's `late_weights` hold
PIXELS = 20.0  # weight of the mean difference to the photograph where nothing asks for another: at α = 000, or in its own style
TRAP, TRAP_STEPS = 0.01, 1500  # mean difference of pictures at α = 000 and 111 below which, after so many steps, a run is lost
WATCH_EVERY = 500  # steps between two looks at that difference
SHIPPED = Path(__file__).parents[2] / "weights" / "adjustable.safetensors"


@dataclass(frozen=True)
class Recipe:
    """What is trained, and how long."""

    widths: tuple[int, int, int]
    blocks: int
    width: int  # of Λ
    depth: int
    crop: int  # px
    batch: int
    steps: int
    style_weights: tuple[float, float, float] = (1.5, 1.5, 4.0)  # of the layers' normalised losses at α = 1; the content's is 1
    late_weights: tuple[float, float, float] = (0.6, 0.9, 1.9)  # the same from `LIGHTER` on


RECIPES = {
    "compact": Recipe((16, 48, 96), 5, 256, 4, 128, 4, 30_000),  # CPU: about two and a half hours on one core
    "paper": Recipe(WIDTHS, BLOCKS, LAMBDA_WIDTH, LAMBDA_DEPTH, 256, 8, 200_000),  # a GPU
}


# ---- styles


@dataclass
class Styles:
    """What is known of N style pictures.

    `code` (N, numbers) raw; `grams[layer]` (N, C, C) of norm 1, `scale[layer]` (N,) the norm that was taken out;
    `mean`, `deviation` [layer] (N, C).
    """

    code: Tensor
    grams: dict[str, Tensor]
    scale: dict[str, Tensor]
    mean: dict[str, Tensor]
    deviation: dict[str, Tensor]

    @classmethod
    @torch.no_grad()
    def of(cls, vgg: VGG, picture: Tensor) -> Styles:
        """Of one picture (1, 3, H, W)."""
        with fast_arithmetic(picture.device):
            features = vgg(picture, LOSS_LAYERS)
        grams, scale, mean, deviation = {}, {}, {}, {}
        for name in LOSS_LAYERS:
            matrix, mean[name], deviation[name] = statistics(features[name])
            scale[name] = matrix.flatten(1).norm(dim=1).clamp(min=1e-6)
            grams[name] = (matrix / scale[name].view(-1, 1, 1)).half()  # half a gigabyte for all of them otherwise
        return cls(raw_code(features, picture), grams, scale, mean, deviation)

    @classmethod
    def joined(cls, parts: Iterable[Styles]) -> Styles:
        parts = list(parts)
        fields = {name: [getattr(part, name) for part in parts] for name in ("grams", "scale", "mean", "deviation")}
        layered = {
            name: {layer: torch.cat([item[layer] for item in items]) for layer in LOSS_LAYERS} for name, items in fields.items()
        }
        return cls(torch.cat([part.code for part in parts]), **layered)

    def __getitem__(self, index: Tensor) -> Styles:
        layered = {n: {k: v[index] for k, v in getattr(self, n).items()} for n in ("grams", "scale", "mean", "deviation")}
        return Styles(self.code[index], **layered)

    def __len__(self) -> int:
        return len(self.code)


def statistics(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gram matrices (N, C, C), means and deviations (N, C) of features (N, C, H, W)."""
    vectors = features.float().flatten(2)
    deviation, mean = torch.std_mean(vectors, 2, correction=0)
    return vectors @ vectors.transpose(1, 2) / vectors.shape[2], mean, deviation


def style_losses(features: dict[str, Tensor], styles: Styles) -> dict[str, Tensor]:
    """What is trained on, (N,) for each of `LOSS_LAYERS`; see the module's docstring."""
    losses = {}
    for name in LOSS_LAYERS:
        gram, mean, deviation = statistics(features[name])
        losses[name] = (gram / styles.scale[name].view(-1, 1, 1) - styles.grams[name].float()).square().sum((1, 2))
        wanted = styles.mean[name].square().sum(1) + styles.deviation[name].square().sum(1) + 1e-6
        away = (mean - styles.mean[name]).square().sum(1) + (deviation - styles.deviation[name]).square().sum(1)
        losses[name] = losses[name] + away / wanted
    return losses


def measured(vgg: VGG, pictures: Iterable[Tensor], crops: int, generator: torch.Generator, label: str) -> Styles:
    """Statistics of uint8 pictures at `STYLE_SIDE`, each followed by `crops` of its crops."""
    parts, pictures = [], list(pictures)
    progress = Progress(len(pictures))
    for i, picture in enumerate(pictures):
        whole = unit(picture).to(next(vgg.buffers()).device)
        parts.append(Styles.of(vgg, resize(whole, STYLE_SIDE)))
        for _ in range(crops):
            parts.append(Styles.of(vgg, resize(random_crop(whole, 140, generator), STYLE_SIDE * 3 // 4)))
        progress(i + 1, **{label: 1})
    return Styles.joined(parts)


@dataclass
class Data:
    """Everything that is trained on: uint8 photographs, styles, and the photographs as styles."""

    photos: list[Tensor]
    styles: Styles
    own: Styles | None  # of the photographs, in their order
    test_photos: list[Tensor]
    test_styles: list[Tensor]

    @classmethod
    def read(cls, folder: Path, vgg: VGG, cache: Path, style: Path | None) -> Data:
        """From the packs; statistics are kept in `cache`."""
        photos, test_photos = [], []
        for name, picture in read_pack(folder / "photos-256", PREFIXES):
            (test_photos if held_out(name) else photos).append(picture)
        generator = torch.Generator().manual_seed(0)
        if style is not None:
            painting = (load_picture(style).rgb[0] * 255).byte()
            return cls(photos, measured(vgg, [painting], 0, generator, "style"), None, test_photos, [painting])
        paintings, test_styles = [], []
        for name, picture in read_pack(folder / "styles-256"):
            (test_styles if held_out(name) else paintings).append(picture)
        if (known := load_checkpoint(cache, next(vgg.buffers()).device)) is None:
            styles = measured(vgg, paintings, VARIANTS - 1, generator, "paintings")
            own = measured(vgg, photos, 0, generator, "photographs")
            known = {"styles": asdict(styles), "own": asdict(own)}
            save_checkpoint(cache, known)
        return cls(photos, Styles(**known["styles"]), Styles(**known["own"]), test_photos, test_styles)

    def crop(self, i: int, least: int, generator: torch.Generator) -> Tensor:
        """A crop of photograph `i` with something on it. On an empty one every normalisation multiplies the gradient by a
        hundred, which is more than a number can hold after sixteen of them."""
        for _ in range(10):
            crop = random_crop(self.photos[i], least, generator)
            if crop[:, ::4, ::4].float().std((1, 2)).mean() >= EMPTY:
                break
        return crop

    def crops(self, index: Tensor, side: int, generator: torch.Generator) -> Tensor:
        """(N, 3, side, side) in [0, 1] of the photographs `index`."""
        cut = [unit(self.crop(i, side, generator)) for i in index.tolist()]
        size = (side, side)
        return torch.cat([F.interpolate(c, size, mode="bilinear", antialias=True) if c.shape[-1] != side else c for c in cut])


def draw_alphas(n: int, generator: torch.Generator) -> Tensor:
    """(n, 3): a third uniform as in the paper (5.1), the others at or along the edges of the cube."""
    alphas = torch.rand(n, 3, generator=generator)
    kind = torch.rand(n, generator=generator)
    one = F.one_hot(torch.randint(3, (n,), generator=generator), 3).float()
    full = torch.rand(n, 1, generator=generator) < 0.5  # else the one that differs is anywhere between 0 and 1
    other = torch.where(full, 1.0, alphas)
    table = [
        (0.10, torch.zeros(n, 3)),
        (0.22, one * other),  # figure 7, left: others at 0
        (0.10, torch.ones(n, 3)),
        (0.25, 1 - one * other),  # right: others at 1
    ]
    for share, corner in table:
        chosen = (kind >= 0) & (kind < share)
        alphas = torch.where(chosen[:, None], corner, alphas)
        kind = torch.where(chosen, 2.0, kind - share)
    return alphas


def cells(alphas: Tensor, k: int) -> Tensor:
    """(N,): which of the running means the losses of layer `k` belong to, by its own α and the mean of the others.

    A layer's loss is several times lower where its own α or the others' are high. With one mean for all, those losses would
    hardly count, and a slider would do nothing while the others stand at 1.
    """
    others = (alphas.sum(1) - alphas[:, k]) / 2
    return 2 * (alphas[:, k] > 0.5).long() + (others > 0.5).long()


# ---- looking at it


class Watch:
    """Sample grids, figures on pictures kept aside, curves, and the trap."""

    def __init__(self, vgg: VGG, data: Data, run: Path, one_style: bool, pairs: int = 8):
        self.vgg, self.run = vgg, run
        device = next(vgg.buffers()).device
        photos = [data.test_photos[i * 7 % len(data.test_photos)] for i in range(pairs)]
        styles = [data.test_styles[(i * 11 + 3) % len(data.test_styles)] for i in range(pairs)]
        self.contents = [resize(unit(picture), 256).to(device) for picture in photos]
        self.styles = [resize(unit(picture), STYLE_SIDE).to(device) for picture in styles]
        self.one_style = one_style
        run.mkdir(parents=True, exist_ok=True)

    def result(self, network: Adjustable, i: int, alphas: str | tuple[float, ...]) -> Tensor:
        content, style = self.contents[i], self.styles[i]
        with torch.no_grad(), fast_arithmetic(content.device):
            code = None if self.one_style else network.code(self.vgg(style, CODE_LAYERS), style)
            wanted = torch.tensor([[float(a) for a in alphas]], device=content.device)
            return network(content, wanted, code).float()

    def spread(self, network: Adjustable) -> float:
        """Mean difference of results at α = 000 and 111."""
        return sum((self.result(network, i, "000") - self.result(network, i, "111")).abs().mean().item() for i in range(4)) / 4

    def look(self, network: Adjustable, step: int) -> dict[str, float]:
        """Write the sample grid and the curves; style distance and structure change on the pairs kept aside."""
        columns = ("000", "100", "010", "001", "111", (0.5, 0.5, 0.5))
        rows, figures = [], []
        for i in range(len(self.contents)):
            results = [self.result(network, i, alphas) for alphas in columns]
            figures.append(metrics.compare(results[4], self.contents[i], self.styles[i]))
            if i < 6:
                rows.append([to_pil(picture) for picture in (self.contents[i], self.styles[i], *results)])
        sheet(rows, 200).save(self.run / f"grid_{step:06d}.png")
        curves(self.run / "losses.csv", self.run / "losses.png")
        return {name: sum(f[name] for f in figures) / len(figures) for name in ("style_distance", "structure_change", "ssim")}


# ---- training


def export(network: Adjustable, vgg: VGG, path: Path) -> None:
    """Write the parameters as fp16 safetensors; a network of any style takes the codes of `NAMED` along."""
    tensors = network.state_dict()
    if len(network.code_mean):
        files = {file.stem: file for file in examples.STYLES.values()}
        for name in NAMED:
            picture = resize(load_picture(files[name]).rgb, STYLE_SIDE).to(network.code_mean.device)
            with torch.no_grad(), fast_arithmetic(picture.device):
                tensors[f"named.{name}"] = network.code(vgg(picture, CODE_LAYERS), picture)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().cpu().half().contiguous() for name, value in tensors.items()}, path)


class Trainer:
    """One step after another, the same ones whether or not the run was interrupted."""

    def __init__(self, recipe: Recipe, vgg: VGG, data: Data, device: torch.device, seed: int = 0):
        self.recipe, self.vgg, self.data, self.device, self.seed = recipe, vgg, data, device, seed
        torch.manual_seed(seed)
        self.one_style = data.own is None
        code = 0 if self.one_style else data.styles.code.shape[1]
        self.network = Adjustable(recipe.widths, recipe.blocks, recipe.width, recipe.depth, code)
        if code:
            deviation, mean = torch.std_mean(data.styles.code.cpu(), 0)
            self.network.code_mean.copy_(mean)
            self.network.code_deviation.copy_(deviation.clamp(min=1e-3))
        self.network = self.network.to(device, memory_format=torch.channels_last).train()
        convolutions = [layer.weight for layer in self.network.transform.convolutions]
        others = list(self.network.adjust.parameters())  # Λ: the public code forgot it
        self.optimisers = [Muon(convolutions, MUON_RATE, MUON_MOMENTUM), torch.optim.Adam(others, RATE, BETAS, fused=True)]
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.norms: dict[str, list[float]] = {}  # loss -> running mean in each of the `cells`
        self.step, self.grad_norm = 0, 0.0

    def state(self) -> dict:
        """For the checkpoint."""
        parts = {"network": self.network.state_dict(), "optimisers": [o.state_dict() for o in self.optimisers]}
        return parts | {"average": self.average, "norms": self.norms, "step": self.step}

    def restore(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.average, self.norms, self.step = state["average"], state["norms"], state["step"]

    def averaged(self) -> Adjustable:
        """The network with averaged parameters."""
        return Adjustable.from_tensors(self.average).to(self.device, memory_format=torch.channels_last)

    def norm(self, name: str, values: Tensor, cell: Tensor) -> Tensor:
        """What to divide losses (N,) by: the running means of their cells (N,), which these values move (equation 8)."""
        now = values.detach().float()
        means = self.norms.setdefault(name, [now.mean().item()] * CELLS)
        rate = NORM_RATE if self.step < SETTLED * self.recipe.steps else 0.0
        for at, value in zip(cell.tolist(), now.tolist(), strict=True):
            means[at] += rate * (value - means[at])
        return torch.tensor(means, device=self.device)[cell]

    def losses(self) -> dict[str, Tensor]:
        """Of a new batch: `content` (N,), each of `STYLE_LAYERS` (N,), and what is to be minimised, `total`."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_000 + self.step)
        n, data = self.recipe.batch, self.data
        index = torch.randint(len(data.photos), (n,), generator=generator)
        crops = data.crops(index, self.recipe.crop, generator).to(self.device).contiguous(memory_format=torch.channels_last)
        chosen = torch.randint(len(data.styles), (n,), generator=generator)
        alphas = draw_alphas(n, generator).to(self.device)
        styles, code = data.styles[chosen.to(self.device)], None
        own = torch.zeros(n, dtype=torch.bool)
        if data.own is not None:
            own = torch.rand(n, generator=generator) < OWN_STYLE
            if own.any():
                pool = [(data.own if mine else data.styles) for mine in own.tolist()]
                at = torch.where(own, index, chosen).to(self.device)
                styles = Styles.joined([part[at[i : i + 1]] for i, part in enumerate(pool)])
            code = self.network.standard(styles.code)
            code = code + CODE_NOISE * torch.randn(code.shape, generator=generator).to(self.device)
        with fast_arithmetic(self.device):
            with torch.no_grad():
                wanted = self.vgg(crops, [CONTENT_LAYER])[CONTENT_LAYER].float()
            results = self.network(crops, alphas, code)
            features = self.vgg(results, LOSS_LAYERS)
        losses = {
            "content": (features[CONTENT_LAYER].float() - wanted).square().mean((1, 2, 3)),
            **style_losses(features, styles),
        }
        everywhere = torch.zeros(n, dtype=torch.long, device=self.device)
        total = (losses["content"] / self.norm("content", losses["content"], everywhere)).mean()
        strength = alphas**POWER
        late = self.step >= LIGHTER * self.recipe.steps
        style_weights = self.recipe.late_weights if late else self.recipe.style_weights
        for k, name in enumerate(STYLE_LAYERS):
            weighted = strength[:, k] * losses[name] / self.norm(name, losses[name], cells(alphas, k))
            total = total + style_weights[k] * weighted.mean()
        with_colour = torch.lerp(strength.mean(1), strength[:, 0], COLOUR_SHARE)
        for name in COLOUR_LAYERS:
            weighted = with_colour * losses[name] / self.norm(name, losses[name], everywhere)
            total = total + COLOUR_WEIGHT * weighted.mean()
        untouched = torch.where(own.to(self.device), 1.0, (1 - alphas).prod(1))
        losses["pixels"] = untouched * (results - crops).abs().mean((1, 2, 3))
        return losses | {"total": total + PIXELS * losses["pixels"].mean()}

    def advance(self, total: int) -> dict[str, Tensor]:
        """One update; the rates rise over `WARM_UP` steps and fall to nothing at `total` as a cosine does."""
        left = torch.tensor(self.step / total * torch.pi).cos().item() * 0.5 + 0.5
        for optimiser, rate in zip(self.optimisers, (MUON_RATE, RATE), strict=True):
            optimiser.param_groups[0]["lr"] = rate * min((self.step + 1) / WARM_UP, 1) * left
        losses = self.losses()
        self.network.zero_grad(set_to_none=True)
        losses["total"].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.step += 1
        self.grad_norm = norm.item()
        if not norm < LOST:  # an empty crop; see `Data.crop`
            return losses
        for optimiser in self.optimisers:
            optimiser.step()
        share = min(AVERAGE, self.step / (self.step + 10))
        with torch.no_grad():
            values = list(self.network.state_dict().values())
            torch._foreach_lerp_(list(self.average.values()), values, 1 - share)
        return losses


def train(
    data: Data, vgg: VGG, recipe: Recipe, out: Path, device: torch.device, run: Path, minutes: float = 5.0
) -> dict[str, float]:
    """Train from scratch, or on from ``run/last.pt``; write the network to `out` and return its figures.

    Every `minutes` a checkpoint, a sample grid and the curves are written into `run`.

    Raises:
        SystemExit: α does not matter to the network.
    """
    trainer = Trainer(recipe, vgg, data, device)
    if state := load_checkpoint(run / "last.pt", device):
        trainer.restore(state)
    watch = Watch(vgg, data, run, trainer.one_style)
    table, progress, looked, figures = run / "losses.csv", Progress(recipe.steps, trainer.step), time.monotonic(), {}
    if not table.is_file():
        table.write_text(",".join(["step", *trainer_columns()]) + "\n")
    sums: dict[str, float] = {}
    while trainer.step < recipe.steps:
        losses = trainer.advance(recipe.steps)
        for name in trainer_columns():
            sums[name] = sums.get(name, 0.0) + losses[name].mean().item()
        if trainer.step % 100 == 0:
            line = [f"{sums[name] / 100:.6g}" for name in trainer_columns()]
            with table.open("a") as file:
                file.write(",".join([str(trainer.step), *line]) + "\n")
            sums = {}
        means = {name: sum(values) / len(values) for name, values in trainer.norms.items()}
        progress(trainer.step, gradient=trainer.grad_norm, total=losses["total"].item(), **means)
        if trainer.step % WATCH_EVERY == 0:
            apart = watch.spread(trainer.network)
            print(f"step {trainer.step}: results at α = 000 and 111 differ by {apart:.4f}", flush=True)
            if trainer.step >= TRAP_STEPS and not apart >= TRAP:
                raise SystemExit(
                    f"α has stopped mattering: results at α = 000 and 111 differ by {apart:.4f} only after {trainer.step} steps. "
                    f"Look at {run}/grid_*.png, remove {run}/last.pt and train with a smaller code or larger style weights."
                )
        if time.monotonic() - looked > 60 * minutes or trainer.step == recipe.steps:
            save_checkpoint(run / "last.pt", trainer.state())
            figures = watch.look(trainer.averaged(), trainer.step)
            print(f"step {trainer.step}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
            looked = time.monotonic()
    export(trainer.averaged(), vgg, out)
    return figures


def trainer_columns() -> list[str]:
    """Of the table of losses."""
    return ["content", *LOSS_LAYERS, "pixels"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stylelab.train.adjustable", description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, help="folder with photos-256 and styles-256")
    parser.add_argument("--style", type=Path, help="one style only: a picture")
    parser.add_argument("--recipe", choices=RECIPES, help="default: compact on a CPU, paper on a GPU")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--style-weights", type=float, nargs=3, help="of conv2, conv3 and conv4 instead of the recipe's")
    parser.add_argument("--out", type=Path, help=f"default: {SHIPPED.name} among the weights; with --style in the run's folder")
    parser.add_argument("--run", type=Path, help="folder for checkpoint, grids and curves")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--export", action="store_true", help="write --out from the run's checkpoint as it is, and train nothing")
    parser.add_argument("--minutes", type=float, default=5.0, help="between two checkpoints")
    args = parser.parse_args()
    device = torch.device(args.device)
    recipe = RECIPES[args.recipe or ("compact" if device.type == "cpu" else "paper")]
    turned = {"steps": args.steps, "style_weights": args.style_weights}
    recipe = Recipe(**asdict(recipe) | {name: value for name, value in turned.items() if value is not None})
    run = args.run or RUNS / ("adjustable" if args.style is None else f"adjustable-{args.style.stem}")
    out = args.out or (SHIPPED if args.style is None else run / "final.safetensors")
    vgg = load_extractor("vgg19", "compact", device)
    figures: dict[str, float] = {}
    if args.export:
        if (state := load_checkpoint(run / "last.pt", device)) is None:
            raise SystemExit(f"there is no checkpoint in {run}")
        export(Adjustable.from_tensors(state["average"]).to(device), vgg, out)
    else:
        data = Data.read(args.data, vgg, run / "styles.pt", args.style)
        figures = train(data, vgg, recipe, out, device, run, args.minutes)
    if out.resolve() == SHIPPED.resolve():
        weights.record("adjustable", "compact")
    print(f"{out}: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
