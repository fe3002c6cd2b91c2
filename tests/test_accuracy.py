"""Accuracy as a command, on made-up data in the layout of the real ones: figures by hand, tables, and what is refused."""

import dataclasses
import json
import math
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from stylelab import METHODS, accuracy, job
from stylelab.__main__ import main
from stylelab.accuracy import adjustable as figure7
from stylelab.accuracy import analogy, dtp
from stylelab.accuracy import nnst as guidance
from stylelab.accuracy import video as clips
from stylelab.hypercolumns import extract, hypercolumns, quarter
from stylelab.images import to_pil
from stylelab.matching import relative
from stylelab.method import Step
from stylelab.methods import nnst, oeft
from stylelab.methods.adjustable import Painter
from stylelab.nets.adjustable import Adjustable
from stylelab.nets.pggan import PGGAN
from stylelab.regions import Regions
from stylelab.sources import Sources

SHIFT = (6, -3)  # x, y of the made-up flow


def places(x: torch.Tensor, y: torch.Tensor, other: tuple[int, int]) -> torch.Tensor:
    """A field of relative places from columns and rows of a picture of size `other`."""
    return relative(torch.stack([x.clamp(0, other[1] - 1), y.clamp(0, other[0] - 1)])[None], other)


def grid(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return x, y


def test_the_table_of_times(capsys):
    """A row a job, whose figures are those of a run in a process of its own; a wrong preset is told before the first."""
    assert main(["bench", "--method", "adjustable", "--preset", "fast", "--preset", "slow"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "'slow'" in err
    assert main(["bench", "--method", "adjustable", "--preset", "fast", "--size", "64", "--device", "cpu"]) == 0
    *_, heading, _, line = capsys.readouterr().out.splitlines()
    assert heading.startswith("| job | size | first preview | seconds | memory |")
    assert line.startswith("| adjustable `fast` | 64 px | ")
    first, whole, memory, style, structure = (float(cell.split()[0]) for cell in line.strip("| ").split("|")[2:])
    assert 0 <= first <= whole < 60 and memory > 100 and 0 < style < 1 and 0 < structure < 1


@pytest.fixture
def data(tmp_path, photo):
    """One sequence that moves by `SHIFT`, unknown where it leaves the frame; two classes of three pictures with keypoints."""
    sequence, willow = tmp_path / "middlebury_flow" / "Moving", tmp_path / "pf_willow"
    sequence.mkdir(parents=True)
    willow.mkdir()
    dx, dy = SHIFT
    whole = photo(96, 128, 1)
    for name, y, x in (("frame10", 16, 16), ("frame11", 16 - dy, 16 - dx)):  # what is at q in frame 10 is at q + shift in 11
        to_pil(whole[..., y : y + 64, x : x + 80]).save(sequence / f"{name}.png")
    x, y = grid(64, 80)
    valid = ((x + dx < 80) & (x + dx >= 0) & (y + dy < 64) & (y + dy >= 0)).numpy()
    flow = np.broadcast_to(np.int16(128) * np.array(SHIFT, np.int16), (64, 80, 2))
    np.savez(sequence / "flow10.npz", shape=[64, 80], flow128=flow, valid=np.packbits(valid.ravel()))
    (willow / "keypoints.json").write_text(
        json.dumps(
            {
                f"{name}_{i}.png": {"class": name, "size": [60, 48], "xy": [[10.0, 10.0], [50.0 - i, 40.0], [30.0, 20.0 + i]]}
                for name in ("duck(S)", "car(G)")
                for i in range(3)
            }
        )
    )
    for i, name in enumerate(("duck(S)", "car(G)")):
        for k in range(3):
            to_pil(photo(48, 60, 10 * i + k)).save(willow / f"{name}_{k}.png")
    return tmp_path


def test_a_perfect_field_has_no_error(data):
    ((name, a, b, flow, valid),) = analogy.flow_pairs(data / "middlebury_flow")
    assert name == "Moving" and flow.shape == (64, 80, 2) and valid.mean() == pytest.approx(61 * 74 / (64 * 80))
    x, y = grid(64, 80)
    field = places(x + SHIFT[0], y + SHIFT[1], (64, 80))
    psnr, error = analogy.flow_scores(field, a, b, flow, valid)
    assert error == 0 and psnr > 20  # the strips that leave the frame cannot be rebuilt
    inside = (..., slice(8, 56), slice(8, 66))
    assert (
        analogy.flow_scores(places(*grid(48, 58), (48, 58)), a[inside], a[inside], flow[8:56, 8:66], valid[8:56, 8:66])[0] > 100
    )


@pytest.mark.parametrize("off", [(1, 0), (3, 4)], ids=str)
def test_the_endpoint_error_is_a_distance_in_pixels(off, data):
    ((_, a, b, flow, valid),) = analogy.flow_pairs(data / "middlebury_flow")
    x, y = grid(64, 80)
    field = places(x + SHIFT[0], y + SHIFT[1], (64, 80))
    moved = flow + np.array(off)
    assert analogy.flow_scores(field, a, b, moved, valid)[1] == pytest.approx(math.hypot(*off))
    moved[~valid] += 1000  # what is not known does not count
    assert analogy.flow_scores(field, a, b, moved, valid)[1] == pytest.approx(math.hypot(*off))


def test_psnr_by_hand():
    """A grey picture rebuilt from one that is 0.1 lighter: 20 dB."""
    a = torch.full((1, 3, 20, 30), 0.5)
    flow = np.zeros((20, 30, 2))
    psnr, error = analogy.flow_scores(places(*grid(20, 30), (20, 30)), a, a + 0.1, flow, np.ones((20, 30), bool))
    assert psnr == pytest.approx(20, abs=1e-3) and error == 0


def test_a_coarser_field_is_brought_to_the_frames():
    flow = np.zeros((20, 30, 2))
    picture = torch.zeros(1, 3, 20, 30)
    assert analogy.flow_scores(places(*grid(10, 15), (10, 15)), picture, picture, flow, np.ones((20, 30), bool))[1] < 1


@pytest.mark.parametrize(
    ("moved", "share"), [((0, 0), 1), ((3.9, 0), 1), ((4.1, 0), 0.75), ((3, 3), 0.75), ((2.5, -2.5), 1)], ids=str
)
def test_pck_by_hand(moved, share):
    """The box of the keypoints is 40 x 20, so that 4 pixels are allowed. The field is the identity; keypoints are 1-based."""
    start = {"size": [60, 48], "xy": [[1, 1], [41, 1], [1, 21], [20, 10]]}
    goal = start | {"xy": [*start["xy"][:3], [20 + moved[0], 10 + moved[1]]]}
    assert analogy.correct_keypoints(places(*grid(48, 60), (48, 60)), start, goal) == share


def test_pck_between_pictures_of_two_sizes():
    """The identity of relative places takes a keypoint to twice its coordinates, at any resolution of the field."""
    start = {"size": [60, 48], "xy": [[11, 11], [41, 31], [51, 5]]}
    goal = {"size": [120, 96], "xy": [[21.5, 21.5], [81.5, 61.5], [101.5, 9.5]]}
    for size in ((48, 60), (24, 30)):
        assert analogy.correct_keypoints(places(*grid(*size), size), start, goal) == 1
    wrong = goal | {"xy": [[21.5, 21.5], [81.5, 61.5], [80.0, 30.0]]}
    assert analogy.correct_keypoints(places(*grid(48, 60), (48, 60)), start, wrong) == pytest.approx(2 / 3)


def test_pairs_are_inside_a_class_and_the_same_every_time(data):
    known = json.loads((data / "pf_willow" / "keypoints.json").read_text())
    pairs = analogy.keypoint_pairs(known, 2)
    assert [name for name, _, _ in pairs] == ["car(G)", "car(G)", "duck(S)", "duck(S)"] and len(set(pairs)) == 4
    assert all(known[one]["class"] == known[other]["class"] == name and one != other for name, one, other in pairs)
    assert analogy.keypoint_pairs(known, 2) == pairs
    assert len(analogy.keypoint_pairs(known, 100)) == 6  # three pairs of three pictures, twice


def test_pixels_are_compared_by_their_squared_distance(photo):
    a, b = photo(20, 30, 1), photo(20, 30, 2)
    left, right = analogy.pixel_maps(a, b)
    assert torch.allclose((left * right).sum(1), -(a - b).square().sum(1) / 2, atol=1e-5)


def test_the_plain_matchers_find_a_shift(data, untrained):
    ((_, a, b, flow, valid),) = analogy.flow_pairs(data / "middlebury_flow")
    there, back = analogy.pixels(a, b, 80)
    assert there.shape == back.shape == (1, 2, 64, 80)
    psnr, error = analogy.flow_scores(there, a, b, flow, valid)
    assert psnr > 35 and error < 0.5
    there, back = analogy.features(untrained())(a, b, 80)
    assert there.shape == back.shape == (1, 2, 64, 80) and there.min() > 0 and there.max() < 1
    identity = places(*grid(64, 80), (64, 80))
    same, _ = analogy.features(untrained())(a, a, 80)
    assert (same - identity).abs().max() < 0.01


@pytest.fixture
def exact(monkeypatch, untrained):
    """Every column's matcher knows the shift of the sequence, ours alone the identity of the keypoints."""
    network = untrained()
    network.weights = [{"name": "made up", "family": "compact"}]
    monkeypatch.setattr(job, "model_of", lambda name, device, family: network)
    asked = []

    def matchers(vgg, preset, **knobs):
        asked.append((preset, knobs))

        def ours(a, b, side):
            x, y = grid(*a.shape[-2:])
            dx, dy = SHIFT if knobs == {"structure": 1.0} else (0, 0)
            return (places(x + dx, y + dy, tuple(a.shape[-2:])),) * 2

        return {"ours": ours, "lost": lambda a, b, side: (torch.full((1, 2, 4, 4), 0.999),) * 2}

    monkeypatch.setattr(analogy, "matchers", matchers)
    return asked


def test_the_report(data, exact, capsys):
    argv = ["bench", "--accuracy", "analogy", "--data", str(data), "--preset", "fast", "--device", "cpu"]
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Preset `fast`, made up (compact)."
    assert exact == [("fast", {"structure": 1.0}), ("fast", analogy.ONE_CLASS)]
    cells = {line.split(" | ")[0].strip("| "): [c.strip(" |") for c in line.split(" | ")[1:]] for line in lines if "|" in line}
    assert cells["Moving"][1] == "0.00" and float(cells["Moving"][3]) > 30
    assert cells["**mean**"][1:] != [] and cells["paper: 23 pairs, VGG-19"][:4] == ["34.16 dB", "3.21", "35.18 dB", "22.40"]
    assert cells["car(G)"][:2] == ["2 × 3", "1.000"] and float(cells["car(G)"][2]) < 0.5
    assert lines[-2].endswith(" s") and "torch" in lines[-2]


def test_fewer_pairs_and_only_what_is_there(data, exact):
    options = accuracy.Options(data, pairs=1, device="cpu")
    assert any("| car(G) | 2 × 1 |" in line for line in accuracy.report("analogy", options))
    for file in (data / "middlebury_flow" / "Moving").iterdir():
        file.unlink()
    (data / "middlebury_flow" / "Moving").rmdir()
    (data / "middlebury_flow").rmdir()
    lines = list(accuracy.report("analogy", options))
    assert not any("PSNR" in line for line in lines) and any("PCK" in line for line in lines)


def test_ours_runs_with_the_knobs_given(data, untrained, monkeypatch):
    seen = []
    run = analogy.analogy.run
    monkeypatch.setattr(analogy.analogy, "run", lambda vgg, a, b, params: seen.append(params) or run(vgg, a, b, params))
    ((_, a, b, *_),) = analogy.flow_pairs(data / "middlebury_flow")
    there, back = analogy.ours(untrained(), "fast", structure=1.0, deconvolution_steps=5, search_iterations=1)(a, b, 64)
    assert there.shape == back.shape == (1, 2, 51, 64)
    assert (seen[0].structure, seen[0].size, seen[0].match_size) == (1.0, 64, 64)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["--data", "nowhere"],
            "There is no middlebury_flow or pf_willow in nowhere: name the folder of evaluation data with --data.",
        ),
        (["--data", "nowhere", "--pairs", "0"], "--pairs must be at least 1, not 0."),
        (["--runs", "0"], "--runs must be at least 1, not 0."),
    ],
    ids=["data", "pairs", "runs"],
)
def test_what_is_refused_in_one_line(argv, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "--accuracy", "analogy", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == f"stylelab: {said}\n"


@pytest.mark.parametrize(("name", "method"), [(name, "nnst" if name == "video" else name) for name in accuracy.NAMES])
def test_an_unknown_preset_is_told_before_anything_is_measured(name, method, monkeypatch, capsys):
    measured = []
    monkeypatch.setattr(accuracy, "report", lambda *_: measured.append(_) or ["a table"])
    assert main(["bench", "--accuracy", name, "--preset", "paper", "--preset", "slow"]) == 2
    presets = ", ".join(METHODS[method].presets)
    assert capsys.readouterr() == ("", f"stylelab: preset must be one of {presets}, not 'slow'.\n") and measured == []
    assert main(["bench", "--accuracy", name, "--preset", "paper", "--preset", "fast"]) == 0
    assert [options.preset for _, options in measured] == ["paper", "fast"] and "a table" in capsys.readouterr().out


@pytest.fixture
def photos(tmp_path, photo):
    """Three photo pairs, and other files beside them."""
    folder = tmp_path / "deep_photo"
    folder.mkdir()
    for name in ("01", "02", "07"):
        for seed, kind in enumerate(("content", "style", "content_mask")):
            to_pil(photo(60, 80, int(name) + 50 * seed)).save(folder / f"{name}_{kind}.{'png' if seed == 2 else 'jpg'}")
    return tmp_path


def test_pairs_are_spread_over_the_folder(photos):
    folder = photos / "deep_photo"
    assert [name for name, *_ in dtp.pairs(folder, None)] == [name for name, *_ in dtp.pairs(folder, 9)] == ["01", "02", "07"]
    assert [name for name, *_ in dtp.pairs(folder, 2)] == ["01", "02"]
    assert [path.name for path in dtp.pairs(folder, 1)[0][1:]] == ["01_content.jpg", "01_style.jpg"]


def test_labels_that_leak_by_hand(untrained, photo):
    """The style is the content mirrored: without guidance every place takes from the other half, with it from its own."""
    content = torch.cat([photo(64, 32, 1), 1 - photo(64, 32, 1)], 3)
    halves = (torch.arange(64) >= 32).long().expand(1, 1, 64, 64)
    sources = Sources((content,), regions=Regions(halves, 1 - halves))
    settings = [METHODS["nnst"].settings(guidance_weight=weight, rotations=False) for weight in guidance.GUIDANCE]
    free, kept = (guidance.leaks(untrained(), content, sources, params) for params in settings)
    assert free == [(1.0, 1.0)] * 3 and kept == [(0.0, 0.0)] * 3


def test_what_the_style_lacks_does_not_leak(untrained, photo):
    """The right third has a label that the style lacks, and is best matched with the style's label 1, which is no leak of 0."""
    left, right = photo(64, 32, 1), 1 - photo(64, 32, 2)
    thirds = torch.tensor([0, 1, 7]).repeat_interleave(32).expand(1, 1, 64, 96)
    halves = torch.tensor([0, 1]).repeat_interleave(32).expand(1, 1, 64, 64)
    sources = Sources((torch.cat([left, right], 3),), regions=Regions(thirds, halves))
    params = METHODS["nnst"].settings(guidance_weight=0.9, rotations=False)
    assert guidance.leaks(untrained(), torch.cat([left, right, right], 3), sources, params) == [(0.0, 0.0)] * 3


def test_pixels_of_a_place_with_two_labels(untrained, photo):
    """A strip of five columns of pixels, a place and a quarter: the fifth takes the three others of its place with it."""
    strip = ((torch.arange(64) >= 24) & (torch.arange(64) < 29)).long().expand(1, 1, 64, 64)
    content = photo(64, 64, 1)
    sources = Sources((content,), regions=Regions(strip, strip))
    params = METHODS["nnst"].settings(guidance_weight=0.9, rotations=False)
    found = guidance.leaks(untrained(), content, sources, params)
    assert found == [(0.0, 0.0), *((pytest.approx(n / of), pytest.approx(n / (of - m))) for n, of, m in ((3, 64, 5), (1, 16, 1)))]


def test_the_table_of_labels_leaves_out_pairs_without_any(photos, untrained, monkeypatch, capsys):
    folder, model = photos / "deep_photo", nnst.Model(untrained())
    model.vgg.weights = [{"name": "made up", "family": "compact"}]
    monkeypatch.setattr(job, "model_of", lambda *_: model)
    for name, right in (("01", "white"), ("02", "black"), ("07", "white")):
        for kind in ("content", "style"):
            mask = Image.new("RGB", (80, 60), "black")
            mask.paste(right, (40, 0, 80, 60))
            mask.save(folder / f"{name}_{kind}_mask.png")
    assert main(["bench", "--accuracy", "nnst", "--data", str(photos), "--preset", "fast", "--device", "cpu"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith(("| 0", "| **"))]
    assert [row[0] for row in rows] == ["| 01", "| 07", "| **mean**"]
    assert all(float(row[3].rstrip("%")) <= 5 < float(row[2].rstrip("%")) for row in rows)


class Spy(torch.nn.Module):
    """A decoder that keeps what it is given."""

    def forward(self, target):
        self.seen = target
        return target.new_full((1, 3, 4 * target.shape[-2], 4 * target.shape[-1]), 0.5)


def test_moments_matched_are_those_of_the_style(untrained, photo):
    spy = Spy()
    content, style = photo(64, 96, 1), photo(48, 64, 2)
    image = guidance.moments_matched(nnst.Model(untrained(), {512: spy}), content, style)
    wanted = hypercolumns(extract(untrained(), style), quarter(style))
    assert image.shape == content.shape and spy.seen.shape[-2:] == (16, 24)
    for ours, theirs in zip(torch.std_mean(spy.seen, (2, 3)), torch.std_mean(wanted, (2, 3)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)  # a channel may be dead


def test_the_table_of_syntheses_by_hand(pairs, photo, untrained, monkeypatch, capsys):
    """Made up: optimisation gives the content back, decoders the style."""
    to_pil(photo(48, 64, 7)).save(pairs / "dia" / "1photo2style_08_A.jpg")
    shutil.rmtree(pairs / "deep_photo")

    def run(model, content, style, params):
        yield Step(1, 1, "made up", content if params.synthesis == "opt" else style)

    monkeypatch.setattr(guidance.nnst, "run", run)
    monkeypatch.setattr("stylelab.metrics.load_extractor", lambda *_: untrained())
    monkeypatch.setattr(job, "model_of", lambda *_: nnst.Model(untrained(), {512: Spy()}))
    assert main(["bench", "--accuracy", "nnst", "--data", str(pairs), "--preset", "fast", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith(("| content", "| 1photo", "| **"))]
    assert [row[0] for row in rows] == ["| content_C1, style_S1", "| 1photo2style_08_A, 1photo2style_08_BP", "| **mean**"]
    for _, opt, same, decoder, *_ in rows:
        assert (float(opt), float(same), float(decoder)) == (1, 0, 0)


def test_the_untouched_photo_and_the_reference_itself(photos, untrained, monkeypatch, capsys):
    """At 0.2 the made-up method gives the photo back, at 0.8 the reference: their figures are known."""
    asked = []

    def run(model, content, style, params):
        asked.append((params.style_weight, params.size, params.training_steps))
        image = content if params.style_weight == 0.2 else style
        yield Step(1, 1, "made up", image, {}, {"global_colour": content.flip(3)})

    monkeypatch.setattr(dtp.dtp, "run", run)
    model = untrained()
    model.weights = [{"name": "made up", "family": "compact"}]
    monkeypatch.setattr(job, "model_of", lambda *_: model)
    monkeypatch.setattr("stylelab.metrics.load_extractor", lambda *_: model)
    argv = ["bench", "--accuracy", "dtp", "--data", str(photos), "--preset", "fast", "--device", "cpu", "--pairs", "2"]
    assert main(argv) == 0
    steps = METHODS["dtp"].settings("fast").training_steps
    assert asked == [(0.2, 80, steps), (0.8, 80, steps)] * 2
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split(" | ")[0].strip("| "): [c.strip(" |") for c in line.split(" | ")[1:]] for line in lines if "|" in line}
    for name in ("01", "02", "**mean**"):
        numbers = [float(cell) for cell in rows[name]]
        assert numbers[2:4] == [1, 1] and numbers[5] == 0  # the photo: all its structure, none of the style; the reference
        assert numbers[0] < 0.9 and numbers[4] < 0.9
    assert rows["paper, VGG-19, its own pairs"] == ["", "", "0.82", "", "0.75", ""]


def test_modules_are_called_as_their_methods():
    assert "analogy" in accuracy.NAMES and set(accuracy.NAMES) <= METHODS.keys() | {"video"}


def test_tables_are_markdown():
    assert accuracy.head("a", "b").splitlines() == ["| a | b |", "| --- | --- |"]
    assert accuracy.row("1", "2") == "| 1 | 2 |"


# ---- figure 7 of adjustable style transfer


@pytest.fixture
def pairs(tmp_path, photo):
    """Two contents and two styles in the layout of the evaluation data, among files that are neither."""
    for folder, name in (
        ("nnst", "content_C1"),
        ("nnst", "style_S1"),
        ("dia", "1photo2style_08_BP"),
        ("dia", "4photo2photo_01_BP"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        to_pil(photo(48, 64, len(name))).save(tmp_path / folder / f"{name}.jpg")
    (tmp_path / "deep_photo").mkdir()
    for name in ("01_content.jpg", "01_content_mask.png", "01_style.jpg"):
        to_pil(photo(48, 64, 5)).save(tmp_path / "deep_photo" / name)
    return tmp_path


def test_which_pictures_are_contents_and_which_styles(pairs):
    assert len(figure7.pictures(pairs, "contents", 20)) == 2 and len(figure7.pictures(pairs, "styles", 10)) == 2
    assert len(figure7.pictures(pairs, "contents", 1)) == 1
    assert all(max(p.shape[-2:]) == 256 for p in figure7.pictures(pairs, "styles", 10))


def test_a_sweep_counts_what_the_sliders_do(monkeypatch):
    """A network whose loss at a layer is its α taken from one, twice as much for the second content."""
    layers = figure7.STYLE_LAYERS
    monkeypatch.setattr(figure7, "style_code", lambda *_: None)
    monkeypatch.setattr(figure7, "encode", lambda _, content: content)
    monkeypatch.setattr(figure7, "repaint", lambda _, encoding, code, alphas: (encoding, alphas))
    monkeypatch.setattr(figure7, "grams", lambda _, picture: picture)
    monkeypatch.setattr(
        figure7,
        "distances",
        lambda ours, _: {n: torch.tensor(ours[0] * (1 - a)) for n, a in zip(layers, ours[1], strict=True)},
    )
    for others in (0.0, 1.0):
        found = figure7.sweep(None, [1.0, 2.0, 3.0], [0, 0], others)
        for name in layers:
            assert found[name] == pytest.approx([2 * (1 - a) for a in figure7.STEPS], abs=1e-6)


def test_the_report_of_figure_7(pairs, tmp_path, photo, untrained, monkeypatch):
    code = 2 * (4 + 8 + 16 + 32) + 9
    painter = Painter(Adjustable((4, 6, 8), 1, 16, 1, code).requires_grad_(False), untrained())
    monkeypatch.setattr(job, "model_of", lambda *_: painter)
    monkeypatch.setattr("stylelab.metrics.load_extractor", lambda *_: untrained())
    monkeypatch.setattr(figure7, "PLOT", tmp_path / "plot.png")
    monkeypatch.setattr(figure7, "SIDE", 64)
    monkeypatch.setattr(figure7, "SIDES", (64,))
    lines = list(figure7.report(accuracy.Options(pairs, device="cpu", pairs=1)))
    assert sum(line.startswith("| conv") for line in lines) == 6
    assert Image.open(tmp_path / "plot.png").size == (920, 380)
    assert any(line.startswith("| noise on γ and β (5.4) |") for line in lines)


def test_the_tables_of_oeft(tmp_path, untrained, photo, monkeypatch):
    """Two pairs and three cats on an untrained generator: every figure is there, and tuning changes the warped picture."""
    folder, cats = tmp_path / "deep_photo", tmp_path / "cats-64"
    folder.mkdir()
    cats.mkdir()
    for i in range(2):
        to_pil(photo(64, 64, i)).save(folder / f"{i}_content.jpg")
        to_pil(photo(64, 64, i + 5)).save(folder / f"{i}_style.jpg")
    with zipfile.ZipFile(cats / "cats-0.zip", "w") as pack:
        for i in range(3):
            to_pil(photo(64, 64, i)).save(tmp_path / f"{i}.jpg")
            pack.write(tmp_path / f"{i}.jpg", f"{i}.jpg")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = oeft.Model(untrained().padded("replicate"), {"pggan": PGGAN((8, 6, 5, 4), 7)}).requires_grad_(False)
    monkeypatch.setattr(job, "model_of", lambda *_: model)
    monkeypatch.setattr("stylelab.accuracy.oeft.load_extractor", lambda *_: untrained())
    monkeypatch.setattr("stylelab.train.gan.HELD_OUT", 1)
    quick = dataclasses.replace(METHODS["oeft"], presets={"quick": {"square": 64, "tuning_steps": 2, "inversion_steps": 1}})
    monkeypatch.setattr("stylelab.methods.oeft.METHOD", quick)
    monkeypatch.setattr("stylelab.accuracy.oeft.ROUNDS", 1)
    asked, run, decisions, decide = [], oeft.run, [], oeft.Reference.decide
    monkeypatch.setattr(oeft, "run", lambda *given: asked.append(given[-1]) or run(*given))
    monkeypatch.setattr(oeft.Reference, "decide", lambda *given: decisions.append(decide(*given)) or decisions[-1])
    lines = "\n".join(accuracy.report("oeft", accuracy.Options(tmp_path, "quick", "cpu", pairs=2))).splitlines()
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    names = [cells[0] for cells in tables if cells[0] != "---"]
    pairs = ["cats-64 0, cats-64 1", "cats-64 1, cats-64 0"]
    assert names == ["pair", "0", "1", "**mean**", "picture", "cats-64 0", "cats-64 1", "**mean**", "pair", *pairs, "**mean**"]
    mean = [float(cell) for cell in tables[4][1:]]
    assert len(mean) == 6 and len(set(mean)) == 6
    inverted = tables[names.index("picture") + 5]
    assert inverted[0] == "**mean**" and all(0 < float(cell) < 40 for cell in inverted[1:])
    (layer,) = {params.layers for params in asked if params.task == "invert"}
    assert any(f"composing layer {layer}, 1 rounds" in line for line in lines)
    assert {(params.codes, params.factor) for params in asked if params.task == "invert"} == {("1", 1), ("20", 1)}
    warped, mean, decided, likeness = (float(cell) for cell in tables[-1][1:5])
    assert warped > 0 and likeness > 0
    scored = [scores for _, scores in decisions[-2:]]  # before them were those of what was inverted
    assert decided == pytest.approx(sum(map(min, scored)) / 2, abs=0.01)
    assert mean == pytest.approx(sum(sum(scores) / len(scores) for scores in scored) / 2, abs=0.01)


def test_the_table_of_clips(tmp_path, untrained, photo, monkeypatch):
    """Three frames of a pan, hardly painted: a row with both flows' errors of the input, alone and together, and a sheet."""
    folder, whole = tmp_path / "clip_bmx", photo(64, 100, 3)
    folder.mkdir()
    (tmp_path / "nnst").mkdir()
    for i in range(3):
        to_pil(whole[..., 2 * i : 2 * i + 90]).save(folder / f"{i}.jpg")
    to_pil(photo(64, 64, 5)).save(tmp_path / "nnst" / "style_S4.jpg")
    monkeypatch.setattr(job, "model_of", lambda *_: nnst.Model(untrained()))
    monkeypatch.setattr(clips, "SIDE", 64)
    monkeypatch.setattr(clips, "ITERATIONS", 1)
    monkeypatch.chdir(tmp_path)
    *_, row = accuracy.report("video", accuracy.Options(tmp_path, "fast", "cpu"))
    name, frames, painted, *errors, _part, _seconds = (cell.strip() for cell in row.strip("|").split("|"))
    assert (name, frames, painted) == ("clip_bmx", "3", "2")
    assert all(0 < float(value) < 0.5 for both in errors for value in both.split(" / "))
    with Image.open(tmp_path / "runs" / "video-clip_bmx.png") as sheet:
        assert sheet.size[0] == 3 * 64


def test_errors_of_clips_by_hand(photo):
    """A still clip whose paint brightens by 0.1 in every other frame."""
    frames = [photo(48, 64, 1)] * 3
    painted = [torch.full((1, 3, 48, 64), grey) for grey in (0.5, 0.6, 0.5)]
    for by in (clips.flow.flow, clips.farneback):
        assert clips.error(frames, frames, by) < 1e-3
        assert clips.error(frames, painted, by) == pytest.approx(0.1, abs=1e-4)
