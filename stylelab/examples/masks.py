"""Label maps of some of the example pictures, drawn: white is the thing, black what is around it."""

from __future__ import annotations

from PIL import Image, ImageDraw

from . import files

# picture -> ellipses: left, top, right, bottom, as shares of its width and height
THINGS: dict[str, list[tuple[float, float, float, float]]] = {
    "Dahlia": [(0.26, 0.20, 0.70, 0.85), (0.44, 0.88, 0.73, 1.36)],
    "Yellow dahlia": [(0.26, 0.18, 0.71, 0.86), (0.42, 0.84, 0.71, 1.32)],
    "Coffee": [(0.12, 0.13, 0.80, 0.98), (0.28, 0.03, 0.72, 0.65)],
    "Crimson cup": [(0.12, 0.16, 0.81, 0.99), (0.28, 0.03, 0.73, 0.65)],
}


def mask(name: str) -> Image.Image:
    """Of a picture of `THINGS`, at its size."""
    with Image.open(files(name, name)[0]) as picture:
        labels = Image.new("L", picture.size)
    draw, (width, height) = ImageDraw.Draw(labels), labels.size
    for left, top, right, bottom in THINGS[name]:
        draw.ellipse((left * width, top * height, right * width, bottom * height), fill=255)
    return labels
