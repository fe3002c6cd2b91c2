"""What the page says about its weights, and that it comes up whatever has happened to them."""

import shutil

import gradio as gr
import pytest
from PIL import Image

import stylelab
from stylelab import examples, ui, weights
from stylelab.ui.tab import licences, page_sized, summary


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A copy of ``weights/`` that a test may spoil, and no mirror to fall back on."""
    folder = tmp_path / "weights"
    shutil.copytree(weights.FOLDER, folder)
    monkeypatch.setattr(weights, "FOLDER", folder)
    monkeypatch.setenv("STYLELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STYLELAB_WEIGHTS_REPO", raising=False)
    stylelab.job.model_of.cache_clear()
    yield folder
    stylelab.job.model_of.cache_clear()


def spoil(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_nothing_to_say_when_all_is_well(shipped):
    assert "⚠️" not in ui.machine()


@pytest.mark.parametrize("name", stylelab.METHODS)
def test_a_tab_tells_the_licences_of_what_it_can_take_from_the_hub(name):
    method = stylelab.METHODS[name]
    known = {row["name"]: row["licence"] for row in weights.status() if row["family"] == "full"}
    told = licences(method)
    assert all(f"`{file}`: {known[file]}" in told for file in method.full) and bool(told) == bool(method.full)
    assert ("non-commercial" in told) == (name == "oeft")


def test_a_result_tells_the_licence_of_full_weights():
    report = dict(seconds=1, size=[8, 8], device="cpu", seed=0, note="", weights=[])
    for family, said in (("full", "a (full, CC BY-NC 4.0)"), ("compact", "a (compact)")):
        report["weights"] = [dict(name="a", family=family, licence="CC BY-NC 4.0")]
        assert said in summary(stylelab.Result(None, {}, report))


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        (lambda folder: spoil(folder / "encoder.safetensors"), "`encoder.safetensors` is damaged"),
        (lambda folder: (folder / "encoder.safetensors").unlink(), "`encoder.safetensors` is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json cannot be read"),
    ],
    ids=["damaged", "missing", "manifest"],
)
def test_the_page_comes_up_and_says_what_is_wrong(shipped, happened, said):
    happened(shipped)
    assert said in ui.machine()
    assert isinstance(ui.build(), gr.Blocks)
    with pytest.raises(stylelab.WeightsMissing) as refused:
        stylelab.stylize("nnst", examples.CONTENTS["Cat"], examples.STYLES["Oil"], size=64, iterations=1, device="cpu")
    assert "\n" not in str(refused.value)


def test_what_is_shown_is_no_larger_than_a_page_can_use():
    pictures = [Image.effect_noise(size, 50) for size in ((3000, 1000), (600, 801))]
    large, small = page_sized(*pictures)
    assert large.size == (2048, 683) and small.size == (600, 801) and small.tobytes() == pictures[1].tobytes()
