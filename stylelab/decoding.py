"""Pictures from hypercolumns by trained networks, one for each scale (NNST 3.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import WeightsMissing
from .features import VGG
from .hypercolumns import extract, hypercolumns, quarter
from .nets.decoder import Decoder
from .precision import fast_arithmetic


class Model(nn.Module):
    """The extractor, and decoders with the extractor whose hypercolumns they know.

    Args:
        decoders: by long side in px, may be none. reader: None is `vgg` itself. missing: why there are no decoders.
        described: of the decoders' file, for reports.
    """

    def __init__(
        self,
        vgg: VGG,
        decoders: Mapping[int, Decoder] | None = None,
        reader: VGG | None = None,
        missing: WeightsMissing | None = None,
        described: Sequence[dict[str, str]] = (),
    ):
        super().__init__()
        self.vgg, self.reader, self.missing = vgg, reader or vgg, missing
        self.decoders = nn.ModuleDict({str(side): network for side, network in (decoders or {}).items()})
        self.described = list(described)

    def used(self, synthesis: str) -> list[dict[str, str]]:
        """What a result by this synthesis was made with."""
        return self.vgg.weights if synthesis == "opt" else [*self.reader.weights, *self.described]

    @property
    def weights(self) -> list[dict[str, str]]:
        """All that is here."""
        both = [*self.used("opt"), *(self.used("decoder") if self.decoders else [])]
        return [each for k, each in enumerate(both) if each not in both[:k]]

    def extractor(self, synthesis: str) -> VGG:
        """For this synthesis.

        Raises:
            WeightsMissing: it needs decoders, and there are none.
        """
        if synthesis == "opt":
            return self.vgg
        if self.missing:
            raise WeightsMissing(str(self.missing))  # a new one: each keeps the frames that it went through
        return self.reader

    def decoder(self, side: int) -> Decoder:
        """The one whose scale is nearest to the long side `side`, as ratios go."""
        return self.decoders[min(self.decoders, key=lambda known: abs(math.log(side / int(known))))]


def eighths(image: Tensor) -> Tensor:
    """(1, 3, H, W), its last row and column repeated until both sides are multiples of 8: all layers lie on each other."""
    return F.pad(image, (0, -image.shape[-1] % 8, 0, -image.shape[-2] % 8), mode="replicate")


@torch.no_grad()
def decode(decoder: Decoder, vgg: VGG, target: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """The picture of hypercolumns (1, C, H / 4, W / 4), cut to the size of `like`, and their mean cosine distance to its own."""
    with fast_arithmetic(target.device):
        image = decoder(target).clamp(0, 1)
    made = hypercolumns(extract(vgg, image), quarter(image))
    distance = 1 - F.cosine_similarity(made, target, dim=1).mean()
    return image[..., : like.shape[-2], : like.shape[-1]].contiguous(), distance
