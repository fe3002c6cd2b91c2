"""The generator of "Progressive Growing of GANs" (Karras et al., ICLR 2018), cut in two at a composing layer.

Table 2 of the paper: pixel norm on the latent code and before every convolution but the first's bias, 3x3 convolutions with an
equalised learning rate (section 4.1), leaky ReLU 0.2, nearest-neighbour upsampling, a 1x1 toRGB for each resolution. Two
convolutions a resolution: layer 0 makes 4x4 of the code, layers 2, 4, ... upsample first.

Multi-code inversion (mGANprior, Gu et al., CVPR 2020) cuts it after `layer` convolutions: features of several codes
(`head`) are weighted channel by channel and summed, and the rest of the generator (`tail`) makes one picture of them (`compose`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT = 512
LEAK = 0.2
EPSILON = 1e-8  # of pixel norm, section 4.2


def widths_for(resolution: int, base: int = 16384, most: int = 512) -> tuple[int, ...]:
    """The paper's channels at 4, 8, ... `resolution`: min(base / resolution, most)."""
    return tuple(min(base >> b, most) for b in range(2, resolution.bit_length()))


def pixel_norm(x: Tensor) -> Tensor:
    """(N, C, ...) with a mean square of 1 over channels."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)


def upsample(x: Tensor) -> Tensor:
    """(N, C, H, W) twice as large, nearest neighbour."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Equalised(nn.Module):
    """Parameters from N(0, 1) that are scaled when used, so that all learn at one rate (He's constant; section 4.1).

    Args:
        shape: of the weight, outputs first.
        gain: of the activation that follows: sqrt(2), or 1 where none does.
        rate: how much slower it learns than the others.
    """

    def __init__(self, shape: Sequence[int], gain: float = 2**0.5, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape) / rate)
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.scale, self.rate = gain * self.weight[0].numel() ** -0.5 * rate, rate

    def forward(self, x: Tensor) -> Tensor:
        """A linear layer for (N, C), a convolution of the same size for (N, C, H, W)."""
        weight, bias = self.weight * self.scale, self.bias * self.rate
        if x.ndim == 2:
            return F.linear(x, weight, bias)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


class Generator(nn.Module):
    """What both generators are to multiple GAN inversion: a network that can be cut after any layer (Gu et al. 2020).

    Each has `widths`, from 4 px on; ``head(codes, layer)``, G1; and ``tail(features, layer, codes)``, G2.
    """

    widths: tuple[int, ...]

    @property
    def resolution(self) -> int:
        """Side of the pictures, px."""
        return 2 << len(self.widths)

    @property
    def layers(self) -> int:
        """How many convolutions, mapping and toRGB aside; `head`, `tail` and `compose` cut after 1 ... layers of them."""
        return 2 * len(self.widths)

    def compose(self, codes: Tensor, weights: Tensor, layer: int) -> Tensor:
        """One picture of several codes: their features after `layer` layers, weighted by channel and summed.

        Args:
            codes: (B, N, latent), N codes z for each of B pictures.
            weights: (B, N, C), C channels at the composing layer.
            layer: 1 ... `layers`.

        Returns:
            (B, 3, H, W), RGB, about [-1, 1].
        """
        features = self.head(codes.flatten(0, 1), layer).unflatten(0, codes.shape[:2])
        return self.tail((features * weights[..., None, None]).sum(1), layer, codes)


