"""NNST's decoder: the network against 3.3.1, the losses by hand, training in the small, and what the method does with it."""

import io
import re
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from stylelab import neighbours, weights
from stylelab.errors import BadInput, WeightsMissing
from stylelab.hypercolumns import LAYERS, hypercolumns, layer_maps, quarter
from stylelab.losses import gram, gram_difference
from stylelab.method import drain
from stylelab.methods import nnst
from stylelab.methods.nnst import METHOD, Model, decode, eighths
from stylelab.neighbours import Splitter
from stylelab.nets.decoder import Decoder, decoders
from stylelab.pyramid import decompose, scale_to
from stylelab.regions import Regions
from stylelab.sources import Sources
from stylelab.train import decoder as training
from stylelab.train.muon import Muon

TINY = dict(widths=(6, 5, 4, 3), neck=8)
CHANNELS = 168  # of a hypercolumn of the untrained extractor


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(seed: int = 0, channels: int = CHANNELS, **arguments) -> Decoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Decoder(channels, **TINY | arguments).eval().requires_grad_(False)


# ---- the network


@pytest.mark.parametrize(("h", "w"), [(4, 4), (5, 9), (16, 11), (1, 3)])
def test_four_bands_of_a_laplacian_pyramid(h, w):
    """3.3.1, at odd sizes too: bands at 4, 2, 1 and 1/2 times the hypercolumns' size; the picture is their sum, each enlarged."""
    decoder, target = network(), torch.randn(2, CHANNELS, h, w, generator=seeded())
    bands = decoder.bands(target)
    expected = [(4 * h, 4 * w), (2 * h, 2 * w), (h, w), (max(1, h // 2), max(1, w // 2))]
    assert [band.shape for band in bands] == [(2, 3, *size) for size in expected]
    picture = bands[3]
    for band in bands[2::-1]:
        picture = scale_to(picture, band) + band
    assert torch.allclose(decoder(target), picture, atol=1e-6)


def test_the_papers_widths():
    """All hidden states have 256 channels, five 3x3 convolutions and a residual one a branch, 48, 12, 3 and 3 of them out."""
    decoder = Decoder(2688)
    for branch, out in zip(decoder.branches, (48, 12, 3, 3), strict=True):
        assert [tuple(layer.weight.shape) for layer in branch.convolutions] == [
            (256, 2688, 3, 3),
            *[(256, 256, 3, 3)] * 3,
            (out, 256, 3, 3),
        ]
        assert tuple(branch.residual.weight.shape) == (out, 2688, 3, 3)
    assert decoder.neck is None


def test_a_branch_with_silent_convolutions_is_linear():
    decoder = network(neck=0)
    for branch in decoder.branches:
        branch.convolutions[-1].weight.zero_()
    a, b = torch.randn(2, 1, CHANNELS, 6, 6, generator=seeded())
    assert torch.allclose(decoder(a + b), decoder(a) + decoder(b), atol=1e-4)


def test_channels_are_standardised():
    decoder, target = network(), torch.randn(1, CHANNELS, 6, 6, generator=seeded())
    moved = network()
    moved.mean.fill_(3.0)
    moved.deviation.fill_(0.1)
    assert torch.allclose(moved(0.1 * target + 3), decoder(target), atol=1e-3)


@pytest.mark.parametrize("neck", [0, 8])
def test_files(neck, tmp_path):
    """Four decoders in a file come back one by one, as wide as they were."""
    made = {side: network(side, neck=neck) for side in (64, 512)}
    path, target = tmp_path / "d.safetensors", torch.randn(1, CHANNELS, 4, 5, generator=seeded())
    save_file({f"{side}.{n}": t.half().contiguous() for side, d in made.items() for n, t in d.state_dict().items()}, path)
    back = decoders(load_file(path))
    assert list(back) == [64, 512] and not any(p.requires_grad for d in back.values() for p in d.parameters())
    for side, decoder in made.items():
        assert torch.allclose(back[side](target), decoder(target), atol=5e-3)
    assert (back[64](target) - back[512](target)).abs().mean() > 0.01


def test_other_files_are_refused():
    with pytest.raises(ValueError, match="holds no decoder"):
        decoders({"conv1_1.weight": torch.zeros(1)})
    tensors = {f"64.{name}": value for name, value in network().state_dict().items()}
    with pytest.raises(ValueError, match=r"branches\.3\.residual\.bias"):
        decoders({name: value for name, value in tensors.items() if name != "64.branches.3.residual.bias"})


# ---- training


@pytest.fixture(scope="module")
def data(packs):
    return training.Data.read(packs)


RECIPE = training.Recipe((6, 5, 4, 3), 8, 32, 4, 8, {64: 4, 128: 3}, True, True, (8, 6, 4), 0.1, 0.5)


def test_layer_maps_are_the_hypercolumns_parts(untrained, photo):
    vgg, picture = untrained(), photo(64, 48, 1)
    found = vgg(picture, LAYERS)
    maps = layer_maps(found, quarter(picture))
    assert torch.allclose(hypercolumns(maps, quarter(picture)), hypercolumns(found, quarter(picture)), atol=1e-6)
    assert maps["conv1_1"].shape[-2:] == maps["conv3_3"].shape[-2:] == (16, 12) and maps["conv4_1"].shape[-2:] == (8, 6)


def test_rearranged_is_equation_1_for_each_pair(bf16):
    bf16(False)
    content, style = torch.rand(2, 5, 3, 4, generator=seeded(1)), torch.rand(2, 5, 4, 2, generator=seeded(2))
    found = training.rearranged(content, style)
    for n in range(2):
        queries, keys = (x[n].flatten(1).T for x in (content, style))
        best = F.cosine_similarity((queries - queries.mean(0))[:, None], (keys - keys.mean(0))[None], dim=2).argmax(1)
        assert torch.equal(found[n].flatten(1).T, keys[best])


def test_splitting_takes_each_layer_by_itself(untrained, photo, bf16):
    bf16(False)
    vgg, size = untrained(), (8, 8)
    content, style = (layer_maps(vgg(photo(32, 32, seed), LAYERS), size) for seed in (1, 2))
    target = training.split(content, style, size)
    start = 0
    for name in LAYERS:
        part = target[:, start : start + vgg.channels(name)]
        alone = training.rearranged(content[name], style[name]) / vgg.channels(name)
        assert torch.allclose(part, F.interpolate(alone, size, mode="bilinear"), atol=1e-6)
        start += vgg.channels(name)


def test_splitting_loss_by_hand(untrained, photo, bf16):
    """At a quarter of 32 px every grid has all the places of conv3 and one of 16 of conv1's."""
    bf16(False)
    ours, theirs = (untrained()(photo(32, 32, seed), LAYERS) for seed in (1, 2))
    draws, expected = seeded(5), 0.0
    for name in LAYERS:
        stride, grids = {"1": 4, "2": 2}.get(name[4], 1), []
        for maps in (ours[name], theirs[name]):
            y, x = torch.randint(stride, (2,), generator=draws).tolist()
            vectors = maps[0, :, y::stride, x::stride].flatten(1).T
            grids.append(vectors - vectors.mean(0))
        assert len(grids[0]) == (16 if name[4] == "4" else 64)
        expected += (1 - F.cosine_similarity(grids[0][:, None], grids[1][None], dim=2).amax(1)).mean().item() / len(LAYERS)
    assert training.splitting_loss(ours, theirs, seeded(5)).item() == pytest.approx(expected, abs=1e-4)


def test_a_pattern_of_the_cells_is_seen_and_one_of_other_periods_is_not():
    y, x = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    nothing, seen = torch.zeros(1, 3, 24, 24), {}
    for period in (2, 3, 4):
        wave = (2 * torch.pi * (x + y) / period).cos().expand(1, 3, 48, 48)
        seen[period] = training.grid_loss([wave, nothing, nothing, nothing]).item()
    assert seen[3] < 0.02 and seen[2] > 0.9 and seen[4] > 0.4
    wave = (2 * torch.pi * x[:24, :24] / 2).cos().expand(1, 3, 24, 24)
    assert training.grid_loss([torch.zeros(1, 3, 48, 48), wave, nothing, nothing]).item() == pytest.approx(1, abs=1e-4)


def test_statistics_see_lengths():
    a, b = torch.rand(2, 2, 5, 3, 4, generator=seeded())
    assert training.statistics_loss(a, a, [2, 3]).item() == pytest.approx(0, abs=1e-6)
    assert training.statistics_loss(2 * a, a, [2, 3]).item() == pytest.approx((4 - 1) / 2, rel=1e-5)
    parts = [
        gram_difference(gram(x[n : n + 1]), gram(y[n : n + 1]))
        for x, y in ((a[:, :2], b[:, :2]), (a[:, 2:], b[:, 2:]))
        for n in (0, 1)
    ]
    assert training.statistics_loss(a, b, [2, 3]).item() == pytest.approx((sum(parts) / 4).item(), rel=1e-5)


def test_cosine_distance_by_hand():
    a, b = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    assert training.cosine_distance(a, b).item() == pytest.approx(1 - 0.6)
    assert training.cosine_distance(a, 7 * a).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("scale", "wide"), [(256, 32), (128, 32), (64, 32)])
def test_crops_show_pictures_at_the_scale(scale, wide):
    """On a ramp along x a crop's range of values is the part of the picture that it shows."""
    ramp = torch.linspace(0, 255, 256).byte().expand(3, 192, 256)
    shown = []
    for seed in range(40):
        crop = training.crop_at(ramp, scale, wide, seeded(seed))
        assert crop.shape == (1, 3, wide, wide)
        shown.append(((crop.max() - crop.min()) * 256 / wide).item())
    least, most = 256 / min(scale, 256 * training.ENLARGED), 256 / min(scale * training.ZOOM, 256 * training.ENLARGED)
    assert 0.85 * least < min(shown) and max(shown) < 1.05 * most


def test_patches_are_parts_of_their_pictures():
    pictures = torch.arange(2 * 3 * 12 * 12.0).view(2, 3, 12, 12)
    cut = training.patches(pictures, 8, 3, seeded())
    assert cut.shape == (6, 3, 8, 8)
    for k, patch in enumerate(cut):
        windows = pictures[k // 3].unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        assert (windows == patch).flatten(1).all(1).any()


def test_the_critic_compares_with_its_references():
    torch.manual_seed(0)
    critic, each = training.Critic((8, 6, 4), 16), training.REFERENCES
    patch, others = torch.rand(2, 3, 16, 16, generator=seeded(1)), torch.rand(2 * each, 3, 16, 16, generator=seeded(2))
    answer = critic(patch, others)
    assert answer.shape == (2, 1)
    turned = others.view(2, each, 3, 16, 16).flip(1).flatten(0, 1)
    assert torch.allclose(critic(patch, turned), answer, atol=1e-5)  # in any order
    assert not torch.allclose(critic(patch, others.flip(0)), answer, atol=1e-3)  # another picture's


def test_free_muon_leaves_the_norm_alone():
    kept, free = (torch.nn.Parameter(torch.full((4, 3, 3, 3), 5.0)) for _ in range(2))
    for weight, freedom in ((kept, False), (free, True)):
        weight.grad = torch.randn(weight.shape, generator=seeded())
        Muon([weight], 0.1, 0.9, free=freedom).step()
    assert kept.norm().item() == pytest.approx(2, rel=0.15) and free.norm().item() == pytest.approx(5 * 108**0.5, rel=0.02)


def test_training_lowers_the_losses(data, untrained):
    recipe = replace(RECIPE, steps={64: 60}, adversarial=0.0)
    trainer = training.Trainer(64, recipe, untrained(), data)
    lines = [trainer.advance() for _ in range(60)]
    for name, share in (("reconstruction", 0.65), ("cycle", 0.97)):
        first, last = (sum(line[name] for line in part) / 10 for part in (lines[:10], lines[-10:]))
        assert last < share * first, name


def test_a_run_can_be_taken_up(data, untrained):
    """Four steps, the last two adversarial, are the same as two, saved, and two more."""
    through, first, second = (training.Trainer(64, RECIPE, untrained(), data) for _ in range(3))
    lines = [through.advance() for _ in range(4)]
    assert [("critic" in line) for line in lines] == [False, False, True, True]
    for _ in range(2):
        first.advance()
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    second.restore(torch.load(buffer, weights_only=True))
    for _ in range(2):
        second.advance()
    for part in ("network", "critic"):
        ours, theirs = (getattr(trainer, part).state_dict() for trainer in (through, second))
        assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    assert any((through.average[name] - value).abs().max() > 1e-4 for name, value in first.average.items())


def test_most_of_a_batch_are_results(data, untrained):
    trainer = training.Trainer(64, RECIPE, untrained(), data)
    assert trainer.batch(seeded())[3] == 0
    trainer.advance()
    styles, targets, _, refed = trainer.batch(seeded())
    assert (len(styles), len(targets), refed) == (4, 4, 3)
    for style in styles[:3]:
        assert any(torch.equal(style, old) for old in trainer.last[1])
    assert not any(torch.equal(style, old) for style in styles[3:] for old in trainer.last[1])


def test_the_command(packs, untrained, tmp_path, monkeypatch):
    """Both scales, the second from the first; again, nothing to do; then the method paints with what came out."""
    vgg = untrained()
    vgg.weights = [{"name": "encoder", "family": "compact", "sha256": "0"}]
    monkeypatch.setattr(training, "load_extractor", lambda *_: vgg)
    monkeypatch.setattr(training.metrics, "load_extractor", lambda *_: vgg)
    monkeypatch.setitem(training.RECIPES, "compact", RECIPE)
    out, run = tmp_path / "out.safetensors", tmp_path / "run"
    command = ["decoder", str(packs), "--recipe", "compact", "--run", str(run), "--out", str(out), "--device", "cpu"]
    for _ in range(2):
        monkeypatch.setattr("sys.argv", command)
        training.main()
        assert sorted(path.name for path in run.glob("*/sheet_*.png")) == ["sheet_000003.png", "sheet_000004.png"]
        assert len((run / "64" / "log.csv").read_text().splitlines()) == 2
    assert Image.open(run / "64" / "sheet_000004.png").width == 6 * 256
    made = decoders(load_file(out))
    assert list(made) == [64, 128]
    state = torch.load(run / "64" / "last.pt", weights_only=True)["average"]
    assert torch.equal(made[128].mean, state["mean"].half().float())  # went on from the first
    target = state["mean"].view(1, -1, 1, 1).expand(1, CHANNELS, 8, 8)
    assert torch.allclose(made[64](target), Decoder.from_tensors(state)(target), atol=2e-2)


@pytest.fixture
def asked(packs, untrained, tmp_path, monkeypatch):
    """`asked(*argv, family="compact")` runs the command; what it would ship is `shipped.safetensors`, its runs are in `runs`."""
    vgg = untrained()
    for module in (training, training.metrics):
        monkeypatch.setattr(module, "load_extractor", lambda *_: vgg)
    monkeypatch.setitem(training.RECIPES, "compact", RECIPE)
    monkeypatch.setattr(training, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(training, "SHIPPED", tmp_path / "shipped.safetensors")
    recorded = []
    monkeypatch.setattr(training.weights, "record", lambda *given: recorded.append(given))

    def run(*argv: str, family: str = "compact") -> list:
        vgg.weights = [{"name": "encoder", "family": family, "sha256": "0"}]
        monkeypatch.setattr("sys.argv", ["decoder", str(packs), "--device", "cpu", *argv])
        training.main()
        return recorded

    return run


def test_one_scale_never_replaces_what_ships(asked, tmp_path, capsys):
    assert asked("--scale", "64") == [] and not (tmp_path / "shipped.safetensors").exists()
    run = tmp_path / "runs" / "decoder"
    said = f"nothing is exported, as {run} has no checkpoint for 128, 256, 512 px: train those, or name a file with --out"
    assert capsys.readouterr().out.splitlines()[-1] == said
    with pytest.raises(SystemExit, match=f"^{re.escape(said)}$"):
        asked("--export")
    assert asked("--export", "--out", str(tmp_path / "one.safetensors")) == []
    assert list(decoders(load_file(tmp_path / "one.safetensors"))) == [64]
    for scale in (128, 256, 512):
        shutil.copytree(run / "64", run / str(scale))
    assert asked("--export", "--steps", "256=1", "512=1") == [("nnst-decoder", "compact", tmp_path / "shipped.safetensors")]
    assert list(decoders(load_file(tmp_path / "shipped.safetensors"))) == [64, 128, 256, 512]


@pytest.mark.parametrize(
    ("recipe", "family", "folder"),
    [
        ("compact", "compact", "decoder"),
        ("paper", "compact", "decoder-paper-compact"),
        ("compact", "full", "decoder-compact-full"),
        ("paper", "full", "decoder-paper-full"),
    ],
)
def test_recipes_and_families_have_runs_of_their_own(recipe, family, folder, asked, tmp_path):
    with pytest.raises(SystemExit, match=re.escape(f"as {tmp_path / 'runs' / folder} has no checkpoint for 64, ")):
        asked("--recipe", recipe, "--export", family=family)


@pytest.mark.parametrize("steps", ["100=5", "256", "256=x"])
def test_steps_are_at_a_scale(steps, asked, capsys):
    with pytest.raises(SystemExit) as left:
        asked("--steps", steps)
    assert left.value.code == 2
    assert f"argument --steps: '{steps}' is not PX=N with one of 64, 128, 256, 512" in capsys.readouterr().err


def test_nothing_to_export(tmp_path):
    with pytest.raises(SystemExit, match="there is no checkpoint in"):
        training.export(tmp_path, (64,), tmp_path / "out.safetensors")


# ---- the method


@pytest.fixture
def model(untrained):
    return Model(untrained(), {side: network(side) for side in (64, 512)})


def test_the_nearest_decoder_is_taken(model):
    for side, expected in ((16, 64), (100, 64), (181, 64), (182, 512), (1024, 512)):
        assert model.decoder(side) is model.decoders[str(expected)]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (61, 83), (17, 24)])
def test_padding_to_eighths_and_back(height, width, model, photo):
    picture = photo(height, width, 1)
    padded = eighths(picture)
    assert padded.shape[-2] % 8 == padded.shape[-1] % 8 == 0 and padded.shape[-1] - width < 8
    assert torch.equal(padded[..., :height, :width], picture)
    target = torch.rand(1, CHANNELS, *quarter(padded), generator=seeded())
    image, distance = decode(model.decoder(64), model.vgg, target, picture)
    assert image.shape == picture.shape and 0 <= distance < 2 and image.min() >= 0 and image.max() <= 1


def test_a_perfect_decoder_gives_the_picture_back(model, photo, monkeypatch):
    """Where the bands are the content's own, so is the result, whatever its size."""
    content = photo(61, 83, 1)
    padded = eighths(content)
    monkeypatch.setattr(Decoder, "bands", lambda *_: decompose(padded, 4))
    image, _ = decode(model.decoder(64), model.vgg, torch.rand(1, CHANNELS, *quarter(padded)), content)
    assert torch.allclose(image, content, atol=1e-6)


@pytest.mark.parametrize("zero_centre", [True, False])
def test_the_splitter_is_a_search_in_every_layer(zero_centre, untrained, photo, bf16, monkeypatch):
    bf16(False)
    vgg, image, style = untrained(), photo(32, 40, 1), photo(40, 32, 2)
    params = METHOD.settings(zero_centre=zero_centre)
    found = Splitter(vgg, Sources((style,)), params, seeded())(image)
    ours = layer_maps(vgg(image, LAYERS), quarter(image))
    theirs = [layer_maps(vgg(style.rot90(k, (2, 3)), LAYERS), quarter(style.rot90(k, (2, 3)))) for k in range(4)]
    expected = {}
    for name, maps in ours.items():
        queries, keys = maps[0].flatten(1).T, torch.cat([copy[name][0].flatten(1).T for copy in theirs])
        a, b = (queries - queries.mean(0), keys - keys.mean(0)) if zero_centre else (queries, keys)
        best = F.cosine_similarity(a[:, None], b[None], dim=2).argmax(1)
        expected[name] = keys[best].T.reshape(maps.shape)
    expected = hypercolumns(expected, quarter(image))
    assert ((found - expected).abs() < 1e-5).float().mean() > 0.98  # rounding may break a tie the other way
    monkeypatch.setattr(neighbours, "KEYS", 10)
    kept = Splitter(vgg, Sources((style,)), params, seeded()).styles
    assert kept.keys() == set(LAYERS) and all(len(keys) == len(values) == 10 for (((keys, values),),) in kept.values())


def test_a_result_fed_in_again_keeps_to_its_labels(untrained, photo, bf16):
    """With masks, columns left of the border take conv1's features from the style's right half, where red is."""
    bf16(False)
    vgg, image = untrained(), photo(64, 64, 1)
    labels = (torch.arange(64) >= 32).long().expand(1, 1, 64, 64)
    style = torch.where(labels.bool(), torch.tensor([0.7, 0.1, 0.0]).view(3, 1, 1), torch.tensor([0.0, 0.1, 0.7]).view(3, 1, 1))
    style = style + 0.05 * photo(64, 64, 2)
    params = METHOD.settings(rotations=False, guidance_weight=0.9)
    found = Splitter(vgg, Sources((style,), regions=Regions(1 - labels, labels)), params, seeded())(image)[
        :, : vgg.channels("conv1_1")
    ]
    own = hypercolumns(vgg(style, LAYERS), (16, 16))[:, : vgg.channels("conv1_1")]
    left, right = own[..., 2:6].mean((0, 2, 3)), own[..., 10:14].mean((0, 2, 3))
    for columns, near, far in ((found[..., 2:6], right, left), (found[..., 10:14], left, right)):
        mean = columns.mean((0, 2, 3))
        assert (mean - near).norm() < 0.2 * (mean - far).norm()


def stages(model, photo, **knobs):
    params = METHOD.settings(size=64, coarsest="eighth", **{"iterations": 2} | knobs)
    return [step.stage for step in nnst.run(model, photo(64, 50, 1), photo(64, 64, 2), params)]


def test_steps_of_each_synthesis(model, photo):
    sides = ["32 px", "64 px"]
    assert stages(model, photo, synthesis="decoder") == [*sides, *["feature splitting"] * 4, "colour"]
    assert stages(model, photo, synthesis="decoder", splitting="none") == [sides[0], "colour"]
    again = [*sides, *["feature splitting"] * 5, "optimisation", "colour"]
    assert stages(model, photo, synthesis="decoder+opt") == again
    assert stages(model, photo, synthesis="decoder+opt", splitting="none") == [*sides, "optimisation", "colour"]
    assert stages(model, photo) == [*["32 px"] * 2, *["64 px"] * 2, "feature splitting", "colour"]


@pytest.mark.parametrize(
    "turned",
    [
        {"alpha": 1.0},
        {"rotations": False},
        {"splitting": "none"},
        {"zero_centre": False},
        {"content_band": True},
        {"patch": "3x3"},
        {"coarsest": "whole"},
        {"colour": "painted"},
    ],
    ids=str,
)
def test_shared_knobs_matter_to_the_decoder(turned, model, photo):
    pair = photo(64, 64, 1), photo(64, 64, 2)
    base = dict(size=64, synthesis="decoder")
    plain, other = (drain(nnst.run(model, *pair, METHOD.settings(**base | knobs))).image for knobs in ({}, turned))
    assert (plain - other).abs().mean() > 1e-4


@pytest.mark.parametrize(
    "asked",
    [{"layers": "block 3"}, {"split_by": "hypercolumns"}, {"rematch": False}, {"splitting": "always"}],
    ids=str,
)
def test_decoders_say_what_they_cannot_do(asked, model, photo):
    for synthesis in ("decoder", "decoder+opt"):
        with pytest.raises(BadInput, match=f"^Decoders .*{next(iter(asked))} = .* synthesis = opt"):
            next(nnst.run(model, photo(64, 64, 1), photo(64, 64, 2), METHOD.settings(size=64, synthesis=synthesis, **asked)))


def test_optimising_goes_on_from_the_decoders_result(model, photo):
    pair = photo(64, 64, 1), photo(64, 64, 2)
    knobs = dict(size=64, iterations=1, learning_rate=1e-4)
    decoded, continued, optimised = (
        drain(nnst.run(model, *pair, METHOD.settings(synthesis=synthesis, **knobs))).extras["uncoloured"]
        for synthesis in ("decoder", "decoder+opt", "opt")
    )
    assert 0 < (decoded - continued).abs().mean() < 2e-3 < (decoded - optimised).abs().mean()


def test_without_decoders_only_opt_runs(photo, tmp_path, monkeypatch):
    """A manifest without a checksum for them: one sentence, and only when one is asked for."""
    manifest = (weights.FOLDER / "manifest.json").read_text("utf-8")
    for file in weights.FOLDER.glob("encoder*"):
        (tmp_path / file.name).symlink_to(file)
    pattern = r'("file": "nnst-decoder.safetensors",\s*"sha256": )("\w+"|null)'
    assert re.search(pattern, manifest)
    (tmp_path / "manifest.json").write_text(re.sub(pattern, r"\1null", manifest), "utf-8")
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    model = nnst.load(torch.device("cpu"), "compact")
    pair = photo(64, 64, 1), photo(64, 64, 2)
    assert drain(nnst.run(model, *pair, METHOD.settings(size=64, iterations=1))).image.shape == (1, 3, 64, 64)
    says = r"nnst-decoder \(compact\) has no checksum.*Without decoders there is synthesis=opt\.$"
    with pytest.raises(WeightsMissing, match=says):
        next(nnst.run(model, *pair, METHOD.settings(size=64, synthesis="decoder")))
