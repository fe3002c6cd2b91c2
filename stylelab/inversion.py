"""Multiple GAN inversion: several hypotheses of one picture by one generator, and a score that decides between them.

A hypothesis (mGANprior, Gu et al., CVPR 2020; OEFT 3.3) is a composing layer and a number of codes: the features of that many
codes after that layer, weighted channel by channel and summed, are made into a picture by the rest of the generator. Codes and
weights are optimised until the picture, reduced, is the target. OEFT takes the hypothesis with the smallest Fréchet distance.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from .features import VGG
from .images import Box
from .matching import rows
from .metrics import frechet_distance
from .nets.pggan import PGGAN
from .nets.stylegan import StyleGAN

ROUND, MEMORY = 5, 20  # iterations of L-BFGS between two looks, and how many it remembers; ours
PERCEPTUAL_LAYER = "conv3_3"  # mGANprior
PERCEPTUAL_WEIGHT = 0.002  # ours, beside the squared error of colours in [0, 1]; of one relative to the target's features
PERCEPTUAL_SIDE = 64  # px, at least: smaller pictures are enlarged before the extractor sees them (mGANprior: to 256)
SCORED_LAYER = "conv3_4"  # a 64 px picture has 256 places there
PLACED_LAYERS = {"conv3_4": 2, "conv4_4": 1}  # what windows are looked for by, and the places from one window to the next
LEAST_WINDOW, FINER = 0.3, 0.84  # of the picture's short side; from one size of window to the next
SCORED_SIDE = 64  # px, at which every picture is scored
SAMPLES = 128  # pictures of the generator's own that it is scored against


class Inversion:
    """Codes and weights of all hypotheses for one picture, advanced together.

    Args:
        generator: stays as it is.
        vgg: for the perceptual part of the loss.
        target: (1, 3, S, S), RGB in [0, 1], S at most the generator's resolution: where it is less, the generator's pictures are
            reduced to it (equation 12), and what it adds is its own.
        hypotheses: (composing layer, number of codes); a layer that the generator has not is its last.
        rng: draws the codes, on the CPU.
    """

    def __init__(
        self,
        generator: PGGAN | StyleGAN,
        vgg: VGG,
        target: Tensor,
        hypotheses: Iterable[tuple[int, int]],
        rng: torch.Generator,
    ):
        self.generator, self.vgg, self.target = generator, vgg, target
        self.hypotheses = list(dict.fromkeys((min(layer, generator.layers), count) for layer, count in hypotheses))
        self.codes, self.weights = [], []
        start = self.nearest(rng)
        for layer, count in self.hypotheses:
            channels = generator.widths[(layer - 1) // 2]
            self.codes.append(start[None, :count].clone().requires_grad_())
            self.weights.append(torch.ones(1, count, channels, device=target.device, requires_grad=True))
        self.optimisers = [
            torch.optim.LBFGS(pair, max_iter=ROUND, history_size=MEMORY, line_search_fn="strong_wolfe")
            for pair in zip(self.codes, self.weights, strict=True)
        ]
        with torch.no_grad():
            self.wanted = self.seen(target)

    @torch.no_grad()
    def nearest(self, rng: torch.Generator) -> Tensor:
        """`SAMPLES` codes from N(0, 1), those whose pictures are nearest to the target first."""
        codes = torch.randn(SAMPLES, self.generator.latent, generator=rng).to(self.target.device)
        pictures = torch.cat([self.reduced(self.generator(part) / 2 + 0.5) for part in codes.split(8)])
        return codes[(pictures - self.target).square().mean((1, 2, 3)).argsort()]

    def reduced(self, pictures: Tensor) -> Tensor:
        """The down-sampling operator of equation 12: (N, 3, R, R) at the target's size."""
        return F.interpolate(pictures, self.target.shape[-2:], mode="area")

    def seen(self, pictures: Tensor) -> Tensor:
        """What the perceptual loss compares, of (N, 3, S, S) in [0, 1]."""
        if pictures.shape[-1] < PERCEPTUAL_SIDE:
            pictures = F.interpolate(pictures, (PERCEPTUAL_SIDE, PERCEPTUAL_SIDE), mode="bilinear")
        return self.vgg(pictures, [PERCEPTUAL_LAYER])[PERCEPTUAL_LAYER].float()

    def picture(self, k: int) -> Tensor:
        """Of hypothesis `k`, (1, 3, R, R), RGB, about [0, 1]."""
        layer, count = self.hypotheses[k]
        return self.generator.compose(self.codes[k], self.weights[k] / count, layer) / 2 + 0.5

    def loss(self, k: int) -> Tensor:
        """Equation 12 of hypothesis `k`: squared error, and that of the extractor's features relative to the target's; 0-d."""
        small = self.reduced(self.picture(k))
        difference = (self.seen(small) - self.wanted).square().mean() / self.wanted.square().mean().clamp(min=1e-6)
        return (small - self.target).square().mean() + PERCEPTUAL_WEIGHT * difference

    def step(self) -> Tensor:
        """`ROUND` iterations for every hypothesis; the loss of each at their beginning, (hypotheses,)."""
        losses = []
        for k, optimiser in enumerate(self.optimisers):

            def closure(k=k, optimiser=optimiser) -> Tensor:
                optimiser.zero_grad()
                loss = self.loss(k)
                loss.backward()
                return loss.detach()

            losses.append(optimiser.step(closure))
        return torch.stack(losses)

    @torch.no_grad()
    def pictures(self) -> Tensor:
        """As they are now: one for each hypothesis, (hypotheses, 3, R, R), RGB in [0, 1]."""
        return torch.cat([self.picture(k) for k in range(len(self.hypotheses))]).clamp(0, 1)


