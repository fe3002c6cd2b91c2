"""Drawn pictures of things: cats, a cup, flowers, a pagoda, a rocket.

They are for methods that look for the same thing in both pictures (`analogy`, `oeft`), so each shows what one of the photographs
shows, its parts at about the same places, in a medium of its own. All are procedural: no photograph is read. Functions are
those of `draw.py`: `(width, height, seed) -> uint8 (height, width, 3)`. Places are fractions of the picture's width and height.

What helps matching, found by trying: light and dark, smooth and rough where the photograph has them, hues in the same order
(what is one colour there is one colour here), and no second thing in the picture with the colours of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import CubicSpline

from .brushes import (
    SCALE,
    UNIT,
    Canvas,
    blur,
    coordinates,
    finished,
    floats,
    mix,
    noise,
    paint_over,
    ramp,
    rgb,
    step,
)

Points = list[tuple[float, float]]


def curve(points: Points, closed: bool = False, fine: int = 14) -> np.ndarray:
    """A smooth curve through points, (n, 2)."""
    knots = np.array([*points, points[0]] if closed else points, float)
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(knots, axis=0).T) ** 0.5)]
    spline = CubicSpline(along, knots, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, along[-1], fine * len(points)))


def blade(points: Points, wide: float, ends: float = 0.1) -> np.ndarray:
    """Outline of a brush mark through points, `wide` in the middle and `ends` of that at its ends."""
    path = curve(points)
    along = np.gradient(path, axis=0)
    across = along[:, ::-1] * (-1, 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
    half = wide / 2 * (ends + (1 - ends) * np.sin(np.linspace(0, np.pi, len(path))) ** 0.7)[:, None]
    return np.concatenate([path + across * half, (path - across * half)[::-1]])


class Scene:
    """A picture before it is painted: its colours, and which way the brush goes."""

    def __init__(self, width: int, height: int):
        self.w, self.h = width * SCALE, height * SCALE
        self.unit = max(self.w, self.h) / UNIT
        self.x, self.y = coordinates(self.w, self.h)
        self.u, self.v = self.x * self.h / self.w, self.y
        self.picture = np.zeros((self.h, self.w, 3))
        self.angle = np.zeros((self.h, self.w))

    def inside(self, outline: np.ndarray | Points, soft: float = 0.8) -> np.ndarray:
        """1 inside a polygon, 0 outside, blurred by `soft` units."""
        mask = Image.new("L", (self.w, self.h))
        ImageDraw.Draw(mask).polygon((np.asarray(outline) * (self.w, self.h)).ravel().tolist(), fill=255)
        return blur(floats(mask), soft * self.unit)

    def oval(self, u: float, v: float, wide: float, tall: float, soft: float = 0.8, turn: float = 0.0) -> np.ndarray:
        """1 inside an ellipse about a place, with half axes as fractions of the picture's width and height."""
        t = np.linspace(0, 2 * np.pi, 90)
        ratio = self.h / self.w
        a, b = wide * np.cos(t), tall * ratio * np.sin(t)
        c, s = np.cos(turn), np.sin(turn)
        return self.inside(np.stack([u + c * a - s * b, v + (s * a + c * b) / ratio], -1), soft)

    def lay(self, mask: np.ndarray, colour: np.ndarray, angle: np.ndarray | float | None = None) -> None:
        self.picture = mix(self.picture, colour, mask)
        if angle is not None:
            self.angle = np.where(mask > 0.5, angle, self.angle)

    def away(self, u: float, v: float, flat: float = 1.0) -> np.ndarray:
        """Angle of the direction away from a place; heights count `flat` times."""
        return np.arctan2((self.v - v) * self.h * flat, (self.u - u) * self.w)

    def painted(
        self, widths: list[float], rng: np.random.Generator, light: float = 4, ground: str = "6a4a3a", **kw
    ) -> np.ndarray:
        canvas = Canvas(self.w, self.h, rgb(ground)[0])
        canvas.paint = Image.fromarray((np.clip(blur(self.picture, 8 * self.unit), 0, 1) * 245).astype(np.uint8))
        paint_over(canvas, self.picture, self.angle, widths, self.unit, rng, **kw)
        return canvas.lit(light, 1.2)


