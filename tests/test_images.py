"""stylelab.images: every kind of file becomes the right pixels or one clear sentence."""

import errno
import io
import json
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageDraw, ImageFilter

from stylelab import images
from stylelab.errors import BadInput
from stylelab.images import MASK_COLOURS, Picture, fitted_size, load_mask, load_picture, read_report, resize, save, to_pil

W, H = 40, 24


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flat(mode, colour):
    return Image.new(mode, (W, H), colour)


def pixel(picture, x=5, y=5):
    return tuple(picture.rgb[0, :, y, x].tolist())


def chunk(kind, data, crc=None):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def png(width, height, depth=8, colour=2, rows=b"", extra=b""):
    """A PNG by hand, for what Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def noise(width=200, height=120):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile():
    """sRGB with the names of its red and green primaries exchanged: what it calls red is green."""
    return srgb_profile().replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


def cmyk_profile():
    """A printer whose cyan ink is red: a 2x2x2x2 table to Lab in ICC version 2."""
    white, red, black = (255, 128, 128), (136, 208, 195), (0, 128, 128)
    table = [black if i & 1 else red if i & 8 else white for i in range(16)]  # cyan is the slowest index, black the fastest
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut += ramp * 4 + bytes(v for lab in table for v in lab) + ramp * 3
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut
    header = struct.pack(">I4sI4s4s4s12s4s", 128 + len(tags), bytes(4), 0x02100000, b"prtr", b"CMYK", b"Lab ", bytes(12), b"acsp")
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)  # the D50 illuminant
    return header.ljust(128, b"\0") + tags


def animation(kind, **options):
    return encoded(flat("RGB", "red"), kind, save_all=True, append_images=[flat("RGB", "blue")], duration=100, **options)


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def colour_key_png():
    """16-bit grey whose value 0 is declared transparent; black left half, 32768 on the right."""
    row = b"\0" + struct.pack(">H", 0) * (W // 2) + struct.pack(">H", 32768) * (W // 2)
    return png(W, H, 16, 0, row * H, chunk(b"tRNS", b"\0\0"))


def rgb16_key_png():
    return png(W, H, 16, 2, (b"\0" + b"\x33\x44" * 3 * W) * H, chunk(b"tRNS", b"\x33\x44" * 3))


def palette(**options):
    image = flat("P", 1)
    image.putpalette([0, 0, 255, 255, 0, 0])
    return encoded(image, **options)


HALF = (1, 0.498, 0.498)  # red at alpha 128 / 255 on white
GOOD = {  # name -> (bytes, colour at (5, 5), alpha at (5, 5) or None)
    "rgb.png": (lambda: encoded(flat("RGB", (255, 51, 0))), (1, 0.2, 0), None),
    "rgb.jpg": (lambda: encoded(flat("RGB", (255, 0, 0)), "JPEG"), (1, 0, 0), None),
    "rgb.webp": (lambda: encoded(flat("RGB", (255, 0, 0)), "WEBP", lossless=True), (1, 0, 0), None),
    "rgb.bmp": (lambda: encoded(flat("RGB", (255, 51, 0)), "BMP"), (1, 0.2, 0), None),
    "rgb.tif": (lambda: encoded(flat("RGB", (255, 51, 0)), "TIFF", compression="tiff_lzw"), (1, 0.2, 0), None),
    "rgb.ppm": (lambda: encoded(flat("RGB", (255, 51, 0)), "PPM"), (1, 0.2, 0), None),
    "really-a-jpeg.PNG": (lambda: encoded(flat("RGB", (0, 0, 0)), "JPEG"), (0, 0, 0), None),
    "no-suffix": (lambda: encoded(flat("RGB", (255, 255, 255))), (1, 1, 1), None),
    "grey.png": (lambda: encoded(flat("L", 51)), (0.2, 0.2, 0.2), None),
    "bit.png": (lambda: encoded(flat("1", 1)), (1, 1, 1), None),
    "rgba.png": (lambda: encoded(flat("RGBA", (255, 0, 0, 128))), HALF, 128 / 255),
    "opaque.png": (lambda: encoded(flat("RGBA", (255, 0, 0, 255))), (1, 0, 0), None),
    "hidden.png": (lambda: encoded(flat("RGBA", (255, 0, 0, 0))), (1, 1, 1), 0),
    "rgba.webp": (lambda: encoded(flat("RGBA", (255, 0, 0, 128)), "WEBP", lossless=True), HALF, 128 / 255),
    "la.png": (lambda: encoded(flat("LA", (0, 204))), (0.2, 0.2, 0.2), 0.8),
    "palette.png": (palette, (1, 0, 0), None),
    "palette-hole.png": (lambda: palette(transparency=1), (1, 1, 1), 0),
    "palette-alpha.png": (lambda: palette(transparency=bytes([255, 128])), HALF, 128 / 255),
    "grey-key.png": (lambda: encoded(flat("L", 51), transparency=51), (1, 1, 1), 0),
    "rgb-key.png": (lambda: encoded(flat("RGB", (255, 0, 0)), transparency=(255, 0, 0)), (1, 1, 1), 0),
    "grey16-key.png": (colour_key_png, (1, 1, 1), 0),
    "grey4-key.png": (lambda: png(W, H, 4, 0, (b"\0" + b"\x33" * (W // 2)) * H, chunk(b"tRNS", b"\0\3")), (1, 1, 1), 0),
    "grey4-no-key.png": (lambda: png(W, H, 4, 0, (b"\0" + b"\x33" * (W // 2)) * H), (0.2, 0.2, 0.2), None),
    "rgb16-key.png": (rgb16_key_png, (1, 1, 1), 0),
    "still.gif": (lambda: encoded(flat("RGB", (255, 0, 0)), "GIF"), (1, 0, 0), None),
    "animated.gif": (lambda: animation("GIF"), (1, 0, 0), None),
    "animated.webp": (lambda: animation("WEBP", lossless=True), (1, 0, 0), None),
    "animated.png": (lambda: animation("PNG"), (1, 0, 0), None),
    "grey16.png": (lambda: encoded(Image.fromarray(np.full((H, W), 32768, np.uint16))), (0.5, 0.5, 0.5), None),
    "grey16.tif": (lambda: encoded(Image.fromarray(np.full((H, W), 32768, np.uint16)), "TIFF"), (0.5, 0.5, 0.5), None),
    "grey16.pgm": (lambda: b"P5 %d %d 65535\n" % (W, H) + b"\x80\x00" * (W * H), (0.5, 0.5, 0.5), None),
    "rgb16.png": (lambda: png(W, H, 16, 2, (b"\0" + b"\xff\xff\x33\x33\0\0" * W) * H), (1, 0.2, 0), None),
    "int32.tif": (lambda: encoded(Image.fromarray(np.full((H, W), 32768, np.int32)), "TIFF"), (0.5, 0.5, 0.5), None),
    "float.tif": (lambda: encoded(Image.fromarray(np.full((H, W), 0.25, np.float32)), "TIFF"), (0.25, 0.25, 0.25), None),
    "float255.tif": (lambda: encoded(Image.fromarray(np.full((H, W), 51, np.float32)), "TIFF"), (0.2, 0.2, 0.2), None),
    "cmyk.jpg": (lambda: encoded(flat("CMYK", (255, 0, 0, 0)), "JPEG"), (0, 1, 1), None),
    "cmyk.tif": (lambda: encoded(flat("CMYK", (0, 0, 0, 255)), "TIFF"), (0, 0, 0), None),
    "cmyk-profile.jpg": (lambda: encoded(flat("CMYK", (255, 0, 0, 0)), "JPEG", icc_profile=cmyk_profile()), (1, 0, 0), None),
    "cameras.mpo": (lambda: animation("MPO"), (1, 0, 0), None),
    "cmyk-profile-white.jpg": (lambda: encoded(flat("CMYK", 0), "JPEG", icc_profile=cmyk_profile()), (1, 1, 1), None),
    "lab.tif": (lambda: encoded(flat("LAB", (255, 128, 128)), "TIFF"), (1, 1, 1), None),
    "srgb.png": (lambda: encoded(flat("RGB", (204, 102, 51)), icc_profile=srgb_profile()), (0.8, 0.4, 0.2), None),
    "swapped.png": (lambda: encoded(flat("RGB", (255, 0, 0)), icc_profile=swapped_profile()), (0, 1, 0), None),
    "swapped-alpha.png": (lambda: encoded(flat("RGBA", (255, 0, 0, 51)), icc_profile=swapped_profile()), (0.8, 1, 0.8), 0.2),
    "broken-profile.png": (lambda: encoded(flat("RGB", (255, 51, 0)), icc_profile=b"no profile"), (1, 0.2, 0), None),
    "wrong-profile.png": (lambda: encoded(flat("RGB", (255, 51, 0)), icc_profile=cmyk_profile()), (1, 0.2, 0), None),
    "grey-rgb-profile.png": (lambda: encoded(flat("L", 51), icc_profile=swapped_profile()), (0.2, 0.2, 0.2), None),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_kind_of_file_gives_its_pixels(name, tmp_path):
    make, colour, alpha = GOOD[name]
    path = tmp_path / name
    path.write_bytes(make())
    picture = load_picture(path)
    tolerance = 0.05 if "cmyk-profile" in name else 0.005  # that profile has 8 bits of Lab
    assert picture.rgb.shape == (1, 3, H, W) and picture.rgb.dtype == torch.float32 and picture.rgb.is_contiguous()
    assert picture.size == picture.original_size == (W, H)
    assert pixel(picture) == pytest.approx(colour, abs=tolerance)
    assert picture.rgb.min() >= 0 and picture.rgb.max() <= 1
    if alpha is None:
        assert picture.alpha is None
    else:
        assert picture.alpha.shape == (1, 1, H, W) and picture.alpha[0, 0, 5, 5].item() == pytest.approx(alpha, abs=0.005)


def test_sixteen_bit_keeps_its_precision_and_its_transparent_value():
    picture = load_picture(colour_key_png())
    assert pixel(picture, x=30) == pytest.approx((32768 / 65535,) * 3, abs=1e-6)
    assert picture.alpha[0, 0, 0].tolist() == [0] * 20 + [1] * 20


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_puts_the_picture_upright(kind, orientation):
    """The stored top row / left column is the visual side that the EXIF standard names for each orientation."""
    stored = flat("RGB", "black")
    stored.paste((255, 0, 0), (0, 0, 16, 8))  # the stored top left corner
    picture = load_picture(encoded(stored, kind, exif=exif(orientation)))
    assert picture.size == picture.original_size == ((W, H) if orientation < 5 else (H, W))
    corners = [picture.rgb[0, 0, y, x].item() > 0.9 for y in (2, -3) for x in (2, -3)]
    top_left, top_right, bottom_left, bottom_right = 0, 1, 2, 3
    expected = [top_left, top_right, bottom_right, bottom_left, top_left, top_right, bottom_right, bottom_left][orientation - 1]
    assert corners == [i == expected for i in range(4)]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_orientation_of_wide_modes_and_broken_exif():
    grey = Image.fromarray(np.tile(np.arange(W, dtype=np.uint16) * 1000, (H, 1)))
    picture = load_picture(encoded(grey, exif=exif(6)))  # turned clockwise: what grew to the right now grows downwards
    assert picture.size == (H, W) and picture.rgb[0, 0, :, 0].tolist() == pytest.approx([i * 1000 / 65535 for i in range(W)])
    broken = load_picture(encoded(flat("RGB", "red"), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert broken.size == (W, H)


SOURCES = ["path", "str", "bytes", "bytearray", "file", "buffer", "moved", "text file", "image", "lazy image"]


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source(kind, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(flat("RGB", (255, 51, 0))))
    with open(path, "rb") as file, open(path) as text, Image.open(path) as lazy:
        moved = io.BytesIO(path.read_bytes())
        moved.read(7)
        source = {
            "path": path, "str": str(path), "bytes": path.read_bytes(), "bytearray": bytearray(path.read_bytes()), "file": file,
            "buffer": io.BytesIO(path.read_bytes()), "moved": moved, "text file": text, "image": flat("RGB", (255, 51, 0)),
            "lazy image": lazy,
        }[kind]  # fmt: skip
        assert pixel(load_picture(source)) == pytest.approx((1, 0.2, 0))
        if kind == "file":
            assert not file.closed


def test_a_pipe():
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(encoded(flat("RGB", (255, 51, 0))))
    with os.fdopen(reader, "rb") as file:
        assert pixel(load_picture(file)) == pytest.approx((1, 0.2, 0))


def test_a_picture_is_returned_as_it_is_and_an_image_is_left_alone():
    picture = Picture(torch.rand(1, 3, H, W))
    assert load_picture(picture) is picture and picture.size == (W, H)
    image = flat("RGBA", (255, 0, 0, 128))
    before = image.tobytes()
    load_picture(image)
    assert image.mode == "RGBA" and image.tobytes() == before


NAN = np.full((H, W), 0.5)
NAN[0, 0], NAN[0, 1], NAN[0, 2] = np.nan, np.inf, -np.inf
ARRAYS = {
    "grey uint8": (np.full((H, W), 51, np.uint8), (0.2, 0.2, 0.2), None),
    "grey with an axis": (np.full((H, W, 1), 51, np.uint8), (0.2, 0.2, 0.2), None),
    "grey and alpha": (np.full((H, W, 2), 51, np.uint8), (0.84, 0.84, 0.84), 0.2),
    "rgb uint8": (np.tile(np.uint8([255, 51, 0]), (H, W, 1)), (1, 0.2, 0), None),
    "rgba uint8": (np.tile(np.uint8([255, 0, 0, 51]), (H, W, 1)), (1, 0.8, 0.8), 0.2),
    "uint16": (np.full((H, W, 3), 32768, np.uint16), (0.5, 0.5, 0.5), None),
    "bool": (np.ones((H, W), bool), (1, 1, 1), None),
    "int64": (np.full((H, W, 3), 51), (0.2, 0.2, 0.2), None),
    "float": (np.full((H, W, 3), 0.25), (0.25, 0.25, 0.25), None),
    "float16": (np.full((H, W, 3), 0.25, np.float16), (0.25, 0.25, 0.25), None),
    "float to 255": (np.full((H, W, 3), 51.0), (0.2, 0.2, 0.2), None),
    "overshoot": (np.full((H, W, 3), 1.02), (1, 1, 1), None),
    "not a number": (NAN, (0.5, 0.5, 0.5), None),
    "nothing finite": (np.full((H, W), np.nan), (0, 0, 0), None),
    "constant": (np.full((H, W), 1e6), (0, 0, 0), None),
    "stretched": (np.tile(np.linspace(-1000, 1000, W), (H, 1)), (5 / 39,) * 3, None),
    "big endian view": (np.full((H, 2 * W), 32768, ">u2")[:, ::2], (0.5, 0.5, 0.5), None),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    array, colour, alpha = ARRAYS[name]
    picture = load_picture(array)
    assert picture.rgb.shape == (1, 3, H, W) and pixel(picture) == pytest.approx(colour, abs=2e-5)
    assert (picture.alpha is None) == (alpha is None)
    assert torch.isfinite(picture.rgb).all()
    if name == "not a number":
        assert picture.rgb[0, 0, 0, :3].tolist() == [0, 1, 0]


def damaged_data():
    data = bytearray(encoded(noise()))
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


BAD = {  # file name -> (bytes, words of the sentence)
    "empty.png": (lambda: b"", "empty"),
    "text.png": (lambda: b"Dear all,\nthis is a letter.\n", "not a picture that can be read; use JPEG, PNG or WebP."),
    "page.pdf": (lambda: b"%PDF-1.7\n", "not a picture"),
    "drawing.eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n", "not a picture"),
    "drawing.svg": (lambda: b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "short.jpg": (lambda: encoded(noise(), "JPEG")[:-2000], "damaged or incomplete"),
    "very-short.jpg": (lambda: encoded(noise(), "JPEG")[:100], "damaged or incomplete"),
    "short.png": (lambda: encoded(noise())[:20000], "damaged or incomplete"),
    "short.webp": (lambda: encoded(noise(), "WEBP")[:-2000], "damaged or incomplete"),
    "short.tif": (lambda: encoded(noise(), "TIFF")[:-2000], ""),
    "short.gif": (lambda: encoded(noise(), "GIF")[:2000], "damaged or incomplete"),
    "header.png": (lambda: png(W, H).replace(b"IHDR\0", b"IHDR\1"), "damaged or incomplete"),
    "data.png": (damaged_data, "damaged or incomplete"),
    "one.png": (lambda: encoded(Image.new("RGB", (1, 1))), "1x1 pixels; use a picture with at least 16"),
    "thin.png": (lambda: encoded(Image.new("RGB", (5000, 1))), "5000x1 pixels"),
    "narrow.png": (lambda: encoded(Image.new("RGB", (600, 20))), "600x20 pixels is too narrow; crop it"),
    "large.png": (lambda: png(9000, 9000), "9000x9000 pixels is more than 64 megapixels; scale the picture down first."),
    "warned.png": (lambda: png(12000, 12000), "12000x12000 pixels is more than 64 megapixels"),
    "bomb.png": (lambda: png(20000, 20000), "400 megapixels is more than 64; scale the picture down first."),
    "huge.png": (lambda: png(2**31 - 1, 2**31 - 1), "megapixels"),
    "line\nbreak.png": (lambda: b"text", "line?break.png"),
    "n" * 200 + ".png": (lambda: b"text", "n...n"),
}


def sentence(error, folder=None):
    """The text of an error, after checking that it is one sentence without a server path or a chain of causes."""
    text = str(error.value)
    assert type(error.value) is BadInput and error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert text.endswith(".") and "\n" not in text and ". " not in text and text[:1].strip() and len(text) < 200
    assert folder is None or (str(folder) not in text and os.sep not in text)
    return text


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("as_bytes", [False, True], ids=["path", "bytes"])
def test_a_bad_file_is_one_sentence(name, as_bytes, tmp_path):
    make, words = BAD[name]
    path = tmp_path / name
    path.write_bytes(make())
    with warnings.catch_warnings(), pytest.raises(BadInput) as error:
        warnings.simplefilter("error")
        load_picture(path.read_bytes() if as_bytes else path)
    text = sentence(error, tmp_path)
    if as_bytes:
        assert text.startswith("The picture")
    else:
        assert words in text and text.startswith(name[:4])


@pytest.mark.parametrize("registered", [False, True])
def test_heic(registered, monkeypatch):
    monkeypatch.setattr(images, "_formats", lambda: images.FORMATS + ("HEIF",) * registered)
    monkeypatch.setitem(Image.OPEN, "HEIF", (lambda *_: flat("RGB", "red"), lambda prefix: prefix[8:12] == b"heic"))
    data = b"\0\0\0\x18ftypheic" + bytes(200)
    if registered:
        assert load_picture(data).size == (W, H)
    else:
        with pytest.raises(BadInput, match="HEIC .* convert it to JPEG first"):
            load_picture(data)


def test_sizes_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    for data in (png(9000, 9000), png(5000, 1), png(600, 20)):
        with pytest.raises(BadInput):
            load_picture(data)


def test_files_that_are_not_there(tmp_path, monkeypatch):
    cases = {"missing": "was not found", "file/below": "was not found", "nul\0": "cannot be", "x" * 300: "cannot be opened"}
    (tmp_path / "file").write_bytes(b"")
    for name, words in cases.items():
        with pytest.raises(BadInput) as error:
            load_picture(tmp_path / name)
        assert words in sentence(error, tmp_path)
    with pytest.raises(BadInput, match="is a folder") as error:
        load_picture(f"{tmp_path}/")
    sentence(error, tmp_path)

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "secret.png"))

    monkeypatch.setattr("builtins.open", refuse)  # the tests may run as root, who may read everything
    with pytest.raises(BadInput) as error:
        load_picture(tmp_path / "secret.png")
    assert "secret.png may not be read" in sentence(error, tmp_path)


def closed_file():
    file = io.BytesIO(b"x")
    file.close()
    return file


@pytest.mark.parametrize(
    "source",
    [
        None, 3, {}, "", np.zeros((3, 64, 64), np.uint8), np.zeros(9), np.zeros((H, W, 3), complex), np.zeros((H, W), object),
        np.zeros((0, 0, 3)), np.zeros((4, 4, 3), np.uint8), Image.new("RGB", (4, 4)), io.StringIO("text"), closed_file(), b"",
    ],
    ids=lambda s: type(s).__name__,
)  # fmt: skip
def test_other_bad_sources(source):
    with pytest.raises(BadInput) as error:
        load_picture(source)
    sentence(error)


@pytest.mark.parametrize("source", [encoded(flat("RGB", "red")), flat("RGB", "red"), np.zeros((H, W), np.float32)], ids=type)
def test_no_memory(source, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    for name in ("load", "convert", "__array_interface__"):
        monkeypatch.setattr(Image.Image, name, fail)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    monkeypatch.setattr(images, "_unit", fail)
    with pytest.raises(BadInput, match="memory; scale the picture down first") as error:
        load_picture(source)
    sentence(error)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "RGBA", "array"])
def test_large_pictures_are_reduced(kind, monkeypatch):
    monkeypatch.setattr(images, "MAX_SIDE", 64)
    source = Image.new("RGBA" if kind == "RGBA" else "RGB", (300, 150), (255, 51, 0, 128)[: 4 if kind == "RGBA" else 3])
    source = np.asarray(source) if kind == "array" else encoded(source, "PNG" if kind == "RGBA" else kind)
    picture = load_picture(source)
    assert picture.size == (64, 32) and picture.original_size == (300, 150)
    assert pixel(picture) == pytest.approx((1, 0.598, 0.498) if kind == "RGBA" else (1, 0.2, 0), abs=0.01)
    assert (picture.alpha is not None) == (kind == "RGBA")


def test_a_large_turned_jpeg_is_reduced_and_reports_its_upright_size(monkeypatch):
    monkeypatch.setattr(images, "MAX_SIDE", 64)
    picture = load_picture(encoded(Image.new("RGB", (300, 150)), "JPEG", exif=exif(6)))
    assert picture.size == (32, 64) and picture.original_size == (150, 300)


def test_hidden_colours_do_not_bleed_when_reducing(monkeypatch):
    monkeypatch.setattr(images, "MAX_SIDE", 32)
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))  # hidden black
    image.paste((255, 0, 0, 255), (31, 0, 64, 64))  # red, its edge within a pixel of the result
    rgb = load_picture(image).rgb
    assert rgb[:, 0].min() > 0.99  # red beside white: nowhere darker


NAMES = list(MASK_COLOURS)
BYTES = {name: tuple(round(value * 255) for value in colour) for name, colour in MASK_COLOURS.items()}


def stripes(*names, width=180, height=60):
    """A mask of upright stripes in some of the colours."""
    image = Image.new("RGB", (width, height))
    for i, name in enumerate(names):
        image.paste(BYTES[name], (i * width // len(names), 0, width, height))
    return image


def disc(side, blur):
    """White on black, grey, with a border that is blurred by `blur` px."""
    image = Image.new("L", (side, side))
    ImageDraw.Draw(image).ellipse((side // 6, side // 6, side * 5 // 6, side * 5 // 6), 255)
    return image.filter(ImageFilter.GaussianBlur(blur))


def labels_of(mask):
    """Names of the labels along the middle row, each once, in the order in which they come."""
    row = mask[0, 0, mask.shape[-2] // 2].tolist()
    return [NAMES[label] for i, label in enumerate(row) if i == 0 or label != row[i - 1]]


@pytest.mark.parametrize("kind", ["RGB", "P", "JPEG", "RGBA", "array"])
def test_a_colour_has_the_same_label_in_every_mask(kind):
    image = stripes(*NAMES)
    source = {
        "RGB": lambda: encoded(image),
        "P": lambda: encoded(image.convert("P", palette=Image.Palette.ADAPTIVE)),
        "JPEG": lambda: encoded(image, "JPEG", quality=90),
        "RGBA": lambda: encoded(image.convert("RGBA")),
        "array": lambda: np.asarray(image),
    }[kind]()
    mask = load_mask(source)
    assert mask.shape == (1, 1, 60, 180) and mask.dtype == torch.int64
    centres = mask[0, 0, 30, 10::20].tolist()
    assert centres == list(range(9)) and NAMES[:2] == ["black", "white"]
    assert labels_of(load_mask(encoded(stripes("purple", "grey", "white")))) == ["purple", "grey", "white"]


@pytest.mark.parametrize("side", [64, 300, 1000])
@pytest.mark.parametrize("share", [0, 0.005, 0.025], ids=["hard", "smooth", "blurred"])
def test_black_and_white_is_cut_at_one_half(side, share):
    """Whatever its border is like, and whatever JPEG makes of it, there is no grey area in between."""
    image = disc(side, share * side)
    for data in (encoded(image), encoded(image.convert("RGB"), "JPEG", quality=50)):
        mask, level = load_mask(data), load_picture(data).rgb.mean(1, keepdim=True)
        assert mask.unique().tolist() == [0, 1]
        clear = (level - 0.5).abs() > 0.02
        assert torch.equal(mask[clear], (level > 0.5).long()[clear])


@pytest.mark.parametrize("size", [(180, 60), (1800, 600)])
def test_smooth_and_jpeg_borders_between_colours_are_no_areas(size):
    """Half way between red and cyan is grey, and JPEG has purple between red and blue."""
    for names in (["red", "cyan", "red"], ["red", "blue", "red"], ["yellow", "blue", "white"]):
        image = stripes(*names, width=size[0], height=size[1]).filter(ImageFilter.GaussianBlur(size[0] / 200))
        assert labels_of(load_mask(encoded(image))) == names
        mask = load_mask(encoded(image, "JPEG", quality=50))
        counted = mask.flatten().bincount(minlength=9) / mask.numel()
        assert counted[[NAMES.index(name) for name in set(names)]].sum() > 0.98


def test_a_colour_of_a_few_specks_is_none_of_the_masks():
    image = stripes("red", "blue", width=200, height=200)
    image.paste(BYTES["purple"], (98, 0, 102, 5))  # 0.05 %
    assert load_mask(image).unique().tolist() == [NAMES.index("red"), NAMES.index("blue")]
    image.paste(BYTES["purple"], (98, 0, 102, 50))  # 0.5 %
    assert load_mask(image).eq(NAMES.index("purple")).sum() == 200


def test_grey_is_a_colour_where_it_is_an_area():
    assert labels_of(load_mask(stripes("black", "grey", "white"))) == ["black", "grey", "white"]
    assert labels_of(load_mask(Image.fromarray(np.full((H, W), 0x8000, np.uint16)))) == ["grey"]
    dark = np.uint8([80] * 30 + [180] * 30)[None].repeat(40, 0)  # greys, none of them in the middle
    assert labels_of(load_mask(dark)) == ["black", "white"]


MASKS = {  # (source, labels along the middle row)
    "bool": (lambda: np.arange(W)[None].repeat(H, 0) >= 20, ["black", "white"]),
    "1 bit": (lambda: encoded(disc(64, 0).convert("1")), ["black", "white", "black"]),
    "16 bits": (lambda: encoded(Image.fromarray(np.uint16([[0] * 20 + [65535] * 20]).repeat(H, 0))), ["black", "white"]),
    "a palette": (palette, ["red"]),
    "a hole is black": (lambda: palette(transparency=1), ["black"]),
    "hidden white": (lambda: encoded(flat("RGBA", (255, 255, 255, 0))), ["black"]),
    "mostly paint": (lambda: encoded(flat("RGBA", (255, 255, 255, 200))), ["white"]),
    "hardly paint": (lambda: encoded(flat("LA", (255, 50))), ["black"]),
    "a transparent key": (colour_key_png, ["black", "grey"]),
    "a picture": (lambda: Picture(torch.ones(1, 3, H, W)), ["white"]),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_every_kind(name):
    make, labels = MASKS[name]
    assert labels_of(load_mask(make())) == labels


@pytest.mark.parametrize("name", ["text.png", "short.png", "one.png", "narrow.png", "large.png"])
def test_a_bad_mask_is_refused_as_a_picture_is(name, tmp_path):
    make, words = BAD[name]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(BadInput) as error:
        load_mask(path)
    assert words in sentence(error, tmp_path)


def test_resize():
    image = torch.rand(2, 5, 30, 40)
    assert resize(image, 40) is image
    assert resize(image, 20).shape == (2, 5, 15, 20) and resize(image, 90).shape == (2, 5, 68, 90)
    assert resize(torch.rand(1, 1, 1, 100), 10).shape == (1, 1, 1, 10)
    checks = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    small = resize(checks[None, None].float(), 16)
    assert (small[..., 2:-2, 2:-2] - 0.5).abs().max() < 0.02  # a fine checkerboard averages to grey
    large = resize(checks[None, None].float(), 200)
    assert large.min() >= 0 and large.max() <= 1


FITTED = [((40, 30), 20, (20, 15)), ((30, 40), 20, (15, 20)), ((5000, 1), 10, (10, 1)), ((3, 2), 1024, (1024, 683))]


@pytest.mark.parametrize(("size", "side", "expected"), FITTED)
def test_fitted_size(size, side, expected):
    assert fitted_size(*size, side) == expected


def test_to_pil_rounds_clamps_and_goes_back():
    every = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    assert list(to_pil(every).getchannel("R").tobytes()) == list(range(256))
    assert torch.equal(load_picture(to_pil(every)).rgb, every)
    odd = torch.tensor([-1.0, 2.0, float("nan"), 0.5]).view(1, 1, 1, 4)
    assert list(to_pil(odd.requires_grad_()).convert("L").tobytes()) == [0, 255, 0, 128]
    assert to_pil(torch.rand(1, 3, 8, 9, dtype=torch.bfloat16)).size == (9, 8)


def test_alpha_goes_round(tmp_path):
    alpha = torch.linspace(0, 1, W).expand(1, 1, H, W)
    image = to_pil(torch.zeros(1, 3, H, W), alpha)
    save(tmp_path / "a.png", image)
    back = load_picture(tmp_path / "a.png")
    assert image.mode == "RGBA" and torch.allclose(back.alpha, alpha, atol=0.5 / 255 + 1e-6)
    assert torch.allclose(back.rgb, 1 - back.alpha.expand(-1, 3, -1, -1), atol=1e-6)  # black on white
    assert to_pil(torch.zeros(1, 3, 2 * H, 2 * W), alpha).size == (2 * W, 2 * H)


REPORT = {
    "method": "nnst",
    "params": {"size": 512, "name": "星月夜 Ночь é"},
    "losses": {"style": [2.5, 0.25]},
    "size": [512, 384],
}


@pytest.mark.parametrize("name", ["a.png", "a.PNG"])
def test_the_report_goes_round(name, tmp_path):
    save(tmp_path / name, flat("RGB", "red"), REPORT)
    assert read_report(tmp_path / name) == REPORT
    assert read_report(str(tmp_path / name)) == read_report((tmp_path / name).read_bytes()) == REPORT
    assert b"iTXt" in (tmp_path / name).read_bytes() and os.listdir(tmp_path) == [name]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~umask  # not private as a temporary file would be


def test_save_into_an_open_file():
    buffer = io.BytesIO()
    save(buffer, flat("RGBA", (255, 0, 0, 51)), REPORT)
    assert read_report(buffer) == REPORT and pixel(load_picture(buffer)) == pytest.approx((1, 0.8, 0.8))


@pytest.mark.parametrize(("name", "kind", "alpha"), [("a.jpg", "JPEG", None), ("a.JPEG", "JPEG", None), ("a.webp", "WEBP", 0.2)])
def test_other_formats(name, kind, alpha, tmp_path):
    save(tmp_path / name, flat("RGBA", (255, 0, 0, 51)), REPORT)
    with Image.open(tmp_path / name) as image:
        assert image.format == kind
    picture = load_picture(tmp_path / name)
    assert pixel(picture) == pytest.approx((1, 0.8, 0.8), abs=0.02)
    assert (picture.alpha is None) == (alpha is None)
    assert read_report(tmp_path / name) is None


@pytest.mark.parametrize("data", [b"", b"text", encoded(flat("RGB", "red")), encoded(flat("RGB", "red"))[:40]])
def test_no_report(data):
    assert read_report(data) is None


@pytest.mark.parametrize("text", ["{", "[1]", "null", "[" * 100_000])
def test_a_foreign_report(text):
    info = images.PngImagePlugin.PngInfo()
    info.add_itxt(images.REPORT_KEY, text)
    assert read_report(encoded(flat("RGB", "red"), pnginfo=info)) is None


def test_a_report_is_asked_of_a_missing_file(tmp_path):
    with pytest.raises(BadInput, match="was not found"):
        read_report(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.exe", "none/a.png", "folder.png", "nul\0.png", "x" * 300 + ".png"])
def test_what_cannot_be_saved(name, tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BadInput) as error:
        save(tmp_path / name, flat("RGB", "red"))
    sentence(error, tmp_path)
    assert os.listdir(tmp_path) == ["folder.png"]


@pytest.mark.parametrize("kind", [".jpg", ".webp"])
def test_too_long_for_the_format(kind, tmp_path):
    with pytest.raises(BadInput) as error:
        save(tmp_path / f"a{kind}", Image.new("L", (70000, 1)))
    sentence(error, tmp_path)


@pytest.mark.parametrize("step", ["replace", "unlink too"])
def test_a_full_disk_leaves_the_old_file_and_no_part(step, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save(path, flat("RGB", "red"), REPORT)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(os, "replace", full)
    if step == "unlink too":
        monkeypatch.setattr("pathlib.Path.unlink", full)
    with pytest.raises(BadInput, match="No space left on device") as error:
        save(path, flat("RGB", "blue"))
    sentence(error, tmp_path)
    assert path.read_bytes() == before
    assert step == "unlink too" or os.listdir(tmp_path) == ["a.png"]


def test_a_full_file_object():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BadInput, match="No space left on device"):
        save(Full(), flat("RGB", "red"))


def test_a_report_with_broken_text_still_saves_the_picture():
    buffer = io.BytesIO()
    save(buffer, flat("RGB", "red"), {"name": "\udcff"})
    assert read_report(buffer) == {"name": "?"} == json.loads('{"name": "?"}')
