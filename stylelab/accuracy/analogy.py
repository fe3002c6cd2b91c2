"""Correspondence accuracy of Deep Image Analogy: Middlebury flow (the paper's Table 1) and PF-WILLOW keypoints.

Each figure stands beside those of two plain matchers: PatchMatch on pixels (Barnes et al. 2009, the paper's baseline; 7 x 7
patches as there) and the exact nearest neighbour of conv4_1 features, both without coarse-to-fine and without the way back.
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

from .. import job
from ..features import VGG
from ..images import load_picture, resize
from ..matching import nearest_patches, patchmatch, random_field, relative, scaled_field, vote
from ..method import drain
from ..methods import analogy
from . import Options, head, present, row, weights_line

SIDE = 256  # px, of keypoint pairs
PAIRS = 3  # of a class, at random
ALPHA = 0.1  # PCK
ONE_CLASS = {"task": "style to photo", "structure": -0.1}  # 4.3: the lower of its two offsets; things of a class differ in look
PAPER_OURS, PAPER_PATCHMATCH = (34.16, 3.21), (35.18, 22.40)  # table 1: PSNR, endpoint error

Matcher = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]  # two pictures, long side -> relative places, both ways


def size_of(picture: Tensor) -> tuple[int, int]:
    return tuple(picture.shape[-2:])


def ours(vgg: VGG, preset: str, **knobs) -> Matcher:
    """Deep Image Analogy with these knobs; it matches at 700 px at most."""

    def match(a: Tensor, b: Tensor, side: int) -> tuple[Tensor, Tensor]:
        params = analogy.METHOD.settings(preset, size=side, match_size=min(side, 700), **knobs)
        fields = drain(analogy.run(vgg, a, b, params)).fields
        return fields["a_to_b"], fields["b_to_a"]

    return match


def pixel_maps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Maps whose inner product is -|a - b|^2 / 2, of (rgb, 1, -|rgb|^2 / 2) and (rgb, -|rgb|^2 / 2, 1).

    Both squares are needed: where patches hang over a border different matches compare different parts of `a`.
    """
    a, b = a - 0.5, b - 0.5  # smaller numbers, less rounding
    squares = [-x.square().sum(1, keepdim=True) / 2 for x in (a, b)]
    one = [torch.ones_like(square) for square in squares]
    return torch.cat([a, one[0], squares[0]], 1), torch.cat([b, squares[1], one[1]], 1)


