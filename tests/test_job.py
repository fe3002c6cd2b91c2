"""A job from pictures to pictures and a report: what is in it, that it reproduces, and what is refused."""

import dataclasses
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import stylelab
from stylelab import METHODS, BadInput, Result, Step, StylelabError, WeightsMissing, job, losses, metrics
from stylelab.images import read_report
from stylelab.methods.nnst import Model

KEYS = (
    *("method", "preset", "params", "seed", "device", "dtype", "weights", "inputs", "cut", "content_size", "size", "iterations"),
    *("seconds", "peak_memory_mb", "losses", "metrics", "note"),
)
QUICK = dict(size=64, device="cpu", iterations=1)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Gradients and a disc, fast to make at any size."""
    y, x = np.ogrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    colours = np.random.default_rng(seed).uniform(0, 255, (3, 3))
    image = x[..., None] * colours[0] + (1 - y)[..., None] * colours[1] * 0.5
    image = np.where(((x - 0.4) ** 2 + (y - 0.5) ** 2 < 0.06)[..., None], colours[2], image)
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


@pytest.fixture
def model(untrained, monkeypatch):
    """Untrained networks for the method and for the metrics."""
    network = untrained()

    def load(device, family):
        return Model(network).to(device)

    monkeypatch.setitem(METHODS, "nnst", dataclasses.replace(METHODS["nnst"], load=load))
    monkeypatch.setattr(metrics, "load_extractor", lambda arch, family, device: network)
    job.model_of.cache_clear()
    yield network
    job.model_of.cache_clear()


@pytest.fixture
def running(monkeypatch):
    """`running(run)` puts another `run` into nnst."""

    def replace(run):
        monkeypatch.setitem(METHODS, "nnst", dataclasses.replace(METHODS["nnst"], run=run))

    return replace


def refusal(*args, **options) -> str:
    """The one sentence with which a job is refused."""
    with pytest.raises(StylelabError) as error:
        stylelab.stylize(*args, **options)
    sentence = str(error.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def test_stream_gives_steps_then_a_result(model):
    *steps, result = stylelab.stream("nnst", picture(64, 48), picture(64, 64, 1), **QUICK)
    assert all(isinstance(step, Step) for step in steps) and isinstance(result, Result)
    assert steps[-1].i == steps[-1].n == len(steps) == result.report["iterations"]
    assert result.image.mode == "RGB" and result.image.size == (64, 48)
    assert result.extras.keys() == steps[-1].extras.keys() == {"uncoloured"}
    assert result.extras["uncoloured"].size == (64, 48)


def test_the_report(model):
    model.weights = [{"name": "made up", "family": "compact", "sha256": "00"}]  # of the extractor
    result = stylelab.stylize("nnst", picture(90, 70), picture(64, 64, 1), preset="fast", seed=3, **QUICK)
    report = result.report
    assert tuple(report) == KEYS
    assert json.loads(json.dumps(report)) == report
    expected = {"method": "nnst", "preset": "fast", "seed": 3, "device": "cpu", "dtype": "float32", "weights": model.weights}
    expected |= {"inputs": [], "cut": {}, "content_size": [90, 70], "size": [64, 50]}
    assert {key: report[key] for key in expected} == expected
    settings = dataclasses.asdict(METHODS["nnst"].settings("fast", size=64, seed=3, iterations=1))
    assert report["params"] | {"seed": 3} == settings
    assert report["losses"].keys() == {"hypercolumns", "splitting"} and all(len(ends) == 2 for ends in report["losses"].values())
    assert report["metrics"].keys() == {"style_distance", "structure_change", "ssim"}
    assert report["seconds"] > 0 and 50 < report["peak_memory_mb"] < 100_000


def test_a_job_is_about_the_part_that_its_method_cuts_out(model, monkeypatch):
    """Result, transparency and report have the part's frame, as if only that had been given."""
    content = picture(90, 70).convert("RGBA")
    content.putalpha(Image.linear_gradient("L").resize(content.size))
    box = (20, 10, 48, 48)
    alone = stylelab.stylize("nnst", content.crop((20, 10, 68, 58)), picture(64, 64, 1), **QUICK)
    monkeypatch.setitem(METHODS, "nnst", dataclasses.replace(METHODS["nnst"], cut=lambda *_: (box, None)))
    result = stylelab.stylize("nnst", content, picture(64, 64, 1), **QUICK)
    assert result.image.tobytes() == alone.image.tobytes() and result.report["metrics"] == alone.report["metrics"]
    assert result.report["cut"] == {"content": list(box)} and result.report["content_size"] == [90, 70]
    assert result.extras["cut"].size == (round(90 * 256 / 70) + 256, 256) and "cut" not in alone.extras


