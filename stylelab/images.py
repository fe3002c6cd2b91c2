"""Pictures in and out: files and arrays of every kind to sRGB tensors, tensors to files that carry the settings they came from.

Whatever is wrong with a picture becomes one `BadInput` sentence that names the file (never its folder) and says what to do.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import secrets
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, PngImagePlugin
from torch import Tensor
from torch.nn import functional as F

from .errors import BadInput

MAX_PIXELS = 64_000_000  # 200 MB once decoded; a file of 180 kB can hold more than that, so it is asked before decoding
MIN_SIDE = 16  # the feature extractors pool four times: one pixel is left
MAX_RATIO = 20  # at 512 pixels long the short side still has 25; beyond that it is a strip, not a picture
MAX_SIDE = 4096  # the largest result: more only costs memory, so larger pictures are reduced while decoding

REPORT_KEY = "stylelab"  # of the PNG text chunk
# What people have, and nothing that runs another program (EPS starts Ghostscript) or has no signature to be known by (TGA).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # what `save` writes
MASK_COLOURS = {  # a label is the place in this table: colours of the masks of deep photo style transfer, black and white first
    "black": (0, 0, 0),
    "white": (1, 1, 1),
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "grey": (0.5, 0.5, 0.5),
    "cyan": (0, 1, 1),
    "purple": (1, 0, 1),
}
LEAST_SHARE = 0.001  # of a mask's pixels; a colour that has less is what JPEG made of a border
# The share of flat grey that makes grey one of a mask's colours. It lies half way between black and white, red and cyan and so
# on, so smooth borders have it too: of those 78 masks 66 have it on borders only, none of it flat, and two have areas, 4 and 8 %.
LEAST_GREY = 0.01
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # ISO/IEC 23008-12
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")  # a file that starts so is a picture, only a broken one
TURNS = {  # EXIF orientation -> what puts the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


Box = tuple[int, int, int, int]  # pixels: left, top, width, height


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright, on white where it was transparent.

    `rgb` (1, 3, H, W) float32 in [0, 1], sRGB; `alpha` (1, 1, H, W) in [0, 1], or None where everything is opaque;
    `original_size` (width, height) upright, before any reduction to `MAX_SIDE`.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    original_size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the tensors."""
        return self.rgb.shape[-1], self.rgb.shape[-2]

    def cut(self, box: Box | None) -> Picture:
        """What is inside a box; all of it without one."""
        if box is None:
            return self
        left, top, width, height = box
        rgb, alpha = (
            x if x is None else x[..., top : top + height, left : left + width].contiguous() for x in (self.rgb, self.alpha)
        )
        return Picture(rgb, alpha, self.original_size)


def load_picture(source: Any) -> Picture:
    """Read a picture.

    Args:
        source: a path, the bytes of a file, an open binary file, a `PIL.Image.Image`, a numpy array (H, W) or (H, W, 1 to 4)
            of bool, unsigned integers (their full range is black to white) or numbers (0 to 1, 0 to 255, or stretched), or
            a `Picture`, which is returned as it is.

    Raises:
        BadInput: it cannot be read, or is too large, too small or too narrow.
    """
    if isinstance(source, Picture):
        return source
    name = _name(source)
    try:
        if isinstance(source, np.ndarray):
            return _from_array(source, name)
        if isinstance(source, Image.Image):
            return _from_image(source, name)
        with _opened(source, name) as file:
            return _from_file(file, name)
    except MemoryError:
        raise BadInput(f"{name} does not fit into this machine's memory; scale the picture down first.") from None


