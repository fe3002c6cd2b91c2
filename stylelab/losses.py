"""Losses and measures that more than one place uses. Feature vectors are (N, C), one row a position."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .matching import nearest

FLAT = 1e-4  # shorter vectors are not made longer: where a picture is flat, gradients would be endless
EPSILON = 1e-3  # of the contextual loss, CoCosNet's: distances within it of the smallest are as good


def info_nce(output: Tensor, content: Tensor, temperature: float) -> Tensor:
    """Contrastive loss (van den Oord et al. 2018): row i of `output` shall be more like row i of `content` than like its others.

    Rows are compared by cosine after each row's own mean was subtracted, as DTP's public code does (DTP equations 12 and 13; the
    pair itself is in the denominator). 0 when every row is only like its own.

    Args:
        output, content: (N, C). temperature: of the softmax, above 0; DTP 0.07.
    """
    output, content = (centred(x) for x in (output, content))
    return F.cross_entropy((output @ content.T).float() / temperature, torch.arange(len(output), device=output.device))


def nearest_cosine(output: Tensor, style: Tensor) -> Tensor:
    """Mean over the rows of `output` of 1 - cosine to the most similar row of `style`, each row centred (DTP equation 14).

    Which row that is carries no gradient; the rows themselves do, on both sides. (N, C) and (M, C) to 0-d.
    """
    output, style = (centred(x) for x in (output, style))
    with torch.no_grad():
        found = nearest(output.float(), style.float())
    return 1 - (output * style[found]).sum(1).float().mean()


def contextual(output: Tensor, target: Tensor, bandwidth: float = 0.1) -> Tensor:
    """Contextual loss (Mechrez et al. 2018): every row of `target` shall be what some row of `output` is by far most like; 0-d.

    Cosine distances of rows from which the target's mean was subtracted, each row's relative to its smallest (`EPSILON` added),
    as a softmax over the target; minus the logarithm of the mean over the target of the largest.

    Args:
        output, target: (N, C), (M, C). bandwidth: h, 0.1 in CoCosNet.
    """
    centre = target.mean(0)
    output, target = (F.normalize(x - centre, dim=1, eps=FLAT) for x in (output, target))
    distance = 1 - (output @ target.T).float()
    distance = distance / (distance.amin(1, keepdim=True) + EPSILON)
    return -((1 - distance) / bandwidth).softmax(1).amax(0).mean().log()


def centred(vectors: Tensor) -> Tensor:
    """Each row (of N, C) minus its own mean, scaled to length 1."""
    return F.normalize(vectors - vectors.mean(1, keepdim=True), dim=1, eps=FLAT)


def gram(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """Gram matrix (C, C) of (1, C, H, W): mean over positions of the products of channels (Gatys et al. 2016), weighted by
    `weights` (1, 1, H, W) where given.
    """
    vectors = features[0].flatten(1)
    if weights is None:
        return vectors @ vectors.T / vectors.shape[1]
    return (vectors * weights.flatten()) @ vectors.T / weights.sum().clamp(min=1e-12)


def gram_difference(ours: Tensor, theirs: Tensor) -> Tensor:
    """Relative difference of two Gram matrices: 0 for equal ones, symmetric, the same for features scaled alike; 0-d."""
    return (ours - theirs).norm() / (ours.norm() * theirs.norm()).sqrt().clamp(min=1e-12)


def ssim(image: Tensor, other: Tensor) -> Tensor:
    """Structural similarity of two (1, 3, H, W) pictures in [0, 1] (Wang et al. 2004), window 11; 1 for equal pictures; 0-d."""
    from kornia.metrics import ssim as ssim_map  # two seconds to import, and not every job needs it at once

    return ssim_map(image, other, window_size=11).mean()
