"""Clips in and out."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from stylelab import video
from stylelab.errors import BadInput
from stylelab.images import to_pil


@pytest.mark.parametrize(("height", "width"), [(48, 64), (33, 47)])
def test_what_is_written_can_be_read(tmp_path, photo, height, width):
    """Odd sides become even; lossy, but the same pictures in the same order."""
    pictures = [photo(height, width, seed) for seed in range(5)]
    assert video.write(tmp_path / "a.mp4", pictures, 12.0) == 5
    rate, frames = video.frames(tmp_path / "a.mp4", max(height, width) + max(height, width) % 2)
    frames = list(frames)
    assert rate == pytest.approx(12, abs=0.1) and len(frames) == 5
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.shape == (1, 3, height + height % 2, width + width % 2) and frame.min() >= 0 and frame.max() <= 1
        assert (frame[..., :height, :width] - picture).abs().mean() < 0.05


def test_only_the_first_seconds_and_the_size_asked_for(tmp_path, photo):
    video.write(tmp_path / "a.mp4", (photo(48, 64, seed) for seed in range(9)), 4.0)
    _, frames = video.frames(tmp_path / "a.mp4", 32, seconds=1.0)
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, 24, 32)] * 4


def test_what_is_refused(tmp_path, photo):
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(BadInput, match=r"text\.mp4 is not a video"):
        video.frames(tmp_path / "text.mp4", 64)
    with pytest.raises(BadInput, match=r"gone\.mp4 was not found"):
        video.frames(tmp_path / "gone.mp4", 64)
    with pytest.raises(BadInput, match="at least one frame"):
        video.write(tmp_path / "empty.mp4", [], 12.0)
    video.write(tmp_path / "whole.mp4", [photo(48, 64, 1)] * 30, 12.0)
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match=r"half\.mp4"):
        list(video.frames(tmp_path / "half.mp4", 64)[1])


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_rate_that_varies_is_evened_out(tmp_path, suffix):
    """Brighter and brighter at 0, 0.1, 0.2, 0.3, 1.0 and 1.1 s: at ten frames a second what was last there is repeated."""
    import av

    with av.open(str(tmp_path / f"a.{suffix}"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, at in enumerate((0, 100, 200, 300, 1000, 1100)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    rate, frames = video.frames(tmp_path / f"a.{suffix}", 32)
    shown = [round(frame.mean().item() * 255 / 40) for frame in frames]
    assert rate == 10 and shown[:12] == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5] and set(shown[12:]) <= {5}
    assert video.look(tmp_path / f"a.{suffix}").count == len(shown)
    assert len(list(video.frames(tmp_path / f"a.{suffix}", 32, seconds=0.6)[1])) == 6


def test_a_gifs_pause_lasts(tmp_path, photo):
    first, *others = [to_pil(photo(40, 50, seed)) for seed in range(3)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=[100, 700, 100])
    rate, frames = video.frames(tmp_path / "a.gif", 50)
    frames = list(frames)
    assert len(frames) / rate == pytest.approx(0.9, abs=0.11)
    same = [torch.equal(a, b) for a, b in itertools.pairwise(frames)]
    assert same.count(False) == 2


def test_pixels_that_are_not_square(tmp_path, photo):
    """96 x 64 pixels, each 4 : 3, are a picture of 128 x 64."""
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        stream = file.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.codec_context.sample_aspect_ratio = 96, 64, Fraction(4, 3)
        pixels = (photo(64, 96, 1)[0] * 255).byte().permute(1, 2, 0).contiguous().numpy()
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
    assert video.look(tmp_path / "a.mkv") == video.Look(8.0, 1, 128, 64)
    assert [tuple(frame.shape) for frame in video.frames(tmp_path / "a.mkv", 128)[1]] == [(1, 3, 64, 128)]


def test_a_clip_of_two_shapes_is_refused_before_work_begins(tmp_path, photo):
    """Streams of raw H.264, joined: another aspect is refused, another size is brought to the first's."""
    import av

    def encoded(height, width):
        with av.open(str(tmp_path / "part.h264"), "w", format="h264") as file:
            stream = file.add_stream("libx264", rate=8)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for seed in range(3):
                pixels = (photo(height, width, seed)[0] * 255).byte().permute(1, 2, 0).contiguous().numpy()
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            file.mux(stream.encode())
        return (tmp_path / "part.h264").read_bytes()

    (tmp_path / "turned.h264").write_bytes(encoded(64, 96) + encoded(96, 64))
    with pytest.raises(BadInput, match=r"turned\.h264 changes its shape"):
        video.look(tmp_path / "turned.h264")
    (tmp_path / "finer.h264").write_bytes(encoded(64, 96) + encoded(98, 146))
    assert (video.look(tmp_path / "finer.h264").width, video.look(tmp_path / "finer.h264").height) == (96, 64)
    assert {tuple(frame.shape) for frame in video.frames(tmp_path / "finer.h264", 80)[1]} == {(1, 3, 53, 80)}


def test_a_still_picture_is_a_clip_of_one_frame(tmp_path, photo):
    to_pil(photo(48, 64, 1)).save(tmp_path / "a.gif")
    _, frames = video.frames(tmp_path / "a.gif", 64)
    assert len(list(frames)) == 1


def test_numbers_outside_are_clipped(tmp_path):
    video.write(tmp_path / "a.mp4", [torch.full((1, 3, 32, 32), 1.7)] * 2, 12.0)
    _, frames = video.frames(tmp_path / "a.mp4", 32)
    assert all(frame.mean() > 0.95 for frame in frames)


# ---- sound, and clips that lie on their side


