"""Draws the style pictures that ship with stylelab: `python -m stylelab.examples.draw [FOLDER]`.

Pictures of things are in `draw_things.py`, the tools in `brushes.py`. One function a medium, each
`(width, height, seed) -> uint8 (height, width, 3)`, drawn at twice the size and reduced. Only numpy, scipy and Pillow. Nothing
is read but the credited photographs in `contents/`, and only by the styles whose docstring says so. The same call gives the same
picture.

What makes a good style here: texture at the scale of a brush stroke, dark and light, quiet and busy regions, and several hues.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import cKDTree

from .brushes import (
    HERE,
    SCALE,
    UNIT,
    Canvas,
    along_edges,
    blur,
    borders,
    coordinates,
    equalised,
    finished,
    floats,
    grey,
    lengths_while,
    line_noise,
    mix,
    noise,
    paint_over,
    photo,
    pick,
    ramp,
    rgb,
    scattered,
    step,
    trace,
    vivid,
)
from .draw_things import SIZE as THING_SIZE
from .draw_things import THINGS

SIZE = (640, 480)  # of the pictures that ship

# ----------------------------------------------------------------------------------------------------------------- styles


def oil(width: int, height: int, seed: int = 1) -> np.ndarray:
    """Oil on canvas over the photograph `china`: layered curved strokes with bristles, impasto lit from the side."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    plain = photo("china", w, h)
    picture = vivid(plain, 1.7)
    tone = equalised(grey(picture), 0.45)
    picture = np.clip(picture * ((tone + 0.05) / (grey(picture) + 0.05))[..., None], 0, 1)
    warm, cool = rgb("fff0c0")[0], rgb("2a3c86")[0]
    picture = mix(mix(picture, warm * picture + 0.06, step(0.5, 1, tone) * 0.8), cool, (1 - step(0, 0.45, tone)) * 0.35)
    sky = step(0.50, 0.72, tone) * step(0.55, 0.25, coordinates(w, h)[1]) * step(0.32, 0.22, blur(np.ptp(plain, axis=-1), unit))
    clouds = ramp(
        np.clip(noise(h, w, (60 * unit, 150 * unit), rng) * 1.5 - 0.25, 0, 1), rgb("1f5aa8 3f8fd0 8cc4dc fbe6b0 f8b878 e88a6a")
    )
    picture = mix(picture, clouds, sky * 0.92)
    low = step(0.58, 0.80, coordinates(w, h)[1]) * step(0.75, 0.55, tone)
    foliage = ramp(np.clip(noise(h, w, (26 * unit, 40 * unit), rng) * 1.4 - 0.2, 0, 1), rgb("27408a 1f6f5c 5f9a2e d9b030 c8682a"))
    picture = mix(picture, foliage * (0.35 + 1.1 * tone[..., None]), low * step(0.30, 0.10, np.ptp(picture, axis=-1)) * 0.85)
    canvas = Canvas(w, h, rgb("8a5a34")[0])
    angle = along_edges(grey(picture), 5 * unit, rng)
    canvas.paint = Image.fromarray((blur(picture, 14 * unit) * 240).astype(np.uint8))
    paint_over(canvas, picture, angle, [20, 11, 6.5, 4], unit, rng, error=0.075, jitter=0.045)
    return finished(canvas.lit(5, 1.3), width, height)


