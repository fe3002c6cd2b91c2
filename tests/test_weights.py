"""Finding, checking, fetching and publishing weights, against a small Hub on loopback and all the faults it can have."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from fakehub import FakeHub, closed
from safetensors.torch import save, save_file
from torch.nn import functional as F

from stylelab import weights
from stylelab.errors import BadInput, StylelabError, WeightsMissing
from stylelab.features import IMAGENET_MEAN, IMAGENET_STD, VGG, torchvision_indices

OWN, TIMM, GAN = "encoder.safetensors", "timm/vgg19.tv_in1k", "huggan/cats"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def timm_file(width: int = 4) -> tuple[bytes, VGG]:
    """A random VGG-19 in timm's layout: convolutions under torchvision's names, and a classifier that is most of the file."""
    torch.manual_seed(0)
    network = VGG("vgg19", width)
    tensors = {}
    for name, index in torchvision_indices("vgg19").items():
        for kind in ("weight", "bias"):
            tensors[f"features.{index}.{kind}"] = getattr(getattr(network, name), kind).detach().clone()
    tensors["pre_logits.fc1.weight"] = torch.randn(64, 32 * width * 7 * 7)
    tensors["head.fc.weight"] = torch.randn(1000, 64)
    return save(tensors, {"format": "pt"}), network


@pytest.fixture
def hub():
    with FakeHub() as server:
        yield server


@pytest.fixture
def home(tmp_path, monkeypatch, hub):
    """A weights folder with one shipped file, empty caches, and a Hub with two foreign files. Returns the weights folder."""
    from huggingface_hub import constants

    folder = tmp_path / "weights"
    folder.mkdir()
    shipped = save({"conv1_1.weight": torch.ones(2, 3)})
    (folder / OWN).write_bytes(shipped)
    timm, gan = timm_file()[0], pickle_of({"g.weight": torch.arange(6.0)}, tmp_path)
    manifest = {
        "encoder": {"compact": {"file": OWN, "sha256": digest(shipped), "licence": "MIT"}},
        "vgg19": {
            "full": {
                "repo": TIMM,
                "commit": hub.put(TIMM, "model.safetensors", timm),
                "file": "model.safetensors",
                "sha256": digest(timm),
                "size_mb": 575,
                "tensors": "features.",
                "extract_sha256": None,
                "licence": "BSD-3-Clause",
            }
        },
        "gan": {
            "full": {
                "repo": GAN,
                "commit": hub.put(GAN, "pytorch_model.bin", gan),
                "file": "pytorch_model.bin",
                "sha256": None,
                "licence": "CC BY-NC 4.0",
            }
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(weights, "FOLDER", folder)
    monkeypatch.setattr(weights, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    monkeypatch.setenv("STYLELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.delenv("STYLELAB_WEIGHTS_REPO", raising=False)
    return folder


def pickle_of(value, folder: Path) -> bytes:
    torch.save(value, folder / "made.bin")
    return (folder / "made.bin").read_bytes()


def pin(folder: Path, name: str, family: str, **values) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest[name][family] |= values
    (folder / "manifest.json").write_text(json.dumps(manifest))


def mirror(folder: Path, hub: FakeHub, monkeypatch) -> bytes:
    """Put the shipped file on the Hub only."""
    data = (folder / OWN).read_bytes()
    commit = hub.put("me/mirror", OWN, data)
    (folder / OWN).unlink()
    monkeypatch.setenv("STYLELAB_WEIGHTS_REPO", f"me/mirror@{commit}")
    return data


def partials(folder: Path) -> list[str]:
    return [str(p) for p in folder.rglob("*") if p.is_file() and p.suffix in (".partial", ".incomplete")]


# ---- shipped files


def test_shipped(home, hub):
    found = weights.find("encoder", "compact")
    assert found.path == home / OWN
    assert found.described() == {
        "name": "encoder",
        "family": "compact",
        "sha256": digest((home / OWN).read_bytes()),
        "licence": "MIT",
    }
    assert hub.requests == []


def test_shipped_damaged(home, hub, monkeypatch):
    good = (home / OWN).read_bytes()
    (home / OWN).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(WeightsMissing, match=r"encoder\.safetensors is damaged.*git checkout weights/encoder\.safetensors"):
        weights.find("encoder", "compact")
    hub.put("me/mirror", OWN, good)
    monkeypatch.setenv("STYLELAB_WEIGHTS_REPO", "me/mirror")
    assert weights.find("encoder", "compact").path.read_bytes() == good
    monkeypatch.setenv("STYLELAB_WEIGHTS_REPO", "not a repository")
    with pytest.raises(WeightsMissing, match="OWNER/REPO@COMMIT"):
        weights.find("encoder", "compact")


@pytest.mark.parametrize("mirror", ["foo", "owner/repo.git", "owner/a--b", "a/b/c", "owner/repo@a b"])
def test_a_wrong_mirror_harms_no_good_file(home, mirror, monkeypatch):
    monkeypatch.setenv("STYLELAB_WEIGHTS_REPO", mirror)
    assert weights.find("encoder", "compact").path == home / OWN
    assert "shipped" in {row["where"] for row in weights.status() if row["name"] == "encoder"}
    (home / OWN).unlink()
    with pytest.raises(WeightsMissing, match="OWNER/REPO@COMMIT, not"):
        weights.find("encoder", "compact")


def test_shipped_without_a_checksum_is_refused(home):
    pin(home, "encoder", "compact", sha256=None)
    with pytest.raises(WeightsMissing, match="no checksum"):
        weights.find("encoder", "compact")
    weights.record("encoder", "compact")
    assert weights.find("encoder", "compact").path == home / OWN


def test_record_copies_a_trained_file(home, tmp_path):
    (tmp_path / "trained.safetensors").write_bytes(save({"x": torch.zeros(3)}))
    assert weights.record("encoder", "compact", tmp_path / "trained.safetensors") == weights.find("encoder", "compact").sha256
    assert "x" in weights.read_tensors(home / OWN)


def test_record_makes_an_entry_for_what_is_new(home, tmp_path):
    path = tmp_path / "own-full.safetensors"
    path.write_bytes(save({"x": torch.zeros(3)}))
    digest_ = weights.record("own", "full", path)
    assert weights.find("own", "full").path == home / "own-full.safetensors" and weights.find("own", "full").sha256 == digest_
    assert weights.find("encoder", "compact").path == home / OWN  # the others are as they were


def test_unknown_name_and_broken_manifest(home):
    with pytest.raises(WeightsMissing, match=r"no weight encoder \(full\).*vgg19 \(full\)"):
        weights.find("encoder", "full")
    (home / "manifest.json").write_text("{")
    with pytest.raises(WeightsMissing, match=r"manifest\.json cannot be read"):
        weights.find("encoder", "compact")


def test_the_real_manifest():
    folder = Path(weights.__file__).parents[1] / "weights"
    entries = {str(entry): entry for entry in weights._entries()}
    for entry in entries.values():
        assert entry.licence
        assert entry.repo is None or (len(entry.commit) == 40 and (entry.sha256 is None or len(entry.sha256) == 64))
        if entry.repo is None and (folder / entry.file).is_file():
            assert digest((folder / entry.file).read_bytes()) == entry.sha256
    assert entries["vgg19 (full)"].sha256.startswith("11aea017")
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 32 * 2**20


# ---- cache and download


def test_download_then_cache_without_network(home, hub, monkeypatch):
    data = mirror(home, hub, monkeypatch)
    found = weights.find("encoder", "compact")
    assert found.path.read_bytes() == data
    hub.requests.clear()
    monkeypatch.setenv("HF_ENDPOINT", closed())
    assert weights.find("encoder", "compact") == found
    assert hub.requests == []


def test_digest_from_the_hub_is_kept(home, hub, monkeypatch):
    found = weights.find("gan", "full")
    assert weights.read_tensors(found.path)["g.weight"].tolist() == [0, 1, 2, 3, 4, 5]
    monkeypatch.setenv("HF_ENDPOINT", closed())
    assert weights.find("gan", "full") == found
    blob = found.path.resolve()
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])
    with pytest.raises(WeightsMissing, match="damaged"):
        weights.find("gan", "full")
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert weights.find("gan", "full").sha256 == found.sha256


def test_damaged_cache_is_replaced(home, hub, monkeypatch):
    data = mirror(home, hub, monkeypatch)
    weights.find("encoder", "compact").path.resolve().write_bytes(b"x" * len(data))
    assert {row["name"]: row["where"] for row in weights.status()}["encoder"] == "damaged"
    assert weights.find("encoder", "compact").path.read_bytes() == data


# ---- faults


@pytest.mark.parametrize(
    "fault, says",
    [
        ("hang", "does not answer"),
        ("portal", "not the Hub"),
        ("503", "answered 503"),
        ("short", "broke off"),
        ("corrupt", "wrong checksum"),
    ],
)
@pytest.mark.parametrize("name, family", [("encoder", "compact"), ("vgg19", "full"), ("gan", "full")])
def test_fault_then_recovery(home, hub, monkeypatch, tmp_path, fault, says, name, family):
    mirror(home, hub, monkeypatch)
    hub.fault, begin = fault, time.monotonic()
    with pytest.raises(WeightsMissing, match=says) as told:
        weights.find(name, family)
    assert time.monotonic() - begin < 3
    assert "\n" not in str(told.value) and name in str(told.value)
    assert partials(tmp_path) == []
    hub.fault = None
    assert weights.find(name, family).path.is_file()


def test_refused(home, hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", closed())
    begin = time.monotonic()
    with pytest.raises(WeightsMissing, match=r"cannot be reached.*compact"):
        weights.find("vgg19", "full")
    assert time.monotonic() - begin < 1  # huggingface_hub by itself: 23 s


def test_default_probe_is_three_seconds(home, hub, monkeypatch):
    monkeypatch.setattr(weights, "PROBE_SECONDS", 3.0)
    hub.fault, begin = "hang", time.monotonic()
    with pytest.raises(WeightsMissing, match="does not answer"):
        weights.find("vgg19", "full")
    assert time.monotonic() - begin < 4  # huggingface_hub by itself: 386 s


def test_hanging_body(home, hub, monkeypatch):
    hub.fault = "hang-body"
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    with pytest.raises(WeightsMissing, match="does not answer"):
        weights.find("gan", "full")


def test_a_connection_that_breaks_is_resumed(home, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: setattr(hub, "fault", None))
    hub.fault = "cut"
    assert weights.find("gan", "full").path.is_file()


@pytest.mark.parametrize("change", [{"repo": "no/such"}, {"commit": "0" * 40}, {"file": "absent.bin"}])
def test_not_on_the_hub(home, change):
    pin(home, "gan", "full", **change)
    with pytest.raises(WeightsMissing, match="not on the Hub"):
        weights.find("gan", "full")


def test_offline_switch(home, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE is set"):
        weights.find("vgg19", "full")
    assert weights.find("encoder", "compact")


def test_disk_known_to_be_full(home, hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(WeightsMissing, match=r"no space left.*free \d+ MB"):
        weights.find("vgg19", "full")
    assert not hub.served  # noticed before anything travelled


@pytest.mark.parametrize("target", ["huggingface_hub.file_download.http_get", "stylelab.weights._extract"])
def test_disk_full_while_writing(home, monkeypatch, tmp_path, target):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(WeightsMissing, match=r"no space left.*free 575 MB"):
        patch.setattr(target, full)
        weights.find("vgg19", "full")
    assert partials(tmp_path) == []
    assert weights.find("vgg19", "full")


def test_really_full_disk(home, hub, tmp_path):
    """A file system of 256 kB, which root in a namespace of our own may mount even where this user may not."""
    if subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode:
        pytest.skip("needs namespaces, which this machine forbids; test_disk_full_while_writing simulates it")
    (tmp_path / "small").mkdir()
    program = textwrap.dedent(f"""
        import shutil
        from pathlib import Path
        from stylelab import weights
        weights.FOLDER = Path({str(home)!r})
        shutil.disk_usage = lambda _: shutil._ntuple_diskusage(1, 0, 10**12)  # so that writing itself fails
        try:
            weights.find("vgg19", "full")
        except weights.WeightsMissing as error:
            print(error)
        print([p.name for p in Path({str(tmp_path / "small")!r}).rglob("*") if p.is_file()])
    """)
    small = {"STYLELAB_CACHE": str(tmp_path / "small"), "HF_HOME": str(tmp_path / "small" / "hf")}
    mount = 'mount -t tmpfs -o size=256k none "$STYLELAB_CACHE" && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mount, sys.executable, program],
        cwd=Path(weights.__file__).parents[1],
        env=os.environ | small,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "no space left" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", ["vgg19", "gan"])
def test_unwritable_cache(home, tmp_path, name):
    for folder in ("hub", "cache"):
        (tmp_path / folder).write_text("a file where a folder should be")
    with pytest.raises(WeightsMissing, match="cannot be written"):
        weights.find(name, "full")


# ---- a part of a file


def assert_same_network(path: Path) -> None:
    """The loaded network computes what the one does that the fake timm file was made from."""
    loaded, original = VGG.from_tensors(weights.read_tensors(path), "vgg19"), timm_file()[1]
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded(image, ["conv5_4"])["conv5_4"], original(image, ["conv5_4"])["conv5_4"])
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), original.parameters(), strict=True))


def test_unpinned_part_is_made_from_the_checked_whole(home, hub, monkeypatch, tmp_path):
    found = weights.find("vgg19", "full")
    whole = hub.files[TIMM, "model.safetensors"]
    assert hub.served["model.safetensors"] == len(whole)
    assert found.path.stat().st_size < 0.3 * len(whole)
    assert [p.name for p in (tmp_path / "cache").iterdir() if p.suffix != ".sha256"] == [found.path.name]  # the whole is gone
    assert not any("timm" in p.name for p in tmp_path.glob("hub/*"))
    assert_same_network(found.path)
    plain = tmp_path / "plain"
    plain.touch()
    assert {p.stat().st_mode for p in (tmp_path / "cache").iterdir()} == {plain.stat().st_mode}  # others may read it too

    monkeypatch.setenv("HF_ENDPOINT", closed())
    assert weights.find("vgg19", "full") == found
    found.path.write_bytes(b"\0" * found.path.stat().st_size)
    with pytest.raises(WeightsMissing, match="damaged.*cannot be reached"):
        weights.find("vgg19", "full")
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert weights.find("vgg19", "full").sha256 == found.sha256


def test_what_killed_downloads_left_goes(home, hub, tmp_path):
    for name in ("passing-old", "passing-new", "mine"):
        (tmp_path / "cache" / name / "blobs").mkdir(parents=True)
    for name in ("passing-old", "mine"):
        os.utime(tmp_path / "cache" / name, (1, 1))
    found = weights.find("vgg19", "full")
    assert {p.name for p in (tmp_path / "cache").iterdir() if p.is_dir()} == {"passing-new", "mine"} and found.path.is_file()


@pytest.fixture
def pinned(home, hub, monkeypatch, tmp_path):
    """The same home after a maintainer has pinned the extract; caches empty again."""
    sha256 = weights.find("vgg19", "full").sha256
    pin(home, "vgg19", "full", extract_sha256=sha256)
    shutil.rmtree(tmp_path / "cache")
    hub.served.clear()
    return sha256


def test_pinned_part_is_read_by_ranges(home, hub, monkeypatch, pinned):
    found = weights.find("vgg19", "full")
    assert found.sha256 == pinned  # the same bytes whichever way they came
    assert 0 < hub.served["model.safetensors"] < 0.3 * len(hub.files[TIMM, "model.safetensors"])
    assert_same_network(found.path)
    monkeypatch.setenv("HF_ENDPOINT", closed())
    assert weights.find("vgg19", "full") == found


@pytest.mark.parametrize(
    "fault, says",
    [
        ("short", "not read to the end"),
        ("cut", "broke off|not read to the end"),
        ("corrupt", "wrong checksum"),
        ("no-range", "range"),
        ("hang-body", "does not answer"),
    ],
)
def test_fault_in_a_range(home, hub, monkeypatch, tmp_path, pinned, fault, says):
    monkeypatch.setattr(weights, "READ_SECONDS", 0.3)
    if fault == "corrupt":  # a flipped byte among the convolutions, which come first
        whole = bytearray(hub.files[TIMM, "model.safetensors"])
        whole[int.from_bytes(whole[:8], "little") + 5000] ^= 1
        monkeypatch.setitem(hub.files, (TIMM, "model.safetensors"), bytes(whole))
    hub.fault = fault
    with pytest.raises(WeightsMissing, match=says):
        weights.find("vgg19", "full")
    assert not list((tmp_path / "cache").glob("*"))
    hub.fault = None
    hub.files[TIMM, "model.safetensors"] = timm_file()[0]
    assert weights.find("vgg19", "full").sha256 == pinned


def test_whole_file_in_the_hub_cache_needs_no_network(home, hub, monkeypatch):
    """As on a Space that lists timm's file under preload_from_hub."""
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(TIMM, "model.safetensors", revision=hub.commits[TIMM], endpoint=hub.url)
    monkeypatch.setenv("HF_ENDPOINT", closed())
    found = weights.find("vgg19", "full")
    assert found.path.stat().st_size < 0.3 * Path(path).stat().st_size
    assert Path(path).is_file()  # not ours to remove


