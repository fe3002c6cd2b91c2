"""Train a generator of cats from nothing, PGGAN or StyleGAN, by progressive growing, on a CPU or a GPU.

    python -m stylelab.train.gan --arch pggan DATA              run it again to go on from runs/gan-pggan/
    python -m stylelab.train.gan --arch pggan DATA --until 32   stop when 32 px are done; without it, later, it goes on to 64
    python -m stylelab.train.gan --arch pggan DATA --export     write the generator as it is into weights/

DATA is a folder with ``cats-64/*.zip``, or one with zip files of square JPEGs. Every `HELD_OUT`th picture is never trained on:
``bench --accuracy oeft`` inverts those. Training starts at 8x8, and each new resolution
is faded in (Karras et al. 2018). The loss is the non-saturating one (Goodfellow et al. 2014) with the penalty R1 at every
`LAZY`th step (Mescheder et al. 2018; Karras et al. 2020). Real and made pictures alike are augmented before the critic sees them
(Zhao et al. 2020). Networks learn at equalised rates, the critic looks at deviations within groups of pictures, and what ships
is a running mean of the generator. Heads on the compact extractor's features help the critic, see `Critic`.

Every few minutes `RUN/last.pt`, a sheet of samples and a line of `RUN/log.csv` are written: mean losses, and the Fréchet distance
of `SAMPLES` pictures to all real ones at 64 px (`metrics.statistics`).
"""

from __future__ import annotations

import argparse
import csv
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .. import weights
from ..features import VGG, load_extractor
from ..images import load_picture, to_pil
from ..metrics import frechet_distance, statistics
from ..nets.pggan import LEAK, PGGAN, Equalised, upsample
from ..nets.stylegan import StyleGAN
from ..precision import fast_arithmetic
from . import RUNS, Progress, at_a_side, load_checkpoint, save_checkpoint

# Adam's, below `SIDE` px and at it. PGGAN, A.1, has 1e-3 throughout, and with twice that it is left with few kinds of cats.
RATES, BETAS = {"pggan": (1e-3, 1e-3), "stylegan": (2e-3, 1e-3)}, (0.0, 0.99)
GROUP = 4  # pictures whose deviations the critic sees; PGGAN, section 3
LAZY = 16  # steps from one penalty to the next; StyleGAN2, B
# Of R1, times pixels: StyleGAN2-ADA's rule of thumb gives 2e-4 / batch, for much longer runs. PGGAN needs more, ours.
PENALTY = {"pggan": 1e-3, "stylegan": 1e-4}
HALF_LIFE = 5000  # pictures after which an old generator counts half in the running mean
W_RATE = 0.005  # of the running mean of w; StyleGAN's code
SEEN, HEAD, SEEN_SIDE = ("conv2_2", "conv3_4", "conv4_4"), 64, 32  # of the extractor's: layers, most channels of a head, least px
FIRST = 8  # px
HELD_OUT = 40  # of so many pictures the last is kept aside
SAMPLES, SIDE = 2000, 64  # pictures compared with the real ones, px
SHIPPED = Path(__file__).parents[2] / "weights"


@dataclass(frozen=True)
class Recipe:
    """What is trained, and how long."""

    batch: int
    fade: int  # pictures over which a resolution is faded in
    images: dict[int, int]  # pictures at each resolution
    augment: float  # chance of each kind of augmentation; less than 1 where a run is too short to overfit
    widths: tuple[int, ...] = (128, 128, 96, 48, 24)  # the generator's channels at 4, 8, ... px: a million parameters
    critic: tuple[int, ...] = (96, 96, 64, 32, 16)
    latent: int = 128
    depth: int = 4  # of StyleGAN's mapping network


RECIPES = {
    # Half an hour of a core. StyleGAN's that ships had 44 000 at 64 px.
    "cpu": Recipe(16, 5_000, {8: 8_000, 16: 32_000, 32: 30_000, 64: 60_000}, 0.3),
    "gpu": Recipe(32, 50_000, {8: 50_000, 16: 200_000, 32: 600_000, 64: 2_000_000}, 1.0),
}


