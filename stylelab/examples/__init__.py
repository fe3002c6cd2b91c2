"""Pictures that ship with the project: credited photographs, styles drawn by `draw.py` and `draw_things.py`. Only paths."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent

CONTENTS: dict[str, Path] = {
    "Cat": HERE / "contents/chelsea.jpg",
    "Astronaut": HERE / "contents/astronaut.jpg",
    "Pagoda": HERE / "contents/china.jpg",
    "Dahlia": HERE / "contents/flower.jpg",
    "Coffee": HERE / "contents/coffee.jpg",
    "Rocket": HERE / "contents/rocket.jpg",
}

STYLES: dict[str, Path] = {
    "Swirling night": HERE / "styles/night.jpg",
    "Mosaic": HERE / "styles/mosaic.jpg",
    "Woodcut waves": HERE / "styles/woodcut.jpg",
    "Stained glass": HERE / "styles/stained_glass.jpg",
    "Watercolour": HERE / "styles/watercolour.jpg",
    "Pop art": HERE / "styles/pop_art.jpg",
    "Points": HERE / "styles/pointillism.jpg",
    "Oil": HERE / "styles/oil.jpg",
    "Pastel": HERE / "styles/pastel.jpg",
    "Pen and ink": HERE / "styles/hatching.jpg",
    "City lights": HERE / "styles/city_lights.jpg",
    "Sunset": HERE / "styles/sunset.jpg",
    "Lamplight": HERE / "styles/lamplight.jpg",
    "Ginger cat": HERE / "styles/tabby.jpg",
    "Silver cat": HERE / "styles/silver.jpg",
    "Tuxedo cat": HERE / "styles/tuxedo.jpg",
    "Siamese cat": HERE / "styles/siamese.jpg",
    "Crimson cup": HERE / "styles/cup.jpg",
    "Glass dahlia": HERE / "styles/glass_dahlia.jpg",
    "Yellow dahlia": HERE / "styles/oil_dahlia.jpg",
    "Woodblock pagoda": HERE / "styles/woodblock_pagoda.jpg",
    "Painted launch": HERE / "styles/launch.jpg",
}

PAIRS: dict[str, list[tuple[str, str]]] = {  # method -> content and style, the most striking first
    "": [  # where a method has none of its own
        ("Coffee", "Pop art"),
        ("Rocket", "Swirling night"),
        ("Pagoda", "Points"),
        ("Cat", "Watercolour"),
        ("Dahlia", "Mosaic"),
        ("Pagoda", "Woodcut waves"),
        ("Astronaut", "Mosaic"),
        ("Cat", "Swirling night"),
    ],
    "analogy": [  # the same thing in both pictures
        ("Coffee", "Crimson cup"),
        ("Dahlia", "Glass dahlia"),
        ("Rocket", "Painted launch"),
        ("Cat", "Ginger cat"),
        ("Pagoda", "Woodblock pagoda"),
        ("Dahlia", "Yellow dahlia"),
    ],
    "oeft": [("Cat", name) for name in ("Ginger cat", "Silver cat", "Tuxedo cat", "Siamese cat")],
    "dtp": [  # the same kind of scene in another light
        ("Pagoda", "Sunset"),
        ("Pagoda", "City lights"),
        ("Rocket", "Sunset"),
        ("Coffee", "Lamplight"),
    ],
}

CREDITS: dict[str, str] = {  # one line a photograph; sources and licences word for word in CREDITS.md
    "Cat": "Chelsea, by Stefan van der Walt, CC0 (scikit-image)",
    "Astronaut": "Eileen Collins, by NASA, public domain (scikit-image)",
    "Pagoda": "china.jpg, by danielbuechele on Flickr, CC BY 2.0 (scikit-learn)",
    "Dahlia": "flower.jpg, by vultilion on Flickr, CC BY 2.0 (scikit-learn)",
    "Coffee": "Coffee cup, by Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0 (scikit-image)",
    "Rocket": "Launch of DSCOVR on Falcon 9, by SpaceX, public domain (scikit-image)",
}


def files(content: str, style: str) -> tuple[Path, Path]:
    """A pair's pictures; either may be the other kind's name."""
    return (STYLES | CONTENTS)[content], (STYLES | CONTENTS)[style]


def named_pairs(method: str) -> list[tuple[str, str]]:
    """A method's own pairs, or those of all methods."""
    return PAIRS.get(method, PAIRS[""])


def result(method: str, content: str, style: str) -> Path:
    """Where `figures` puts what a method makes of a pair: the thumbnail on the page, the picture in the README."""
    photo, painting = files(content, style)
    return HERE / "results" / f"{method}-{photo.stem}-{painting.stem}.jpg"


def pairs(method: str) -> list[tuple[Path, Path, Path]]:
    """Files of a method's examples: result, content, style."""
    return [(result(method, *pair), *files(*pair)) for pair in named_pairs(method)]