def load_mask(source: Any) -> Tensor:
    """Read a mask: int64 labels (1, 1, H, W), for each pixel the place in `MASK_COLOURS` of the nearest colour that the mask has.

    So a colour has the same label in every mask; black, and what is transparent, is 0, and white 1. A colour is the mask's if it
    covers `LEAST_SHARE` of it, and grey only if `LEAST_GREY` of the mask is flat grey, so that smooth borders do not become areas
    of their own: a black and white mask is cut at one half, whatever it was saved as.

    Args:
        source: as for `load_picture`.

    Raises:
        BadInput: as `load_picture` does.
    """
    picture = load_picture(source)
    rgb = picture.rgb if picture.alpha is None else picture.rgb - (1 - picture.alpha)  # what was put on white, on black
    steps = 63  # six bits a channel: distances are measured once for each colour there can be
    red, green, blue = rgb.clamp(0, 1).mul_(steps).round_().int().split(1, 1)
    index = (red * (steps + 1) + green).mul_(steps + 1).add_(blue)
    level = torch.linspace(0, 1, steps + 1)
    distances = torch.cdist(torch.cartesian_prod(level, level, level), torch.tensor(list(MASK_COLOURS.values())))
    covered = index.flatten().bincount(minlength=len(distances)).double()
    shares = torch.zeros(len(MASK_COLOURS)).double().index_add(0, distances.argmin(1), covered) / index.numel()
    missing = shares < LEAST_SHARE
    missing[list(MASK_COLOURS).index("grey")] = _flat_grey(rgb) < LEAST_GREY
    if missing.all():  # greys, none of them in the middle
        missing[:2] = False
    return distances.masked_fill(missing, torch.inf).argmin(1)[index]


def _flat_grey(rgb: Tensor) -> float:
    """The share of places in (1, 3, H, W) where everything around, by about a hundredth of the picture, is near mid-grey."""
    every = max(1, max(rgb.shape[-2:]) // 128)
    other = ((rgb[..., ::every, ::every] - 0.5).abs().amax(1, keepdim=True) > 0.15).float()
    return 1 - F.max_pool2d(other, 3, 1, 1).mean().item()


def fitted_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """(width, height) with the long side at `long_side` and the aspect ratio kept, each side at least 1."""
    longest = max(width, height)
    return max(1, round(width * long_side / longest)), max(1, round(height * long_side / longest))


def least_side(image: Tensor) -> int:
    """The long side at which the short one of (N, C, H, W) has the `MIN_SIDE` pixels that the networks need."""
    return -(-MIN_SIDE * max(image.shape[-2:]) // min(image.shape[-2:]))


def resize(image: Tensor, long_side: int) -> Tensor:
    """Bring (N, C, H, W) in [0, 1] to a long side, aspect kept; see `at_size`."""
    return at_size(image, *fitted_size(image.shape[-1], image.shape[-2], long_side))


def at_size(image: Tensor, new_width: int, new_height: int) -> Tensor:
    """Bring (N, C, H, W) in [0, 1] to a size; the input itself where nothing changes.

    Shrinking averages (antialiased bilinear); enlarging is bicubic, clamped to [0, 1].
    """
    height, width = image.shape[-2:]
    if (new_width, new_height) == (width, height):
        return image
    if new_width <= width and new_height <= height:
        return F.interpolate(image, (new_height, new_width), mode="bilinear", antialias=True)
    return F.interpolate(image, (new_height, new_width), mode="bicubic").clamp(0, 1)


def in_a_row(pictures: list[Tensor], height: int = 256) -> Tensor:
    """Pictures (1, 3, H, W) side by side at one height."""
    sizes = [(height, max(1, round(p.shape[-1] * height / p.shape[-2]))) for p in pictures]
    return torch.cat([F.interpolate(p, s, mode="bilinear", antialias=True) for p, s in zip(pictures, sizes, strict=True)], 3)


def to_pil(image: Tensor, alpha: Tensor | None = None) -> Image.Image:
    """A tensor as an 8-bit picture: RGB, or RGBA with an alpha.

    Args:
        image: (1, 3, H, W) or (1, 1, H, W), clamped to [0, 1] and rounded; not-a-number becomes black.
        alpha: (1, 1, h, w) in [0, 1], brought to the picture's size.
    """
    image = image.detach().float().expand(1, 3, -1, -1)
    if alpha is not None:
        alpha = alpha.detach().float().to(image.device)
        if alpha.shape[-2:] != image.shape[-2:]:
            alpha = F.interpolate(alpha, image.shape[-2:], mode="bilinear", antialias=True)
        image = torch.cat([image, alpha], 1)
    pixels = (image[0].nan_to_num(0).clamp(0, 1) * 255).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().contiguous().numpy())


def format_of(path: str | os.PathLike) -> str:
    """The format that `save` writes for a file's suffix, or `BadInput` naming the suffixes there are."""
    if (kind := SUFFIXES.get(Path(path).suffix.lower())) is None:
        raise BadInput(f"{_name(path)} must end in {', '.join(list(SUFFIXES)[:-1])} or {list(SUFFIXES)[-1]}.")
    return kind


def save(target: str | os.PathLike | io.IOBase, image: Image.Image, report: dict | None = None) -> None:
    """Write a picture: PNG, JPEG (on white) or WebP by the path's suffix, PNG into an open file.

    A path is replaced in one step, so nobody ever sees half a picture. A PNG takes the report along (see `read_report`).

    Raises:
        BadInput: unknown suffix, or the file cannot be written.
    """
    is_file = hasattr(target, "write")
    name = "The picture" if is_file else _name(target)
    kind = "PNG" if is_file else format_of(target)
    try:
        data = _encoded(image, kind, report)
        if is_file:
            target.write(data)
        else:
            replace_file(Path(target), data)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path, a side longer than JPEG or WebP can hold
        reason = getattr(error, "strerror", None) or "it does not fit this format or path"
        raise BadInput(f"{name} cannot be saved ({reason}); choose another file or folder.") from None


def read_report(source: Any) -> dict | None:
    """The report that `save` put into a PNG (a path, bytes or an open file), or None where there is none.

    Raises:
        BadInput: there is no such file, or it may not be read.
    """
    with _opened(source, _name(source)) as file:
        try:
            with _quiet(), Image.open(file, formats=("PNG",)) as image:
                report = json.loads(image.text[REPORT_KEY])
        except Exception:  # no PNG, no chunk, no JSON: Pillow and json have many names for it, the answer is the same
            return None
    return report if isinstance(report, dict) else None


def _name(source: Any) -> str:
    """What messages call a source: the file's own name, short and printable, never its folder."""
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "filename", None) or getattr(source, "name", None)
    text = os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else ""
    base = "".join(c if c.isprintable() else "?" for c in os.path.basename(text.rstrip("/")))
    return (base if len(base) <= 60 else f"{base[:40]}...{base[-17:]}") or "The picture"


