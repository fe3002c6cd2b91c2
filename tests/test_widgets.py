"""What the page's own components make of what browsers and callers send."""

import dataclasses
import io

import gradio as gr
import numpy as np
import pytest
import torch
from gradio.components.image_editor import EditorData, EditorDataBlobs
from gradio.data_classes import FileData
from PIL import Image

from stylelab import images
from stylelab.method import Step, knob
from stylelab.ui.tab import Watch
from stylelab.ui.widgets import CANVAS_SIDE, SHOWN, Painting, Photo, widget


@pytest.fixture
def painting():
    return Painting(format="jpeg", layers=False)


def layer(*painted, width=60, height=40):
    """The bytes of a layer, transparent but for boxes of white paint."""
    image, buffer = Image.new("RGBA", (width, height)), io.BytesIO()
    for box in painted:
        image.paste((255, 255, 255, 255), box)
    image.save(buffer, "PNG")
    return buffer.getvalue()


def sent(painting, *layers):
    """A drawing as the page sends it: its parts ahead, then their id."""
    painting.blob_storage["7"] = EditorDataBlobs(background=layer(), layers=list(layers), composite=None)
    return EditorData(id="7")


def test_a_drawing_is_where_the_paint_is(painting):
    painted = painting.preprocess(sent(painting, layer((0, 0, 30, 40))))
    assert painted.dtype == bool and painted.shape == (40, 60)
    assert np.array_equal(painted, np.arange(60)[None].repeat(40, 0) < 30)
    assert painting.blob_storage == {}  # kept no longer than needed
    assert painting.preprocess(sent(painting, layer((0, 0, 60, 40)))).all()


def test_a_drawing_may_be_a_file(painting, tmp_path):
    (tmp_path / "layer.png").write_bytes(layer((10, 0, 20, 40)))
    assert painting.preprocess(EditorData(layers=[FileData(path=str(tmp_path / "layer.png"))])).mean() == pytest.approx(1 / 6)


@pytest.mark.parametrize("layers", [(), (None,), (layer(),), (layer((0, 0, 1, 1)),)], ids=["none", "empty", "clear", "a dot"])
def test_nothing_painted_is_no_mask(layers, painting):
    assert painting.preprocess(sent(painting, *layers)) is None
    assert painting.preprocess(None) is None


def test_a_drawing_nobody_sent(painting):
    assert painting.preprocess(EditorData(id="none")) is None and painting.preprocess(EditorData()) is None


@pytest.mark.parametrize("data", [b"", b"these are words", layer()[:60], layer(width=3, height=3)])
def test_a_drawing_that_is_no_picture_is_one_sentence(data, painting):
    with pytest.raises(gr.Error) as error:
        painting.preprocess(sent(painting, data))
    assert error.value.message.startswith("The picture ") and error.value.message.endswith(".")
    assert not error.value.print_exception


@pytest.mark.parametrize("component", [Photo(type="filepath"), Painting()], ids=["photo", "painting"])
def test_data_urls_are_not_read(component):
    url = FileData.model_construct(path=None, url="data:image/png;base64,AAAA")
    with pytest.raises(gr.Error, match="data URLs are not read"):
        component.preprocess(url if isinstance(component, Photo) else EditorData.model_construct(id=None, layers=[url]))


@pytest.mark.parametrize(("size", "shown"), [((1000, 500), (CANVAS_SIDE, CANVAS_SIDE // 2)), ((60, 40), (512, 341))])
def test_a_canvas_has_the_picture_and_no_paint(size, shown, painting):
    data = painting.postprocess(images.load_picture(Image.new("RGB", size, "red")))
    with Image.open(data.background.path) as image:
        assert image.size == shown and image.getpixel((9, 9))[0] > 250
    assert data.layers == [] and data.composite is None
    assert painting.postprocess(None) is None


@pytest.mark.parametrize(("count", "kind"), [(2, gr.Radio), (SHOWN, gr.Radio), (SHOWN + 1, gr.Dropdown)])
def test_many_choices_are_a_list_to_open(count, kind):
    words = [f"choice {k}" for k in range(count)]
    declared = dataclasses.make_dataclass("Made", [("choice", str, knob(words[0], "Choice", choices=words))])
    made = widget(dataclasses.fields(declared)[0], words[1], "made")
    assert type(made) is kind and [value for _, value in made.choices] == words and made.value == words[1]


def test_a_curve_begins_anew_with_other_losses():
    """Its title too, and once more with the second step: the plot learns its series from what it has when its title changes."""
    watch, seen = Watch(), []
    for i, names in enumerate(("ab", "ab", "c", "c", "c"), 1):
        curve = watch.curve(Step(i, 5, "made up", losses={name: torch.tensor(float(i)) for name in names}))
        seen.append(([*zip(curve["step"], curve["of"], strict=True)], watch.title()))
    assert [len(rows) for rows, _ in seen] == [2, 4, 1, 2, 3] and seen[-1][0] == [(3, "c"), (4, "c"), (5, "c")]
    assert [title for _, title in seen] == ["Loss: a, b ", "Loss: a, b", "Loss: c ", "Loss: c", "Loss: c"]
