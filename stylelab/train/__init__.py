"""Training of everything that ships in ``weights/``: ``python -m stylelab.train.NAME --help``. Shared pieces."""

from __future__ import annotations

import os
import sys
import time
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
