"""A whole clip in one style, without flicker: a method paints keyframes, the frames between are carried along the optical flow.

1. Flow both ways between neighbouring frames; where the two agree it is certain (`flow.certain`).
2. The first frame is painted as a picture. A frame becomes the next keyframe when `every` frames have gone by, or less than
   `LEAST_FOLLOWED` of it can still be found in the last keyframe (fast motion, a cut), or the clip ends. The last keyframe's
   result, carried to it, and where that is certain, is handed to the method, which keeps to it.
3. A frame between is fetched from both keyframes along chained flows, each pixel once, and mixed: by nearness in time, where
   both are certain.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from . import flow, images, job, video
from .errors import BadInput
from .method import Step

EVERY, MOST_EVERY = 8, 100  # frames from one keyframe to the next: a third of a second
MOST_SECONDS = 3600  # of a clip: some 10 000 keyframes, days on two cores
LEAST_FOLLOWED = 0.4  # ours: with less of a frame found in the last keyframe, it becomes a keyframe before `every` have gone by
FLOOR = 1e-4  # of a keyframe's weight where it is not certain: what neither keyframe shows is taken from where it seems to be

Paint = Callable[[Tensor, Tensor | None], Iterator[Step]]  # a keyframe, and what is known of it: see `Method.follows`


class Trail:
    """The way from the newest frame back to the last keyframe, and how certain it is."""

    def __init__(self, frame: Tensor):
        self.frames = [frame]
        self.neighbours: list[tuple[Tensor, Tensor]] = []  # of each frame and the one before: flow on from that, flow back to it
        self.back = [torch.zeros_like(frame[:, :2])]  # from every frame to the keyframe
        self.sure = [torch.ones_like(frame[:, :1])]

    def add(self, frame: Tensor) -> None:
        """The next frame."""
        there, back = flow.flow(self.frames[-1], frame), flow.flow(frame, self.frames[-1])
        self.frames.append(frame)
        self.neighbours.append((there, back))
        self.sure.append(flow.certain(back, there) * flow.along(back, self.sure[-1]))
        self.back.append(flow.chained(back, self.back[-1]))

    def seen(self, i: int, key: int, way: Tensor, sure: Tensor) -> Tensor:
        """Where frame `i` shows what frame `key` does, by the certainty of the way there and by looking."""
        return sure * flow.alike(self.frames[i], flow.along(way, self.frames[key]))

    def between(self, first: Tensor, last: Tensor) -> Iterator[Tensor]:
        """The frames between two keyframes, painted `first` and `last`, in order."""
        n = len(self.frames) - 1
        forth, sure = [torch.zeros_like(self.back[0])], [torch.ones_like(self.sure[0])]  # from the last keyframe to each frame
        for there, back in reversed(self.neighbours[1:]):
            sure.append(flow.certain(there, back) * flow.along(there, sure[-1]))
            forth.append(flow.chained(there, forth[-1]))
        for i in range(1, n):
            parts = (
                (first, self.back[i], self.seen(i, 0, self.back[i], self.sure[i]), 1 - i / n),
                (last, forth[n - i], self.seen(i, n, forth[n - i], sure[n - i]), i / n),
            )
            total = weight = 0
            for painted, way, certain, near in parts:
                part = near * soft(certain)
                total = total + part * flow.along(way, painted, "bicubic")
                weight = weight + part
            yield (total / weight).clamp(0, 1)


def soft(sure: Tensor) -> Tensor:
    """Certainty as a weight: it falls towards what is not certain and is never nothing; a cut leaves least."""
    around = F.avg_pool2d(F.pad(sure, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return sure * around + FLOOR * sure.mean() ** 2 + 1e-9


def painted(frames: Iterable[Tensor], paint: Paint, every: int = EVERY) -> Iterator[Step | Tensor]:
    """The painted frames in order, (1, 3, H, W) each, and between them the steps of the keyframes.

    Args:
        frames: (1, 3, H, W) in [0, 1], all of one size.
        paint: steps that end with a keyframe's picture, as large as the frame; called with the frame and with what is known of
            it, (1, 4, H, W): the last keyframe's result carried to it and how certain that is. None for the first.
        every: frames from one keyframe to the next, at most.
    """
    trail: Trail | None = None
    first = last = None

    def keyframe(frame: Tensor, before: Tensor | None) -> Iterator[Step]:
        nonlocal last
        for step in paint(frame, before):
            yield step
            last = step.image.float().cpu() if step.image is not None else last

    def close() -> Iterator[Step | Tensor]:
        """Paint the trail's end, then give the frames after its beginning."""
        nonlocal trail, first
        carried = flow.along(trail.back[-1], first, "bicubic").clamp(0, 1)
        yield from keyframe(trail.frames[-1], torch.cat([carried, trail.seen(-1, 0, trail.back[-1], trail.sure[-1])], 1))
        yield from trail.between(first, last)
        yield last
        trail, first = Trail(trail.frames[-1]), last

    for frame in frames:
        if trail is None:
            yield from keyframe(frame, None)
            yield last
            trail, first = Trail(frame), last
            continue
        trail.add(frame)
        if len(trail.frames) > every or trail.sure[-1].mean() < LEAST_FOLLOWED:
            yield from close()
    if trail is not None and len(trail.frames) > 1:
        yield from close()


