"""Neural Neighbor Style Transfer: equal to its plain restatement, and known answers of its parts."""

from __future__ import annotations

import dataclasses
import itertools
from itertools import pairwise

import plain_nnst
import pytest
import torch
from torch.nn import functional as F

from stylelab import neighbours
from stylelab.colour import oklab
from stylelab.hypercolumns import LAYERS, hypercolumns, quarter
from stylelab.matching import overlapped, patch_rows, rows
from stylelab.method import drain
from stylelab.methods import nnst
from stylelab.methods.nnst import METHOD, Model, run, scales
from stylelab.neighbours import SplitLoss, Splitter, rearranged
from stylelab.palette import coloured, relit
from stylelab.sources import Sources

OFFICIAL, PAPER = dict(coarsest=64, content_band=True), dict(coarsest=0, content_band=False)


@pytest.fixture
def pair(photo):
    return photo(80, 66, 1), photo(70, 80, 2)


@pytest.fixture
def coarse_grid(monkeypatch):
    """A grid so coarse that feature splitting draws shifts at this size too."""
    monkeypatch.setattr(neighbours, "GRID", 16)
    monkeypatch.setattr(plain_nnst, "GRID", 16)


def painted(vgg, content, style, preset="paper", **knobs):
    return drain(run(Model(vgg), content, style, METHOD.settings(preset, **knobs)))


@pytest.mark.parametrize("rotations", [False, True], ids=["upright", "rotations"])
@pytest.mark.parametrize(("preset", "plainly", "size"), [("official", OFFICIAL, 128), ("paper", PAPER, 80)])
def test_equal_to_the_plain_restatement(preset, plainly, size, rotations, untrained, pair, bf16, coarse_grid):
    bf16(False)
    vgg, knobs = untrained(), dict(size=size, iterations=4, rotations=rotations)
    steps = list(run(Model(vgg), *pair, METHOD.settings(preset, **knobs)))
    expected, losses = plain_nnst.paint(vgg, *pair, **knobs, **plainly)
    # Rounding may break a tie between two matches the other way, and Adam's first steps are little more than a gradient's
    # signs, which rounding turns where it is near zero. A wrong setting is 0.007 (grid) to 0.08 (scales) away.
    assert (steps[-1].extras["uncoloured"] - expected).abs().mean() < 3e-3
    found = {step.stage: next(iter(step.losses.values())).item() for step in steps}
    found["feature splitting"] = found.pop("colour")  # the last update's step is already coloured
    assert found == pytest.approx(losses, rel=2e-3)


@pytest.mark.parametrize("rotations", [False, True], ids=["upright", "rotations"])
def test_bf16_paints_as_well_as_float32(rotations, untrained, pair, bf16, coarse_grid):
    bf16(True)
    vgg, knobs = untrained(), dict(size=64, iterations=10, rotations=rotations)
    ours = painted(vgg, *pair, "official", **knobs).extras["uncoloured"]
    expected, _ = plain_nnst.paint(vgg, *pair, **knobs, **OFFICIAL)
    begun = plain_nnst.final_objective(vgg, F.interpolate(pair[0], ours.shape[-2:]), pair[1], rotations)
    fast, exact = (plain_nnst.final_objective(vgg, image, pair[1], rotations) for image in (ours, expected))
    assert fast < 1.02 * exact and exact < 0.98 * begun


def test_the_loss_falls_in_every_stage(untrained, pair):
    stages: dict[str, list[float]] = {}
    for step in run(Model(untrained()), *pair, METHOD.settings(size=80, iterations=12)):
        stages.setdefault(step.stage, []).extend(value.item() for value in step.losses.values())
    stages["feature splitting"] += stages.pop("colour")
    assert list(stages) == ["20 px", "40 px", "80 px", "feature splitting"]
    for stage, losses in stages.items():
        assert losses[-1] < 0.97 * losses[0], stage


@pytest.mark.parametrize("rotations", [False, True], ids=["upright", "rotations"])
def test_a_content_that_is_its_own_style_is_already_there(rotations, untrained, photo, bf16):
    bf16(False)
    content = photo(64, 64, 3)
    step = next(run(Model(untrained()), content, content, METHOD.settings(size=64, coarsest="64px", rotations=rotations)))
    assert step.losses["hypercolumns"] < 1e-4


