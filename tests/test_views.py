"""Views of a result: pointing at one picture marks the matched place in the other."""

from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from stylelab import METHODS, job, video
from stylelab.images import load_picture
from stylelab.job import Result
from stylelab.ui.views import VIEW_SIDE, VIEWS, LiveSliders, MatchMap, between, marked, matched, there_and_back

RED = (255, 61, 129)


def test_every_methods_views_are_known():
    assert {kind for method in METHODS.values() for kind in method.views} <= VIEWS.keys()


@pytest.mark.parametrize(
    ("point", "here", "there"),
    [
        ((0, 0), (0, 0), (10, 20)),
        ((99, 49), (99, 49), (70, 20)),
        ((49, 24), (49, 24), (10, 20)),  # the last pixel of the first of 2 x 2 positions
        ((50, 24), (50, 24), (30, 20)),
        ((49, 25), (49, 25), (50, 20)),
        ((7.9, 3.2), (7, 3), (10, 20)),
        ((-5, 200), (0, 49), (50, 20)),  # a click on the edge may come from outside
        ((1000, 0), (99, 0), (30, 20)),
    ],
)
def test_matched_by_hand(point, here, there):
    """A picture of 100 x 50 with a field of 2 x 2 into one of 80 x 40."""
    field = np.array([[[10.5, 20.5], [30.5, 20.5]], [[50.5, 20.5], [70.5, 20.5]]], np.float32) / (80, 40)
    assert matched(point, (100, 50), field, (80, 40)) == (here, there)


def test_a_match_at_the_far_corner_stays_inside():
    assert matched((0, 0), (4, 4), np.ones((1, 1, 2), np.float32), (7, 5)) == ((0, 0), (6, 4))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("ground", ["white", "black"])
def test_marked_draws_a_ring_on_a_copy(mode, ground):
    picture = Image.new(mode, (90, 60), ground)
    before, after = picture.tobytes(), marked(picture, (40, 30))
    assert picture.tobytes() == before and after.mode == "RGB" and after.size == (90, 60)
    changed = (np.asarray(after) != np.asarray(picture.convert("RGB"))).any(2)
    y, x = changed.nonzero()
    assert (x.min() + x.max()) / 2 == pytest.approx(40, abs=1) and (y.min() + y.max()) / 2 == pytest.approx(30, abs=1)
    assert after.getpixel((40, 30)) == RED and x.max() - x.min() < 25
    ring = [np.hypot(x - 40, y - 30) for y, x in zip(*(np.asarray(after) == RED).all(2).nonzero(), strict=True)]
    assert max(ring) > 4


def test_marked_at_a_corner():
    assert marked(Image.new("RGB", (20, 20)), (0, 0)).getpixel((0, 0)) == RED


@pytest.fixture
def view():
    with gr.Blocks():
        yield MatchMap("made")


@pytest.fixture
def shown(view):
    """What the view shows of a result: A of 100 x 50, B' of 40 x 80, fields that turn by half and halve."""
    content, style = (load_picture(Image.new("RGB", size, "grey")) for size in ((100, 50), (40, 80)))
    to_b = np.array([[[0.75, 0.75], [0.25, 0.75]], [[0.75, 0.25], [0.25, 0.25]]], np.float32)
    to_a = np.full((2, 2, 2), 0.25, np.float32)
    return view.finished(content, style, Result(Image.new("RGB", (8, 8)), {}, {}, {"a_to_b": to_b, "b_to_a": to_a}), {})


