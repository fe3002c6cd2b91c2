"""Adjustable style transfer: the networks against the paper's tables, codes, what sliders do, and training in the small."""

import io
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from stylelab.images import to_pil
from stylelab.method import drain
from stylelab.methods import adjustable
from stylelab.methods.adjustable import METHOD, Live, Painter, blended, encode, repaint, shadowed, style_code
from stylelab.nets.adjustable import (
    CODE_LAYERS,
    COLOURS,
    EPSILON,
    NAMED,
    Adjustable,
    Lambda,
    Transform,
    _Normalise,
    raw_code,
    raw_colours,
)
from stylelab.train import adjustable as training

SMALL = ((4, 6, 8), 2, 16, 2)  # widths, blocks, Λ's width and depth


def numbers(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def model(untrained) -> Painter:
    torch.manual_seed(0)
    vgg = untrained()
    code = raw_code(vgg(torch.rand(1, 3, 32, 32), CODE_LAYERS), torch.rand(1, 3, 32, 32)).shape[1]
    network = Adjustable(*SMALL, code).requires_grad_(False)
    network.adjust.mix[2].weight.normal_(std=0.3)
    named = {name: torch.randn(code) for name in NAMED}
    return Painter(network, vgg, named)


# ---- the paper's tables


def test_table_2():
    """T's convolutions, strides and sizes, and how many scales and shifts they need."""
    network = Transform()
    kinds = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in network.convolutions]
    residual = [(128, 128, 3, 1)] * 14
    assert kinds == [(3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2), *residual, (128, 64, 3, 1), (64, 32, 3, 1), (32, 3, 9, 1)]
    assert network.settings == 32 + 64 + 128 + 14 * 128 + 64 + 32 + 3
    assert all(c.bias is None for c in network.convolutions)
    with torch.no_grad():
        assert network.encode(torch.rand(1, 3, 256, 256)).shape == (1, 32, 256, 256)


def test_table_1():
    """Λ: 3 -> 1000, ten of 1000 -> 1000, 1000 -> 2 (γ, β)."""
    settings = Transform().settings
    layers = [m for m in Lambda(settings).modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers if m.out_features != 2 * settings] == [
        (3, 1000),
        *[(1000, 1000)] * 10,
    ]
    assert numbers(Lambda(settings)) == 4 * 1000 + 10 * 1001 * 1000 + 1001 * 2 * settings


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (16, 61)])
def test_any_size(shape):
    network = Transform((4, 6, 8), 1)
    table = torch.zeros(1, 2 * network.settings)
    with torch.no_grad():
        assert network.paint(network.encode(torch.rand(2, 3, *shape)), table).shape == (2, 3, *shape)


def test_normalisation_is_equation_6():
    x, gamma, beta = torch.randn(2, 3, 5, 7) * 3 + 1, torch.randn(2, 3, 1, 1), torch.randn(2, 3, 1, 1)
    expected = gamma * F.instance_norm(x, eps=EPSILON) + beta
    assert torch.allclose(_Normalise.apply(x, gamma, beta), expected, atol=1e-5)
    assert torch.allclose(_Normalise.apply(torch.full((2, 3, 4, 4), 0.7), gamma, beta), beta.expand(2, 3, 4, 4), atol=1e-2)


def test_the_written_gradient_is_autograds():
    inputs = [torch.randn(2, 3, 5, 7), torch.randn(2, 3, 1, 1), torch.randn(2, 3, 1, 1)]
    ours, theirs = ([x.clone().requires_grad_() for x in inputs] for _ in range(2))
    slope = torch.randn(2, 3, 5, 7)
    _Normalise.apply(*ours).backward(slope)
    (theirs[1] * F.instance_norm(theirs[0], eps=EPSILON) + theirs[2]).backward(slope)
    assert all(torch.allclose(a.grad, b.grad, atol=1e-4) for a, b in zip(ours, theirs, strict=True))