def test_losses_are_first_and_last(model, running):
    image = torch.zeros(1, 3, 64, 64)
    running(lambda *_: (Step(i, 3, "x", image, {"loss": torch.tensor(1.0 / i)}) for i in (1, 2, 3)))
    report = stylelab.stylize("nnst", picture(64, 64), picture(64, 64, 1), **QUICK).report
    assert report["losses"] == {"loss": [1.0, 0.333333]}


def test_the_report_inside_the_png_reproduces_the_picture(model, tmp_path):
    content, style = picture(80, 61), picture(64, 70, 1)
    knobs = dict(alpha=0.4, rotations=False, colour="content", coarsest="64px", content_band=True)
    first = stylelab.stylize("nnst", content, style, "official", 128, 7, device="cpu", iterations=2, **knobs)
    first.save(tmp_path / "out.png")
    report = read_report(tmp_path / "out.png")
    assert report == first.report

    def pixels(seed: int) -> bytes:
        result = stylelab.stylize(report["method"], content, style, report["preset"], seed=seed, device="cpu", **report["params"])
        return result.image.tobytes()

    assert pixels(report["seed"]) == first.image.tobytes() != pixels(8)


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [(850, 272, 64, (64, 20)), (850, 756, 80, (80, 71)), (64, 64, 64, (64, 64)), (64, 64, 96, (96, 96)), (71, 205, 96, (33, 96))],
)
def test_sizes(width, height, size, expected, model):
    result = stylelab.stylize("nnst", picture(width, height), picture(64, 64, 1), **QUICK | {"size": size})
    assert result.image.size == expected == tuple(result.report["size"])
    assert result.report["content_size"] == [width, height]


@pytest.mark.parametrize(
    ("own", "size", "expected"),
    [((90, 70), 0, (90, 70)), ((40, 30), 0, (40, 30)), ((3000, 200), 0, (2048, 137)), ((90, 70), 64, (64, 50))],
)
def test_a_size_of_0_is_the_contents_own(own, size, expected, model, monkeypatch):
    """Up to the knob's limit; the method never sees the 0."""
    seen = []

    def run(_, content, style, params):
        seen.append(params.size)
        yield Step(1, 1, "x", job.images.resize(content, params.size))

    monkeypatch.setitem(METHODS, "analogy", dataclasses.replace(METHODS["analogy"], run=run, load=lambda *_: model))
    result = stylelab.stylize("analogy", picture(*own), picture(300, 300, 1), size=size, device="cpu")
    assert seen == [max(expected)] and result.report["params"]["size"] == max(expected)
    assert result.image.size == expected == tuple(result.report["size"])


def test_fields_arrive_as_arrays(model, running):
    field = torch.rand(1, 2, 5, 7)
    running(lambda *_: iter([Step(1, 1, "x", torch.zeros(1, 3, 48, 64), fields={"a_to_b": field})]))
    result = stylelab.stylize("nnst", picture(64, 48), picture(64, 64, 1), **QUICK)
    assert result.fields.keys() == {"a_to_b"} and result.fields["a_to_b"].dtype == np.float32
    assert result.fields["a_to_b"].shape == (5, 7, 2)
    assert result.fields["a_to_b"][3, 4].tolist() == field[0, :, 3, 4].tolist()
    assert "fields" not in result.report


def test_what_is_of_the_style_or_a_sheet_has_no_transparency(model, monkeypatch):
    """The content's holes are the content's."""
    grey = torch.full((1, 3, 48, 64), 0.5)
    extras = {"b": grey, "field_by_layer": grey, "field": grey}
    run = lambda *_: iter([Step(1, 1, "x", grey, extras=extras)])  # noqa: E731
    monkeypatch.setitem(METHODS, "analogy", dataclasses.replace(METHODS["analogy"], run=run, load=lambda *_: model))
    content = picture(64, 48).convert("RGBA")
    content.putalpha(100)
    result = stylelab.stylize("analogy", content, picture(64, 64, 1), device="cpu")
    modes = {name: image.mode for name, image in result.extras.items()}
    assert modes == {"b": "RGB", "field_by_layer": "RGB", "field": "RGBA"} and result.image.mode == "RGBA"


