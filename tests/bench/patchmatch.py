"""PatchMatch beside the exact search, ``python tests/bench/patchmatch.py [SIDE ...]``: seconds and energy, as a Markdown table.

Features are smooth noise, seen twice under a shift and fresh noise: neighbours have neighbouring matches as in pictures, but no
match is exact. It begins at random and has ten iterations, as many as the method takes. Seconds are the least of three runs (of
the exact search one); energy is 1 - similarity, relative to the exact one.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch.nn import functional as F

from stylelab.bench import machine
from stylelab.matching import nearest_patches, patchmatch, random_field

SIDES = (32, 64, 128)
KINDS = ((32, 5), (128, 3))  # channels, patch: like the compact network's layers 2 and 4
SHIFT, NOISE = 3, 0.5


def features(side: int, channels: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Two maps of unit length; the second is the first moved by `SHIFT`, both with noise of their own."""
    whole = F.avg_pool2d(torch.randn(1, channels, side + SHIFT + 2, side + SHIFT + 2, generator=generator), 3, 1) * 3
    views = whole[..., :side, :side], whole[..., SHIFT:, SHIFT:]
    return tuple(F.normalize(view + NOISE * torch.randn(view.shape, generator=generator), dim=1) for view in views)


def timed(work, device: torch.device, runs: int = 1):
    """The least seconds of some runs, and what the last gave."""
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        found = work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return min(seconds), found


def main(sides: list[int]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(
        f"{machine()}\n\n| side | channels | patch | exact | PatchMatch | times faster | energy |\n|---|---|---|---|---|---|---|"
    )
    for channels, patch in KINDS:
        for side in sides:
            generator = torch.Generator().manual_seed(0)
            left, right = (x.to(device) for x in features(side, channels, generator))
            start = random_field((side, side), (side, side), generator).to(device)

            def search(left=left, right=right, start=start, side=side, patch=patch):
                generator = torch.Generator().manual_seed(1)
                return patchmatch(left, right, start.clone(), patch=patch, radius=side, generator=generator)[1]

            slow, exact = timed(lambda left=left, right=right, patch=patch: nearest_patches(left, right, patch)[1], device)
            fast, found = timed(search, device, 3)
            energy = ((1 - found).mean() / (1 - exact).mean()).item()
            row = f"| {side} px | {channels} | {patch} | {slow:.3f} s | {fast:.3f} s | {slow / fast:.1f} | {energy:.4f} |"
            print(row, flush=True)


if __name__ == "__main__":
    main([int(side) for side in sys.argv[1:]] or list(SIDES))