@contextlib.contextmanager
def _opened(source: Any, name: str) -> Iterator[io.IOBase]:
    """A seekable binary file at its beginning; only what was opened here is closed."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, (bytes, bytearray, memoryview)):
            file = io.BytesIO(source)
        elif isinstance(source, (str, os.PathLike)):
            try:
                file = stack.enter_context(open(source, "rb"))
            except (FileNotFoundError, NotADirectoryError):
                raise BadInput(f"{name} was not found; check the path.") from None
            except (OSError, ValueError) as error:
                if isinstance(error, IsADirectoryError) or os.path.isdir(source):  # Windows calls a folder a permission error
                    raise BadInput(f"{name} is a folder; give the path of one picture.") from None
                if isinstance(error, PermissionError):
                    raise BadInput(f"{name} may not be read; check the permissions of the file.") from None
                raise BadInput(f"{name} cannot be opened; check the path.") from None
        elif hasattr(source, "read"):
            file = getattr(source, "buffer", source)  # the bytes below a file that was opened as text, sys.stdin for one
        else:
            raise BadInput(f"A picture must be a path, bytes, an open file, an image or an array, not {type(source).__name__}.")
        try:
            try:
                file.seek(0)
            except (AttributeError, OSError):  # a pipe
                file = io.BytesIO(file.read())
        except (OSError, ValueError, TypeError):  # a disk error, a file closed already
            raise BadInput(f"{name} cannot be read; open the file again.") from None
        yield file


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warning from Pillow about many pixels: `_check_size` says it better. Only while opening, only this category, because
    Python's filters are shared by all threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@functools.cache
def _formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read here; HEIC where the optional pillow_heif is installed."""
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
    except Exception:  # not installed, or its native library does not load
        return FORMATS
    return (*FORMATS, "HEIF")


def _check_size(width: int, height: int, name: str) -> None:
    """Refuse sizes that cannot be worked with; called with what the header says, before any pixel is decoded."""
    if width * height > MAX_PIXELS:
        raise BadInput(
            f"{name}: {width}x{height} pixels is more than {MAX_PIXELS // 10**6} megapixels; scale the picture down first."
        )
    if min(width, height) < MIN_SIDE:
        raise BadInput(f"{name} has {width}x{height} pixels; use a picture with at least {MIN_SIDE} on both sides.")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise BadInput(f"{name}: {width}x{height} pixels is too narrow; crop it to {MAX_RATIO}:1 or less.")


