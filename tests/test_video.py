"""Clips in and out."""

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


def test_a_still_picture_is_a_clip_of_one_frame(tmp_path, photo):
    to_pil(photo(48, 64, 1)).save(tmp_path / "a.gif")
    _, frames = video.frames(tmp_path / "a.gif", 64)
    assert len(list(frames)) == 1


def test_numbers_outside_are_clipped(tmp_path):
    video.write(tmp_path / "a.mp4", [torch.full((1, 3, 32, 32), 1.7)] * 2, 12.0)
    _, frames = video.frames(tmp_path / "a.mp4", 32)
    assert all(frame.mean() > 0.95 for frame in frames)
