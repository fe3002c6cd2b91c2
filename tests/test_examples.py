"""The pictures that ship with the project, and the code that draws the styles."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stylelab import METHODS, examples
from stylelab.examples import draw


@pytest.mark.parametrize("path", [*examples.CONTENTS.values(), *examples.STYLES.values()], ids=lambda path: path.name)
def test_a_listed_picture_opens_and_has_a_sane_size(path):
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) >= 250 and max(pixels.shape[:2]) <= 768
    assert pixels.std() > 20


def test_every_picture_is_listed_credited_and_small():
    listed = {*examples.CONTENTS.values(), *examples.STYLES.values()}
    shipped = {*examples.HERE.glob("contents/*"), *examples.HERE.glob("styles/*")}
    assert listed == shipped
    assert sum(path.stat().st_size for path in shipped) < 2_500_000
    assert examples.CREDITS.keys() == examples.CONTENTS.keys()
    credits = (examples.HERE / "CREDITS.md").read_text(encoding="utf-8")
    assert [path.name for path in examples.CONTENTS.values() if f"`{path.name}`" not in credits] == []
    assert [path.stem for path in examples.STYLES.values() if path.stem not in credits] == []


def test_pairs_name_pictures_that_exist():
    for pairs in examples.PAIRS.values():
        assert len(set(pairs)) == len(pairs) >= 4
        for content, style in pairs:
            assert content in examples.CONTENTS and style in examples.STYLES | examples.CONTENTS


def test_every_shipped_style_can_be_drawn_again():
    assert {path.stem for path in examples.STYLES.values()} == set(draw.MEDIA)


DRAWINGS = {getattr(draws, "func", draws): name for name, draws in reversed(draw.MEDIA.items())}  # a cat's coats are one drawing


@pytest.mark.parametrize("name", DRAWINGS.values())
@pytest.mark.parametrize(("width", "height"), [(96, 64), (61, 83)])
def test_a_style_has_the_asked_size_and_is_not_flat(name, width, height):
    picture = draw.MEDIA[name](width, height)
    assert picture.shape == (height, width, 3) and picture.dtype == np.uint8
    assert picture.std() > 20


@pytest.mark.parametrize("name", ["stained_glass", "pointillism", "woodblock_pagoda"])
def test_drawing_repeats_exactly_and_follows_the_seed(name):
    first = draw.MEDIA[name](96, 72, seed=1)
    assert np.array_equal(first, draw.MEDIA[name](96, 72, seed=1))
    assert not np.array_equal(first, draw.MEDIA[name](96, 72, seed=2))


@pytest.mark.parametrize("name", METHODS)
def test_every_example_has_its_thumbnail_and_pictures(name):
    assert examples.pairs(name) and all(path.is_file() for pair in examples.pairs(name) for path in pair)
