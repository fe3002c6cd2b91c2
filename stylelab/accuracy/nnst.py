"""Neural Neighbor Style Transfer: what each synthesis makes of the same pictures, and how well masks are kept to.

The first table compares optimisation, decoders, and what feed-forward methods do with the same features and decoder: moments
matched (Huang & Belongie 2017, AdaIN).

The second is about masks that name up to nine things, on photo pairs at the preset's size: how many places take their feature
from another label than their own, with equation 1 without guidance and with the paper's weight. What is matched are squares of
four by four pixels; whose they are `Regions.channels` says. Also counted is each of their pixels by its own label, where those at
a border have no choice; and squares of content and style by the label of their middle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import job, metrics
from ..decoding import Model, decode, eighths
from ..features import VGG
from ..hypercolumns import extract, hypercolumns, quarter
from ..images import load_mask, load_picture, resize
from ..matching import rows
from ..method import drain
from ..methods import nnst
from ..methods.nnst import NNSTParams
from ..neighbours import rearranged
from ..palette import coloured
from ..regions import FEWEST, Regions
from ..sources import Sources
from . import Options, head, present, row, weights_line
from .dtp import FOLDER, pairs

GUIDANCE = (0.0, 0.5)  # knob; the paper's
PAINTED = 8  # pairs


def leaks(vgg: VGG, content: Tensor, sources: Sources, params: NNSTParams) -> list[tuple[float, float]]:
    """The share of places that take from another label, of all places and of the label where it is largest.

    With labels by whose a place is; for the content's pixels, from places by whose they are; and by the middle of a place. Labels
    that the style lacks do not count.
    """
    sizes, regions = [quarter(picture) for picture in (content, sources.styles[0])], sources.regions
    every = torch.tensor(regions.all, device=content.device)
    most, middle = ([], [])
    for k, size in enumerate(sizes):
        shares = rows(regions.channels(k, size))
        most.append(every[shares.argmax(1)].where(shares.sum(1) >= 0.5, -1))  # -1: what the style lacks
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


@torch.no_grad()
def moments_matched(model: Model, content: Tensor, style: Tensor) -> Tensor:
    """The content's hypercolumns, every channel moved to the style's mean and deviation, decoded; colours as NNST does them."""
    vgg = model.extractor("decoder")
    ours, theirs = (hypercolumns(extract(vgg, x), quarter(x)) for x in (eighths(content), eighths(style)))
    (deviation, mean), (wanted, centre) = (torch.std_mean(x, (2, 3), keepdim=True) for x in (ours, theirs))
    target = (ours - mean) / deviation.clamp(min=1e-12) * wanted + centre
    painted, _ = decode(model.decoder(max(content.shape[-2:])), vgg, target, content)
    return coloured(content, style, painted, nnst.NNSTParams().colour_order)


def painted_pairs(data: Path, count: int) -> Iterator[tuple[str, Path, Path]]:
    """Name, content and style: the authors' pictures, contents with styles in turn; then Deep Image Analogy's photos."""
    contents, styles = (sorted((data / "nnst").glob(f"{kind}_*.jpg")) for kind in ("content", "style"))
    others = sorted((data / "dia").glob("1photo2style_*_A.jpg"))
    stride = max(1, len(others) // max(1, count - len(contents)))
    files = [*zip(contents, styles), *((path, path.with_name(path.name.replace("_A", "_BP"))) for path in others[::stride])]  # noqa: B905
    for content, style in files[:count]:
        yield f"{content.stem}, {style.stem}", content, style


def painting(model: Model, options: Options) -> Iterator[str]:
    """A row a pair and the means."""
    yield f"\nStyle distance relative to the untouched content's, and structure change, at {metrics.SIDE} px; less is better.\n"
    knobs = {
        f"`opt`, preset `{options.preset}`": nnst.METHOD.settings(options.preset, size=metrics.SIDE, synthesis="opt"),
        "`decoder`": nnst.METHOD.settings("decoder", size=metrics.SIDE),
    }
    columns = [*knobs, "moments matched (AdaIN)"]
    yield head("pair", *(f"{name}: {figure}" for name in columns for figure in ("style", "structure")))
    table = []
    for name, *files in painted_pairs(options.data, options.pairs or PAINTED):
        content, style = (resize(load_picture(path).rgb, metrics.SIDE).to(model.vgg.mean.device) for path in files)
        made = [drain(nnst.run(model, content, style, params)).image for params in knobs.values()]
        found = [metrics.compare(x, content, style) for x in (*made, moments_matched(model, content, style))]
        table.append([figures[key] for figures in found for key in ("style_distance", "structure_change")])
        yield row(name, *(f"{value:.3f}" for value in table[-1]))
    yield row("**mean**", *(f"{value:.3f}" for value in torch.tensor(table).mean(0).tolist()))


def report(options: Options) -> Iterator[str]:
    """Both tables, or the one there are data for; see `accuracy`."""
    found = present(options.data, FOLDER, "nnst")
    model = job.model_of("nnst", job.device_called(options.device), options.weights)
    yield weights_line(model, options)
    if "nnst" in found:
        yield from painting(model, options)
    if FOLDER in found:
        yield from guiding(model.vgg, options)


def guiding(vgg: VGG, options: Options) -> Iterator[str]:
    """A row a pair and the means."""
    free, guided = (nnst.METHOD.settings(options.preset, guidance_weight=weight) for weight in GUIDANCE)
    yield f"\nPlaces that take their feature from another label, at {free.size} px; worst label of {FEWEST} places or more.\n"
    columns = ("without guidance", "guided", "worst label", "of pixels", "worst label", "by the middle", "worst label")
    yield head("pair", "labels", *columns)
    table = []
    for name, content, style in pairs(options.data / FOLDER, options.pairs):
        masks = [path.with_name(f"{path.stem}_mask.png") for path in (content, style)]
        picture, other = (resize(load_picture(path).rgb, free.size).to(vgg.mean.device) for path in (content, style))
        sources = Sources((other,), regions=Regions(*(load_mask(path).to(vgg.mean.device) for path in masks)))
        if len(sources.regions.shared) > 1:
            (without, _), *_ = leaks(vgg, picture, sources, free)
            table.append([without, *itertools.chain(*leaks(vgg, picture, sources, guided))])
            yield row(name, str(len(sources.regions.shared)), *(f"{figure:.1%}" for figure in table[-1]))
    if table:
        yield row("**mean**", "", *(f"{figure:.1%}" for figure in torch.tensor(table).mean(0).tolist()))
