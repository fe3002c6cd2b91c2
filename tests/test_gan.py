"""Generators: the public layouts' equations, composing layers, and training in the small."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from stylelab import metrics
from stylelab.images import to_pil
from stylelab.nets.pggan import PGGAN, widths_for
from stylelab.nets.stylegan import StyleGAN, _InstanceNorm, blur
from stylelab.train import gan as training
from stylelab.train import save_checkpoint
from stylelab.train.gan import Critic, Recipe
from stylelab.weights import read_tensors

WIDTHS, LATENT = (8, 6, 5, 4), 7  # of the small generators: 32 px, no two widths alike


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scrambled(tensors: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """The same names and shapes with numbers that are all different; small ones in vectors, so that biases do not drown codes."""
    generator = seeded(seed)
    return {n: torch.randn(v.shape, generator=generator) * (0.2 if v.ndim == 1 else 1) for n, v in tensors.items()}


def reference(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A stored file's parameters, and its inputs and outputs."""
    with np.load(Path(__file__).parent / "reference" / f"{name}.npz") as arrays:
        tensors = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    parameters = {key.removeprefix("w:"): value for key, value in tensors.items() if key.startswith("w:")}
    return parameters, {key: value for key, value in tensors.items() if not key.startswith("w:")}


# ---- slow references: each public layout's own equations, a picture at a time, one loop after another


def normed(x: Tensor) -> Tensor:
    return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()


def twice(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def slow_pggan(parameters: dict[str, Tensor], z: Tensor, weight: str, bias: str) -> Tensor:
    """genforce and mGANprior: norm before every convolution, the first one 4x4 with padding 3 on one pixel."""
    x = z[:, :, None, None]
    layers = sum(name.startswith("layer") for name in parameters) // 2
    for k in range(layers):
        kernel = parameters[f"layer{k}.{weight}"]
        x = normed(x)
        if k and k % 2 == 0:
            x = twice(x)
        x = F.conv2d(x, kernel * (2 / kernel[0].numel()) ** 0.5, padding=1 if k else 3)
        x = leaky(x + parameters[f"layer{k}.{bias}"].view(1, -1, 1, 1))
    kernel = parameters[f"output{layers // 2 - 1}.{weight}"]
    x = F.conv2d(normed(x), kernel / kernel.shape[1] ** 0.5)
    return x + parameters[f"output{layers // 2 - 1}.{bias}"].view(1, -1, 1, 1)


def slow_zoo(parameters: dict[str, Tensor], z: Tensor, infix: str) -> Tensor:
    """pytorch_GAN_zoo: a linear layer first, norm after every activation, biases scaled like weights."""

    def layer(x: Tensor, name: str) -> Tensor:
        weight, bias = (parameters[f"{name}{infix}.{kind}"] for kind in ("weight", "bias"))
        scale = (2 / weight[0].numel()) ** 0.5
        return scale * (x @ weight.T + bias if x.ndim == 2 else F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2))

    x = normed(leaky(layer(normed(z), "formatLayer")).view(len(z), -1, 4, 4))
    x = normed(leaky(layer(x, "groupScale0.0")))
    scales = sum(name.startswith("toRGBLayers") for name in parameters) // 2 - 1
    for scale in range(scales):
        x = twice(x)
        for i in range(2):
            x = normed(leaky(layer(x, f"scaleLayers.{scale}.{i}")))
    return layer(x, f"toRGBLayers.{scales}")