@dataclass(frozen=True)
class Clip:
    """A finished clip: its file, and a report like a picture's, of the first keyframe and of the whole."""

    path: Path
    report: dict[str, Any]


def stream(
    name: str,
    source: str | PathLike,
    style: Any,
    out: str | PathLike,
    *,
    every: int = EVERY,
    seconds: float = video.MOST_SECONDS,
    **options: Any,
) -> Iterator[Step | Clip]:
    """Paint a clip: steps whose `i` of `n` counts finished frames, then the `Clip`. Closing the generator leaves no file.

    Args:
        name: a key of `job.METHODS`.
        source: the clip's file; its sound goes along.
        style, **options: as in `job.stream`; a method's inputs hold for every keyframe.
        out: the MP4 to write.
        every: frames from one keyframe to the next, at most `MOST_EVERY`; 1 paints every frame.
        seconds: of the clip, from its beginning.

    Raises:
        StylelabError: one sentence for the person who asked, from the first `next` unless the clip turns out to be damaged.
    """
    if not 1 <= every <= MOST_EVERY:
        raise BadInput(f"keyframes must be between 1 and {MOST_EVERY} frames apart, not {every}.")
    if not 0 < seconds <= MOST_SECONDS:
        raise BadInput(f"seconds must be more than 0 and at most {MOST_SECONDS}, not {seconds}.")
    begun, seen = time.perf_counter(), video.look(source, seconds)
    method, preset = job.method_called(name), options.get("preset", "paper")
    own = max(seen.width, seen.height)
    side = method.settings(preset, size=options.get("size")).sized_for(own).size
    whole = torch.empty(()).expand(1, 3, seen.height, seen.width)  # a shape without memory
    job.check_shape(images.Picture(whole), side, "clip's")  # a keyframe's own check knows only the reduced frame
    options, painting = options | {"size": side}, images.load_picture(style)
    report, keyframes, done = {}, 0, 0

    def paint(frame: Tensor, before: Tensor | None) -> Iterator[Step]:
        nonlocal report, keyframes
        keyframes += 1
        # Cut anew, each keyframe would show another part, and what is between would have to follow that.
        for item in job.stream(name, images.Picture(frame), painting, before=before, uncut=True, **options):
            if isinstance(item, job.Result):
                report = report or item.report
                return
            yield item
            if report and item.i == item.n:  # its metrics would take longer than the frames between
                return

    _, frames = video.frames(source, side, seconds)
    with video.Writer(out, seen.rate, source) as film, contextlib.closing(painted(frames, paint, every)) as items:
        for item in items:
            if isinstance(item, Step):
                yield replace(item, i=done, n=seen.count, stage=f"keyframe {keyframes}, {item.stage}", extras={}, fields={})
                continue
            film.add(item)
            done += 1
            if done < seen.count:
                yield Step(done, seen.count, "frames between", item)
    about = dict(frames=film.frames, rate=round(seen.rate, 3), keyframes=keyframes, every=every, sound=film.sound)
    yield Clip(Path(out), report | {"seconds": round(time.perf_counter() - begun, 2), "clip": about})