def lined(image: np.ndarray, outlines: list[np.ndarray], colour: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Polygons filled over a picture."""
    h, w = image.shape[:2]
    mask = Image.new("L", (w, h))
    pen = ImageDraw.Draw(mask)
    for outline in outlines:
        pen.polygon((outline * (w, h)).ravel().tolist(), fill=int(255 * scale))
    return mix(image, colour, blur(floats(mask), 0.6))


@dataclass(frozen=True)
class Coat:
    """Colours of a drawn cat: several are from dark to light, or from the middle outwards."""

    behind: str = "1c2050 28487c 3878a0 58a0b4 90c8c8"
    fur: str = "7a2410 c0500c e8801c f8a83c fcd080"
    stripes: str = "4a1420"  # "": none
    patches: str = "f8c868 f09a30 fff4dc"  # brow and bridge, cheek, muzzle
    bridge: str = "f8b850"
    mask: str = ""  # over the face's middle
    chest: str = "ecc098 fae0c4 fff4e4"
    ears: str = "c85a14"
    inner: str = "d8587a f490a0 fcc0b0"
    eyes: str = "1c0818 e8f08a b8e04a 6fc040 2a7a3a 1f7a5a"  # ink, four of the iris, its lower half
    nose: str = "f88a70 e0483a 8a1f2a"
    brush: float = 1.0  # times wider strokes
    relief: float = 4.0


GINGER = Coat()
SILVER = Coat(
    behind="3a1030 6a1c40 a83a50 d87860 f4b890",
    fur="2c3644 566474 8694a2 b4c0c8 e4ecee",
    stripes="18202c",
    patches="e4ecee b8c4cc ffffff",
    bridge="a89c98",
    chest="8e9aa6 c8d0d6 f4f6f8",
    ears="66747f",
    inner="9a6878 c89aa4 e8c8cc",
    eyes="10141c ffe890 f4b830 d87818 8a3c10 a85a14",
    nose="d88a80 b05a58 6a2a34",
)
TUXEDO = Coat(
    behind="7a3008 b8600c e09a20 f4c850 fbe8a0",
    fur="06060e 12121e 22243a 3c4460 6c7ca0",
    stripes="",
    patches="fffaf0 2c3048 fffaf0",
    bridge="fff4e8",
    chest="c0c4d8 eceef4 ffffff",
    ears="1a1a2a",
    inner="6a4858 98707c c09aa0",
    eyes="04040a f4f890 d4e040 98b820 4a6a18 6a8a20",
    nose="f0a0a0 d87880 9a4858",
    brush=1.5,
    relief=7.0,
)
SIAMESE = Coat(
    behind="0c3024 1c5838 4a8848 88b460 cce098",
    fur="a8845c d8b88c ecd8b4 f6ead0 fffaee",
    stripes="",
    patches="ecd8b4 fbf0dc 6a4836",
    bridge="5a3a2c",
    mask="2c1812 4a2c20 6a4634",
    chest="c8a884 ecdcc0 fffaf0",
    ears="4a2e22",
    inner="5a3c38 8a6058 b08c80",
    eyes="140c10 c8f0ff 78c8f8 2c88d8 104890 1860a8",
    nose="5a3a34 38201c 1a0c0c",
    brush=0.8,
    relief=2.0,
)


def cat(width: int, height: int, seed: int = 21, coat: Coat = GINGER) -> np.ndarray:
    """A cat's face in its coat, before soft patches of colour."""
    rng = np.random.default_rng(seed)
    s = Scene(width, height)
    w, h, unit, u, v = s.w, s.h, s.unit, s.u, s.v
    drift = noise(h, w, 40 * unit, rng) - 0.5
    # what is behind: broad soft patches, dark at the upper right
    bands = np.clip(noise(h, w, 80 * unit, rng, 1) * 1.5 - 0.2 - 0.55 * step(0.75, 1, u) * step(0.35, 0, v), 0, 1)
    s.picture = ramp(bands, rgb(coat.behind))
    s.angle = 0.5 + 0.8 * noise(h, w, 120 * unit, rng, 2)
    fur = s.away(0.57, 0.56, 1.0) + 0.9 * drift
    grain = noise(h, w, 5 * unit, rng, 3)
    pale, light, white = rgb(coat.patches)

    chest = s.inside(curve([(-0.1, 0.55), (0.1, 0.62), (0.26, 0.8), (0.45, 0.95), (0.7, 0.95), (0.76, 1.2), (-0.1, 1.2)], True))
    whole = 0.3 * chest
    s.lay(chest, ramp(np.clip(0.2 + 0.8 * grain + 0.5 * (v - 0.8), 0, 1), rgb(coat.chest)), 1.9 + 1.2 * drift)
    for ear, inner in (
        (
            [(0.66, 0.08), (0.71, -0.2), (0.9, -0.2), (0.86, 0.09), (0.79, 0.25)],
            [(0.73, 0.07), (0.76, -0.2), (0.87, -0.2), (0.82, 0.1)],
        ),
        ([(0.07, 0.25), (0.08, -0.2), (0.22, -0.2), (0.3, 0.05)], [(0.11, 0.1), (0.11, -0.2), (0.19, -0.2), (0.19, 0.06)]),
    ):
        whole = np.maximum(whole, s.inside(curve(ear, True)))
        s.lay(s.inside(curve(ear, True)), rgb(coat.ears)[0] * (0.7 + 0.5 * grain)[..., None], s.away(0.6, 0.4))
        s.lay(s.inside(curve(inner, True), 3), ramp(grain, rgb(coat.inner)), 1.3 + drift)
    outline: Points = [
        (0.07, 0.3),
        (0.13, 0.1),
        (0.24, -0.06),
        (0.5, -0.12),
        (0.7, 0.02),
        (0.79, 0.2),
        (0.825, 0.42),
        (0.80, 0.6),
    ]
    outline += [(0.745, 0.78), (0.68, 0.93), (0.57, 0.985), (0.44, 0.97), (0.3, 0.86), (0.16, 0.74), (0.07, 0.56)]
    head = s.inside(curve(outline, True))
    whole = np.maximum(whole, head)
    depth = ndimage.distance_transform_edt(head > 0.5) / h
    tone = 0.25 + 0.9 * step(0, 0.3, depth) * 0.55 + 0.35 * (grain - 0.5) + 0.25 * drift
    s.lay(head, ramp(np.clip(tone, 0, 1), rgb(coat.fur)), fur)
    if coat.mask:
        s.lay(s.oval(0.56, 0.66, 0.19, 0.36, soft=22) * head * 0.95, ramp(grain, rgb(coat.mask)))
    for place, tint, strength in (
        ((0.575, 0.5, 0.055, 0.3), pale, 0.75),  # bridge of the nose
        ((0.36, 0.22, 0.09, 0.05), pale, 0.7),
        ((0.71, 0.3, 0.05, 0.05), pale, 0.7),
        ((0.20, 0.45, 0.1, 0.07), light, 0.6),
        ((0.46, 0.86, 0.12, 0.1), white, 0.95),  # muzzle
        ((0.665, 0.85, 0.06, 0.1), white, 0.95),
        ((0.56, 0.95, 0.09, 0.05), white, 0.9),
    ):
        s.lay(s.oval(*place, soft=9) * head * strength, tint * (0.9 + 0.2 * grain)[..., None])
    bridge = s.inside(curve([(0.5, 0.55), (0.58, 0.5), (0.64, 0.55), (0.645, 0.74), (0.53, 0.74)], True), 6)
    s.lay(bridge * 0.5, rgb(coat.bridge)[0])

    stripes: list[tuple[Points, float]] = [
        ([(0.46, 0.3), (0.455, 0.2), (0.43, 0.08), (0.42, -0.1)], 0.022),
        ([(0.515, 0.3), (0.51, 0.17), (0.50, 0.05), (0.50, -0.1)], 0.02),
        ([(0.565, 0.28), (0.565, 0.17), (0.57, 0.05), (0.575, -0.1)], 0.02),
        ([(0.61, 0.28), (0.62, 0.17), (0.635, 0.07), (0.65, -0.08)], 0.02),
        ([(0.665, 0.28), (0.68, 0.18), (0.70, 0.1), (0.72, 0.02)], 0.02),
        ([(0.40, 0.2), (0.37, 0.1), (0.34, -0.06)], 0.02),
        ([(0.32, 0.2), (0.28, 0.1), (0.25, 0.0)], 0.018),
        ([(0.29, 0.31), (0.2, 0.27), (0.09, 0.36)], 0.03),
        ([(0.28, 0.47), (0.19, 0.53), (0.07, 0.47)], 0.032),
        ([(0.32, 0.60), (0.22, 0.655), (0.1, 0.6)], 0.03),
        ([(0.36, 0.71), (0.28, 0.76), (0.18, 0.72)], 0.022),
        ([(0.46, 0.5), (0.485, 0.6), (0.50, 0.72)], 0.022),
        ([(0.66, 0.54), (0.655, 0.64), (0.655, 0.72)], 0.016),
        ([(0.755, 0.52), (0.79, 0.53), (0.82, 0.5)], 0.03),
        ([(0.73, 0.63), (0.765, 0.65), (0.80, 0.62)], 0.03),
        ([(0.71, 0.74), (0.74, 0.75), (0.76, 0.73)], 0.024),
        ([(0.05, 0.75), (0.1, 0.83), (0.2, 0.9)], 0.03),
        ([(0.0, 0.86), (0.07, 0.95), (0.17, 1.05)], 0.03),
        ([(0.0, 0.66), (0.04, 0.7), (0.1, 0.72)], 0.025),
    ]
    for points, wide in stripes if coat.stripes else ():
        s.lay(s.inside(blade(points, wide * 1.25, 0.2), 1.2), rgb(coat.stripes)[0] * (0.8 + 0.5 * grain)[..., None], fur)
    # eyes: dark lids
    ink, *iris, low = rgb(coat.eyes)
    for (eu, ev, a, b), turn, corner in (
        ((0.38, 0.385, 0.077, 0.1), 0.12, [(0.42, 0.33), (0.465, 0.50), (0.40, 0.49)]),
        ((0.705, 0.45, 0.055, 0.09), -0.15, [(0.665, 0.42), (0.648, 0.535), (0.70, 0.53)]),
    ):
        s.lay(s.oval(eu, ev, a * 1.22, b * 1.22, 2, turn), ink, s.away(eu, ev) + np.pi / 2)
        s.lay(s.inside(corner, 1.5), ink)
        ring = np.hypot((u - eu) / a, (v - ev) / b)
        colour = ramp(np.clip(ring + 0.25 * (noise(h, w, 6 * unit, rng) - 0.5), 0, 1), np.array(iris))
        s.lay(s.oval(eu, ev, a, b, 0.8, turn), mix(colour, low, step(0.2, -0.6, (v - ev) / b) * 0.5))
        s.lay(s.oval(eu + 0.003, ev - 0.005, a * 0.30, b * 0.68, 0.8), ink, np.pi / 2)
        s.lay(s.oval(eu - 0.012, ev - 0.035, a * 0.17, b * 0.22, 0.6), np.ones(3))
    nose = curve([(0.53, 0.768), (0.585, 0.752), (0.645, 0.765), (0.63, 0.815), (0.585, 0.875), (0.552, 0.82)], True)
    s.lay(s.inside((nose - (0.585, 0.81)) * 1.14 + (0.585, 0.81)), ink)
    s.lay(s.inside(nose), ramp(np.clip((v - 0.75) * 8 + 0.3 * (grain - 0.5), 0, 1), rgb(coat.nose)), 0.3)
    image = s.painted([coat.brush * size for size in (15, 8, 4.6, 2.8)], rng, coat.relief, "2a1f3a", error=0.05, jitter=0.035)
    image = mix(blur(image, 5 * unit), image, whole)  # wet in wet

    lines = [blade([(0.583, 0.87), (0.578, 0.91), (0.56, 0.935), (0.50, 0.955), (0.43, 0.94)], 0.008, 0.4)]
    lines += [blade([(0.578, 0.91), (0.60, 0.935), (0.66, 0.925)], 0.007, 0.4)]
    lines += [blade([(0.285, 0.40), (0.31, 0.29), (0.38, 0.265), (0.44, 0.33), (0.47, 0.5)], 0.010, 0.2)]
    lines += [blade([(0.645, 0.54), (0.655, 0.42), (0.70, 0.355), (0.75, 0.38), (0.765, 0.44)], 0.009, 0.2)]
    for row in range(3):
        for place in np.linspace(0.39, 0.48, 5) + 0.012 * row:
            lines.append(blade([(place, 0.80 + 0.035 * row), (place - 0.012, 0.81 + 0.035 * row)], 0.009, 0.5))
    lines += [blade([*curve(outline[a : a + 3])[[0, 20, 41]]], 0.006, 0.1) for a in range(4, 13, 2)]
    image = lined(image, lines, ink)
    fan = []
    for k, end in enumerate([(-0.02, 0.74), (-0.02, 0.82), (-0.02, 0.90), (0.02, 1.0), (0.10, 1.03), (0.2, 1.03), (0.28, 1.03)]):
        start = (0.40 + 0.01 * k, 0.81 + 0.018 * k)
        bend = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.04)
        fan.append(blade([start, bend, end], 0.0055, 0.15))
    for k, end in enumerate([(0.93, 0.84), (0.94, 0.92), (0.90, 1.0), (0.82, 1.03)]):
        start = (0.68, 0.82 + 0.02 * k)
        fan.append(blade([start, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.03), end], 0.005, 0.15))
    fan += [blade([(0.70, 0.24), (0.73, 0.1), (0.78, -0.02)], 0.004), blade([(0.68, 0.22), (0.70, 0.08), (0.74, -0.02)], 0.004)]
    return finished(lined(image, fan, rgb("fff8e0")[0]), width, height)