def _unreadable(name: str, head: bytes) -> str:
    """The sentence for a file that Pillow does not know, from its first bytes."""
    if not head:
        return f"{name} is an empty file; choose another picture."
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS and "HEIF" not in _formats():
        return f"{name} is a HEIC picture, which cannot be read here; convert it to JPEG first."
    if b"<svg" in head.lower():
        return f"{name} is an SVG drawing, which cannot be read here; export it as PNG first."
    return _damaged(name) if head.startswith(SIGNATURES) else f"{name} is not a picture that can be read; use JPEG, PNG or WebP."


def _damaged(name: str) -> str:
    return f"{name} is damaged or incomplete; copy or export the picture again."


def _from_file(file: io.IOBase, name: str) -> Picture:
    head = b"?"
    try:
        head = bytes(file.read(1024))  # TypeError where it gives text
        with _quiet():
            image = Image.open(file, formats=_formats())
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:  # beyond twice Pillow's own limit; the size is only in its words
        pixels = int((re.search(r"\d+", str(error)) or ["0"])[0])
        what = f"{pixels / 1e6:.0f} megapixels is more than {MAX_PIXELS // 10**6}"
        raise BadInput(f"{name}: {what}; scale the picture down first.") from None
    except Exception:  # decoders raise anything from KeyError to struct.error on bytes they did not expect
        raise BadInput(_unreadable(name, head)) from None
    _widen_key(image)
    width, height = image.size
    if width * height <= MAX_PIXELS and max(width, height) > MAX_SIDE:
        image.draft(None, fitted_size(width, height, MAX_SIDE))  # JPEG decodes at 1/2, 1/4 or 1/8; other formats ignore it
    return _from_image(image, name, (width, height))


def _widen_key(image: Image.Image) -> None:
    """Bring a PNG's transparent colour to 8 bits: Pillow brings the pixels there while decoding, but not this colour."""
    key, raw = image.info.get("transparency"), image.tile[0][3] if image.format == "PNG" and image.tile else None
    if isinstance(key, int) and raw in ("L;2", "L;4"):
        image.info["transparency"] = key * (85 if raw == "L;2" else 17) & 255
    elif isinstance(key, tuple) and raw == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _from_image(image: Image.Image, name: str, original: tuple[int, int] | None = None) -> Picture:
    """A Pillow picture, decoded or not; `original` is its size before `draft`."""
    original = original or image.size
    _check_size(*original, name)
    try:
        image.load()
    except MemoryError:
        raise
    except Exception:
        raise BadInput(_damaged(name)) from None
    profile, turn = image.info.get("icc_profile"), _turn(image)
    if turn is not None:
        image = image.transpose(turn)
    if turn is not None and turn not in (TURNS[2], TURNS[3], TURNS[4]):
        original = original[::-1]
    if image.mode == "F" or image.mode.startswith("I"):
        grey, alpha = _wide(image)
        if profile is None:
            return _picture(grey, alpha, original)
        image = Image.fromarray((grey[..., 0] * 255).round().astype(np.uint8))  # colour management has 8 bits only
        if alpha is not None:
            image.putalpha(Image.fromarray((alpha[..., 0] * 255).astype(np.uint8)))
    colour, alpha = _parted(image)
    values = np.asarray(_to_srgb(colour, profile), np.float32) / 255
    return _picture(values, None if alpha is None else np.asarray(alpha, np.float32)[..., None] / 255, original)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What puts a loaded picture upright. Loaded, because a PNG may have its EXIF behind the pixels, and because Pillow turns
    a TIFF by itself while loading and then forgets the orientation."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # a broken EXIF block is no reason to refuse a picture
        return None