def night(width: int, height: int, seed: int = 2) -> np.ndarray:
    """A swirling night in thick directional strokes, entirely procedural: a flow field with vortices, stars, hills, a lake."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    x, y = coordinates(w, h)
    aspect = w / h
    # the sky's flow: a breeze, and whirls (x, y, radius, spin)
    whirls = [(0.62, 0.30, 0.20, 1), (0.93, 0.40, 0.13, -1), (0.22, 0.17, 0.13, -1), (1.22, 0.14, 0.14, 1)]
    stars = [
        (0.10, 0.42, 0.05),
        (0.42, 0.08, 0.055),
        (0.36, 0.46, 0.045),
        (0.80, 0.10, 0.06),
        (1.02, 0.22, 0.045),
        (1.28, 0.40, 0.05),
    ]
    whirls = [(a * aspect / 1.333, b, r, s) for a, b, r, s in whirls]
    stars = [(a * aspect / 1.333, b, r) for a, b, r in stars]
    moon = (0.22 * aspect / 1.333, 0.17, 0.12)
    vx, vy = np.ones_like(x), 0.35 * np.sin(5 * x + 3 * y + 2 * noise(h, w, 200 * unit, rng))
    light = 0.27 + 0.42 * y + 0.6 * (noise(h, w, (30 * unit, 90 * unit), rng) - 0.5)
    for cx, cy, radius, spin in whirls + [(*star, 1) for star in stars]:
        dx, dy = x - cx, y - cy
        r = np.hypot(dx, dy) + 1e-6
        pull = np.exp(-((r / radius) ** 2)) * 4
        vx, vy = vx + pull * (spin * -dy / r - 0.25 * dx / r), vy + pull * (spin * dx / r - 0.25 * dy / r)
        bands = np.sin(spin * 2 * np.arctan2(dy, dx) - 16 * r / radius**0.5 * 0.9)
        light = light + 0.30 * bands * np.exp(-((r / radius / 1.2) ** 2))
    sky = ramp(np.clip(light, 0, 1), rgb("0a1440 142a73 1f4fa3 3f83c4 8cc3dd f0eccb"))
    for cx, cy, radius in [*stars, moon]:
        r = np.hypot(x - cx, y - cy)
        glow = np.exp(-((r / radius) ** 2) * 1.1) * (0.8 + 0.2 * np.cos(r / radius * 11))
        sky = mix(sky, ramp(np.clip(glow, 0, 1), rgb("3f83c4 9fc49a f0d65a f8b62d fff4c0")), step(0.06, 0.5, glow))
    picture, angle = sky, np.arctan2(vy, vx)

    def land(top: np.ndarray, colours: str, cell: tuple[float, float], slope: float) -> None:
        nonlocal picture, angle
        inside = y > top[None]
        depth = (y - top[None]) * 6
        paint = ramp(np.clip(noise(h, w, cell, rng) * 1.3 - 0.15 + 0.1 * np.sin(depth * 9), 0, 1), rgb(colours))
        picture = np.where(inside[..., None], mix(paint, rgb("081030")[0], 0.5 * np.exp(-depth * 5)), picture)
        angle = np.where(
            inside, np.arctan(np.gradient(top)[None] * h) * np.exp(-depth) + slope * np.sin(depth * 2 + 7 * x), angle
        )

    columns = np.arange(w) / h
    land(0.60 + 0.07 * line_noise(w, 260 * unit, rng), "10245c 1d4a8a 3a78a8 5f9fb0", (12 * unit, 60 * unit), 0.1)
    land(
        0.68 + 0.05 * line_noise(w, 180 * unit, rng) + 0.03 * np.sin(columns * 4),
        "0d2b3f 1f5a4c 5c8a45 b9a83e",
        (9 * unit, 40 * unit),
        0.3,
    )
    shore = 0.79 + 0.015 * line_noise(w, 150 * unit, rng)
    lights = [(u * aspect, rng.uniform(0.735, 0.775)) for u in (0.34, 0.40, 0.45, 0.52, 0.57, 0.66, 0.73, 0.8, 0.9)]
    water = ramp(np.clip(noise(h, w, (8 * unit, 70 * unit), rng) * 1.4 - 0.2, 0, 1), rgb("081238 12296b 22559c 4a8fc0 9cc7cf"))
    lake = y > shore[None]
    picture = np.where(lake[..., None], water, picture)
    angle = np.where(lake, 0.12 * np.sin(22 * x + 50 * y), angle)
    for lx, ly in lights:
        lamp = np.exp(-(((x - lx) / 0.011) ** 2) - ((y - ly) / 0.012) ** 2)
        gleam = (
            np.exp(-(((x - lx - 0.006 * np.sin(y * 160)) / 0.015) ** 2))
            * lake
            * step(1.0, 0.78, y)
            * (0.4 + 0.6 * (np.sin(y * 230) > -0.2))
        )
        picture = mix(picture, rgb("ffc93a")[0], np.clip(lamp * 1.4 + gleam * 0.85, 0, 1))
    # two dark trees like flames
    for tx, top, thick in ((1.19 * aspect / 1.333, 0.22, 0.055), (1.09 * aspect / 1.333, 0.46, 0.035)):
        rise = np.clip((y - top) / (1.02 - top), 0, 1)
        edge = thick * rise**0.6 * (1.15 - 0.35 * rise) * (1 + 0.25 * np.sin(y * 42 + 30 * (x - tx)))
        offset = x - tx - 0.014 * np.sin(y * 13)
        tree = (np.abs(offset) < edge) & (y > top)
        leaf = ramp(noise(h, w, (34 * unit, 7 * unit), rng), rgb("04120f 0b2a22 1d4a33 4f6b30"))
        picture = np.where(tree[..., None], leaf, picture)
        angle = np.where(tree, np.pi / 2 + 0.5 * np.sin(y * 24 + offset * 60) + offset * 5, angle)

    canvas = Canvas(w, h, rgb("101c50")[0])
    for size, jitter in ((16, 0.05), (10.5, 0.07), (7, 0.08)):
        span = size * unit
        starts = scattered(w, h, span * (0.62 if size > 11 else 0.85), rng)
        aim = blur(picture, span * 0.12)
        if size < 8:  # details, and accents in the quiet parts
            busy = blur(np.abs(grey(picture) - blur(grey(picture), 9 * unit)), 3 * unit)
            starts = starts[pick(busy, starts) > np.quantile(busy, 0.45)]
        paths = trace(angle, starts, 8, span * 0.5)
        colours = pick(aim, starts)
        lengths = lengths_while(np.abs(pick(aim, paths) - colours[:, None]).mean(-1) < 0.16)
        colours = colours + rng.normal(0, jitter, (len(starts), 1)) + rng.normal(0, 0.03, (len(starts), 3))
        canvas.brush(paths, lengths, colours, span * 0.8, rng, bristles=max(4, int(size * 0.6)), streak=0.06)
    return finished(canvas.lit(8), width, height)


def stained_glass(width: int, height: int, seed: int = 3) -> np.ndarray:
    """A leaded window, entirely procedural: a sun, hills and a river cut into Voronoi panes, streaked glass lit from behind."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    x, y = coordinates(w, h)
    aspect = w / h
    sx, sy = 0.60 * aspect, 0.36
    r, theta = np.hypot(x - sx, y - sy), np.arctan2(x - sx, sy - y)
    far = 0.60 + 0.07 * np.sin(3.1 * x + 0.5) + 0.03 * np.sin(8 * x)
    near = 0.74 + 0.09 * np.sin(2.4 * x + 3.4)
    river = 0.42 * aspect + 0.16 * np.sin((y - 0.55) * 9) * (y - 0.3)
    region = np.where(y > near, 3, np.where(y > far, 2, 1))
    region[(np.abs(x - river) < 0.02 + 0.35 * (y - 0.6)) & (y > far)] = 4
    region[r < 0.13] = 0
    trunk = (np.abs(x - 0.13 * aspect - 0.03 * np.sin(y * 6)) < 0.022 + 0.03 * step(0.8, 1, y)) & (y > 0.4)
    crown = np.hypot((x - 0.14 * aspect) / 1.15, y - 0.32) + 0.02 * np.sin(9 * np.arctan2(y - 0.32, x - 0.14 * aspect)) < 0.2
    region[trunk], region[crown] = 6, 5
    plans = {  # region: (coordinates in which its panes are about round, pane size, colours, how the colours vary)
        0: (r / 0.055, theta * 1.6, "ffd21f ffb000 fff09a ff8a10"),
        1: (r / 0.105, theta * 2.3, "1438b0 2a6fe0 53b4f5 8a2fb8 e0559a ff9a5a"),
        2: (x / 0.13, (y - far) / 0.07, "0f6e4a 2fa35a 7cc04a 0a4f5e"),
        3: (x / 0.14, (y - near) / 0.08, "a8c020 e0b020 c8641a 5f8f1f 8a2a1c"),
        4: ((x - river) / 0.09, y / 0.045, "0a78b8 35c0d8 a8f0f0 0d4fa0"),
        5: (x / 0.065, y / 0.065, "0c7a30 6cc22a c81f2a f06a1a 128a5a"),
        6: (x / 0.05, y / 0.11, "6a2c14 93481c 4a1c12"),
    }
    pane = np.zeros((h, w), int)
    colour = np.zeros((h, w, 3))
    for index, (u, v, palette) in plans.items():
        where = region == index
        if not where.any():
            continue
        cut = np.stack([u[where], v[where]], -1)
        low, high = cut.min(0) - 1, cut.max(0) + 1
        grid = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)]), -1).reshape(-1, 2)
        seeds = grid + rng.uniform(-0.38, 0.38, grid.shape)
        nearest = cKDTree(seeds).query(cut)[1]
        pane[where] = nearest + 10000 * (index + 1)
        inks = rgb(palette)
        if index == 1:  # dusk: from warm at the sun to blue far away
            t = np.clip(1.15 - (seeds[:, 0] * 0.105) / 0.75 + rng.normal(0, 0.16, len(seeds)), 0, 1)
            tint = inks[np.clip((t * len(inks)).astype(int), 0, len(inks) - 1)]
        else:
            tint = inks[rng.integers(0, len(inks), len(seeds))]
        tint = np.clip(tint * rng.uniform(0.72, 1.12, (len(seeds), 1)) + rng.normal(0, 0.03, tint.shape), 0, 1)
        colour[where] = tint[nearest]
    border = 0.035
    frame = np.minimum(np.minimum(x, aspect - x), np.minimum(y, 1 - y))
    edge_panes = frame < border
    run = np.where((x < border) | (x > aspect - border), y, x)
    pane[edge_panes] = (run[edge_panes] / 0.08).astype(int) + 900000 * (
        1 + (x > aspect / 2)[edge_panes] + 2 * (y > 0.5)[edge_panes]
    )
    inks = rgb("b01830 1a3fa8 b01830 e0a820")
    colour[edge_panes] = inks[(run[edge_panes] / 0.08).astype(int) % 4]
    region[edge_panes] = 9
    away = ndimage.distance_transform_edt(~borders(pane)) / unit
    thick = np.where(ndimage.distance_transform_edt(~borders(region)) / unit < 4.5, 3.4, 2.1)  # outlines in heavier lead
    # glass: streaks, seeds (bubbles), thickness, and a slow light from behind
    streaks = noise(h, w, (5 * unit, 60 * unit), rng) * 0.6 + noise(h, w, (45 * unit, 6 * unit), rng) * 0.4
    ripple = blur(noise(h, w, 7 * unit, rng, 2), unit)
    gy, gx = np.gradient(ripple)
    sparkle = np.clip((gx + gy) * 9 * unit, -1, 1)
    glow = 0.92 + 0.55 * np.exp(-((r / 0.5) ** 2)) + 0.35 * (noise(h, w, 190 * unit, rng, 2) - 0.5)
    glass = colour ** (1.25 - 0.55 * streaks[..., None]) * (glow * (0.86 + 0.28 * streaks))[..., None]
    glass = glass + 0.10 * sparkle[..., None] * (0.3 + glass) + 0.07 * step(0.74, 0.86, noise(h, w, 5 * unit, rng, 1))[..., None]
    glass *= (0.6 + 0.4 * step(0, 8, away - thick))[..., None]
    bulge = np.sqrt(np.clip(1 - (away / (thick + 0.01)) ** 2, 0, 1))
    gy, gx = np.gradient(blur(bulge, 0.7 * unit))
    metal = 0.10 + 0.16 * np.clip(-(gx + gy) * 2.2 * unit, -0.5, 1) + 0.05 * noise(h, w, 4 * unit, rng)
    image = mix(glass, metal[..., None] * np.array([1, 0.98, 1.0]), step(0.5, -0.5, away - thick))
    return finished(image, width, height)


