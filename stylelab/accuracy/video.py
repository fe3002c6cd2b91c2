"""Does a clip flicker? Warping error between neighbouring frames, painted frame by frame and painted as a clip.

The error is the mean absolute difference of a frame and the one before it, fetched along the flow of the input, where that is
certain (`flow.warping_error`). The clip was made with the flow of DIS, so the same is also told by Farnebäck's, with which it has
nothing in common. The input's own error is what a perfect result cannot be asked to be below. A sheet of frames goes to `runs`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from .. import clip, flow, job
from ..images import Picture, load_picture, resize, to_pil
from ..method import Step
from . import Options, head, present, row, weights_line

METHOD = "nnst"
CLIPS = ("clip_bmx", "clip_sintel")  # folders of frames
STYLE = "nnst/style_S4.jpg"
SIDE, FRAMES = 128, 24
ITERATIONS = 20  # frame by frame takes hours on two cores otherwise, and flickers no less for fewer
SHEET = 5  # neighbouring frames on a sheet
TIMES = 4  # differences on a sheet are so much stronger

Flow = Callable[[Tensor, Tensor], Tensor]


def farneback(frame: Tensor, other: Tensor) -> Tensor:
    """`flow.flow` by another method (Farnebäck 2003), OpenCV's example values."""
    import cv2

    found = cv2.calcOpticalFlowFarneback(flow.grey(frame).numpy(), flow.grey(other).numpy(), None, 0.5, 3, 15, 3, 5, 1.2, 0)
    return torch.from_numpy(found).permute(2, 0, 1)[None]


def error(frames: list[Tensor], painted: list[Tensor], by: Flow) -> float:
    """Mean over neighbours of the warping error of `painted`, with the flow of `frames`."""
    found = []
    for (before, after), made in zip(pairwise(frames), pairwise(painted), strict=True):
        there, back = by(before, after), by(after, before)
        found.append(flow.warping_error(*made, back, flow.certain(back, there)))
    return mean(found)


def painted(frames: list[Tensor], style: Path, every: int, options: Options) -> tuple[list[Tensor], int, float]:
    """A clip, how many of its frames were painted, and the seconds it took. With `every` 0 each is painted by itself."""
    keyframes, begun = 0, time.perf_counter()

    def paint(frame: Tensor, before: Tensor | None) -> Iterator[Step]:
        nonlocal keyframes
        keyframes += 1
        knobs = dict(preset=options.preset, size=SIDE, iterations=ITERATIONS, device=options.device, weights=options.weights)
        for step in job.stream(METHOD, Picture(frame), style, before=before if every else None, **knobs):
            yield step
            if step.i == step.n:
                return

    made = [item for item in clip.painted(frames, paint, every or 1) if not isinstance(item, Step)]
    return made, keyframes, time.perf_counter() - begun


def sheet(frames: list[Tensor], rows: list[list[Tensor]], path: Path) -> None:
    """Neighbouring frames of each row; under them how each differs from the one before it, fetched along the flow of `frames`."""
    start = max(0, (len(frames) - SHEET) // 2)
    shown = slice(start, start + SHEET)
    back = [flow.flow(after, before) for before, after in pairwise(frames[shown])]
    sure = [flow.certain(way, flow.flow(*both)) for way, both in zip(back, pairwise(frames[shown]), strict=True)]
    lines = []
    for pictures in (made[shown] for made in rows):
        moved = [flow.along(way, before) for way, before in zip(back, pictures, strict=False)]
        apart = [TIMES * (b - a).abs() * known for a, b, known in zip(moved, pictures[1:], sure, strict=True)]
        lines += [torch.cat(pictures, 3), torch.cat([torch.zeros_like(pictures[0]), *apart], 3)]
    path.parent.mkdir(parents=True, exist_ok=True)
    to_pil(torch.cat(lines, 2)).save(path)


def report(options: Options) -> Iterator[str]:
    """A row a clip; see `accuracy`."""
    clips = present(options.data, *CLIPS)[: options.pairs]
    yield weights_line(job.model_of(METHOD, job.device_called(options.device), options.weights), options)
    yield f"\nWarping error at {SIDE} px, {ITERATIONS} updates, by DIS' flow / by Farnebäck's; keyframes every {clip.EVERY}.\n"
    yield head("clip", "frames", "painted", "the input", "frame by frame", "as a clip", "part of it", "seconds of both")
    for name in clips:
        files = sorted((options.data / name).glob("*.jpg"))[:FRAMES]
        frames = [resize(load_picture(file).rgb, SIDE) for file in files]
        alone, _, slow = painted(frames, options.data / STYLE, 0, options)
        whole, keyframes, fast = painted(frames, options.data / STYLE, clip.EVERY, options)
        errors = [[error(frames, made, by) for by in (flow.flow, farneback)] for made in (frames, alone, whole)]
        parts = [ours / theirs for theirs, ours in zip(*errors[1:], strict=True)]
        cells = [" / ".join(f"{value:.4f}" for value in both) for both in errors]
        share = " / ".join(f"{part:.2f}" for part in parts)
        yield row(name, str(len(frames)), str(keyframes), *cells, share, f"{slow:.0f} / {fast:.0f}")
        sheet(frames, [frames, alone, whole], Path("runs") / f"video-{name}.png")
