"""What every method promises, on small pictures and untrained networks. A new method adds one line to each table here."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
import torch
from PIL import Image

from stylelab import METHODS, images, job
from stylelab.hypercolumns import LAYERS
from stylelab.images import fitted_size
from stylelab.method import Params, drain, knobs
from stylelab.methods import nnst
from stylelab.methods.adjustable import AXES, Painter
from stylelab.methods.oeft import Model
from stylelab.nets.adjustable import NAMED, Adjustable
from stylelab.nets.decoder import Decoder
from stylelab.nets.pggan import PGGAN
from stylelab.nets.stylegan import StyleGAN
from stylelab.ui.views import VIEWS


def painter(untrained) -> Painter:
    network = Adjustable((4, 6, 8), 1, 16, 1, code=2 * (4 + 8 + 16 + 32) + 9).requires_grad_(False)
    return Painter(network, untrained(), {name: torch.randn(len(network.code_mean)) for name in NAMED})


def generators(untrained) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = {"pggan": PGGAN((8, 6, 5, 4), 7), "stylegan": StyleGAN((8, 6, 5, 4), 7, 2)}  # 32 px
    return Model(untrained().padded("replicate"), made).requires_grad_(False)


def decoding(untrained) -> nnst.Model:
    vgg = untrained()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = {side: Decoder(sum(map(vgg.channels, LAYERS)), (6, 5, 4, 3), 8) for side in (64, 512)}
    return nnst.Model(vgg, made).requires_grad_(False)


MODELS = {  # method -> an untrained model
    "nnst": decoding,
    "analogy": lambda untrained: untrained().padded("replicate"),
    "dtp": lambda untrained: untrained().padded("replicate"),
    "adjustable": painter,
    "oeft": generators,
}
QUICK = {  # method -> knobs that make a job short
    "nnst": {"size": 64, "iterations": 2},
    "analogy": {"size": 64, "match_size": 64, "deconvolution_steps": 5, "search_iterations": 2},
    "dtp": {"size": 64, "square": 64, "training_steps": 2, "fit_steps": 2, "samples": 64},
    "adjustable": {"size": 64},
    "oeft": dict(size=64, square=64, tuning_steps=2, inversion_steps=2, layers="6", codes="10", crop="none"),
}
LIVELY = {  # (method, knob) -> what else a job needs before that knob matters
    ("nnst", "refeeds"): {"synthesis": "decoder"},
    ("nnst", "coarsest"): {"size": 128},
    ("nnst", "seed"): {"size": 128},  # up to 127 px feature splitting compares every position
    ("analogy", "refinement"): {"task": "photo to photo"},
    ("analogy", "match_size"): {"match_size": 128},
    ("adjustable", "seed"): {"noise": 3},
    ("adjustable", "mix"): {"second": "mosaic"},
}
NEEDS = {  # (method, knob) -> inputs that a job needs before that knob matters
    ("nnst", "style2_weight"): ("style2",),
    ("nnst", "style3_weight"): ("style3",),
    ("nnst", "guidance_weight"): ("content_mask", "style_mask"),
}
ALIKE = {  # choices that do what the default does, by the paper, or that add pictures beside the result
    ("analogy", "task"): {"style to style"},
    ("adjustable", "sheets"): {"grid", "variations", "both"},
    ("adjustable", "grid_axes"): {*AXES},
    ("oeft", "layers"): {"6", "4, 5, 6, 7, 8"},  # the first is how it stands; of several one wins, which another choice has too
    ("oeft", "codes"): {"10", "10, 20, 30, 40"},
    ("oeft", "crop"): {"none"},  # what a job does before `run`: see test_job and test_oeft
}
TRIED = {  # (method, knob) -> another value, where the far end of the range takes long
    ("dtp", "training_steps"): 6,
    ("dtp", "fit_steps"): 6,
    ("dtp", "square"): 96,
    ("oeft", "tuning_steps"): 6,
    ("oeft", "inversion_steps"): 4,
    ("oeft", "square"): 96,
}
SHAPES = [(64, 64), (61, 83), (97, 33), (30, 40), (200, 68)]  # (height, width): odd, narrow, smaller and larger than the result


def test_every_method_is_tested():
    assert MODELS.keys() == METHODS.keys() == QUICK.keys()
    assert all(name in {f.name for f in knobs(METHODS[method].params)} for method, name in [*LIVELY, *NEEDS, *TRIED, *ALIKE])


@pytest.fixture(params=METHODS)
def name(request) -> str:
    return request.param


@pytest.fixture
def start(name, untrained, photo, device):
    """`start(content, style, preset, **knobs)` begins a short job of the method under test."""
    model = MODELS[name](untrained).to(device)

    def begin(content=None, style=None, preset="paper", given=None, **turned):
        content = photo(64, 64, 1) if content is None else content
        style = photo(64, 64, 2) if style is None else style
        params = METHODS[name].settings(preset, **QUICK[name] | turned)
        inputs = {key: tensor.to(device) for key, tensor in (given or {}).items()}
        return METHODS[name].run(model, content.to(device), style.to(device), params, **inputs)

    return begin


def check_picture(image: torch.Tensor, device: torch.device) -> None:
    assert image.ndim == 4 and image.shape[:2] == (1, 3) and image.dtype == torch.float32 and image.device.type == device.type
    assert not image.requires_grad and image.grad_fn is None
    assert image.isfinite().all() and image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_steps_pictures_and_size(start, shape, photo, device):
    steps = list(start(photo(*shape, 0)))
    counted = [step.i for step in steps]  # may jump where an optimiser stopped early
    assert counted[0] >= 1 and counted == sorted(set(counted))
    assert {step.n for step in steps} == {counted[-1]}
    for step in steps:
        assert step.stage
        for picture in [*step.extras.values(), *([] if step.image is None else [step.image])]:
            check_picture(picture, device)
        for value in step.losses.values():
            assert value.ndim == 0 and not value.requires_grad and value.isfinite()
    assert steps[-1].image is not None and steps[-1].losses
    assert steps[-1].image.shape[:1:-1] == fitted_size(shape[1], shape[0], 64)
    assert all(not step.extras and not step.fields for step in steps[:-1])
    for field in steps[-1].fields.values():
        assert field.ndim == 4 and field.shape[:2] == (1, 2) and field.min() >= 0 and field.max() <= 1


@pytest.mark.parametrize("shape", [(64, 64), (50, 64), (64, 45)], ids=str)
def test_a_style_of_any_shape(start, shape, photo, device):
    check_picture(drain(start(style=photo(*shape, 0))).image, device)


def test_every_preset_runs(name, start, device):
    for preset in METHODS[name].presets:
        check_picture(drain(start(preset=preset)).image, device)


def inputs_of(name, photo) -> dict[str, torch.Tensor]:
    """Something for every input beside content and style that a method declares, in other sizes than theirs."""
    halves = (torch.arange(50) >= 25).long().expand(1, 1, 40, 50)
    made = {"mask": halves, "picture": photo(72, 56, 3)}
    return {declared.name: made[declared.kind].clone() for declared in METHODS[name].inputs}


@pytest.fixture
def given(name, photo):
    return inputs_of(name, photo)


def test_the_inputs_are_left_alone(start, photo, given):
    content, style = photo(64, 64, 1).clone(), photo(64, 64, 2).clone()
    before = {key: tensor.clone() for key, tensor in given.items()}
    drain(start(content, style, given=given))
    assert torch.equal(content, photo(64, 64, 1)) and torch.equal(style, photo(64, 64, 2))
    assert all(torch.equal(given[key], before[key]) for key in before)


def test_declared_inputs_change_the_picture_and_may_come_alone(start, given, device):
    without = drain(start()).image if given else None
    for key, tensor in given.items():
        check_picture(drain(start(given={key: tensor})).image, device)
    if given:
        together = drain(start(given=given)).image
        check_picture(together, device)
        assert (together - without).abs().mean() > 1e-5


def test_the_same_seed_gives_the_same_picture(name, start):
    lively = LIVELY.get((name, "seed"), {})
    first = drain(start(seed=5, **lively)).image
    torch.manual_seed(99)  # nothing but the seed in the settings matters
    assert torch.equal(first, drain(start(seed=5, **lively)).image)


def test_no_torch_context_is_held_across_a_step(start, device):
    """Between two steps the consumer has the grad mode and autocast it had before."""
    modes = set()
    for _ in start():
        modes.add((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled(device.type)))
    assert modes == {(True, False, False)}


def test_the_global_generator_is_left_alone(start):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    drain(start())
    assert torch.equal(torch.get_rng_state(), state)


def test_steps_may_be_taken_in_turns_by_two_threads(start):
    """Gradio resumes a generator on any thread of its pool."""
    expected, last, iterator = drain(start()).image, None, start()
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        turn = 0
        while (step := (one, other)[turn % 2].submit(next, iterator, None).result()) is not None:
            last, turn = step, turn + 1
        assert one.submit(torch.is_grad_enabled).result() and other.submit(torch.is_grad_enabled).result()
    assert torch.allclose(last.image, expected, atol=1e-6)


def test_closing_early(start):
    threads = threading.active_count()
    iterator = start()
    step = next(iterator)
    assert step.i == 1 < step.n
    iterator.close()
    assert next(iterator, None) is None
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu") and threading.active_count() <= threads


BLANKS = {"flat": 0.4, "black": 0.0, "white": 1.0}


@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS)
@pytest.mark.parametrize("which", ["content", "style", "both"])
def test_pictures_without_anything_on_them(start, which, blank, photo, device):
    picture = torch.full((1, 3, 48, 64), blank)
    content, style = (picture if which in (role, "both") else photo(48, 64, 1) for role in ("content", "style"))
    for step in start(content, style):
        for image in (step.image, *step.extras.values()):
            check_picture(image, device)


def others(declared) -> list:
    """Allowed values of a knob other than its default."""
    meta, value = declared.metadata, declared.default
    if isinstance(value, bool):
        return [not value]
    if meta["choices"]:
        return [choice for choice in meta["choices"] if choice != value]
    return [meta["high"] if abs(meta["high"] - value) > abs(value - meta["low"]) else meta["low"]]


OWN = [
    pytest.param(method, declared, id=f"{name}-{declared.name}")
    for name, method in METHODS.items()
    for declared in knobs(method.params)
    if declared.name not in ("size", "iterations", "keep_transparency")
]


@pytest.mark.parametrize(("method", "declared"), OWN)
def test_a_knob_changes_the_picture(method, declared, untrained, photo):
    model, alike = MODELS[method.name](untrained), ALIKE.get((method.name, declared.name), ())
    base = QUICK[method.name] | LIVELY.get((method.name, declared.name), {})
    needed = {key: inputs_of(method.name, photo)[key] for key in NEEDS.get((method.name, declared.name), ())}

    def result(**turned):
        return drain(method.run(model, photo(64, 64, 1), photo(64, 64, 2), method.settings(**base | turned), **needed)).image

    tried = [TRIED[method.name, declared.name]] if (method.name, declared.name) in TRIED else others(declared)
    pictures = [result(), *(result(**{declared.name: value}) for value in tried if value not in alike)]
    for i, picture in enumerate(pictures):
        assert all((picture - other).abs().mean() > 1e-5 for other in pictures[:i])


def test_size(start):
    assert drain(start(size=80)).image.shape == (1, 3, 80, 80)


def test_iterations(name, start):
    if "iterations" in {f.name for f in knobs(METHODS[name].params)}:
        one, three = list(start(iterations=1)), list(start(iterations=3))
        assert len(three) == 3 * len(one)
        assert (one[-1].image - three[-1].image).abs().max() > 1e-3


@pytest.mark.parametrize("keep", [True, False])
def test_keep_transparency(name, keep, untrained, photo, monkeypatch):
    monkeypatch.setattr(job, "model_of", lambda *_: MODELS[name](untrained))
    monkeypatch.setattr("stylelab.metrics.load_extractor", lambda *_: untrained())
    content = Image.new("RGBA", (64, 48), (200, 40, 40, 255))
    content.paste((0, 0, 0, 0), (0, 0, 32, 48))
    style = Image.fromarray((photo(64, 64, 2)[0] * 255).byte().permute(1, 2, 0).numpy())
    result = job.stylize(name, content, style, device="cpu", keep_transparency=keep, **QUICK[name])
    assert result.image.size == (64, 48)
    if keep:
        alpha = result.image.getchannel("A")
        assert (alpha.getpixel((5, 20)), alpha.getpixel((60, 20))) == (0, 255)
    else:
        assert result.image.mode == "RGB"


def test_every_presets_result_can_be_viewed(name, untrained, photo, monkeypatch):
    """What the page shows beside a result is there for all of them, whatever a preset leaves out."""
    monkeypatch.setattr(job, "model_of", lambda *_: MODELS[name](untrained))
    monkeypatch.setattr("stylelab.metrics.load_extractor", lambda *_: untrained())
    content, style = (images.load_picture(images.to_pil(photo(64, 64, seed))) for seed in (1, 2))
    with gr.Blocks():
        views = [VIEWS[kind](name) for kind in METHODS[name].views]
    for preset in METHODS[name].presets if views else ():
        result = job.stylize(name, content, style, preset=preset, device="cpu", **QUICK[name])
        for view in views:
            assert view.finished(content, style, result, {}).keys() <= set(view.outputs)


def test_the_common_knobs_are_these():
    """A new one needs a test here."""
    assert {f.name for f in knobs(Params)} == {"size", "seed", "keep_transparency"}
