"""Deep Translation Prior on photo pairs: how much of the photo stays and how much of the reference arrives, at two style weights.

The paper's Table 1 has SSIM to the photo at 4/5 and 1/5. Beside it stands the style distance, and both figures of a plain global
colour transfer (the photo's colours brought to the reference's mean and covariance), which is what a reader could have at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import job, metrics
from ..images import load_picture
from ..method import drain
from ..methods import dtp
from . import Options, head, present, row, weights_line

FOLDER = "deep_photo"
WEIGHTS = {0.2: 0.82, 0.8: 0.75}  # style weight -> the paper's SSIM on its photo pairs (Table 1, Photo-R.)


def pairs(folder: Path, count: int | None) -> list[tuple[str, Path, Path]]:
    """Name, photo and reference of at most `count` pairs, spread evenly over the folder."""
    names = sorted(path.name.removesuffix("_content.jpg") for path in folder.glob("*_content.jpg"))
    count = min(len(names), len(names) if count is None else count)
    chosen = [names[k * len(names) // count] for k in range(count)]
    return [(name, folder / f"{name}_content.jpg", folder / f"{name}_style.jpg") for name in chosen]


def report(options: Options) -> Iterator[str]:
    """A row a pair and the means; see `accuracy`."""
    present(options.data, FOLDER)
    device = job.device_called(options.device)
    vgg = job.model_of("dtp", device, options.weights)
    yield weights_line(vgg, options)
    yield "\nSSIM to the photo, and style distance relative to the untouched photo's, at the photo's own size; no masks.\n"
    columns = ["global colour transfer", *(f"style weight {weight}" for weight in WEIGHTS)]
    yield head("pair", *(f"{name}: {figure}" for name in columns for figure in ("SSIM", "style distance")))
    table = []
    for name, *files in pairs(options.data / FOLDER, options.pairs):
        content, style = (load_picture(file).rgb.to(device) for file in files)
        knobs = [dtp.METHOD.settings(options.preset, style_weight=weight) for weight in WEIGHTS]
        last = [drain(dtp.run(vgg, content, style, params.sized_for(max(content.shape[-2:])))) for params in knobs]
        results = [last[0].extras["global_colour"], *(step.image for step in last)]
        found = [metrics.compare(image, content, style) for image in results]
        table.append([figures_of(image, content, measured) for image, measured in zip(results, found, strict=True)])
        yield row(name, *(f"{value:.2f}" for pair in table[-1] for value in pair))
    means = torch.tensor(table).mean(0)
    yield row("**mean**", *(f"{value:.3f}" for value in means.flatten().tolist()))
    yield row("paper, VGG-19, its own pairs", "", "", *(cell for ssim in WEIGHTS.values() for cell in (f"{ssim:.2f}", "")))


def figures_of(image: Tensor, content: Tensor, measured: dict[str, float]) -> tuple[float, float]:
    """SSIM at full size (the report's is at 256 px) and style distance."""
    content = F.interpolate(content, image.shape[-2:], mode="bilinear", antialias=True)
    return metrics.ssim(image, content).item(), measured["style_distance"]
