"""What a method is: declared knobs, named presets, and a generator of steps. No maths, no pictures, no widgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from .errors import BadInput


def knob(default, label: str, low=None, high=None, *, step=None, choices=(), help: str = "", advanced: bool = False) -> Any:
    """A dataclass field that the page, the command line, the web API and the checks are drawn from.

    Args:
        default: its type (bool, int, float or str) is the knob's type.
        label: a few words.
        low, high, step: range of a number, both ends allowed; `step` is the slider's.
        choices: allowed values of a str, in the order to show them.
        help: one sentence: what it does, in which unit.
        advanced: folded away on the page.
    """
    meta = dict(label=label, low=low, high=high, step=step, choices=tuple(choices), help=help, advanced=advanced)
    return field(default=default, metadata=meta)


def own_size() -> Any:
    """The `size` knob of methods whose result may be as large as the content itself."""
    return knob(0, "Size", 0, 2048, step=16, help="Long side of the result in pixels; 0 keeps the content's own, up to 2048.")


@dataclass(frozen=True)
class Params:
    """The knobs that every method has. A method's own `Params` adds its own; `presets` change defaults."""

    size: int = knob(512, "Size", 64, 1024, step=16, help="Long side of the result in pixels; the aspect ratio is kept.")
    seed: int = knob(0, "Seed", 0, 2**31 - 1, step=1, help="The same seed and settings give the same picture.")
    keep_transparency: bool = knob(
        True, "Keep transparency", help="A transparent content picture gives a transparent result.", advanced=True
    )

    def sized_for(self, own: int) -> Params:
        """These knobs with a size: methods whose `size` may be 0 give the content's own long side, up to the knob's limit."""
        limit = next(f for f in fields(self) if f.name == "size").metadata["high"]
        return self if self.size else replace(self, size=min(own, limit))


def knobs(params: type[Params]) -> tuple[Field, ...]:
    """All knobs of a `Params` class: its own first, the common ones after them."""
    common = {f.name for f in fields(Params)}
    return tuple(sorted(fields(params), key=lambda f: f.name in common))