def test_a_rotated_style_is_found_again(untrained, photo, bf16):
    """The content turned by a quarter is among the rotations of the style, so every hypercolumn finds itself."""
    bf16(False)
    vgg, content = untrained(), photo(64, 48, 4)
    own = hypercolumns(vgg(content, LAYERS), quarter(content))
    for rotations in (True, False):
        found = rearranged(vgg, content, Sources((content.rot90(1, (2, 3)),)), METHOD.settings(rotations=rotations))
        assert found.shape == own.shape == (1, 168, 16, 12)
        assert ((found - own).abs().max() < 1e-6) == rotations


@pytest.mark.parametrize("zero_centre", [True, False])
@pytest.mark.parametrize("rotations", [True, False])
def test_rearranged_is_equation_1(zero_centre, rotations, untrained, pair, bf16):
    bf16(False)
    vgg, (content, style) = untrained(), pair
    queries = rows(hypercolumns(vgg(content, LAYERS), quarter(content)))
    turned = [style.rot90(k, (2, 3)) for k in range(4)][: 4 if rotations else 1]
    keys = torch.cat([rows(hypercolumns(vgg(s, LAYERS), quarter(s))) for s in turned])
    a, b = (queries - queries.mean(0), keys - keys.mean(0)) if zero_centre else (queries, keys)
    best = F.cosine_similarity(a[:, None], b[None], dim=2).argmax(1)
    found = rows(rearranged(vgg, content, Sources((style,)), METHOD.settings(zero_centre=zero_centre, rotations=rotations)))
    assert (found == keys[best]).all(1).float().mean() > 0.99  # rounding may break a tie the other way


def test_alpha_mixes_the_last_result_into_the_queries(untrained, pair, monkeypatch):
    """0: the content alone at every scale; 1: at the second scale, the enlarged result of the first."""
    seen = {}

    def spy(vgg, content, style, params):
        seen.setdefault(params.alpha, []).append(content)
        return rearranged(vgg, content, style, params)

    monkeypatch.setattr(nnst, "rearranged", spy)
    for alpha in (0.0, 0.5, 1.0):
        painted(untrained(), *pair, size=64, iterations=3, alpha=alpha, splitting="none")
    contents = [nnst.resize(pair[0], side) for side in scales(pair, METHOD.settings(size=64))[-len(seen[0.0]) :]]
    assert all(torch.equal(query, content) for query, content in zip(seen[0.0], contents, strict=True))
    coarse, fine = seen[1.0][:2]
    assert torch.equal(coarse, contents[0])
    assert 1e-3 < (fine - F.interpolate(coarse, fine.shape[-2:], mode="bilinear")).abs().max() < 3 * 8 * 2e-3 + 1e-4
    assert torch.allclose(seen[0.5][1], (seen[0.0][1] + seen[1.0][1]) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("width", "height", "size", "coarsest", "expected"),
    [
        (300, 300, 256, "eighth", [32, 64, 128, 256]),
        (300, 300, 512, "eighth", [64, 128, 256, 512]),
        (300, 300, 64, "eighth", [16, 32, 64]),
        (850, 272, 512, "eighth", [64, 128, 256, 512]),
        (850, 272, 256, "eighth", [64, 128, 256]),
        (272, 850, 64, "eighth", [64]),
        (300, 200, 1000, "eighth", [125, 250, 500, 1000]),
        (300, 300, 256, "64px", [64, 128, 256]),
        (300, 300, 512, "64px", [64, 128, 256, 512]),
        (300, 300, 1024, "64px", [64, 128, 256, 512, 1024]),
        (300, 300, 64, "64px", [64]),
        (300, 300, 100, "64px", [100]),
        (300, 300, 256, "whole", [256]),
        (300, 300, 64, "whole", [64]),
    ],
)
def test_scales(width, height, size, coarsest, expected):
    picture, square = torch.zeros(1, 3, height, width), torch.zeros(1, 3, 40, 40)
    params = METHOD.settings(size=size, coarsest=coarsest)
    assert scales((picture, square), params) == scales((square, picture), params) == expected


def test_splitting_by_hand(untrained, photo, bf16):
    """One layer at a time, a picture's distance to itself is 0; to another it is the brute-force sum over layers."""
    bf16(False)
    vgg, image, style = untrained(), photo(32, 24, 1), photo(24, 32, 2)
    params = METHOD.settings(rotations=False)
    assert SplitLoss(vgg, Sources((image,)), params, torch.Generator())(image).item() == pytest.approx(0, abs=1e-4)
    expected = 0.0
    for name in LAYERS:
        a, b = (rows(vgg(x, [name])[name]) for x in (image, style))
        expected += (1 - F.cosine_similarity((a - a.mean(0))[:, None], (b - b.mean(0))[None], dim=2).amax(1)).mean().item()
    assert SplitLoss(vgg, Sources((style,)), params, torch.Generator())(image).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("height", [16, 17, 31, 40, 47, 130])