def half(width: int, height: int) -> np.ndarray:
    """A mask whose right half is white."""
    return np.arange(width)[None].repeat(height, 0) >= width // 2


def test_inputs_arrive_by_name_as_tensors_of_their_kind(made, device, tmp_path):
    Image.fromarray(half(40, 30)).save(tmp_path / "mask.png")
    pictures = picture(64, 48), picture(64, 64, 1)
    result = stylelab.stylize(
        "made", *pictures, size=64, device=device.type, content_mask=tmp_path / "mask.png", second_style=picture(70, 50, 2)
    )
    (given,) = made
    assert given.keys() == {"content_mask", "second_style"} and result.report["inputs"] == ["content_mask", "second_style"]
    mask, second = given["content_mask"], given["second_style"]
    assert mask.shape == (1, 1, 30, 40) and mask.dtype == torch.int64 and mask.device.type == device.type
    assert torch.equal(mask[0, 0].cpu(), torch.from_numpy(half(40, 30)).long())
    assert second.dtype == torch.float32 and second.device.type == device.type
    assert torch.equal(second.cpu(), job.images.load_picture(picture(70, 50, 2)).rgb)


def test_inputs_that_are_not_given_are_not_passed(made):
    pictures = picture(64, 48), picture(64, 64, 1)
    reports = [stylelab.stylize("made", *pictures, size=64, device="cpu", **given).report for given in ({}, {"style_mask": None})]
    assert made == [{}, {}] and [report["inputs"] for report in reports] == [[], []]
    stylelab.stylize("made", *pictures, size=64, device="cpu", style_mask=half(64, 64), content_mask=None)
    assert made[-1].keys() == {"style_mask"}


def test_inputs_that_are_refused(made, model, tmp_path):
    pictures = picture(64, 64), picture(64, 64, 1)
    (tmp_path / "words.png").write_text("these are words")
    assert refusal("analogy", *pictures, content_mask=half(64, 64)).startswith("analogy has no knob 'content_mask'; it has ")
    assert refusal("made", *pictures, mask=half(64, 64)).startswith("made has no knob 'mask'; it has ")
    for name in ("content_mask", "second_style"):
        assert refusal("made", *pictures, **{name: tmp_path / "words.png"}).startswith("words.png is not a picture")
        assert refusal("made", *pictures, **{name: tmp_path / "none.png"}) == "none.png was not found; check the path."
    sentence = refusal("made", *pictures, size=64, second_style=picture(500, 100))
    assert sentence.startswith("The second style picture of 500x100 pixels would be 64x13 at size 64: ")
    assert made == []


def test_a_large_photo_works(model):
    file = io.BytesIO()
    picture(4000, 3000).save(file, "JPEG")
    result = stylelab.stylize("nnst", file.getvalue(), picture(64, 64, 1), **QUICK)
    assert result.image.size == (64, 48)


@pytest.mark.parametrize("role", ["content", "style"])
def test_a_strip_is_refused(role, model):
    pictures = {"content": picture(64, 64), "style": picture(64, 64)} | {role: picture(2000, 30)}
    assert "2000x30" in refusal("nnst", *pictures.values(), **QUICK)


@pytest.mark.parametrize("role", ["content", "style"])
def test_too_narrow_for_this_size_only(role, model):
    pictures = {"content": picture(64, 64), "style": picture(64, 64)} | {role: picture(500, 100)}
    sentence = refusal("nnst", *pictures.values(), **QUICK)
    assert sentence.startswith(f"The {role} picture of 500x100 pixels would be 64x13 at size 64: ")
    assert int(re.search(r"at least (\d+)\.$", sentence)[1]) == 80
    job.check_shape(job.images.load_picture(picture(500, 100)), 80, role)