def hatching(width: int, height: int, seed: int = 4) -> np.ndarray:
    """Pen and ink over the photograph `astronaut`: short wobbling lines, more directions the darker it is, on laid paper."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    tone = equalised(grey(photo("astronaut", w, h, (0.5, 0.12))), 0.35)
    tone = np.clip(blur(tone, 1.2 * unit) + 0.9 * (blur(tone, 1.2 * unit) - blur(tone, 12 * unit)), 0, 1)
    form = along_edges(tone, 7 * unit, rng)
    ink = Image.new("L", (w, h), 0)
    pen = ImageDraw.Draw(ink)
    layers = [
        (0.88, -0.75, 3.7, 0.5),
        (0.66, -0.40, 3.4, 0.4),
        (0.48, 0.7, 3.2, 0.2),
        (0.28, 1.45, 3.2, 0.1),
        (0.12, 0.1, 3.0, 0.1),
    ]
    for limit, slant, gap, follow in layers:
        lean = slant + follow * np.sin(2 * (form - slant)) + 0.12 * (noise(h, w, 60 * unit, rng, 2) - 0.5)
        starts = scattered(w, h, gap * unit, rng, 0.8)
        starts = starts[rng.random(len(starts)) < 0.21]
        starts = starts[pick(tone, starts) < limit]
        paths = trace(lean, starts, 10, 2.4 * unit)
        lengths = lengths_while(pick(tone, paths) < limit, 2)
        depth = np.clip((limit - pick(tone, starts)) / 0.3, 0, 1)
        paths += rng.normal(0, 0.13 * unit, paths.shape)
        for path, n, dark in zip(paths, lengths, depth, strict=True):
            width_ = max(1, round((0.55 + 0.45 * dark + rng.uniform(-0.1, 0.15)) * unit))
            pen.line(path[:n].round().astype(int).ravel().tolist(), int(165 + 85 * rng.random()), width_)
    base = grey(photo("astronaut", w, h, (0.5, 0.12)))
    dog = blur(base, 0.7 * unit) - 0.985 * blur(base, 1.7 * unit)
    lines = step(0.0, -0.016, dog - 0.006 + 0.006 * (noise(h, w, 14 * unit, rng) - 0.5))
    cover = np.clip(np.maximum(floats(ink), lines * 0.93), 0, 1)
    grain = noise(h, w, 2.5 * unit, rng, 2)
    laid = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(h)[:, None] / (5.5 * unit) + 0.6 * noise(h, w, 120 * unit, rng, 1))
    paper = rgb("f2e8d0")[0] * (0.955 + 0.05 * grain + 0.018 * laid + 0.03 * noise(h, w, 160 * unit, rng))[..., None]
    cover = cover * (0.86 + 0.2 * step(0.25, 0.6, grain))
    return finished(mix(paper, rgb("1d1a22")[0], np.clip(cover, 0, 1)), width, height)


def woodcut(width: int, height: int, seed: int = 5) -> np.ndarray:
    """A woodblock print of breaking waves, entirely procedural: flat inks, swelling contour lines, foam, wood grain, washi."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    _, y = coordinates(w, h)
    aspect = w / h
    navy, deep, mid, pale, foam, sun = rgb("14234f 24508a 5b93b5 a9c9c4 f6efdc d8452e")

    def ints(colour: np.ndarray) -> tuple[int, ...]:
        return tuple((np.clip(colour, 0, 1) * 255).astype(int).tolist())

    sky = ramp(np.clip(y / 0.62, 0, 1), rgb("3f6a94 93aeb0 e6d9b6 f1d9a6 eab98a e3a37c"))
    image = Image.fromarray((sky * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)

    def polygon(points: np.ndarray, colour: np.ndarray) -> None:
        draw.polygon((points * h).round().astype(int).ravel().tolist(), fill=ints(colour))

    def swelling(points: np.ndarray, colour: np.ndarray, thick: float, phase: float = 0.0) -> None:
        """A line cut with a gouge: its width swells and dies along its length."""
        side = np.gradient(points, axis=0)[:, ::-1] * (-1, 1)
        side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
        t = np.linspace(0, 1, len(points))
        half = thick * unit / h * np.sin(np.pi * t) ** 0.6 * (0.65 + 0.35 * np.sin(t * 17 + phase)) / 2
        polygon(np.concatenate([points + side * half[:, None], (points - side * half[:, None])[::-1]]), colour)

    # sun, clouds and a mountain
    around = np.array([-1, -1, 1, 1])
    cx, cy = 0.30 * aspect, 0.24
    draw.ellipse(((np.array([cx, cy, cx, cy]) + 0.12 * around) * h).tolist(), fill=ints(sun))
    for k in range(9):
        u, v, length = rng.uniform(0, aspect), rng.uniform(0.06, 0.42), rng.uniform(0.12, 0.35)
        t = np.linspace(-1, 1, 60)[:, None]
        for lift in (0, 0.022):
            bar = np.concatenate([u + lift * 2 + t * length, v + lift + 0.006 * np.sin(t * 5 + k)], 1)
            swelling(bar, foam * 0.98, 13)
            swelling(bar + np.array([0, 0.012]), mid, 1.6)
    t = np.linspace(-1, 1, 240)
    slope = 0.30 * (1 - np.abs(t) ** 0.62) * (1 + 0.03 * np.sin(t * 40))
    peak = np.stack([0.66 * aspect + t * 0.42, 0.60 - slope], 1)
    polygon(np.concatenate([peak, [[2, 0.8], [-0.2, 0.8]]]), mix(deep, mid, np.array(0.3)))
    snow = peak[np.abs(t) < 0.27]
    zigzag = np.stack([np.linspace(snow[-1, 0], snow[0, 0], 18), snow[0, 1] + 0.035 * np.tile([1, -0.6], 9)], 1)
    polygon(np.concatenate([snow, zigzag]), foam)
    swelling(peak, navy, 3)
    for k in range(26):
        top = peak[rng.integers(20, 220)]
        fall = np.stack(
            [top[0] + np.sign(top[0] - 0.66 * aspect) * np.linspace(0, 0.05, 20), top[1] + 0.03 + np.linspace(0, 0.12, 20)], 1
        )
        swelling(fall, navy, 1.8, k)

    def crest(x0: float, level: float, length: float, tall: float, curl: float) -> np.ndarray:
        """A trochoid whose tops lean forward and overhang."""
        p = np.linspace(-2.2 * np.pi, 2 * np.pi * (aspect / length + 1.2), 1400)
        rise = (0.5 + 0.5 * np.cos(p)) ** 1.7
        lean = curl * rise**2.2
        return np.stack(
            [
                x0 + (p / (2 * np.pi) - 0.22 * np.sin(p) / np.pi) * length + lean * length,
                level - tall * rise + 0.35 * lean * tall,
            ],
            1,
        )

    rows = [
        (0.10, 0.63, 0.52, 0.06, 0.10, mid), (0.33, 0.69, 0.66, 0.10, 0.2, deep), (-0.05, 0.80, 1.02, 0.33, 0.34, deep),
        (0.45, 0.90, 0.78, 0.16, 0.30, mid), (0.08, 1.0, 0.9, 0.17, 0.32, deep), (0.5, 1.10, 0.7, 0.15, 0.3, navy),
    ]  # fmt: skip
    for x0, level, length, tall, curl, ink in rows:
        edge = crest(x0, level, length, tall, curl)
        polygon(np.concatenate([edge, [[aspect + 2, 1.3], [-2, 1.3]]]), ink)
        for k in range(1, 15):  # bands of pale water and ink follow the wave down
            s = k / 15
            line = crest(
                x0 - 0.013 * k * length, level + 0.014 * k * (1 + tall * 3), length, tall * (1 - 0.62 * s), curl * (1 - 0.75 * s)
            )
            tone = (pale, navy, foam, navy, mid if ink is not mid else pale)[k % 5]
            for cut in np.array_split(line, 26 + 3 * k):
                if rng.random() < 0.86 and len(cut) > 8:
                    swelling(
                        cut,
                        tone,
                        (5.5 if tone is foam or tone is pale else 3.4) * (0.5 + tall * 3) * rng.uniform(0.7, 1.3),
                        rng.uniform(0, 6),
                    )
        # foam: knuckles along the upper part of the crest, most on the leaning side
        high = np.clip((level - edge[:, 1]) / tall, 0, 1)
        forward = np.gradient(edge[:, 1]) > 0
        chance = np.where(forward, 0.9, 0.28) * step(0.35, 0.9, high)
        for (px, py), c in zip(edge[::2], chance[::2], strict=True):
            for _ in range(3 if tall > 0.12 else 1):
                if rng.random() < c * 0.55:
                    r = rng.uniform(0.004, 0.017) * (0.45 + 1.8 * tall) * 1.1
                    qx, qy = px + rng.normal(0, 0.012) * (tall * 4), py + rng.normal(-0.004, 0.014) * (tall * 4)
                    box = np.array([qx, qy, qx, qy])
                    outline = max(1, round(0.9 * unit))
                    draw.ellipse(((box + r * around) * h).tolist(), fill=ints(foam), outline=ints(navy), width=outline)
                    draw.ellipse(((box + r * np.array([-0.62, -0.9, 0.95, 0.5])) * h).tolist(), fill=ints(foam))
                elif rng.random() < c * 0.1 and tall > 0.12:  # spray
                    r = rng.uniform(0.0012, 0.004)
                    qx, qy = px + rng.uniform(-0.03, 0.11), py + rng.uniform(-0.08, 0.05)
                    draw.ellipse(((np.array([qx, qy, qx, qy]) + r * around) * h).tolist(), fill=ints(foam))
        swelling(edge, navy, 3.2)
    # print: uneven inking along the grain of the block, on fibrous paper
    inked = floats(image)
    rings = noise(h, w, (26 * unit, 500 * unit), rng, 2) * 9
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * (rings + y * 9)) * noise(h, w, (3 * unit, 60 * unit), rng)
    speckle = noise(h, w, 2.2 * unit, rng, 2)
    paper = foam * (0.97 + 0.04 * noise(h, w, (3 * unit, 16 * unit), rng))[..., None]
    cover = np.clip(1.02 - 0.20 * grain - 0.20 * step(0.66, 0.92, speckle), 0, 1)
    return finished(mix(paper, inked * paper / foam, cover), width, height)


