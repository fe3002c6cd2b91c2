"""One job from files to files: two pictures and some knobs in; steps, and at the end pictures and a report out."""

from __future__ import annotations

import functools
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from . import images, metrics
from .errors import BadInput, StylelabError
from .method import Method, Step, drain
from .methods import adjustable, analogy, dtp, nnst, oeft

METHODS: dict[str, Method] = {
    method.name: method for method in (nnst.METHOD, analogy.METHOD, dtp.METHOD, adjustable.METHOD, oeft.METHOD)
}

LOADERS: dict[str, Callable[[Any], Tensor]] = {  # kind of `Input` -> what reads one
    "mask": images.load_mask,
    "picture": lambda source: images.load_picture(source).rgb,
}

DEVICES = ("auto", "cpu", "cuda")
FAMILIES = ("auto", "compact", "full")
FRAME = (255, 61, 129)  # around what was cut out


@dataclass(frozen=True)
class Result:
    """A finished job.

    Attributes:
        image: the result at full size; RGBA where a transparent content picture keeps its transparency.
        extras: the method's named other pictures.
        fields: correspondences by name, float32 (H, W, 2): every pixel's matched place (x, y), in [0, 1] of the other picture.
        report: how it was made: method, preset, params, seed, device, dtype, weights, inputs (names of those given beside
            content and style), cut (the part of content and style that the job was about, [left, top, width, height], where
            that was not all), content_size, size, iterations, seconds, peak_memory_mb, losses {name: [first, last]}, metrics,
            note (a sentence on the result, or ""). JSON-ready.
    """

    image: Image.Image
    extras: dict[str, Image.Image]
    report: dict[str, Any]
    fields: dict[str, np.ndarray] = field(default_factory=dict)

    def save(self, path: str | PathLike) -> None:
        """Write the picture; a PNG carries the report (`images.read_report` gives it back)."""
        images.save(path, self.image, self.report)