def test_the_splitting_grid_is_small_and_moves(height, untrained, photo, coarse_grid):
    split = SplitLoss(untrained(), Sources((photo(16, 16, 0),)), METHOD.settings(), torch.Generator().manual_seed(0))
    features = torch.arange(float(height * 20)).view(1, 1, height, 20)
    drawn = [split.grid(features)[0] for _ in range(20)]
    assert max(side for grid in drawn for side in grid.shape[-2:]) < 2 * neighbours.GRID
    grids = [grid.flatten().tolist() for grid in drawn]
    stride = max(1, max(height, 20) // 16)
    for grid in grids:
        assert {int(b - a) for a, b in pairwise(grid) if b - a < 20} <= {stride}
        assert set(grid) <= set(range(height * 20)) and len(grid) >= (height // stride) * (20 // stride)
    assert (len({tuple(grid) for grid in grids}) > 1) == (stride > 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 3), (5, 7)], ids=str)
@pytest.mark.parametrize("side", [1, 3])
def test_patches_overlap_to_what_they_were_cut_from(size, side):
    features = torch.rand(1, 4, *size, generator=torch.Generator().manual_seed(0))
    patches = patch_rows(features, side)
    assert patches.shape == (size[0] * size[1], 4 * side**2)
    assert torch.allclose(overlapped(patches, size, side), features, atol=1e-6)


def test_overlapping_patches_by_hand():
    """Three places in a row whose patches say 0, 6 and 12 of every place that they cover."""
    patches = torch.tensor([0.0, 6.0, 12.0])[:, None].expand(3, 9).contiguous()
    assert overlapped(patches, (1, 3), 3).flatten().tolist() == [3, 6, 9]
    assert patch_rows(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 3).tolist() == [[1, 1, 2] * 3, [1, 2, 3] * 3, [2, 3, 3] * 3]


def patches_plainly(features):
    """(H, W, C, 3, 3) of (C, H, W), place by place, the border repeated."""
    _, height, width = features.shape
    ys, xs = ([[min(max(i + d, 0), side - 1) for d in (-1, 0, 1)] for i in range(side)] for side in (height, width))
    return torch.stack([torch.stack([features[:, y][:, :, x] for x in xs]) for y in ys])


def averaged_plainly(chosen):
    """(C, H, W) of what the patches (H, W, C, 3, 3) around each place and its neighbours say of it."""
    height, width, channels = chosen.shape[:3]
    found = torch.zeros(channels, height, width)
    for y, x in itertools.product(range(height), range(width)):
        said = [
            chosen[y + i, x + j, :, 1 - i, 1 - j]
            for i, j in itertools.product((-1, 0, 1), repeat=2)
            if 0 <= y + i < height and 0 <= x + j < width
        ]
        found[:, y, x] = torch.stack(said).mean(0)
    return found


def test_patches_are_matched_whole_and_averaged(untrained, photo, bf16):
    """Figure 13 (a, c) against a plain restatement, two styles' worth of rotations, with hypercolumns of one layer."""
    bf16(False)
    vgg, content, style = untrained(), photo(32, 40, 1), photo(40, 32, 2)
    params = METHOD.settings(patch="3x3", layers="conv3_1")
    maps = [hypercolumns(vgg(x, ["conv3_1"]), quarter(x))[0] for x in (content, *(style.rot90(k, (2, 3)) for k in range(4)))]
    ours, *theirs = map(patches_plainly, maps)
    queries, keys = ours.flatten(0, 1), torch.cat([copy.flatten(0, 1) for copy in theirs])
    a, b = ((v - v.mean(0)).flatten(1) for v in (queries, keys))
    best = F.cosine_similarity(a[:, None], b[None], dim=2).argmax(1)
    expected = averaged_plainly(keys[best].view(*ours.shape))
    found = rearranged(vgg, content, Sources((style,)), params)
    assert ((found[0] - expected).abs() < 1e-6).float().mean() > 0.97  # rounding may break a tie the other way
    assert (found - rearranged(vgg, content, Sources((style,)), METHOD.settings(layers="conv3_1"))).abs().max() > 1e-3