def test_a_file_tells_how_to_build_the_network():
    for code in (0, 30):
        network = Adjustable((4, 6, 8), 3, 12, 2, code)
        again = Adjustable.from_tensors(
            {name: value.half() for name, value in network.state_dict().items()} | {"more": torch.ones(1)}
        )
        assert {n: v.shape for n, v in again.state_dict().items()} == {n: v.shape for n, v in network.state_dict().items()}
    with pytest.raises(ValueError, match="not a file of this network"):
        Adjustable.from_tensors({"conv1_1.weight": torch.ones(1)})


def test_one_style_needs_no_code():
    """The paper's own model: Λ reads α and nothing else."""
    network = Adjustable(*SMALL)
    assert network.adjust.project is None and network.colours(torch.rand(1, 3, 16, 16)) is None
    with torch.no_grad():
        assert network(torch.rand(2, 3, 32, 32), torch.rand(2, 3)).shape == (2, 3, 32, 32)


def test_the_method_runs_a_network_of_one_style(untrained, photo):
    painter = Painter(Adjustable(*SMALL).requires_grad_(False), untrained())
    content, params = photo(48, 64, 1), METHOD.settings("paper", size=64, sheets="both")
    one, other = (drain(adjustable.run(painter, content, photo(64, 64, seed), params)).image for seed in (2, 3))
    assert torch.equal(one, other)


# ---- codes


def test_colours_by_hand():
    half = torch.zeros(1, 3, 2, 2)
    half[:, 0, :, 1] = 1  # red on the right
    half[:, 1] = 0.5 * half[:, 0]  # green with it
    half[:, 2] = 1 - half[:, 0]  # blue against it
    means, deviations, together = raw_colours(half)[0].split(3)
    assert torch.allclose(means, torch.tensor([0.5, 0.25, 0.5]))
    assert torch.allclose(deviations, (torch.tensor([0.5, 0.25, 0.5]) + 0.01).log())
    assert together[0] > 0.9 and together[1] < -0.9 and together[2] < -0.9
    assert raw_colours(half).shape == (1, COLOURS)


def test_codes_blend(model, photo):
    """Strength and mix are straight lines between codes."""
    own, style, second = (style_code(model, photo(48, 64, seed)) for seed in range(3))

    def code(**turned):
        return blended(own, style, second, METHOD.settings("paper", **turned))

    assert torch.equal(code(strength=0.0), own)
    assert torch.allclose(code(strength=1.0, mix=0.0), style) and torch.allclose(code(strength=1.0, mix=1.0), second)
    assert torch.allclose(code(strength=0.5, mix=0.5), (own + (style + second) / 2) / 2, atol=1e-6)
    assert torch.equal(blended(own, style, None, METHOD.settings("paper", mix=0.9)), style)


def test_no_strength_is_the_contents_own_code_at_no_weight(model, photo):
    content, style = photo(64, 48, 0), photo(64, 64, 1)
    live = Live.of(model, content, style, 64)
    assert torch.equal(live(METHOD.settings("paper", strength=0.0)), repaint(model, live.encoding, live.own, (0.0, 0.0, 0.0)))
    half = repaint(model, live.encoding, torch.lerp(live.own, live.style, 0.5), (0.5, 0.25, 0.5))
    assert torch.equal(live(METHOD.settings("paper", strength=0.5, alpha_3=0.5)), half)


def test_another_content_keeps_the_style(model, photo):
    content, frame, style = photo(64, 48, 0), photo(48, 64, 1), photo(64, 64, 2)
    params = METHOD.settings("paper")
    moved = Live.of(model, content, style, 64).on(frame, 64)(params)
    assert torch.equal(moved, Live.of(model, frame, style, 64)(params)) and moved.shape == (1, 3, 48, 64)


def test_a_strange_style_is_clamped(model):
    for value in (0.0, 0.5, 1.0):
        code = style_code(model, torch.full((1, 3, 40, 40), value))
        assert code.isfinite().all() and code.abs().max() <= 3.5


# ---- the method


