"""What all tests share: no network, devices, small pictures, an untrained extractor."""

from __future__ import annotations

import os

# Before gradio and huggingface_hub are imported. HF_HUB_OFFLINE stays unset: test_weights talks to a Hub on loopback.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")

import dataclasses
import io
import socket
import types
import zipfile

import pytest
import torch
from torch import Tensor, nn

from stylelab import METHODS, job, metrics, precision
from stylelab.features import VGG
from stylelab.images import resize, to_pil
from stylelab.method import Input, Method, Params, Step
from stylelab.train.pictures import held_out

LOOPBACK = {"127.0.0.1", "localhost", "::1", "0.0.0.0", "", None}


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Looking up any name but this machine's fails."""
    real = socket.getaddrinfo

    def guarded(host, *args, **options):
        if (host.decode() if isinstance(host, bytes) else host) not in LOOPBACK:
            raise OSError(f"the tests have no network: {host}")
        return real(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", guarded)
        yield


@pytest.fixture(params=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])
def device(request) -> torch.device:
    """Every device there is here."""
    return torch.device(request.param)


def _photo(height: int, width: int, seed: int = 0) -> Tensor:
    """A made-up picture (1, 3, height, width) in [0, 1]: gradients, soft-edged discs, a hard edge and some stripes."""
    generator = torch.Generator().manual_seed(seed)

    def colour() -> Tensor:
        return torch.rand(3, 1, 1, generator=generator)

    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    image = colour() * x + colour() * (1 - y)
    for _ in range(4):
        cx, cy, radius = torch.rand(3, generator=generator)
        inside = torch.sigmoid(60 * (0.05 + radius / 4 - ((x - cx) ** 2 + (y - cy) ** 2).sqrt()))
        image = image + inside * (colour() - image)
    image = torch.where(x + y * torch.rand((), generator=generator) > 0.9, colour(), image)
    return (image + 0.1 * torch.sin(40 * (x + colour() * y))).clamp(0, 1)[None]


@pytest.fixture(scope="session")
def photo():
    """`photo(height, width, seed)`; see `_photo`."""
    return _photo


@pytest.fixture
def pair(photo):
    """Content and style, squares of 64 px."""
    return photo(64, 64, 1), photo(64, 64, 2)


def _untrained(width: int = 4, seed: int = 0) -> VGG:
    generator = torch.Generator().manual_seed(seed)
    network = VGG("vgg19", width).eval()
    for name in network.names:
        nn.init.kaiming_normal_(getattr(network, name).weight, nonlinearity="relu", generator=generator)
        nn.init.uniform_(getattr(network, name).bias, -0.1, 0.1, generator=generator)
    network.weights = []
    return network


@pytest.fixture(scope="session")
def untrained():
    """`untrained(width=4, seed=0)`: a VGG-19 with random parameters, made of no files."""
    return _untrained


INPUTS = (
    Input("content_mask", "Content mask", "mask", "What to keep. Without it, 100 % of the picture.", of="content"),
    Input("style_mask", "Style mask", "mask", "Where the style is.", of="style"),
    Input("second_style", "Second style", "picture", "A painting to mix in."),
)


@pytest.fixture
def made(untrained, monkeypatch):
    """A method with every kind of input among `METHODS`: "made", whose jobs add what `run` was given to this list."""
    given = []

    def run(model, content, style, params, **inputs):
        given.append(inputs)
        yield Step(1, 1, "making", resize(content, params.size))

    method = Method(
        "made", "Made up", "Nobody, Nothing", "https://arxiv.org/abs/0", "Makes nothing.", Params, {"paper": {}}, None, run
    )
    model = types.SimpleNamespace(weights=[])
    monkeypatch.setitem(METHODS, "made", dataclasses.replace(method, load=lambda *_: model, inputs=INPUTS))
    monkeypatch.setattr(metrics, "load_extractor", lambda *_: untrained())
    job.model_of.cache_clear()
    yield given
    job.model_of.cache_clear()


@pytest.fixture
def made_url(made, monkeypatch):
    """An app with that method only."""
    from stylelab import ui

    for name in set(METHODS) - {"made"}:
        monkeypatch.delitem(METHODS, name)
    demo = ui.build()
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, share=False, ssr_mode=False)
    yield address
    demo.close()


@pytest.fixture(scope="session")
def url():
    """The real app on a free port of this machine."""
    from app import demo
    from stylelab import ui

    _, address, _ = demo.launch(theme=ui.THEME, css=ui.CSS, prevent_thread_lock=True, quiet=True, share=False, ssr_mode=False)
    yield address
    demo.close()


@pytest.fixture
def bf16(monkeypatch):
    """`bf16(True)` or `bf16(False)`: bf16 wherever it may be used, or nowhere, whatever this machine is good at."""

    def choose(fast: bool) -> None:
        monkeypatch.setattr(precision, "has_fast_bf16", lambda device: fast)
        monkeypatch.setattr("stylelab.matching.has_fast_bf16", lambda device: fast)

    return choose


@pytest.fixture(scope="session")
def packs(tmp_path_factory, photo):
    """Three photographs and three styles in the layout of the data packs; names that are neither held out nor refused."""
    folder = tmp_path_factory.mktemp("packs")
    for pack, prefix in (("photos-256", "c101_"), ("styles-256", "dtd_")):
        (folder / pack).mkdir()
        with zipfile.ZipFile(folder / pack / "0.zip", "w") as archive:
            names = [name for k in range(80) if not held_out(name := f"{prefix}{k}.jpg")][:3]
            names += [name for k in range(400) if held_out(name := f"{prefix}{k}.jpg")][:1]
            for seed, name in enumerate([*names, "in1k_refused.jpg"] if prefix == "c101_" else names):
                buffer = io.BytesIO()
                to_pil(photo(72, 64, seed)).save(buffer, "JPEG")
                archive.writestr(name, buffer.getvalue())
    return folder
