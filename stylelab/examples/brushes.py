"""What the style pictures are drawn with: noise, colour ramps, paths along a field, wet paint. Only numpy, scipy and Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from scipy import ndimage

HERE = Path(__file__).parent
SCALE = 2  # drawn this much larger, then reduced
UNIT = 640  # lengths below are in pixels of a picture this long


def rgb(text: str) -> np.ndarray:
    """'203060 ffcc00' -> (2, 3) floats in [0, 1]."""
    return np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in text.split()]) / 255


def ramp(t: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Piecewise-linear colour map: t in [0, 1], any shape -> (..., 3)."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(t, stops, colours[:, c]) for c in range(3)], -1)


def mix(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """a where t is 0, b where t is 1; t has no channel axis."""
    return a + (b - a) * np.asarray(t)[..., None]


def step(edge0: float, edge1: float, x: np.ndarray) -> np.ndarray:
    """Smooth step from 0 at edge0 to 1 at edge1."""
    t = np.clip((x - edge0) / (edge1 - edge0), 0, 1)
    return t * t * (3 - 2 * t)


def noise(h: int, w: int, cell: float | tuple[float, float], rng: np.random.Generator, octaves: int = 3) -> np.ndarray:
    """Smooth value noise (h, w), mean 0.5, in [0, 1]; `cell` is its period in pixels, or (along y, along x)."""
    cy, cx = (cell, cell) if np.isscalar(cell) else cell
    total, weight = np.zeros((h, w), np.float32), 0.0
    for k in range(octaves):
        sy, sx = max(cy / 2**k, 1.0), max(cx / 2**k, 1.0)
        grid = rng.random((int(h / sy) + 4, int(w / sx) + 4)).astype(np.float32)
        layer = Image.fromarray(grid).resize((w, h), Image.Resampling.BICUBIC, box=(1, 1, 1 + w / sx, 1 + h / sy))
        total += np.asarray(layer) * 0.5**k
        weight += 0.5**k
    return np.clip((total / weight - 0.5) * 1.3 + 0.5, 0, 1)


def line_noise(n: int, cell: float, rng: np.random.Generator, octaves: int = 4) -> np.ndarray:
    """One row of `noise`, in [-1, 1]."""
    return noise(1, n, cell, rng, octaves)[0] * 2 - 1


def photo(name: str, w: int, h: int, centring: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """One of the credited photographs, cropped to w x h, floats in [0, 1]."""
    with Image.open(HERE / "contents" / f"{name}.jpg") as image:
        fitted = ImageOps.fit(image.convert("RGB"), (w, h), Image.Resampling.LANCZOS, centering=centring)
    return np.asarray(fitted, np.float64) / 255


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur over the two picture axes only."""
    return ndimage.gaussian_filter(image, (sigma, sigma, 0)[: image.ndim], mode="nearest")


def grey(image: np.ndarray) -> np.ndarray:
    return image @ np.array([0.299, 0.587, 0.114])


def vivid(image: np.ndarray, amount: float) -> np.ndarray:
    """Saturation times `amount`."""
    return np.clip(mix(np.repeat(grey(image)[..., None], 3, -1), image, np.array(amount)), 0, 1)


def equalised(tone: np.ndarray, amount: float = 1.0) -> np.ndarray:
    """Grey levels spread evenly over [0, 1], by `amount`."""
    levels, edges = np.histogram(tone, 256, (0, 1))
    spread = np.interp(tone, edges[1:], np.cumsum(levels) / tone.size)
    return tone + (spread - tone) * amount