def device_called(name: str) -> torch.device:
    """`auto` is the GPU where there is one."""
    if name not in DEVICES:
        raise BadInput(f"device must be one of {', '.join(DEVICES)}, not {name!r}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("There is no CUDA GPU here: leave the device on auto or cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def method_called(name: str) -> Method:
    if name not in METHODS:
        raise BadInput(f"method must be one of {', '.join(METHODS)}, not {name!r}.")
    return METHODS[name]


def family_called(name: str) -> str:
    """`name` if weights come in a family of that name.

    Raises:
        BadInput: they do not.
    """
    if name not in FAMILIES:
        raise BadInput(f"weights must be one of {', '.join(FAMILIES)}, not {name!r}.")
    return name


@functools.lru_cache(maxsize=8)
def model_of(name: str, device: torch.device, family: str) -> Any:
    """A method's networks, loaded once per device and family.

    Raises:
        WeightsMissing: no usable file; a later call tries again.
    """
    return METHODS[name].load(device, family_called(family))


def stream(
    name: str,
    content: Any,
    style: Any,
    *,
    preset: str = "paper",
    device: str = "auto",
    weights: str = "auto",
    before: Tensor | None = None,
    uncut: bool = False,
    **knobs: Any,
) -> Iterator[Step | Result]:
    """Run a method step by step: every `Step` it takes, then the `Result`. Closing the generator stops the job.

    Args:
        name: a key of `METHODS`.
        content, style: paths, bytes, PIL pictures or arrays (see `images.load_picture`).
        preset: a name in the method's `presets`.
        device: auto, cpu or cuda.
        weights: auto, compact or full; auto is full on a GPU that can get it.
        before: of a clip's keyframe, see `Method.follows`; methods that do not follow paint without.
        uncut: content and style are taken whole, whatever the method's `cut` says.
        **knobs: fields of the method's `params`; None leaves the preset's value. Also the method's `inputs` by name, each from
            the same kinds of source as content and style; None is not given.

    Raises:
        StylelabError: one sentence for the person who asked, from the first `next`.
    """
    method = method_called(name)
    sources = {declared: source for declared in method.inputs if (source := knobs.pop(declared.name, None)) is not None}
    params = method.settings(preset, **knobs)
    where = device_called(device)
    photo, painting = images.load_picture(content), images.load_picture(style)
    params = params.sized_for(max(photo.size))
    check_shape(photo, params.size, "content")
    check_shape(painting, params.size, "style")
    given = {declared.name: LOADERS[declared.kind](source) for declared, source in sources.items()}
    for declared in sources:
        if declared.kind == "picture":
            check_shape(images.Picture(given[declared.name]), params.size, declared.label.lower())
    given = {name: tensor.to(where) for name, tensor in given.items()}
    before = {"before": before.to(where)} if method.follows and before is not None else {}
    model = model_of(name, where, weights)
    begun, losses = time.perf_counter(), {}
    cut = (None, None) if uncut else method.cut(model, photo.rgb.to(where), painting.rgb.to(where), params)
    boxes = dict(zip(("content", "style"), cut, strict=True))
    whole = [photo, painting]
    photo, painting = (picture.cut(box) for picture, box in zip(whole, boxes.values(), strict=True))
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)
    try:
        for step in method.run(model, photo.rgb.to(where), painting.rgb.to(where), params, **given, **before):
            for loss, value in step.losses.items():
                losses[loss] = (losses.get(loss, (value,))[0], value)
            yield step
        alpha = photo.alpha if params.keep_transparency else None
        flat = method.of_style + method.sheets  # not in the content's shape, so without its transparency
        pictures = {name: images.to_pil(picture, None if name in flat else alpha) for name, picture in step.extras.items()}
        if any(boxes.values()):
            pictures["cut"] = framed(whole, list(boxes.values()))
        fields = {label: places[0].permute(1, 2, 0).cpu().numpy() for label, places in step.fields.items()}
        image = images.to_pil(step.image, alpha)
        seconds = time.perf_counter() - begun
        measured = metrics.compare(step.image, photo.rgb.to(where), painting.rgb.to(where))
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        known = isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)  # torch on a CPU
        if not known:
            raise
        smaller = params.size * 3 // 4 // 16 * 16
        advice = f"try size {smaller}" if smaller >= 64 else "close other programs or use a smaller style picture"
        raise StylelabError(f"Not enough memory for {params.size} px on this machine: {advice}.") from None
    report = {
        "method": name,
        "preset": preset,
        "params": {k: v for k, v in asdict(params).items() if k != "seed"},
        "seed": params.seed,
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu",
        "dtype": str(step.image.dtype).removeprefix("torch."),
        "weights": method.used(model, params),
        "inputs": sorted(given),
        "cut": {role: list(box) for role, box in boxes.items() if box},
        "content_size": list(photo.original_size or photo.size),
        "size": list(image.size),
        "iterations": step.n,
        "seconds": round(seconds, 2),
        "peak_memory_mb": peak_memory_mb(where),
        "losses": {loss: [round(float(value), 6) for value in ends] for loss, ends in losses.items()},
        "metrics": measured,
        "note": step.note,
    }
    yield Result(image, pictures, report, fields)


def framed(pictures: Sequence[images.Picture], boxes: Sequence[images.Box | None]) -> Image.Image:
    """Pictures side by side, each with its box drawn on it."""
    pages = []
    for picture, box in zip(pictures, boxes, strict=True):
        page = images.to_pil(picture.rgb)
        if box:
            left, top, width, height = box
            frame = (left, top, left + width - 1, top + height - 1)
            ImageDraw.Draw(page).rectangle(frame, outline=FRAME, width=max(page.size) // 100 + 1)
        pages.append(images.load_picture(page).rgb)
    return images.to_pil(images.in_a_row(pages))


def check_shape(picture: images.Picture, size: int, role: str) -> None:
    """Refuse a picture whose short side would be under `images.MIN_SIDE` pixels at long side `size`."""
    width, height = images.fitted_size(*picture.size, size)
    if min(width, height) < images.MIN_SIDE:
        needed = -(-images.MIN_SIDE * max(picture.size) // min(picture.size))
        raise BadInput(
            f"The {role} picture of {picture.size[0]}x{picture.size[1]} pixels would be {width}x{height} at size {size}: "
            f"crop it to a less narrow shape or use a size of at least {needed}."
        )


def peak_memory_mb(device: torch.device) -> int:
    """Most memory held: on a GPU by this job's tensors, on a CPU by the whole process since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) >> 20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> 20 if sys.platform == "darwin" else peak >> 10


def stylize(
    name: str, content: Any, style: Any, preset: str = "paper", size: int | None = None, seed: int | None = None, **options: Any
) -> Result:
    """Run a method to its end; see `stream` for the arguments.

    >>> stylize("nnst", "photo.jpg", "painting.jpg", preset="fast", size=256).save("out.png")
    """
    return drain(stream(name, content, style, preset=preset, size=size, seed=seed, **options))