def slow_stylegan(parameters: dict[str, Tensor], z: Tensor, psi: float = 1.0, truncated: int = 0) -> Tensor:
    """genforce: from 128 px up a transposed convolution with a kernel of four shifted copies upsamples."""
    x = z / (z.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()
    for i in range(sum(name.startswith("mapping.") for name in parameters) // 2):
        weight, bias = (parameters[f"mapping.dense{i}.{kind}"] for kind in ("weight", "bias"))
        x = leaky(x @ weight.T * (2 / weight.shape[1]) ** 0.5 * 0.01 + bias * 0.01)
    w, mean = x, parameters["truncation.w_avg"]
    layers = sum(name.endswith(".style.weight") for name in parameters)
    row = torch.tensor([1.0, 2.0, 1.0])
    for k in range(layers):
        mine = {n.split(".", 2)[2]: v for n, v in parameters.items() if n.startswith(f"synthesis.layer{k}.")}
        if k == 0:
            x = mine["const"].repeat(len(z), 1, 1, 1)
        else:
            kernel = mine["weight"] * (2 / mine["weight"][0].numel()) ** 0.5
            if k % 2:
                x = F.conv2d(x, kernel, padding=1)
            elif 2 * x.shape[-1] < 128:
                x = F.conv2d(twice(x), kernel, padding=1)
            else:
                wide = F.pad(kernel.transpose(0, 1), (1, 1, 1, 1))
                wide = wide[..., 1:, 1:] + wide[..., :-1, 1:] + wide[..., 1:, :-1] + wide[..., :-1, :-1]
                x = F.conv_transpose2d(x, wide, stride=2, padding=1)
            if k % 2 == 0:
                x = F.conv2d(x, (row[:, None] * row / 16).expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])
        x = x + mine["apply_noise.noise"] * mine["apply_noise.weight"].view(1, -1, 1, 1)
        x = leaky(x + mine["bias"].view(1, -1, 1, 1))
        x = x - x.mean((2, 3), keepdim=True)
        x = x / (x.pow(2).mean((2, 3), keepdim=True) + 1e-8).sqrt()
        code = mean + psi * (w - mean) if k < truncated else w
        style = code @ mine["style.weight"].T / code.shape[1] ** 0.5 + mine["style.bias"]
        scale, shift = style.view(len(z), 2, -1, 1, 1).unbind(1)
        x = x * (scale + 1) + shift
    weight, bias = (parameters[f"synthesis.output{layers // 2 - 1}.{kind}"] for kind in ("weight", "bias"))
    return F.conv2d(x, weight / weight.shape[1] ** 0.5, bias)


# ---- layouts


def genforce_layout() -> dict[str, Tensor]:
    return scrambled(PGGAN(WIDTHS, LATENT).state_dict()) | {"lod": torch.zeros(())}


def mganprior_layout() -> dict[str, Tensor]:
    names = {name: name.replace(".weight", ".conv.weight").replace(".bias", ".wscale.bias") for name in genforce_layout()}
    return {names[name]: value for name, value in genforce_layout().items()}


def zoo_layout(infix: str) -> dict[str, Tensor]:
    tensors = {"formatLayer": torch.zeros(16 * WIDTHS[0], LATENT), "groupScale0.0": torch.zeros(WIDTHS[0], WIDTHS[0], 3, 3)}
    for b, width in enumerate(WIDTHS):
        tensors[f"toRGBLayers.{b}"] = torch.zeros(3, width, 1, 1)
        if b:
            tensors[f"scaleLayers.{b - 1}.0"] = torch.zeros(width, WIDTHS[b - 1], 3, 3)
            tensors[f"scaleLayers.{b - 1}.1"] = torch.zeros(width, width, 3, 3)
    pairs = {f"{name}{infix}.weight": weight for name, weight in tensors.items()}
    return scrambled(pairs | {f"{name}{infix}.bias": torch.zeros(len(weight)) for name, weight in tensors.items()})


def stylegan_layout(widths: tuple[int, ...] = WIDTHS) -> dict[str, Tensor]:
    tensors = scrambled(StyleGAN(widths, LATENT, 3).state_dict())
    for i in range(3):
        tensors[f"mapping.dense{i}.weight"] *= 100  # as they are where the rate is 0.01
    return tensors | {"synthesis.lod": torch.zeros(()), "synthesis.layer2.blur.kernel": torch.ones(6, 1, 3, 3)}


LAYOUTS = {
    "genforce": (PGGAN, genforce_layout, lambda tensors, z: slow_pggan(tensors, z, "weight", "bias")),
    "mganprior": (PGGAN, mganprior_layout, lambda tensors, z: slow_pggan(tensors, z, "conv.weight", "wscale.bias")),
    "zoo": (PGGAN, lambda: zoo_layout(""), lambda tensors, z: slow_zoo(tensors, z, "")),
    "zoo, module": (PGGAN, lambda: zoo_layout(".module"), lambda tensors, z: slow_zoo(tensors, z, ".module")),
    "stylegan": (StyleGAN, stylegan_layout, slow_stylegan),
    "stylegan 128": (StyleGAN, lambda: stylegan_layout((*WIDTHS, 3, 2)), slow_stylegan),
}


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pth"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_in_each_layout_gives_its_own_picture(layout, suffix, tmp_path):
    kind, made, slow = LAYOUTS[layout]
    tensors, path = made(), tmp_path / f"generator{suffix}"
    if suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors if suffix == ".bin" else {"state_dict": tensors}, path)
    network = kind.from_tensors(read_tensors(path))
    assert network.latent == LATENT and network.widths[: len(WIDTHS)] == WIDTHS
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    z = torch.randn(3, LATENT, generator=seeded(1))
    images, wanted = network(z), slow(tensors, z)
    assert images.shape == (3, 3, network.resolution, network.resolution)
    assert (images - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert wanted.std(0).mean() > 0.01  # codes matter


def test_the_reference_numbers_of_pggan():
    parameters, known = reference("pggan_genforce_64")
    network = PGGAN.from_tensors(parameters)
    assert network.resolution == 64 and network.widths == (24, 24, 24, 24, 16)
    assert (network(known["z"]) - known["image"]).abs().max() < 1e-4
    assert (slow_pggan(parameters, known["z"], "weight", "bias") - known["image"]).abs().max() < 1e-4


def test_the_reference_numbers_of_stylegan():
    """At 256 px they are stored as means of 8x8 places."""
    parameters, known = reference("stylegan_genforce_256")
    network = StyleGAN.from_tensors(parameters)
    assert network.resolution == 256
    w = network.map(known["z"])
    assert (w - known["w"]).abs().max() < 1e-5
    assert (F.avg_pool2d(network(known["z"]), 8) - known["image"]).abs().max() < 1e-4
    truncated = network.synthesise(network.truncate(w, 0.7, 8))
    assert (F.avg_pool2d(truncated, 8) - known["image_trunc07_8"]).abs().max() < 1e-4
    slow = slow_stylegan(parameters, known["z"], 0.7, 8)
    assert (F.avg_pool2d(slow, 8) - known["image_trunc07_8"]).abs().max() < 1e-4


@pytest.mark.parametrize("kind", [PGGAN, StyleGAN])
def test_another_file_is_refused_in_one_sentence(kind):
    good = (genforce_layout if kind is PGGAN else stylegan_layout)()
    name = "layer3.weight" if kind is PGGAN else "synthesis.layer3.weight"
    for tensors in (
        {"features.0.weight": torch.zeros(3, 3)},
        {key: value for key, value in good.items() if key != name},
        good | {name: torch.zeros(2, 2, 3, 3)},
    ):
        with pytest.raises(ValueError, match=r"^not a (PGGAN|StyleGAN) generator: [^\n]+$"):
            kind.from_tensors(tensors)


# ---- architecture


def test_the_papers_sizes():
    """Table 2 of PGGAN: 23.1 M parameters at 1024 px; StyleGAN, Table 4's text: 26.2 M."""
    assert widths_for(1024) == (512, 512, 512, 512, 256, 128, 64, 32, 16)
    with torch.device("meta"):
        counts = [sum(p.numel() for p in kind().parameters()) for kind in (PGGAN, StyleGAN)]
    assert [round(count / 1e6, 1) for count in counts] == [23.1, 26.2]


def test_blur_is_the_binomial_filter():
    spike = torch.zeros(1, 1, 5, 5)
    spike[0, 0, 2, 2] = spike[0, 0, 0, 0] = 16
    row = torch.tensor([0.0, 1, 2, 1, 0])
    wanted = row[:, None] * row
    wanted[:2, :2] += torch.tensor([[4.0, 2], [2, 1]])
    assert torch.equal(blur(spike)[0, 0], wanted)


def generators() -> list[PGGAN | StyleGAN]:
    return [PGGAN.from_tensors(genforce_layout()), StyleGAN.from_tensors(stylegan_layout())]


@pytest.mark.parametrize("network", generators(), ids=["pggan", "stylegan"])
def test_composing(network):
    """With one code and weights of 1 it is the whole generator, wherever it is cut; features of several are summed by channel."""
    z = torch.randn(4, LATENT, generator=seeded(1))
    sizes = {1: 4, 2: 4, 3: 8, 4: 8, 5: 16, 6: 16, 7: 32, 8: 32}  # implementations.md, A3
    assert network.layers == 8
    for layer, side in sizes.items():
        features = network.head(z, layer)
        assert features.shape == (4, network.widths[(layer - 1) // 2], side, side)
        ones = torch.ones(4, 1, features.shape[1])
        assert (network.compose(z[:, None], ones, layer) - network(z)).abs().max() < 1e-4
        weights = torch.rand(2, 2, features.shape[1], generator=seeded(2))
        codes = z.view(2, 2, LATENT)
        mixed = sum(features.view(2, 2, *features.shape[1:])[:, n] * weights[:, n, :, None, None] for n in range(2))
        assert (network.compose(codes, weights, layer) - network.tail(mixed, layer, codes)).abs().max() < 1e-4


@pytest.mark.parametrize("network", generators(), ids=["pggan", "stylegan"])
def test_growing(network):
    """At every level of detail the picture is that of the first layers; in between, a blend with the smaller one."""
    z = torch.randn(2, LATENT, generator=seeded(1))
    half, full = network(z, 1), network(z)
    assert [network(z, lod).shape[-1] for lod in (0, 0.4, 1, 1.5, 2, 3)] == [32, 32, 16, 16, 8, 4]
    assert (network(z, 0.4) - (0.6 * full + 0.4 * twice(half))).abs().max() < 1e-4


@pytest.mark.parametrize("network", generators(), ids=["pggan", "stylegan"])
def test_inversion_has_gradients(network):
    """Codes and weights can be optimised."""
    codes = torch.randn(1, 2, LATENT, generator=seeded(1)).requires_grad_()
    weights = torch.rand(1, 2, network.widths[1], generator=seeded(2)).requires_grad_()
    gradients = torch.autograd.grad(network.compose(codes, weights, 3).square().sum(), (codes, weights))
    assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in gradients)


def test_the_gradient_that_is_written_out():
    """Adaptive instance normalisation against autograd on its definition."""
    x, target = torch.randn(2, 3, 5, 4, generator=seeded(1)) * 3 + 1, torch.randn(2, 3, 5, 4, generator=seeded(2))
    scale, shift = torch.randn(2, 2, 3, 1, 1, generator=seeded(3)).unbind()
    inputs = [tensor.requires_grad_() for tensor in (x, scale, shift)]
    away = x - x.mean((2, 3), keepdim=True)
    slow = away / (away.square().mean((2, 3), keepdim=True) + 1e-8).sqrt() * scale + shift
    fast = _InstanceNorm.apply(x, scale, shift)
    assert (fast - slow).abs().max() < 1e-5
    wanted, ours = (torch.autograd.grad((y * target).sum(), inputs) for y in (slow, fast))
    assert all((a - b).abs().max() < 1e-4 for a, b in zip(ours, wanted, strict=True))


def test_noise_and_truncation_of_stylegan():
    network = StyleGAN.from_tensors(stylegan_layout())
    z = torch.randn(2, LATENT, generator=seeded(1))
    w = network.map(z)
    assert torch.equal(network(z), network(z))  # the file's noise
    assert not torch.equal(network(z), network(z, generator=seeded(3)))
    assert torch.equal(network(z, generator=seeded(3)), network(z, generator=seeded(3)))
    assert (network.synthesise(network.truncate(w, 1.0, 8)) - network(z)).abs().max() < 1e-5
    mean = network.synthesise(network.truncate(w, 0.0, 8))
    assert (mean[0] - mean[1]).abs().max() < 1e-5  # everything is the mean w's picture


# ---- training


@pytest.fixture
def faces(tmp_path, photo) -> Path:
    """A folder as the training expects it: twelve JPEGs in a zip file, and something else beside them."""
    folder = tmp_path / "data"
    (folder / "cats-64").mkdir(parents=True)
    with zipfile.ZipFile(folder / "cats-64" / "cats-0.zip", "w") as pack:
        pack.writestr("README.txt", "cats")
        for seed in range(12):
            data = io.BytesIO()
            to_pil(photo(64, 64, seed)).save(data, "JPEG", quality=95)
            pack.writestr(f"cat_{seed}.jpg", data.getvalue())
    return folder


def tiny() -> Recipe:
    images = {8: 24, 16: 32, 32: 16, 64: 16}
    return Recipe(8, 16, images, 0.5, (6, 5, 4, 3, 2), (4, 4, 3, 3, 2), 5, 2)


def test_read_pictures(faces, photo, monkeypatch):
    pictures = training.read_pictures(faces)
    assert pictures.shape == (12, 3, 64, 64) and pictures.dtype == torch.uint8
    assert (pictures[3].float() - photo(64, 64, 3)[0] * 255).abs().mean() < 6
    assert torch.equal(training.read_pictures(faces / "cats-64"), pictures)
    with pytest.raises(SystemExit, match="cats-64"):
        training.read_pictures(faces.parent)
    monkeypatch.setattr(training, "HELD_OUT", 4)
    assert torch.equal(training.read_pictures(faces, kept_aside=True), pictures[3::4])
    assert torch.equal(training.read_pictures(faces), pictures[[0, 1, 2, 4, 5, 6, 8, 9, 10]])


def test_augmentation(photo):
    images = torch.cat([photo(16, 16, seed) for seed in range(8)]) * 2 - 1
    assert (training.augment(images, 0.0, seeded()) - images).abs().max() < 1e-5
    ours = training.augment(images, 1.0, seeded())
    assert ours.shape == images.shape and torch.equal(ours, training.augment(images, 1.0, seeded()))
    assert all((a - b).abs().mean() > 0.1 for a, b in zip(ours, images, strict=True))
    half = training.augment(images.repeat(50, 1, 1, 1), 0.5, seeded(1))
    same = (half - images.repeat(50, 1, 1, 1)).abs().amax((1, 2, 3)) < 1e-5
    assert 0.05 < same.float().mean() < 0.25  # an eighth, and those that moved by nothing
    flat = torch.full((400, 3, 16, 16), 0.5)
    cut_out = (training.augment(flat, 1.0, seeded(2)) == 0).all(1).float().mean((1, 2))
    assert cut_out.min() > 0.05 and cut_out.max() < 0.6  # a square of half the side, perhaps across the edge, and what moved in


def test_augmentation_moves_whole_pixels_and_is_differentiable(photo, monkeypatch):
    image = (photo(16, 16, 3) * 2 - 1).requires_grad_()
    made = training.augment(image, 1.0, seeded(4))
    (slope,) = torch.autograd.grad(made.sum(), image)
    assert slope.isfinite().all() and slope.abs().max() > 0
    monkeypatch.setattr(torch, "rand", lambda n, *shape, generator: torch.full((n, *shape), 0.99 if shape == (2,) else 0.5))
    moved = training.augment(image, 0.6, seeded())  # up and to the left by two; cut out at the far corner
    assert (moved[..., :11, :11] - image[..., 2:13, 2:13]).abs().max() < 1e-5
    assert (moved[..., 11:, 11:] == 0).all()


def test_the_critic_looks_at_groups():
    """What a picture is worth depends on the others of its own group, and on no other's."""
    torch.manual_seed(0)
    critic = Critic((6, 5, 4), (3,))
    images, features = torch.randn(8, 3, 16, 16, generator=seeded()), torch.randn(8, 3, 8, 8, generator=seeded(1))
    before = critic(images, [features])
    assert [answer.shape for answer in before] == [(8, 1), (8, 16)]
    images[0] += 1
    after = critic(images, [features])
    assert (after[0] != before[0])[:4].all() and torch.equal(after[0][4:], before[0][4:])
    assert torch.equal(after[1], before[1])
    half = critic(images, [features], 0.999999)[0]
    assert (half - critic(F.avg_pool2d(images, 2), [features])[0]).abs().max() < 1e-3


def test_frechet_distance():
    """Of independent normal numbers: squared differences of means and of deviations."""
    mean, other = torch.tensor([0.0, 1.0], dtype=torch.double), torch.tensor([3.0, 1.0], dtype=torch.double)
    covariance, wider = (torch.diag(torch.tensor(d, dtype=torch.double)) for d in ([1.0, 4.0], [4.0, 25.0]))
    assert abs(metrics.frechet_distance(mean, covariance, mean, covariance)) < 1e-9
    assert abs(metrics.frechet_distance(mean, covariance, other, wider) - (9 + 1 + 9)) < 1e-9


def test_statistics(untrained, photo):
    images, vgg = torch.cat([photo(32, 32, seed) for seed in range(6)]), untrained()
    mean, covariance = metrics.statistics(vgg, images.split(4))
    features = vgg(images, metrics.FRECHET_LAYERS)
    vectors = torch.cat([features[name].mean((2, 3)) for name in metrics.FRECHET_LAYERS], 1)
    assert (mean - vectors.mean(0)).abs().max() < 0.02 * vectors.abs().max()  # bf16
    assert covariance.shape == (len(mean), len(mean)) and torch.allclose(covariance, covariance.T)
    assert abs(metrics.frechet_distance(mean, covariance, mean, covariance)) < 1e-6


@pytest.mark.parametrize("arch", ["pggan", "stylegan"])
def test_a_run_taken_up_again_ends_as_an_unbroken_one(arch, faces, tmp_path, monkeypatch, untrained):
    monkeypatch.setattr(training, "SAMPLES", 100)
    monkeypatch.setattr(training, "load_extractor", lambda *_: untrained())
    pictures, cpu = training.read_pictures(faces), torch.device("cpu")
    unbroken = training.train(arch, pictures, tiny(), cpu, tmp_path / "a")
    assert unbroken.step == 11 and unbroken.side == 64

    def stopped(*args):
        save_checkpoint(*args)
        raise KeyboardInterrupt

    for _ in range(5):  # after a step each time
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(training, "save_checkpoint", stopped)
            training.train(arch, pictures, tiny(), cpu, tmp_path / "b", minutes=0)
    resumed = training.train(arch, pictures, tiny(), cpu, tmp_path / "b")
    ours, theirs = resumed.averaged().state_dict(), unbroken.averaged().state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    rows = list(csv.DictReader((tmp_path / "a" / "log.csv").open()))
    assert len(list(csv.DictReader((tmp_path / "b" / "log.csv").open()))) == 5 + 4 - 1  # stopped once where a resolution ended
    assert [(int(row["images"]), int(row["side"])) for row in rows] == [(24, 8), (56, 16), (72, 32), (88, 64)]
    assert all(float(row["frechet"]) > 0 for row in rows)
    for row in rows:
        with Image.open(tmp_path / "a" / f"samples_{int(row['images']):07d}.png") as picture:
            assert picture.size == (12 * 64, 8 * 64)


@pytest.mark.parametrize("arch", ["pggan", "stylegan"])
def test_what_ships_stops_at_the_resolution_that_was_reached(arch, faces, tmp_path, monkeypatch, untrained):
    monkeypatch.setattr(training, "SAMPLES", 100)
    monkeypatch.setattr(training, "load_extractor", lambda *_: untrained())
    monkeypatch.setattr(training, "RECIPES", {"cpu": tiny()})
    given = [str(faces), "--arch", arch, "--run", str(tmp_path / "run"), "--out", str(tmp_path / "out.safetensors")]
    steps = (["--until", "16", "--images", "16=48"], 16), (["--export"], 16), (["--until", "32"], 32), (["--until", "16"], 32)
    for more, side in steps:
        monkeypatch.setattr("sys.argv", ["gan", *given, "--device", "cpu", *more])
        training.main()
        tensors = load_file(tmp_path / "out.safetensors")
        network = (PGGAN if arch == "pggan" else StyleGAN).from_tensors(tensors)
        assert network.resolution == side and {tensor.dtype for tensor in tensors.values()} == {torch.float16}
        assert network(torch.randn(2, 5)).isfinite().all()
