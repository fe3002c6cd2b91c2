"""Photographs and paintings that are trained on, and pages that show how training goes."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..images import load_picture

PREFIXES = ("flower_", "c101_", "coco_")  # photographs whose terms allow publishing what was learned from them
HELD_OUT = 20  # one picture in so many is never trained on, chosen by a hash of its name


def held_out(name: str) -> bool:
    """Whether a picture is kept for evaluation."""
    return zlib.crc32(name.encode()) % HELD_OUT == 0


def read_pack(folder: Path, prefixes: tuple[str, ...] = ("",)) -> Iterator[tuple[str, Tensor]]:
    """(name, uint8 (3, H, W)) of the JPEGs in a folder's zip files whose names start with one of `prefixes`."""
    packs = sorted(folder.glob("*.zip"))
    if not packs:
        raise SystemExit(f"no zip files in {folder}: name the folder that holds photos-256 and styles-256")
    for path in packs:
        with zipfile.ZipFile(path) as pack:
            for member in sorted(pack.namelist()):
                if member.startswith(prefixes) and member.endswith(".jpg"):
                    yield member, (load_picture(pack.read(member)).rgb[0] * 255).round().byte()


def unit(picture: Tensor) -> Tensor:
    """uint8 (3, H, W) as float (1, 3, H, W) in [0, 1]."""
    return picture[None].float().div(255)


def between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def random_crop(picture: Tensor, least: int, generator: torch.Generator) -> Tensor:
    """A square of (..., H, W) at least `least` wide (or the whole short side), perhaps mirrored."""
    height, width = picture.shape[-2:]
    side = round(between(min(least, height, width), min(height, width), generator))
    y, x = (int(between(0, room - side + 0.999, generator)) for room in (height, width))
    crop = picture[..., y : y + side, x : x + side]
    return crop.flip(-1) if between(0, 1, generator) < 0.5 else crop


def sheet(rows: list[list[Image.Image]], side: int) -> Image.Image:
    """Pictures in rows, each in a square of `side`."""
    page = Image.new("RGB", (len(rows[0]) * side, len(rows) * side), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            small = picture.copy()
            small.thumbnail((side - 2, side - 2))
            page.paste(small, (x * side, y * side))
    return page


def curves(table: Path, picture: Path) -> None:
    """Losses over steps, each scaled to its largest value."""
    if not table.is_file():
        return
    with table.open() as file:
        lines = [[float(cell) for cell in line] for line in list(csv.reader(file))[1:]]
    page = Image.new("RGB", (800, 400), "white")
    draw = ImageDraw.Draw(page)
    if len(lines) > 1:
        last = lines[-1][0]
        for k, colour in enumerate(("black", "red", "green", "blue", "grey"), 1):
            top = max(line[k] for line in lines) or 1
            draw.line([(800 * line[0] / last, 398 - 390 * line[k] / top) for line in lines], colour, 2)
    page.save(picture)
