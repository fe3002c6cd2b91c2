"""A method's tab and its endpoint, drawn from its declarations."""

from __future__ import annotations

import inspect
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import gradio as gr
import pandas as pd
import torch
from PIL import Image, ImageOps

from .. import clip, examples, job, video, weights
from ..errors import StylelabError
from ..images import Picture, to_pil
from ..method import Input, Method, Step, knobs
from . import runner
from .kept import new_folder
from .views import VIEWS
from .widgets import INPUTS, endpoint_input, photo, widget

log = logging.getLogger("stylelab")

PREVIEW_EVERY = 0.4  # seconds; a preview costs some milliseconds to encode and a message to the browser
PREVIEW_SIDE = 512  # px
SHOWN_SIDE = 2048  # px; more than the page has room for. The file to download is whole
DEVICE_QUEUE = dict(concurrency_limit=1, concurrency_id="device")  # all heavy events of all tabs share one place


def explained(error: BaseException) -> gr.Error:
    """The sentence for the page: our own as they are, anything else logged under a reference that is shown instead."""
    if isinstance(error, StylelabError):
        return gr.Error(str(error), print_exception=False, duration=None)
    reference = secrets.token_hex(3)
    log.error("job failed (ref %s)", reference, exc_info=error)
    return gr.Error(f"Something went wrong in here (ref {reference}); try again, or with other settings.", print_exception=False)


