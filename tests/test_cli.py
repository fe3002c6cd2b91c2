"""The command line: files in, files out, and one line for every mistake."""

import dataclasses
import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from stylelab import METHODS, __main__, job, metrics
from stylelab.__main__ import main
from stylelab.images import read_report
from stylelab.methods.nnst import Model

QUICK = ["--size", "64", "--iterations", "1", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path, monkeypatch, untrained):
    """A folder with a photo and a painting, to be in; networks are untrained."""
    network = untrained()
    for name, method in METHODS.items():
        model = Model(network) if name == "nnst" else network
        monkeypatch.setitem(METHODS, name, dataclasses.replace(method, load=lambda *_, model=model: model))
    monkeypatch.setattr(metrics, "load_extractor", lambda *_: network)
    monkeypatch.chdir(tmp_path)
    job.model_of.cache_clear()
    for seed, name in enumerate(("photo.jpg", "painting.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((96, 72) if seed == 0 else (64, 64), Image.Resampling.BICUBIC).save(tmp_path / name)
    (tmp_path / "text.png").write_text("not a picture")
    yield tmp_path
    job.model_of.cache_clear()


def shown(capsys) -> list[str]:
    """The lines on stderr. Nothing goes to stdout, and no progress bar to what is not a terminal."""
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("\n") and "\r" not in err
    return err.splitlines()


def test_a_picture_with_its_report(folder, capsys):
    assert main(["nnst", "photo.jpg", "painting.png", "-o", "out.png", *QUICK]) == 0
    with Image.open(folder / "out.png") as image:
        assert image.size == (64, 48)
    report = read_report(folder / "out.png")
    assert (report["method"], report["preset"], report["params"]["size"]) == ("nnst", "paper", 64)
    (line,) = shown(capsys)
    assert line.startswith("out.png: 64x48, ")
    assert sorted(p.name for p in folder.iterdir()) == ["out.png", "painting.png", "photo.jpg", "text.png"]


def test_extras_and_report(folder, capsys):
    options = ["--extras", "more", "--report", "report.json", "--preset", "fast", "--seed", "4", "--rotations", "no"]
    assert main(["nnst", "photo.jpg", "painting.png", "--out", "out.webp", *QUICK, *options]) == 0
    report = json.loads((folder / "report.json").read_text())
    assert (report["preset"], report["seed"], report["params"]["rotations"]) == ("fast", 4, False)
    assert [p.name for p in (folder / "more").iterdir()] == ["uncoloured.png"]
    assert read_report(folder / "more" / "uncoloured.png") == report
    assert main(["nnst", "photo.jpg", "painting.png", "-o", "out.png", *QUICK, "--extras", "more"]) == 0  # a second time


def test_nothing_that_was_given_or_made_is_overwritten(folder, capsys):
    """An extra picture makes way for an input or the result of its name; a report may not be any of them."""
    (folder / "photo.jpg").rename(folder / "uncoloured.png")
    given = (folder / "uncoloured.png").read_bytes()
    assert main(["nnst", "uncoloured.png", "painting.png", "-o", "out.png", *QUICK, "--extras", "."]) == 0
    assert (folder / "uncoloured.png").read_bytes() == given and (folder / "uncoloured-extra.png").is_file()
    shown(capsys)
    for name, said in (("painting.png", "style"), ("./uncoloured.png", "content"), ("new.png", "result")):
        assert main(["nnst", "uncoloured.png", "painting.png", "-o", "new.png", *QUICK, "--report", name]) == 2
        assert f"is the {said} itself: name another file" in shown(capsys)[0]
    assert not (folder / "new.png").exists()


def test_fields_are_among_the_extras(folder, capsys):
    few = ["--size", "64", "--match-size", "64", "--deconvolution-steps", "5", "--search-iterations", "1", "--device", "cpu"]
    assert main(["analogy", "photo.jpg", "painting.png", "-o", "out.png", *few, "--extras", "more"]) == 0
    pictures = {p.name for p in (folder / "more").glob("*.png")}
    assert pictures == {f"{name}.png" for name in ("b", "field", "field_back", "field_by_layer", "field_back_by_layer")}
    with np.load(folder / "more" / "fields.npz") as fields:
        assert {name: fields[name].shape for name in fields} == {"a_to_b": (48, 64, 2), "b_to_a": (64, 64, 2)}
        assert all(fields[name].dtype == np.float32 and 0 <= fields[name].min() <= fields[name].max() <= 1 for name in fields)


GOOD = ["photo.jpg", "painting.png", "-o", "out.png"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nnst", "text.png", "painting.png", "-o", "out.png"], "text.png"),
        (["nnst", "photo.jpg", "text.png", "-o", "out.png"], "text.png"),
        (["nnst", "nowhere.jpg", "painting.png", "-o", "out.png"], "nowhere.jpg"),
        (["nnst", ".", "painting.png", "-o", "out.png"], "."),
        (["nnst", *GOOD, "--alpha", "2"], "alpha must be between 0.0 and 1.0, not 2.0."),
        (["nnst", *GOOD, "--alpha", "-1"], "alpha must be between 0.0 and 1.0, not -1.0."),
        (["nnst", *GOOD, "--alpha", "lots"], "alpha must be a number, not 'lots'."),
        (["nnst", *GOOD, "--alpha"], "--alpha: expected one argument"),
        (["nnst", *GOOD, "--colour", "blue"], "colour must be one of "),
        (["nnst", *GOOD, "--size", "20000"], "size must be between "),
        (["nnst", *GOOD, "--power", "3"], "unrecognized arguments: --power 3"),
        (["nnst", *GOOD, "--preset", "slow"], "preset must be one of "),
        (["nnst", *GOOD, "--device", "tpu"], "device must be one of "),
        (["nnst", *GOOD, "--weights", "tiny"], "weights must be one of "),
        (["nnst", "photo.jpg", "painting.png", "-o", "nowhere/out.png"], "no folder nowhere"),
        (["nnst", *GOOD, "--extras", "nowhere/more"], "no folder nowhere"),
        (["nnst", "photo.jpg", "painting.png", "-o", "./photo.jpg"], "photo.jpg is the content itself: name another file."),
        (["nnst", "photo.jpg", "painting.png", "-o", "painting.png"], "painting.png is the style itself: name another file."),
        (["nnst", *GOOD, "--style2", "out.png"], "out.png is the second style itself: name another file."),
        (["nnst", "photo.jpg", "painting.png"], "-o/--out"),
        (["nnst", "photo.jpg"], "required: style"),
        (["gatys", *GOOD], "invalid choice: 'gatys'"),
        ([], "COMMAND"),
    ],
    ids=lambda x: " ".join(x)[:60] if isinstance(x, list) else "",
)
def test_a_mistake_is_one_line_and_exit_2(argv, said, folder, capsys):
    assert main([*argv, "--device", "cpu"] if "--device" not in argv and argv else argv) == 2
    (line,) = shown(capsys)
    assert line.startswith("stylelab: ") and said in line
    assert sorted(p.name for p in folder.iterdir()) == ["painting.png", "photo.jpg", "text.png"]


def test_an_odd_suffix(folder, capsys):
    assert main(["nnst", "photo.jpg", "painting.png", "-o", "out.bmp", *QUICK]) == 2
    assert shown(capsys) == ["stylelab: out.bmp must end in .png, .jpg, .jpeg or .webp."]
    assert sorted(p.name for p in folder.iterdir()) == ["painting.png", "photo.jpg", "text.png"]


def test_control_c_stops(folder, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(job, "stream", interrupted)
    assert main(["nnst", *GOOD]) == 130
    assert shown(capsys) == ["stylelab: stopped"]


@pytest.mark.parametrize("name", METHODS)
def test_every_knob_is_an_option_in_both_spellings(name, monkeypatch, capsys):
    """Each knob's text reaches `stream` under the knob's name; those left out are None."""
    asked = []
    monkeypatch.setattr(__main__, "stylise", asked.append)
    declared = [f.name for f in fields(METHODS[name].params)]
    for spelling in (declared, [knob.replace("_", "-") for knob in declared]):
        words = [word for knob in spelling for word in (f"--{knob}", f"<{knob.replace('-', '_')}>")]
        assert main([name, *GOOD, *words]) == 0
        assert {knob: getattr(asked[-1], f"knob_{knob}") for knob in declared} == {knob: f"<{knob}>" for knob in declared}
    assert main([name, *GOOD]) == 0
    given = {key.removeprefix("knob_"): value for key, value in vars(asked[-1]).items() if key.startswith("knob_")}
    assert given == dict.fromkeys([*declared, *(declared_input.name for declared_input in METHODS[name].inputs)])


def test_inputs_are_options_in_both_spellings(folder, made, capsys):
    Image.new("L", (40, 30), 255).save(folder / "mask.png")
    for option in ("--content-mask", "--content_mask"):
        argv = ["made", *GOOD, "--size", "64", option, "mask.png", "--second-style", "photo.jpg", "--report", "report.json"]
        assert main(argv) == 0
        assert made[-1].keys() == {"content_mask", "second_style"}
        assert made[-1]["content_mask"].shape == (1, 1, 30, 40) and made[-1]["content_mask"].eq(1).all()
        assert json.loads((folder / "report.json").read_text())["inputs"] == ["content_mask", "second_style"]
    assert main(["made", *GOOD, "--size", "64"]) == 0 and made[-1] == {}


@pytest.mark.parametrize(("file", "said"), [("text.png", "text.png is not a picture"), ("none.png", "none.png was not found")])
def test_a_bad_input_is_one_line(file, said, folder, made, capsys):
    assert main(["made", *GOOD, "--style-mask", file]) == 2
    (line,) = shown(capsys)
    assert line.startswith(f"stylelab: {said}") and made == [] and not (folder / "out.png").exists()


def test_help_has_the_inputs(made, capsys):
    with pytest.raises(SystemExit):
        main(["made", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "--content-mask FILE" in out and "Without it, 100 % of the picture." in out


@pytest.mark.parametrize("argv", [["--help"], *[[name, "--help"] for name in METHODS]], ids=" ".join)
def test_help(argv, capsys):
    with pytest.raises(SystemExit) as left:
        main(argv)
    out = capsys.readouterr().out
    assert left.value.code == 0
    wanted = METHODS if len(argv) == 1 else [f"--{f.name}" for f in fields(METHODS[argv[0]].params)]
    assert all(word in out for word in wanted)


def test_house_keeping_is_handed_on(monkeypatch):
    monkeypatch.setattr("stylelab.weights.main", lambda argv: len(argv) + 40)
    assert main(["weights", "list", "--x"]) == 42
