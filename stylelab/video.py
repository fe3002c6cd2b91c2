"""Clips: files <-> frames as tensors, with PyAV."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import BadInput
from .images import MIN_SIDE, resize

MOST_SECONDS = 10.0  # of a clip; a frame takes a tenth of a second on two cores
CODECS = ("libx264", "libopenh264", "mpeg4")  # the first that this build of FFmpeg has; a browser plays the first two
COPIED = {"aac", "mp3", "opus", "ac3", "eac3", "alac", "flac"}  # sound that MP4 holds as it is
SOUND_RATE = 48000  # Hz, of sound that is encoded anew
DEFAULT_RATE = 24.0  # frames per second of a clip that does not say
SUFFIXES = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"}  # of files that are clips and no pictures


@dataclass(frozen=True)
class Look:
    """What a clip's first seconds hold: frames per second, how many frames, and their size in pixels, upright."""

    rate: float
    count: int
    width: int
    height: int


def look(path: str | os.PathLike, seconds: float = MOST_SECONDS) -> Look:
    """Decode a clip's first seconds once, to know what there is before minutes of work begin.

    Raises:
        BadInput: not a clip that can be read, damaged, or its frames are too small.
    """
    name, count, size = Path(path).name, 0, (0, 0)
    rate, pictures = _decoded(path, seconds)
    for picture in pictures:
        turned = abs(picture.rotation) == 90
        size, count = (picture.height, picture.width) if turned else (picture.width, picture.height), count + 1
        if min(size) < MIN_SIDE:
            raise BadInput(f"{name}: its frames are too small; use a video with at least {MIN_SIDE} pixels on both sides.")
    return Look(rate, count, *size)


def frames(path: str | os.PathLike, side: int, seconds: float = MOST_SECONDS) -> tuple[float, Iterator[Tensor]]:
    """Frames per second of a clip, and its frames (1, 3, H, W) in [0, 1], upright, with a long side of `side`, one at a time.

    Raises:
        BadInput: not a clip that can be read; while iterating, a clip that is damaged.
    """
    rate, pictures = _decoded(path, seconds)
    return rate, (_upright(picture, Path(path).name, side) for picture in pictures)