def test_what_is_refused(model, monkeypatch, tmp_path):
    pictures = picture(64, 64), picture(64, 64, 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refusal("nnst", *pictures, size=64, device="cuda").startswith("There is no CUDA GPU here")
    assert refusal("nnst", *pictures, size=64, device="tpu") == "device must be one of auto, cpu, cuda, not 'tpu'."
    assert refusal("gatys", *pictures) == f"method must be one of {', '.join(METHODS)}, not 'gatys'."
    assert refusal("nnst", *pictures, weights="tiny", size=64) == "weights must be one of auto, compact, full, not 'tiny'."
    assert refusal("nnst", *pictures, preset="slow").startswith("preset must be one of ")
    assert refusal("nnst", *pictures, alpha=2).startswith("alpha must be between ")
    assert "nowhere.jpg" in refusal("nnst", tmp_path / "nowhere.jpg", pictures[1], size=64)


def test_nothing_runs_before_the_first_next(model):
    stream = stylelab.stream("gatys", None, None)
    with pytest.raises(BadInput):
        next(stream)


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    for there, kind in [(True, "cuda"), (False, "cpu")]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert job.device_called("auto").type == kind
        assert job.device_called("cpu").type == "cpu"


def failing(error):
    def run(*_):
        yield Step(1, 2, "x", torch.zeros(1, 3, 64, 64))
        raise error

    return run


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 B."
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_is_one_sentence_with_a_smaller_size(error, model, running):
    running(failing(error))
    sentence = refusal("nnst", picture(64, 64), picture(64, 64, 1), size=512, device="cpu")
    assert sentence == "Not enough memory for 512 px on this machine: try size 384."


@pytest.mark.parametrize("error", [RuntimeError("unsupported memory format option"), ZeroDivisionError()], ids=repr)
def test_a_bug_stays_a_bug(error, model, running):
    running(failing(error))
    with pytest.raises(type(error)) as raised:
        stylelab.stylize("nnst", picture(64, 64), picture(64, 64, 1), **QUICK)
    assert raised.value is error


def test_closing_the_stream_closes_the_method(model, running):
    closed = []

    def run(*_):
        try:
            for i in range(1, 100):
                yield Step(i, 100, "x", torch.zeros(1, 3, 64, 64))
        finally:
            closed.append(True)

    running(run)
    stream = stylelab.stream("nnst", picture(64, 64), picture(64, 64, 1), **QUICK)
    next(stream)
    stream.close()
    assert closed == [True]


def test_networks_are_loaded_once_and_a_failure_is_not_remembered(model, monkeypatch):
    answers = iter([WeightsMissing("not here."), Model(model)])
    calls = []

    def load(device, family):
        calls.append((device.type, family))
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    monkeypatch.setitem(METHODS, "nnst", dataclasses.replace(METHODS["nnst"], load=load))
    job.model_of.cache_clear()
    assert refusal("nnst", picture(64, 64), picture(64, 64, 1), **QUICK) == "not here."
    for _ in range(2):
        stylelab.stylize("nnst", picture(64, 64), picture(64, 64, 1), **QUICK)
    assert calls == [("cpu", "auto")] * 2


@pytest.mark.skipif(not (stylelab.weights.FOLDER / "encoder.safetensors").is_file(), reason="the shipped weights are not here")
def test_the_shipped_weights():
    for synthesis, more in (("decoder", [("nnst-decoder", "compact", 64)]), ("opt", [])):  # only what it was made with
        knobs = QUICK | dict(synthesis=synthesis, weights="compact")
        result = stylelab.stylize("nnst", picture(96, 64), picture(64, 64, 1), **knobs)
        described = [(w["name"], w["family"], len(w["sha256"])) for w in result.report["weights"]]
        assert described == [("encoder", "compact", 64), *more]
    assert 0 < result.report["metrics"]["style_distance"] < 3 and 0 < result.report["metrics"]["ssim"] <= 1


def test_metrics_of_equal_pictures(untrained, photo, monkeypatch):
    monkeypatch.setattr(metrics, "load_extractor", lambda *_: untrained())
    content, style = photo(300, 240, 0), photo(300, 240, 1)
    kept = metrics.compare(content, content, style)
    assert kept == {"style_distance": 1.0, "structure_change": 0.0, "ssim": 1.0}
    assert metrics.compare(style, content, style)["style_distance"] == 0
    assert metrics.compare(style, content, content)["style_distance"] < 1000  # no way to go is no division by nothing


def test_gram_of_ones():
    assert torch.equal(losses.gram(torch.ones(1, 3, 4, 5)), torch.ones(3, 3))


def test_a_narrow_picture_is_measured_too(model):
    """At the 256 px of the metrics its short side would be too small for the extractor."""
    result = stylelab.stylize("nnst", picture(640, 40), picture(64, 64, 1), **QUICK | {"size": 288})
    assert result.image.size == (288, 18) and 0 < result.report["metrics"]["ssim"] <= 1
