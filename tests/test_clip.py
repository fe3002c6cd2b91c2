"""Whole clips: when keyframes are painted, how frames between are carried, and files in and out."""

import dataclasses
import json

import pytest
import torch
from torch.nn import functional as F

from stylelab import clip, flow, video
from stylelab.__main__ import main
from stylelab.errors import BadInput
from stylelab.images import resize
from stylelab.job import METHODS
from stylelab.method import Step, drain
from stylelab.ui.tab import WholeClip


@pytest.fixture(scope="module")
def wide():
    """A still of many details (1, 3, 64, 200), to move a camera over."""
    generator = torch.Generator().manual_seed(0)
    layers = [
        F.interpolate(torch.rand(1, 3, 64 // k, 200 // k, generator=generator), (64, 200), mode="bicubic") for k in (4, 8, 20)
    ]
    return (sum(layers) / 3).clamp(0, 1)


def panned(wide, n: int, step: int = 2) -> list:
    """Frames (1, 3, 64, 96) of a camera that moves right by `step` whole pixels a frame."""
    return [wide[..., step * i : step * i + 96] for i in range(n)]


@pytest.fixture
def panning(monkeypatch, wide):
    """Frames of a pan whose flow is known instead of found."""
    frames = panned(wide, 9)

    def known(frame, other):
        a, b = (next(i for i, f in enumerate(frames) if f is one) for one in (frame, other))
        found = torch.zeros(1, 2, 64, 96)
        found[:, 0] = 2.0 * (a - b)
        return found

    monkeypatch.setattr(flow, "flow", known)
    return frames


def inverted(asked):
    """A method that paints the negative, and notes what it was given."""

    def paint(frame, before):
        asked.append((frame, before))
        yield Step(1, 2, "half", frame)
        yield Step(2, 2, "whole", 1 - frame)

    return paint


def pictures(items) -> list:
    return [item for item in items if not isinstance(item, Step)]


def test_a_known_shift_is_carried_exactly(panning):
    """Nine frames, the first and the last painted: the seven between are the negative too, though nobody painted them."""
    asked = []
    made = pictures(clip.painted(panning, inverted(asked), every=8))
    assert len(made) == 9 and [frame is panning[i] for i, (frame, _) in zip((0, 8), asked, strict=True)] == [True, True]
    for frame, painted in zip(panning, made, strict=True):
        assert (painted - (1 - frame)).abs().max() < 1e-3


def test_a_keyframe_is_told_what_the_last_one_was_there(panning):
    asked = []
    pictures(clip.painted(panning, inverted(asked), every=8))
    (_, nothing), (last, before) = asked
    assert nothing is None and before.shape == (1, 4, 64, 96)
    known = before[:, 3:] > 0.5
    assert known[..., : 96 - 17].all() and not known[..., 96 - 15 :].any()  # 16 columns are new
    assert ((before[:, :3] - (1 - last)).abs() * known).max() < 1e-4


@pytest.mark.parametrize(("n", "every", "painted"), [(9, 4, [0, 4, 8]), (8, 3, [0, 3, 6, 7]), (4, 1, [0, 1, 2, 3]), (1, 8, [0])])
def test_when_keyframes_are_painted(panning, n, every, painted):
    asked = []
    made = pictures(clip.painted(iter(panning[:n]), inverted(asked), every))
    assert len(made) == n
    assert [next(i for i, f in enumerate(panning) if f is frame) for frame, _ in asked] == painted


def test_new_places_come_from_the_keyframe_that_shows_them(panning):
    """The second keyframe is painted otherwise: its new columns keep its paint, what both show is mixed evenly half way."""
    paint = {0: 0.2, 8: 0.8}
    steps = iter(paint.values())

    def flat(frame, before):
        yield Step(1, 1, "flat", torch.full_like(frame, next(steps)))

    made = pictures(clip.painted(panning, flat, every=8))
    middle = made[4][0, 0, 32]
    assert middle[-6:].mean() == pytest.approx(0.8, abs=0.02)  # not in the first
    assert middle[:6].mean() == pytest.approx(0.2, abs=0.02)  # not in the last
    assert middle[12:84].mean() == pytest.approx(0.5, abs=0.01)
    levels = [picture[0, 0, 32, 40].item() for picture in made]
    assert levels == sorted(levels) and levels[2] == pytest.approx(0.35, abs=0.01)


def test_a_cut_begins_anew(wide, photo):
    """Frames before a cut are carried from before, those after from after."""
    frames = [*panned(wide, 3), *(photo(64, 96, seed=5) for _ in range(3))]
    asked = []
    made = pictures(clip.painted(frames, inverted(asked), every=8))
    keys = [next(i for i, f in enumerate(frames) if f is frame) for frame, _ in asked]
    assert 3 in keys and asked[keys.index(3)][1][:, 3].mean() < 0.2
    for frame, painted in zip(frames, made, strict=True):
        assert (painted - (1 - frame)).abs().mean() < 0.03


def test_found_flow_carries_a_pan(wide):
    frames = panned(wide, 9)
    made = pictures(clip.painted(frames, inverted([]), every=8))
    assert max((painted - (1 - frame)).abs()[..., 4:-4, 4:-4].mean() for frame, painted in zip(frames, made, strict=True)) < 0.02


# ---- files


@pytest.fixture
def source(tmp_path, wide, photo):
    """`in.mp4` of 7 frames, 96 x 64, and `style.png` beside it."""
    from stylelab.images import save, to_pil

    video.write(tmp_path / "in.mp4", panned(wide, 7), 6.0)
    save(tmp_path / "style.png", to_pil(photo(48, 48, 1)))
    return tmp_path


def test_a_clip_from_files(source, made):
    *steps, end = clip.stream("made", source / "in.mp4", source / "style.png", source / "out.mp4", every=3, size=64)
    assert end.report["method"] == "made" and end.report["params"]["size"] == 64
    assert end.report["clip"] == {"frames": 7, "rate": 6.0, "keyframes": 3, "every": 3, "sound": False}
    rate, frames = video.frames(end.path, 64)
    frames = list(frames)
    assert rate == 6 and [tuple(frame.shape) for frame in frames] == [(1, 3, 44, 64)] * 7
    assert all(step.n == 7 for step in steps) and [s.i for s in steps] == sorted(s.i for s in steps) and steps[-1].i == 6
    for frame, original in zip(frames, video.frames(source / "in.mp4", 64)[1], strict=True):
        assert (frame[..., :43, :] - original).abs().mean() < 0.03


def test_only_the_first_seconds(source, made):
    end = drain(clip.stream("made", source / "in.mp4", source / "style.png", source / "out.mp4", seconds=0.5, size=64))
    assert end.report["clip"]["frames"] == 3


def test_stopped_there_is_no_file(source, made):
    steps = clip.stream("made", source / "in.mp4", source / "style.png", source / "out.mp4", size=64)
    next(steps)
    steps.close()
    assert sorted(path.name for path in source.iterdir()) == ["in.mp4", "style.png"]


# ---- the shell


def painted_by_shell(source, *more) -> int:
    return main(["made", str(source / "in.mp4"), str(source / "style.png"), "-o", str(source / "out.mp4"), "--size", "64", *more])


def test_from_the_shell(source, made, capsys):
    assert painted_by_shell(source, "--keyframes", "6", "--report", str(source / "r.json")) == 0
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "7 frames, 2 painted, no sound" in err
    assert json.loads((source / "r.json").read_text())["clip"]["every"] == 6
    assert painted_by_shell(source, "--seconds", "0.1") == 0
    assert "1 frame, 1 painted, no sound" in capsys.readouterr().err


def test_frames_are_not_cut_and_notes_are_told(source, made, capsys, monkeypatch):
    """A method that cuts pictures to a part sees a clip's frames whole; what it notes is told as for a picture."""

    def run(model, content, style, params, **_):
        yield Step(1, 1, "making", resize(content, params.size), note=f"Seen {content.shape[-1]} px wide.")

    method = dataclasses.replace(METHODS["made"], run=run, cut=lambda *_: ((0, 0, 40, 40), None))
    monkeypatch.setitem(METHODS, "made", method)
    assert painted_by_shell(source, "--keyframes", "3") == 0
    first, second = capsys.readouterr().err.splitlines()
    assert "7 frames, 3 painted" in first and second == "Seen 64 px wide."
    assert video.look(source / "out.mp4").width == 64
    *_, end = clip.stream("made", source / "in.mp4", source / "style.png", source / "out.mp4", every=3, size=64)
    assert WholeClip.told(end).splitlines()[-1] == "Seen 64 px wide."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--keyframes", "0"], "keyframes must be between 1 and 100 frames apart, not 0"),
        (["--keyframes", "x"], "invalid int value: 'x'"),
        (["--seconds", "0"], "seconds must be more than 0"),
        (["--seconds", "nan"], "seconds must be more than 0"),
        (["--extras", "more"], "--extras is for one picture"),
        (["-o", "out.png"], "out.png must end in .mp4"),
        (["-o", "in.mp4"], "in.mp4 is the content itself: name another file."),
        (["--size", "3"], "size must be"),
        (["--preset", "slow"], "preset must be one of"),
    ],
)
def test_mistakes_are_one_line(more, said, source, made, capsys, monkeypatch):
    monkeypatch.chdir(source)
    assert painted_by_shell(source, *more) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err
    assert not (source / "out.mp4").exists()


def test_a_narrow_clip_is_told_by_its_own_size(source, made):
    video.write(source / "in.mp4", [torch.zeros(1, 3, 16, 640)] * 2, 6.0)
    said = r"^The clip's picture of 640x16 pixels would be 64x2 at size 64: .* a size of at least 640\.$"
    with pytest.raises(BadInput, match=said):
        next(clip.stream("made", source / "in.mp4", source / "style.png", source / "out.mp4", size=64))
    assert made == [] and not (source / "out.mp4").exists()


def test_a_damaged_clip_is_one_line(source, made, capsys):
    data = (source / "in.mp4").read_bytes()
    (source / "in.mp4").write_bytes(data[: len(data) // 2])
    assert painted_by_shell(source) == 2
    assert capsys.readouterr().err.startswith("stylelab: in.mp4 ")
    with pytest.raises(BadInput, match=r"gone\.mp4 was not found"):
        next(clip.stream("made", source / "gone.mp4", source / "style.png", source / "out.mp4"))