def test_splitting_by_patches_plainly(untrained, photo, bf16):
    """Each place's patch goes to where its places' mean cosine is largest; the distance is to the mean of what patches say."""
    bf16(False)
    vgg, image, style, expected = untrained(), photo(24, 32, 1), photo(32, 24, 2), 0.0
    for name in LAYERS:
        a, b = (vgg(x, [name])[name][0] for x in (image, style))
        a, b = (F.normalize(m - m.mean((1, 2), keepdim=True), dim=0) for m in (a, b))
        ours, theirs = patches_plainly(a), patches_plainly(b)
        likeness = torch.einsum("yxcij,uvcij->yxuv", ours, theirs).flatten(2)
        target = averaged_plainly(theirs.flatten(0, 1)[likeness.argmax(2)])
        expected += (1 - F.cosine_similarity(a, target, dim=0).mean()).item()
    split = SplitLoss(vgg, Sources((style,)), METHOD.settings(rotations=False, patch="3x3"), torch.Generator())
    assert split(image).item() == pytest.approx(expected, rel=1e-3)


def test_splitting_by_hypercolumns_plainly(untrained, photo, bf16):
    """Figure 6 (b): one search for all layers together."""
    bf16(False)
    vgg, image, style = untrained(), photo(32, 24, 1), photo(24, 32, 2)
    a, b = (rows(hypercolumns(vgg(x, LAYERS), quarter(x))) for x in (image, style))
    expected = (1 - F.cosine_similarity((a - a.mean(0))[:, None], (b - b.mean(0))[None], dim=2).amax(1)).mean().item()
    params = METHOD.settings(rotations=False, split_by="hypercolumns")
    assert SplitLoss(vgg, Sources((style,)), params, torch.Generator())(image).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("layers", "channels"), [("conv3_1", 16), ("block 3", 48), ("blocks 1-2", 24), ("blocks 1-5", 264)])
def test_hypercolumns_of_other_layers(layers, channels, untrained, photo, bf16):
    """A picture of its own style finds itself, and is already there, whatever its features are made of."""
    bf16(False)
    vgg, content = untrained(), photo(64, 48, 3)
    params = METHOD.settings(size=64, layers=layers, coarsest="whole", iterations=1, rotations=False)
    found = rearranged(vgg, content, Sources((content,)), params)
    assert found.shape == (1, channels, 16, 12)
    silent = (found.abs().sum(1) == 0).float().mean().item()  # no direction, so no cosine
    for split, expected in (("none", silent), ("always", 0)):
        step = drain(run(Model(vgg), content, content, dataclasses.replace(params, splitting=split)))
        assert next(iter(step.losses.values())).item() == pytest.approx(expected, abs=1e-4)
    other = drain(run(Model(vgg), content, photo(64, 48, 4), dataclasses.replace(params, splitting="none", iterations=5)))
    assert other.losses["hypercolumns"] > 1e-3 and other.image.isfinite().all()


def stages_of(vgg, pair, **knobs):
    """stage -> the names of its losses, how many steps it has."""
    steps = list(run(Model(vgg), *pair, METHOD.settings(size=64, iterations=3, **knobs)))
    assert [step.i for step in steps] == list(range(1, steps[-1].n + 1))
    return [(step.stage, *step.losses) for step in steps[::3]]


def test_when_features_are_split(untrained, pair):
    vgg = untrained()
    whole, sides = "hypercolumns", ["32 px", "64 px"]
    assert stages_of(vgg, pair, splitting="none") == [(side, whole) for side in sides]
    assert stages_of(vgg, pair) == [*((side, whole) for side in sides), ("feature splitting", "splitting")]
    assert stages_of(vgg, pair, splitting="always") == [(side, "splitting") for side in sides]
    assert stages_of(vgg, pair, splitting="always", coarsest="whole") == [("64 px", "splitting")]


@pytest.mark.parametrize(("splitting", "share"), [("always", 0.25), ("final", 1.0)])
def test_where_a_scale_begins(splitting, share, untrained, photo, monkeypatch):
    """At the last result, or, where nothing else tells of the content, at alpha of it and the rest content."""
    seen = []

    def spy(image, *rest):
        seen.append(image)
        return iter([(torch.ones_like(image), torch.zeros(()))])

    monkeypatch.setattr(nnst, "descend", spy)
    content = photo(64, 64, 1)
    painted(untrained(), content, photo(64, 64, 2), size=64, splitting=splitting, iterations=1)
    assert torch.allclose(seen[-1 if splitting == "always" else -2], share + (1 - share) * content, atol=1e-6)


