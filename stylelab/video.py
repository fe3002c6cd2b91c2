"""Clips: files <-> frames as tensors, with PyAV."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import BadInput
from .images import MIN_SIDE, resize

MOST_SECONDS = 10.0  # of a clip; a frame takes a tenth of a second on two cores
CODECS = ("libx264", "libopenh264", "mpeg4")  # the first that this build of FFmpeg has; a browser plays the first two
DEFAULT_RATE = 24.0  # frames per second of a clip that does not say


def frames(path: str | os.PathLike, side: int, seconds: float = MOST_SECONDS) -> tuple[float, Iterator[Tensor]]:
    """Frames per second of a clip, and its frames (1, 3, H, W) in [0, 1] with a long side of `side`, one at a time.

    Raises:
        BadInput: not a clip that can be read; while iterating, a clip that is damaged.
    """
    name = Path(path).name
    with _explained(name):
        import av

        with av.open(os.fspath(path)) as clip:
            if not clip.streams.video:
                raise BadInput(f"{name} has no pictures in it; choose a video.")
            rate = float(clip.streams.video[0].average_rate or DEFAULT_RATE)
    return rate, _frames(path, name, side, max(1, round(seconds * rate)))


def _frames(path: str | os.PathLike, name: str, side: int, most: int) -> Iterator[Tensor]:
    import av

    seen = 0
    with _explained(name), av.open(os.fspath(path)) as clip:
        clip.streams.video[0].thread_type = "AUTO"
        for frame in clip.decode(video=0):
            if seen == most:
                return
            pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)[None].float().div(255)
            if min(pixels.shape[-2:]) < MIN_SIDE:
                raise BadInput(f"{name}: its frames are too small; use a video with at least {MIN_SIDE} pixels on both sides.")
            seen += 1
            yield resize(pixels, side)
    if not seen:
        raise BadInput(f"{name} is damaged or incomplete; copy or export it again.")


def write(path: str | os.PathLike, pictures: Iterable[Tensor], rate: float) -> int:
    """Write pictures (1, 3, H, W) in [0, 1], all of one size, as an MP4; returns how many.

    An odd row or column is repeated: the colour of H.264 has half the resolution.

    Raises:
        BadInput: no pictures, or no encoder.
    """
    import av

    written = 0
    available = [codec for codec in CODECS if codec in av.codecs_available]
    if not available:
        raise BadInput("This build of PyAV cannot write videos; install `av` from PyPI.")
    with av.open(os.fspath(path), "w") as file:
        stream = None
        for picture in pictures:
            height, width = picture.shape[-2:]
            even = F.pad(picture, (0, width % 2, 0, height % 2), mode="replicate")
            if stream is None:
                stream = file.add_stream(available[0], rate=Fraction(rate).limit_denominator(1001))
                stream.width, stream.height, stream.pix_fmt = even.shape[-1], even.shape[-2], "yuv420p"
                if available[0] == "libx264":
                    stream.options = {"crf": "20", "preset": "veryfast"}
            pixels = (even[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().contiguous().numpy()
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            written += 1
        if stream is None:
            raise BadInput("A video needs at least one frame.")
        file.mux(stream.encode())
    return written


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """FFmpeg's errors as one sentence."""
    from av.error import FFmpegError

    try:
        yield
    except FileNotFoundError:
        raise BadInput(f"{name} was not found; check the path.") from None
    except (FFmpegError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{name} is not a video that can be read; use MP4, WebM or GIF.") from None
