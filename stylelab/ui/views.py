"""Views of a result that a method can ask for by kind (`Method.views`), drawn under its before/after."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from .. import job, video
from ..errors import StylelabError
from ..images import Picture, fitted_size, to_pil
from ..method import Params, knobs
from .kept import new_folder
from .widgets import widget

Size = tuple[int, int]  # width, height; or x, y
VIEW_SIDE = 768  # px; a view is for pointing at, not for the finest detail
FILM_SECONDS, FILM_RATE = 2.0, 12.0  # of a transition, there and back
CLIP_SIDE = 256  # px, long side of a stylised clip on a CPU; a GPU has time for the result's own size


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

    def finished(self, content: Picture, style: Picture, result: job.Result, given: dict[str, Any]) -> dict:
        """What to show of a result, and of the `Input`s that it was made with: nothing where nothing was matched."""
        if not result.fields:
            return self.hidden() | {self.kept: None}
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


class LiveSliders:
    """Sliders that the picture follows while they are dragged, and films of what they do.

    After a job the pair is kept as the method's `live` sees it; a move then costs one pass of the network.
    """

    def __init__(self, name: str):
        self.method = job.METHODS[name]
        self.kept = gr.State(None)  # (the pair looked at, the settings it came from)
        self.other = gr.State(None)  # remembered settings: where a film begins
        declared = [f for f in knobs(self.method.params) if f.name in self.method.live_knobs]
        with gr.Accordion("Live: the picture follows the sliders", open=True, visible=False) as self.place:
            self.shown = gr.Image(label="Live", format="jpeg", interactive=False, buttons=[], height=420, elem_id=f"{name}-live")
            self.sliders = [widget(f, f.default, f"{name}-live-{f.name}") for f in declared]
            with gr.Row():
                shuffle = gr.Button("Randomise", elem_id=f"{name}-live-random", min_width=100)
                keep = gr.Button("Remember", elem_id=f"{name}-live-keep", min_width=100)
                film = gr.Button("Film from there to here", elem_id=f"{name}-live-film", min_width=100)
            with gr.Accordion("A whole clip", open=False):
                label = "Your clip: its first seconds are painted"
                clip = gr.Video(label=label, sources=["upload"], height=220, elem_id=f"{name}-live-source")
                paint = gr.Button("Paint the clip", elem_id=f"{name}-live-clip")
            self.told = gr.Markdown(elem_id=f"{name}-live-told")
            self.film = gr.Video(label="Film", interactive=False, visible=False, elem_id=f"{name}-live-video")
        self.names = [f.name for f in declared]
        self.outputs = [self.kept, self.other, self.place, self.shown, *self.sliders, self.told, self.film]
        quick = dict(api_visibility="private", show_progress="hidden", concurrency_id=f"{name}-live", concurrency_limit=1)
        slow = dict(api_visibility="private", show_progress_on=self.told, concurrency_limit=1, concurrency_id="device")
        for slider in self.sliders:
            slider.input(self.moved, [self.kept, *self.sliders], self.shown, trigger_mode="always_last", **quick)
        shuffle.click(self.drawn, [self.kept, *self.sliders], [self.shown, *self.sliders], **quick)
        keep.click(self.remembered, [self.kept, *self.sliders], [self.other, self.told], **quick)
        film.click(self.filmed, [self.kept, self.other, *self.sliders], [self.film, self.told], **slow)
        paint.click(self.painted, [self.kept, clip, *self.sliders], [self.film, self.told], **slow)

    def hidden(self) -> dict:
        """What to show while a job runs."""
        return {self.place: gr.update(visible=False)}

    def finished(self, content: Picture, style: Picture, result: job.Result, given: dict[str, Any]) -> dict:
        """What to show of a result, and of the `Input`s that it was made with."""
        report = result.report
        device = job.device_called("auto")
        model = job.model_of(self.method.name, device, "auto")
        params = self.method.live_start(self.method.settings(report["preset"], **report["params"], seed=report["seed"]))
        others = {name: picture.rgb.to(device) for name, picture in given.items()}
        pair = self.method.live(model, content.rgb.to(device), style.rgb.to(device), max(result.image.size), **others)
        return {
            self.kept: (pair, params),
            self.other: None,
            self.place: gr.update(visible=True),
            self.shown: result.image.convert("RGB"),
            **{slider: getattr(params, name) for name, slider in zip(self.names, self.sliders, strict=True)},
            self.told: "",
            self.film: gr.update(value=None, visible=False),
        }

    def settings(self, kept: Any, values: tuple) -> Params:
        """The job's settings with the sliders as they stand."""
        return self.method.settings(**vars(kept[1]) | dict(zip(self.names, values, strict=True)))

    def moved(self, kept: Any, *values: Any) -> Any:
        """A slider was moved."""
        return to_pil(kept[0](self.settings(kept, values))) if kept else gr.skip()

    def drawn(self, kept: Any, *values: Any) -> tuple:
        """The paper's random weights, on the sliders where they can be seen and moved on."""
        if not kept:
            return (gr.skip(), *[gr.skip()] * len(values))
        drawn = self.method.live_random(self.settings(kept, values), random.randrange(2**31))
        values = [getattr(drawn, name) for name in self.names]
        return self.moved(kept, *values), *values

    def remembered(self, kept: Any, *values: Any) -> tuple:
        """The sliders as they stand are where a film begins."""
        return (self.settings(kept, values), "Remembered. Move the sliders, then make the film.") if kept else (None, "")

    def filmed(self, kept: Any, other: Any, *values: Any) -> tuple:
        """A film from the remembered settings to these and back."""
        if not kept or other is None:
            return gr.skip(), "Press Remember first, then move the sliders: the film goes from there to here."
        here = self.settings(kept, values)
        return self.written(kept[0](between(other, here, t)) for t in there_and_back(round(FILM_SECONDS * FILM_RATE)))

    def painted(self, kept: Any, clip: Any, *values: Any) -> tuple:
        """A clip, frame by frame, in the style and with the settings of the sliders."""
        if not kept or not clip:
            return gr.skip(), "Choose a clip first."
        params, pair = self.settings(kept, values), kept[0]
        device = job.device_called("auto")
        side = CLIP_SIDE if device.type == "cpu" else params.size
        try:
            rate, frames = video.frames(clip, side)
        except StylelabError as error:
            return gr.skip(), f"⚠️ {error}"
        return self.written((pair.on(frame.to(device), side)(params) for frame in frames), rate)

    def written(self, pictures: Iterator[Tensor], rate: float = FILM_RATE) -> tuple:
        """The film on the page, and what to say about it."""
        path, begun = new_folder() / f"{self.method.name}.mp4", time.perf_counter()
        try:
            n = video.write(path, pictures, rate)
        except StylelabError as error:
            return gr.skip(), f"⚠️ {error}"
        return gr.update(value=str(path), visible=True), f"{n} frames in {time.perf_counter() - begun:.1f} s."


def between(one: Params, other: Params, t: float) -> Params:
    """Settings on the way from one to another: numbers go evenly, choices change in the middle."""
    mixed = {}
    for name, a in vars(one).items():
        b = getattr(other, name)
        mixed[name] = (1 - t) * a + t * b if isinstance(a, float) else a if t < 0.5 else b
    return type(one)(**mixed)


def there_and_back(n: int) -> list[float]:
    """n numbers from 0 to 1, evenly, and the same back, so that the film can be played over and over."""
    up = [i / (n - 1) for i in range(n)]
    return up + up[-2:0:-1]


VIEWS = {"match map": MatchMap, "live sliders": LiveSliders}
