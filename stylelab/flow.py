"""Where things move between two frames of a clip: dense optical flow from OpenCV, and pictures carried along it.

A flow (1, 2, H, W) says for every pixel of one frame where it is in another: x and y to go, in pixels. OpenCV's DIS (Kroeger et
al., ECCV 2016) needs no weights.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CONSISTENT = 0.01, 0.5  # Sundaram, Brox & Keutzer, ECCV 2010, equation 5: part of the squared lengths, and squared pixels

# Ours: in `alike`, mean absolute difference in [0, 1] at which a place counts for a third (1 / e). Flow that only looks certain
# is caught by it.
ALIKE = 0.08


def grey(frame: Tensor) -> Tensor:
    """(1, 3, H, W) in [0, 1] as uint8 (H, W), on the CPU."""
    weights = frame.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # Rec. 601
    return ((frame * weights).sum(1)[0].clamp(0, 1) * 255).round().byte().cpu()


def flow(frame: Tensor, other: Tensor) -> Tensor:
    """From a frame (1, 3, H, W) in [0, 1] to another of its size."""
    import cv2  # only clips need it

    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)  # half the error of the preset's 1 on three of four sequences of Middlebury
    found = dis.calc(grey(frame).numpy(), grey(other).numpy(), None)
    return torch.from_numpy(found).permute(2, 0, 1)[None].to(frame.device)


def along(flow: Tensor, picture: Tensor, mode: str = "bilinear") -> Tensor:
    """Another frame's picture (1, C, H, W) fetched along the flow into this frame; beyond the border it repeats."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij")
    places = torch.stack([(x + flow[0, 0] + 0.5) / width, (y + flow[0, 1] + 0.5) / height], -1)[None] * 2 - 1
    return F.grid_sample(picture, places, mode=mode, padding_mode="border", align_corners=False)


def chained(first: Tensor, second: Tensor) -> Tensor:
    """From a frame to a third, by a second: `first` leads to the second, `second` on from it."""
    return first + along(first, second)


def certain(there: Tensor, back: Tensor) -> Tensor:
    """Where a flow can be relied on, (1, 1, H, W) of 0 or 1: it stays inside, and the flow `back` leads to where it came from.

    What is hidden in the other frame fails: nothing leads back to it.
    """
    height, width = there.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height, device=there.device), torch.arange(width, device=there.device), indexing="ij")
    column, line = x + there[:, :1], y + there[:, 1:]
    inside = (column > -0.5) & (column < width - 0.5) & (line > -0.5) & (line < height - 0.5)
    returned = along(there, back)
    part, pixels = CONSISTENT
    most = part * (there.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)) + pixels
    return (inside & ((there + returned).square().sum(1, keepdim=True) < most)).float()


def alike(frame: Tensor, carried: Tensor) -> Tensor:
    """1 where a frame (1, 3, H, W) looks like another that was carried to it, towards 0 where it does not, (1, 1, H, W).

    A chain of flows may lead astray though each of them is certain.
    """
    difference = F.avg_pool2d(F.pad((frame - carried).abs().mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate"), 3, 1)
    return torch.exp(-(difference / ALIKE).square())


def warping_error(before: Tensor, after: Tensor, back: Tensor, sure: Tensor) -> float:
    """Mean absolute difference between two pictures (1, 3, H, W), `before` fetched along the flow `back` from after to before,
    where `sure` (1, 1, H, W) is 1: what flickers, since what only moves differs by nothing. 0 where nothing is sure.
    """
    difference = (after - along(back, before)).abs().mean(1, keepdim=True)
    return ((difference * sure).sum() / sure.sum().clamp(min=1)).item()
