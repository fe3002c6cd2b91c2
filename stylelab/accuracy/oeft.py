"""Online Exemplar Fine-Tuning: what fine-tuning and augmentation bring the warped picture, and how well pictures are inverted.

The first table is figure 8 in numbers, on the photo pairs of `deep_photo`: structure change to the content, and contextual
loss to the style (equation 10). The second has the PSNR of one code and of twenty, on cats that no generator was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import job
from ..features import VGG, load_extractor
from ..images import load_picture
from ..method import drain
from ..methods import oeft
from ..metrics import structure_change
from ..train.gan import read_pictures
from . import Options, head, present, row, weights_line
from .dtp import pairs

FOLDER, CATS = "deep_photo", "cats-64"
PAIRS, PICTURES = 20, 12
VARIANTS = {  # column -> knobs
    "no fine-tuning": {"tuning_steps": 0},
    "without augmentation": {"augmentation": False},
    "with augmentation": {},
}
CODES = ("1", "20")
SIDE = 256  # px, at which warped pictures are compared


def report(options: Options) -> Iterator[str]:
    """Both tables, or the one there are data for; see `accuracy`."""
    found = present(options.data, FOLDER, CATS)
    model = job.model_of("oeft", job.device_called(options.device), options.weights)
    yield weights_line(model, options)
    if FOLDER in found:
        yield from fine_tuning(model, options)
    if CATS in found:
        yield from inversion(model, options)


def fine_tuning(model: oeft.Model, options: Options) -> Iterator[str]:
    """A row a pair and the means."""
    judge = load_extractor("vgg19", "compact", model.vgg.mean.device)
    yield "\nStructure change to the content and contextual loss to the style of the warped picture; less is better.\n"
    yield head("pair", *(f"{name}: {figure}" for name in VARIANTS for figure in ("structure", "contextual")))
    table = []
    for name, *files in pairs(options.data / FOLDER, options.pairs or PAIRS):
        content, style = (load_picture(file).rgb.to(judge.mean.device) for file in files)
        knobs = [oeft.METHOD.settings(options.preset, task="warp", **turned) for turned in VARIANTS.values()]
        warped = [drain(oeft.run(model, content, style, params)).image for params in knobs]
        table.append([value for image in warped for value in figures_of(judge, image, content, style)])
        yield row(name, *(f"{value:.3f}" for value in table[-1]))
    yield row("**mean**", *(f"{value:.4f}" for value in torch.tensor(table).mean(0).tolist()))


@torch.no_grad()
def figures_of(judge: VGG, image: Tensor, content: Tensor, style: Tensor) -> tuple[float, float]:
    """Structure change and contextual loss of a warped picture, all as squares; the style as blurred as that is."""
    image, content, style = (F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True) for x in (image, content, style))
    style = F.interpolate(F.avg_pool2d(style, 4), (SIDE, SIDE), mode="bilinear")
    ours, theirs = (judge(x, oeft.CONTEXTUAL_LAYERS) for x in (image, style))
    return structure_change(judge, image, content), oeft.contextual_loss(ours, theirs).item()


def inversion(model: oeft.Model, options: Options) -> Iterator[str]:
    """A row a cat, spread over those that were kept aside in training, and the means."""
    yield "\nPSNR in dB of the inverted picture, composing layer 6, cats that the shipped generators were not trained on.\n"
    yield head("picture", *(f"{domain}, {codes} codes" for domain in model.generators for codes in CODES))
    table = []
    cats, count = read_pictures(options.data / CATS, kept_aside=True), options.pairs or PICTURES
    for k in range(0, len(cats), max(1, len(cats) // count))[:count]:
        picture, found = cats[k : k + 1].to(model.vgg.mean.device) / 255, []
        for domain in model.generators:
            for codes in CODES:
                knobs = dict(task="invert", domain=domain, layers="6", codes=codes, size=picture.shape[-1])
                made = drain(oeft.run(model, picture, picture, oeft.METHOD.settings(options.preset, **knobs))).image
                found.append(-10 * math.log10((made - picture).square().mean().item()))
        table.append(found)
        yield row(str(k), *(f"{value:.2f}" for value in found))
    yield row("**mean**", *(f"{value:.2f}" for value in torch.tensor(table).mean(0).tolist()))