class PGGAN(Generator):
    """Codes to pictures.

    Args:
        widths: channels at 4, 8, 16, ... px; their number decides the resolution.
        latent: numbers in a code.
    """

    def __init__(self, widths: Sequence[int] = widths_for(1024), latent: int = LATENT):
        super().__init__()
        self.widths, self.latent = tuple(widths), latent
        before = [latent, *widths]
        for b, width in enumerate(widths):
            kernel = 4 if b == 0 else 3
            self.add_module(f"layer{2 * b}", Equalised((width, before[b], kernel, kernel)))
            self.add_module(f"layer{2 * b + 1}", Equalised((width, width, 3, 3)))
            self.add_module(f"output{b}", Equalised((3, width, 1, 1), gain=1.0))

    def run(self, x: Tensor, first: int, last: int) -> Tensor:
        """Layers `first` to `last` - 1 of a code (N, latent) or of features (N, C, H, W)."""
        for k in range(first, last):
            layer: Equalised = getattr(self, f"layer{k}")
            x = pixel_norm(x)
            if k == 0:  # a 4x4 convolution with padding 3 of one pixel
                weight = (layer.weight * layer.scale).flip(2, 3)
                x = torch.einsum("nz,czyx->ncyx", x, weight) + layer.bias.view(len(weight), *layer.bias.shape[1:] or (1, 1))
            else:
                x = layer(x if k % 2 else upsample(x))
            x = F.leaky_relu(x, LEAK)
        return x

    def head(self, codes: Tensor, layer: int) -> Tensor:
        """G1: codes (N, latent) from N(0, 1) to features (N, C, H, W) after `layer` convolutions."""
        return self.run(codes, 0, layer)

    def tail(self, features: Tensor, layer: int, codes: Tensor | None = None) -> Tensor:
        """G2: features after `layer` convolutions to pictures (N, 3, H, W), RGB, about [-1, 1]; `codes` is for StyleGAN only."""
        return self.picture(self.run(features, layer, self.layers), len(self.widths) - 1)

    def picture(self, x: Tensor, b: int) -> Tensor:
        """toRGB of the features at 4 * 2^b px."""
        return getattr(self, f"output{b}")(pixel_norm(x))

    def forward(self, codes: Tensor, lod: float = 0.0) -> Tensor:
        """Pictures (N, 3, H, W), RGB, about [-1, 1], of codes (N, latent) from N(0, 1).

        `lod` > 0 is for training: 1 is half the resolution, 0.3 is full resolution with 0.3 of the half one's picture (figure 2).
        """
        b = len(self.widths) - 1 - int(lod)
        x, blend = self.run(codes, 0, 2 * b), lod % 1
        image = self.picture(self.run(x, 2 * b, 2 * b + 2), b)
        return torch.lerp(image, upsample(self.picture(x, b - 1)).to(image.dtype), blend) if blend else image

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> PGGAN:
        """Build from a file's tensors in any of three public layouts, whose shapes say how large it is; others are ignored.

        genforce's (and sefa's, and this project's own files): ``layer0.weight``; mGANprior's and higan's: ``layer0.conv.weight``;
        pytorch_GAN_zoo's: ``formatLayer``, ``groupScale0``, ``scaleLayers``, ``toRGBLayers``.

        Raises:
            ValueError: another layout, or a tensor is missing or has the wrong shape.
        """
        try:
            if any("formatLayer." in name for name in tensors):
                tensors = _from_zoo(tensors)
            else:
                tensors = {re.sub(r"\.(conv|wscale)\.", ".", name): value for name, value in tensors.items()}
            blocks = sum(bool(re.fullmatch(r"output\d+\.weight", name)) for name in tensors)
            widths = [len(tensors[f"output{b}.weight"][0]) for b in range(blocks)]
            network = cls(widths, tensors["layer0.weight"].shape[1])
            network.layer0.bias = nn.Parameter(torch.zeros_like(tensors["layer0.bias"].float()))  # the zoo's: one for each place
            network.load_state_dict({name: tensors[name].float() for name in network.state_dict()})
        except (KeyError, RuntimeError, IndexError) as error:
            raise ValueError(f"not a PGGAN generator: {str(error).splitlines()[-1].strip()}") from None
        return network.eval().requires_grad_(False)


def _from_zoo(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """pytorch_GAN_zoo's parameters under genforce's names.

    There the norm follows each convolution instead of preceding the next, which is the same. The first layer is a linear one with
    a bias for every place, biases are scaled along with the weights, and toRGB has the gain of a layer with an activation.
    """
    plain = {name.replace(".module.", "."): value.float() for name, value in tensors.items()}

    def layer(old: str, new: str, gain: float = 1.0) -> dict[str, Tensor]:
        weight, bias = plain[f"{old}.weight"], plain[f"{old}.bias"]
        return {f"{new}.weight": weight * gain, f"{new}.bias": bias * (2 / weight[0].numel()) ** 0.5}

    first = layer("formatLayer", "layer0", 4.0)  # as a convolution it has 16 times as many inputs
    first = {name: value.unflatten(0, (-1, 4, 4)) for name, value in first.items()}
    first["layer0.weight"] = first["layer0.weight"].permute(0, 3, 1, 2).flip(2, 3)
    found = first | layer("groupScale0.0", "layer1")
    for b in range(sum(bool(re.fullmatch(r"toRGBLayers\.\d+\.weight", name)) for name in plain)):
        found |= layer(f"toRGBLayers.{b}", f"output{b}", 2**0.5)
        for i in range(2 if b else 0):
            found |= layer(f"scaleLayers.{b - 1}.{i}", f"layer{2 * b + i}")
    return found