def test_a_result_is_shown_large_enough_to_point_at(view, shown):
    a, b = (shown[part] for part in view.shown)
    assert a.size == (VIEW_SIDE, VIEW_SIDE // 2) and b.size == (VIEW_SIDE // 2, VIEW_SIDE)
    assert shown.keys() == set(view.outputs) and shown[view.told] == ""


def test_what_matches_nothing_shows_no_map(view):
    """OEFT's inversion has no fields: the page still gets its result, and what an earlier one left is put away."""
    picture = load_picture(Image.new("RGB", (40, 40), "grey"))
    shown = view.finished(picture, picture, Result(Image.new("RGB", (8, 8)), {}, {}, {}), {})
    assert shown == {view.place: gr.update(visible=False), view.kept: None}


def test_a_click_on_either_picture_marks_both(view, shown):
    kept, side = shown[view.kept], VIEW_SIDE
    for k, click, places in [
        (0, (1, 1), [(1, 1), (side * 3 // 8, side * 3 // 4)]),
        (0, (side - 1, side // 2 - 1), [(side - 1, side // 2 - 1), (side // 8, side // 4)]),
        (1, (5, 6), [(side // 4, side // 8), (5, 6)]),
    ]:
        *pictures, told = MatchMap.pointing(k)(kept, SimpleNamespace(index=click))
        assert [picture.getpixel(place) for picture, place in zip(pictures, places, strict=True)] == [RED, RED]
        here, there = (f"{'AB'[i]}{'′' * i} {places[i][0]}, {places[i][1]}" for i in (k, 1 - k))
        assert told.startswith(f"{here} is matched with {there} ")


def test_clicks_do_not_pile_up(view, shown):
    """Each marks the untouched pictures."""
    kept = shown[view.kept]
    before = [picture.tobytes() for picture in kept[0]]
    one = MatchMap.pointing(0)(kept, SimpleNamespace(index=(1, 1)))
    MatchMap.pointing(0)(kept, SimpleNamespace(index=(300, 100)))
    again = MatchMap.pointing(0)(kept, SimpleNamespace(index=(1, 1)))
    assert [picture.tobytes() for picture in kept[0]] == before and one[0].tobytes() == again[0].tobytes()


def test_a_click_before_any_result_changes_nothing():
    assert all(part == gr.skip() for part in MatchMap.pointing(0)(None, SimpleNamespace(index=(1, 1))))


def test_a_new_run_hides_the_map(view):
    assert view.hidden()[view.place]["visible"] is False


# ---- live sliders


@pytest.fixture
def live(monkeypatch, photo):
    """The view of the adjustable tab after a job, with a pair that answers with a grey of its settings."""
    method = METHODS["adjustable"]

    class Pair:
        def __init__(self, content=None):
            self.content = content

        def __call__(self, params):
            grey = (params.alpha_2 + params.alpha_3 + params.alpha_4) / 3
            return torch.full((1, 3, 32, 48), grey) if self.content is None else self.content * grey

        def on(self, content, size):
            assert max(content.shape[-2:]) == size
            return Pair(content)

    monkeypatch.setattr(job, "model_of", lambda *_: None)
    monkeypatch.setattr("stylelab.ui.views.job.METHODS", {"adjustable": replace(method, live=lambda *_: Pair())})
    with gr.Blocks():
        view = LiveSliders("adjustable")
    return view, after_job(view, alpha_3=0.5)


def after_job(view, **values):
    """What the view shows of a job with these knobs."""
    params = {name: value for name, value in vars(view.method.settings("paper", size=64, **values)).items() if name != "seed"}
    picture = load_picture(np.zeros((32, 48, 3), np.uint8))
    result = Result(Image.new("RGB", (48, 32)), {}, {"preset": "paper", "params": params, "seed": 7})
    return view.finished(picture, picture, result, {})


def turned(view, changed, **values):
    """The sliders as the job left them, some of them moved."""
    return [values.get(name, changed[slider]) for name, slider in zip(view.names, view.sliders, strict=True)]


def test_the_sliders_begin_where_the_job_was(live):
    view, changed = live
    assert dict(zip(view.names, turned(view, changed), strict=True)) | {"alpha_3": 0.5, "seed": 7} == dict(
        zip(view.names, turned(view, changed), strict=True)
    )
    assert changed.keys() <= set(view.outputs) and view.hidden().keys() <= set(view.outputs)


def test_the_sliders_begin_at_what_a_random_job_drew(live):
    view, _ = live
    random_job = after_job(view, randomise=True)
    drawn = METHODS["adjustable"].settings("paper", randomise=True, seed=7).alphas
    alphas = [random_job[view.sliders[view.names.index(f"alpha_{k}")]] for k in (2, 3, 4)]
    assert tuple(alphas) == drawn and len(set(drawn)) == 3
    moved = view.moved(random_job[view.kept], *turned(view, random_job, alpha_4=0.0))  # and stand still while one is moved
    assert moved.getpixel((0, 0))[0] == pytest.approx(255 * (drawn[0] + drawn[1]) / 3, abs=1)


def test_a_move_repaints(live):
    view, changed = live
    kept = changed[view.kept]
    moved = view.moved(kept, *turned(view, changed, alpha_2=0.0, alpha_4=0.4))
    assert moved.size == (48, 32) and moved.getpixel((0, 0)) == (76,) * 3  # (0 + 0.5 + 0.4) / 3 of 255
    assert view.moved(None, *turned(view, changed)) == gr.skip()


def test_randomise_moves_the_sliders(live):
    view, changed = live
    picture, *values = view.drawn(changed[view.kept], *turned(view, changed))
    now = dict(zip(view.names, values, strict=True))
    assert {name for name, value in now.items() if value != changed[view.sliders[view.names.index(name)]]} <= set(
        METHODS["adjustable"].live_knobs[:3]
    )
    grey = sum(now[f"alpha_{k}"] for k in (2, 3, 4)) / 3
    assert picture.getpixel((0, 0))[0] == pytest.approx(255 * grey, abs=1)


def test_a_film_goes_there_and_back(live):
    view, changed = live
    kept = changed[view.kept]
    assert "Remember" in view.filmed(kept, None, *turned(view, changed))[1]
    other, _ = view.remembered(kept, *turned(view, changed, alpha_2=0.0, alpha_3=0.0, alpha_4=0.0))
    shown, told = view.filmed(kept, other, *turned(view, changed, alpha_2=0.9, alpha_3=0.9, alpha_4=0.9))
    _, frames = video.frames(shown["value"], 48)
    greys = [frame.mean().item() for frame in frames]
    assert told.startswith(f"{len(greys)} frames") and max(greys) == pytest.approx(0.9, abs=0.03) and greys[0] < 0.03
    assert greys.index(max(greys)) == pytest.approx(len(greys) / 2, abs=1)


def test_a_clip_is_painted(live, tmp_path):
    view, changed = live
    kept = changed[view.kept]
    video.write(tmp_path / "in.mp4", [torch.full((1, 3, 64, 128), 0.8)] * 3, 12.0)
    shown, told = view.painted(kept, str(tmp_path / "in.mp4"), *turned(view, changed, alpha_2=0.5, alpha_3=0.5, alpha_4=0.5))
    _, frames = video.frames(shown["value"], 256)
    assert told.startswith("3 frames") and all(frame.mean().item() == pytest.approx(0.4, abs=0.03) for frame in frames)
    (tmp_path / "bad.mp4").write_text("no")
    assert "bad.mp4 is not a video" in view.painted(kept, str(tmp_path / "bad.mp4"), *turned(view, changed))[1]


def test_settings_between():
    method = METHODS["adjustable"]
    one, other = method.settings("paper", alpha_2=0.0, noise=0), method.settings("paper", alpha_2=1.0, noise=4)
    assert between(one, other, 0.25).alpha_2 == 0.25 and between(one, other, 0.25).noise == 0
    assert between(one, other, 1.0) == other and between(one, other, 0.0) == one
    assert there_and_back(3) == [0, 0.5, 1, 0.5]
