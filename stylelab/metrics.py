"""Figures that go into a report: how much of the style arrived, how much of the content stayed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from .features import VGG, load_extractor
from .images import least_side, resize
from .losses import gram, gram_difference, ssim
from .precision import fast_arithmetic

STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")  # Gatys et al. 2016, without conv5_1
FRECHET_LAYERS = ("conv3_4", "conv4_4")  # fur and eyes; the compact extractor's widths give 192 numbers
LEAST_WAY = 0.01  # of style: 19 of 20 pairs of photographs are 0.3 or more apart, one and its JPEG copy (quality 95) 0.007
SIDE = 256  # pictures are compared at this long side, so that figures of different jobs can be


def style_distance(vgg: VGG, image: Tensor, style: Tensor) -> float:
    """Mean over `STYLE_LAYERS` of the relative difference of Gram matrices: 0 for equal statistics, symmetric."""
    ours, theirs = vgg(image, STYLE_LAYERS), vgg(style, STYLE_LAYERS)
    return sum(gram_difference(gram(ours[name]), gram(theirs[name])).item() for name in STYLE_LAYERS) / len(STYLE_LAYERS)


def structure_change(vgg: VGG, image: Tensor, content: Tensor, layer: str = "conv4_1") -> float:
    """Mean absolute difference of the two pictures' self-similarity (centred cosines between all positions of a layer), the
    content measure of STROTSS (Kolkin et al. 2019) and NNST's code: 0 for the same structure; does not see colour or texture.
    """

    def similarity(picture: Tensor) -> Tensor:
        features = vgg(picture, [layer])[layer]
        vectors = F.normalize(features - features.mean((2, 3), keepdim=True), dim=1)[0].flatten(1)
        return vectors.T @ vectors

    return (similarity(image) - similarity(content)).abs().mean().item()


@torch.no_grad()
def compare(image: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
    """The report's metrics, on the compact extractor whatever the job ran on, all pictures (1, 3, H, W) at 256 px, or at
    as many more as a narrow one needs.

    `style_distance` is relative to the untouched content's: 1 is no style at all, 0 the style's own statistics. Where content and
    style have (nearly) the same, there is no way to go: `LEAST_WAY` stands for it.
    """
    vgg = load_extractor("vgg19", "compact", image.device)
    content = F.interpolate(content, size=image.shape[-2:], mode="bilinear", antialias=True)
    image, content = (resize(picture, max(SIDE, least_side(image))) for picture in (image, content))
    style = resize(style, max(SIDE, least_side(style)))
    untouched = style_distance(vgg, content, style)
    return {
        "style_distance": round(style_distance(vgg, image, style) / max(untouched, LEAST_WAY), 4),
        "structure_change": round(structure_change(vgg, image, content), 4),
        "ssim": round(ssim(image, content).item(), 4),
    }


@torch.no_grad()
def statistics(vgg: VGG, batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C) over pictures (N, 3, H, W) in [0, 1] of what the extractor sees in each: its activations at
    `FRECHET_LAYERS`, averaged over places, C channels in all. float64.
    """
    seen = []
    for images in batches:
        with fast_arithmetic(images.device):
            features = vgg(images, FRECHET_LAYERS)
        seen.append(torch.cat([features[name].double().mean((2, 3)) for name in FRECHET_LAYERS], 1))
    vectors = torch.cat(seen).cpu()
    return vectors.mean(0), vectors.T.cov()


def frechet_distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Between two normal distributions, |m - m'|² + tr(C + C' - 2 (C C')^½) (Dowson & Landau 1982; Heusel et al. 2017, eq. 6)."""
    values = torch.linalg.eigvals(covariance @ other_covariance).real.clamp(min=0)
    traces = covariance.trace() + other_covariance.trace() - 2 * values.sqrt().sum()
    return ((mean - other_mean).square().sum() + traces).item()
