"""Folders of pictures: what is made of which, restarts, and workers that are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylelab import batch
from stylelab.__main__ import main
from stylelab.errors import BadInput
from stylelab.images import read_report


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (48, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder `in` of three pictures, one in a sub-folder, beside a style."""
    for seed, name in enumerate(("a.png", "b.jpg", "deep/er/c.webp")):
        picture(tmp_path / "in" / name, seed)
    picture(tmp_path / "style.png", 9)
    return tmp_path


def made_of(folder: Path, *more: str) -> int:
    return main(["made", str(folder / "in"), str(folder / "style.png"), "-o", str(folder / "out"), "--size", "64", *more])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def lines(capsys) -> list[str]:
    out, err = capsys.readouterr()
    assert out == "" and "\r" not in err
    return err.splitlines()


def test_what_becomes_of_which(tmp_path):
    """By hand: places are kept, suffixes only where two results would be one; what is hidden, foreign or a result is left out."""
    source = tmp_path / "in"
    names = ("a.png", "B.JPG", "b.webp", "b.jpg.png", "x/a.gif", "x/A.gif", ".hidden.png", ".git/d.png", "note.txt", "out/a.png")
    for name in (*names, "x/older/b.png", f"x/older/{batch.SETTINGS}", "x/older/deep/c.png"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    found = {str(path.relative_to(source)): result for path, result in batch.results(source, source / "out").items()}
    target = source / "out"
    expected = {"a.png": "a.png", "B.JPG": "B.JPG.png", "b.webp": "b.webp.png", "b.jpg.png": "b.jpg.png.png"}
    expected |= {"x/a.gif": "x/a.gif.png", "x/A.gif": "x/A.gif.png"}
    assert found == {name: target / result for name, result in expected.items()}


def test_a_folder(folder, made, capsys):
    assert made_of(folder) == 0
    (line,) = lines(capsys)
    assert "3 pictures in" in line
    assert names(folder / "out") == [batch.SETTINGS, "a.png", "b.png", "deep/er/c.png"]
    assert read_report(folder / "out" / "deep" / "er" / "c.png")["method"] == "made"
    with Image.open(folder / "out" / "b.png") as image:
        assert image.size == (64, 43)


def test_started_again_only_what_is_missing_is_made(folder, made, capsys):
    assert made_of(folder) == 0
    (folder / "out" / "b.png").unlink()
    (folder / "out" / ".0123456789abcdef.part").write_text("half a picture")
    (folder / "out" / ".mine.part").write_text("not ours")
    before, count = (folder / "out" / "a.png").stat().st_mtime_ns, len(made)
    capsys.readouterr()
    assert made_of(folder) == 0 and len(made) == count + 1
    (line,) = lines(capsys)
    assert "1 picture in" in line and "2 were there already" in line
    assert (folder / "out" / "a.png").stat().st_mtime_ns == before
    assert names(folder / "out") == [".mine.part", batch.SETTINGS, "a.png", "b.png", "deep/er/c.png"]


def test_another_recipe_wants_another_folder(folder, made, capsys):
    assert made_of(folder) == 0
    assert made_of(folder, "--preset", "paper", "--device", "cpu") == 0  # the same said otherwise
    picture(folder / "mask.png")
    for more in (["--seed", "1"], ["--size", "80"], ["--content-mask", str(folder / "mask.png")], ["--weights", "full"]):
        capsys.readouterr()
        assert made_of(folder, *more) == 2
        assert "another style or other settings" in lines(capsys)[0]
    picture(folder / "style.png", 10)
    assert made_of(folder) == 2
    for result in (folder / "out").rglob("*.png"):
        result.unlink()
    assert made_of(folder) == 0  # nothing there that could be mixed with


def test_pictures_of_somebody_elses_are_no_results(folder, made, capsys):
    foreign = picture(folder / "out" / "deep" / "er" / "c.png", 5)
    before = foreign.read_bytes()
    assert made_of(folder) == 2 and made == []
    said = "holds pictures with the results' names that this program did not make there: name another folder."
    assert lines(capsys) == [f"stylelab: {folder / 'out'} {said}"]
    assert names(folder / "out") == ["deep/er/c.png"] and foreign.read_bytes() == before
    foreign.rename(folder / "out" / "other.png")
    assert made_of(folder) == 0
    assert names(folder / "out") == [batch.SETTINGS, "a.png", "b.png", "deep/er/c.png", "other.png"]


def test_inputs_and_style_reach_every_picture(folder, made):
    picture(folder / "mask.png", size=(40, 30))
    assert made_of(folder, "--style-mask", str(folder / "mask.png")) == 0
    assert [given["style_mask"].shape for given in made] == [(1, 1, 30, 40)] * 3


def test_what_cannot_be_read_is_told_and_the_others_are_made(folder, made, capsys):
    (folder / "in" / "deep" / "bad.jpg").write_text("no picture")
    picture(folder / "in" / "strip.png", 0, (400, 18))
    assert made_of(folder) == 2
    bad, strip, end = lines(capsys)
    assert bad == "stylelab: deep/bad.jpg is not a picture that can be read; use JPEG, PNG or WebP."
    assert strip.startswith("stylelab: strip.png: 400x18 pixels is too narrow") and end.startswith(
        "stylelab: 2 of 5 pictures could not be made"
    )
    assert names(folder / "out") == [batch.SETTINGS, "a.png", "b.png", "deep/er/c.png"]


def test_a_bug_costs_one_picture(folder, made, capsys, monkeypatch):
    real = batch.job.stream

    def stream(method, content, *rest, **options):
        if content.name == "b.jpg":
            raise KeyError("a bug")
        return real(method, content, *rest, **options)

    monkeypatch.setattr(batch.job, "stream", stream)
    assert made_of(folder) == 2
    assert "stylelab: b.jpg failed (KeyError); the log says where." in lines(capsys)
    assert names(folder / "out") == [batch.SETTINGS, "a.png", "deep/er/c.png"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["in", "style.png", "-o", "out.png"], "name a folder for the results too"),
        (["in", "style.png", "-o", "in"], "holds the pictures themselves"),
        (["in", "style.png", "-o", "no/where"], "There is no folder"),
        (["in", "style.png", "-o", "file"], "file is a file"),
        (["empty", "style.png", "-o", "out"], "There is no picture in"),
        (["in", "gone.png", "-o", "out"], "gone.png was not found"),
        (["in", "style.png", "-o", "out", "--seed", "-3"], "seed must be"),
        (["in", "style.png", "-o", "out", "--content-mask", "gone.png"], "gone.png was not found"),
        (["in", "style.png", "-o", "out", "--device", "tpu"], "device must be"),
        (["in", "style.png", "-o", "out", "--weights", "tiny"], "weights must be one of auto, compact, full, not 'tiny'."),
        (["in", "style.png", "-o", "out", "--report", "r.json"], "--report is for one picture"),
        (["in/a.png", "style.png", "-o", "out.png", "--ray"], "in/a.png is none"),
        (["in", "style.png", "-o", "out", "--ray-address", "127.0.0.1:1"], "no Ray cluster at 127.0.0.1:1"),
        (["in", "style.png", "-o", "out", "--ray-address", "nonsense"], "no Ray cluster at nonsense"),
    ],
)
def test_mistakes_are_one_line(argv, said, folder, made, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "ray", sys)  # there, for all that is asked
    (folder / "file").touch()
    (folder / "empty").mkdir()
    assert main(["made", *argv]) == 2
    (line,) = lines(capsys)
    assert line.startswith("stylelab: ") and said in line and made == []