def _upright(picture, name: str, side: int) -> Tensor:
    """A decoded frame as a tensor; phones film lying down and say how to turn it."""
    pixels = torch.from_numpy(picture.to_ndarray(format="rgb24")).permute(2, 0, 1)[None].float().div(255)
    if min(pixels.shape[-2:]) < MIN_SIDE:
        raise BadInput(f"{name}: its frames are too small; use a video with at least {MIN_SIDE} pixels on both sides.")
    return resize(pixels.rot90(picture.rotation // 90, (2, 3)), side)


def _decoded(path: str | os.PathLike, seconds: float) -> tuple[float, Iterator]:
    """Frames per second, and PyAV's frames of the first seconds."""
    import av

    name = Path(path).name
    with _explained(name), av.open(os.fspath(path)) as clip:
        if not clip.streams.video:
            raise BadInput(f"{name} has no pictures in it; choose a video.")
        rate = float(clip.streams.video[0].average_rate or DEFAULT_RATE)

    def pictures() -> Iterator:
        seen, most = 0, max(1, round(seconds * rate))
        with _explained(name), av.open(os.fspath(path)) as clip:
            clip.streams.video[0].thread_type = "AUTO"
            for picture in clip.decode(video=0):
                if seen == most:
                    return
                seen += 1
                yield picture
        if not seen:
            raise BadInput(f"{name} is damaged or incomplete; copy or export it again.")

    return rate, pictures()


class Writer:
    """An MP4 that is there when all of it is: `with Writer(path, rate) as film: film.add(picture)`.

    An odd row or column is repeated: the colour of H.264 has half the resolution.

    Args:
        path: of the file; replaced in one step.
        rate: frames per second.
        sound_of: a clip whose sound goes along, as long as there are pictures. Sound that cannot be read is left out.

    Raises:
        BadInput: no encoder, no folder; at the end, no pictures.
    """

    def __init__(self, path: str | os.PathLike, rate: float, sound_of: str | os.PathLike | None = None):
        import av

        self.path, self.rate, self.sound_of = Path(path), Fraction(rate).limit_denominator(1001), sound_of
        self.frames, self.sound = 0, False  # what is in it
        self.codec = next((codec for codec in CODECS if codec in av.codecs_available), None)
        if self.codec is None:
            raise BadInput("This build of PyAV cannot write videos; install `av` from PyPI.")

    def __enter__(self) -> Writer:
        import av

        self.part = self.path.parent / f".{secrets.token_hex(8)}.part"
        self.opened, self.stream = contextlib.ExitStack(), None
        try:
            self.file = self.opened.enter_context(av.open(os.fspath(self.part), "w", format="mp4"))
        except OSError as error:
            raise BadInput(f"{self.path.name} cannot be written ({error.strerror}); choose another file or folder.") from None
        return self

    def _begin(self, height: int, width: int) -> None:
        """Declare the streams; the first picture says how large."""
        import av

        self.stream = self.file.add_stream(self.codec, rate=self.rate)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        if self.codec == "libx264":
            self.stream.options = {"crf": "20", "preset": "veryfast"}
        self.source = self.track = None
        if self.sound_of is None:
            return
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            self.source = self.opened.enter_context(av.open(os.fspath(self.sound_of)))
            self.heard = heard = next((track for track in self.source.streams.audio if track.codec_context), None)
            if heard is not None and heard.codec_context.name in COPIED:
                self.track = self.file.add_stream_from_template(heard)
            elif heard is not None:
                self.track = self.file.add_stream("aac", rate=SOUND_RATE, layout="stereo")

    def add(self, picture: Tensor) -> None:
        """The next picture, (1, 3, H, W) in [0, 1], all of one size."""
        import av

        height, width = picture.shape[-2:]
        even = F.pad(picture, (0, width % 2, 0, height % 2), mode="replicate")
        if self.stream is None:
            self._begin(*even.shape[-2:])
        pixels = (even[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().contiguous().numpy()
        self.file.mux(self.stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        self.frames += 1

    def _sound(self) -> None:
        """The sound of as many seconds as there are pictures: its packets as they are, or encoded anew where MP4 has no place."""
        heard, seconds = self.heard, self.frames / self.rate
        if heard.codec_context.name in COPIED:
            for packet in self.source.demux(heard):
                if packet.dts is None or packet.pts * packet.time_base >= seconds:
                    break
                packet.stream = self.track
                self.file.mux(packet)
                self.sound = True
        else:
            for piece in self.source.decode(heard):
                if piece.time >= seconds:
                    break
                self.file.mux(self.track.encode(piece))
                self.sound = True
            self.file.mux(self.track.encode())

    def __exit__(self, kind, error, trace) -> None:
        from av.error import FFmpegError

        try:
            with self.opened:
                if kind is None and self.stream is None:
                    raise BadInput("A video needs at least one frame.")
                if kind is None:
                    self.file.mux(self.stream.encode())
                    if self.track is not None:
                        with contextlib.suppress(FFmpegError, ValueError):
                            self._sound()
            if kind is None:
                os.replace(self.part, self.path)
        except (FFmpegError, OSError) as failed:
            raise BadInput(f"{self.path.name} cannot be written ({failed.strerror}); choose another file or folder.") from None
        finally:
            self.part.unlink(missing_ok=True)


def write(path: str | os.PathLike, pictures: Iterable[Tensor], rate: float) -> int:
    """Write pictures (1, 3, H, W) in [0, 1], all of one size, as an MP4; returns how many.

    Raises:
        BadInput: no pictures, no encoder, or the file cannot be written.
    """
    with Writer(path, rate) as film:
        for picture in pictures:
            film.add(picture)
    return film.frames


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