def test_extract_keeps_order_and_joins_neighbours(tmp_path):
    source = {"a.x": torch.arange(4.0), "b": torch.zeros(100), "a.y": torch.arange(3, dtype=torch.int8)}
    save_file(source, tmp_path / "s.safetensors")
    asked = []

    def read(begin, end):
        asked.append((begin, end))
        yield (tmp_path / "s.safetensors").read_bytes()[begin:end]

    with (tmp_path / "e.safetensors").open("wb") as out:
        weights._extract(read, "a.", out)
    tensors = weights.read_tensors(tmp_path / "e.safetensors")
    assert tensors["a.x"].tolist() == [0, 1, 2, 3] and tensors["a.y"].tolist() == [0, 1, 2] and len(tensors) == 2
    assert len(asked) == 4  # length, header, and two ranges with `b` between them
    for junk in (b"", b"\xff" * 64, b"\x08" + b"\0" * 7 + b"notjson!"):
        (tmp_path / "s.safetensors").write_bytes(junk)
        with pytest.raises(ValueError, match="safetensors"), (tmp_path / "e").open("wb") as out:
            weights._extract(read, "a.", out)


# ---- reading tensors


class Burglar:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_malicious_pickle_does_not_run(tmp_path):
    trace = tmp_path / "was-here"
    torch.save({"w": torch.ones(1), "x": Burglar(trace)}, tmp_path / "new.bin")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Burglar(trace), 2))
    (tmp_path / "disguised.safetensors").write_bytes(pickle.dumps(Burglar(trace), 2))
    for name in ("new.bin", "old.pth", "disguised.safetensors"):
        with pytest.raises(WeightsMissing, match="cannot be read as weights"):
            weights.read_tensors(tmp_path / name)
    assert not trace.exists()
    pickle.loads((tmp_path / "old.pth").read_bytes())
    assert trace.exists()  # the test's own burglar does work