def test_without_ray_one_sentence_says_how_to_install_it(folder, made, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    assert made_of(folder, "--ray") == 2
    assert lines(capsys) == [f"stylelab: {batch.NO_RAY}"]
    assert (Path(batch.__file__).parents[1] / "stylelab" / "requirements-ray.txt").read_text().startswith("ray")


def test_a_result_that_cannot_be_written_is_told(folder, made, capsys):
    (folder / "out").mkdir()
    (folder / "out" / "deep").write_text("a file where a folder must be")
    assert made_of(folder) == 2
    assert "deep/er/c.webp: c.png cannot be written" in lines(capsys)[0]


# ---- killed

SLOW = """
import sys, time, types
import torch
from stylelab import METHODS, job, metrics
from stylelab.__main__ import main
from stylelab.method import Method, Params, Step

def run(model, content, style, params):
    time.sleep(0.05)
    yield Step(1, 1, "making", 1 - content)

METHODS["slow"] = Method("slow", "", "", "", "", Params, {"paper": {}}, lambda *_: types.SimpleNamespace(weights=[]), run)
metrics.compare = lambda *_: {}
sys.exit(main(["slow", "in", "style.png", "-o", "out"]))
"""


def waiting_for(enough, process, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not enough():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    """100 pictures, killed half way: what was finished stays, nothing is half, and the second run makes the rest only."""
    for seed in range(100):
        picture(tmp_path / "in" / f"{seed:03}.png", seed, (20, 16))
    picture(tmp_path / "style.png", 1)
    environment = os.environ | {"PYTHONPATH": str(Path(batch.__file__).parents[1])}
    start = dict(cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    first = subprocess.Popen([sys.executable, "-c", SLOW], **start)
    out = tmp_path / "out"
    waiting_for(lambda: len(list(out.glob("*.png"))) >= 50, first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert 50 <= len(finished) < 100
    second = subprocess.run([sys.executable, "-c", SLOW], **start)
    assert second.returncode == 0, second.stderr
    assert f"{len(finished)} were there already" in second.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert names(out) == sorted([batch.SETTINGS, *(f"{seed:03}.png" for seed in range(100))])
    for seed in range(100):
        right = 255 - np.asarray(Image.open(tmp_path / "in" / f"{seed:03}.png"))
        assert (np.asarray(Image.open(out / f"{seed:03}.png")) == right).all()


def workers() -> list[int]:
    """Processes of Ray's that make a picture and were started by this process."""

    def ancestors(pid: int) -> set[int]:
        found = set()
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            found.add(pid)
        return found

    named = [int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cmdline") if p.read_bytes().startswith(b"ray::worked")]
    return [pid for pid in named if os.getpid() in ancestors(pid)]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for workers in /proc")
def test_a_killed_worker_of_ray_loses_nothing(tmp_path):
    pytest.importorskip("ray")
    files = [picture(tmp_path / "in" / f"{seed:02}.png", seed) for seed in range(16)]
    (tmp_path / "in" / "bad.png").write_text("no picture")
    recipe = batch.Recipe.checked("adjustable", picture(tmp_path / "style.png", 1, (64, 64)), {"size": "64", "device": "cpu"})
    killed, real = [], batch.written

    def written(path: Path, data: bytes) -> None:
        real(path, data)
        if not killed and len(list((tmp_path / "out").glob("*.png"))) == 8:
            killed.extend(workers()[:1])
            os.kill(killed[0], signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "written", written)
        with pytest.raises(BadInput, match="1 of 17 pictures"):
            batch.run(recipe, tmp_path / "in", tmp_path / "out", ray=True)
    assert killed
    for file, outcome in batch.here(recipe, files):
        mine = np.asarray(Image.open(tmp_path / "out" / file.name)).astype(int)
        plain = tmp_path / "plain.png"
        plain.write_bytes(outcome)
        assert np.abs(mine - np.asarray(Image.open(plain))).max() <= 1