class Reference:
    """How a generator's own pictures look to the extractor, how far from that a single picture is, and where in a picture the
    like is.

    The Fréchet distance of OEFT 3.3 is between sets of pictures. For a single one it is here between two normal distributions of
    feature vectors at `SCORED_LAYER`: those at the places of this picture, and those at all places of `SAMPLES` pictures of the
    generator's, all at `SCORED_SIDE`. A single picture never has the variety of many, so real ones do not score 0: `usual` is
    what 19 of 20 of the generator's own pictures stay below.

    That distance does not see where in a picture something is. `window` does: the generator's pictures are all framed alike, so
    the mean of the direction of their features, place by place, is a template of what they show.

    Args:
        generator: any resolution. vgg: the extractor that both are seen by.
    """

    def __init__(self, generator: PGGAN | StyleGAN, vgg: VGG):
        self.vgg = vgg
        device, rng = vgg.mean.device, torch.Generator().manual_seed(0)
        with torch.no_grad():
            codes = torch.randn(SAMPLES, generator.latent, generator=rng).to(device).split(8)
            own = torch.cat([self.reduced(generator(part) / 2 + 0.5) for part in codes])
            vectors = self.vectors(own)
            maps = self.vgg(own, PLACED_LAYERS)
            self.means = {name: x.mean((0, 2, 3), keepdim=True) for name, x in maps.items()}
            self.templates = {name: self.directions(x, name).mean(0, keepdim=True) for name, x in maps.items()}
            self.alike = 1.0
            self.alike = self.likeness(own).median().item()
        whole = vectors.flatten(0, 1)
        self.mean, self.covariance = whole.mean(0), whole.T.cov()
        self.usual = torch.tensor([self.distance(one) for one in vectors]).quantile(0.95).item()

    def reduced(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W), RGB about [0, 1], at `SCORED_SIDE`."""
        return F.interpolate(pictures.clamp(0, 1), (SCORED_SIDE, SCORED_SIDE), mode="bilinear", antialias=True)

    def vectors(self, pictures: Tensor) -> Tensor:
        """(N, places, C) of (N, 3, H, W), RGB in [0, 1]; float64, on the CPU."""
        pictures = self.reduced(pictures)
        return torch.stack([rows(one[None]) for one in self.vgg(pictures, [SCORED_LAYER])[SCORED_LAYER]]).double().cpu()

    def distance(self, vectors: Tensor) -> float:
        """Of one picture's `vectors` (places, C)."""
        return frechet_distance(vectors.mean(0), vectors.T.cov(), self.mean, self.covariance)

    @torch.no_grad()
    def scores(self, pictures: Tensor) -> list[float]:
        """Of each of (N, 3, H, W), RGB in [0, 1]: 0 for the statistics of the generator's own; smaller is more like them."""
        return [self.distance(one) for one in self.vectors(pictures)]

    def decide(self, pictures: Tensor) -> tuple[int, list[float]]:
        """Which of (N, 3, H, W), RGB in [0, 1], is most like the generator's own (OEFT 3.3), and the distances of all."""
        scores = self.scores(pictures)
        return min(range(len(scores)), key=scores.__getitem__), scores

    def directions(self, maps: Tensor, name: str) -> Tensor:
        """Unit vectors of a layer's (N, C, H, W), as seen from the mean of the generator's own."""
        return F.normalize(maps.float() - self.means[name], dim=1)

    def likeness(self, pictures: Tensor) -> Tensor:
        """How much each window of `SCORED_SIDE` px in (N, 3, H, W) looks like the generator's pictures, (N, 1, h, w) for windows
        8 px apart: 1 as its own do, 0 as little as any other thing."""
        maps, found = self.vgg(pictures, PLACED_LAYERS), 0
        for name, stride in PLACED_LAYERS.items():
            template = self.templates[name]
            found = found + F.conv2d(self.directions(maps[name], name), template, stride=stride) / template[0, 0].numel()
        return found / len(PLACED_LAYERS) / self.alike

    @torch.no_grad()
    def window(self, picture: Tensor) -> tuple[float, Box]:
        """The square of (1, 3, H, W), RGB in [0, 1], that looks most like the generator's pictures: how much, and where."""
        height, width = picture.shape[-2:]
        side, found = float(min(height, width)), []
        while side >= LEAST_WINDOW * min(height, width):
            size = [round(x * SCORED_SIDE / side) for x in (height, width)]
            alike = self.likeness(F.interpolate(picture, size, mode="bilinear", antialias=True))[0, 0]
            row, column = divmod(alike.argmax().item(), alike.shape[1])
            whole = int(side)
            left, top = (min(round(8 * at * side / SCORED_SIDE), x - whole) for at, x in ((column, width), (row, height)))
            found.append((alike.max().item(), (left, top, whole, whole)))
            side *= FINER
        return max(found)