def along_edges(tone: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Angle of the edges (structure tensor), drifting with noise where there are none."""
    smooth = blur(tone, sigma / 3)
    gy, gx = np.gradient(smooth)
    drift = noise(*tone.shape, sigma * 12, rng, 2) * 2 * np.pi
    weak = 1e-4 * np.mean(np.hypot(gx, gy)) + 0.02 * np.mean(gx * gx + gy * gy)
    xx, xy, yy = blur(gx * gx, sigma), blur(gx * gy, sigma), blur(gy * gy, sigma)
    return 0.5 * np.arctan2(2 * xy + weak * np.sin(drift), xx - yy + weak * np.cos(drift)) + np.pi / 2


def pick(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of a field at points (..., 2) given as x, y; points outside take the nearest pixel."""
    h, w = field.shape[:2]
    j = np.clip(points[..., 0].astype(int), 0, w - 1)
    i = np.clip(points[..., 1].astype(int), 0, h - 1)
    return field[i, j]


def trace(angle: np.ndarray, starts: np.ndarray, steps: int, stride: float) -> np.ndarray:
    """Follows an angle field from (n, 2) starts, never turning back -> (n, steps + 1, 2)."""
    direction = np.stack([np.cos(angle), np.sin(angle)], -1)
    at, last, path = starts.astype(float), None, [starts.astype(float)]
    for _ in range(steps):
        d = pick(direction, at)
        if last is not None:
            d = np.where((d * last).sum(-1, keepdims=True) < 0, -d, d)
        at, last = at + stride * d, d
        path.append(at)
    return np.stack(path, 1)


def lengths_while(fits: np.ndarray, least: int = 3) -> np.ndarray:
    """How many points of each path (n, k) come before the first that does not fit, but at least `least`."""
    fits = fits | (np.arange(fits.shape[1]) < least)
    return np.where(fits.all(1), fits.shape[1], fits.argmin(1))


def scattered(w: int, h: int, spacing: float, rng: np.random.Generator, jitter: float = 1.0) -> np.ndarray:
    """Points of a jittered grid that overhangs the picture, in random order -> (n, 2)."""
    x, y = np.meshgrid(np.arange(-spacing, w + spacing, spacing), np.arange(-spacing, h + spacing, spacing))
    points = np.stack([x.ravel(), y.ravel()], -1)
    points += rng.uniform(-0.5, 0.5, points.shape) * spacing * jitter
    return rng.permutation(points)


def borders(labels: np.ndarray) -> np.ndarray:
    """Where a label differs from its left or upper neighbour."""
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    return edge


def coordinates(w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the pixels, y from 0 to 1 downwards, x in the same unit."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    return x / h, y / h


def finished(image: np.ndarray | Image.Image, width: int, height: int) -> np.ndarray:
    """Reduced to the asked size, uint8."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray((np.clip(image, 0, 1) * 255).round().astype(np.uint8))
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))


def floats(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float64) / 255


class Canvas:
    """Wet paint: its colour, and its thickness for the light to catch."""

    def __init__(self, w: int, h: int, ground: np.ndarray):
        self.paint = Image.new("RGB", (w, h), tuple((ground * 255).astype(int).tolist()))
        self.thickness = Image.new("L", (w, h), 60)

    def brush(self, paths: np.ndarray, lengths: np.ndarray, colours: np.ndarray, width: float, rng: np.random.Generator,
              bristles: int = 7, streak: float = 0.05) -> None:  # fmt: skip
        """Lays strokes down one after the other, each a bundle of parallel bristles.

        Args:
            paths, lengths: (n, k, 2) points as x, y, and how many of them each stroke uses, (n,).
            colours: (n, 3).
            streak: how much the bristles differ in lightness.
        """
        colour_pen, height_pen = ImageDraw.Draw(self.paint), ImageDraw.Draw(self.thickness)
        across = np.gradient(paths, axis=1)[..., ::-1] * (-1, 1)
        across /= np.linalg.norm(across, axis=-1, keepdims=True) + 1e-9
        places = np.linspace(-0.5, 0.5, bristles)
        thin = max(1, round(width / bristles * 1.5))
        for path, n, side, colour in zip(paths, lengths, across, colours, strict=True):
            if n < 2:
                continue
            t = np.linspace(0, 1, n)
            spread = width * np.minimum(1, np.minimum(0.55 + 3 * t, 0.35 + 2.2 * (1 - t)))
            load = rng.uniform(0.75, 1.0)
            for place in rng.permutation(places):
                points = path[:n] + side[:n] * (spread * (place + rng.normal(0, 0.03)))[:, None]
                points = points[int(rng.random() < 0.2) : n - int(n > 4 and rng.random() < 0.4)]
                flat = points.round().astype(int).ravel().tolist()
                shade = np.clip(colour + rng.normal(0, streak), 0, 1)
                colour_pen.line(flat, tuple((shade * 255).astype(int).tolist()), thin)
                ridge = 0.55 + 0.45 * abs(place) * 2  # paint piles up at the sides of a stroke
                height_pen.line(flat, int(235 * load * ridge * rng.uniform(0.72, 1.0)), thin)

    def lit(self, strength: float, sigma: float = 1.0) -> np.ndarray:
        """The painting under light from the upper left."""
        height = blur(floats(self.thickness), sigma)
        gy, gx = np.gradient(height)
        light = np.tanh((gx + 1.3 * gy) * -strength)
        image = floats(self.paint)
        return np.clip(image * (1 + 0.32 * light[..., None]) + 0.10 * np.clip(light, 0, 1)[..., None] ** 2, 0, 1)


def paint_over(canvas: Canvas, picture: np.ndarray, angle: np.ndarray, widths: list[float], unit: float, rng: np.random.Generator,
               error: float = 0.07, jitter: float = 0.04) -> None:  # fmt: skip
    """Layers of ever finer strokes, each only where the canvas is still wrong; a stroke ends where its colour no longer fits."""
    h, w = picture.shape[:2]
    for layer, size in enumerate(widths):
        width = size * unit
        aim = blur(picture, width * 0.35)
        starts = scattered(w, h, width * 0.62, rng)
        now = floats(canvas.paint)
        wrong = blur(np.abs(now - aim).mean(-1), width * 0.3)
        if layer:
            starts = starts[pick(wrong, starts) > error]
        steps = 9 if layer < 2 else 7
        paths = trace(angle, starts, steps, width * 0.55)
        colours = pick(aim, starts)
        misfit = np.abs(pick(aim, paths) - colours[:, None]).mean(-1)
        lengths = lengths_while(misfit < np.maximum(pick(np.abs(now - aim).mean(-1), paths), 0.06))
        colours = colours + rng.normal(0, jitter, (len(starts), 1)) + rng.normal(0, jitter * 0.6, (len(starts), 3))
        canvas.brush(paths, lengths, colours, width, rng, bristles=int(np.clip(size * 0.8, 4, 11)))