def cup(width: int, height: int, seed: int = 22) -> np.ndarray:
    """Thick oil: a crimson cup of coffee on its saucer with a spoon, on a table of golden planks."""
    rng = np.random.default_rng(seed)
    s = Scene(width, height)
    w, h, unit, u, v = s.w, s.h, s.unit, s.u, s.v
    grain = noise(h, w, 6 * unit, rng, 3)
    # table: planks to the upper right, and the dark room beyond
    slope = -0.50
    across = s.y - slope * s.x
    plank = np.floor((across + 0.03) / 0.23)
    fibre = noise(h, w, 30 * unit, rng) * 0.06
    wood = np.clip(0.45 + 0.35 * np.sin((across + fibre) * 90) * noise(h, w, 25 * unit, rng) + 0.5 * (grain - 0.5), 0, 1)
    wood = np.clip(wood + 0.16 * np.sin(plank * 2.3), 0, 1)
    s.picture = ramp(wood, rgb("7a3a10 c87018 e89a20 f8c83c fff0a0"))
    gap = np.abs(((across + 0.03) / 0.23 + 0.5) % 1 - 0.5)
    s.lay(step(0.05, 0.02, gap), rgb("5a2818")[0])
    s.angle = np.full((h, w), np.arctan(slope)) + 0.3 * (noise(h, w, 50 * unit, rng) - 0.5)
    room = step(0.02, -0.01, (s.u / 0.30 + s.v / 0.27) - 1)
    s.lay(room, ramp(grain, rgb("10103a 2a2a6a 4a3a8a")), 0.5)
    # saucer with its shadow
    centre, round_ = (0.465, 0.555), s.away(0.465, 0.555, 1.2) + np.pi / 2
    s.lay(s.oval(0.49, 0.62, 0.345, 0.41, 8) * 0.75, rgb("0c2038")[0])
    ring = np.hypot((u - centre[0]) / 0.335, (v - centre[1]) / 0.415)
    s.lay(
        s.oval(*centre, 0.335, 0.415),
        ramp(np.clip(0.5 * ring + 0.5 * (grain - 0.3), 0, 1), rgb("6a0830 a81048 d8285a f05a7a")),
        round_,
    )
    lit = step(0.2, 1, np.cos(s.away(*centre) + 2.4))
    s.lay(step(0.93, 0.955, ring) * step(1.0, 0.985, ring), mix(rgb("4a0628")[0], rgb("ffd0d8")[0], lit), round_)
    s.lay(step(0.80, 0.83, ring) * step(0.88, 0.85, ring) * 0.7, rgb("f888a0")[0], round_)
    s.lay(s.oval(0.44, 0.69, 0.19, 0.17, 7) * 0.8, rgb("2a0428")[0])
    s.lay(s.inside(blade([(0.18, 0.42), (0.15, 0.55), (0.20, 0.72)], 0.02), 2) * 0.8, rgb("ffc0d0")[0])
    # cup: body, handle, lip, inside, coffee
    deep = rgb("30062a")[0]
    body = curve(
        [
            (0.29, 0.28),
            (0.30, 0.44),
            (0.345, 0.57),
            (0.42, 0.67),
            (0.52, 0.68),
            (0.60, 0.60),
            (0.66, 0.45),
            (0.685, 0.25),
            (0.48, 0.1),
        ],
        True,
    )
    shade = np.clip(1.1 - np.abs(u - 0.38) * 3.4 - (v - 0.4) * 0.8 + 0.5 * (grain - 0.5), 0, 1)
    s.lay(s.inside(body), ramp(shade, rgb("3a0630 7a0c40 c01c50 f0607a")), s.away(0.487, 0.28, 1.2) + np.pi / 2)
    handle = blade([(0.395, 0.565), (0.365, 0.64), (0.355, 0.75)], 0.082, 0.75)
    s.lay(s.inside((handle - (0.36, 0.65)) * 1.1 + (0.362, 0.66)), deep)
    s.lay(s.inside(handle), ramp(np.clip(1.6 - (u - 0.32) * 14, 0, 1), rgb("6a0838 d02050 ff7a90")), 1.8)
    s.lay(s.inside(blade([(0.375, 0.60), (0.35, 0.66)], 0.02, 0.5), 1.5), rgb("f8fcff")[0])
    s.lay(
        s.oval(0.487, 0.283, 0.199, 0.24),
        rgb("f8f4e8")[0] * (0.9 + 0.15 * grain)[..., None],
        s.away(0.487, 0.28, 1.2) + np.pi / 2,
    )
    s.lay(s.oval(0.487, 0.283, 0.199, 0.24) - s.oval(0.487, 0.28, 0.192, 0.232), rgb("8a98c8")[0])
    inner = s.oval(0.487, 0.272, 0.172, 0.205)
    s.lay(
        inner,
        ramp(np.clip(0.15 + (u - 0.33) * 2.6 + 0.4 * (grain - 0.5), 0, 1), rgb("8a86b8 c8bcd0 f0e4d8 fffaf0")),
        s.away(0.487, 0.27, 1.2) + np.pi / 2,
    )
    coffee = s.oval(0.475, 0.365, 0.14, 0.135) * inner
    swirl = np.clip(
        0.55 + 0.45 * np.sin(26 * np.hypot((u - 0.48) * 1.5, v - 0.37) + 1.2 * s.away(0.48, 0.37)) + 0.5 * (grain - 0.5), 0, 1
    )
    s.lay(coffee, ramp(swirl, rgb("5a2410 9a4a18 d8862a f0b860")), s.away(0.48, 0.37, 1.2) + np.pi / 2)
    rim = coffee - s.oval(0.477, 0.372, 0.128, 0.12) * coffee
    s.lay(np.clip(rim, 0, 1), rgb("3a1408")[0])
    s.lay(s.inside(blade([(0.44, 0.30), (0.52, 0.295), (0.565, 0.36)], 0.008), 1), rgb("fff0c8")[0])
    # spoon
    silver = ramp(np.clip(0.5 + 0.5 * np.sin((u * 1.5 + v) * 34) + 0.4 * (grain - 0.5), 0, 1), rgb("3a3a5a 8a8ab0 d0d4e8 ffffff"))
    s.lay(
        s.inside(blade([(0.695, 0.18), (0.68, 0.3), (0.65, 0.47), (0.62, 0.62)], 0.03, 0.7)) * (1 - s.inside(body)), silver, 1.8
    )
    s.lay(s.oval(0.695, 0.20, 0.02, 0.05, turn=0.3) * (1 - s.inside(body)), silver)
    s.lay(s.oval(0.612, 0.725, 0.068, 0.105, 1, 0.3), rgb("2a2440")[0])
    ball = np.hypot((u - 0.60) / 0.07, (v - 0.70) / 0.11)
    s.lay(
        s.oval(0.61, 0.71, 0.064, 0.1, 1, 0.3),
        ramp(np.clip(ball + 0.4 * (grain - 0.5), 0, 1), rgb("ffffff c8d0e8 7a80a8 3a3a60")),
        s.away(0.61, 0.71) + np.pi / 2,
    )
    image = s.painted([15, 9, 5.5, 3.6], rng, 6, "3a2a2a", error=0.055, jitter=0.045)
    return finished(image, width, height)