def checked(declared: Field, value: Any) -> Any:
    """`value` as the knob's type, or `BadInput` naming the knob, the value and what is allowed. Text is parsed."""
    kind, meta = type(declared.default), declared.metadata
    try:
        if kind is bool:
            words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
            value = value if isinstance(value, bool) else words[str(value).strip().lower()]
        elif kind is str:
            value = str(value)
        else:
            number = float(value)
            if isinstance(value, bool) or not math.isfinite(number) or (kind is int and number != int(number)):
                raise ValueError
            value = kind(number)
    except (KeyError, OverflowError, TypeError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[kind]
        raise BadInput(f"{declared.name} must be {wanted}, not {value!r}.") from None
    if meta["choices"] and value not in meta["choices"]:
        raise BadInput(f"{declared.name} must be one of {', '.join(meta['choices'])}, not {value!r}.")
    if (meta["low"] is not None and value < meta["low"]) or (meta["high"] is not None and value > meta["high"]):
        raise BadInput(f"{declared.name} must be between {meta['low']} and {meta['high']}, not {value}.")
    return value


@dataclass(frozen=True)
class Step:
    """What a running method tells: step `i` of `n` over the whole job.

    `image` (1, 3, H, W) in [0, 1], detached, or None where there is nothing to look at; `losses` are detached 0-d tensors,
    read only when somebody looks. The last step has ``i == n`` and carries the result, the named `extras` (pictures) beside
    it, and `fields`: correspondences for those who want more than a picture of them, named ``a_to_b``, float32 (1, 2, H, W),
    for every pixel of one input the matched place (x, y) in the other, both relative to its width and height, in [0, 1]. `note`
    is one sentence on the result for the person who asked, where there is something to say.
    """

    i: int
    n: int
    stage: str
    image: Tensor | None = None
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    fields: Mapping[str, Tensor] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Input:
    """A picture beside content and style that a method can take; it may always be left out.

    `kind` is "mask" (int64 labels (1, 1, H, W) at its own resolution, those of `images.load_mask`) or "picture" (float32
    (1, 3, H, W) RGB in [0, 1]): what is read, handed to `run` and drawn on the page.
    """

    name: str  # the keyword of `run`, the option and the endpoint's parameter
    label: str  # a few words
    kind: str
    help: str  # one sentence: what it does, and what happens without it
    of: str = ""  # the picture that a mask is painted on: content or style


@dataclass(frozen=True)
class Onward:
    """What one click goes on with from some results: a job on the same pictures with other knobs, which begins as theirs did."""

    label: str  # of the button
    after: Mapping[str, Any]  # knobs of the results that it is offered for
    knobs: Mapping[str, Any]  # that it turns


@dataclass(frozen=True)
class Method:
    """One paper: everything that page, endpoint, command line and contract test are made from.

    `run` gets content and style as float32 (1, 3, H, W) in [0, 1], `params` whose `size` is never 0, and by name the tensors of
    those `inputs` that were given, in any combination.
    """

    name: str  # tab, command and endpoint
    title: str
    paper: str  # authors, title, year
    url: str  # arXiv abstract page
    summary: str  # what it does with two pictures, in one or two sentences
    params: type[Params]
    presets: Mapping[str, Mapping[str, Any]]  # name -> knobs that differ from the defaults; "paper" is the first
    load: Callable[..., Any]  # (device, family) -> model with a `weights` attribute: what it was made from, a dict each
    run: Callable[..., Iterator[Step]]  # (model, content, style, params, **given) -> steps; see below
    # (model, params) -> those of the model's `weights` that a job with these settings runs on: for its report.
    used: Callable[[Any, Params], list] = lambda model, params: model.weights
    full: tuple[str, ...] = ()  # names in the manifest of what it takes from the Hub: the page tells their licences
    of_style: tuple[str, ...] = ()  # extras that are the style picture changed: they are compared with it
    sheets: tuple[str, ...] = ()  # extras to be looked at by themselves: strips, charts
    views: tuple[str, ...] = ()  # kinds of views beside before/after that the page draws: keys of `ui.views.VIEWS`
    inputs: tuple[Input, ...] = ()  # what it can take beside content and style
    # (model, content, style, params) -> the parts that the job is about, boxes of `images`, None for all. It sees nothing else
    # of them, result and views have that part's frame, and an extra `cut` shows both.
    cut: Callable[..., tuple[Any, Any]] = lambda *_: (None, None)
    # `run` also takes `before` (1, 4, H, W), in [0, 1]: a clip's last keyframe as it came out, RGB, carried to this frame, and
    # how certain it is there. The page then offers whole clips.
    follows: bool = False
    onward: Onward | None = None
    # For the view "live sliders": (model, content, style, size, **inputs) -> a pair that has been looked at. Called with `Params`
    # it gives a picture (1, 3, H, W) at once; `on(content, size)` is another content's. The view turns `live_knobs`.
    live: Callable[..., Any] | None = None
    live_knobs: tuple[str, ...] = ()
    live_random: Callable[[Params, int], Params] = lambda params, seed: params  # what Randomise makes of settings, by a seed
    live_start: Callable[[Params], Params] = lambda params: params  # a job's settings with what it drew in place of drawing

    def settings(self, preset: str = "paper", **values: Any) -> Params:
        """The checked `Params` of a preset with some knobs turned; a value of None leaves the preset's.

        Raises:
            BadInput: unknown preset or knob, or a value out of its range.
        """
        if preset not in self.presets:
            raise BadInput(f"preset must be one of {', '.join(self.presets)}, not {preset!r}.")
        declared = {f.name: f for f in knobs(self.params)}
        turned = dict(self.presets[preset]) | {name: value for name, value in values.items() if value is not None}
        if unknown := sorted(set(turned) - set(declared)):
            raise BadInput(f"{self.name} has no knob {unknown[0]!r}; it has {', '.join(declared)}.")
        return self.params(**{name: checked(declared[name], value) for name, value in turned.items()})


def drain(items: Iterable) -> Any:
    """Run a generator to its end and return the last thing it gave."""
    last = None
    for last in items:  # noqa: B007
        pass
    return last
