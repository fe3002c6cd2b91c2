"""``python -m stylelab figures``: the page's thumbnails, the README's pictures, and the papers' ablations on our own pairs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from . import examples, job

CELL = 300  # pixels, each picture's long side on a sheet
CAPTION = 22
QUALITY = 88

# method -> sheet -> caption -> knobs; each sheet shows content, style, then a column per entry, for every pair of `SHEET_PAIRS`
SHEETS: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "nnst": {
        "figure5-zero-centring": {
            "no centring, no colour step": {"zero_centre": False, "colour": "painted"},
            "no centring": {"zero_centre": False},
            "NNST": {},
            "no colour step": {"colour": "painted"},
        },
        "figure6-feature-splitting": {"no splitting": {"splitting": False}, "NNST": {}},
        "figure8-degree-of-stylisation": {"α = 0": {"alpha": 0.0}, "α = 0.25": {}, "α = 1": {"alpha": 1.0}},
        "rotations": {"no rotations": {"rotations": False}, "NNST": {}},
        "colour": {mode: {"colour": mode} for mode in ("style", "painted", "content", "luminance")},
    },
}
SHEET_PAIRS = [("Cat", "Swirling night"), ("Pagoda", "Woodcut waves")]


def sheet(rows: list[list[tuple[str, Image.Image]]]) -> Image.Image:
    """Captioned pictures in rows on white."""
    font = ImageFont.load_default(size=13)
    height = CELL + CAPTION
    page = Image.new("RGB", (CELL * max(map(len, rows)), height * len(rows)), "white")
    draw = ImageDraw.Draw(page)
    for y, row in enumerate(rows):
        for x, (caption, picture) in enumerate(row):
            small = ImageOps.contain(picture.convert("RGB"), (CELL - 6, CELL - 6), Image.Resampling.LANCZOS)
            page.paste(small, (x * CELL + (CELL - small.width) // 2, y * height + CAPTION + (CELL - small.height) // 2))
            draw.text((x * CELL + 4, y * height + 4), caption, "black", font)
    return page


def inputs(content: str, style: str) -> list[tuple[str, Image.Image]]:
    """The two left-most cells of a row."""
    return [(content, Image.open(examples.CONTENTS[content])), (style, Image.open(examples.STYLES[style]))]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stylelab figures", description=__doc__)
    parser.add_argument("--method", choices=list(job.METHODS), action="append", help="default: all")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="also draw the ablation sheets, there")
    parser.add_argument("--only-sheets", action="store_true", help="leave the page's and the README's pictures as they are")
    args = parser.parse_args(argv)
    for name in args.method or job.METHODS:

        def made(content: str, style: str, name: str = name, **knobs: Any) -> job.Result:
            print(f"{name}: {content}, {style}, {knobs or args.preset}", file=sys.stderr, flush=True)
            files = examples.CONTENTS[content], examples.STYLES[style]
            return job.stylize(name, *files, preset=args.preset, size=args.size, **knobs)

        if not args.only_sheets:
            rows = []
            for pair in examples.PAIRS:
                picture, path = made(*pair).image, examples.result(name, *pair)
                path.parent.mkdir(exist_ok=True)
                picture.convert("RGB").save(path, quality=QUALITY)
                rows.append([*inputs(*pair), (job.METHODS[name].title, picture)])
            halves = [left + right for left, right in zip(rows[::2], rows[1::2], strict=True)]
            sheet(halves).save(examples.HERE / "results" / f"{name}.jpg", quality=QUALITY)
        if args.sheets:
            args.sheets.mkdir(parents=True, exist_ok=True)
            for title, columns in SHEETS.get(name, {}).items():
                rows = [
                    inputs(*pair) + [(caption, made(*pair, **knobs).image) for caption, knobs in columns.items()]
                    for pair in SHEET_PAIRS
                ]
                sheet(rows).save(args.sheets / f"{name}-{title}.jpg", quality=QUALITY)
    return 0
