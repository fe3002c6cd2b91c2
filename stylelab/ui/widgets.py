"""Components drawn from declarations: one per knob, one or two per input, and pictures that are read by our own loader."""

from __future__ import annotations

from dataclasses import Field
from typing import Any

import gradio as gr
import numpy as np
import torch

from .. import images
from ..errors import StylelabError
from ..method import Input

CANVAS_SIDE = 512  # px; a mask is painted on a copy of this size: fast to send, and networks see masks smaller still


class Photo(gr.Image):
    """`gr.Image` whose file is read by `images.load_picture`, for visitors and API callers alike.

    Gradio's own decoding clips 16-bit pictures, drops transparency and shows a bare "Error" for what it cannot read.
    """

    is_template = True  # the front end of gr.Image; its props are read off the constructor's signature, so that stays as it is

    def preprocess(self, payload: Any) -> images.Picture | None:
        """The picture, read once and kept as tensors; `gr.Error` with the loader's sentence if it cannot be."""
        return None if payload is None else read(payload.path)


class Painting(gr.ImageEditor):
    """`gr.ImageEditor` for a mask painted on a picture: what comes in is where there is paint, what goes out is the picture."""

    is_template = True  # as for `Photo`

    def preprocess(self, payload: Any) -> np.ndarray | None:
        """Where the first layer has paint, bool (H, W), or None for next to nothing; `gr.Error` if it cannot be read."""
        if payload is None:
            return None
        sent = payload if payload.id is None else self.blob_storage.pop(payload.id, None)  # the page sends parts ahead, by id
        layer = next(iter(sent.layers), None) if sent else None
        if layer is None:
            return None
        picture = read(layer if isinstance(layer, bytes) else layer.path)
        painted = (torch.ones_like(picture.rgb[:, :1]) if picture.alpha is None else picture.alpha)[0, 0].numpy() > 0.5
        return painted if painted.mean() >= images.LEAST_SHARE else None

    def postprocess(self, value: images.Picture | None) -> Any:
        """An unpainted canvas with the picture on it."""
        if value is None:
            return None
        picture = images.to_pil(images.resize(value.rgb, CANVAS_SIDE))
        return super().postprocess({"background": picture, "layers": [], "composite": None})


def read(source: str | bytes | None) -> images.Picture:
    """What a visitor or caller sent; `gr.Error` with the loader's sentence if it is no usable picture."""
    try:
        if source is None:
            raise images.BadInput("Send the picture as an uploaded file: data URLs are not read.")
        return images.load_picture(source)
    except StylelabError as error:
        raise gr.Error(str(error), print_exception=False) from None


def photo(label: str, elem_id: str | None = None, height: int = 220) -> Photo:
    """An input for a picture: upload or paste, no camera prompt in other people's pages."""
    sources = ["upload", "clipboard"]
    return Photo(label=label, type="filepath", image_mode=None, sources=sources, height=height, min_width=150, elem_id=elem_id)


def mask(declared: Input, elem_id: str) -> list[gr.components.Component]:
    """A mask: paint it, or upload one, which then counts."""
    gr.Markdown(declared.help)
    painting = Painting(
        label=f"{declared.label}: paint it",
        sources=(),
        transforms=(),
        layers=False,
        brush=gr.Brush(default_size=30, colors=["#ffffff"], color_mode="fixed"),
        buttons=[],
        height=360,
        format="jpeg",
        placeholder=f"Choose the {declared.of} picture first.",
        elem_id=f"{elem_id}-painting",
    )
    return [photo(f"{declared.label}: or upload one, which then counts", elem_id, height=140), painting]


def picture(declared: Input, elem_id: str) -> list[gr.components.Component]:
    """One more picture."""
    gr.Markdown(declared.help)
    return [photo(declared.label, elem_id)]


INPUTS = {"mask": mask, "picture": picture}  # kind of `Input` -> its components; the first that is not empty counts


SHOWN = 9  # choices of a knob that are all on the page; more are a list to open


def widget(declared: Field, value: Any, elem_id: str) -> gr.components.Component:
    """The component for a knob: checkbox, choice, seed box or slider."""
    meta = declared.metadata
    common = dict(label=meta["label"], info=meta["help"] or None, value=value, elem_id=elem_id)
    if isinstance(declared.default, bool):
        return gr.Checkbox(**common)
    if meta["choices"]:
        return (gr.Radio if len(meta["choices"]) <= SHOWN else gr.Dropdown)(list(meta["choices"]), **common)
    if declared.name == "seed":
        return gr.Number(minimum=meta["low"], maximum=meta["high"], precision=0, **common)
    return gr.Slider(meta["low"], meta["high"], step=meta["step"], **common)


def endpoint_input(declared: Field) -> gr.components.Component:
    """The API's parameter for a knob: left out means the preset's value. Numbers are checked by the method's own declaration."""
    meta = declared.metadata
    label = f"{meta['label']}: {meta['help'] or 'true or false'}"
    if isinstance(declared.default, bool):
        return gr.Radio([True, False], value=None, label=label)
    if meta["choices"]:
        return gr.Radio(list(meta["choices"]), value=None, label=label)
    return gr.Number(value=None, label=f"{label} {meta['low']} to {meta['high']}.")