def _wide(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Grey with more than 8 bits (modes I;16, I, F): (H, W, 1) in [0, 1], and where one value is declared transparent, alpha."""
    values = np.asarray(image)[..., None]
    key = image.info.get("transparency")
    alpha = (values != key).astype(np.float32) if isinstance(key, int) else None
    if image.mode == "I" and values.min() >= 0 and 255 < values.max() <= 65535:
        values = values.astype(np.uint16)  # Pillow has 32 bits where the file (PGM, some TIFF) had 16
    return _unit(values), alpha


def _parted(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Any 8-bit mode as colour (L, RGB, CMYK or LAB) and alpha (L), or None where it is opaque; reduced to `MAX_SIDE`."""
    if image.has_transparency_data:  # also a palette's, and a single transparent colour
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    elif image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if max(image.size) > MAX_SIDE:  # before the parting: Pillow weighs colours by alpha, so hidden ones do not bleed
        image = image.resize(fitted_size(*image.size, MAX_SIDE), Image.Resampling.BILINEAR, reducing_gap=2)
    if not image.mode.endswith("A"):
        return image, None
    alpha = image.getchannel("A")
    return image.convert(image.mode[:-1]), None if alpha.getextrema() == (255, 255) else alpha


def _to_srgb(colour: Image.Image, icc: bytes | None) -> Image.Image:
    """L, RGB, CMYK or LAB as RGB in sRGB. A profile that is broken or belongs to another kind of colour is ignored."""
    try:
        profile = None
        if colour.mode == "LAB":
            profile = ImageCms.createProfile("LAB")
        elif icc:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if colour.mode == "L" and profile.profile.xcolor_space.strip() == "RGB":
                colour = colour.convert("RGB")
        if profile is not None:
            intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION  # as browsers do
            return ImageCms.profileToProfile(colour, profile, ImageCms.createProfile("sRGB"), intent, "RGB", flags=flags)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        pass
    return colour.convert("RGB")


def _from_array(array: np.ndarray, name: str) -> Picture:
    values = array[..., None] if array.ndim == 2 else array
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4) or array.dtype.kind not in "buif":
        what = f"An array of shape {array.shape} and type {array.dtype}"
        raise BadInput(f"{what} is not a picture; give height x width x 3 of uint8 or float.")
    height, width, channels = values.shape
    _check_size(width, height, name)
    values, colours = _unit(values), channels - 1 + channels % 2  # an even number of channels: the last is alpha
    return _picture(values[..., :colours], values[..., colours:] if colours < channels else None, (width, height))


def _unit(values: np.ndarray) -> np.ndarray:
    """Any numbers as float32 in [0, 1], by what their type and range say of black and white."""
    if values.dtype.kind == "u":
        return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    values = values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= -0.5 and high <= 1.5:  # 0 to 1 with the overshoot of a sharp filter; it is clipped
        low, high = 0.0, 1.0
    elif low >= -0.5 and high <= 255.5:
        low, high = 0.0, 255.0
    values = (values - low) / max(high - low, 1e-12)
    return np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1).astype(np.float32)


def _picture(colour: np.ndarray, alpha: np.ndarray | None, original: tuple[int, int]) -> Picture:
    """(H, W, 1 or 3) and (H, W, 1) in [0, 1] as a `Picture`: on white, at most `MAX_SIDE` long."""
    rgb = _tensor(colour).expand(1, 3, -1, -1)
    opacity = None if alpha is None or alpha.min() >= 1 else _tensor(alpha)
    if opacity is not None:
        rgb = rgb * opacity + (1 - opacity)
    if max(rgb.shape[-2:]) > MAX_SIDE:
        rgb, opacity = resize(rgb, MAX_SIDE), None if opacity is None else resize(opacity, MAX_SIDE)
    return Picture(rgb.contiguous(), opacity, original)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]


def _encoded(image: Image.Image, kind: str, report: dict | None) -> bytes:
    """A picture file in memory; `report` goes into PNG only."""
    transparent = image.has_transparency_data
    image = image.convert("RGBA" if transparent else "L" if image.mode in ("1", "L") else "RGB")
    options: dict[str, Any] = {"quality": 95}
    if kind == "JPEG":
        options["subsampling"] = 0  # painted edges are colour edges
        if transparent:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if kind == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        if report is not None:
            text = json.dumps(report, ensure_ascii=False).encode("utf-8", "replace")  # a lone surrogate must not cost the picture
            options["pnginfo"].add_itxt(REPORT_KEY, text)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step, or leave everything as it was."""
    part = path.parent / f".{secrets.token_hex(8)}.part"  # the same folder, since only there a rename is one step
    try:
        with open(part, "xb") as file:  # not tempfile, whose files nobody else may read
            file.write(data)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
