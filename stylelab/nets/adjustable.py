"""The two networks of adjustable real-time style transfer (Babaeizadeh & Ghiasi, ICLR 2020), and the style code beside them.

`Transform` is the paper's T (Table 2), `Lambda` its Λ (Table 1): Λ turns the weights α of the style losses into the scales γ and
shifts β of all conditional instance normalisations of T, so T itself never sees them. `Adjustable` puts both together.

A style code makes one Λ do for every style: the means and deviations of the extractor's activations for the style picture, and
its colours' (`raw_code`). Without one (``code=0``) Λ is exactly the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STYLE_LAYERS = ("conv2_2", "conv3_4", "conv4_4")  # 5.1: the last features of conv2, conv3 and conv4 of VGG-19, one α each
CODE_LAYERS = ("conv1_2", *STYLE_LAYERS)
WIDTHS, BLOCKS = (32, 64, 128), 7  # Table 2
LAMBDA_WIDTH, LAMBDA_DEPTH = 1000, 10  # Table 1
EPSILON = 1e-4  # of a channel's variance; without one a flat picture divides by zero, as the public implementation does
# Styles of the project's own whose codes travel in the weights' file as `named.NAME`: no picture is needed for them.
NAMED = ("night", "mosaic", "oil", "pastel", "pointillism", "stained_glass", "watercolour", "woodcut")
ALPHA_GAIN = 2.0  # α reaches Λ as 2 (2 α - 1): beside a style code an uncentred one is not heard (DESIGN.md, section 6)
COLOURS = 9  # numbers of `raw_colours`
CODE_LIMIT = 3.5  # standard deviations: what is stranger than every picture of the training is treated like the strangest


class _Normalise(torch.autograd.Function):
    """Conditional instance normalisation (equation 6) with the gradient written out.

    Training spends half of its time on a CPU here if autograd does it: `var_mean` walks channels_last memory the wrong way, and
    the derivative of a mean and a variance is four passes over the picture instead of one.
    """

    @staticmethod
    def forward(ctx, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        ctx.kind, x = x.dtype, x.float()
        mean = x.mean((2, 3), keepdim=True)
        variance = (x.square().mean((2, 3), keepdim=True) - mean.square()).clamp(min=0)
        inverse = torch.rsqrt(variance + EPSILON)
        scale = gamma * inverse
        ctx.save_for_backward(x, mean, inverse, scale)
        return torch.addcmul(beta - mean * scale, x, scale)

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, mean, inverse, scale = ctx.saved_tensors
        pixels = x.shape[2] * x.shape[3]
        to_beta = slope.sum((2, 3), keepdim=True)
        to_gamma = ((slope * x).sum((2, 3), keepdim=True) - mean * to_beta) * inverse
        bend = scale * inverse * to_gamma / pixels
        to_x = torch.addcmul(mean * bend - scale * to_beta / pixels, x, -bend).addcmul_(slope, scale)
        return to_x.to(ctx.kind), to_gamma, to_beta


class Convolution(nn.Conv2d):
    """Same size out as in (divided by the stride, rounded up); the border is mirrored, which paints no frame. The normalisation
    behind it takes every bias away again, so it has none."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1):
        super().__init__(channels, out, kernel, stride, kernel // 2, bias=False, padding_mode="reflect")
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")


class Transform(nn.Module):
    """T, Table 2: 9x9 to the first width, two 3x3 of stride 2, residual blocks, two nearest-neighbour upsamplings with a 3x3,
    9x9 to RGB and a sigmoid, each convolution followed by conditional instance normalisation.

    Args:
        widths: feature maps at full, half and quarter resolution.
        blocks: residual blocks.
    """

    def __init__(self, widths: tuple[int, int, int] = WIDTHS, blocks: int = BLOCKS):
        super().__init__()
        full, half, quarter = widths
        self.convolutions = nn.ModuleList(
            [
                Convolution(3, full, 9),
                Convolution(full, half, 3, 2),
                Convolution(half, quarter, 3, 2),
                *(Convolution(quarter, quarter, 3) for _ in range(2 * blocks)),
                Convolution(quarter, half, 3),
                Convolution(half, full, 3),
                Convolution(full, 3, 9),
            ]
        )
        self.channels = [layer.out_channels for layer in self.convolutions]  # one γ and one β for each

    @property
    def settings(self) -> int:
        """How many scales, and as many shifts, T takes."""
        return sum(self.channels)

    def encode(self, image: Tensor) -> Tensor:
        """All of T that knows nothing of γ and β yet: its first convolution.

        Args:
            image: (N, 3, H, W) in [0, 1], any sides of at least 16.

        Returns:
            (N, first width, H, W).
        """
        return self.convolutions[0](image)

    def paint(self, encoding: Tensor, table: Tensor) -> Tensor:
        """The rest of T.

        Args:
            encoding: what `encode` gave.
            table: (N or 1, 2 * settings): γ - 1 of all channels, then β.

        Returns:
            (N, 3, H, W) in [0, 1].
        """
        n = len(encoding)
        scales, shifts = (
            part[..., None, None].expand(n, -1, -1, -1).split(self.channels, 1) for part in table.float().chunk(2, 1)
        )
        layers = zip(self.convolutions[1:], scales[1:], shifts[1:], strict=True)

        def layer(features: Tensor) -> Tensor:
            convolution, scale, shift = next(layers)
            return _Normalise.apply(convolution(features), 1 + scale, shift)

        x = F.relu(_Normalise.apply(encoding, 1 + scales[0], shifts[0]))
        for _ in range(2):
            x = F.relu(layer(x))
        for _ in range((len(self.convolutions) - 6) // 2):
            x = x + layer(F.relu(layer(x)))
        for _ in range(2):
            x = F.relu(layer(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        height, width = encoding.shape[-2:]
        return torch.sigmoid(layer(x)[..., :height, :width])


class Lambda(nn.Module):
    """Λ, Table 1: α to `width`, `depth` residual layers, and one to all γ - 1 and β.

    With a style code two things are added. What the codes say scales and shifts the embedding of α, so that all are mixed
    in what follows. And there are linear ways from codes to γ and β, opened by α alone: these learn palettes in minutes.
    Beside the style's code stand the content's `COLOURS`: instance normalisation takes a photograph's brightness and contrast
    away, and at α = 0, where it should come back as it was, no style code can tell what they were.

    Args:
        settings: `Transform.settings`.
        width, depth: of the hidden layers.
        code: numbers in a style code; 0 for a network of one style, which sees neither code.
        rank: numbers the style code is brought to first.
    """

    def __init__(self, settings: int, width: int = LAMBDA_WIDTH, depth: int = LAMBDA_DEPTH, code: int = 0, rank: int = 96):
        super().__init__()
        self.alpha = nn.Linear(len(STYLE_LAYERS), width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.out = nn.Linear(width, 2 * settings)
        for layer in (*self.hidden, self.out):
            nn.init.normal_(layer.weight, std=0.5 / width**0.5)
            nn.init.zeros_(layer.bias)
        self.project = nn.Linear(code, rank, bias=False) if code else None
        if code:
            nn.init.normal_(self.project.weight, std=code**-0.5)
            self.mix = nn.Sequential(nn.Linear(rank + COLOURS, 128), nn.ReLU(), nn.Linear(128, 2 * width))
            self.short = nn.ModuleList([nn.Linear(rank, 2 * settings, bias=False), nn.Linear(COLOURS, 2 * settings, bias=False)])
            self.gate = nn.Sequential(nn.Linear(len(STYLE_LAYERS), 32), nn.ReLU(), nn.Linear(32, 4 * settings), nn.Sigmoid())
            for layer in (self.mix[2], *self.short):
                nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(self.mix[2].bias)

    def forward(self, alphas: Tensor, code: Tensor | None = None, colours: Tensor | None = None) -> Tensor:
        """Settings of T.

        Args:
            alphas: (N, 3), weights of the losses of `STYLE_LAYERS`, in [0, 1].
            code, colours: (N, code) of the style and (N, COLOURS) of the content, standardised; a network of one
                style reads neither.

        Returns:
            (N, 2 * settings): γ - 1, then β.
        """
        alphas = ALPHA_GAIN * (2 * alphas - 1)
        x = F.relu(self.alpha(alphas))
        if self.project is not None:
            style = self.project(code)
            scale, shift = self.mix(torch.cat([style, colours], 1)).chunk(2, 1)
            x = x * (1 + scale) + shift
        for layer in self.hidden:
            x = x + F.relu(layer(x))
        table = self.out(x)
        if self.project is not None:
            gates = self.gate(alphas).chunk(2, 1)
            table = table + gates[0] * self.short[0](style) + gates[1] * self.short[1](colours)
        return table


def raw_colours(image: Tensor) -> Tensor:
    """Means, deviations (their logarithms) and correlations of red, green and blue of (N, 3, H, W): (N, COLOURS)."""
    pixels = image.float().flatten(2)
    deviation, mean = torch.std_mean(pixels, 2, correction=0)
    away = (pixels - mean[..., None]) / (deviation[..., None] + 0.01)
    together = away @ away.transpose(1, 2) / away.shape[2]
    return torch.cat([mean, (deviation + 0.01).log(), together[:, (0, 0, 1), (1, 2, 2)]], 1)


def raw_code(features: Mapping[str, Tensor], image: Tensor) -> Tensor:
    """What a picture's style is known by, before it is standardised: (N, numbers).

    Logarithms of the means and deviations of every channel of `CODE_LAYERS`, since these differ by orders of magnitude between
    pictures, and at the end the `COLOURS`.

    Args:
        features: `CODE_LAYERS` of the compact extractor (its width decides how many numbers there are).
        image: (N, 3, H, W) in [0, 1], the picture they come from.
    """
    parts = []
    for name in CODE_LAYERS:
        deviation, mean = torch.std_mean(features[name].float().flatten(2), 2, correction=0)
        parts += [(mean.clamp(min=0) + 0.01).log(), (deviation + 0.01).log()]
    return torch.cat([*parts, raw_colours(image)], 1)


class Adjustable(nn.Module):
    """p = Ψ(c, s, α): T, Λ, and the scale of the style codes.

    Args:
        widths, blocks: of T.
        width, depth: of Λ.
        code: numbers in a style code, 0 for the paper's network of one style.
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = WIDTHS,
        blocks: int = BLOCKS,
        width: int = LAMBDA_WIDTH,
        depth: int = LAMBDA_DEPTH,
        code: int = 0,
    ):
        super().__init__()
        self.transform = Transform(widths, blocks)
        self.adjust = Lambda(self.transform.settings, width, depth, code)
        self.register_buffer("code_mean", torch.zeros(code))
        self.register_buffer("code_deviation", torch.ones(code))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Adjustable:
        """Build from a file's tensors, whose shapes say how wide and deep it is; others are ignored.

        Raises:
            ValueError: a tensor is missing or has the wrong shape.
        """
        try:
            widths = [len(tensors[f"transform.convolutions.{i}.weight"]) for i in range(3)]
            convolutions, depth = (
                len([name for name in tensors if name.startswith(start) and name.endswith(".weight")])
                for start in ("transform.convolutions.", "adjust.hidden.")
            )
            width, code = len(tensors["adjust.alpha.weight"]), len(tensors["code_mean"])
            network = cls(tuple(widths), (convolutions - 6) // 2, width, depth, code)
            network.load_state_dict({name: tensors[name].float() for name in network.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"not a file of this network: {str(error).splitlines()[-1].strip()}") from None
        return network.eval().requires_grad_(False)

    def code(self, features: Mapping[str, Tensor], image: Tensor) -> Tensor:
        """The standardised style code of a picture, (N, code); see `raw_code`. A network of one style has codes of no numbers."""
        raw = raw_code(features, image)
        return self.standard(raw) if len(self.code_mean) else raw[:, :0]

    def colours(self, image: Tensor) -> Tensor | None:
        """The standardised colours of a content picture, (N, COLOURS); None for a network of one style."""
        return self.standard(raw_colours(image)) if len(self.code_mean) else None

    def standard(self, raw: Tensor) -> Tensor:
        """A raw code, or its last numbers, in deviations from the mean of the training's pictures."""
        n = raw.shape[1]
        return ((raw - self.code_mean[-n:]) / self.code_deviation[-n:]).clamp(-CODE_LIMIT, CODE_LIMIT)

    def forward(self, image: Tensor, alphas: Tensor, code: Tensor | None = None) -> Tensor:
        """A stylised picture (N, 3, H, W) in [0, 1] of one; see `Transform` and `Lambda`."""
        return self.transform.paint(self.transform.encode(image), self.adjust(alphas, code, self.colours(image)))
