"""The sheets of `figures`: every column is a job that its method can do, and what is drawn of it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stylelab import METHODS, examples, figures, job
from stylelab.__main__ import main
from stylelab.examples.masks import THINGS, mask

COLUMNS = [
    pytest.param(method, title, knobs, id=f"{method}-{title}-{caption}")
    for method, sheets in figures.SHEETS.items()
    for title, columns in sheets.items()
    for caption, knobs in columns.items()
]


@pytest.mark.parametrize(("method", "title", "knobs"), COLUMNS)
def test_a_column_is_a_job(method, title, knobs):
    METHODS[method].settings("fast", **{name: value for name, value in knobs.items() if name not in ("show", "masked")})
    if knobs.get("masked"):
        assert {declared.name for declared in METHODS[method].inputs} >= {"content_mask", "style_mask"}
        assert {name for pair in figures.SHEET_PAIRS[title] for name in pair} <= THINGS.keys()


@pytest.mark.parametrize(("method", "title"), [(m, t) for m, sheets in figures.SHEETS.items() for t in sheets])
def test_no_two_columns_are_the_same(method, title):
    columns = [dict(knobs) for knobs in figures.SHEETS[method][title].values()]
    shown = [(knobs.pop("show", "result"), knobs.pop("masked", False)) for knobs in columns]
    made = {(*how, METHODS[method].settings("paper", **knobs)) for how, knobs in zip(shown, columns, strict=True)}
    assert len(made) == len(columns)


@pytest.mark.parametrize("name", THINGS)
def test_a_label_map_shows_where_the_thing_is(name):
    """In the middle, and not in the corners; places as seen in the pictures."""
    with Image.open(examples.files(name, name)[0]) as picture:
        width, height = picture.size
    labels = mask(name)
    assert labels.size == (width, height) and 0.1 < (np.asarray(labels) > 0).mean() < 0.6
    inside, outside = ((0.48, 0.5), (0.55, 0.95)), ((0.05, 0.05), (0.95, 0.05), (0.05, 0.95), (0.95, 0.95), (0.85, 0.5))
    for places, expected in ((inside, 255), (outside, 0)):
        assert {labels.getpixel((int(x * width), int(y * height))) for x, y in places} == {expected}


def test_sheets(tmp_path, monkeypatch):
    """Columns that are alike are made once, label maps are given and shown, long rows are broken."""
    asked = []

    def stylize(name, content, style, preset, size, **knobs):
        asked.append(knobs)
        grey = Image.new("RGB", (60, 40), (len(asked),) * 3)
        return job.Result(grey, {"uncoloured": grey}, {})

    monkeypatch.setattr(job, "stylize", stylize)
    columns = {"a": {}, "b": {"show": "uncoloured"}, "c": {"alpha": 0.0}, "d": {"masked": True}}
    many = {str(k): {"alpha": k / 20} for k in range(12)}
    monkeypatch.setitem(figures.SHEETS, "nnst", {"figure11-guidance": columns, "many": many})
    figures.result_of.cache_clear()
    assert figures.main(["--method", "nnst", "--only-sheets", "--sheets", str(tmp_path), "--size", "64"]) == 0
    figures.result_of.cache_clear()
    masked = [knobs for knobs in asked if "content_mask" in knobs]
    assert len(asked) == 2 * (3 + 12) and len(masked) == 2
    for knobs, name in zip(masked, ("Crimson cup", "Yellow dahlia"), strict=True):
        assert np.array_equal(knobs["style_mask"], mask(name))
    cell, height = figures.CELL, figures.CELL + figures.CAPTION
    assert Image.open(tmp_path / "nnst-figure11-guidance.jpg").size == (8 * cell, 2 * height)
    assert Image.open(tmp_path / "nnst-many.jpg").size == (7 * cell, 4 * height)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--only-sheets"], "--only-sheets draws nothing without --sheets DIR."),
        (["--sheets", "file"], "file is a file: name a folder for the sheets."),
    ],
)
def test_mistakes_are_one_line(argv, said, tmp_path, monkeypatch, capsys):
    def stylize(*_, **__):
        raise AssertionError("nothing is to be drawn")

    monkeypatch.setattr(job, "stylize", stylize)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["figures", *argv]) == 2
    assert capsys.readouterr() == ("", f"stylelab: {said}\n")
