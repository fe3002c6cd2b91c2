"""``python -m stylelab figures``: the page's thumbnails, the README's pictures, and the papers' ablations on our own pairs."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from . import examples, job

CELL = 300  # pixels, each picture's long side on a sheet
CAPTION = 22
QUALITY = 88

# method -> sheet -> caption -> knobs, and under "show" the name of an extra where the result is not wanted; each sheet shows
# content, style, then a column per entry, for every pair of `SHEET_PAIRS`
SHEETS: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "nnst": {
        "figure5-zero-centring": {
            "no centring, no colour step": {"zero_centre": False, "colour": "painted"},
            "no centring": {"zero_centre": False},
            "NNST": {},
            "no colour step": {"colour": "painted"},
        },
        "figure6-feature-splitting": {"no splitting": {"splitting": False}, "NNST": {}},
        "figure8-degree-of-stylisation": {"alpha = 0": {"alpha": 0.0}, "alpha = 0.25": {}, "alpha = 1": {"alpha": 1.0}},
        "rotations": {"no rotations": {"rotations": False}, "NNST": {}},
        "colour": {mode: {"colour": mode} for mode in ("style", "painted", "content", "luminance")},
    },
    "analogy": {
        "figure5-both-directions-and-deconvolution": {
            "A' (b)": {},
            "A', single direction (c)": {"bidirectional": False},
            "A', resampling (d)": {"deconvolution": "none"},
            "B (b)": {"show": "b"},
            "B, single direction (c)": {"bidirectional": False, "show": "b"},
            "B, resampling (d)": {"deconvolution": "none", "show": "b"},
        },
        "figure7-structure": {
            f"offset {offset:+.1f}": {"structure": offset, "task": "style to photo"} for offset in (-0.1, 0.0, 0.1)
        },
        "figure8-layers": {
            "layers 5 to 1, then the colours' meaning": {"show": "field_by_layer"},
            "layer-independent": {"hierarchical": False, "show": "field_by_layer"},
        },
        "figure19-colours-only": {
            "A', WLS": {"task": "photo to photo"},
            "A' without": {"task": "photo to photo", "refinement": False},
            "B, WLS": {"task": "photo to photo", "show": "b"},
            "B without": {"task": "photo to photo", "refinement": False, "show": "b"},
        },
    },
    "dtp": {
        "figure3-matched-points": {"query points; matches at the start, half way, at the end": {"show": "matches"}},
        "figure4-evolution": {"the square answer from first to last step": {"show": "evolution"}},
        "figure7-ablation": {
            "-WF": {"warped_feature": False, "show": "square"},
            "-WI": {"warped_image": False, "show": "square"},
            "-FMA": {"moving_average": False, "show": "square"},
            "-L cyc": {"cycle": "none", "show": "square"},
            "-G. Module": {"generation": False, "show": "square"},
            "DTP, the square answer": {"show": "square"},
            "DTP, full resolution": {},
        },
        "figure14-style-weight": {f"{weight}": {"style_weight": weight} for weight in (0.2, 0.4, 0.6, 0.8)},
        "figure15-seeds": {f"seed {seed}": {"seed": seed} for seed in range(5)},
    },
    "adjustable": {
        **{
            f"figure3-conv{k}": {
                f"alpha {k} = {value:g}": {f"alpha_{i}": value if i == k else 0.0 for i in (2, 3, 4)}
                for value in (0, 0.25, 0.5, 0.75, 1)
            }
            for k in (2, 3, 4)
        },
        "figure9-grid": {"alpha of conv3 down, of conv4 across": {"show": "grid", "sheets": "grid", "alpha_2": 0.0}},
        "figure5-random": {"rows: alpha, shadows, both": {"show": "variations", "sheets": "variations"}},
        "strength": {f"strength {value:g}": {"strength": value} for value in (0, 0.25, 0.5, 0.75, 1)},
    },
    "oeft": {
        "figure5-evolution": {"the warped picture from first to last step": {"show": "evolution", "task": "warp"}},
        "figure6-augmented": {"content and style, each with an augmented one": {"show": "augmented", "task": "warp"}},
        "figure8-augmentation": {
            "no fine-tuning": {"task": "warp", "tuning_steps": 0},
            "no augmentation": {"task": "warp", "augmentation": False},
            "fine-tuning": {"task": "warp"},
        },
        "figure9-inversion": {
            "the content, by one code": {"task": "invert", "layers": "6", "codes": "1"},
            "by 20 codes": {"task": "invert", "layers": "6", "codes": "20"},
            "StyleGAN, 20 codes": {"task": "invert", "domain": "stylegan", "layers": "6", "codes": "20"},
        },
        "ten-pairs-self-decision": {"warped": {"show": "warped"}, "hypotheses, the chosen one framed": {"show": "hypotheses"}},
    },
}
CATS = ("Ginger cat", "Silver cat", "Tuxedo cat", "Siamese cat")
SHEET_PAIRS = {  # for a sheet or a method; "": where there are none of their own
    "": [("Cat", "Swirling night"), ("Pagoda", "Woodcut waves")],
    "analogy": [("Coffee", "Crimson cup"), ("Rocket", "Painted launch")],
    "dtp": [("Pagoda", "City lights"), ("Rocket", "Sunset")],
    "oeft": [("Cat", "Ginger cat"), ("Cat", "Siamese cat")],
    "ten-pairs-self-decision": [*itertools.product(["Cat"], CATS), *itertools.combinations(CATS, 2)],
}
EXTRA = {"analogy": "b", "dtp": "global_colour"}  # method -> the extra that its README picture shows beside the result


def span(picture: Image.Image) -> int:
    """Cells that a picture takes: a strip of pictures takes several."""
    return max(1, round(picture.width / picture.height / 1.5))


def sheet(rows: list[list[tuple[str, Image.Image]]]) -> Image.Image:
    """Captioned pictures in rows on white."""
    font = ImageFont.load_default(size=13)
    height = CELL + CAPTION
    cells = max(sum(span(picture) for _, picture in row) for row in rows)
    page = Image.new("RGB", (CELL * cells, height * len(rows)), "white")
    draw = ImageDraw.Draw(page)
    for y, row in enumerate(rows):
        x = 0
        for caption, picture in row:
            wide = CELL * span(picture)
            small = ImageOps.contain(picture.convert("RGB"), (wide - 6, CELL - 6), Image.Resampling.LANCZOS)
            page.paste(small, (x + (wide - small.width) // 2, y * height + CAPTION + (CELL - small.height) // 2))
            draw.text((x + 4, y * height + 4), caption, "black", font)
            x += wide
    return page


def inputs(content: str, style: str) -> list[tuple[str, Image.Image]]:
    """The two left-most cells of a row."""
    return [(name, Image.open(path)) for name, path in zip((content, style), examples.files(content, style), strict=True)]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stylelab figures", description=__doc__)
    parser.add_argument("--method", choices=list(job.METHODS), action="append", help="default: all")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="also draw the ablation sheets, there")
    parser.add_argument("--only-sheets", action="store_true", help="leave the page's and the README's pictures as they are")
    args = parser.parse_args(argv)
    for name in args.method or job.METHODS:

        def made(content: str, style: str, name: str = name, show: str = "", **knobs: Any) -> list[Image.Image]:
            """The result, or the extra to show, and the method's second result if it has one."""
            print(f"{name}: {content}, {style}, {knobs or args.preset}", file=sys.stderr, flush=True)
            result = job.stylize(name, *examples.files(content, style), preset=args.preset, size=args.size, **knobs)
            second = [result.extras[EXTRA[name]]] if name in EXTRA else []
            return [result.extras[show] if show else result.image, *second]

        if not args.only_sheets:
            rows = []
            for pair in examples.named_pairs(name):
                pictures, path = made(*pair), examples.result(name, *pair)
                path.parent.mkdir(exist_ok=True)
                pictures[0].convert("RGB").save(path, quality=QUALITY)
                captions = [job.METHODS[name].title, EXTRA.get(name)]
                rows.append([*inputs(*pair), *zip(captions, pictures)])  # noqa: B905
            halves = [[*itertools.chain(*rows[i : i + 2])] for i in range(0, len(rows), 2)]  # two pairs in a row
            sheet(halves).save(examples.HERE / "results" / f"{name}.jpg", quality=QUALITY)
        if args.sheets:
            args.sheets.mkdir(parents=True, exist_ok=True)
            for title, columns in SHEETS.get(name, {}).items():
                rows = [
                    inputs(*pair) + [(caption, made(*pair, **knobs)[0]) for caption, knobs in columns.items()]
                    for pair in SHEET_PAIRS.get(title, SHEET_PAIRS.get(name, SHEET_PAIRS[""]))
                ]
                sheet(rows).save(args.sheets / f"{name}-{title}.jpg", quality=QUALITY)
    return 0