def pop_art(width: int, height: int, seed: int = 6) -> np.ndarray:
    """A printed comic over the photograph `flower`: flat inks, dots at two angles, rays behind, bold black outlines."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    picture = photo("flower", int(w * 1.18), int(h * 1.18), (0.5, 0.5))[-h:, -int(w * 1.09) :][:, :w]
    x, y = coordinates(w, h)
    soft = blur(picture, 1.6 * unit)
    red, green, blue_ = np.moveaxis(soft, -1, 0)
    bloom = blur(step(0.0, 0.10, red - 0.9 * green + 0.04 - 0.25 * np.clip(blue_ - red, 0, 1)) * step(0.25, 0.4, red), unit)
    petal = bloom > 0.5
    petal = ndimage.binary_fill_holes(ndimage.binary_opening(petal, iterations=max(1, int(3 * unit))))
    tone = grey(soft)
    local = tone - blur(tone, 16 * unit)
    tone = np.clip(tone + 1.0 * local, 0, 1)

    def dots(pitch: float, angle: float, amount: np.ndarray) -> np.ndarray:
        """Coverage of round dots whose area follows `amount`."""
        c, s = np.cos(angle), np.sin(angle)
        px, py = np.arange(w)[None] / (pitch * unit), np.arange(h)[:, None] / (pitch * unit)
        u, v = c * px - s * py, s * px + c * py
        distance = np.hypot(u - np.round(u), v - np.round(v))
        radius = np.sqrt(np.clip(amount, 0, 1) / np.pi) * 1.05
        return step(0.06, -0.06, distance - radius) * (amount > 0.01)

    yellow, scarlet, cyan, indigo, cream, ink = rgb("ffd92e e8262a 1fa0dc 23307f fff6dc 15131c")
    warmth = np.clip((red - green) * 2.2, 0, 1)
    image = np.where((tone > 0.84)[..., None], cream, yellow)
    image = mix(image, scarlet, dots(7.5, 0.35, step(0.86, 0.5, tone) * 0.62))
    image = mix(image, scarlet, step(0.40, 0.46, warmth) * step(0.74, 0.66, tone))
    image = mix(image, indigo, dots(7.5, 1.1, step(0.50, 0.25, tone) * 0.55))
    # background: leaves in two flat inks, dots, and rays from the flower
    ys, xs = np.nonzero(petal)
    top = ys < np.quantile(ys, 0.8) if len(ys) else ys
    mx, my = (xs[top].mean() / h, ys[top].mean() / h) if len(xs) else (0.5, 0.5)
    theta = np.arctan2(y - my, x - mx)
    leaf = equalised(blur(grey(picture), 5 * unit))
    rays = step(-0.08, 0.08, np.sin(theta * 17 + 0.4 * np.sin(theta * 5)))
    back = mix(np.broadcast_to(cyan, (h, w, 3)), cream, rays * step(0.62, 0.64, leaf))
    back = mix(back, cyan, dots(9, 0.6, step(0.5, 1.6, np.hypot(x - mx, y - my) * 1.6) * 1.1) * rays)
    back = mix(back, indigo, step(0.40, 0.385, leaf))
    back = mix(back, indigo, dots(9, 0.6, step(0.66, 0.40, leaf) * 0.5))
    back = mix(back, rgb("27b56a")[0], step(0.22, 0.21, leaf) * (1 - 0.85 * dots(9, 0.6, step(0.0, 0.25, leaf) * 0.5)))
    image = np.where(petal[..., None], image, back)
    # outlines: thin inside the flower, heavy around shapes
    fine = blur(grey(picture), 1.2 * unit) - blur(grey(picture), 3.6 * unit)
    lines = step(-0.012, -0.030, fine) * petal
    heavy = np.zeros((h, w), bool)
    for shape, reach in ((petal, 3.2), (leaf > 0.39, 1.7), (leaf > 0.215, 1.5)):
        rim = ndimage.distance_transform_edt(shape) + ndimage.distance_transform_edt(~shape)
        line = rim < reach * unit * (0.7 + 0.6 * noise(h, w, 60 * unit, rng))
        heavy |= line if shape is petal else line & ~petal
    image = mix(image, ink, np.maximum(lines, blur(heavy.astype(float), 0.8)))
    pulp = 0.95 + 0.07 * noise(h, w, 2.4 * unit, rng, 2) - 0.05 * step(0.72, 0.85, noise(h, w, 5 * unit, rng))
    return finished(image * pulp[..., None] * np.array([1, 0.985, 0.94]), width, height)


def watercolour(width: int, height: int, seed: int = 7) -> np.ndarray:
    """Watercolour, entirely procedural: a misty lake in glazes with dark wet edges, blooms, settled pigment, on rough paper."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    x, y = coordinates(w, h)
    aspect = w / h
    tooth = 0.6 * noise(h, w, 4 * unit, rng, 2) + 0.4 * noise(h, w, 1.6 * unit, rng, 1)
    wobble = [(noise(h, w, 26 * unit, rng, 4) - 0.5) * 0.028 for _ in range(2)]
    density = np.zeros((h, w, 3))

    def wash(shape: np.ndarray, colours: str, strength: float | np.ndarray, edge: float = 0.7, run: float = 70) -> None:
        """One glaze over shape < 0 (a distance in picture heights): absorbs light, more at its rim and where pigment settles."""
        rim = shape + 0.010 * (noise(h, w, 20 * unit, rng, 4) - 0.5) + 0.004 * (tooth - 0.5)
        inside = step(0.0022, -0.0022, rim)
        wet = np.exp(np.clip(rim, -1, 0) / 0.0055) * edge * noise(h, w, 60 * unit, rng, 2) * 1.6
        flow = noise(h, w, run * unit, rng, 4)
        bloom = noise(h, w, 90 * unit, rng, 3)
        back_run = np.exp(-((np.abs(bloom - 0.55) / 0.012) ** 2)) * 0.35 - 0.25 * step(0.55, 0.62, bloom)
        pigment = ramp(np.clip(flow * 1.6 - 0.3, 0, 1), rgb(colours))
        settled = 0.72 + 0.62 * (1 - tooth) ** 1.5
        amount = inside * strength * (0.55 + 0.65 * flow + wet + back_run) * settled
        density[...] += np.clip(amount, 0, None)[..., None] * -np.log(np.clip(pigment, 0.03, 0.98))

    xs, ys = x + wobble[0], y + wobble[1]
    sun = np.hypot(xs - 0.66 * aspect, ys - 0.27)
    wash(np.full((h, w), -1.0), "ffdf9a ffb48c ffe9b4", step(0.7, 0.0, np.abs(ys - 0.36)) * 0.8, 0, 120)
    wash(0.085 - sun, "7fc0ee 4f90dd b0a6ea", step(0.55, 0.05, ys) * step(0.05, 0.4, sun) * 1.15, 0.3, 110)
    wash(sun - 0.075, "ffc02a ff7a2a", 0.85, 0.9, 40)
    for _ in range(7):
        cx, cy, s = rng.uniform(0, aspect), rng.uniform(0.05, 0.3), rng.uniform(0.6, 1.4)
        cloud = np.hypot((xs - cx) / 3.2, (ys - cy) * 1.2) - 0.035 * s + 0.05 * (noise(h, w, 40 * unit, rng) - 0.5)
        wash(cloud, "e07fa4 8a80d0 f09a80", 0.34, 0.5)

    def ridge(level: float, rough: float, cell: float) -> np.ndarray:
        return (
            level
            - rough * np.abs(line_noise(w, cell * unit, rng, 6))[None]
            - rough * 0.6 * line_noise(w, cell * unit * 2, rng, 3)[None]
        )

    lake = 0.665
    for level, rough, cell, colours, strength in (
        (0.50, 0.17, 190, "9aa6d8 8fb8d0 b79ac8", 0.55), (0.555, 0.14, 150, "5f7fc0 7f6fb0 4f9ab8", 0.62),
        (0.60, 0.10, 130, "2f6f9a 3f8f8a 4f5fa0", 0.75), (0.645, 0.075, 100, "1f6f5f 3f7f3a 8f8a2f", 0.9),
    ):  # fmt: skip
        top = ridge(level, rough, cell)
        inside = np.maximum(top - ys, ys - lake)
        wash(inside, colours, strength * step(0.16, -0.02, ys - top - 0.02) + 0.12, 0.9)
        mirror = np.maximum(top - (2 * lake - ys - 0.012 * np.sin(ys * 300) * (ys - lake) * 4), lake - ys)
        wash(mirror, colours, strength * 0.45 * step(0.3, 0.0, ys - lake), 0.5)
    wash(np.maximum(lake - ys, ys - 2), "6fa8c8 4f8fb0 8fb0c8", 0.30 + 0.5 * step(0.7, 1.0, ys), 0.5)
    for _ in range(34):
        cx, cy = rng.uniform(0, aspect), rng.uniform(lake + 0.02, 0.97)
        wash(np.hypot((xs - cx) / 26, ys - cy) - 0.0035 * (1 + 3 * (cy - lake)), "2f6a9a 1f4f7f 5f9ab0", 0.5, 0.6)
    wash(np.hypot((xs - 0.66 * aspect) / 0.7, (ys - 0.80) / 2.6) - 0.045 + 0.03 * np.sin(ys * 190), "f59a3c f0b04a", 0.7, 0.8)
    # near bank with reeds and firs
    bank = 0.93 - 0.20 * step(0.42, 0.0, x / aspect) + 0.02 * np.sin(x * 9) - 0.10 * step(0.78, 1.05, x / aspect)
    wash(bank - ys, "7f7a1f b0702a 3f5f2a", 0.95, 0.9, 40)
    wash(bank + 0.05 + 0.03 * line_noise(w, 40 * unit, rng)[None] - ys, "2f3f2a 5f3a2a 1f4a4a", 0.8, 0.9, 40)
    for cx, foot, tall in ((0.07, 0.80, 0.50), (0.15, 0.84, 0.38), (0.225, 0.88, 0.27), (0.94, 0.90, 0.36), (0.985, 0.88, 0.48)):
        down = np.clip((ys - foot + tall) / tall, 0, 1)
        saw = 0.45 + 0.55 * ((down * 11 + 3 * cx) % 1)
        fir = np.abs(xs - cx * aspect) - 0.20 * tall * down**0.8 * saw
        wash(np.maximum(np.maximum(fir, foot - tall - ys), ys - foot - 0.02), "123f3a 1f5f3f 2a2f4f", 1.05, 0.8, 24)
    drops = np.full((h, w), 1.0)
    for _ in range(60):
        cx, cy, r = rng.uniform(0, aspect), rng.uniform(0, 1), rng.exponential(0.0025) + 0.001
        drops = np.minimum(drops, np.hypot(x - cx, y - cy) - r)
    wash(drops, "c0603a 3f6fb0 7f8f3a", 0.55, 0.8, 20)
    # rough paper stays white at the margin, and where a dry brush skipped
    frame = np.minimum(np.minimum(xs, aspect - xs), np.minimum(ys, 1 - ys)) + 0.012 * (noise(h, w, 30 * unit, rng) - 0.5)
    density *= (step(0.016, 0.022, frame) * (1 - 0.5 * step(0.76, 0.86, tooth) * noise(h, w, 90 * unit, rng)))[..., None]
    gy, gx = np.gradient(blur(tooth, 0.8 * unit))
    paper = rgb("fbf6ea")[0] * (1 + np.clip((gx + gy) * 0.35 * unit, -0.06, 0.05))[..., None]
    return finished(paper * np.exp(-density), width, height)


