"""NNST's decoder: a picture from hypercolumns, one band of a Laplacian pyramid by each of four branches (NNST 3.3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..pyramid import collapse

WIDTHS = (256, 256, 256, 256)  # 3.3.1: all hidden states of all branches, finest band first
FACTORS = (4, 2, 1, 1)  # by how much a branch enlarges its input; the last one's output is halved afterwards
CONVOLUTIONS = 5  # 3.3.1: of a branch, 3x3
LEAK = 0.2  # of leaky ReLU; the paper names none
SCALES = (64, 128, 256, 512)  # 3.3.2: long sides in px, a decoder for each
SMALLEST = 1e-5  # deviation of a channel that never moved in training


class Branch(nn.Module):
    """Five 3x3 convolutions and a linear residual one, then depth into resolution by a transposed convolution.

    Args:
        channels: of the input. width: of the hidden states. factor: by how much the output is larger than the input.
    """

    def __init__(self, channels: int, width: int, factor: int):
        super().__init__()
        out = 3 * factor**2
        sides = [channels, *[width] * (CONVOLUTIONS - 1), out]
        self.convolutions = nn.ModuleList(same_size(a, b) for a, b in pairwise(sides))
        self.residual = same_size(channels, out)
        self.enlarge = nn.ConvTranspose2d(out, 3, factor, factor) if factor > 1 else None
        with torch.no_grad():
            for layer in self.convolutions[:-1]:
                nn.init.kaiming_normal_(layer.weight, LEAK)
            for layer in (self.convolutions[-1], self.residual):  # a half of what keeps the deviation, together a whole
                nn.init.normal_(layer.weight, std=(18 * layer.in_channels) ** -0.5 * 0.3)
            if self.enlarge is not None:  # starts as a pixel shuffle
                self.enlarge.weight.copy_(torch.eye(out).view(out, 3, factor, factor))
                nn.init.zeros_(self.enlarge.bias)

    def forward(self, target: Tensor) -> Tensor:
        """(N, 3, factor * h, factor * w) of (N, channels, h, w)."""
        x = target
        for layer in self.convolutions[:-1]:
            x = F.leaky_relu(layer(x), LEAK, inplace=True)
        x = self.convolutions[-1](x) + self.residual(target)
        return x if self.enlarge is None else self.enlarge(x)


def same_size(channels: int, out: int) -> nn.Conv2d:
    """3x3, the border repeated: zeros would be a feature like any other."""
    layer = nn.Conv2d(channels, out, 3, padding=1, padding_mode="replicate")
    nn.init.zeros_(layer.bias)
    return layer


class Decoder(nn.Module):
    """Hypercolumns to a picture.

    Ours: channels are standardised first by means and deviations that come with the parameters; and with a `neck` a 1x1
    convolution brings them down to fewer before any branch sees them, without which four small networks would consist of
    little but first layers.

    Args:
        channels: of a hypercolumn, 2688 for VGG-16's first four blocks.
        widths: of the branches' hidden states, finest band first.
        neck: channels after the 1x1 convolution; 0 is none, the paper's.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = WIDTHS, neck: int = 0):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.neck = nn.Conv2d(channels, neck, 1) if neck else None
        if neck:
            nn.init.normal_(self.neck.weight, std=channels**-0.5)
            nn.init.zeros_(self.neck.bias)
        self.branches = nn.ModuleList(
            Branch(neck or channels, width, factor) for width, factor in zip(widths, FACTORS, strict=True)
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Decoder:
        """Build from a file's tensors, whose shapes say how wide it is; others are ignored.

        Raises:
            ValueError: a tensor is missing or has the wrong shape.
        """
        try:
            widths = tuple(len(tensors[f"branches.{i}.convolutions.0.weight"]) for i in range(len(FACTORS)))
            neck = len(tensors["neck.weight"]) if "neck.weight" in tensors else 0
            network = cls(len(tensors["mean"]), widths, neck)
            network.load_state_dict({name: tensors[name].float() for name in network.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"not a file of this network: {str(error).splitlines()[-1].strip()}") from None
        return network.eval().requires_grad_(False)

    def bands(self, target: Tensor) -> list[Tensor]:
        """Four bands of a Laplacian pyramid, finest first, of hypercolumns (N, channels, h, w).

        Returns:
            (N, 3, H, W) float32 with (H, W) = (4h, 4w), (2h, 2w), (h, w) and half of that, rounded down.
        """
        x = (target - self.mean.view(1, -1, 1, 1)) / self.deviation.clamp(min=SMALLEST).view(1, -1, 1, 1)
        x = x.contiguous(memory_format=torch.channels_last)
        if self.neck is not None:
            x = self.neck(x)
        bands = [branch(x).float() for branch in self.branches]
        half = [max(1, side // 2) for side in target.shape[-2:]]
        return [*bands[:-1], F.interpolate(bands[-1], size=half, mode="bilinear")]

    def forward(self, target: Tensor) -> Tensor:
        """A picture (N, 3, 4h, 4w), about in [0, 1], of hypercolumns (N, channels, h, w)."""
        return collapse(self.bands(target))


def decoders(tensors: Mapping[str, Tensor]) -> dict[int, Decoder]:
    """The decoders of a file, by the long side in px they are for: tensors are named ``512.branches.0...``.

    Raises:
        ValueError: there is none, or one is not whole.
    """
    sides = sorted({int(name.split(".")[0]) for name in tensors if name.split(".")[0].isdecimal()})
    if not sides:
        raise ValueError("not a file of this network: it holds no decoder")
    return {
        side: Decoder.from_tensors({n.split(".", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{side}.")})
        for side in sides
    }
