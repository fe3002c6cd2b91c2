"""The generator of "A Style-Based Generator Architecture for GANs" (Karras et al., CVPR 2019), cut in two like `PGGAN`.

Figure 1 of the paper: a mapping network takes the pixel-normalised code z to w; the synthesis network starts from a constant, and
after each of two layers a resolution adds noise (one picture of it, scaled by channel), a bias, leaky ReLU 0.2, and adaptive
instance normalisation (equation 1) with scales and shifts that are an affine function of w. After upsampling the 3x3
convolution's result is blurred with [1 2 1]. Truncation (appendix B) moves w towards its mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .pggan import EPSILON, LATENT, LEAK, Equalised, Generator, pixel_norm, upsample, widths_for

MAPPING_DEPTH, MAPPING_RATE = 8, 0.01  # section 2, appendix C
FUSED_FROM = 128  # px; from here up the public files' upsampling kernels are for a transposed convolution, which mirrors them


def blur(x: Tensor) -> Tensor:
    """(N, C, H, W) filtered with [1 2 1] / 4 in both directions, zeros outside: [1 1] twice."""
    return F.avg_pool2d(F.avg_pool2d(x, 2, 1, 1), 2, 1)


class _InstanceNorm(torch.autograd.Function):
    """Mean 0 and variance 1 of each channel of each picture, then a scale and a shift, with the gradient written out: in
    channels_last memory autograd's own takes several times as long on a CPU."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        ctx.kind, x = x.dtype, x.float()
        mean = x.mean((2, 3), keepdim=True)
        x = x - mean
        inverse = torch.rsqrt(x.square().mean((2, 3), keepdim=True) + EPSILON)
        ctx.save_for_backward(x, inverse, scale)
        return torch.addcmul(shift, x, scale * inverse)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, inverse, scale = ctx.saved_tensors
        slope, pixels = slope.float(), x.shape[2] * x.shape[3]
        to_shift = slope.sum((2, 3), keepdim=True)
        to_scale = (slope * x).sum((2, 3), keepdim=True) * inverse
        to_x = torch.addcmul(-to_shift / pixels, x, -inverse * to_scale / pixels).add_(slope).mul_(scale * inverse)
        return to_x.to(ctx.kind), to_scale, to_shift


