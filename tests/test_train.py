"""Training the compact extractor: folding, augmentation, and a run that is interrupted and taken up again."""

import argparse
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from stylelab.features import VGG
from stylelab.train import Progress, at_a_side, encoder, load_checkpoint, save_checkpoint
from stylelab.train.encoder import HEAD_LAYERS, Classifier, augment, evaluate, read_pack, train
from stylelab.train.muon import Muon, orthogonalised


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_folding_batch_norm_keeps_the_function(photo):
    torch.manual_seed(0)
    network = Classifier(classes=3, width=4)
    for norm in network.norms.values():
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.3, 0.3)
    for seed in range(5):  # running statistics that are not the initial ones
        network(torch.cat([photo(48, 48, seed), photo(48, 48, seed + 10)]))
    network.eval()
    folded = network.folded()
    images = torch.cat([photo(64, 48, seed) for seed in range(3)])
    with torch.no_grad():
        features = folded(images, HEAD_LAYERS)
        logits = network.head(torch.cat([features[name].mean((2, 3)) for name in HEAD_LAYERS], 1))
        assert (network(images) - logits).abs().max() < 1e-4
    assert logits.std() > 1e-3  # not all the same, which would prove nothing
    assert isinstance(folded, VGG) and not folded.training and not any(p.requires_grad for p in folded.parameters())


@pytest.mark.parametrize("size", [40, 64, 80])
def test_augment(size, photo):
    pictures = (torch.cat([photo(64, 64, seed) for seed in range(6)]) * 255).byte()
    before = pictures.clone()
    crops = augment(pictures, size, 0.4, seeded(3))
    assert crops.shape == (6, 3, size, size) and crops.dtype == torch.float32
    assert crops.min() >= 0 and crops.max() <= 1 and crops.isfinite().all()
    assert torch.equal(augment(pictures, size, 0.4, seeded(3)), crops)
    assert (augment(pictures, size, 0.4, seeded(4)) - crops).abs().mean() > 0.01
    assert torch.equal(pictures, before)


def test_augment_flips_and_crops():
    """On a ramp from left to right, a crop's spread of values is its width, and where it is flipped it falls."""
    ramp = torch.linspace(0, 255, 64).byte().expand(400, 3, 64, 64)
    spread = {}
    for smallest in (0.2, 1.0):
        row = augment(ramp, 64, smallest, seeded())[:, 0, 32]
        spread[smallest] = row[:, -1] - row[:, 0]
    assert 0.4 < (spread[1.0] > 0).float().mean() < 0.6
    assert spread[0.2].abs().mean() < 0.85 * spread[1.0].abs().mean()


@pytest.mark.parametrize("shape", [(4, 27), (32, 9), (16, 16)], ids=str)
def test_orthogonalised_brings_every_singular_value_near_1(shape):
    """Of U S V' it keeps the directions; Jordan's coefficients leave the values between 0.7 and 1.2, bf16 a little more."""
    matrix = torch.randn(shape, generator=seeded())
    result = orthogonalised(matrix)
    assert result.shape == matrix.shape and result.dtype == matrix.dtype
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ result @ v.T
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 0.1
    assert inner.diagonal().min() > 0.5 and inner.diagonal().max() < 1.3
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_muon_turns_a_weight_by_its_rate_downhill():
    weight = nn.Parameter(torch.randn(8, 2, 3, 3, generator=seeded()))
    before, target = weight.detach().clone(), torch.randn(8, 2, 3, 3, generator=seeded(1))
    optimiser = Muon([weight], lr=0.01, momentum=0.9)
    weight.grad = -target
    optimiser.step()
    scaled = before * 8**0.5 / before.norm()  # kept at norm sqrt(out)
    change = weight.detach() - scaled
    assert (change * target).sum() > 0 and 0.5 * 0.01 * 8**0.5 < change.norm() < 1.3 * 0.01 * 8**0.5
    cosine = (before * target).sum() / before.norm() / target.norm()
    for _ in range(20):
        weight.grad = -target
        optimiser.step()
    assert torch.cosine_similarity(weight.flatten(), target.flatten(), dim=0) > cosine + 0.1


