"""The real app over HTTP, as scripts use it: endpoints, previews, cancelling, one job at a time, errors as sentences."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from stylelab import METHODS, examples
from stylelab.images import read_report
from stylelab.method import knobs

ROOT = Path(__file__).parents[1]
CAT, NIGHT = (handle_file(str(path)) for path in (examples.CONTENTS["Cat"], examples.STYLES["Swirling night"]))
QUICK = dict(size=64, iterations=2)


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False, analytics_enabled=False)


def test_an_endpoint_per_method_with_its_knobs_and_no_other(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {f"/{name}" for name in METHODS}
    for name, method in METHODS.items():
        parameters = endpoints[f"/{name}"]["parameters"]
        names = [p["parameter_name"] for p in parameters]
        assert names[:5] == ["content", "style", "preset", "size", "seed"]
        assert set(names[3:]) == {declared.name for declared in (*knobs(method.params), *method.inputs)}
        assert [p["parameter_name"] for p in parameters if not p["parameter_has_default"]] == ["content", "style"]


def test_a_job_gives_picture_extras_and_report(client):
    image, extras, report = client.predict(CAT, NIGHT, api_name="/nnst", **QUICK)
    assert Image.open(image).size == tuple(report["size"]) == (64, 43)
    assert [item["caption"] for item in extras] == ["uncoloured"]
    assert report["preset"] == "paper" and report["params"]["iterations"] == 2 and report["params"]["alpha"] == 0.25


def test_a_preset_alone_sets_its_knobs(client):
    *_, report = client.predict(CAT, NIGHT, preset="official", api_name="/nnst", **QUICK)
    assert report["params"]["coarsest"] == "64px" and report["params"]["content_band"] is True


def test_the_png_reproduces_the_job(client, tmp_path):
    image, _, report = client.predict(CAT, NIGHT, seed=3, api_name="/nnst", **QUICK)
    again, *_ = client.predict(CAT, NIGHT, seed=report["seed"], api_name="/nnst", **QUICK)
    assert Image.open(image).tobytes() == Image.open(again).tobytes()


def test_previews_arrive_and_cancel_is_immediate(client):
    job = client.submit(CAT, NIGHT, size=96, iterations=200, api_name="/nnst")
    seen = []
    for _, _, report in job:
        if report and "stage" in report:
            seen.append(report["i"])
        if len(seen) == 2:
            begun = time.monotonic()
            job.cancel()
            break
    assert seen == sorted(seen) and len(set(seen)) == 2
    client.predict(CAT, NIGHT, api_name="/nnst", **QUICK)  # the place is free at once
    assert time.monotonic() - begun < 20


def test_a_second_job_waits_its_turn_and_both_are_right(client):
    jobs = [client.submit(CAT, NIGHT, seed=seed, api_name="/nnst", size=64, iterations=10) for seed in (1, 2)]
    reports = [job.result(timeout=120)[2] for job in jobs]
    assert [report["seed"] for report in reports] == [1, 2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (dict(size=9999), "size must be between 64 and 4096"),
        (dict(preset="nosuch"), "preset must be one of paper, official, fast"),
        (dict(iterations=2.5), "iterations must be a whole number"),
        (dict(content=None), "Choose a content picture first"),
    ],
)
def test_wrong_settings_are_one_sentence(client, change, sentence):
    with pytest.raises(Exception, match=sentence):
        client.predict(**dict(content=CAT, style=NIGHT) | QUICK | change, api_name="/nnst")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("words.png", b"this is not a picture", "words.png"),
        ("empty.jpg", b"", "empty.jpg"),
        ("narrow.png", None, "2000x30"),
    ],
)
def test_bad_pictures_are_one_sentence(client, tmp_path, name, data, sentence):
    path = tmp_path / name
    if data is None:
        Image.new("RGB", (2000, 30), "red").save(path)
    else:
        path.write_bytes(data)
    with pytest.raises(Exception, match=sentence) as error:
        client.predict(handle_file(str(path)), NIGHT, api_name="/nnst", **QUICK)
    assert "Traceback" not in str(error.value) and str(tmp_path) not in str(error.value)


def test_inputs_are_files_that_may_be_left_out(made, made_url, tmp_path):
    client = Client(made_url, verbose=False, analytics_enabled=False)
    parameters = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/made"]["parameters"]
    assert [p["parameter_name"] for p in parameters][-3:] == ["content_mask", "style_mask", "second_style"]
    mask, words = tmp_path / "mask.png", tmp_path / "words.png"
    Image.new("RGB", (40, 30), "red").save(mask)
    words.write_text("these are words")
    *_, report = client.predict(CAT, NIGHT, size=64, api_name="/made")
    assert report["inputs"] == [] and made == [{}]
    *_, report = client.predict(CAT, NIGHT, size=64, style_mask=handle_file(str(mask)), second_style=CAT, api_name="/made")
    assert report["inputs"] == ["second_style", "style_mask"]
    assert made[-1]["style_mask"].shape == (1, 1, 30, 40) and made[-1]["style_mask"].eq(2).all()
    assert made[-1]["second_style"].shape == (1, 3, 300, 451)
    with pytest.raises(Exception, match=r"^words\.png is not a picture"):
        client.predict(CAT, NIGHT, content_mask=handle_file(str(words)), api_name="/made")
    assert len(made) == 2


def test_readme_front_matter_and_requirements_agree():
    front = dict(re.findall(r"^(\w+): (.+)$", (ROOT / "README.md").read_text("utf-8").split("---")[1], re.M))
    assert f"gradio=={front['sdk_version']}" in (ROOT / "requirements.txt").read_text().splitlines()
    assert front["app_file"] == "app.py" and front["sdk"] == "gradio"


def test_a_finished_download_carries_its_report(tmp_path):
    from stylelab.job import Result
    from stylelab.ui.tab import written

    report = {"method": "nnst", "preset": "fast", "seed": 7}
    path = Path(written(Result(Image.new("RGB", (8, 8)), {}, report)))
    assert path.name == "nnst-fast-7.png" and read_report(path) == report
    assert json.dumps(report)


def test_examples_outlive_the_cleaning_of_the_cache(url):
    from gradio.route_utils import delete_files_created_by_app

    from app import demo

    delete_files_created_by_app(demo, None)  # as every ten minutes with files of an hour, and all when another app is closed
    pictures = [block for block in demo.blocks.values() if getattr(block, "elem_id", None) in ("nnst-content", "nnst-style")]
    files = [file for block in pictures for file in block.keep_in_cache]
    assert len(files) >= len(examples.pairs("nnst")) and all(map(os.path.exists, files))