class _Noise(nn.Module):
    """A picture of noise, the same one every time unless training draws another, added with a weight for each channel."""

    def __init__(self, width: int, side: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.register_buffer("noise", torch.randn(1, 1, side, side))

    def forward(self, generator: torch.Generator | None, n: int) -> Tensor:
        """(N or 1, C, H, W)."""
        noise = self.noise
        if generator is not None:
            noise = torch.randn(n, *noise.shape[1:], generator=generator, device=generator.device).to(noise.device)
        return noise * self.weight.view(1, -1, 1, 1)


class _Layer(nn.Module):
    """One layer of the synthesis network: a constant (where `channels` is 0) or a convolution, then noise to AdaIN."""

    def __init__(self, channels: int, width: int, side: int, code: int, up: bool):
        super().__init__()
        self.up = up
        self.bias = nn.Parameter(torch.zeros(width))
        if channels:
            self.weight = nn.Parameter(torch.randn(width, channels, 3, 3))
            self.scale = 2**0.5 * (9 * channels) ** -0.5
        else:
            self.const = nn.Parameter(torch.ones(1, width, 4, 4))
        self.apply_noise = _Noise(width, side)
        self.style = Equalised((2 * width, code), gain=1.0)

    def forward(self, x: Tensor | None, w: Tensor, generator: torch.Generator | None) -> Tensor:
        if x is None:
            x = self.const.expand(len(w), -1, -1, -1)
        else:
            x = F.conv2d(upsample(x) if self.up else x, self.weight * self.scale, padding=1)
            x = blur(x) if self.up else x
        x = x + (self.apply_noise(generator, len(w)) + self.bias.view(-1, 1, 1)).to(x.dtype)
        scale, shift = self.style(w).float()[..., None, None].chunk(2, 1)
        return _InstanceNorm.apply(F.leaky_relu(x, LEAK), 1 + scale, shift)


class StyleGAN(Generator):
    """Codes to pictures.

    Args:
        widths: channels at 4, 8, 16, ... px; their number decides the resolution.
        latent: numbers in a code z, and in w.
        depth: layers of the mapping network.
    """

    def __init__(self, widths: Sequence[int] = widths_for(1024), latent: int = LATENT, depth: int = MAPPING_DEPTH):
        super().__init__()
        self.widths, self.latent = tuple(widths), latent
        self.mapping = nn.Module()
        for i in range(depth):
            self.mapping.add_module(f"dense{i}", Equalised((latent, latent), rate=MAPPING_RATE))
        self.truncation = nn.Module()
        self.truncation.register_buffer("w_avg", torch.zeros(latent))
        self.synthesis = nn.Module()
        before = [0, *widths]
        for b, width in enumerate(widths):
            self.synthesis.add_module(f"layer{2 * b}", _Layer(before[b], width, 4 << b, latent, up=True))
            self.synthesis.add_module(f"layer{2 * b + 1}", _Layer(width, width, 4 << b, latent, up=False))
            self.synthesis.add_module(f"output{b}", Equalised((3, width, 1, 1), gain=1.0))

    def map(self, codes: Tensor) -> Tensor:
        """w (N, latent) of codes z (N, latent) from N(0, 1)."""
        w = pixel_norm(codes)
        for layer in self.mapping.children():
            w = F.leaky_relu(layer(w), LEAK)
        return w

    def truncate(self, w: Tensor, psi: float, layers: int) -> Tensor:
        """w (N, latent) for each layer, (N, `layers` of the network, latent): in the first `layers` brought to `psi` of its
        distance from the mean w."""
        share = torch.ones(self.layers, 1, device=w.device)
        share[:layers] = psi
        return torch.lerp(self.truncation.w_avg, w.float()[:, None], share)

    def run(self, x: Tensor | None, w: Tensor, first: int, last: int, generator: torch.Generator | None = None) -> Tensor:
        """Layers `first` to `last` - 1; w (N, latent), or (N, layers, latent) with one for each layer."""
        for k in range(first, last):
            x = getattr(self.synthesis, f"layer{k}")(x, w if w.ndim == 2 else w[:, k], generator)
        return x

    def head(self, codes: Tensor, layer: int) -> Tensor:
        """G1: codes z (N, latent) from N(0, 1) to features (N, C, H, W) after `layer` layers."""
        return self.run(None, self.map(codes), 0, layer)

    def tail(self, features: Tensor, layer: int, codes: Tensor) -> Tensor:
        """G2: features (B, C, H, W) after `layer` layers to pictures (B, 3, H, W), RGB, about [-1, 1].

        The layers behind the cut have styles too. They take the mean w of the codes (B, N, latent): mGANprior has no rule for
        StyleGAN, and with one code this is the whole generator.
        """
        w = self.map(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]).mean(1)
        return self.picture(self.run(features, w, layer, self.layers), len(self.widths) - 1)

    def picture(self, x: Tensor, b: int) -> Tensor:
        """toRGB of the features at 4 * 2^b px."""
        return getattr(self.synthesis, f"output{b}")(x)

    def synthesise(self, w: Tensor, lod: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Pictures (N, 3, H, W), RGB, about [-1, 1], of w (N, latent) or (N, layers, latent); for the others see `forward`."""
        b = len(self.widths) - 1 - int(lod)
        x, blend = self.run(None, w, 0, 2 * b, generator) if b else None, lod % 1
        image = self.picture(self.run(x, w, 2 * b, 2 * b + 2, generator), b)
        return torch.lerp(image, upsample(self.picture(x, b - 1)).to(image.dtype), blend) if blend else image

    def forward(self, codes: Tensor, lod: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Pictures (N, 3, H, W), RGB, about [-1, 1], of codes z (N, latent) from N(0, 1).

        For training: `lod` 1 is half the resolution, 0.3 full resolution with 0.3 of the half one's picture; with a `generator`
        noise is drawn anew instead of the file's.
        """
        return self.synthesise(self.map(codes), lod, generator)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> StyleGAN:
        """Build from a file's tensors in genforce's layout (or of this project's own files), whose shapes say how large it is.

        Raises:
            ValueError: another layout, or a tensor is missing or has the wrong shape.
        """
        try:
            blocks, depth = (
                sum(bool(re.fullmatch(pattern, name)) for name in tensors)
                for pattern in (r"synthesis\.output\d+\.weight", r"mapping\.dense\d+\.weight")
            )
            widths = [len(tensors[f"synthesis.output{b}.weight"][0]) for b in range(blocks)]
            network = cls(widths, tensors["mapping.dense0.weight"].shape[1], depth)
            state = {name: tensors[name].float() for name in network.state_dict()}
            for b in range(1, blocks):
                if 4 << b >= FUSED_FROM:
                    name = f"synthesis.layer{2 * b}.weight"
                    state[name] = state[name].flip(2, 3)
            network.load_state_dict(state)
        except (KeyError, IndexError, RuntimeError) as error:
            raise ValueError(f"not a StyleGAN generator: {str(error).splitlines()[-1].strip()}") from None
        return network.eval().requires_grad_(False)