@pytest.mark.parametrize("split_by", ["layers", "hypercolumns"])
def test_matches_that_are_found_once(split_by, untrained, pair, bf16):
    """Figure 18 (a, c): the distance to begin with is that to the targets found for the content."""
    bf16(False)
    vgg, knobs = untrained(), dict(size=64, iterations=1, splitting="always", coarsest="whole", split_by=split_by, rematch=False)
    params = METHOD.settings(**knobs)
    content, style = (nnst.resize(picture, 64) for picture in pair)
    sources, draws = Sources((style,)), torch.Generator().manual_seed(params.seed)
    by_layer = Splitter(vgg, sources, params, draws)
    target = by_layer(content) if split_by == "layers" else rearranged(vgg, content, sources, params)
    own = hypercolumns(vgg(content, LAYERS), quarter(content))
    expected = 1 - F.cosine_similarity(own, target).mean()
    loss = drain(run(Model(vgg), *pair, params)).losses["splitting"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)
    anew = drain(run(Model(vgg), *pair, dataclasses.replace(params, rematch=True))).losses["splitting"]
    assert anew.item() == pytest.approx(SplitLoss(vgg, sources, params, draws)(content).item(), rel=1e-3)


def chroma(image):
    return oklab(image)[:, 1:].mean((2, 3))


def test_colour_modes(untrained, pair):
    vgg, (content, style) = untrained(), pair
    knobs = dict(size=64, iterations=2, rotations=False)
    content, style = nnst.resize(content, 64), nnst.resize(style, 64)
    last = {mode: painted(vgg, content, style, colour=mode, **knobs) for mode in ("style", "painted", "content", "luminance")}
    plain = last["painted"].image
    assert torch.equal(last["style"].extras["uncoloured"], plain) and torch.equal(last["content"].extras["uncoloured"], plain)
    assert torch.equal(last["painted"].extras["coloured"], last["style"].image)
    assert torch.equal(last["style"].image, coloured(content, style, plain, "filter-first"))
    assert (chroma(last["style"].image) - chroma(style)).abs().max() < 0.02 < (chroma(content) - chroma(style)).abs().max()
    for mode in ("content", "luminance"):
        assert (chroma(last[mode].image) - chroma(content)).abs().max() < 0.01
    grey = last["luminance"].extras["uncoloured"]
    assert oklab(grey)[:, 1:].abs().mean() < 0.01 < oklab(plain)[:, 1:].abs().mean()


def test_relit_keeps_the_painted_lightness(photo):
    content = photo(40, 40, 1)
    lightness = oklab(relit(content, 0.5 * content))[:, :1]
    assert (lightness - oklab(0.5 * content)[:, :1]).abs().mean() < 0.01


def test_content_detail_comes_back_at_each_scale(untrained, photo, monkeypatch):
    """With the band, the second scale starts as sharp as the content; without it, as blurred as the coarser result."""
    starts = {}

    def spy(image, *rest):
        starts.setdefault(band, []).append(image)
        return iter([(image, torch.zeros(()))])

    monkeypatch.setattr(nnst, "descend", spy)
    content = photo(64, 64, 5)
    for band in (False, True):
        painted(untrained(), content, photo(64, 64, 6), size=64, content_band=band, iterations=1, splitting="none")
    assert (starts[True][-1] - content).abs().mean() < 0.5 * (starts[False][-1] - content).abs().mean()


def test_a_keyframe_keeps_to_the_last_one_where_that_is_certain(untrained, photo):
    """On the left, where it is certain, it is nearer to it than one that was painted alone; on the right it is not held."""
    content, style, last = (photo(48, 64, seed) for seed in range(3))
    certainty = torch.zeros(1, 1, 48, 64)
    certainty[..., :32] = 1
    vgg, before = untrained(), torch.cat([last, certainty], 1)

    def result(**given):
        params = METHOD.settings("paper", size=64, iterations=3, colour="painted")
        return drain(run(Model(vgg), content, style, params, **given)).image

    alone, after = result(), result(before=before)
    assert (after - last).abs()[..., :28].mean() < 0.3 * (alone - last).abs()[..., :28].mean()
    assert (after - alone).abs()[..., 40:].mean() < 0.3 * (after - last).abs()[..., 40:].mean()


def test_a_keyframe_in_lightness_keeps_to_the_lightness_of_the_last(untrained, photo):
    content, style, last = (photo(48, 64, seed) for seed in range(3))
    params = METHOD.settings("paper", size=64, iterations=3, colour="luminance")
    after = drain(run(Model(untrained()), content, style, params, before=torch.cat([last, torch.ones(1, 1, 48, 64)], 1))).image
    away = [(oklab(picture)[:, :1] - oklab(last)[:, :1]).abs().mean() for picture in (after, content)]
    assert away[0] < 0.4 * away[1]
