"""Figure 7 of Adjustable Real-Time Style Transfer, as a table and a plot: does a slider do what it says?

For each style layer, the median loss over pairs of contents and styles while its α goes from 0 to 1 and the two others stand at 0
(left) or at 1 (right), relative to the loss at 0. Then, as the paper shows in figures 5 and 8 only: how far random results are
from each other, by α, by shadows on the content, and for the baseline of 5.4, noise on γ and β.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .. import job, metrics
from ..images import load_picture, resize
from ..methods.adjustable import LEAST_RANDOM, Painter, distances, encode, grams, random_alphas, repaint, shadowed, style_code
from ..nets.adjustable import STYLE_LAYERS
from ..precision import fast_arithmetic
from . import Options, head, present, row, weights_line

SIDE = 256  # px
SIDES = (256, 512, 1024)  # px, where speed is measured
STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
CONTENTS, STYLES = 20, 10  # of the issue; figure 7 has 100 contents and 25 styles
DRAWS = 4  # random results of a pair
BASELINE_NOISE = 0.2  # deviation of the noise on γ - 1 and β in the baseline
FOLDERS = {  # what for -> folder -> its pictures
    "contents": {
        "deep_photo": "*_content.jpg",
        "pf_willow": "*.jpg",
        "ade20k_cocosnet": "*.jpg",
        "nnst": "content_*.jpg",
    },
    "styles": {"nnst": "style_*.jpg", "dia": "*photo2style_*_BP.jpg"},
}
PLOT = Path("runs") / "adjustable-figure7.png"
COLOURS = ((200, 40, 40), (30, 140, 60), (40, 70, 200))  # conv2, conv3, conv4


def pictures(data: Path, role: str, n: int) -> list[Tensor]:
    """`n` content or style pictures (1, 3, H, W) of the evaluation data, in turn from the folders that are there."""
    by_folder = [sorted((data / folder).glob(pattern)) for folder, pattern in FOLDERS[role].items()]
    by_folder = [random.Random(0).sample(files, len(files)) for files in by_folder]
    turn = [path for paths in itertools.zip_longest(*by_folder) for path in paths if path is not None]
    return [resize(load_picture(path).rgb, SIDE) for path in turn[:n]]


def sweep(model: Painter, contents: list[Tensor], styles: list[Tensor], others: float) -> dict[str, list[float]]:
    """Layer -> median loss at each of `STEPS` of its own α."""
    looked = [(style_code(model, style), grams(model, style)) for style in styles]
    found: dict[tuple[float, ...], list[dict[str, float]]] = {}  # three α -> losses of every pair
    wanted = [[tuple(value if i == k else others for i in range(3)) for value in STEPS] for k in range(len(STYLE_LAYERS))]
    for content in contents:
        encoding = encode(model, content)
        for code, theirs in looked:
            for alphas in {alphas for line in wanted for alphas in line}:  # the corner is on all three lines
                losses = distances(grams(model, repaint(model, encoding, code, alphas)), theirs)
                found.setdefault(alphas, []).append({name: value.item() for name, value in losses.items()})
    return {
        name: [median(losses[name] for losses in found[alphas]) for alphas in wanted[k]] for k, name in enumerate(STYLE_LAYERS)
    }


def plot(curves: dict[float, dict[str, list[float]]], path: Path) -> None:
    """Figure 7, bottom: the two panels side by side."""
    page = Image.new("RGB", (2 * 460, 380), "white")
    draw = ImageDraw.Draw(page)
    for panel, (others, by_layer) in enumerate(curves.items()):
        left, top, width, height = panel * 460 + 50, 40, 380, 280
        draw.rectangle((left, top, left + width, top + height), outline="grey")
        draw.text((left, 15), f"median style loss, relative to alpha = 0; others at {others:g}", "black")
        for mark in (0, 0.25, 0.5, 0.75, 1):
            draw.text((left - 32, top + height * (1 - mark) - 6), f"{mark:g}", "black")
            draw.text((left + width * mark - 6, top + height + 8), f"{mark:g}", "black")
        for (name, values), colour in zip(by_layer.items(), COLOURS, strict=True):
            points = [(left + width * x, top + height * (1 - y / values[0])) for x, y in zip(STEPS, values, strict=True)]
            draw.line(points, colour, 3)
            draw.text((left + width - 60, points[-1][1] - 14), name, colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def apart(results: list[Tensor]) -> float:
    """Mean absolute difference of all pairs of pictures."""
    return mean((a - b).abs().mean().item() for i, a in enumerate(results) for b in results[:i])


def random_results(model: Painter, content: Tensor, style: Tensor, seed: int) -> dict[str, list[Tensor]]:
    """`DRAWS` results of each kind of chance."""
    generator = torch.Generator().manual_seed(seed)
    code, plain = style_code(model, style), encode(model, content)
    drawn = [random_alphas(DRAWS * seed + k) for k in range(DRAWS)]
    shaded = [encode(model, shadowed(content, 9, generator)) for _ in range(DRAWS)]
    middle = ((1 + LEAST_RANDOM) / 2,) * 3
    table = model.network.adjust(torch.tensor([middle], device=content.device), code, plain.colours)
    noise = [BASELINE_NOISE * torch.randn(table.shape, generator=generator).to(table.device) for _ in range(DRAWS)]
    with torch.no_grad():
        baseline = [model.network.transform.paint(plain.features.float(), table + n) for n in noise]
    return {
        "α drawn": [repaint(model, plain, code, alphas) for alphas in drawn],
        "shadows": [repaint(model, e, code, middle) for e in shaded],
        "both": [repaint(model, e, code, a) for e, a in zip(shaded, drawn, strict=True)],
        "noise on γ and β (5.4)": baseline,
    }


def seconds(*works: Callable[[], object], rounds: int) -> list[float]:
    """Of one call of each, median of `rounds` in turns, after one to warm up."""
    taken: list[list[float]] = [[] for _ in works]
    for i in range(rounds + 1):
        for work, times in zip(works, taken, strict=True):
            begun = time.perf_counter()
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if i:
                times.append(time.perf_counter() - begun)
    return [median(times) for times in taken]


def speed(model: Painter, content: Tensor, style: Tensor, side: int) -> tuple[float, float]:
    """Seconds of a slider's move at `side` px, and the throughput as a part of the same network's without Λ (paper: 0.913)."""
    content = resize(content, side)
    encoding, code = encode(model, content), style_code(model, style)
    table = model.network.adjust(torch.ones(1, 3, device=content.device), code, encoding.colours)

    def without() -> None:
        with torch.no_grad(), fast_arithmetic(content.device):
            model.network.transform.paint(encoding.features, table).float()

    def moved() -> None:
        repaint(model, encoding, code, (1.0, 1.0, 1.0))

    with_, alone = seconds(moved, without, rounds=21 if side <= SIDE else 5)
    return with_, alone / with_


def report(options: Options) -> Iterator[str]:
    """Figure 7, figures on the pairs at α = 1, and randomness; see `accuracy`."""
    present(options.data, *FOLDERS["contents"])
    present(options.data, *FOLDERS["styles"])
    device = job.device_called(options.device)
    model = job.model_of("adjustable", device, options.weights)
    yield weights_line(model, options)
    few = options.pairs
    contents = [p.to(device) for p in pictures(options.data, "contents", CONTENTS if few is None else few)]
    styles = [p.to(device) for p in pictures(options.data, "styles", STYLES if few is None else few)]
    yield f"\nFigure 7: median loss over {len(contents)} contents × {len(styles)} styles, relative to α = 0.\n"
    yield head("layer", "others at", *(f"α = {value:g}" for value in STEPS), "falls by", "at every step")
    curves = {}
    for others in (0.0, 1.0):
        curves[others] = sweep(model, contents, styles, others)
        for name, values in curves[others].items():
            falls = all(b < a for a, b in itertools.pairwise(values))
            share = f"{100 * (1 - values[-1] / values[0]):.0f} %"
            yield row(name, f"{others:g}", *(f"{v / values[0]:.3f}" for v in values), share, "yes" if falls else "no")
    plot(curves, PLOT)
    yield f"\nPlot: {PLOT}\n"
    yield head("α", "style distance", "structure change", "SSIM")
    for alphas in ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)):
        found = [
            metrics.compare(repaint(model, encode(model, c), style_code(model, s), alphas), c, s)
            for i, c in enumerate(contents)
            for s in (styles[i % len(styles)],)
        ]
        yield row(
            f"{alphas[0]:g}", *(f"{mean(f[name] for f in found):.3f}" for name in ("style_distance", "structure_change", "ssim"))
        )
    yield "\nA slider's move, Λ and T; throughput beside the same network's without Λ (paper: 0.913).\n"
    yield head("px", "seconds", "with Λ / without")
    for side in SIDES:
        moved, part = speed(model, contents[0], styles[0], side)
        yield row(str(side), f"{moved:.3f}", f"{part:.3f}")
    yield "\nRandom results: mean difference of two of a pair's, and style distance.\n"
    yield head("chance", "mean difference", "style distance")
    table: dict[str, list[tuple[float, float]]] = {}
    for i, content in enumerate(contents):
        style = styles[i % len(styles)]
        for name, results in random_results(model, content, style, i).items():
            distance = mean(metrics.compare(result, content, style)["style_distance"] for result in results)
            table.setdefault(name, []).append((apart(results), distance))
    for name, found in table.items():
        yield row(name, *(f"{mean(column):.3f}" for column in zip(*found, strict=True)))
