"""Views of a result: pointing at one picture marks the matched place in the other."""

from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from stylelab import METHODS
from stylelab.images import load_picture
from stylelab.job import Result
from stylelab.ui.views import VIEW_SIDE, VIEWS, MatchMap, marked, matched

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
    return view.finished(content, style, Result(Image.new("RGB", (8, 8)), {}, {}, {"a_to_b": to_b, "b_to_a": to_a}))


def test_a_result_is_shown_large_enough_to_point_at(view, shown):
    a, b = (shown[part] for part in view.shown)
    assert a.size == (VIEW_SIDE, VIEW_SIDE // 2) and b.size == (VIEW_SIDE // 2, VIEW_SIDE)
    assert shown.keys() == set(view.outputs) and shown[view.told] == ""


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
