"""Pictures that ship with the project: credited photographs, and styles drawn by `draw.py`. Only paths here."""

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
}

PAIRS: list[tuple[str, str]] = [  # the most striking first
    ("Coffee", "Pop art"),
    ("Rocket", "Swirling night"),
    ("Pagoda", "Points"),
    ("Cat", "Watercolour"),
    ("Dahlia", "Mosaic"),
    ("Pagoda", "Woodcut waves"),
    ("Astronaut", "Mosaic"),
    ("Cat", "Swirling night"),
]

CREDITS: dict[str, str] = {  # one line a photograph; sources and licences word for word in CREDITS.md
    "Cat": "Chelsea, by Stefan van der Walt, CC0 (scikit-image)",
    "Astronaut": "Eileen Collins, by NASA, public domain (scikit-image)",
    "Pagoda": "china.jpg, by danielbuechele on Flickr, CC BY 2.0 (scikit-learn)",
    "Dahlia": "flower.jpg, by vultilion on Flickr, CC BY 2.0 (scikit-learn)",
    "Coffee": "Coffee cup, by Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0 (scikit-image)",
    "Rocket": "Launch of DSCOVR on Falcon 9, by SpaceX, public domain (scikit-image)",
}


def result(method: str, content: str, style: str) -> Path:
    """Where `figures` puts what a method makes of a pair: the thumbnail on the page, the picture in the README."""
    return HERE / "results" / f"{method}-{CONTENTS[content].stem}-{STYLES[style].stem}.jpg"


def pairs(method: str) -> list[tuple[Path, Path, Path]]:
    """Files of a method's examples: result, content, style."""
    return [(result(method, content, style), CONTENTS[content], STYLES[style]) for content, style in PAIRS]
