"""Training of everything that ships in ``weights/``: ``python -m stylelab.train.NAME --help``. Shared pieces."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import torch

RUNS = Path("runs")  # checkpoints and logs; ignored by git


def save_checkpoint(path: Path, state: dict) -> None:
    """Write `state` so that a kill at any moment leaves either the old or the new checkpoint, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path, device: torch.device) -> dict | None:
    """The checkpoint at `path` on `device`, or None where there is none yet."""
    return torch.load(path, map_location=device, weights_only=True) if path.is_file() else None


def at_a_side(sides: Collection[int]) -> Callable[[str], tuple[int, int]]:
    """For argparse: a `type` that reads PX=N as two numbers, where PX is one of `sides`."""

    def parsed(text: str) -> tuple[int, int]:
        try:
            side, count = map(int, text.split("="))
            if side not in sides or count < 0:
                raise ValueError
        except ValueError:
            allowed = ", ".join(map(str, sorted(sides)))
            raise argparse.ArgumentTypeError(f"{text!r} is not PX=N with one of {allowed} before a number") from None
        return side, count

    return parsed


class Progress:
    """One line every few seconds on stderr: step i of n, rate, time left, and the figures handed over."""

    def __init__(self, total: int, done: int = 0, every: float = 10.0):
        self.total, self.every = total, every
        self.begun = self.shown = time.monotonic()
        self.first = done

    def __call__(self, done: int, **figures: float) -> None:
        now = time.monotonic()
        if now - self.shown < self.every and done != self.total:
            return
        self.shown = now
        rate = (done - self.first) / max(now - self.begun, 1e-9)
        left = (self.total - done) / max(rate, 1e-9)
        shown = " ".join(f"{name} {float(value):.4g}" for name, value in figures.items())
        print(f"{done}/{self.total} {rate:.2f} it/s {left / 60:.1f} min left {shown}", file=sys.stderr, flush=True)