def petals(
    centre: tuple[float, float], radius: float, aspect: float, rng: np.random.Generator
) -> list[tuple[np.ndarray, float, float, float]]:
    """Petals of a dahlia, outermost first: outline, how far out (0 to 1), direction, and a random number each."""
    rings = [
        (1.0, 18, 0.36),
        (0.86, 17, 0.36),
        (0.70, 15, 0.33),
        (0.54, 13, 0.28),
        (0.39, 12, 0.2),
        (0.28, 11, 0.14),
        (0.19, 9, 0.1),
        (0.11, 6, 0.07),
    ]
    out = []
    for number, (far, count, long) in enumerate(rings):
        for k in range(count):
            theta = 2 * np.pi * (k + 0.5 * (number % 2)) / count + rng.normal(0, 0.03)
            wide = 2 * np.pi * far / count * 0.60
            t = np.linspace(-1, 1, 15)
            along = np.concatenate([far - long * (t[::-1] + 1) * 0.72, far - long * (t + 1) * 0.72])
            half = wide * np.sqrt(np.clip(1 - np.abs(t) ** 2.4, 0, 1)) * (1 - 0.22 * (t + 1) / 2)
            side = np.concatenate([half[::-1], -half])
            x = radius * (along * np.cos(theta) - side * np.sin(theta))
            y = radius * (along * np.sin(theta) + side * np.cos(theta))
            out.append((np.stack([centre[0] + x / aspect, centre[1] + y], -1), far, theta, rng.random()))
    return out