def preview(step: Step) -> Any:
    """A step's picture at one size whatever the scale it is at: small enough to send often, large enough to fill the place."""
    picture = to_pil(step.image)
    return ImageOps.contain(picture, (PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BILINEAR)


def page_sized(*pictures: Image.Image) -> tuple[Image.Image, ...]:
    """Pictures no larger than a page can use: two of 4096 px are 70 MB."""
    sides = (min(SHOWN_SIDE, max(picture.size)) for picture in pictures)
    return tuple(ImageOps.contain(picture, (side, side)) for picture, side in zip(pictures, sides, strict=True))


class Watch:
    """What a run looks like from outside: rate, time left, and the losses so far."""

    def __init__(self) -> None:
        self.stage, self.first, self.shown = None, (0.0, 0), 0
        self.curves, self.losses = set(), []

    def status(self, step: Step) -> str:
        """Stage, step i of n, loss, it/s and time left as one line of Markdown."""
        now = time.monotonic()
        self.shown += 1
        if self.stage != step.stage:  # a finer scale runs at its own rate
            self.stage, self.first = step.stage, (now, step.i)
        rate = (step.i - self.first[1]) / max(now - self.first[0], 1e-3)
        parts = [f"**{step.stage}**", f"step {step.i} of {step.n}"]
        parts += [f"{name} {float(value):.4f}" for name, value in step.losses.items()]
        if rate > 0:
            left = (step.n - step.i) / rate
            parts += [f"{rate:.1f} it/s", f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"]
        return " · ".join(parts)

    def curve(self, step: Step) -> pd.DataFrame:
        """The losses seen so far, a row each; another set of losses, with another scale, begins a new curve."""
        if self.curves != set(step.losses):
            self.curves, self.losses = set(step.losses), []
        self.losses += [(step.i, float(value), name) for name, value in step.losses.items()]
        return pd.DataFrame(self.losses, columns=["step", "loss", "of"])

    def title(self) -> str:
        """Over the curve. It changes, by a space, once more after a curve has begun.

        The plot learns which series there are when its title changes, and a new title arrives before its values.
        """
        return f"Loss: {', '.join(sorted(self.curves))}{' ' * (len(self.losses) == len(self.curves))}"


def watched(name: str, content: Any, style: Any, **options: Any) -> Iterator[Step | job.Result | None]:
    """A picture's job, see `followed`."""
    if content is None or style is None:
        missing = "content and a style" if content is style else "content" if content is None else "style"
        raise gr.Error(f"Choose a {missing} picture first, or click an example.", print_exception=False)
    yield from followed(lambda: job.stream(name, content, style, **options))


def followed(work: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """A job's steps, no more often than previews are wanted, then its result; None is a heartbeat. Errors are `gr.Error`."""
    shown = 0.0
    try:
        for item in runner.run(work):
            if isinstance(item, Step):
                if item.image is None or time.monotonic() - shown < PREVIEW_EVERY:
                    continue
                shown = time.monotonic()
            yield item
    except gr.Error:
        raise
    except Exception as error:
        raise explained(error) from None


def telling(status: gr.Markdown, listener: Callable[..., Iterator[dict]]) -> Callable[..., Iterator[dict]]:
    """The listener, whose sentence on what went wrong stays in `status`: the message in the corner closes by itself."""

    def listening(*values: Any) -> Iterator[dict]:
        try:
            yield from listener(*values)
        except gr.Error as error:
            yield {status: f"⚠️ {error.message}"}
            raise

    return listening


def written(result: job.Result) -> str:
    """The full-size PNG in a folder of its own under a name that tells what it is; Gradio copies it into its cache.

    Raises:
        BadInput: the disk is full.
    """
    path = new_folder() / f"{result.report['method']}-{result.report['preset']}-{result.report['seed']}.png"
    result.save(path)
    return str(path)


def summary(result: job.Result) -> str:
    """One line on a finished job, naming the weights that really ran."""
    report = result.report
    names = (f"{w['name']} ({w['family']}{', ' + w['licence'] if w['family'] == 'full' else ''})" for w in report["weights"])
    used = ", ".join(names) or "no weights"
    width, height = report["size"]
    done = f"**Done** in {report['seconds']} s · {width}×{height} · {used} on {report['device']} · seed {report['seed']}"
    return f"{done}\n\n{report['note']}" if report["note"] else done


def licences(method: Method) -> str:
    """One line on the terms of what the method can take from the Hub, or nothing."""
    try:
        terms = {row["name"]: row["licence"] for row in weights.status() if row["family"] == "full"}
    except StylelabError:  # the head of the page tells
        return ""
    told = "; ".join(f"`{name}`: {terms[name]}" for name in method.full)
    return f"Licences of its `full` weights, where those run: {told}." if told else ""


class WholeClip:
    """Where a clip is chosen, to be painted with the tab's style and knobs."""

    def __init__(self, name: str):
        with gr.Accordion("A whole clip instead of the photo", open=False, elem_id=f"{name}-clip-place"):
            label = f"Your clip: the first {video.MOST_SECONDS:g} seconds, with sound"
            self.source = gr.Video(label=label, sources=["upload"], height=220, elem_id=f"{name}-clip-source")
            self.every = gr.Slider(
                *(1, 24, clip.EVERY),
                step=1,
                label="Keyframes",
                info="Every so many frames one is painted; those between follow the motion. 1 paints each.",
                elem_id=f"{name}-clip-every",
            )
            self.paint = gr.Button("Paint the clip", elem_id=f"{name}-clip-paint")

    @staticmethod
    def status(step: Step, begun: float) -> str:
        """Stage, frame i of n and time left as one line of Markdown."""
        parts = [f"**{step.stage}**", f"frame {step.i} of {step.n}"]
        if step.i > 1:  # a keyframe alone tells nothing of those between
            left = (time.monotonic() - begun) / step.i * (step.n - step.i)
            parts.append(f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left")
        return " · ".join(parts)

    @staticmethod
    def told(finished: clip.Clip) -> str:
        """One line on a finished clip, and what is to be noted."""
        about, note = finished.report["clip"], finished.report["note"]
        sound = "with its sound" if about["sound"] else "without sound"
        frames = f"{about['frames']} frames, {about['keyframes']} of them painted, the others follow the motion"
        done = f"**Done** in {finished.report['seconds']} s · {frames} · {sound}"
        return f"{done}\n\n{note}" if note else done


def default_preset(method: Method) -> str:
    """What the page starts with: `fast` where there is no GPU, else the paper's."""
    return "fast" if "fast" in method.presets and not torch.cuda.is_available() else next(iter(method.presets))


def asked(method: Method) -> dict[Input, list[gr.components.Component]]:
    """The components of the method's inputs beside content and style, folded away: masks in one place, others each in its own."""
    places: dict[str, list[Input]] = {}
    for declared in method.inputs:
        places.setdefault("Masks" if declared.kind == "mask" else declared.label, []).append(declared)
    parts = {}
    for label, inputs in places.items():
        with gr.Accordion(label, open=False, elem_id=f"{method.name}-{inputs[0].name}-place"):
            parts |= {declared: INPUTS[declared.kind](declared, f"{method.name}-{declared.name}") for declared in inputs}
    return parts


def tab(method: Method) -> None:
    """Draw the tab inside an open `gr.Tab`, and the endpoint ``/NAME``."""
    name, declared, start = method.name, knobs(method.params), default_preset(method)
    values = vars(method.settings(start))
    gr.Markdown(f"{method.summary} [{method.paper}]({method.url}).")
    if terms := licences(method):
        gr.Markdown(f"<small>{terms}</small>", elem_id=f"{name}-licences")
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                content = photo("Content: the photo", f"{name}-content")
                style = photo("Style: the example", f"{name}-style")
            parts = asked(method)
            whole = WholeClip(name) if method.follows else None
            with gr.Row():
                run = gr.Button("Run", variant="primary", elem_id=f"{name}-run", min_width=120)
                stop = gr.Button("Stop", variant="stop", elem_id=f"{name}-stop", min_width=120)
            finished_before = gr.Image(visible=False)  # only there for its thumbnails: what each example comes to
            clickable = gr.Examples(
                [[*map(str, pair)] for pair in examples.pairs(name)],
                [finished_before, content, style],
                label="Examples: click to run",
                visible_columns=[0],
                cache_examples=False,
                elem_id=f"{name}-examples",
            )
            for part in (finished_before, content, style):  # else Gradio deletes the examples' pictures after `KEPT` seconds
                part.keep_in_cache |= part.temp_files
        with gr.Column(scale=6, min_width=320):
            said = "Choose two pictures and press Run, or click an example."
            status = gr.Markdown(said, elem_id=f"{name}-status", elem_classes="status")
            live = gr.Image(label="Preview", format="jpeg", interactive=False, elem_id=f"{name}-preview", buttons=[], height=480)
            slider = gr.ImageSlider(
                label="Before and after", format="png", max_height=640, visible=False, elem_id=f"{name}-slider"
            )
            alone = gr.Image(label="Chart", format="png", interactive=False, visible=False, elem_id=f"{name}-alone")
            shown = gr.Radio(["result"], value="result", label="Show", visible=False, elem_id=f"{name}-show")
            film = gr.Video(label="The clip", interactive=False, visible=False, elem_id=f"{name}-film")
            with gr.Row():
                download = gr.DownloadButton("Full-size PNG", visible=False, elem_id=f"{name}-download")
                reuse = gr.Button("Use the result as content", visible=False, elem_id=f"{name}-reuse")
                onward = gr.Button(method.onward.label if method.onward else "", visible=False, elem_id=f"{name}-onward")
            views = [VIEWS[kind](name) for kind in method.views]
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            preset = gr.Radio(list(method.presets), value=start, label="Preset", elem_id=f"{name}-preset")
            widgets = {f.name: widget(f, values[f.name], f"{name}-{f.name}") for f in declared if not f.metadata["advanced"]}
            shuffle = gr.Checkbox(False, label="Draw a new seed for every run", elem_id=f"{name}-shuffle")
            with gr.Accordion("Advanced", open=False):
                widgets |= {f.name: widget(f, values[f.name], f"{name}-{f.name}") for f in declared if f.metadata["advanced"]}
        with gr.Column(scale=6, min_width=320):
            curve = gr.LinePlot(x="step", y="loss", color="of", height=220, visible=False, elem_id=f"{name}-curve")
            with gr.Accordion("Report", open=False):
                report = gr.JSON(show_label=False, elem_id=f"{name}-report")
    pictures = gr.State(None)  # (content at the result's size, style, {label: picture})

    turnable, after = list(widgets), (slider, alone, shown, download, reuse, onward, film)
    outputs = [status, live, curve, report, pictures, widgets["seed"], *after, *(part for view in views for part in view.outputs)]

    def stepped(watch: Watch, step: Step) -> dict:
        changed = {
            status: watch.status(step),
            live: gr.Image(value=preview(step), visible=True),
            curve: gr.LinePlot(value=watch.curve(step), title=watch.title(), visible=bool(step.losses)),
        }
        return changed | cleared() if watch.shown == 1 else changed

    def cleared() -> dict:
        """What the job before this one left is put away."""
        changed = {part: gr.update(visible=False) for part in after}
        for view in views:
            changed |= view.hidden()
        return changed

    def finished(content: Picture, style: Picture, result: job.Result, given: dict[str, Any]) -> dict:
        content, style = (p.cut(result.report["cut"].get(role)) for p, role in ((content, "content"), (style, "style")))
        kept = {"result": result.image, **result.extras}
        before = to_pil(content.rgb).resize(result.image.size)
        said, file = summary(result), None
        try:
            file = written(result)
        except StylelabError as error:  # the picture is not lost with its file
            said = f"{said}\n\n⚠️ {error}"
        changed = {
            status: said,
            live: gr.Image(value=None, visible=False),
            alone: gr.update(visible=False),
            report: result.report,
            pictures: (before, to_pil(style.rgb), kept),
            widgets["seed"]: result.report["seed"],
            slider: gr.ImageSlider(value=page_sized(before, result.image), visible=True),
            shown: gr.Radio(list(kept), value="result", visible=len(kept) > 1),
            download: gr.DownloadButton(value=file, visible=file is not None),
            reuse: gr.Button(visible=True),
            onward: gr.Button(visible=bool(method.onward) and method.onward.after.items() <= result.report["params"].items()),
        }
        for view in views:
            changed |= view.finished(content, style, result, given)
        return changed

    def compared(chosen, kept):
        """A chosen picture over what it was made from, or by itself."""
        before, style, made = kept
        if chosen in (*method.sheets, "cut"):
            return gr.update(visible=False), gr.Image(value=made[chosen], label=chosen, visible=True)
        if chosen in method.of_style:
            before = style.resize(made[chosen].size)
        return gr.ImageSlider(value=page_sized(before, made[chosen]), visible=True), gr.update(visible=False)

    def read(taken: Sequence[Input]) -> list[gr.components.Component]:
        """The components that a job with some of the method's inputs is made from, beside its content."""
        return [style, preset, shuffle, *widgets.values(), *(part for key in taken for part in parts[key])]

    def options(taken: Sequence[Input], shuffle: bool, *values: Any) -> dict[str, Any]:
        """Knobs and inputs by name, from what those components hold after style and preset."""
        named = dict(zip(turnable, values, strict=False))
        rest = iter(values[len(turnable) :])
        for declared in taken:
            given = [next(rest) for _ in parts[declared]]
            named[declared.name] = next((value for value in given if value is not None), None)
        return named | {"seed": random.randrange(2**31)} if shuffle else named

    def running(taken: Sequence[Input], turned: Mapping[str, Any] | None = None) -> tuple:
        """The listener that runs a job with some of the method's inputs, and the components that it reads.

        With knobs `turned` it goes on from a job: the seed stays too.
        """

        def on_run(content, style, preset, shuffle, *values):
            named, watch = options(taken, shuffle and turned is None, *values) | (turned or {}), Watch()
            extra = {declared.name: named[declared.name] for declared in taken if named[declared.name] is not None}
            yield {status: "Starting …"}
            for item in watched(name, content, style, preset=preset, **named):
                if item is None:
                    yield {status: gr.skip()}
                else:
                    yield stepped(watch, item) if isinstance(item, Step) else finished(content, style, item, extra)

        return telling(status, on_run), [content, *read(taken)]

    def filming(taken: Sequence[Input]) -> tuple:
        """The listener that paints a whole clip, and the components that it reads."""

        def on_clip(source, every, style, preset, *values):
            if source is None or style is None:
                missing = "clip and a style picture" if source is style else "clip" if source is None else "style picture"
                raise gr.Error(f"Choose a {missing} first.", print_exception=False)
            named, out, begun = options(taken, *values), new_folder() / f"{name}.mp4", time.monotonic()
            yield {status: "Starting …", curve: gr.LinePlot(visible=False), **cleared()}
            for item in followed(lambda: clip.stream(name, source, style, out, every=every, preset=preset, **named)):
                if item is None:
                    yield {status: gr.skip()}
                elif isinstance(item, Step):
                    yield {status: whole.status(item, begun), live: gr.Image(value=preview(item), visible=True)}
                else:
                    shown = {live: gr.Image(value=None, visible=False), film: gr.Video(value=str(item.path), visible=True)}
                    yield {status: whole.told(item), report: item.report, **shown}

        return telling(status, on_clip), [whole.source, whole.every, *read(taken)]

    heavy = dict(api_visibility="private", show_progress="full", show_progress_on=status, **DEVICE_QUEUE)
    light = dict(api_visibility="private", queue=False)
    jobs = [
        run.click(*running(method.inputs), outputs, **heavy),
        # What is painted now belongs to the pictures that were there before the example's.
        clickable.load_input_event.then(*running([key for key in parts if not key.of]), outputs, **heavy),
    ]
    if method.onward:
        jobs.append(onward.click(*running(method.inputs, method.onward.knobs), outputs, **heavy))
    if whole:  # what is painted on the photo is not for the clip
        jobs.append(whole.paint.click(*filming([key for key in parts if key.of != "content"]), outputs, **heavy))
    for declared, (upload, painting) in ((key, both) for key, both in parts.items() if key.of):
        changed = {"content": content, "style": style}[declared.of]
        changed.change(lambda picture: (None, picture), changed, [upload, painting], show_progress="hidden", **light)
    # Said only when the job is closed: what a slow browser still has to draw of it would come after the word and replace it.
    stop.click(None, None, None, cancels=jobs, **light).then(
        lambda: "Stopped. The preview is how far it came.", None, status, **light
    )
    set_by_preset = [knob for knob in turnable if knob != "seed"]
    preset.input(
        lambda chosen: [getattr(method.settings(chosen), knob) for knob in set_by_preset],
        preset,
        [widgets[knob] for knob in set_by_preset],
        **light,
    )
    shown.input(compared, [shown, pictures], [slider, alone], **light)
    reuse.click(lambda kept: kept[-1]["result"], pictures, content, **light)
    endpoint(method)


def endpoint(method: Method) -> None:
    """The web API's ``/NAME``: content, style, preset, size, seed, every knob and input; gives picture, extras, report.

    Its components are not shown: on the page every knob has a value, while a caller who names only a preset wants the preset's.
    """
    declared = sorted(knobs(method.params), key=lambda f: {"size": 0, "seed": 1}.get(f.name, 2))
    optional = [f.name for f in (*declared, *method.inputs)]
    with gr.Group(visible=False):
        inputs = [
            photo("content"),
            photo("style"),
            gr.Textbox(value=next(iter(method.presets)), label=f"One of {', '.join(method.presets)}."),
            *(endpoint_input(f) for f in declared),
            *(photo(f"{f.label}: {f.help}") for f in method.inputs),
        ]
        outputs = [
            gr.Image(label="image", format="png"),
            gr.Gallery(label="extras", format="png"),
            gr.JSON(label="report, or while running {stage, i, n, losses}"),
        ]
        trigger = gr.Button()

    def call(content, style, preset, *turned):
        for item in watched(method.name, content, style, preset=preset, **dict(zip(optional, turned, strict=True))):
            if item is None:
                yield gr.skip(), gr.skip(), gr.skip()
            elif isinstance(item, Step):
                losses = {name: float(value) for name, value in item.losses.items()}
                yield preview(item), gr.skip(), {"stage": item.stage, "i": item.i, "n": item.n, "losses": losses}
            else:
                yield item.image, [(picture, name) for name, picture in item.extras.items()], item.report

    # Gradio takes the endpoint's parameter names from the signature; ours come from the declarations.
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    call.__signature__ = inspect.Signature(
        [inspect.Parameter(name, kind) for name in ("content", "style", "preset")]
        + [inspect.Parameter(name, kind, default=None) for name in optional]
    )
    trigger.click(
        call, inputs, outputs, api_name=method.name, api_description=f"{method.summary} ({method.paper})", **DEVICE_QUEUE
    )
