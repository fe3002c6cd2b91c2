"""Components drawn from declarations: one per knob, and pictures that are read by our own loader."""

from __future__ import annotations

from dataclasses import Field
from typing import Any

import gradio as gr

from .. import images
from ..errors import StylelabError


class Photo(gr.Image):
    """`gr.Image` whose file is read by `images.load_picture`, for visitors and API callers alike.

    Gradio's own decoding clips 16-bit pictures, drops transparency and shows a bare "Error" for what it cannot read.
    """

    is_template = True  # the front end of gr.Image; its props are read off the constructor's signature, so that stays as it is

    def preprocess(self, payload: Any) -> images.Picture | None:
        """The picture, read once and kept as tensors; `gr.Error` with the loader's sentence if it cannot be."""
        if payload is None:
            return None
        try:
            if payload.path is None:
                raise images.BadInput("Send the picture as an uploaded file: data URLs are not read.")
            return images.load_picture(payload.path)
        except StylelabError as error:
            raise gr.Error(str(error), print_exception=False) from None


def photo(label: str, elem_id: str | None = None) -> Photo:
    """An input for a picture: upload or paste, no camera prompt in other people's pages."""
    return Photo(
        label=label, type="filepath", image_mode=None, sources=["upload", "clipboard"], height=220, min_width=150, elem_id=elem_id
    )


def widget(declared: Field, value: Any, elem_id: str) -> gr.components.Component:
    """The component for a knob: checkbox, choice, seed box or slider."""
    meta = declared.metadata
    common = dict(label=meta["label"], info=meta["help"] or None, value=value, elem_id=elem_id)
    if isinstance(declared.default, bool):
        return gr.Checkbox(**common)
    if meta["choices"]:
        return gr.Radio(list(meta["choices"]), **common)
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