def test_a_second_picture_is_mixed_in(model, photo):
    content, style, second = (photo(48, 64, seed) for seed in range(3))
    params = METHOD.settings("paper", size=64, mix=1.0)
    mixed = drain(adjustable.run(model, content, style, params, second_style=second)).image
    assert torch.allclose(mixed, drain(adjustable.run(model, content, second, params)).image, atol=1e-5)


def test_a_slider_move_gives_what_a_job_gives(model, photo):
    content, style = photo(64, 64, 1), photo(48, 64, 2)
    moved = repaint(model, encode(model, content), style_code(model, style), (0.2, 0.7, 0.4))
    params = METHOD.settings("paper", size=64, alpha_2=0.2, alpha_3=0.7, alpha_4=0.4)
    assert torch.equal(moved, drain(adjustable.run(model, content, style, params)).image)


def test_sheets(model, photo):
    params = METHOD.settings("paper", size=64, sheets="both")
    extras = drain(adjustable.run(model, photo(64, 48, 1), photo(64, 64, 2), params)).extras
    assert extras["grid"].shape == (1, 3, 4 * 64, 4 * 48) and extras["variations"].shape == (1, 3, 3 * 64, 4 * 48)
    tiles = extras["grid"].unfold(2, 64, 64).unfold(3, 48, 48)[0].permute(1, 2, 0, 3, 4).flatten(0, 1)
    assert all((a - b).abs().max() > 1e-4 for i, a in enumerate(tiles) for b in tiles[:i])


def test_shadows(photo):
    content = torch.full((1, 3, 60, 90), 0.8)
    mask = shadowed(content, 3, torch.Generator().manual_seed(0)) / content
    assert mask.max() <= 1 and mask.min() < 0.6 and mask.min() > 0 and mask.mean() > 0.7
    assert torch.equal(shadowed(content, 0, torch.Generator()), content)


def test_randomise_draws_from_the_seed():
    drawn = {METHOD.settings("paper", randomise=True, seed=seed).alphas for seed in range(4)}
    assert len(drawn) == 4 and all(0.4 <= a <= 1 for alphas in drawn for a in alphas)
    assert METHOD.settings("paper", randomise=True, seed=1).alphas in drawn


# ---- training


@pytest.fixture
def data(packs, untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "STYLE_SIDE", 64)
    return training.Data.read(packs, untrained(), tmp_path / "styles.pt", None)


RECIPE = training.Recipe((4, 4, 8), 1, 16, 1, 32, 2, 4)


def test_what_is_read(data):
    assert (len(data.photos), len(data.test_photos), len(data.test_styles)) == (3, 1, 1)
    assert len(data.styles) == 3 * training.VARIANTS and len(data.own) == 3
    norms = data.styles.grams["conv3_4"].float().flatten(1).norm(dim=1)
    assert torch.allclose(norms, torch.ones(len(norms)), atol=0.01)


def test_losses_of_equal_and_black(data, untrained):
    vgg, picture = untrained(), training.unit(data.photos[0])
    styles = training.Styles.of(vgg, picture)
    for value in training.style_losses(vgg(picture, training.LOSS_LAYERS), styles).values():
        assert value.shape == (1,) and value < 1e-2
    nothing = {name: torch.zeros(1, vgg.channels(name), 4, 4) for name in training.LOSS_LAYERS}
    for value in training.style_losses(nothing, styles).values():  # all of the Gram matrix is missing, and all of the moments
        assert value.item() == pytest.approx(1 + 1, abs=0.02)


def test_alphas_see_corners_and_the_inside():
    alphas = training.draw_alphas(4000, torch.Generator().manual_seed(0))
    assert alphas.min() >= 0 and alphas.max() <= 1
    share = {value: ((alphas == value).all(1)).float().mean().item() for value in (0.0, 1.0)}
    assert all(0.08 < s < 0.13 for s in share.values())
    inside = ((alphas > 0) & (alphas < 1)).all(1).float().mean().item()
    assert 0.28 < inside < 0.38
    for k in range(3):
        others = [i for i in range(3) if i != k]
        for corner in (0.0, 1.0):
            assert ((alphas[:, others] == corner).all(1) & (alphas[:, k] > 0) & (alphas[:, k] < 1)).any()