def mosaic(width: int, height: int, seed: int = 8) -> np.ndarray:
    """A floor mosaic, entirely procedural: fish among waves in a border; rows of cut stones follow the outlines, in grout."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    x, y = coordinates(w, h)
    aspect = w / h
    region = np.zeros((h, w), int)
    colour = ramp(step(0.1, 0.9, y) + 0.10 * np.sin(y * 40 + 2.5 * np.sin(x * 5)), rgb("efe2c0 bfe0d0 6fb8c0 2f86a8 1a5a88"))
    band = ((y + 0.028 * np.sin(x * 14 + np.floor(y * 9) * 2)) * 9).astype(int)
    region += band
    crest = ((y + 0.028 * np.sin(x * 14 + np.floor(y * 9) * 2)) * 9) % 1 < 0.22
    colour = np.where(crest[..., None], colour * 0.72 + 0.02, colour)
    region += 50 * crest

    def paint(inside: np.ndarray, tint: np.ndarray, label: int) -> None:
        colour[inside] = tint if tint.ndim == 1 else tint[inside]
        region[inside] = label

    sx, sy = 0.80 * aspect, 0.25
    r, theta = np.hypot(x - sx, y - sy), np.arctan2(y - sy, x - sx)
    paint(r < 0.19 + 0.035 * np.sign(np.sin(theta * 14)), rgb("d8762a")[0], 200)
    for k, (radius, tint) in enumerate(((0.14, "f4d060"), (0.10, "e09a2a"), (0.055, "fbeeb0"))):
        paint(r < radius, rgb(tint)[0], 201 + k)

    def fish(cx: float, cy: float, size: float, turn: float, palette: str, label: int) -> None:
        """Body, stripes, fins and eye in the fish's own coordinates: u towards the head, v to its back."""
        c, s = np.cos(turn), np.sin(turn)
        u, v = (c * (x - cx) + s * (y - cy)) / size, (-s * (x - cx) + c * (y - cy)) / size
        v = v - 0.10 * np.sin(u * 2.6)
        back, belly, stripe, fin, line = rgb(palette)
        half = 0.36 * np.clip(1 - np.abs((u - 0.1) / 0.92) ** 2.2, 0, 1) ** 0.75
        tail = (u < -0.66) & (u > -1.28 + 0.22 * np.cos(v * 5)) & (np.abs(v) < 0.06 + 0.72 * (-0.62 - u))
        dorsal = (v < 0) & (v > -0.34 - 0.22 * np.clip(1 - ((u - 0.05) / 0.5) ** 2, 0, 1)) & (np.abs(u - 0.05) < 0.5)
        pelvic = (v > 0) & (v < 0.36 + 0.14 * np.clip(1 - ((u - 0.2) / 0.25) ** 2, 0, 1)) & (np.abs(u - 0.2) < 0.25)
        body = np.abs(v) < half
        for part, tint, number in ((tail, fin, 1), (dorsal, fin, 2), (pelvic, fin, 3)):
            reach = ndimage.binary_dilation(part, iterations=max(1, int(4 * unit)))
            paint(reach, line, label + 9)
            paint(part, mix(np.broadcast_to(tint, (h, w, 3)), line, (np.sin((u * 3 + v * 2) * 16) > 0.3) * 0.55), label + number)
        paint(ndimage.binary_dilation(body, iterations=max(1, int(4.5 * unit))), line, label + 10)
        paint(body, mix(np.broadcast_to(back, (h, w, 3)), belly, step(-0.15, 0.22, v)), label)
        scales = body & (u < 0.52) & (np.sin(u * 21 + 3.5 * np.abs(v) * 4) > 0.25)
        paint(scales, mix(np.broadcast_to(stripe, (h, w, 3)), belly, step(0.0, 0.35, v) * 0.6), label + 4)
        paint(body & (np.abs(u - 0.55 + 0.5 * v * v) < 0.035), line, label + 5)
        eye = np.hypot(u - 0.74, v + 0.07)
        paint(eye < 0.085, rgb("fff6dc")[0], label + 6)
        paint(eye < 0.04, rgb("101018")[0], label + 7)

    fish(0.38 * aspect, 0.40, 0.30, -0.18, "b8281f f4d9a0 e8862a 8a1f3a 3a1420", 300)
    fish(0.66 * aspect, 0.73, 0.22, 2.95, "1f6a4a f0e6b0 7fb83a c87a1a 0f2a2a", 330)
    fish(0.20 * aspect, 0.79, 0.15, 0.25, "4a2f8a e8d0e8 b06ac0 d0a030 1f1438", 360)
    frame = np.minimum(np.minimum(x, aspect - x), np.minimum(y, 1 - y))
    run = np.where((np.minimum(x, aspect - x) < np.minimum(y, 1 - y)), y, x)
    for k, (reach, tint) in enumerate(((0.085, "2a1a18"), (0.072, "f0e2c0"), (0.018, "8a2a1f"))):
        paint(frame < reach, rgb(tint)[0], 400 + k)
    paint((frame < 0.062) & (frame > 0.028) & (((run * 9) % 1 + (frame - 0.045) * 9) % 1 < 0.5), rgb("b0341f")[0], 410)
    paint(frame < 0.010, rgb("2a1a18")[0], 420)

    # rows of stones at half-stone distances from the outlines, walked along their tangents
    side = 10 * unit
    away = ndimage.distance_transform_edt(~borders(region))
    soft = blur(away, side * 0.25)
    gy, gx = np.gradient(soft)
    tangent = np.arctan2(gx, -gy)
    row = np.abs((away / side) % 1 - 0.5)
    order = np.argsort((away / side).astype(int) * 10 + x + 0.37 * y, axis=None)
    order = order[row.ravel()[order] < 0.10][:: max(1, int(unit))]
    taken = np.zeros((h, w), bool)
    stones = Image.new("RGB", (w, h), (88, 80, 72))
    bevel = Image.new("L", (w, h), 0)
    pens = ImageDraw.Draw(stones), ImageDraw.Draw(bevel)
    reach = max(1, int(side * 0.40))
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2

    def lay(i: int, j: int, size: float) -> None:
        a = tangent[i, j]
        turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        shape = (corners + rng.normal(0, 0.045, (4, 2))) * size @ turn + (j, i)
        flat = shape.round().astype(int).ravel().tolist()
        tint = np.clip(colour[i, j] * rng.uniform(0.80, 1.16) + rng.normal(0, 0.028, 3), 0, 1)
        pens[0].polygon(flat, fill=tuple((tint * 255).astype(int).tolist()))
        pens[1].polygon(flat, fill=int(rng.integers(170, 255)))

    for size, room in ((side * 0.93, 0.97), (side * 0.62, 0.62)):
        far = int(np.ceil(side * room * 0.5 + reach)) if size > side * 0.8 else int(np.ceil(side * 0.66))
        dy, dx = np.mgrid[-far : far + 1, -far : far + 1]
        for index in order if size > side * 0.8 else rng.permutation(np.arange(0, h * w, 7)):
            i, j = divmod(int(index), w)
            if taken[i, j]:
                continue
            lay(i, j, size)
            c, s = np.cos(tangent[i, j]), np.sin(tangent[i, j])
            grow = side * room * (0.95 if size > side * 0.8 else 1.0)
            near = (np.abs(c * dx + s * dy) < grow) & (np.abs(-s * dx + c * dy) < grow * (0.88 if size > side * 0.8 else 1.0))
            i0, i1, j0, j1 = max(i - far, 0), min(i + far + 1, h), max(j - far, 0), min(j + far + 1, w)
            taken[i0:i1, j0:j1] |= near[i0 - i + far : i1 - i + far, j0 - j + far : j1 - j + far]
    gy, gx = np.gradient(blur(floats(bevel), 0.9 * unit))
    light = np.tanh(-(gx + gy) * 3.2 * unit) * 0.30
    image = (
        floats(stones)
        * (1 + light + 0.16 * (noise(h, w, 3 * unit, rng, 2) - 0.5) + 0.2 * (noise(h, w, 130 * unit, rng) - 0.5))[..., None]
    )
    return finished(image + 0.05 * np.clip(light, 0, 1)[..., None], width, height)