def test_read_tensors_unwraps_and_refuses(tmp_path):
    torch.save({"state_dict": {"w": torch.ones(2), "steps": 3}, "epoch": 1}, tmp_path / "a.pth")
    assert list(weights.read_tensors(tmp_path / "a.pth")) == ["w"]
    torch.save([1, 2], tmp_path / "b.pt")
    (tmp_path / "c.npz").write_bytes(b"")
    (tmp_path / "d.safetensors").write_bytes(b"\0" * 20)
    for name in ("b.pt", "c.npz", "d.safetensors", "absent.bin"):
        with pytest.raises(WeightsMissing, match=r"\.$"):
            weights.read_tensors(tmp_path / name)


def test_timm_layout_equals_torchvision(tmp_path):
    """Every layer after its ReLU, at the published width, from a file in timm's layout (without the classifier's 495 MB)."""
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    reference = make_layers(cfgs["E"]).eval()  # `vgg19().features`, without building the classifier
    save_file({f"features.{name}": tensor for name, tensor in reference.state_dict().items()}, tmp_path / "vgg.safetensors")
    network = VGG.from_tensors(weights.read_tensors(tmp_path / "vgg.safetensors"), "vgg19")
    image = torch.rand(1, 3, 32, 32)
    ours = network(image, network.names)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    x, indices = (image - mean) / std, {index: name for name, index in torchvision_indices("vgg19").items()}
    with torch.no_grad():
        for index, layer in enumerate(reference):
            x = F.relu(layer(x)) if index in indices else layer(x)
            if index in indices:
                torch.testing.assert_close(ours[indices[index]], x, rtol=1e-5, atol=1e-6, msg=indices[index])