def test_losses_have_a_running_mean_for_each_corner():
    alphas = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.2, 0.1], [0.1, 1.0, 0.9], [1.0, 1.0, 0.6]])
    assert training.cells(alphas, 0).tolist() == [0, 2, 1, 3] and training.cells(alphas, 2).tolist() == [0, 1, 3, 3]
    trainer = SimpleNamespace(norms={}, device=torch.device("cpu"), step=0, recipe=RECIPE)
    values = torch.tensor([4.0, 8.0])
    assert training.Trainer.norm(trainer, "x", values, torch.tensor([0, 2])).tolist() == pytest.approx([5.98, 6.02])
    assert trainer.norms["x"] == pytest.approx([5.98, 6, 6.02, 6])
    trainer.step = RECIPE.steps - 1  # near the end they stand still
    training.Trainer.norm(trainer, "x", values, torch.tensor([0, 2]))
    assert trainer.norms["x"] == pytest.approx([5.98, 6, 6.02, 6])


def test_both_networks_learn_and_a_run_can_be_taken_up(data, untrained):
    """A run of four steps is the same as one of two, saved, and two more."""
    vgg, device = untrained(), torch.device("cpu")
    through = training.Trainer(RECIPE, vgg, data, device)
    before = {name: value.clone() for name, value in through.network.state_dict().items()}
    for _ in range(4):
        losses = through.advance(4)
        assert all(value.isfinite().all() for value in losses.values())
    changed = {name.split(".")[0] for name, value in through.network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"transform", "adjust"}  # the public code trains the first only
    first, second = (training.Trainer(RECIPE, vgg, data, device) for _ in range(2))
    for _ in range(2):
        first.advance(4)
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    second.restore(torch.load(buffer, weights_only=True))
    for _ in range(2):
        second.advance(4)
    for name, value in through.network.state_dict().items():
        assert torch.allclose(value, second.network.state_dict()[name], atol=1e-6), name


def test_a_run_where_alpha_does_not_matter_is_stopped(data, untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "TRAP_STEPS", 2)
    monkeypatch.setattr(training, "WATCH_EVERY", 2)
    monkeypatch.setattr(training.Watch, "spread", lambda *_: 0.001)
    with pytest.raises(SystemExit, match=r"α has stopped mattering.*0\.0010 only after 2 steps"):
        training.train(data, untrained(), RECIPE, tmp_path / "out.safetensors", torch.device("cpu"), tmp_path)


def test_a_run_writes_what_the_method_loads(data, untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(training.metrics, "load_extractor", lambda *_: untrained())
    out = tmp_path / "out.safetensors"
    figures = training.train(data, untrained(), RECIPE, out, torch.device("cpu"), tmp_path / "run")
    assert figures.keys() == {"style_distance", "structure_change", "ssim"}
    grids = sorted((tmp_path / "run").glob("grid_*.png"))
    assert [path.name for path in grids] == ["grid_000004.png"] and Image.open(grids[0]).width == 8 * 200
    network = Adjustable.from_tensors(load_file(out))
    with torch.no_grad():
        assert network(torch.rand(1, 3, 32, 32), torch.ones(1, 3), torch.zeros(1, len(network.code_mean))).isfinite().all()


def test_one_style(packs, untrained, tmp_path, photo, monkeypatch):
    path = tmp_path / "style.png"
    to_pil(photo(64, 64, 9)).save(path)
    data = training.Data.read(packs, untrained(), tmp_path / "styles.pt", path)
    trainer = training.Trainer(RECIPE, untrained(), data, torch.device("cpu"))
    assert trainer.one_style and not len(trainer.network.code_mean)
    assert trainer.advance(2)["total"].isfinite()