@pytest.fixture
def pack(tmp_path, photo):
    """A folder with two classes: eight pictures to train on in two zips, four to validate."""
    for name, members in {
        "train-0": [("cat", i) for i in range(4)],
        "train-1": [("dog", i) for i in range(4, 8)],
        "val-0": [("dog", 8), ("cat", 9), ("dog", 10), ("cat", 11)],
    }.items():
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as file:
            file.writestr("cat/", "")
            for label, seed in members:
                data, pixels = io.BytesIO(), photo(64, 64, seed)[0].permute(1, 2, 0).numpy() * 255
                kind = "PNG" if seed % 2 else "WEBP"
                Image.fromarray(pixels.astype(np.uint8)).save(data, kind, **({} if kind == "PNG" else {"lossless": True}))
                file.writestr(f"{label}/{seed:03}.webp", data.getvalue())
    return tmp_path


def test_read_pack(pack, photo):
    data, labels, classes = read_pack(pack, "train-*.zip")
    assert data.shape == (8, 3, 64, 64) and data.dtype == torch.uint8
    assert classes == ["cat", "dog"] and labels.tolist() == [0] * 4 + [1] * 4
    assert torch.equal(data[5], (photo(64, 64, 5)[0] * 255).byte())
    assert read_pack(pack, "val-*.zip")[1].tolist() == [0, 0, 1, 1]
    with pytest.raises(SystemExit, match="tiny-64"):
        read_pack(pack, "test-*.zip")


def test_a_run_taken_up_again_ends_as_an_unbroken_one(pack, monkeypatch, capsys):
    for name, value in {"BATCH": 4, "SIZES": (32, 40), "WARM_UP": 1}.items():
        monkeypatch.setattr(encoder, name, value)
    monkeypatch.setattr(encoder, "Classifier", lambda classes: Classifier(classes, width=4))
    cpu, unbroken, resumed = torch.device("cpu"), pack / "unbroken.safetensors", pack / "resumed.safetensors"
    train(pack, unbroken, cpu, 2, pack / "a")
    assert load_checkpoint(pack / "a" / "last.pt", cpu)["step"] == 4

    def stopped(*args):
        save_checkpoint(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(encoder, "save_checkpoint", stopped)
        train(pack, resumed, cpu, 2, pack / "b")
    assert load_checkpoint(pack / "b" / "last.pt", cpu)["step"] == 2 and not resumed.exists()
    train(pack, resumed, cpu, 2, pack / "b")

    ours, theirs = load_file(resumed), load_file(unbroken)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert {tensor.dtype for tensor in ours.values()} == {torch.float16}
    network = VGG.from_tensors(ours, "vgg19")
    assert network.width == 4
    torch.manual_seed(0)
    assert (network.conv3_1.weight - Classifier(2, 4).folded().conv3_1.weight).abs().max() > 1e-3  # it has learnt something

    data, labels, _ = read_pack(pack, "val-*.zip")
    accuracy = evaluate(resumed, data, labels, cpu)
    assert accuracy in (0, 25, 50, 75, 100)
    assert f"top-1 {accuracy:.2f} % on 4 pictures" in capsys.readouterr().out


def test_evaluate_counts(pack):
    """A head that always says dog is right for half of the pictures, and for all of them where all are dogs."""
    network = Classifier(2, width=4)
    nn.init.zeros_(network.head.weight)
    network.head.bias.data = torch.tensor([0.0, 1.0])
    encoder.export(network.eval(), pack / "dogs.safetensors")
    data, labels, _ = read_pack(pack, "val-*.zip")
    cpu = torch.device("cpu")
    assert evaluate(pack / "dogs.safetensors", data, labels, cpu) == 50
    assert evaluate(pack / "dogs.safetensors", data, torch.ones_like(labels), cpu) == 100


def test_a_checkpoint_is_whole_or_not_there(tmp_path, monkeypatch):
    path, cpu = tmp_path / "run" / "last.pt", torch.device("cpu")
    assert load_checkpoint(path, cpu) is None
    save_checkpoint(path, {"step": 1, "x": torch.ones(2)})

    def fails(state, target):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path, cpu)["step"] == 1


def test_numbers_at_sides():
    parsed = at_a_side((64, 128))
    assert [parsed(text) for text in ("64=5", "128=0")] == [(64, 5), (128, 0)]
    for text in ("32=5", "64", "64=", "64=x", "64=-1", "64=1=2", "=", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{text!r} is not PX=N with one of 64, 128 before a number$"):
            parsed(text)


def test_progress_is_a_line_now_and_then(capsys):
    progress = Progress(100, done=50, every=1e9)
    for step in range(51, 101):
        progress(step, loss=0.5)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("100/100 ") and "loss 0.5" in err and err.count("\n") == 1
