"""Correspondence accuracy of Deep Image Analogy: Middlebury flow (the paper's Table 1) and PF-WILLOW keypoints.

Each figure stands beside those of two plain matchers: PatchMatch on pixels (Barnes et al. 2009, the paper's baseline; patches of
7 as there) and the exact nearest neighbour of conv4_1 features, both without coarse-to-fine and without the reverse direction.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..features import VGG
from ..images import load_picture, resize
from ..matching import nearest_patches, patchmatch, random_field, relative, scaled_field, vote
from ..method import drain
from ..methods import analogy

Matcher = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]  # two pictures, long side -> fields at the pictures' own sizes


def size_of(picture: Tensor) -> tuple[int, int]:
    return tuple(picture.shape[-2:])


def ours(vgg: VGG, **knobs) -> Matcher:
    """Deep Image Analogy with these knobs."""

    def match(a: Tensor, b: Tensor, side: int) -> tuple[Tensor, Tensor]:
        params = analogy.METHOD.settings("paper", size=side, match_size=side, **knobs)
        fields = drain(analogy.run(vgg, a, b, params)).fields
        return fields["a_to_b"], fields["b_to_a"]

    return match


def pixels(a: Tensor, b: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """PatchMatch on pixels: squared distance of 7 x 7 patches, as the inner product of (rgb, -|rgb|^2 / 2) with (rgb, 1)."""
    found = []
    a, b = resize(a, side), resize(b, side)
    for left, right in ((a, b), (b, a)):
        left = torch.cat([left - 0.5, torch.ones_like(left[:, :1])], 1)
        right = right - 0.5
        right = torch.cat([right, -right.square().sum(1, keepdim=True) / 2], 1)
        generator = torch.Generator().manual_seed(0)
        start = random_field(size_of(left), size_of(right), generator).to(a.device)
        field, _ = patchmatch(left, right, start, patch=7, radius=max(size_of(right)), generator=generator)
        found.append(relative(field, size_of(right)))
    return tuple(found)


def features(vgg: VGG) -> Matcher:
    """Exact nearest neighbours of conv4_1."""

    @torch.no_grad()
    def match(a: Tensor, b: Tensor, side: int) -> tuple[Tensor, Tensor]:
        maps = [F.normalize(vgg(resize(p, side), ["conv4_1"])["conv4_1"], dim=1) for p in (a, b)]
        found = []
        for left, right in (maps, maps[::-1]):
            field, _ = nearest_patches(left, right, 1)
            picture = resize(a if left is maps[0] else b, side)
            other = resize(b if left is maps[0] else a, side)
            field = scaled_field(field, size_of(picture), size_of(right), size_of(other))
            found.append(relative(field, size_of(other)))
        return tuple(found)

    return match


def flow_pairs(folder: Path) -> Iterator[tuple[str, Tensor, Tensor, np.ndarray, np.ndarray]]:
    """Middlebury sequences: name, frame 10, frame 11, flow (H, W, 2) in pixels, where it is known (H, W)."""
    for sequence in sorted(p for p in folder.iterdir() if p.is_dir()):
        frames = [load_picture(sequence / f"frame{k}.png").rgb for k in (10, 11)]
        known = np.load(sequence / "flow10.npz")
        h, w = known["shape"]
        valid = np.unpackbits(known["valid"])[: h * w].reshape(h, w).astype(bool)
        yield sequence.name, *frames, known["flow128"] / 128, valid


def flow_scores(field: Tensor, a: Tensor, b: Tensor, flow: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """PSNR in dB of `a` rebuilt from `b` by 5 x 5 votes, and mean endpoint error in pixels over the known flow."""
    h, w = size_of(a)
    exact = scaled_field((field * torch.tensor([w, h], device=field.device).view(1, 2, 1, 1)).long(), (h, w), (h, w), (h, w))
    rebuilt = vote(b, exact, 5)
    psnr = -10 * (rebuilt - a).square().mean().log10().item()
    x, y = np.meshgrid(np.arange(w), np.arange(h))
    found = exact[0].permute(1, 2, 0).cpu().numpy() - np.stack([x, y], -1)
    return psnr, float(np.linalg.norm(found - flow, axis=-1)[valid].mean())


def keypoint_pairs(folder: Path, per_class: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """(class, file, file): `per_class` random pairs inside each class."""
    known = json.loads((folder / "keypoints.json").read_text())
    chosen, draw = [], random.Random(seed)
    for name in sorted({entry["class"] for entry in known.values()}):
        files = sorted(file for file, entry in known.items() if entry["class"] == name)
        pairs = list(itertools.combinations(files, 2))
        chosen += [(name, *pair) for pair in draw.sample(pairs, min(per_class, len(pairs)))]
    return chosen


def correct_keypoints(field: Tensor, start: dict, goal: dict, alpha: float = 0.1) -> float:
    """PCK: share of keypoints carried to within `alpha` times the larger side of the goal keypoints' box."""
    xy, wanted = (np.asarray(entry["xy"], float) - 1 for entry in (start, goal))
    (w, h), (width, height) = start["size"], goal["size"]
    rows, columns = field.shape[-2:]
    x = np.clip((xy[:, 0] + 0.5) / w * columns, 0, columns - 1).astype(int)
    y = np.clip((xy[:, 1] + 0.5) / h * rows, 0, rows - 1).astype(int)
    found = field[0].permute(1, 2, 0).cpu().numpy()[y, x] * (width, height) - 0.5
    box = np.ptp(wanted, axis=0).max()
    return float((np.linalg.norm(found - wanted, axis=1) <= alpha * box).mean())
