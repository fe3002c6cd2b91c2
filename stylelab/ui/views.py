"""Views of a result that a method can ask for by kind (`Method.views`), drawn under its before/after."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from .. import job
from ..images import Picture, fitted_size, to_pil

Size = tuple[int, int]  # width, height; or x, y
VIEW_SIDE = 768  # px; a view is for pointing at, not for the finest detail


class MatchMap:
    """Both inputs side by side: pointing at one marks the matched place in the other, from the result's `fields`."""

    FIELDS = ("a_to_b", "b_to_a")

    def __init__(self, name: str):
        self.kept = gr.State(None)  # ([A, B'], [A to B', B' to A])
        with gr.Accordion("Where each place went: click on either picture", open=True, visible=False) as self.place:
            with gr.Row():
                self.shown = [
                    gr.Image(label=label, format="jpeg", interactive=False, buttons=[], height=300, elem_id=f"{name}-map-{ab}")
                    for label, ab in (("A: the content", "a"), ("B′: the style", "b"))
                ]
            self.told = gr.Markdown(elem_id=f"{name}-map-told")
        self.outputs = [self.kept, self.place, *self.shown, self.told]
        for k, picture in enumerate(self.shown):
            picture.select(self.pointing(k), self.kept, [*self.shown, self.told], queue=False, api_visibility="private")

    def hidden(self) -> dict:
        """What to show while a job runs."""
        return {self.place: gr.update(visible=False)}

    def finished(self, content: Picture, style: Picture, result: job.Result) -> dict:
        """What to show of a result."""
        pictures = [to_pil(p.rgb) for p in (content, style)]
        pictures = [p.resize(fitted_size(*p.size, VIEW_SIDE)) for p in pictures]
        return {
            self.kept: (pictures, [result.fields[name] for name in self.FIELDS]),
            self.place: gr.update(visible=True),
            self.shown[0]: pictures[0],
            self.shown[1]: pictures[1],
            self.told: "",
        }

    @staticmethod
    def pointing(k: int) -> Any:
        """The listener for a click on picture `k`."""

        def pointed(kept: Any, event: gr.SelectData) -> tuple:
            if not kept:
                return gr.skip(), gr.skip(), gr.skip()
            pictures, fields = kept
            here, there = matched(event.index, pictures[k].size, fields[k], pictures[1 - k].size)
            both = [marked(pictures[k], here), marked(pictures[1 - k], there)]
            names = ("A", "B′")
            told = f"{names[k]} {here[0]}, {here[1]} is matched with {names[1 - k]} {there[0]}, {there[1]} (pixels as shown)."
            return *(both if k == 0 else both[::-1]), told

        return pointed


def matched(
    point: Any, size: tuple[int, int], field: np.ndarray, other: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The pixel pointed at in a picture of `size`, and its match in one of size `other` (both width, height)."""
    x, y = (min(max(int(value), 0), side - 1) for value, side in zip(point, size, strict=True))
    rows, columns = field.shape[:2]
    relative = field[int((y + 0.5) * rows / size[1]), int((x + 0.5) * columns / size[0])]
    return (x, y), tuple(min(int(r * side), side - 1) for r, side in zip(relative, other, strict=True))


def marked(picture: Image.Image, point: tuple[int, int]) -> Image.Image:
    """A copy with a ring around a pixel, visible on any ground."""
    picture, (x, y) = picture.convert("RGB"), point
    draw, radius = ImageDraw.Draw(picture), max(picture.size) // 45 + 3
    for grow, colour in ((2, "black"), (0, "#ff3d81")):
        box = (x - radius - grow, y - radius - grow, x + radius + grow, y + radius + grow)
        draw.ellipse(box, outline=colour, width=3 + grow)
    draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill="#ff3d81", outline="black")
    return picture


VIEWS = {"match map": MatchMap}
