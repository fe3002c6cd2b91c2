"""``python -m stylelab figures``: the page's thumbnails, the README's pictures, and the papers' ablations on our own pairs."""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from . import examples, job
from .errors import BadInput
from .examples.masks import mask
from .features import layer_names

CELL = 300  # pixels, each picture's long side on a sheet
CAPTION = 22
WIDEST = 9  # pictures in a row of a sheet, the rest goes under them
QUALITY = 88

# NNST's supplement begins at Chen & Schmidt 2016 and ends at its own method without final phase and colour step. Here both have
# NNST's rotations and cosine loss, as only the named decisions are compared.
UNCOLOURED = {"show": "uncoloured"}
MATCHED_ONCE = {"splitting": "none", **UNCOLOURED}
CHEN_SCHMIDT = {"layers": "conv3_1", "patch": "3x3", "zero_centre": False, "coarsest": "whole", **MATCHED_ONCE}
SIMPLIFIED = {"splitting": "always", **UNCOLOURED}

# method -> sheet -> caption -> knobs, under "show" the name of an extra where the result is not wanted, and "masked" where the
# pictures' label maps are given; each sheet shows content, style, then a column per entry, for every pair of `SHEET_PAIRS`
SHEETS: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "nnst": {
        "figure5-zero-centring": {
            "no centring, no colour step": {"zero_centre": False, **UNCOLOURED},
            "no centring": {"zero_centre": False},
            "NNST": {},
            "no colour step": UNCOLOURED,
        },
        "figure6-feature-splitting": {
            "no final phase (a)": {"splitting": "none"},
            "hypercolumns, anew (b)": {"split_by": "hypercolumns"},
            "NNST (c)": {},
        },
        "figure7-colour": {
            "as painted (a)": UNCOLOURED,
            "with the colour step (b)": {},
            "its middle: colours filtered": {"colour": "content"},
        },
        "figure8-degree-of-stylisation": {
            "alpha = 0": {"alpha": 0.0},
            "alpha = 0.25": {},
            "alpha = 1": {"alpha": 1.0},
            "alpha = 0.25, no colour step": UNCOLOURED,
        },
        "figure11-guidance": {"unguided": {}, "guided": {"masked": True}},
        "figure12-design-decisions": {"after Chen & Schmidt (a)": CHEN_SCHMIDT, "simplified NNST (b)": SIMPLIFIED},
        "figure13-patches": {
            "C & S, 3x3 (a)": CHEN_SCHMIDT,
            "C & S, 1x1 (b)": CHEN_SCHMIDT | {"patch": "1x1"},
            "NNST, 3x3 (c)": SIMPLIFIED | {"patch": "3x3"},
            "NNST, 1x1 (d)": SIMPLIFIED,
        },
        "figure14-scales": {
            "C & S, one scale (a)": CHEN_SCHMIDT | {"patch": "1x1"},
            "C & S, scales (b)": CHEN_SCHMIDT | {"patch": "1x1", "coarsest": "eighth"},
            "NNST, one scale (c)": SIMPLIFIED | {"coarsest": "whole"},
            "NNST, scales (d)": SIMPLIFIED,
        },
        "figure15-zero-centring": {
            "C & S, cosine (a)": CHEN_SCHMIDT | {"patch": "1x1", "coarsest": "eighth"},
            "C & S, centred (b)": MATCHED_ONCE | {"layers": "conv3_1"},
            "NNST, cosine (c)": SIMPLIFIED | {"zero_centre": False},
            "NNST, centred (d)": SIMPLIFIED,
        },
        "figure16-single-layers": {name: MATCHED_ONCE | {"layers": name} for name in layer_names("vgg16")},
        "figure17-blocks-and-depths": {
            **{f"block {block}": MATCHED_ONCE | {"layers": f"block {block}"} for block in range(1, 6)},
            **{f"blocks 1-{depth}": MATCHED_ONCE | {"layers": f"blocks 1-{depth}"} for depth in range(2, 6)},
        },
        "figure18-matching": {
            "hypercolumns, once (a)": MATCHED_ONCE | {"layers": "blocks 1-4"},
            "hypercolumns, anew (b)": SIMPLIFIED | {"split_by": "hypercolumns"},
            "layers, once (c)": SIMPLIFIED | {"rematch": False},
            "layers, anew (d)": SIMPLIFIED,
        },
        "rotations": {"no rotations": {"rotations": False}, "NNST": {}},
        "colour": {"style": {}, "painted": UNCOLOURED, **{mode: {"colour": mode} for mode in ("content", "luminance")}},
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
            "the content, by one code": {"task": "invert", "factor": 1, "layers": "6", "codes": "1"},
            "by 20 codes": {"task": "invert", "factor": 1, "layers": "6", "codes": "20"},
            "PGGAN, 20 codes": {"task": "invert", "factor": 1, "domain": "pggan", "layers": "6", "codes": "20"},
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
    "figure11-guidance": [("Dahlia", "Crimson cup"), ("Coffee", "Yellow dahlia")],
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


def inputs(content: str, style: str, masked: bool = False) -> list[tuple[str, Image.Image]]:
    """The left-most cells of a row: the two pictures, and their label maps where they are used."""
    pictures = [(name, Image.open(path)) for name, path in zip((content, style), examples.files(content, style), strict=True)]
    return pictures + [(f"{name}, labels", mask(name)) for name in (content, style) if masked]


@functools.cache  # sheets share some of their columns
def result_of(name: str, content: str, style: str, preset: str, size: int, masked: bool = False, **knobs: Any) -> job.Result:
    """A job on a pair of examples; `masked`: with their label maps."""
    print(f"{name}: {content}, {style}, {knobs or preset}{', with label maps' * masked}", file=sys.stderr, flush=True)
    masks = dict(content_mask=mask(content), style_mask=mask(style)) if masked else {}
    return job.stylize(name, *examples.files(content, style), preset=preset, size=size, **masks, **knobs)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stylelab figures", description=__doc__)
    parser.add_argument("--method", choices=list(job.METHODS), action="append", help="default: all")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="also draw the ablation sheets, there")
    parser.add_argument("--only-sheets", action="store_true", help="leave the page's and the README's pictures as they are")
    args = parser.parse_args(argv)
    if args.only_sheets and not args.sheets:
        raise BadInput("--only-sheets draws nothing without --sheets DIR.")
    if args.sheets and args.sheets.exists() and not args.sheets.is_dir():
        raise BadInput(f"{args.sheets} is a file: name a folder for the sheets.")
    for name in args.method or job.METHODS:

        def made(content: str, style: str, name: str = name, show: str = "", **knobs: Any) -> list[Image.Image]:
            """The result, or the extra to show, and the method's second result if it has one."""
            result = result_of(name, content, style, args.preset, args.size, **dict(sorted(knobs.items())))
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
                rows, masked = [], any(knobs.get("masked") for knobs in columns.values())
                for pair in SHEET_PAIRS.get(title, SHEET_PAIRS.get(name, SHEET_PAIRS[""])):
                    cells = [(caption, made(*pair, **knobs)[0]) for caption, knobs in columns.items()]
                    cells = inputs(*pair, masked) + cells
                    wide = math.ceil(len(cells) / math.ceil(len(cells) / WIDEST))
                    rows += [cells[i : i + wide] for i in range(0, len(cells), wide)]
                sheet(rows).save(args.sheets / f"{name}-{title}.jpg", quality=QUALITY)
    return 0