def pointillism(width: int, height: int, seed: int = 9) -> np.ndarray:
    """Points of divided colour, entirely procedural: sails on a river, each tone split into neighbours and complements."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    x, y = coordinates(w, h)
    aspect = w / h
    sx, sy, shore = 0.30 * aspect, 0.30, 0.56
    r = np.hypot(x - sx, y - sy)
    picture = ramp(
        np.clip(r / 0.85 + 0.06 * np.sin(y * 30 + 3 * np.sin(x * 4)), 0, 1),
        rgb("fff6b8 ffd25a f79a5a d8709a 7f6fc0 3f6ac8 2a4aa0"),
    )
    picture = mix(picture, rgb("fffbd8")[0], step(0.065, 0.055, r))
    hills = 0.50 + 0.05 * line_noise(w, 200 * unit, rng)[None] - 0.03 * np.sin(x * 5)
    picture = np.where(
        ((y > hills) & (y < shore))[..., None], ramp(noise(h, w, 30 * unit, rng), rgb("5a4aa0 3f6f9a 7f5fa8 4f8a8a")), picture
    )
    mirror = np.clip((2 * shore - y) / shore, 0, 1)
    up = (mirror * shore * h).astype(int).clip(0, h - 1)
    ripple = (3.5 * unit * np.sin(y * 260 + 6 * np.sin(x * 9)) * (1 + 5 * (y - shore))).astype(int)
    water = picture[up, (np.arange(w)[None] + ripple).clip(0, w - 1)] * 0.86 + 0.02
    water = mix(water, rgb("1f4a9a")[0], step(0.6, 1.1, y) * 0.55 + 0.12 * np.sin(y * 150 + 5 * np.sin(x * 6)))
    picture = np.where((y > shore)[..., None], water, picture)
    for cx, foot, tall, tint in (
        (0.58, 0.66, 0.40, "fff0d0 f0a07a"),
        (0.80, 0.60, 0.22, "ffe0b0 c8608a"),
        (0.44, 0.585, 0.13, "fff6e0 e89a8a"),
    ):
        cx = cx * aspect
        rise = np.clip((foot - y) / tall, 0, 1)
        for sign, wide in ((1, 0.34), (-1, 0.22)):
            belly = wide * tall * (1 - rise) ** 0.8 * (1 + 0.25 * np.sin(rise * 3))
            d = (x - cx) * sign
            sail = (d > 0.004) & (d < belly) & (y < foot - 0.05 * tall) & (rise < (1 if sign > 0 else 0.86))
            picture = np.where(sail[..., None], mix(rgb(tint)[0], rgb(tint)[1], step(0, 0.9, d / (belly + 1e-6))), picture)
            glint = np.abs(x - cx - 0.05 * tall + 0.02 * np.sin(y * 140)) < 0.17 * tall * (1 - step(foot, foot + tall * 0.8, y))
            picture = np.where(
                (glint & (y > foot + 0.06 * tall))[..., None], picture * 0.45 + 0.55 * rgb(tint)[int(sign < 0)], picture
            )
        hull = (
            (y > foot - 0.05 * tall)
            & (y < foot + 0.07 * tall)
            & (np.abs(x - cx) < 0.36 * tall - 1.6 * np.clip(y - foot + 0.03 * tall, 0, 1))
        )
        picture = np.where(hull[..., None], rgb("4a1f4a")[0], picture)
    bank = 0.90 - 0.22 * step(0.55, 1.02, x / aspect) + 0.02 * np.sin(x * 11)
    grass = ramp(np.clip(noise(h, w, 24 * unit, rng) * 1.3 - 0.15, 0, 1), rgb("12384a 1f6a4a 6fa83a d8c83a"))
    picture = np.where((y > bank)[..., None], grass, picture)
    trunk = np.abs(x - 0.90 * aspect - 0.05 * np.sin(y * 4)) < 0.022 + 0.02 * step(0.6, 0.9, y)
    picture = np.where((trunk & (y > 0.2) & (y < 0.86))[..., None], rgb("3a1f4a")[0], picture)
    crown = np.hypot((x - 0.89 * aspect) / 1.25, y - 0.17) + 0.16 * (noise(h, w, 50 * unit, rng) - 0.5) < 0.21
    leaves = ramp(np.clip(noise(h, w, 22 * unit, rng) * 1.5 - 0.25, 0, 1), rgb("142a5a 1a6a5a 4f9a3a e0a83a"))
    picture = np.where(crown[..., None], leaves, picture)

    canvas = Image.new("RGB", (w, h), (236, 222, 190))
    pen = ImageDraw.Draw(canvas)
    for size, share in ((11.0, 1.0), (8.6, 1.0), (6.6, 0.75)):
        points = scattered(w, h, size * unit * 0.80, rng)
        points = points[rng.random(len(points)) < share]
        tint = pick(picture, points)
        tone = grey(tint)[:, None]
        kind = rng.random((len(points), 1))
        split = np.roll(tint, 1, axis=1) * 0.5 + tint * 0.5  # a neighbour on the colour wheel
        warm, cool = rgb("ffb03a 3a3fb0")
        tint = np.where(kind < 0.22, split, tint)
        tint = np.where((kind > 0.80) & (tone > 0.45), tint * 0.55 + warm * 0.45, tint)
        tint = np.where((kind > 0.76) & (tone <= 0.45), tint * 0.5 + cool * 0.5, tint)
        tint = np.where(kind > 0.955, np.clip(2 * tone - tint, 0, 1), tint)  # a complement of the same lightness
        tint = np.clip(mix(np.repeat(tone, 3, 1), tint, np.full(len(tint), 1.35)) + rng.normal(0, 0.045, tint.shape), 0, 1)
        radii = size * unit * rng.uniform(0.36, 0.56, len(points))
        for (px, py), radius, shade in zip(points, radii, (tint * 255).astype(int).tolist(), strict=True):
            pen.ellipse([px - radius, py - radius * 0.88, px + radius, py + radius * 0.88], fill=tuple(shade))
    image = floats(canvas)
    gy, gx = np.gradient(blur(grey(image), 0.7 * unit))
    weave = noise(h, w, 2.4 * unit, rng, 2) - 0.5
    return finished(image * (1 + 0.10 * weave + np.clip((gx + gy) * -0.35, -0.1, 0.1))[..., None], width, height)


def pastel(width: int, height: int, seed: int = 10) -> np.ndarray:
    """Soft pastel over the photograph `chelsea`: coloured sticks dragged over dark toothed paper, which shows through."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    picture = photo("chelsea", w, h, (0.5, 0.4))
    tone = equalised(grey(picture), 0.65)
    picture = np.clip(vivid(picture, 2.0) * ((tone + 0.03) / (grey(picture) + 0.03))[..., None], 0, 1)
    picture = mix(picture, rgb("2f3fa0")[0] * (0.5 + tone[..., None]), step(0.42, 0.1, tone) * 0.55)
    picture = mix(picture, rgb("ff8a3a")[0], step(0.3, 0.5, tone) * step(0.75, 0.55, tone) * 0.15)
    green = step(0.0, 0.12, picture[..., 1] - 0.93 * picture[..., 0]) * step(0.1, 0.3, tone)
    picture = mix(picture, rgb("5fd83a")[0] * (0.4 + tone[..., None]), green * 0.5)
    picture = mix(picture, rgb("c8f0e8")[0], step(0.72, 0.95, tone) * 0.45)
    angle = along_edges(grey(picture), 5 * unit, rng)
    tooth = 0.6 * noise(h, w, 1.7 * unit, rng, 1) + 0.4 * noise(h, w, (2 * unit, 5 * unit), rng, 1)
    tooth = equalised(np.clip(tooth, 0, 1))
    image = rgb("2b3350")[0] * (0.85 + 0.3 * tooth)[..., None]
    for size, hold, jitter in ((15, 0.92, 0.05), (8, 0.86, 0.08), (4.6, 0.80, 0.11), (3.0, 0.74, 0.11)):
        span = size * unit
        aim = blur(picture, span * 0.3)
        starts = scattered(w, h, span * (1.0 if size > 5 else 1.35), rng)
        if size < 5:
            wrong = blur(np.abs(image - aim).mean(-1), 2 * unit)
            starts = starts[pick(wrong, starts) > np.quantile(wrong, 0.35)]
        paths = trace(angle + 0.25 * rng.normal(), starts, 7, span * 0.75)
        colours = pick(aim, starts)
        lengths = lengths_while(np.abs(pick(aim, paths) - colours[:, None]).mean(-1) < 0.13)
        colours = np.clip(colours + rng.normal(0, jitter, (len(starts), 1)) + rng.normal(0, jitter, (len(starts), 3)), 0, 1)
        layer, laid = Image.new("RGB", (w, h)), Image.new("L", (w, h))
        pens = ImageDraw.Draw(layer), ImageDraw.Draw(laid)
        for path, n, shade, press in zip(
            paths, lengths, (colours * 255).astype(int).tolist(), rng.uniform(0.6, 1, len(starts)), strict=True
        ):
            flat = path[:n].round().astype(int).ravel().tolist()
            wide = max(1, round(span * 0.62))
            pens[0].line(flat, tuple(shade), wide, joint="curve")
            pens[1].line(flat, int(255 * press), wide, joint="curve")
        press = blur(floats(laid), 0.8 * unit)
        image = mix(image, floats(layer), step(hold + 0.12, hold - 0.12, tooth + 0.3 * (1 - press)) * (floats(laid) > 0) * 0.94)
    dust = 0.04 * (noise(h, w, 1.5 * unit, rng, 1) - 0.5)
    return finished(image + dust[..., None], width, height)


