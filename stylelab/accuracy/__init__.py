"""Accuracy as a command: a method held against pictures whose right answer is known (``bench --accuracy METHOD``).

A module in here is called as its method, or `video`, and is found by being here. It has

    def report(options: Options) -> Iterator[str]

which gives lines of Markdown as soon as they are known: first which weights run (`weights_line`), then tables. What it needs from
`options.data` it asks `present` for, before anything slow.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInput

NAMES = tuple(module.name for module in pkgutil.iter_modules(__path__))


@dataclass(frozen=True)
class Options:
    """What ``bench`` hands on."""

    data: Path  # the folder of evaluation data, one folder in it for each benchmark
    preset: str = "paper"
    device: str = "auto"
    weights: str = "auto"
    pairs: int | None = None  # at most so many pairs of each class, or sequences; None: the module's own choice


def report(name: str, options: Options) -> Iterator[str]:
    """The lines of a method's module; see above."""
    return importlib.import_module(f"{__name__}.{name}").report(options)


def present(data: Path, *names: str) -> list[str]:
    """Those of the benchmarks whose folder is in `data`.

    Raises:
        BadInput: none is.
    """
    found = [name for name in names if (data / name).is_dir()]
    if not found:
        raise BadInput(f"There is no {' or '.join(names)} in {data}: name the folder of evaluation data with --data.")
    return found


def weights_line(model: Any, options: Options) -> str:
    """Which weights are here."""
    ran = ", ".join(f"{w['name']} ({w['family']})" for w in model.weights) or "no weights"
    return f"Preset `{options.preset}`, {ran}."


def row(*cells: str) -> str:
    """Of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def head(*cells: str) -> str:
    """A Markdown table's first two lines."""
    return f"{row(*cells)}\n{row(*['---'] * len(cells))}"
