"""Colour spaces and statistics shared by the methods. All tensors are (1, C, H, W)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

# Oklab in its first published form (Ottosson, December 2020), the one NNST's code has; kornia 0.9 has CIELAB but no Oklab.
_TO_LMS = (
    (0.4121656120, 0.5362752080, 0.0514575653),
    (0.2118591070, 0.6807189584, 0.1074065790),
    (0.0883097947, 0.2818474174, 0.6302613616),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def _mix(image: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix, image)


def oklab(image: Tensor) -> Tensor:
    """L (about 0 to 1), A, B (about -0.3 to 0.3) of RGB in [0, 1].

    Applied to sRGB values as they are, without linearising them: so does NNST's public code, and its thresholds are for that.
    """
    return _mix(_mix(image, image.new_tensor(_TO_LMS)).clamp(min=0).pow(1 / 3), image.new_tensor(_TO_LAB))


def rgb(lab: Tensor) -> Tensor:
    """Inverse of `oklab`; may leave [0, 1]."""
    # Inverted in float64 on the CPU: the same last bits on every device.
    to_lms, to_lab = torch.tensor(_TO_LMS, dtype=torch.float64), torch.tensor(_TO_LAB, dtype=torch.float64)
    return _mix(_mix(lab, to_lab.inverse().to(lab)).pow(3), to_lms.inverse().to(lab))


def moments(image: Tensor, eps: float = 0.0, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean (C, 1) and population covariance (C, C) of the pixels, `eps` added to its diagonal.

    Pixels count alike, or by their `weights` (1, 1, H, W), at least 0 and not all of them 0.
    """
    pixels = image[0].flatten(1)
    ridge = eps * torch.eye(len(pixels), device=image.device)
    if weights is None:
        mean = pixels.mean(1, keepdim=True)
        centred = pixels - mean
        return mean, centred @ centred.T / pixels.shape[1] + ridge
    weights = weights.flatten() / weights.sum()
    mean = pixels @ weights[:, None]
    centred = pixels - mean
    return mean, (centred * weights) @ centred.T + ridge


def _power(symmetric: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    return vectors @ torch.diag(values.clamp(min=1e-12) ** exponent) @ vectors.T


def moment_transform(
    image: Tensor, reference: Tensor, eps: float = 1e-4, weights: Tensor | None = None, reference_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Matrix (C, C) and offset (C, 1) that give `image` the mean and covariance of `reference`: ZCA-whitening, then colouring.

    Weights are those of `moments`.
    """
    (mean, covariance), (target_mean, target) = moments(image, eps, weights), moments(reference, eps, reference_weights)
    matrix = _power(target, 0.5) @ _power(covariance, -0.5)
    return matrix, target_mean - matrix @ mean


def match_moments(image: Tensor, reference: Tensor, eps: float = 1e-4, **weights: Tensor | None) -> Tensor:
    """`image` with the mean and covariance of `reference` (eps: NNST's public code); may leave the range of both.

    `weights` and `reference_weights`: see `moments`.
    """
    matrix, offset = moment_transform(image, reference, eps, **weights)
    return (matrix @ image[0].flatten(1) + offset).view_as(image)


def clamp_to(image: Tensor, reference: Tensor) -> Tensor:
    """Each channel of `image` kept inside the range that channel has in `reference`."""
    return image.maximum(reference.amin((2, 3), keepdim=True)).minimum(reference.amax((2, 3), keepdim=True))


def filter_along(image: Tensor, guide: Tensor, rounds: int = 5, sharpness: float = 10.0) -> Tensor:
    """Joint bilateral filter: `rounds` passes of a 3x3 mean weighted by exp(-sharpness * |difference in guide|).

    NNST's public code has this kernel and these numbers; kornia's joint bilateral filter has a Gaussian one.

    Args:
        image: (1, C, H, W). guide: (1, 1, H, W), values about 0 to 1.
    """

    def neighbours(x: Tensor) -> Iterator[Tensor]:
        height, width = x.shape[-2:]
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return (padded[..., dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3))

    # A neighbour at a time: all nine of a picture of 4096 pixels are 2 GB.
    weights = [(-sharpness * (other - guide).abs()).exp() for other in neighbours(guide)]
    total = sum(weights)
    for _ in range(rounds):
        image = sum(other * weight for other, weight in zip(neighbours(image), weights, strict=True)) / total
    return image
