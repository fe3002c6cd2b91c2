"""VGG-shaped feature extractors with layers by name.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014), configurations D (VGG-16)
and E (VGG-19). A layer name such as ``conv3_2`` means the activation *after* that convolution's ReLU, as in all five papers.
Two families share this one class: ``full`` is torchvision's network (width 64), ``compact`` the same shape at width 16,
trained by ``python -m stylelab.train.encoder``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import weights
from .errors import WeightsMissing

CONVS_PER_BLOCK = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}  # Table 1 of the VGG paper, columns D and E
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # the statistics torchvision's weights were trained with
IMAGENET_STD = (0.229, 0.224, 0.225)
SMALLEST_SIDE = 16  # four poolings leave one pixel


def layer_names(arch: str, blocks: int = 5) -> tuple[str, ...]:
    """Names of all convolutions of the first `blocks` blocks, shallow to deep: ``('conv1_1', 'conv1_2', 'conv2_1', ...)``."""
    return tuple(f"conv{b}_{i}" for b, n in enumerate(CONVS_PER_BLOCK[arch][:blocks], 1) for i in range(1, n + 1))


def torchvision_indices(arch: str) -> dict[str, int]:
    """Layer name -> index in torchvision's and timm's ``features`` list (``{'conv1_1': 0, 'conv1_2': 2, 'conv2_1': 5, ...}``)."""
    indices, position, block = {}, 0, "1"
    for name in layer_names(arch):
        if name[4] != block:
            block, position = name[4], position + 1  # the pooling layer between two blocks
        indices[name] = position
        position += 2  # a convolution and its ReLU
    return indices


class VGG(nn.Module):
    """Convolutional part of VGG-16 or VGG-19 with any base width; parameters do not ask for gradients (see `trainable`).

    Args:
        arch: ``"vgg16"`` or ``"vgg19"``.
        width: channels of the first block; the blocks have width * (1, 2, 4, 8, 8). The published networks have 64.
    """

    def __init__(self, arch: str = "vgg19", width: int = 64):
        super().__init__()
        self.arch, self.width, self.names = arch, width, layer_names(arch)
        channels = 3
        for name in self.names:
            out = width * min(2 ** (int(name[4]) - 1), 8)
            self.add_module(name, nn.Conv2d(channels, out, 3, padding=1))
            channels = out
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], arch: str) -> VGG:
        """Build from a file's tensors, under this project's keys (``conv1_1.weight``) or torchvision's and timm's
        (``features.0.weight``); the width is read off the first convolution. Extra tensors (a classifier) are ignored.

        Raises:
            ValueError: a convolution is missing or has the wrong shape.
        """
        keys = {name: f"features.{i}" for name, i in torchvision_indices(arch).items()}
        if "conv1_1.weight" in tensors:
            keys = {name: name for name in keys}
        wanted = {f"{name}.{kind}": f"{key}.{kind}" for name, key in keys.items() for kind in ("weight", "bias")}
        if missing := [key for key in wanted.values() if key not in tensors]:
            raise ValueError(f"not a {arch} file: {missing[0]} is missing ({len(missing)} tensors in all)")
        network = cls(arch, tensors[wanted["conv1_1.weight"]].shape[0])
        try:
            network.load_state_dict({name: tensors[key].float() for name, key in wanted.items()})
        except RuntimeError as error:
            raise ValueError(f"not a {arch} file: {str(error).splitlines()[-1].strip()}") from None
        return network.eval()

    def channels(self, name: str) -> int:
        """Number of channels of a layer."""
        return getattr(self, name).out_channels

    def trainable(self) -> VGG:
        """A deep copy whose parameters ask for gradients, for methods that fine-tune on the pair at hand."""
        return copy.deepcopy(self).requires_grad_(True)

    def padded(self, mode: str) -> VGG:
        """This network with another padding: ``replicate`` or ``reflect`` keep the border of a picture from looking like one.

        Zeros are what the networks were trained with.
        """
        for name in self.names:
            getattr(self, name).padding_mode = mode
        return self

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Activations of the named layers.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], both sides at least 16 pixels. ImageNet normalisation happens in here.
            layers: names such as ``conv3_1``; nothing deeper than the deepest of them is computed.

        Returns:
            {name: (N, C, H / 2**(block - 1), W / 2**(block - 1))} in the network's order, non-negative.

        Raises:
            ValueError: an unknown layer, or a picture too small to pool four times.
        """
        if min(image.shape[-2:]) < SMALLEST_SIDE:
            raise ValueError(
                f"picture of {image.shape[-1]}x{image.shape[-2]} pixels: both sides must be at least {SMALLEST_SIDE}"
            )
        return self.onward((image - self.mean) / self.std, None, layers)

    def onward(self, x: Tensor, start: str | None, layers: Iterable[str]) -> dict[str, Tensor]:
        """As `forward`, but from activations `x` of layer `start` (or the normalised picture) instead of from the picture.

        Raises:
            ValueError: an unknown layer, or one that does not come after `start`.
        """
        wanted, rest = set(layers), self.names[self.names.index(start) + 1 if start else 0 :]
        if unknown := wanted - set(rest):
            raise ValueError(f"{self.arch} has no layer {sorted(unknown)[0]}; it has {', '.join(rest)}")
        found, block = {}, start[4] if start else "1"
        for name in rest:
            if len(found) == len(wanted):
                break
            if name[4] != block:
                block, x = name[4], F.max_pool2d(x, 2)
            x = F.relu(getattr(self, name)(x), inplace=name not in wanted)
            if name in wanted:
                found[name] = x
        return found


def load_extractor(arch: str, family: str, device: torch.device) -> VGG:
    """The shared extractor on `device`, with a list `weights` of what it was made from (for reports).

    Args:
        arch: the network the paper uses, ``"vgg16"`` or ``"vgg19"``; the compact network serves both.
        family: ``full``, ``compact``, or ``auto``: full on a GPU if its file is here or can be fetched, else compact.

    Raises:
        WeightsMissing: the family asked for cannot be had.
    """
    network = None
    if family == "full" or (family == "auto" and device.type == "cuda"):
        try:
            file = weights.find(arch, "full")
            network = VGG.from_tensors(weights.read_tensors(file.path), arch)
        except WeightsMissing:
            if family == "full":
                raise
    if network is None:
        file = weights.find("encoder", "compact")
        network = VGG.from_tensors(weights.read_tensors(file.path), "vgg19")
    network.weights = [file.described()]
    return network.to(device, memory_format=torch.channels_last)
