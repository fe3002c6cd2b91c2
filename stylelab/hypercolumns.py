"""NNST's view of a picture: activations of many layers, brought to a quarter of its resolution (NNST 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from .features import VGG, layer_names
from .precision import fast_arithmetic

LAYERS = layer_names("vgg16", blocks=4)  # 3.1: conv1_1 ... conv4_3; 2688 channels at width 64


def quarter(image: Tensor) -> tuple[int, int]:
    """Height and width of a picture's hypercolumns (3.1)."""
    return max(1, image.shape[-2] // 4), max(1, image.shape[-1] // 4)


def hypercolumns(features: Mapping[str, Tensor], size: tuple[int, int]) -> Tensor:
    """(N, channels of all layers, *size): every layer bilinearly at `size` and divided by its channel count."""
    return torch.cat([F.interpolate(f.float(), size=size, mode="bilinear") / f.shape[1] for f in features.values()], 1)


def layer_maps(features: Mapping[str, Tensor], size: tuple[int, int]) -> dict[str, Tensor]:
    """The parts of hypercolumns before they are put together: layers finer than `size` bilinearly at it, the others as they are.

    `hypercolumns` of these is `hypercolumns` of `features`; a layer is compared by itself where it has its own resolution.
    """
    return {
        name: F.interpolate(f.float(), size=size, mode="bilinear") if f.shape[-1] > size[1] else f.float()
        for name, f in features.items()
    }


def extract(vgg: VGG, image: Tensor, layers: Iterable[str] = LAYERS) -> dict[str, Tensor]:
    """Activations, in bf16 where that is fast."""
    with fast_arithmetic(image.device):
        return vgg(image, layers)
