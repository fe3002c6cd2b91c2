"""Neural Neighbor Style Transfer with masks: how many places take their feature from another label than their own.

On photo pairs whose masks name up to nine things, at the preset's size: equation 1 without guidance and with the paper's weight.
What is matched are squares of four by four pixels; their label is the one that covers most of them. Also counted is each of their
pixels by its own label, where those at a border have no choice; and squares of content and style by the label of their middle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import job
from ..features import VGG, load_extractor
from ..hypercolumns import quarter
from ..images import load_mask, load_picture, resize
from ..matching import rows
from ..methods import nnst
from ..methods.nnst import NNSTParams
from ..neighbours import rearranged
from ..regions import Regions
from ..sources import Sources
from . import Options, head, present, row, weights_line
from .dtp import FOLDER, pairs

GUIDANCE = (0.0, 0.5)  # knob; the paper's
FEWEST = 20  # places; a smaller label has no share worth telling


def leaks(vgg: VGG, content: Tensor, sources: Sources, params: NNSTParams) -> list[tuple[float, float]]:
    """The share of places that take from another label, of all places and of the label where it is largest.

    With labels by what covers most of a place; for the content's pixels, from places by what covers most of them; and by the
    middle of a place. Labels that the style lacks do not count.
    """
    sizes, regions = [quarter(picture) for picture in (content, sources.styles[0])], sources.regions
    every = torch.tensor(regions.all, device=content.device)
    most, middle = ([], [])
    for k, size in enumerate(sizes):
        most.append(every[rows(regions.channels(k, size)).argmax(1)])
        middle.append(regions.at(k, size))
    carried = torch.stack([most[1], middle[1]]).view(1, 2, *sizes[1]).float()
    found, whole = rearranged(vgg, content, sources, params, [carried]), tuple(content.shape[-2:])
    pixels = F.interpolate(found[:, :1], whole, mode="nearest-exact")
    figures = []
    for ours, theirs in ((most[0], found[:, 0]), (regions.at(0, whole), pixels), (middle[0], found[:, 1])):
        wrong = [(theirs.flatten()[ours == label] != label).float() for label in regions.shared]
        known = [label for label in wrong if len(label) * found[0, 0].numel() >= FEWEST * ours.numel()]
        figures.append((torch.cat(wrong).mean().item(), max(label.mean().item() for label in known)))
    return figures


def report(options: Options) -> Iterator[str]:
    """A row a pair and the means; see `accuracy`."""
    present(options.data, FOLDER)
    device = job.device_called(options.device)
    vgg = load_extractor("vgg16", options.weights, device)
    yield weights_line(vgg, options)
    free, guided = (nnst.METHOD.settings(options.preset, guidance_weight=weight) for weight in GUIDANCE)
    yield f"\nPlaces that take their feature from another label, at {free.size} px; worst label of {FEWEST} places or more.\n"
    columns = ("without guidance", "guided", "worst label", "of pixels", "worst label", "by the middle", "worst label")
    yield head("pair", "labels", *columns)
    table = []
    for name, content, style in pairs(options.data / FOLDER, options.pairs):
        masks = [path.with_name(f"{path.stem}_mask.png") for path in (content, style)]
        picture, other = (resize(load_picture(path).rgb, free.size).to(device) for path in (content, style))
        sources = Sources((other,), regions=Regions(*(load_mask(path).to(device) for path in masks)))
        if len(sources.regions.shared) > 1:
            (without, _), *_ = leaks(vgg, picture, sources, free)
            table.append([without, *itertools.chain(*leaks(vgg, picture, sources, guided))])
            yield row(name, str(len(sources.regions.shared)), *(f"{figure:.1%}" for figure in table[-1]))
    if table:
        yield row("**mean**", "", *(f"{figure:.1%}" for figure in torch.tensor(table).mean(0).tolist()))