# ---- pictures


def read_pictures(folder: Path, kept_aside: bool = False) -> Tensor:
    """uint8 (N, 3, SIDE, SIDE), the zip files' JPEGs in their order: those to train on, or every `HELD_OUT`th."""
    packs = sorted((folder / "cats-64").glob("*.zip")) or sorted(folder.glob("*.zip"))
    pictures, count = [], 0
    for path in packs:
        with zipfile.ZipFile(path) as pack:
            for member in pack.namelist():
                if member.endswith(".jpg"):
                    count += 1
                    if (count % HELD_OUT == 0) == kept_aside:
                        picture = load_picture(pack.read(member)).rgb
                        pictures.append((F.interpolate(picture, (SIDE, SIDE), mode="area")[0] * 255).round().byte())
    if not pictures:
        raise SystemExit(f"no pictures in {folder}: name the folder that holds cats-64")
    return torch.stack(pictures)


def augment(images: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Differentiable augmentation (Zhao et al. 2020): colour, translation, cutout, each for a part `chance` of the pictures.

    Brightness moves by up to 0.5, saturation is scaled by 0 to 2, contrast by 0.5 to 1.5; pictures move by up to an eighth of
    their side, zeros come in; a square of half the side is set to 0.

    Args:
        images: (N, 3, H, H) in [-1, 1].
    """
    n, side = len(images), images.shape[-1]

    def draw(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator).to(images.device)

    colour, moved, cut = (draw(1, 1, 1) < chance for _ in range(3))
    brightness, saturation, contrast = (draw(1, 1, 1) for _ in range(3))
    x = images + torch.where(colour, brightness - 0.5, 0.0)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * torch.where(colour, 2 * saturation, 1.0)
    middle = x.mean((1, 2, 3), keepdim=True)
    x = middle + (x - middle) * torch.where(colour, contrast + 0.5, 1.0)

    reach = (side + 4) // 8
    shift = (draw(2) * (2 * reach + 1)).long() - reach
    shift = torch.where(moved.view(n, 1), shift, 0)
    at = torch.arange(side, device=images.device)
    rows, columns = ((at + shift[:, i : i + 1] + reach).clamp(0, side + 2 * reach - 1) for i in range(2))
    x = F.pad(x, (reach,) * 4)[torch.arange(n, device=x.device).view(n, 1, 1), :, rows[:, :, None], columns[:, None, :]]
    x = x.permute(0, 3, 1, 2)

    centre = (draw(2) * side).long()
    away = (at - centre[..., None]).abs()  # (n, 2, side)
    inside = (away[:, 0, :, None] <= side // 4) & (away[:, 1, None, :] <= side // 4)
    return x.masked_fill(inside[:, None] & cut, 0.0)


# ---- the critic


class Critic(nn.Module):
    """PGGAN's discriminator, for both generators: their layers the other way round, average pooling, minibatch deviation at 4x4.

    Beside it there are small heads on what the frozen compact extractor sees (Kumari et al. 2022, "Ensembling off-the-shelf
    models for GAN training"). They know from the start what it takes thousands of pictures to learn about fur and eyes, and let
    the critic proper be small: with them 27 000 pictures at 16 px are enough for faces.

    Args:
        widths: channels at 4, 8, ... px.
        seen: channels of `SEEN`.
    """

    def __init__(self, widths: Sequence[int], seen: Sequence[int]):
        super().__init__()
        self.heads = nn.ModuleList(
            nn.ModuleList(
                [
                    Equalised((min(channels, HEAD), channels, 1, 1)),
                    Equalised((min(channels, HEAD), min(channels, HEAD), 3, 3)),
                    Equalised((1, min(channels, HEAD), 1, 1), gain=1.0),
                ]
            )
            for channels in seen
        )
        self.widths = tuple(widths)
        self.rgb = nn.ModuleList(Equalised((width, 3, 1, 1)) for width in widths)
        self.blocks = nn.ModuleList(
            nn.ModuleList([Equalised((high, high, 3, 3)), Equalised((low, high, 3, 3))]) for low, high in pairwise(widths)
        )
        self.last = Equalised((widths[0], widths[0] + 1, 3, 3))
        self.dense = Equalised((widths[0], 16 * widths[0]))
        self.out = Equalised((1, widths[0]), gain=1.0)

    def forward(self, images: Tensor, features: Sequence[Tensor], blend: float = 0.0) -> list[Tensor]:
        """How real pictures (N, 3, H, H) look: (N, 1) for all of it, then (N, places) of each of `features`.

        Consecutive `GROUP`s are compared with each other. `blend` is the part of the half resolution while a new one is faded in.
        """
        answers = []
        for x, (first, second, last) in zip(features, self.heads, strict=True):
            x = F.leaky_relu(first(x), LEAK)
            x = F.leaky_relu(F.avg_pool2d(second(x), 2), LEAK)
            answers.append(last(x).float().flatten(1))
        b = images.shape[-1].bit_length() - 3
        x = F.leaky_relu(self.rgb[b](images), LEAK)
        for i in range(b, 0, -1):
            for layer in self.blocks[i - 1]:
                x = F.leaky_relu(layer(x), LEAK)
            x = F.avg_pool2d(x, 2)
            if i == b and blend:
                x = torch.lerp(x, F.leaky_relu(self.rgb[b - 1](F.avg_pool2d(images, 2)), LEAK).to(x.dtype), blend)
        groups = x.float().unflatten(0, (-1, GROUP))
        spread = (groups.var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3)).repeat_interleave(GROUP)
        x = torch.cat([x, spread.to(x.dtype).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)], 1)
        x = F.leaky_relu(self.last(x), LEAK)
        x = F.leaky_relu(self.dense(x.flatten(1)), LEAK)
        return [self.out(x).float(), *answers]


def spite(answers: Sequence[Tensor], sign: int) -> Tensor:
    """The non-saturating loss of all answers: small where they are as `sign`, +1 real, -1 made."""
    return sum(F.softplus(-sign * answer).mean() for answer in answers)


# ---- training


class Trainer:
    """One step after another, the same ones whether or not the run was interrupted."""

    def __init__(self, arch: str, recipe: Recipe, pictures: Tensor, vgg: VGG, device: torch.device, seed: int = 0):
        self.arch, self.recipe, self.device, self.seed = arch, recipe, device, seed
        self.pictures = pictures.to(device)
        self.step, self.side, self.shown = 0, FIRST, 0  # shown: pictures at this resolution
        torch.manual_seed(seed)
        self.generator = self.new().to(device, memory_format=torch.channels_last)
        self.vgg = vgg
        self.scales = [1.0] * len(SEEN)
        with torch.no_grad():
            features = self.features(self.real(64, torch.Generator().manual_seed(seed), SIDE))
        self.scales = [1 / x.float().square().mean().sqrt().item() for x in features]
        self.critic = Critic(recipe.critic, [vgg.channels(name) for name in SEEN]).to(device, memory_format=torch.channels_last)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), RATES[arch][0], BETAS, fused=True) for network in (self.generator, self.critic)
        ]
        self.average = {name: value.detach().clone() for name, value in self.generator.state_dict().items()}

    def new(self) -> PGGAN | StyleGAN:
        if self.arch == "pggan":
            return PGGAN(self.recipe.widths, self.recipe.latent)
        return StyleGAN(self.recipe.widths, self.recipe.latent, self.recipe.depth)

    def state(self) -> dict:
        """For the checkpoint."""
        return {
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "average": self.average,
            **{name: getattr(self, name) for name in ("step", "side", "shown")},
        }

    def restore(self, state: dict) -> None:
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.average, self.step, self.side, self.shown = (state[name] for name in ("average", "step", "side", "shown"))

    @property
    def blend(self) -> float:
        """Part of the half resolution in the pictures: falls from almost 1 to 0 while a new resolution is faded in."""
        return 0.0 if self.side == FIRST else max(0.0, 1 - (self.shown + self.recipe.batch) / self.recipe.fade)

    @property
    def lod(self) -> float:
        """How far the pictures are from full resolution, in halvings."""
        return (4 << (len(self.recipe.widths) - 1)).bit_length() - self.side.bit_length() + self.blend

    def grow(self) -> None:
        """On to twice the resolution. Its toRGB starts at a tenth of its strength: what is faded in is grey, not gaudy."""
        self.side, self.shown = 2 * self.side, 0
        with torch.no_grad():
            for name, value in [*self.generator.named_parameters(), *self.average.items()]:
                if name.endswith(f"output{self.side.bit_length() - 3}.weight"):
                    value.mul_(0.1)

    def averaged(self) -> PGGAN | StyleGAN:
        """The generator with averaged parameters, cut to the resolution that it has reached."""
        return type(self.generator).from_tensors(cut(self.average, self.side)).to(self.device, memory_format=torch.channels_last)

    def real(self, n: int, generator: torch.Generator, side: int = 0) -> Tensor:
        """(n, 3, side, side) in [-1, 1] of the pictures, half of them mirrored, as soft as the blend."""
        index = torch.randint(len(self.pictures), (n,), generator=generator)
        mirrored = (torch.rand(n, 1, 1, 1, generator=generator) < 0.5).to(self.device)
        x = self.pictures[index.to(self.device)].float().div_(127.5).sub_(1)
        x = F.avg_pool2d(x, SIDE // (side or self.side))
        x = torch.where(mirrored, x.flip(-1), x)
        return torch.lerp(x, upsample(F.avg_pool2d(x, 2)), self.blend) if self.blend and not side else x

    def made(self, codes: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures of the generator in training; the first thing StyleGAN's noise and mean w are for."""
        lod = self.lod
        with fast_arithmetic(self.device):
            if isinstance(self.generator, PGGAN):
                return self.generator(codes, lod).float()
            w = self.generator.map(codes)
            with torch.no_grad():
                self.generator.truncation.w_avg.lerp_(w.detach().float().mean(0), W_RATE)
            return self.generator.synthesise(w, lod, generator).float()

    def features(self, images: Tensor) -> list[Tensor]:
        """What the extractor sees in pictures in [-1, 1], at about the same scale in every layer."""
        images = images.add(1).div(2)
        if images.shape[-1] < SEEN_SIDE:
            images = F.interpolate(images, (SEEN_SIDE, SEEN_SIDE), mode="bilinear")
        features = self.vgg(images, SEEN)
        return [features[name] * scale for name, scale in zip(SEEN, self.scales, strict=True)]

    def judged(self, images: Tensor) -> list[Tensor]:
        images = images.contiguous(memory_format=torch.channels_last)
        return self.critic(images, self.features(images), self.blend)

    def advance(self) -> dict[str, float]:
        """One update of the critic, then one of the generator on the same pictures."""
        generator = torch.Generator().manual_seed(self.seed + 1_000_000 + self.step)
        n, chance = self.recipe.batch, self.recipe.augment
        to_generator, to_critic = self.optimisers
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = RATES[self.arch][self.side >= SIDE]
        figures = {}

        codes = torch.randn(n, self.recipe.latent, generator=generator).to(self.device)
        made = self.made(codes, generator)
        both = torch.cat([self.real(n, generator), made.detach()])
        with fast_arithmetic(self.device):
            answers = self.judged(augment(both, chance, generator))
        real, fake = zip(*(answer.chunk(2) for answer in answers), strict=True)
        loss = spite(real, 1) + spite(fake, -1)
        to_critic.zero_grad(set_to_none=True)
        loss.backward()
        if self.step % LAZY == 0:
            images = self.real(n // 2, generator).requires_grad_(True)
            answers = self.judged(augment(images, chance, generator))
            (slope,) = torch.autograd.grad(sum(x.mean(1).sum() for x in answers), images, create_graph=True)
            penalty = slope.square().sum((1, 2, 3)).mean()
            (penalty * (0.5 * LAZY * PENALTY[self.arch] * self.side**2)).backward()
            figures["r1"] = penalty.item()
        to_critic.step()

        self.critic.requires_grad_(False)
        with fast_arithmetic(self.device):
            wanted = spite(self.judged(augment(made, chance, generator)), 1)
        to_generator.zero_grad(set_to_none=True)
        wanted.backward()
        to_generator.step()
        self.critic.requires_grad_(True)

        self.step += 1
        self.shown += n
        share = 0.5 ** (n / min(HALF_LIFE, 1 + 0.05 * self.step * n))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.generator.state_dict().values()), 1 - share)
        right = [0.5 * ((r > 0).float().mean() + (f < 0).float().mean()).item() for r, f in zip(real, fake, strict=True)]
        figures |= {f"right{i}": value for i, value in enumerate(right)}
        return figures | {"critic": loss.item(), "generator": wanted.item()}


def cut(tensors: Mapping[str, Tensor], side: int) -> dict[str, Tensor]:
    """The parameters of a generator without what is for resolutions above `side`."""
    blocks = side.bit_length() - 2

    def kept(name: str) -> bool:
        for part in name.split("."):
            if part.startswith("output"):
                return int(part.removeprefix("output")) < blocks
            if part.startswith("layer"):
                return int(part.removeprefix("layer")) < 2 * blocks
        return True

    return {name: value for name, value in tensors.items() if kept(name)}


class Watch:
    """Sheets of samples, and the Fréchet distance to the real pictures."""

    def __init__(self, vgg: VGG, trainer: Trainer, run: Path):
        self.vgg, self.trainer, self.run = vgg, trainer, run
        self.codes = torch.randn(SAMPLES, trainer.recipe.latent, generator=torch.Generator().manual_seed(1)).to(trainer.device)
        pictures = trainer.pictures
        self.wanted = statistics(vgg, (chunk.float().div(255) for chunk in pictures.split(100)))
        run.mkdir(parents=True, exist_ok=True)

    @torch.no_grad()
    def look(self) -> float:
        """Write a sheet; the distance."""
        network = self.trainer.averaged()

        def samples():
            for codes in self.codes.split(100):
                with fast_arithmetic(codes.device):
                    images = network(codes).float().add(1).div(2).clamp(0, 1)
                yield images if images.shape[-1] == SIDE else F.interpolate(images, (SIDE, SIDE), mode="bilinear")

        sheet(network, self.codes[:96]).save(self.run / f"samples_{self.trainer.step * self.trainer.recipe.batch:07d}.png")
        return frechet_distance(*statistics(self.vgg, samples()), *self.wanted)


def sheet(network: PGGAN | StyleGAN, codes: Tensor, columns: int = 12):
    """One picture of the pictures of all codes."""
    with torch.no_grad():
        images = network(codes).add(1).div(2).clamp(0, 1)
    images = F.interpolate(images, (SIDE, SIDE), mode="nearest")
    rows = [torch.cat(list(row), 2) for row in images.split(columns)]
    return to_pil(torch.cat(rows, 1)[None])


COLUMNS = ("images", "side", "blend", "critic", "generator", "right0", "right1", "right2", "right3", "r1", "seconds", "frechet")


def train(
    arch: str, pictures: Tensor, recipe: Recipe, device: torch.device, run: Path, until: int = SIDE, minutes: float = 4.0
) -> Trainer:
    """Train from nothing, or on from ``run/last.pt``, until the recipe's pictures at `until` px have been shown."""
    vgg = load_extractor("vgg19", "compact", device)
    trainer = Trainer(arch, recipe, pictures, vgg, device)
    if state := load_checkpoint(run / "last.pt", device):
        trainer.restore(state)
    watch, table = Watch(vgg, trainer, run), run / "log.csv"
    if not table.is_file():
        table.write_text(",".join(COLUMNS) + "\n")

    def total() -> int:
        rest = [images for side, images in recipe.images.items() if trainer.side <= side <= until]
        return trainer.step + (sum(rest) - trainer.shown) // recipe.batch

    def look() -> None:
        nonlocal looked, sums
        if not sums:  # taken up again where a resolution had ended
            return
        means = {name: sum(values) / len(values) for name, values in sums.items() if values}
        place = {"images": trainer.step * recipe.batch, "side": trainer.side, "blend": trainer.blend}
        line = place | means | {"seconds": time.monotonic() - looked, "frechet": watch.look()}
        with table.open("a") as file:
            csv.writer(file).writerow([f"{line[name]:.6g}" if name in line else "" for name in COLUMNS])
        print(", ".join(f"{name} {value:.4g}" for name, value in line.items()), flush=True)
        save_checkpoint(run / "last.pt", trainer.state())
        looked, sums = time.monotonic(), {}

    progress, looked, sums = Progress(total(), trainer.step, 30.0), time.monotonic(), {}
    while trainer.side < until or (trainer.side == until and trainer.shown < recipe.images[until]):
        if trainer.shown >= recipe.images[trainer.side]:
            look()
            trainer.grow()
        figures = trainer.advance()
        for name, value in figures.items():
            sums.setdefault(name, []).append(value)
        progress(trainer.step, side=trainer.side, blend=trainer.blend, **figures)
        if time.monotonic() - looked > 60 * minutes:
            look()
    look()
    return trainer


def export(network: PGGAN | StyleGAN, path: Path) -> None:
    """Write the parameters as fp16 safetensors, in genforce's layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stylelab.train.gan", description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, help="folder with cats-64")
    parser.add_argument("--arch", choices=("pggan", "stylegan"), required=True)
    parser.add_argument("--recipe", choices=RECIPES, help="default: cpu on a CPU, gpu on a GPU")
    parser.add_argument("--until", type=int, default=SIDE, choices=(8, 16, 32, 64), help="px of the last resolution")
    side = at_a_side(RECIPES["cpu"].images)
    parser.add_argument(
        "--images", nargs="*", type=side, default=[], metavar="PX=N", help="pictures at a resolution instead of the recipe's"
    )
    parser.add_argument("--out", type=Path, help="default: gan-ARCH.safetensors among the weights")
    parser.add_argument("--run", type=Path, help="folder for checkpoint, samples and log; default runs/gan-ARCH")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--export", action="store_true", help="write --out from the run's checkpoint as it is, and train nothing")
    parser.add_argument("--minutes", type=float, default=4.0, help="between two checkpoints")
    args = parser.parse_args()
    device = torch.device(args.device)
    recipe = RECIPES[args.recipe or ("cpu" if device.type == "cpu" else "gpu")]
    recipe = replace(recipe, images=recipe.images | dict(args.images))
    run, out = args.run or RUNS / f"gan-{args.arch}", args.out or SHIPPED / f"gan-{args.arch}.safetensors"
    pictures = read_pictures(args.data)
    if args.export:
        trainer = Trainer(args.arch, recipe, pictures, load_extractor("vgg19", "compact", device), device)
        if (state := load_checkpoint(run / "last.pt", device)) is None:
            raise SystemExit(f"there is no checkpoint in {run}")
        trainer.restore(state)
    else:
        trainer = train(args.arch, pictures, recipe, device, run, args.until, args.minutes)
    export(trainer.averaged(), out)
    if out.resolve().parent == SHIPPED.resolve():
        weights.record(out.stem, "compact")
    print(f"{out}: {trainer.side} px")


if __name__ == "__main__":
    main()