def with_sound(path, pictures, codec: str, rate: float = 8.0, seconds: float = 2.0, late: int = 0, silent: float = 0.0):
    """A clip whose sound is a tone of 440 Hz after `silent` seconds; its first picture comes `late` frames after the sound."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=Fraction(rate))
        stream.height, stream.width = pictures[0].shape[-2:]
        track = file.add_stream(codec, rate=48000, layout="mono")
        for k, picture in enumerate(pictures):
            pixels = (picture[0] * 255).byte().permute(1, 2, 0).contiguous().numpy()
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = k + late, 1 / Fraction(rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        tone = np.sin(2 * np.pi * 440 * np.arange(int(48000 * seconds)) / 48000)
        tone[: int(48000 * silent)] = 0
        for start in range(0, len(tone), 1024):
            piece = av.AudioFrame.from_ndarray((16000 * tone[None, start : start + 1024]).astype(np.int16), layout="mono")
            piece.sample_rate, piece.pts = 48000, start
            file.mux(track.encode(piece))
        file.mux(track.encode())


def heard(path) -> tuple[float, float]:
    """Seconds and pitch of a clip's sound."""
    import av

    with av.open(str(path)) as file:
        samples = np.concatenate([piece.to_ndarray()[0].astype(float) for piece in file.decode(audio=0)])
        rate = file.streams.audio[0].codec_context.sample_rate
    return len(samples) / rate, np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "pcm_s16le")])
def test_sound_survives_as_long_as_the_pictures(tmp_path, photo, suffix, codec):
    """Copied, or encoded anew where MP4 cannot hold it; two seconds of sound for one of pictures are cut."""
    pictures = [photo(48, 64, seed) for seed in range(8)]
    with_sound(tmp_path / f"in.{suffix}", pictures, codec)
    with video.Writer(tmp_path / "out.mp4", 8.0, tmp_path / f"in.{suffix}") as film:
        for picture in pictures:
            film.add(picture)
    assert film.sound and film.frames == 8
    seconds, pitch = heard(tmp_path / "out.mp4")
    assert seconds == pytest.approx(1, abs=0.1) and pitch == pytest.approx(440, abs=5)
    assert len(list(video.frames(tmp_path / "out.mp4", 64)[1])) == 8


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "aac"), ("mkv", "pcm_s16le")])
def test_sound_keeps_its_place_where_pictures_begin_later(tmp_path, photo, suffix, codec):
    """Pictures from half a second on, the tone from one: in the result, whose pictures begin at once, the tone is at one half."""
    import av

    pictures = [photo(48, 64, seed) for seed in range(8)]
    with_sound(tmp_path / f"in.{suffix}", pictures, codec, late=4, silent=1.0)
    with video.Writer(tmp_path / "out.mp4", 8.0, tmp_path / f"in.{suffix}") as film:
        for picture in video.frames(tmp_path / f"in.{suffix}", 64)[1]:
            film.add(picture)
    assert film.sound and film.frames == 8
    with av.open(str(tmp_path / "out.mp4")) as file:
        loud = [piece.time for piece in file.decode(audio=0) if np.abs(piece.to_ndarray().astype(float)).max() > 0.2]
    assert loud[0] == pytest.approx(0.5, abs=0.08)


def test_no_sound_is_no_mistake(tmp_path, photo):
    video.write(tmp_path / "silent.mp4", [photo(48, 64, 1)] * 2, 8.0)
    (tmp_path / "text.mp4").write_text("no clip")
    for source in ("silent.mp4", "text.mp4"):
        with video.Writer(tmp_path / "out.mp4", 8.0, tmp_path / source) as film:
            film.add(photo(48, 64, 1))
        assert not film.sound and len(list(video.frames(tmp_path / "out.mp4", 64)[1])) == 1


def test_a_clip_is_there_when_all_of_it_is(tmp_path, photo):
    (tmp_path / "a.mp4").write_text("what was there before")
    with pytest.raises(KeyError), video.Writer(tmp_path / "a.mp4", 8.0) as film:
        film.add(photo(48, 64, 1))
        raise KeyError
    assert (tmp_path / "a.mp4").read_text() == "what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(BadInput, match=r"b\.mp4 cannot be written"):
        video.write(tmp_path / "none" / "b.mp4", [photo(48, 64, 1)], 8.0)


@pytest.mark.parametrize(("matrix", "quarters"), [((0, 1, -1, 0), 3), ((0, -1, 1, 0), 1), ((-1, 0, 0, -1), 2)])
def test_a_phones_clip_comes_upright(tmp_path, photo, matrix, quarters):
    """The track header's matrix (ISO 14496-12, 8.3.2) is set by hand: a, b, c, d turn the picture by quarters to the left."""
    upright = photo(48, 64, 2)
    lying = upright.rot90(-quarters, (2, 3))
    video.write(tmp_path / "a.mp4", [lying] * 3, 8.0)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: the matrix begins 40 bytes after the box's name
    for k, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[place + 4 * k : place + 4 * k + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    (tmp_path / "a.mp4").write_bytes(data)
    frames = list(video.frames(tmp_path / "a.mp4", 64)[1])
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, 48, 64)] * 3
    assert (frames[0] - upright).abs().mean() < 0.05
    assert video.look(tmp_path / "a.mp4") == video.Look(8.0, 3, 64, 48)


def test_a_look_finds_damage_before_work_begins(tmp_path, photo):
    video.write(tmp_path / "a.mp4", [photo(48, 64, 1)] * 9, 4.0)
    assert video.look(tmp_path / "a.mp4", 1.0) == video.Look(4.0, 4, 64, 48)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match=r"half\.mp4"):
        video.look(tmp_path / "half.mp4")
