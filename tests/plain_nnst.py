"""NNST-Opt once more, plainly: to compare pictures and seconds with, never to use.

Kolkin et al., "Neural Neighbor Style Transfer" (2022), sections 3.1 to 3.4, with the authors' published values where the paper
leaves a choice (they are listed at the top of ``stylelab/methods/nnst.py``). Everything is float32, every similarity matrix is
whole, nothing is kept but the style's features; of the package only the network and the picture resizing are used.

    python tests/plain_nnst.py CONTENT STYLE --size 256 --iterations 200 [--rotations]

runs this and the package's method after each other, and compares seconds and final objectives.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.append(str(Path(__file__).parents[1]))  # when run as a script

from stylelab.features import VGG, load_extractor
from stylelab.images import load_picture, resize
from stylelab.method import drain
from stylelab.methods import nnst

LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3")
ALPHA, RATE, LEVELS, GRID, SMALLEST = 0.25, 2e-3, 8, 64, 16


def bilinear(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image, (height, width), mode="bilinear", align_corners=False)


def pyramid(image: Tensor) -> list[Tensor]:
    """At most eight entries: differences to the half-sized picture enlarged again, then what is left."""
    entries, height, width = [], *image.shape[-2:]
    while len(entries) < LEVELS - 1 and min(height, width) > 1:
        smaller = bilinear(image, height // 2, width // 2)
        entries.append(image - bilinear(smaller, height, width))
        image, height, width = smaller, height // 2, width // 2
    return [*entries, image]


def picture(entries: list[Tensor]) -> Tensor:
    """The sum of all entries, each enlarged step by step."""
    if len(entries) == 1:
        return entries[0]
    return entries[0] + bilinear(picture(entries[1:]), *entries[0].shape[-2:])


def columns(vgg: VGG, image: Tensor) -> Tensor:
    """Hypercolumns (H/4 * W/4, channels of all layers), row by row."""
    height, width = image.shape[-2] // 4, image.shape[-1] // 4
    found = vgg(image, LAYERS)
    return torch.cat([bilinear(found[name] / found[name].shape[1], height, width)[0].flatten(1) for name in LAYERS]).T


def rotated(style: Tensor, rotations: bool) -> list[Tensor]:
    return [torch.rot90(style, quarters, (2, 3)) for quarters in ([0, 1, 2, 3] if rotations else [0])]


def similarities(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all rows of `a` with all rows of `b`."""
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def splitting_objective(vgg: VGG, image: Tensor, copies: list[dict[str, Tensor]], generator: torch.Generator) -> Tensor:
    """Sum over layers of the mean centred cosine distance of each position to the nearest of the style's (`copies`)."""
    total = torch.zeros(())
    for name, features in vgg(image, LAYERS).items():
        maps = [features, *(copy[name] for copy in copies)]
        grids = []
        for one in maps:
            stride = max(1, max(one.shape[-2:]) // GRID)
            top, left = (int(torch.randint(min(stride, side), (), generator=generator)) for side in one.shape[-2:])
            grids.append(one[0, :, top::stride, left::stride].flatten(1).T)
        centre = torch.stack([one[0].flatten(1).mean(1) for one in maps[1:]]).mean(0)
        ours, theirs = grids[0], torch.cat(grids[1:])
        total = total + 1 - similarities(ours - ours.mean(0), theirs - centre).max(1).values.mean()
    return total


def paint(
    vgg: VGG,
    content: Tensor,
    style: Tensor,
    size: int,
    iterations: int,
    rotations: bool = True,
    coarsest: int = 0,
    content_band: bool = False,
) -> tuple[Tensor, dict[str, float]]:
    """The painted picture, before the colour step, and the last loss of each stage.

    Args:
        coarsest: long side of the first scale; 0 is an eighth of `size` (paper), 64 is the authors' code.
        content_band: start each scale with the content's finest band over the last result (authors' code).
    """
    generator, losses, image = torch.Generator().manual_seed(0), {}, None

    def optimise(image: Tensor, objective, stage: str) -> Tensor:
        entries = [entry.clone().requires_grad_() for entry in pyramid(image)]
        adam = torch.optim.Adam(entries, lr=RATE, betas=(0.9, 0.999))
        for _ in range(iterations):
            adam.zero_grad()
            loss = objective(picture(entries))
            loss.backward()
            adam.step()
            losses[stage] = loss.item()
        return picture(entries).detach()

    scales, narrowest = [size], min(min(x.shape[-2:]) / max(x.shape[-2:]) for x in (content, style))
    while (half := scales[0] / 2) >= (coarsest or size / 8) and round(half * narrowest) >= SMALLEST:
        scales.insert(0, round(half))
    for scale in scales:
        c, s = resize(content, scale), resize(style, scale)
        start = c if image is None else bilinear(image, *c.shape[-2:])
        if content_band and image is not None:
            start = start + pyramid(c)[0]
        with torch.no_grad():
            queries = columns(vgg, ALPHA * start + (1 - ALPHA) * c)
            keys = torch.cat([columns(vgg, copy) for copy in rotated(s, rotations)])
            target = keys[similarities(queries - queries.mean(0), keys - keys.mean(0)).argmax(1)]
        image = optimise(start, lambda x, target=target: 1 - F.cosine_similarity(columns(vgg, x), target).mean(), f"{scale} px")
    copies = [vgg(copy, LAYERS) for copy in rotated(s, rotations)]
    image = optimise(image, lambda x: splitting_objective(vgg, x, copies, generator), "feature splitting")
    return image.clamp(0, 1), losses


@torch.no_grad()
def final_objective(vgg: VGG, image: Tensor, style: Tensor, rotations: bool) -> float:
    """Feature splitting's objective of a picture, averaged over eight shifts of the grid that are always the same."""
    copies = [vgg(copy, LAYERS) for copy in rotated(resize(style, max(image.shape[-2:])), rotations)]
    generator = torch.Generator().manual_seed(12345)
    return sum(splitting_objective(vgg, image, copies, generator).item() for _ in range(8)) / 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--rotations", action="store_true")
    given = parser.parse_args()
    content, style = load_picture(given.content).rgb, load_picture(given.style).rgb
    vgg = load_extractor("vgg16", "compact", torch.device("cpu"))
    settings = dict(size=given.size, iterations=given.iterations, rotations=given.rotations)

    def plain() -> Tensor:
        return paint(vgg, content, style, coarsest=64, content_band=True, **settings)[0]

    def ours() -> Tensor:
        return drain(nnst.run(nnst.Model(vgg), content, style, nnst.METHOD.settings("official", **settings))).extras["uncoloured"]

    seconds, objectives = {}, {}
    for name, work in (("plain", plain), ("stylelab", ours)):
        begun = time.perf_counter()
        image = work()
        seconds[name] = time.perf_counter() - begun
        objectives[name] = final_objective(vgg, image, style, given.rotations)
        print(f"{name:9} {seconds[name]:8.1f} s   final objective {objectives[name]:.4f}", flush=True)
    worse = 100 * (objectives["stylelab"] / objectives["plain"] - 1)
    print(f"stylelab is {seconds['plain'] / seconds['stylelab']:.2f} times as fast; its objective is {worse:+.2f} %")


if __name__ == "__main__":
    main()