# ---- the shell


def test_list_verify_fetch(home, hub, capsys):
    assert weights.main(["list"]) == 0
    out = capsys.readouterr().out
    assert "shipped" in out and "575.0" in out and "BSD-3-Clause" in out and f"{TIMM}/model.safetensors" in out
    assert hub.requests == []
    assert weights.main(["verify"]) == 0
    assert "vgg19 (full): not fetched" in capsys.readouterr().out

    assert weights.main(["fetch", "vgg19", "--family", "full"]) == 0
    out = capsys.readouterr().out
    sha256 = weights.find("vgg19", "full").sha256
    assert f'"extract_sha256": "{sha256}"' in out
    assert weights.main(["fetch"]) == 0
    assert {row["where"] for row in weights.status()} == {"shipped", "cached"}

    with pytest.raises(BadInput, match="vgg99"):
        weights.main(["fetch", "vgg99"])
    (home / OWN).write_bytes(b"damaged")
    assert weights.main(["verify"]) == 1
    assert "encoder (compact): DAMAGED" in capsys.readouterr().out
    assert weights.main(["fetch"]) == 1
    assert "git checkout" in capsys.readouterr().err
    (home / OWN).unlink()
    assert weights.main(["verify"]) == 1


def test_publish_then_find_in_the_mirror(home, hub, monkeypatch, capsys):
    (home / "README.md").write_text("---\nlicense: mit\n---\n# weights\n")
    (home / "private-notes.txt").write_text("not to be published")
    assert weights.main(["publish", "me/mirror"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"export STYLELAB_WEIGHTS_REPO=me/mirror@{hub.commits['me/mirror']}"
    assert {path for repo, path in hub.files if repo == "me/mirror"} == {"manifest.json", "README.md", OWN}
    assert hub.tokens == {"Bearer hf_test"}

    data = (home / OWN).read_bytes()
    (home / OWN).unlink()
    monkeypatch.setenv("STYLELAB_WEIGHTS_REPO", line.partition("=")[2])
    assert weights.find("encoder", "compact").path.read_bytes() == data


def test_publish_refusals(home, hub, monkeypatch):
    for name in ("mirror", "me/mirror.git", "me/my/mirror"):
        with pytest.raises(BadInput, match="OWNER/REPO"):
            weights.publish(name)
    hub.writable = False
    with pytest.raises(StylelabError, match="write access"):
        weights.publish("me/mirror")
    with monkeypatch.context() as patch:
        patch.setenv("HF_ENDPOINT", closed())
        with pytest.raises(StylelabError, match="cannot be reached"):
            weights.publish("me/mirror")
        patch.delenv("HF_TOKEN")
        patch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(home / "no-token"))
        with pytest.raises(StylelabError, match="needs a token"):
            weights.publish("me/mirror")
    (home / OWN).write_bytes(b"damaged")
    with pytest.raises(WeightsMissing, match="not what the manifest says"):
        weights.publish("me/mirror")
    (home / OWN).unlink()
    with pytest.raises(WeightsMissing, match="no file"):
        weights.publish("me/mirror")