def skyline(w: int, h: int, base: float, tallest: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Houses in a row: top edge of each column in picture heights, and the number of the house it belongs to."""
    tops, house, x, count = np.full(w, base), np.zeros(w, int), 0, 0
    while x < w:
        wide = int(w * rng.uniform(0.025, 0.075))
        tops[x : x + wide] = base - tallest * rng.beta(1.3, 2.2)
        house[x : x + wide] = count
        x, count = x + wide, count + 1
    return tops, house


def city_lights(width: int, height: int, seed: int = 11) -> np.ndarray:
    """A city at night over a river, as a camera sees it, entirely procedural: deep blue, lit windows, glow, reflections."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    _, y = coordinates(w, h)
    shore = 0.68
    image = ramp(np.clip(y / shore, 0, 1) ** 1.4, rgb("050a1c 0a1636 152a5a 3a3f6e 6a4a52"))
    image = mix(image, rgb("2a3358")[0], 0.5 * step(0.55, 0.8, noise(h, w, (60 * unit, 200 * unit), rng, 5)) * (y < shore))
    light = np.zeros((h, w, 3))
    for k, (base, tallest, shade) in enumerate(((0.64, 0.30, "131a33"), (0.66, 0.42, "0b1022"), (0.68, 0.20, "06080f"))):
        tops, house = skyline(w, h, base, tallest, rng)
        body = (y >= tops) & (y < shore)
        image = np.where(body[..., None], rgb(shade)[0], image)
        pitch_x, pitch_y = 5.5 * unit, 7.5 * unit
        column, row = (np.arange(w) / pitch_x).astype(int), (np.arange(h) / pitch_y).astype(int)
        on = (
            rng.random((row.max() + 1, column.max() + 1))
            < rng.uniform(0.1, 0.55, house.max() + 1)[house[:: int(pitch_x)]][
                np.minimum(np.arange(column.max() + 1), len(house[:: int(pitch_x)]) - 1)
            ]
        )
        inside = ((np.arange(w) % pitch_x > 0.25 * pitch_x)[None] & (np.arange(h) % pitch_y > 0.35 * pitch_y)[:, None]) & body
        warm = ramp(rng.random(on.shape), rgb("ffb45a ffd48a fff0d0 ff9a3a cfe0ff"))
        lit = on[row][:, column] & inside
        light += lit[..., None] * warm[row][:, column] * (0.5 + 0.25 * k)
    lamps = np.zeros((h, w, 3))
    for x in np.arange(0.01, 1, 0.022):
        i, j, r = int((shore - 0.012) * h), int(x * w), max(1, int(1.6 * unit))
        lamps[i - r : i + r, max(0, j - r) : j + r] = rgb("ffae4a")[0] * 2.2
    light += lamps
    image = image + light + 0.9 * blur(light, 5 * unit) + 1.4 * blur(light, 22 * unit)
    row = np.arange(int(shore * h), h)  # the river: the city upside down, stretched, broken by ripples
    sway = (noise(len(row), w, (3 * unit, 26 * unit), rng, 3) - 0.5) * 16 * unit
    source = np.clip(2 * shore * h - row[:, None] + sway, 0, shore * h - 1).astype(int)
    mirror = blur(np.take_along_axis(image, np.repeat(source[..., None], 3, -1), 0), 1.0 * unit)
    mirror = ndimage.uniform_filter(mirror, (int(22 * unit), 1, 1), mode="nearest")
    image[row] = mirror * 0.62 + rgb("04070f")[0] * 0.4
    return finished(np.clip(image + 0.012 * rng.standard_normal((h, w, 1)), 0, 1), width, height)


def sunset(width: int, height: int, seed: int = 12) -> np.ndarray:
    """The sun going down over the sea behind hills, as a camera sees it, entirely procedural."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    x, y = coordinates(w, h)
    aspect, sea = w / h, 0.70
    sun = np.hypot(x - 0.62 * aspect, y - 0.60)
    image = ramp(np.clip(y / sea, 0, 1), rgb("2b2552 5a3a72 a5506f e8724a ffae4f ffd98a"))
    image = image + np.exp(-sun / 0.16)[..., None] * rgb("ff9a40")[0] * 0.55
    for cell, low, colours in ((90, 0.52, "ff8a5a c0506a 6a3a6a"), (55, 0.56, "ffb070 e0605a 8a4068")):
        cloud = noise(h, w, (cell * 0.45 * unit, cell * 2.4 * unit), rng, 6)
        image = mix(
            image, ramp(np.clip(1.5 - 2.4 * y, 0, 1), rgb(colours)), step(low, low + 0.2, cloud) * step(0.66, 0.3, y) * 0.85
        )
    image = mix(image, rgb("fff3c8")[0], step(0.052, 0.046, sun))
    for level, rough, shade in ((0.655, 0.07, "7a3c4e"), (0.675, 0.09, "4a2638")):
        ridge = level - rough * np.abs(line_noise(w, 150 * unit, rng, 6))[None]
        image = mix(image, rgb(shade)[0], step(-0.001, 0.001, y - ridge) * (y < sea))
    row = np.arange(int(sea * h), h)
    depth = ((row / h - sea) / (1 - sea))[:, None]
    sway = (noise(len(row), w, (2.5 * unit, 22 * unit), rng, 3) - 0.5) * (10 + 60 * depth) * unit
    source = np.clip(2 * sea * h - row[:, None] + sway, 0, sea * h - 1).astype(int)
    image[row] = np.take_along_axis(image, np.repeat(source[..., None], 3, -1), 0) * (0.85 - 0.35 * depth)[..., None]
    glint = step(0.60, 0.75, noise(len(row), w, (2 * unit, 12 * unit), rng, 2)) * np.exp(-((x[:1] - 0.62 * aspect) ** 2) / 0.02)
    image[row] = mix(image[row], rgb("ffd890")[0], 0.8 * glint)
    shoreline = 0.90 + 0.05 * line_noise(w, 120 * unit, rng, 5)[None] - 0.10 * step(0.35, 0.0, x / aspect)
    rock = rgb("1c1018")[0] * (0.6 + 0.9 * noise(h, w, 9 * unit, rng, 4))[..., None]
    image = np.where((y > shoreline)[..., None], rock, image)
    return finished(np.clip(image + 0.012 * rng.standard_normal((h, w, 1)), 0, 1), width, height)


def lamplight(width: int, height: int, seed: int = 13) -> np.ndarray:
    """A room in the evening by the light of one lamp, as a camera sees it, entirely procedural: warm glow, deep shadows."""
    rng = np.random.default_rng(seed)
    w, h = width * SCALE, height * SCALE
    unit = max(w, h) / UNIT
    x, y = coordinates(w, h)
    aspect, floor = w / h, 0.74
    lamp = np.hypot((x - 0.30 * aspect) * 0.9, y - 0.36)
    wall = rgb("c98f52")[0] * (0.93 + 0.14 * noise(h, w, 3 * unit, rng, 2))[..., None]
    plank = np.clip((y - floor) / (1 - floor), 0, 1) ** 0.6 * 7
    boards = rgb("8a4f26")[0] * (0.7 + 0.5 * noise(h, w, (4 * unit, 90 * unit), rng, 4))[..., None]
    boards = boards * (1 - 0.5 * step(0.06, 0.0, plank % 1))[..., None]
    image = np.where((y < floor)[..., None], wall, boards)

    def panel(x0: float, x1: float, y0: float, y1: float, colour: np.ndarray, soft: float = 0.003) -> None:
        nonlocal image
        u = x / aspect
        inside = step(x0, x0 + soft, u) * step(x1, x1 - soft, u) * step(y0, y0 + soft, y) * step(y1, y1 - soft, y)
        image = mix(image, colour, inside)

    weave = (0.8 + 0.4 * noise(h, w, 2.2 * unit, rng, 2))[..., None]
    panel(0.0, 1.0, floor - 0.03, floor, rgb("5a3218")[0])
    panel(0.62, 0.90, 0.10, 0.50, rgb("3a2010")[0])
    panel(0.635, 0.885, 0.12, 0.48, ramp(step(0.1, 0.5, y) + 0.2 * noise(h, w, 30 * unit, rng), rgb("101830 1c2a50 2a3a5a")))
    panel(0.755, 0.763, 0.12, 0.48, rgb("3a2010")[0])
    panel(0.46, 0.96, 0.58, 0.86, rgb("7a2c1c")[0] * weave, 0.02)
    panel(0.44, 0.98, 0.70, 0.90, rgb("9a3a22")[0] * weave, 0.02)
    panel(0.52, 0.66, 0.60, 0.74, rgb("d8a040")[0] * weave, 0.02)
    panel(0.20, 0.40, 0.66, 0.69, rgb("4a2812")[0])
    for u in (0.215, 0.375):
        panel(u, u + 0.012, 0.69, 0.90, rgb("3a1e0e")[0])
    panel(0.296, 0.304, 0.42, 0.66, rgb("2a180c")[0])
    panel(0.06, 0.14, 0.44, 0.90, rgb("34401c")[0] * (0.4 + 1.2 * noise(h, w, 8 * unit, rng, 3))[..., None], 0.03)
    lit = 0.10 + 1.25 * np.exp(-((lamp / 0.34) ** 1.3))
    image = image * lit[..., None] ** np.array([0.8, 1.0, 1.25])
    shade = step(0.085, 0.080, np.abs(x - 0.30 * aspect) - 0.10 * (y - 0.30)) * step(0.28, 0.285, y) * step(0.425, 0.42, y)
    image = mix(image, ramp(np.clip((y - 0.28) / 0.14, 0, 1), rgb("ffd890 fff2c8 ffe0a0")), shade)
    image = image + np.exp(-lamp / 0.10)[..., None] * rgb("ff9a3a")[0] * 0.35
    return finished(np.clip(image + 0.014 * rng.standard_normal((h, w, 1)), 0, 1), width, height)


MEDIA: dict[str, Callable[..., np.ndarray]] = {
    "oil": oil,
    "night": night,
    "stained_glass": stained_glass,
    "hatching": hatching,
    "woodcut": woodcut,
    "pop_art": pop_art,
    "watercolour": watercolour,
    "mosaic": mosaic,
    "pointillism": pointillism,
    "pastel": pastel,
    "city_lights": city_lights,
    "sunset": sunset,
    "lamplight": lamplight,
    **THINGS,
}


def main(folder: Path = HERE / "styles", names: list[str] | None = None) -> None:
    """Draws every style (or the named ones) as JPEG into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or MEDIA:
        size, quality = (THING_SIZE, 82) if name in THINGS else (SIZE, 88)
        picture = Image.fromarray(MEDIA[name](*size))
        picture.save(folder / f"{name}.jpg", quality=quality, optimize=True, progressive=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "styles", sys.argv[2:] or None)
