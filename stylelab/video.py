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
from .images import MIN_SIDE, at_size, fitted_size

MOST_SECONDS = 10.0  # of a clip; a frame takes a tenth of a second on two cores
CODECS = ("libx264", "libopenh264", "mpeg4")  # the first that this build of FFmpeg has; a browser plays the first two
COPIED = {"aac", "mp3", "opus", "ac3", "eac3", "alac", "flac"}  # sound that MP4 holds as it is
SOUND_RATE = 48000  # Hz, of sound that is encoded anew
DEFAULT_RATE = 24.0  # frames per second of a clip that does not say
MOST_GUESSED = 30  # frames per second of a clip whose rate varies: higher guesses are often the clock's
MOST_STRETCHED = 4.0  # width to height of a pixel, or height to width; more is a mistake in the file
SAME_SHAPE = 0.03  # by how much the aspect ratio of two frames may differ: odd sides are rounded
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
        BadInput: not a clip that can be read, damaged, its frames are too small, or not all of one shape.
    """
    rate, pictures = _decoded(path, seconds)
    size, count = (0, 0), 0
    for _, shown in pictures:
        size, count = size if count else shown, count + 1
    return Look(rate, count, *size)


def frames(path: str | os.PathLike, side: int, seconds: float = MOST_SECONDS) -> tuple[float, Iterator[Tensor]]:
    """Frames per second of a clip, and its frames (1, 3, H, W) in [0, 1], upright, with a long side of `side`, one at a time.

    Where the clip's own rate varies frames are repeated or left out, so that all is shown at its time. All frames have the size
    of the first.

    Raises:
        BadInput: not a clip that can be read; while iterating, what `look` raises.
    """
    rate, pictures = _decoded(path, seconds)

    def prepared() -> Iterator[Tensor]:
        size = None
        for picture, shown in pictures:
            size = size or fitted_size(*shown, side)
            pixels = torch.from_numpy(picture.to_ndarray(format="rgb24")).permute(2, 0, 1)[None].float().div(255)
            yield at_size(pixels.rot90(picture.rotation // 90, (2, 3)), *size)  # phones film lying down and say how to turn it

    return rate, prepared()


def _decoded(path: str | os.PathLike, seconds: float) -> tuple[float, Iterator]:
    """Frames per second, and PyAV's frames of the first seconds at that rate, each with its (width, height) as it is shown."""
    import av

    name = Path(path).name
    with _explained(name), av.open(os.fspath(path)) as clip:
        if not clip.streams.video:
            raise BadInput(f"{name} has no pictures in it; choose a video.")
        stream = clip.streams.video[0]
        rate = float(stream.average_rate or DEFAULT_RATE)
        if stream.guessed_rate and rate < stream.guessed_rate <= MOST_GUESSED:  # a screen at rest, a GIF's pauses
            rate = float(stream.guessed_rate)

    def pictures() -> Iterator:
        first = None
        with _explained(name), av.open(os.fspath(path)) as clip:
            stream = clip.streams.video[0]
            stream.thread_type = "AUTO"
            for picture in _evened(_timed(clip.decode(stream), 1 / rate), rate, max(1, round(seconds * rate))):
                shown = _shown(picture, stream)
                first = first or shown
                if min(shown) < MIN_SIDE:
                    raise BadInput(
                        f"{name}: its frames are too small; use a video with at least {MIN_SIDE} pixels on both sides."
                    )
                if abs(shown[0] * first[1] / (shown[1] * first[0]) - 1) > SAME_SHAPE:
                    raise BadInput(f"{name} changes its shape on the way; cut it there into clips of one shape each.")
                yield picture, shown
        if first is None:
            raise BadInput(f"{name} is damaged or incomplete; copy or export it again.")

    return rate, pictures()


def _timed(pictures: Iterable, usual: float) -> Iterator[tuple]:
    """Each with when it begins and ends, in seconds from the first; not every file tells, or tells what can be."""
    start, now, end = None, -1.0, 0.0
    for picture in pictures:
        start = picture.time if start is None else start
        told = end if picture.time is None else picture.time - start
        now = told if told > now else end
        end = now + (float(picture.duration * picture.time_base) if picture.duration and picture.time_base else usual)
        yield picture, now, end


def _evened(timed: Iterable[tuple], rate: float, most: int) -> Iterator:
    """`most` pictures at most, `rate` a second: each as often as it is there at the middle of one's time. A still comes once."""
    seen, last, now, end = 0, None, 0.0, 0.0
    for picture, now, end in timed:  # noqa: B007 - the last one's count below
        while last is not None and seen < most and (seen + 0.5) / rate <= now:
            yield last
            seen += 1
        if seen == most:
            return
        last = picture
    while last is not None and seen < most and (seen == 0 or (now > 0 and (seen + 0.5) / rate <= end)):
        yield last
        seen += 1


def _shown(picture, stream) -> tuple[int, int]:
    """(width, height) as a frame is shown: upright, and with square pixels."""
    wide = float(stream.sample_aspect_ratio or 1)
    width = round(picture.width * wide) if 1 / MOST_STRETCHED <= wide <= MOST_STRETCHED else picture.width
    return (picture.height, width) if abs(picture.rotation) == 90 else (width, picture.height)


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
        heard, seconds, seen = self.heard, self.frames / self.rate, self.source.streams.video[0]
        start = (seen.start_time or 0) * seen.time_base  # what is written begins at 0
        if heard.codec_context.name in COPIED:
            for packet in self.source.demux(heard):
                if packet.dts is None or packet.pts * packet.time_base - start >= seconds:
                    break
                shift = round(start / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                if shift and packet.pts < 0:
                    continue
                packet.stream = self.track
                self.file.mux(packet)
                self.sound = True
        else:
            for piece in self.source.decode(heard):
                if piece.time - start >= seconds:
                    break
                piece.pts -= round(start / piece.time_base)
                if piece.pts < 0:
                    continue
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
