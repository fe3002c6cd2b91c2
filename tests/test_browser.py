"""The page as a person drives it, in Debian's chromium without a network: upload, run, previews, Stop, errors, a phone's width.

Skipped where there is no chromium, unless STYLELAB_BROWSER=required.
"""

import contextlib
import os
import re
import shutil
import time

import pytest
from PIL import Image
from playwright.sync_api import TimeoutError as TooLate
from playwright.sync_api import sync_playwright

from stylelab import examples, video
from stylelab.images import load_picture, resize

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None and os.environ.get("STYLELAB_BROWSER") == "required":
    raise RuntimeError("the browser tests are required here, and there is no chromium")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
PATIENCE = 90.0  # seconds for whatever the page does at once on an idle machine
CAT, NIGHT = str(examples.CONTENTS["Cat"]), str(examples.STYLES["Swirling night"])


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=PATIENCE * 1000)
        yield browser
        browser.close()


def new_page(browser, width=1280, height=900, **look):
    page = browser.new_page(viewport={"width": width, "height": height}, **look)
    page.set_default_timeout(PATIENCE * 1000)
    return page


@contextlib.contextmanager
def opened(browser, url, method="nnst"):
    """The page, ready, wide; every request that leaves this machine and every script error fails the test."""
    page = new_page(browser)
    outside, errors = [], []
    page.on("request", lambda r: outside.append(r.url) if "127.0.0.1" not in r.url and r.url.startswith("http") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.wait_for_selector(f"#{method}-content input[type=file]", state="attached")
    yield page
    page.close()
    assert outside == [] and errors == []


@pytest.fixture
def page(browser, url):
    with opened(browser, url) as page:
        yield page


def upload(page, content=CAT, style=NIGHT, method="nnst"):
    for which, file in (("content", content), ("style", style)):
        page.set_input_files(f"#{method}-{which} input[type=file]", file)
    page.wait_for_selector(f"#{method}-content img")
    page.wait_for_selector(f"#{method}-style img")


def knob(page, name, value, method="nnst"):
    box = page.locator(f"#{method}-{name} input[type=number]")
    box.fill(str(value))
    box.press("Enter")


def again(act, seen):
    """Do it, and up to twice more if nothing is seen of it: what comes while the page still draws itself gets lost."""
    for _ in range(2):
        act()
        with contextlib.suppress(TooLate):
            return seen()
    act()
    return seen()


def status(page, method="nnst"):
    """The line itself, without the seconds that Gradio counts beside it."""
    return page.inner_text(f"#{method}-status [data-testid=markdown]")


def wait_for_text(page, place, text, seconds):
    page.wait_for_function(f"document.querySelector('#{place}')?.innerText.includes({text!r})", timeout=seconds * 1000)


def wait_for_status(page, text, seconds=120, method="nnst"):
    wait_for_text(page, f"{method}-status", text, seconds)


def test_upload_run_previews_result_and_tab_switch(page):
    upload(page)
    knob(page, "size", 64)
    knob(page, "iterations", 30)
    page.click("#nnst-run")
    page.wait_for_selector("#nnst-preview img")
    wait_for_status(page, "step")
    assert "of 90" in status(page) or "of 120" in status(page)
    wait_for_status(page, "Done")
    page.wait_for_selector("#nnst-slider img")
    page.locator("#nnst-show").get_by_text("uncoloured").click()
    page.get_by_role("tab", name="About").click()
    page.wait_for_selector("#about-text")
    page.get_by_role("tab", name="Neural Neighbor").click()
    assert "Done" in status(page) and page.locator("#nnst-slider img").count() >= 2
    with page.expect_download() as download:
        page.click("#nnst-download")
    assert download.value.suggested_filename.startswith("nnst-") and download.value.suggested_filename.endswith(".png")


def test_stop_is_immediate_and_the_next_run_works(page):
    upload(page)
    knob(page, "size", 128)
    knob(page, "iterations", 500)
    page.click("#nnst-run")
    wait_for_status(page, "step")
    begun = time.monotonic()
    page.click("#nnst-stop")
    wait_for_status(page, "Stopped", 30)
    assert time.monotonic() - begun < 20  # one second on an idle machine; the job itself would go on for minutes
    stopped = status(page)
    time.sleep(1)
    assert status(page) == stopped
    knob(page, "size", 64)
    knob(page, "iterations", 2)
    page.click("#nnst-run")
    wait_for_status(page, "Done")


def test_a_text_file_called_png_is_one_sentence(page, tmp_path):
    fake = tmp_path / "holiday.png"
    fake.write_text("these are words")
    page.set_input_files("#nnst-content input[type=file]", str(fake))
    page.set_input_files("#nnst-style input[type=file]", NIGHT)
    page.wait_for_selector("#nnst-style img")
    page.click("#nnst-run")
    toast = page.wait_for_selector(".toast-body")
    assert "holiday.png" in toast.inner_text() and "Traceback" not in toast.inner_text()
    page.wait_for_selector("#nnst-status .error", state="attached")
    assert status(page).startswith("Choose two pictures") and not page.is_visible("#nnst-status .error")  # it would hide the line


def test_run_without_pictures_says_what_is_missing(page):
    page.click("#nnst-run")
    assert "Choose a content" in page.wait_for_selector(".toast-body").inner_text()
    wait_for_status(page, "Choose a content", 10)
    assert status(page).startswith("⚠️")


def test_an_example_runs_on_one_click(page):
    again(
        lambda: page.locator("#nnst-examples button").first.click(),
        lambda: page.wait_for_selector("#nnst-preview img", timeout=60_000),
    )
    wait_for_status(page, "step")
    page.click("#nnst-stop")
    wait_for_status(page, "Stopped", 30)


def test_presets_turn_the_knobs(page):
    page.locator("#nnst-preset").get_by_text("official").click()
    page.wait_for_function("document.querySelector('#nnst-iterations input[type=number]').value == '200'")
    page.locator("#nnst-preset").get_by_text("fast").click()
    page.wait_for_function("document.querySelector('#nnst-iterations input[type=number]').value != '200'")


def test_pointing_at_a_picture_shows_its_match_in_the_other(page):
    page.get_by_role("tab", name="Deep Image Analogy").click()
    page.wait_for_selector("#analogy-content input[type=file]", state="attached")
    upload(page, method="analogy")
    for name in ("size", "match_size"):
        knob(page, name, 64, "analogy")
    page.click("#analogy-run")
    wait_for_status(page, "Done", method="analogy")
    assert "64×" in status(page, "analogy")
    assert_its_match_is_shown(page, "a", "b", "A ")
    assert_its_match_is_shown(page, "b", "a", "B′ ")


def assert_its_match_is_shown(page, letter, other, said):
    """Pointing at one picture of the analogy's map marks a place in the other, and the page says which."""
    picture, there = (page.locator(f"#analogy-map-{which} img") for which in (letter, other))
    before, points = there.get_attribute("src"), []

    def point_at_it():
        box = picture.bounding_box()
        points.append((round(box["width"] * 0.45), round(box["height"] * 0.4)))  # the picture may not fill its place
        picture.click(position=dict(zip("xy", points[-1], strict=True)))

    def its_match():  # read where it is waited for: while it is drawn anew the place is empty for a moment
        return page.wait_for_function(
            f"() => {{ const told = document.querySelector('#analogy-map-told').innerText; return told.startsWith({said!r})"
            f" && told.includes('(pixels as shown)')"
            f" && document.querySelector('#analogy-map-{other} img').getAttribute('src') != {before!r} && told }}",
            timeout=20_000,
        )

    told = again(point_at_it, its_match)
    x, y = map(int, re.findall(r"\d+", told.json_value())[:2])
    wide, high, shown_wide, shown_high = picture.evaluate(
        "img => [img.naturalWidth, img.naturalHeight, img.clientWidth, img.clientHeight]"
    )
    scale = min(shown_wide / wide, shown_high / high)  # the picture is fitted into its place, in the middle
    expected = [
        (p - (shown - own * scale) / 2) / scale
        for p, shown, own in zip(points[-1], (shown_wide, shown_high), (wide, high), strict=True)
    ]
    assert (x, y) == pytest.approx(expected, abs=3)


def test_a_decoders_result_is_gone_on_with(page):
    upload(page)
    page.locator("#nnst-preset").get_by_text("decoder", exact=True).click()
    page.wait_for_function("document.querySelector('#nnst-size input[type=number]').value == '512'")
    knob(page, "size", 64)
    assert not page.is_visible("#nnst-onward")
    page.click("#nnst-run")
    wait_for_status(page, "Done")
    assert "nnst-decoder" in status(page)
    again(lambda: page.click("#nnst-onward"), lambda: wait_for_status(page, "optimisation", 20))
    wait_for_status(page, "Done")
    assert not page.is_visible("#nnst-onward")  # its own result is not a decoder's alone


@pytest.fixture
def made_page(browser, made_url):
    with opened(browser, made_url, "made") as page:
        yield page


def paint(page, name):
    """One stroke across the middle of a mask's picture."""
    place = page.locator(f"#made-{name}-painting")
    place.scroll_into_view_if_needed()
    box = place.locator("canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 40, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=4)
    page.mouse.up()


def run_made(page, made, button="#made-run"):
    """Press a button; what the job that it begins was given."""
    begun, soon = len(made), 10.0

    def another():
        late = time.monotonic() + soon
        while len(made) == begun:
            if time.monotonic() > late:
                raise TooLate(f"no job within {soon} s")
            page.wait_for_timeout(50)

    again(page.locator(button).first.click, another)
    wait_for_status(page, "Done", method="made")
    assert len(made) == begun + 1
    return made[-1]


def test_a_mask_is_painted_uploaded_and_cleared(made_page, made, tmp_path):
    page, mask = made_page, tmp_path / "mask.png"
    Image.new("RGB", (64, 48), "red").save(mask)
    knob(page, "size", 64, "made")
    upload(page, method="made")
    assert run_made(page, made) == {}  # the masks' place was never open
    page.click("#made-content_mask-place button")
    zoom = "parseInt(document.querySelector('#made-content_mask-painting .zoom-number')?.innerText)"
    page.wait_for_function(f"{zoom} > 60", timeout=60_000)  # 37 % until the picture is there, for an empty canvas is larger
    assert run_made(page, made) == {}  # nothing painted

    paint(page, "content_mask")
    painted = run_made(page, made)
    assert painted.keys() == {"content_mask"}
    labels = painted["content_mask"][0, 0]
    height, width = labels.shape
    assert width / height == pytest.approx(451 / 300, abs=0.01)
    assert 0.01 < labels.float().mean() < 0.3 and labels[height // 2, width // 2] == 1 and labels[5, 5] == labels[-5, -5] == 0
    assert run_made(page, made, "#made-examples button") == {}  # the paint was on another picture
    assert run_made(page, made) == {}  # and is gone

    page.set_input_files("#made-content_mask input[type=file]", str(mask))
    page.wait_for_selector("#made-content_mask img")
    assert run_made(page, made)["content_mask"].eq(2).all()
    page.click("#made-reuse")
    page.wait_for_selector("#made-content_mask img", state="detached")
    assert run_made(page, made) == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_has_no_sideways_scrolling(browser, url, theme):
    page = new_page(browser, 390, 844, has_touch=True)
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector("#nnst-content input[type=file]", state="attached")
    upload(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_live_sliders(page, tmp_path):
    """The picture follows the sliders; Randomise moves them; a film plays; a clip is painted."""
    page.get_by_role("tab", name="Adjustable").click()
    upload(page, method="adjustable")
    knob(page, "size", 128, "adjustable")
    page.click("#adjustable-run")
    wait_for_status(page, "Done", method="adjustable")
    page.wait_for_selector("#adjustable-live img")

    def moved(act):
        before = page.get_attribute("#adjustable-live img", "src")
        begun = time.monotonic()
        changed = "before => document.querySelector('#adjustable-live img').src !== before"
        again(act, lambda: page.wait_for_function(changed, arg=before, timeout=8_000))
        return time.monotonic() - begun

    moved(lambda: knob(page, "live-alpha_4", 0.2, "adjustable"))
    moved(lambda: page.click("#adjustable-live-random"))
    page.click("#adjustable-live-keep")
    wait_for_text(page, "adjustable-live-told", "Remembered", 10)
    moved(lambda: knob(page, "live-strength", 0.0, "adjustable"))
    page.click("#adjustable-live-film")
    wait_for_text(page, "adjustable-live-told", "frames in", 60)
    page.wait_for_selector("#adjustable-live-video video")
    video.write(tmp_path / "clip.mp4", [resize(load_picture(CAT).rgb, 96)] * 5, 10.0)
    page.get_by_text("A whole clip", exact=True).click()
    page.set_input_files("#adjustable-live-source input[type=file]", str(tmp_path / "clip.mp4"))
    page.wait_for_selector("#adjustable-live-source video")
    page.click("#adjustable-live-clip")
    wait_for_text(page, "adjustable-live-told", "5 frames in", 60)


def test_a_clip_is_painted_and_stopped(page, tmp_path):
    """With the tab's style and knobs; the film replaces what a picture left, and Stop is for clips too."""
    video.write(tmp_path / "clip.mp4", [resize(load_picture(CAT).rgb, 96)] * 5, 10.0)
    page.get_by_text("A whole clip instead of the photo").click()
    page.click("#nnst-clip-paint")
    page.wait_for_selector("text=Choose a clip and a style picture first")
    upload(page)
    page.set_input_files("#nnst-clip-source input[type=file]", str(tmp_path / "clip.mp4"))
    page.wait_for_selector("#nnst-clip-source video")
    knob(page, "size", 64)
    knob(page, "iterations", 2)
    knob(page, "clip-every", 3)
    page.click("#nnst-clip-paint")
    wait_for_status(page, "Done")
    assert "5 frames, 3 of them painted" in status(page) and "without sound" in status(page)
    page.wait_for_selector("#nnst-film video")
    knob(page, "iterations", 500)
    # A click counts once the job before it is closed, a moment after its film is there.
    again(lambda: page.click("#nnst-clip-paint"), lambda: wait_for_status(page, "frame 0 of 5", 8))
    page.click("#nnst-stop")
    wait_for_status(page, "Stopped", 30)
    assert page.locator("#nnst-film video").count() == 0