def pixels(a: Tensor, b: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """PatchMatch on pixels: squared distance of 7 x 7 patches."""
    found = []
    a, b = resize(a, side), resize(b, side)
    for left, right in (pixel_maps(a, b), pixel_maps(b, a)):
        generator = torch.Generator().manual_seed(0)
        start = random_field(size_of(left), size_of(right), generator).to(a.device)
        field, _ = patchmatch(left, right, start, patch=7, radius=max(size_of(right)), generator=generator)
        found.append(relative(field, size_of(right)))
    return tuple(found)


def features(vgg: VGG) -> Matcher:
    """Exact nearest neighbours of conv4_1."""

    @torch.no_grad()
    def match(a: Tensor, b: Tensor, side: int) -> tuple[Tensor, Tensor]:
        pictures = [resize(a, side), resize(b, side)]
        maps = [F.normalize(vgg(picture, ["conv4_1"])["conv4_1"], dim=1) for picture in pictures]
        found = []
        for k in (0, 1):
            field, _ = nearest_patches(maps[k], maps[1 - k], 1)
            other = size_of(pictures[1 - k])
            found.append(relative(scaled_field(field, size_of(pictures[k]), size_of(maps[1 - k]), other), other))
        return tuple(found)

    return match


def matchers(vgg: VGG, preset: str, **knobs) -> dict[str, Matcher]:
    """Column of the tables -> matcher."""
    return {"ours": ours(vgg, preset, **knobs), "PatchMatch on pixels": pixels, "nearest conv4_1": features(vgg)}


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


def keypoint_pairs(known: dict, per_class: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """(class, file, file): `per_class` random pairs inside each class, class by class."""
    chosen, draw = [], random.Random(seed)
    for name in sorted({entry["class"] for entry in known.values()}):
        files = sorted(file for file, entry in known.items() if entry["class"] == name)
        pairs = list(itertools.combinations(files, 2))
        chosen += [(name, *pair) for pair in draw.sample(pairs, min(per_class, len(pairs)))]
    return chosen


def correct_keypoints(field: Tensor, start: dict, goal: dict, alpha: float = ALPHA) -> float:
    """PCK: share of keypoints carried to within `alpha` times the larger side of the goal keypoints' box."""
    xy, wanted = (np.asarray(entry["xy"], float) - 1 for entry in (start, goal))
    (w, h), (width, height) = start["size"], goal["size"]
    rows, columns = field.shape[-2:]
    x = np.clip((xy[:, 0] + 0.5) / w * columns, 0, columns - 1).astype(int)
    y = np.clip((xy[:, 1] + 0.5) / h * rows, 0, rows - 1).astype(int)
    found = field[0].permute(1, 2, 0).cpu().numpy()[y, x] * (width, height) - 0.5
    box = np.ptp(wanted, axis=0).max()
    return float((np.linalg.norm(found - wanted, axis=1) <= alpha * box).mean())


def report(options: Options) -> Iterator[str]:
    """Both benchmarks, as far as their data are there; see `accuracy`."""
    found = present(options.data, *BENCHMARKS)
    device = job.device_called(options.device)
    vgg = job.model_of("analogy", device, options.weights)
    yield weights_line(vgg, options)
    for name in found:
        yield ""
        yield from BENCHMARKS[name](options.data / name, vgg, device, options)


def flow_report(folder: Path, vgg: VGG, device: torch.device, options: Options) -> Iterator[str]:
    """Table 1: A rebuilt from B, and the field held against the flow, at the frames' own size; the content's weight is 1."""
    columns = matchers(vgg, options.preset, structure=1.0)
    yield "Middlebury flow: PSNR of a frame rebuilt from the next one; mean endpoint error in pixels.\n"
    yield head("sequence", *(f"{name}: {figure}" for name in columns for figure in ("PSNR", "error")))
    table = []
    for name, a, b, flow, valid in itertools.islice(flow_pairs(folder), options.pairs):
        a, b = a.to(device), b.to(device)
        fields = [match(a, b, max(size_of(a)))[0] for match in columns.values()]
        table.append([flow_scores(field, a, b, flow, valid) for field in fields])
        yield row(name, *scores_of(table[-1]))
    yield row("**mean**", *scores_of(np.mean(table, axis=0)))
    yield row("paper: 23 pairs, VGG-19", *scores_of([PAPER_OURS, PAPER_PATCHMATCH]), "", "")


def scores_of(pairs) -> list[str]:
    """(PSNR, endpoint error) of each matcher as cells."""
    return [cell for psnr, error in pairs for cell in (f"{psnr:.2f} dB", f"{error:.2f}")]


def keypoint_report(folder: Path, vgg: VGG, device: torch.device, options: Options) -> Iterator[str]:
    """PCK of random pairs of a class, each both ways, at a long side of `SIDE`."""
    columns = matchers(vgg, options.preset, **ONE_CLASS)
    yield f"PF-WILLOW: share of keypoints carried to within {ALPHA} of the larger side of their box (PCK).\n"
    yield head("class", "pairs", *columns)
    known = json.loads((folder / "keypoints.json").read_text())
    chosen, table = keypoint_pairs(known, PAIRS if options.pairs is None else options.pairs), []
    for name, pairs in itertools.groupby(chosen, key=lambda pair: pair[0]):
        shares = []
        for _, one, other in pairs:
            a, b = (load_picture(folder / file).rgb.to(device) for file in (one, other))
            for match in columns.values():
                there, back = match(a, b, SIDE)
                shares += [correct_keypoints(there, known[one], known[other]), correct_keypoints(back, known[other], known[one])]
        by_matcher = np.reshape(shares, (-1, len(columns), 2))
        table.append(by_matcher.mean((0, 2)))
        yield row(name, f"2 × {len(by_matcher)}", *(f"{share:.3f}" for share in table[-1]))
    yield row("**mean**", "", *(f"{share:.3f}" for share in np.mean(table, axis=0)))


BENCHMARKS = {"middlebury_flow": flow_report, "pf_willow": keypoint_report}  # folder in the data -> its table