def glass_dahlia(width: int, height: int, seed: int = 23) -> np.ndarray:
    """Stained glass: a rose dahlia with a red heart before dark leaded pieces, light coming through uneven glass."""
    rng = np.random.default_rng(seed)
    s = Scene(width, height)
    w, h, unit, u, v = s.w, s.h, s.unit, s.u, s.v
    aspect = w / h
    # background: bent pieces in blue and green, from Voronoi cells
    count = 70
    seeds = rng.random((count, 2)) * (aspect, 1)
    bent = np.stack([s.x + 0.05 * (noise(h, w, 90 * unit, rng) - 0.5), s.y + 0.05 * (noise(h, w, 90 * unit, rng) - 0.5)], -1)
    cell = np.full((h, w), 0)
    nearest = np.full((h, w), 9.0)
    for k, place in enumerate(seeds):
        d = np.hypot(*np.moveaxis(bent - place, -1, 0))
        cell = np.where(d < nearest, k, cell)
        nearest = np.minimum(nearest, d)
    shades = ramp(rng.random(count), rgb("081c3a 0c2c50 0a3c48 0c4a4a 0a2458 125a58"))
    s.picture = shades[cell] * (0.75 + 0.5 * noise(h, w, 40 * unit, rng))[..., None]

    def edge(labels: np.ndarray) -> np.ndarray:
        return (np.abs(np.diff(labels, axis=0, prepend=labels[:1])) + np.abs(np.diff(labels, axis=1, prepend=labels[:, :1]))) > 0

    lines = ndimage.distance_transform_edt(~edge(cell)) < 1.7 * unit

    def piece(outline: np.ndarray, colour: np.ndarray, thick: float) -> None:
        nonlocal lines
        mask = s.inside(outline, 0.5)
        s.lay(mask, colour)
        flat = [tuple(p) for p in (np.concatenate([outline, outline[:1]]) * (w, h)).tolist()]
        lines &= mask < 0.5
        stroke = Image.new("L", (w, h))
        ImageDraw.Draw(stroke).line(flat, 255, max(1, round(thick * unit)), joint="curve")
        lines |= floats(stroke) > 0.5

    for points, tint in (
        ([(0.0, 0.12), (0.2, 0.16), (0.19, 0.45), (0.05, 0.72), (-0.05, 0.6)], "0c4a48"),
        ([(0.72, -0.05), (0.86, 0.05), (0.93, 0.25), (0.8, 0.34), (0.72, 0.2)], "0f5850"),
        ([(0.78, 0.62), (0.95, 0.5), (1.05, 0.7), (0.9, 0.9)], "0a4040"),
        ([(0.1, 0.75), (0.25, 0.8), (0.3, 1.05), (0.05, 1.05)], "104838"),
        ([(0.3, -0.05), (0.45, -0.05), (0.40, 0.12), (0.28, 0.14)], "0c5058"),
    ):
        whole = curve(points, True)
        piece(whole, rgb(tint)[0] * (0.7 + 0.6 * noise(h, w, 30 * unit, rng))[..., None], 4.5)
        middle = whole.mean(0)
        for target in whole[:: len(whole) // 6]:
            piece(blade([tuple(middle), tuple((middle + target) / 2 + 0.005), tuple(target)], 0.004), rgb("0a0a10")[0], 1)
    piece(blade([(0.465, 0.7), (0.46, 0.9), (0.44, 1.1)], 0.03, 0.9), rgb("4fa03a")[0], 4)
    for centre, radius in (((0.565, 1.06), 0.22), ((0.48, 0.52), 0.345)):
        for outline, far, _, chance in petals(centre, radius, aspect, rng):
            out = np.hypot((u - centre[0]) * aspect, v - centre[1]) / radius
            tone = np.clip((out - far) * 3.2 + 0.95 + 0.3 * (chance - 0.5), 0, 1)
            tint = ramp(np.array(np.clip(far + 0.12 * (chance - 0.5), 0, 1)), rgb("a00818 d81430 f03a6a f468a0 f080c0 f0a0d8"))
            bright = ramp(tone, np.stack([tint * 0.45, tint * 0.85, np.clip(tint * 1.05, 0, 1), np.clip(tint + 0.12, 0, 1)]))
            piece(outline, bright, 3.4 if far > 0.4 else 2.2)
    # glass: bubbles and streaks; lead: round bars that catch light
    streak = noise(h, w, (5 * unit, 22 * unit), rng, 3) - 0.5 + 0.7 * (noise(h, w, 3 * unit, rng, 2) - 0.5)
    image = np.clip(s.picture * (1 + 0.55 * streak)[..., None], 0, 1)
    bar = blur(lines.astype(float), 0.7 * unit)
    gy, gx = np.gradient(blur(lines.astype(float), 1.3 * unit))
    image = image * (1 - 0.5 * blur(lines.astype(float), 3 * unit))[..., None] * 1.2
    shine = np.clip(-(gx + gy) * 1.6 * unit, 0, 0.5)
    image = mix(image, rgb("12121a")[0] + shine[..., None] * 0.6, np.clip(bar * 1.4, 0, 1))
    return finished(image, width, height)


def oil_dahlia(width: int, height: int, seed: int = 26) -> np.ndarray:
    """Thick oil: a yellow dahlia with an orange heart, each petal a few loaded strokes, before dark blue leaves."""
    rng = np.random.default_rng(seed)
    s = Scene(width, height)
    w, h, unit, u, v = s.w, s.h, s.unit, s.u, s.v
    aspect = w / h
    grain = noise(h, w, 5 * unit, rng, 3)
    s.picture = ramp(np.clip(1.3 * noise(h, w, 70 * unit, rng, 3) - 0.15, 0, 1), rgb("0a0f38 101c5a 1a3480 14486a 1c5a6a"))
    s.angle = 3 * np.pi * noise(h, w, 110 * unit, rng, 2)
    for points in (
        [(-0.05, 0.25), (0.1, 0.2), (0.21, 0.17), (0.2, 0.4), (0.1, 0.6), (-0.05, 0.7)],
        [(0.74, -0.05), (0.86, 0.03), (0.92, 0.22), (0.8, 0.3), (0.73, 0.15)],
        [(0.78, 0.62), (0.95, 0.5), (1.05, 0.7), (0.9, 0.95)],
    ):
        leaf = curve(points, True)
        tone = np.clip(0.5 + 0.35 * np.sin(60 * (u * 0.8 - v * 0.6)) + 0.4 * (grain - 0.5), 0, 1)
        s.lay(s.inside(leaf, 6) * 0.8, ramp(tone, rgb("0a2a48 104858 186858")), 0.9)
    s.lay(s.inside(blade([(0.465, 0.7), (0.46, 0.9), (0.44, 1.1)], 0.03, 0.9)), rgb("2f6a4a")[0], np.pi / 2)
    for centre, radius in (((0.565, 1.06), 0.22), ((0.48, 0.52), 0.335)):
        for outline, far, theta, chance in petals(centre, radius, aspect, rng):
            out = np.hypot((u - centre[0]) * aspect, v - centre[1]) / radius
            tone = np.clip((out - far) * 3.0 + 1.0 + 0.2 * (chance - 0.5) + 0.3 * (grain - 0.5), 0, 1)
            base, tip = (
                ramp(np.array([far, far]), rgb("7a0c10 a81c10 d04a10 d87018")),
                ramp(np.array(far), rgb("e83a10 f88018 fcb828 ffe060 fff0a0")),
            )
            middle = outline.mean(0)
            s.lay(s.inside((outline - middle) * 1.1 + middle, 0.6), base[0] * 0.55)
            s.lay(s.inside(outline, 0.6), ramp(tone, np.stack([base[0] * 0.8, base[1], tip, np.clip(tip + 0.1, 0, 1)])), theta)
    return finished(s.painted([13, 7, 4, 2.4], rng, 6, "1a1c4a", error=0.05, jitter=0.035), width, height)


def woodblock_pagoda(width: int, height: int, seed: int = 24) -> np.ndarray:
    """Colour woodblock print: a pagoda of four roofs above a lake, among trees; flat inks, indigo lines, grain of the block."""
    rng = np.random.default_rng(seed)
    s = Scene(width, height)
    w, h, unit, u, v = s.w, s.h, s.unit, s.u, s.v
    dusk = ramp(np.clip(v / 0.5 + 0.02 * np.sin(u * 40), 0, 1), rgb("5a96c4 7cb0d0 98c2d4 b0d0d4 c8dcd0 e0e0c4"))
    s.picture = dusk
    for cu, cv, wide in ((0.75, 0.12, 0.2), (0.62, 0.24, 0.13), (0.9, 0.30, 0.14), (0.06, 0.14, 0.1), (0.55, 0.06, 0.08)):
        cloud = np.hypot((u - cu) / wide, (v - cv) / 0.022) + 0.9 * (noise(h, w, (10 * unit, 60 * unit), rng) - 0.5)
        s.lay(step(1.2, 0.6, cloud) * 0.8, rgb("fff6e0")[0])
    for level, tint, rough in ((0.455, "8aa0b8", 0.022), (0.475, "5a80a0", 0.016)):
        top = level - rough * np.abs(np.sin(u * 9 + level * 90)) - rough * 0.5 * np.sin(u * 31)
        s.lay(step(-0.002, 0.002, v - top), rgb(tint)[0])
    lake = step(0.483, 0.487, v)
    s.lay(lake, ramp(np.clip((v - 0.48) * 2.6, 0, 1), rgb("c0d8cc 7fb8c0 3f88b0 1f5890")))
    wave = np.sin(v * 330 + 2.6 * np.sin(u * 60 + v * 50)) > 0.86 - 0.4 * (noise(h, w, (8 * unit, 50 * unit), rng) - 0.4)
    s.lay(lake * blur(wave.astype(float), 0.7) * 0.7, rgb("f0f4e0")[0])
    base = Image.fromarray((np.clip(s.picture, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(base)
    scale = np.array([w, h])
    ink = (24, 26, 60)
    thin, bold = max(1, round(1.3 * unit)), max(1, round(2.6 * unit))

    def flat(points: np.ndarray | Points, tint: str | None, edge: int = thin) -> None:
        at = [tuple(p) for p in (np.asarray(points) * scale).tolist()]
        if tint is not None:
            pen.polygon(at, fill="#" + tint)
        pen.line([*at, at[0]], ink, edge, joint="curve")

    def storey(left: float, right: float, top: float, foot: float, bend: float) -> None:
        """Three faces of red posts and lattice over dark rooms, and a pale rail."""
        corners = np.array([left, left + 0.30 * (right - left), left + 0.78 * (right - left), right])
        drop = np.array([0, bend, bend, 0])
        for k, (wall, room) in enumerate((("a83a2c", "3a1420"), ("d0503a", "5a1c24"), ("902c28", "2c1020"))):
            a, b = corners[k], corners[k + 1]
            c, d = drop[k], drop[k + 1]
            flat([(a, top + c), (b, top + d), (b, foot + d), (a, foot + c)], wall)
            tall = foot - top
            bays = 4 if k == 1 else 3
            for n in range(bays):
                p, q = (n + 0.16) / bays, (n + 0.84) / bays
                px, qx, py, qy = a + (b - a) * p, a + (b - a) * q, c + (d - c) * p, c + (d - c) * q
                door = [
                    (px, top + py + 0.25 * tall),
                    (qx, top + qy + 0.25 * tall),
                    (qx, foot + qy - 0.2 * tall),
                    (px, foot + py - 0.2 * tall),
                ]
                flat(door, room)
                pen.line([((px + qx) / 2 * w, door[0][1] * h), ((px + qx) / 2 * w, door[2][1] * h)], (224, 120, 70), thin)
                pen.line([(px * w, (door[0][1] + 0.2 * tall) * h), (qx * w, (door[1][1] + 0.2 * tall) * h)], (224, 120, 70), thin)
            for low, high, tint in ((0.0, 0.13, "2f8a80"), (0.86, 1.0, "f4dca0")):
                flat(
                    [
                        (a, top + c + low * tall),
                        (b, top + d + low * tall),
                        (b, top + d + high * tall),
                        (a, top + c + high * tall),
                    ],
                    tint,
                )

    def roof(top: Points, eaves: Points, tiles: tuple[int, int, int]) -> None:
        """Three faces that sag between ridges: rows of tiles, teal ridges with upturned ends, a teal edge with studs."""
        upper, lower = np.array(top), np.array(eaves)

        def rib(face: int, t: float, sag: float = 0.016) -> np.ndarray:
            a = upper[face] + (upper[face + 1] - upper[face]) * t
            b = lower[face] + (lower[face + 1] - lower[face]) * t + (0, 0.014 * np.sin(np.pi * t))
            r = np.linspace(0, 1, 9)[:, None]
            return a + (b - a) * r + np.sin(np.pi * r) * (0, sag)

        for face, tint in enumerate(("d07028", "f09838", "b85a24")):
            ribs = [rib(face, t) for t in np.linspace(0, 1, tiles[face])]
            skirt = np.array([r[-1] for r in ribs])
            flat(np.concatenate([ribs[0], skirt, ribs[-1][::-1]]), tint)
            for k, r in enumerate(ribs):
                pen.line((r * scale).ravel().tolist(), ink if k % 2 else (255, 206, 120), thin)
            band = np.concatenate([skirt, skirt[::-1] + np.array([0, 0.016])])
            flat(band, "1f7a78")
            for place in skirt + np.array([0, 0.014]):
                x, y = place * scale
                r = 1.9 * unit
                pen.ellipse([x - r, y - r, x + r, y + r], fill=(150, 210, 180), outline=ink)
        for corner in range(4):
            r = rib(min(corner, 2), float(corner == 3))
            out = np.sign(corner - 1.5) * 0.012
            tip = np.concatenate([r, [r[-1] + (out, -0.012)]])
            pen.line((tip * scale).ravel().tolist(), ink, bold * 3, joint="curve")
            pen.line((tip * scale).ravel().tolist(), (47, 148, 136), max(1, int(bold * 1.7)), joint="curve")

    roof(
        [(0.12, 0.815), (0.20, 0.83), (0.43, 0.83), (0.52, 0.80)],
        [(0.07, 0.87), (0.20, 0.93), (0.45, 0.925), (0.575, 0.85)],
        (9, 19, 10),
    )
    storey(0.125, 0.51, 0.665, 0.80, 0.025)
    roof(
        [(0.15, 0.575), (0.22, 0.59), (0.41, 0.59), (0.49, 0.57)],
        [(0.095, 0.63), (0.21, 0.685), (0.425, 0.68), (0.55, 0.625)],
        (9, 19, 10),
    )
    storey(0.155, 0.485, 0.44, 0.565, 0.022)
    roof(
        [(0.18, 0.37), (0.245, 0.385), (0.395, 0.385), (0.465, 0.37)],
        [(0.125, 0.405), (0.23, 0.46), (0.412, 0.455), (0.52, 0.405)],
        (8, 17, 9),
    )
    storey(0.19, 0.455, 0.295, 0.37, 0.018)
    roof(
        [(0.31, 0.125), (0.316, 0.125), (0.324, 0.125), (0.33, 0.125)],
        [(0.145, 0.275), (0.24, 0.315), (0.40, 0.312), (0.50, 0.275)],
        (8, 15, 9),
    )
    for cv, wide, tall, tint in ((0.12, 0.02, 0.02, "2f8a80"), (0.095, 0.012, 0.025, "e8a838"), (0.07, 0.016, 0.012, "f8c850")):
        t = np.linspace(0, 2 * np.pi, 24)
        flat(np.stack([0.32 + wide * np.cos(t), cv + tall * np.sin(t)], -1), tint)

    def tree(clumps: list[tuple[float, float, float]], tints: str) -> None:
        """Foliage from the back to the front: round clumps, dark below, light above, each with leaf marks."""
        dark, mid, light = [tuple((c * 255).astype(int).tolist()) for c in rgb(tints)]
        for cu, cv, size in clumps:
            for _ in range(3):
                r = size * h * rng.uniform(0.6, 1.0)
                x, y = cu * w + rng.normal(0, 0.35) * size * h, cv * h + rng.normal(0, 0.35) * size * h
                pen.ellipse([x - r, y - 0.8 * r, x + r, y + 0.8 * r], fill=dark, outline=ink, width=thin)
                pen.ellipse([x - 0.85 * r, y - 0.72 * r, x + 0.7 * r, y + 0.35 * r], fill=mid)
                for _ in range(int(12 * size / 0.03)):
                    a, d = rng.uniform(0, 2 * np.pi), rng.random() ** 0.5 * r * 0.9
                    px, py, q = x + d * np.cos(a), y + 0.75 * d * np.sin(a), rng.uniform(1.6, 3.0) * unit
                    pen.ellipse([px - q, py - 0.6 * q, px + q, py + 0.6 * q], fill=light if py < y + 0.1 * r else ink)

    left = [(rng.uniform(-0.02, 0.10), rng.uniform(0.42, 0.72), 0.03) for _ in range(26)]
    tree(sorted(left, key=lambda c: c[1]), "1f4a3a 6f9a3a d8d060")
    trunk = [(0.925, 1.05), (0.935, 0.7), (0.94, 0.35), (0.945, 0.35), (0.955, 0.7), (0.96, 1.05)]
    flat(trunk, "4a2a20")
    tall = [(0.94 + rng.normal(0, 0.036) * (0.3 + 1.3 * (t := rng.random())), 0.34 + 0.68 * t, 0.026) for _ in range(80)]
    tree(sorted(tall, key=lambda c: c[1]), "12302c 28584a 6f9a58")
    right = [
        (x := rng.uniform(0.52, 0.90), rng.uniform(0.66 + 0.25 * (1 - min(1, (x - 0.5) * 5)), 1.02), 0.034) for _ in range(110)
    ]
    tree(sorted(right, key=lambda c: c[1]), "1c4038 4a7848 b8c890")
    near = [(x := rng.uniform(0.0, 0.52), rng.uniform(0.80 + 0.10 * x / 0.5, 1.03), 0.036) for _ in range(110)]
    tree(sorted(near, key=lambda c: c[1]), "1f4f34 5f9438 c8cc58")

    image = floats(base)
    grain = noise(h, w, (2.2 * unit, 60 * unit), rng, 3) - 0.5
    mottle = noise(h, w, 3 * unit, rng, 2) - 0.5
    image = image * (1 + 0.24 * grain + 0.12 * mottle)[..., None]
    image = mix(image, rgb("f8ecd0")[0], step(0.78, 0.95, mottle + 0.5) * 0.3)
    return finished(image, width, height)


def launch(width: int, height: int, seed: int = 25) -> np.ndarray:
    """Thick oil: a rocket at its launch pad between lattice towers at night, the sky in long strokes, lamps in rings of light."""
    rng = np.random.default_rng(seed)
    s = Scene(width, height)
    w, h, unit, u, v = s.w, s.h, s.unit, s.u, s.v
    flow = 0.5 * np.sin(5 * u + 3 * v) + 0.9 * (noise(h, w, (60 * unit, 160 * unit), rng, 2) - 0.5)
    bands = np.clip(0.10 + 0.62 * v + 0.22 * (noise(h, w, (10 * unit, 50 * unit), rng) - 0.5), 0, 1)
    s.picture = ramp(bands, rgb("101a5a 18297a 21409c 2f5cb4 4a80c4 80a8cc"))
    s.angle = flow
    cloud = step(-0.03, 0.04, v - 0.875 + 0.05 * (noise(h, w, 60 * unit, rng) - 0.5))
    s.lay(cloud, ramp(noise(h, w, (10 * unit, 50 * unit), rng), rgb("14123a 2a2460 5a3a70 8a5070")), flow * 0.4)
    lamps = [(0.128, 0.82, 0.035), (0.175, 0.975, 0.05), (0.235, 0.885, 0.055), (0.30, 0.93, 0.055)]
    lamps += [(0.57, 0.93, 0.06), (0.68, 0.92, 0.05), (0.703, 0.98, 0.05)]
    for lu, lv, size in lamps:
        far = np.hypot((u - lu) * w / h, v - lv) / size
        halo = np.exp(-((far / 1.3) ** 2)) * (0.8 + 0.2 * np.cos(far * 7))
        tint = ramp(np.clip(halo, 0, 1), rgb("7a5a50 e08a20 f8b828 ffe060 fffce0"))
        s.lay(step(0.12, 0.5, halo) * 0.95, tint, s.away(lu, lv) + np.pi / 2)
    steel, edge = rgb("1a1430 c88a4a")

    def rail(a: tuple[float, float], b: tuple[float, float], wide: float, colour: np.ndarray) -> None:
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
        mask = s.inside(blade([a, middle, b], wide, 0.8), 0.5)
        s.lay(mask, colour, np.arctan2((b[1] - a[1]) * h, (b[0] - a[0]) * w))

    def tower(foot: tuple[float, float], top: tuple[float, float], high: float, low: float, bays: int, wide: float) -> None:
        """Two legs from `foot` to `top` (left and right), crossed braces between them."""
        rows = low + (high - low) * np.linspace(0, 1, bays + 1) ** 0.9
        t = (rows - low) / (high - low)
        left, right = foot[0] + (top[0] - foot[0]) * t, foot[1] + (top[1] - foot[1]) * t
        for k in range(bays):
            rail((left[k], rows[k]), (right[k + 1], rows[k + 1]), wide * 0.55, edge)
            rail((right[k], rows[k]), (left[k + 1], rows[k + 1]), wide * 0.55, steel)
            rail((left[k], rows[k]), (right[k], rows[k]), wide * 0.5, steel)
        rail((left[0], rows[0]), (left[-1], rows[-1]), wide, steel)
        rail((right[0], rows[0]), (right[-1], rows[-1]), wide, steel)

    tower((-0.005, 0.115), (0.08, 0.135), -0.03, 1.03, 13, 0.011)
    tower((0.915, 1.0), (0.875, 0.935), -0.03, 1.03, 13, 0.011)
    tower((0.262, 0.318), (0.298, 0.317), 0.45, 1.0, 10, 0.007)
    tower((0.69, 0.742), (0.69, 0.712), 0.45, 1.0, 10, 0.007)
    for x in (0.311, 0.70):
        rail((x, 0.47), (x, 0.29), 0.012, rgb("b0a8b0")[0])
    # rocket: white body, rounder nose, service arms, pad
    for side in (-1, 1):
        tower((0.503 + side * 0.05, 0.503 + side * 0.02), (0.503 + side * 0.022, 0.503 + side * 0.014), 0.42, 0.97, 12, 0.004)
    across = np.clip((u - 0.485) / 0.036, 0, 1)
    white = ramp(
        np.clip(across + 0.35 * (noise(h, w, (14 * unit, 3 * unit), rng) - 0.5), 0, 1), rgb("7a7890 f0e8d8 fff8e0 e8c890 80607a")
    )
    s.lay(s.inside([(0.488, 0.40), (0.518, 0.40), (0.52, 0.955), (0.486, 0.955)], 0.6), white, np.pi / 2)
    cone = curve([(0.503, 0.297), (0.517, 0.33), (0.5225, 0.37), (0.519, 0.41), (0.488, 0.41), (0.484, 0.37), (0.49, 0.33)], True)
    s.lay(s.inside(cone, 0.6), white, np.pi / 2)
    s.lay(s.oval(0.503, 0.352, 0.012, 0.013, 0.4), rgb("20183a")[0])
    for y in (0.415, 0.56, 0.7):
        s.lay(s.inside([(0.486, y), (0.52, y), (0.52, y + 0.01), (0.486, y + 0.01)], 0.5), rgb("4a3a5a")[0])
    s.lay(
        s.inside([(0.418, 0.955), (0.588, 0.955), (0.588, 1.05), (0.418, 1.05)]),
        ramp(noise(h, w, 8 * unit, rng), rgb("b06a28 e89a40 f8c870")),
        0.0,
    )
    for lu, lv, size in lamps:
        s.lay(s.oval(lu, lv, size * 0.2, size * 0.3, 1), rgb("fffce8")[0])
    image = s.painted([13, 7, 4, 2.4], rng, 5, "1a1c4a", error=0.045, jitter=0.035)
    rays = []
    for lu, lv, size in lamps:
        for k in range(10):
            a, r = k * np.pi / 5 + lu * 9, size * rng.uniform(0.8, 1.3)
            far = (lu + r * np.cos(a) * h / w, lv + r * np.sin(a))
            rays.append(blade([(lu, lv), ((lu + far[0]) / 2, (lv + far[1]) / 2), far], 0.005, 0.2))
    return finished(lined(image, rays, rgb("ffe890")[0], 0.85), width, height)


SIZE = (480, 320)  # of the pictures that ship

THINGS: dict[str, Callable[..., np.ndarray]] = {
    "tabby": cat,
    "silver": partial(cat, coat=SILVER),
    "tuxedo": partial(cat, coat=TUXEDO),
    "siamese": partial(cat, coat=SIAMESE),
    "cup": cup,
    "glass_dahlia": glass_dahlia,
    "oil_dahlia": oil_dahlia,
    "woodblock_pagoda": woodblock_pagoda,
    "launch": launch,
}
