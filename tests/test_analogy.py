"""Deep Image Analogy: known answers of its parts, and what a whole run promises on untrained networks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve
from torch.nn import functional as F

from stylelab.images import fitted_size, least_side
from stylelab.matching import identity_field, paint, relative, vote
from stylelab.method import drain
from stylelab.methods import analogy
from stylelab.methods.analogy import (
    CORNERS,
    METHOD,
    colours_only,
    deconvolve,
    place_colours,
    run,
    shape,
    weight_map,
    wls,
)

QUICK = dict(size=64, match_size=64, deconvolution_steps=5, search_iterations=3)


@pytest.fixture
def vgg(untrained):
    return untrained().padded("replicate")


@pytest.fixture
def matched(vgg, photo):
    """`matched(content, style, **knobs)`: the last step of a short run."""

    def job(content=None, style=None, preset="paper", **knobs):
        content = photo(60, 64, 1) if content is None else content
        style = photo(64, 56, 2) if style is None else style
        return drain(run(vgg, content, style, METHOD.settings(preset, **QUICK | knobs)))

    return job


def psnr(a, b) -> float:
    return -10 * (a - b).square().mean().clamp(min=1e-12).log10().item()


# --- Parts -------------------------------------------------------------------------------------------------------------------


def test_the_corners_of_place_colours():
    places = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]]])
    assert torch.allclose(place_colours(places)[0].flatten(1).T, torch.tensor(CORNERS))
    middle = place_colours(torch.full((1, 2, 1, 1), 0.5)).flatten()
    assert torch.allclose(middle, torch.tensor(CORNERS).mean(0))


@pytest.mark.parametrize("mask", ["sigmoid", "step"])
def test_a_weight_map_is_alpha_where_features_respond(mask):
    features = torch.rand(1, 5, 8, 9, generator=torch.Generator().manual_seed(0)) + 0.2
    features[..., 2, 3], features[..., 4, 5] = 2.0, 0.0
    weight = weight_map(features, 0.7, mask)
    assert weight.shape == (1, 1, 8, 9) and weight.min() >= 0 and weight.max() <= 0.7
    assert weight[0, 0, 2, 3].item() == pytest.approx(0.7) and weight[0, 0, 4, 5] < 1e-5
    assert torch.equal(weight_map(7 * features, 0.7, mask) > 0.35, weight > 0.35)  # only the relative strength counts


def test_a_weight_maps_threshold():
    """Halfway at 0.05 of the energy's range; the hard map jumps there, and the soft one has risen within a hundredth."""
    energy = torch.tensor([0.0, 0.04, 0.05, 0.0501, 0.06, 1.0])
    soft, hard = (weight_map(energy.sqrt().view(1, 1, 1, -1), 1.0, mask).flatten() for mask in ("sigmoid", "step"))
    assert soft[2].item() == pytest.approx(0.5, abs=1e-3) and soft[1] < 0.05 and soft[4] > 0.95
    assert hard[[0, 1, 3, 4, 5]].tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("mask", ["sigmoid", "step"])
def test_a_weight_map_of_nothing_is_the_same_everywhere(mask):
    assert weight_map(torch.zeros(1, 3, 4, 4), 0.8, mask).unique().numel() == 1


def test_wls_is_the_textbooks_system(photo):
    """Farbman et al. 2008, equation 6, with alpha 1 and without the logarithm."""
    values, guide = photo(7, 9, 1), photo(7, 9, 2).mean(1, keepdim=True)
    grey, index = guide[0, 0].double().numpy(), np.arange(63).reshape(7, 9)
    system = sparse.lil_matrix((63, 63))
    system.setdiag(1)
    for y, x in itertools.product(range(7), range(9)):
        for v, u in ((y + 1, x), (y, x + 1)):
            if v < 7 and u < 9:
                i, j, weight = index[y, x], index[v, u], 0.8 / (abs(grey[y, x] - grey[v, u]) + 1e-4)
                system[i, i] += weight
                system[j, j] += weight
                system[i, j] -= weight
                system[j, i] -= weight
    expected = spsolve(system.tocsc(), values[0].flatten(1).T.double().numpy())
    assert np.allclose(wls(values, guide, 0.8)[0].flatten(1).T, expected, atol=1e-5)


def test_conjugate_gradients_agree_with_the_factors(photo, monkeypatch):
    values, guide = photo(61, 83, 1) - photo(61, 83, 3), photo(61, 83, 2).mean(1, keepdim=True)
    direct = wls(values, guide, 0.8)
    monkeypatch.setattr(analogy, "DIRECT", 300)  # solved directly at a quarter of the size only
    found = wls(values, guide, 0.8)
    assert (found - direct).abs().mean() < 0.003 and (found - direct).abs().max() < 0.05
    assert (values - direct).abs().mean() > 0.03


@pytest.mark.parametrize("most", [2**18, 100], ids=["factors", "gradients"])
def test_wls_keeps_a_constant(most, photo, monkeypatch):
    monkeypatch.setattr(analogy, "DIRECT", most)
    values = torch.tensor([0.2, 0.5, -0.3]).view(1, 3, 1, 1).expand(1, 3, 20, 31)
    assert torch.allclose(wls(values, photo(20, 31, 1)[:, :1], 0.8), values, atol=1e-4)


def test_wls_keeps_a_step_where_the_guide_has_one_and_only_there():
    values = torch.zeros(1, 3, 16, 32)
    values[..., 16:] = 1
    noisy = values + 0.2 * torch.randn(1, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    along = wls(noisy, values[:, :1], 0.8)
    assert (along - values).abs().max() < 0.1
    across = wls(noisy, torch.zeros(1, 1, 16, 32), 0.8)
    assert across.std() < 0.05


def test_colours_only_of_an_untouched_picture_is_the_picture(photo):
    picture = photo(24, 30, 1)
    assert torch.allclose(colours_only(picture, picture, 0.8), picture, atol=1e-6)


def test_colours_only_takes_a_tint_and_no_texture(photo):
    picture = photo(32, 40, 1) * 0.6 + 0.1
    tint = torch.tensor([0.1, 0.0, -0.1]).view(1, 3, 1, 1)
    noise = 0.1 * torch.randn(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    assert (colours_only(picture, picture + tint + noise, 0.8) - (picture + tint)).abs().mean() < 0.25 * noise.abs().mean()


@pytest.mark.parametrize(("level", "below"), [(4, 3), (2, 1), (3, 1), (2, 0)], ids=str)
def test_deconvolution_lowers_the_loss_and_finds_its_target(level, below, vgg, photo):
    """From activations that are 20 % off, one layer up or two, or from the picture itself."""
    name, start = f"conv{level}_1", f"conv{below}_1" if below else None
    picture = photo(48, 64, 1)
    true = vgg(picture, [start])[start] if start else (picture - vgg.mean) / vgg.std
    target = vgg.onward(true, start, [name])[name]
    begun = true + 0.2 * true.std() * torch.randn(true.shape, generator=torch.Generator().manual_seed(0))
    losses = [loss.item() for _, loss in deconvolve(vgg, begun, start, target, name, 60)]
    assert losses == sorted(losses, reverse=True)
    solution, loss = drain(deconvolve(vgg, begun, start, target, name, 60))
    first = (vgg.onward(begun, start, [name])[name] - target).square().sum() / target.square().sum()
    assert loss < 0.1 * first
    assert not solution.requires_grad and solution.shape == true.shape
    assert (vgg.onward(solution, start, [name])[name] - target).square().sum() / target.square().sum() < 0.1 * first


def test_deconvolution_from_the_answer_stays_there(vgg, photo):
    features = vgg(photo(32, 32, 1), ["conv3_1", "conv4_1"])
    steps = list(deconvolve(vgg, features["conv3_1"], "conv3_1", features["conv4_1"], "conv4_1", 500))
    assert len(steps) == 1 and steps[0][1] < 1e-10  # and is done at once
    assert torch.equal(steps[0][0], features["conv3_1"])


# --- A whole run -------------------------------------------------------------------------------------------------------------


def test_a_picture_is_matched_with_itself(matched, photo):
    picture = photo(56, 64, 4)
    last = matched(picture, picture, structure=1.0, search_iterations=10, start="identity")
    for field in last.fields.values():
        assert (field - relative(identity_field((56, 64), (56, 64)), (56, 64))).abs().amax(1).lt(0.02).float().mean() > 0.98
    assert psnr(last.image, picture) > 35 and psnr(last.extras["b"], picture) > 35


def test_a_shifted_picture_is_matched_with_itself_from_noise(matched, photo):
    """All layers from a random field; the shift is by 8 pixels, half a position of layer 5."""
    whole = photo(64, 80, 5)
    last = matched(whole[..., :72], whole[..., 8:], size=72, match_size=72, structure=1.0, search_iterations=10)
    assert psnr(last.image[..., 8:], whole[..., 8:72]) > 30


@pytest.mark.parametrize(("content", "style"), [((40, 64), (64, 24)), ((64, 21), (30, 50)), ((130, 90), (33, 40))], ids=str)
def test_each_result_has_the_shape_of_its_own_picture(content, style, matched, photo):
    last = matched(photo(*content, 1), photo(*style, 2))
    width, height = fitted_size(*content[::-1], 64)
    w, h = fitted_size(*style[::-1], 64)
    assert shape(last.image) == shape(last.extras["field"]) == shape(last.fields["a_to_b"]) == (height, width)
    assert shape(last.extras["b"]) == shape(last.extras["field_back"]) == shape(last.fields["b_to_a"]) == (h, w)
    assert shape(last.extras["field_by_layer"]) == (2 * height, 6 * width)
    assert shape(last.extras["field_back_by_layer"]) == (2 * h, 6 * w)


def test_a_strip_is_matched_large_enough_for_five_layers(matched, photo):
    """At the matching size its short side would have 4 pixels."""
    strip = photo(32, 512, 1)
    assert least_side(strip) == 256 and least_side(photo(64, 64, 1)) == 16
    last = matched(strip, size=512)
    assert (
        shape(last.image) == (32, 512) and shape(last.fields["a_to_b"]) == (16, 256) and shape(last.fields["b_to_a"]) == (64, 56)
    )


@pytest.mark.parametrize("task", ["photo to style", "photo to photo"])
def test_a_result_larger_than_the_matching(task, matched, photo):
    last = matched(photo(120, 128, 1), photo(128, 112, 2), size=128, task=task)
    assert shape(last.image) == (120, 128) and shape(last.extras["b"]) == (128, 112)
    assert shape(last.fields["a_to_b"]) == (60, 64) and shape(last.fields["b_to_a"]) == (64, 56)


def test_results_are_painted_from_the_other_picture_by_the_fields(matched, photo):
    """Equation of 4.5 from what the last step tells: at the matching's own size patches of the fields vote for both results."""
    content, style = photo(120, 128, 1), photo(128, 112, 2)
    last = matched(content, style, size=128, match_size=128)
    for painted, name, source in ((last.image, "a_to_b", style), (last.extras["b"], "b_to_a", content)):
        field = last.fields[name]
        assert field.dtype == torch.float32 and field.min() > 0 and field.max() < 1
        places = (field * torch.tensor([source.shape[-1], source.shape[-2]]).view(1, 2, 1, 1)).long()
        assert torch.allclose(painted, vote(source, places, 5), atol=1e-4)


def test_the_pictures_of_the_fields_are_of_the_fields(matched):
    last = matched(size=128)
    for picture, name in (("field", "a_to_b"), ("field_back", "b_to_a")):
        field = F.interpolate(last.fields[name], size=shape(last.extras[picture]))
        assert torch.allclose(last.extras[picture], place_colours(field), atol=1e-6)
    height, width = shape(last.fields["a_to_b"])
    finest = last.extras["field_by_layer"][..., :height, 4 * width : 5 * width]
    assert torch.allclose(finest, place_colours(last.fields["a_to_b"]), atol=1e-6)


def test_neither_result_is_computed_twice(matched, photo, monkeypatch):
    """One painting at the result's size for each of the two, beside a preview at each layer."""
    sizes = []

    def spy(image, field, size, patch):
        sizes.append((shape(image), tuple(size)))
        return paint(image, field, size, patch)

    monkeypatch.setattr(analogy, "paint", spy)
    monkeypatch.setattr(analogy, "by_layer", lambda *_: torch.zeros(1, 3, 8, 8))
    matched(photo(120, 128, 1), photo(128, 112, 2), size=128)
    a, b = (120, 128), (128, 112)
    assert sizes.count((b, a)) == sizes.count((a, b)) == 1
    assert len(sizes) == 2 + 5


def test_colours_only_is_for_photo_to_photo(matched):
    assert "unrefined" not in matched().extras and "unrefined" not in matched(task="photo to photo", refinement=False).extras
    refined = matched(task="photo to photo")
    plain = matched(task="photo to photo", refinement=False)
    assert torch.equal(refined.extras["unrefined"], plain.image) and not torch.equal(refined.image, plain.image)
    assert (refined.extras["b"] - plain.extras["b"]).abs().mean() > 1e-3  # both directions


ABLATIONS = {
    "single direction": {"bidirectional": False},
    "every layer for itself": {"hierarchical": False},
    "no deconvolution": {"deconvolution": "none"},
    "two layers": {"deconvolution": "two layers"},
    "no limit": {"limited": False},
}


@pytest.mark.parametrize("knobs", ABLATIONS.values(), ids=ABLATIONS)
def test_steps_of_the_ablations(knobs, vgg, photo):
    steps = list(run(vgg, photo(60, 64, 1), photo(64, 56, 2), METHOD.settings(**QUICK | knobs)))
    counted = [step.i for step in steps]
    assert counted == sorted(set(counted)) and counted[-1] == steps[-1].n
    matching = [step for step in steps if step.stage.endswith("matching")]
    assert [step.stage for step in matching] == [f"layer {level}: matching" for level in (5, 5, 4, 4, 3, 3, 2, 2, 1, 1)]
    assert all(0 <= float(step.losses["energy"]) <= 2 for step in matching)
    deconvolving = {step.stage for step in steps} - {step.stage for step in matching} - {"result"}
    down = knobs.get("hierarchical", True) and knobs.get("deconvolution") != "none"
    assert deconvolving == ({f"layer {level}: deconvolution" for level in (5, 4, 3, 2)} if down else set())


def test_the_limit_is_for_the_lower_layers(matched, monkeypatch):
    """And for fields that come from a layer above."""
    seen = []

    def spy(*args, limit, radius, patch, **options):
        seen.append((patch, radius, limit))
        return patchmatch(*args, limit=limit, radius=radius, patch=patch, **options)

    patchmatch = analogy.patchmatch
    monkeypatch.setattr(analogy, "patchmatch", spy)
    matched()
    assert seen == [(3, 4, None)] * 2 + [(3, 6, None)] * 2 + [(3, 6, 6)] * 2 + [(5, 4, 4)] * 4
    seen.clear()
    matched(hierarchical=False)
    assert seen == [(p, s, None) for p, s in ((3, 4), (3, 8), (3, 16), (5, 32), (5, 64)) for _ in range(2)]


def test_a_with_b_and_a_prime_with_b_prime(matched, vgg, photo, monkeypatch):
    """Equation 2, both ways: at every layer A and A' on the left, B and B' on the right; then B' and B, A' and A."""
    seen, search = [], analogy.search

    def spy(left, right, field, level, params, generator):
        seen.append((level, left, right))
        return search(left, right, field, level, params, generator)

    monkeypatch.setattr(analogy, "search", spy)
    content, style = photo(64, 64, 1), photo(64, 64, 2)
    matched(content, style)
    for i, (level, left, right) in enumerate(seen):
        a, b_prime = (vgg(x, [f"conv{level}_1"])[f"conv{level}_1"] for x in (content, style))
        own, other = (a, b_prime) if i % 2 == 0 else (b_prime, a)
        assert torch.equal(left[0], own) and torch.equal(right[1], other)
        made = [torch.equal(left[1], own), torch.equal(right[0], other)]
        assert made == [level == 5] * 2  # A' = A and B = B' at layer 5 only
    for (_, left, right), (_, left_back, right_back) in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(left[1], right_back[0]) and torch.equal(right[0], left_back[1])


@pytest.mark.parametrize(
    ("knobs", "weights"),
    [
        ({}, [0.9, 0.8, 0.7, 0.2]),
        ({"task": "style to photo"}, [0.8, 0.7, 0.6, 0.1]),
        ({"structure": 1.0}, [1.0] * 4),
        ({"structure": -0.3, "task": "style to photo"}, [0.5, 0.4, 0.3, 0.0]),
    ],
    ids=str,
)
def test_the_contents_weight_at_each_layer(knobs, weights, matched, monkeypatch):
    """4.3 and the offsets, from layer 4 down, in [0, 1]."""
    seen = []
    monkeypatch.setattr(analogy, "weight_map", lambda f, alpha, mask: seen.append(alpha) or weight_map(f, alpha, mask))
    matched(**knobs)
    assert seen == pytest.approx([weight for weight in weights for _ in range(2)])


@pytest.mark.parametrize(("size", "strength"), [(64, 0.8), (128, 1.6)])
def test_colours_reach_as_far_at_any_size(size, strength, matched, monkeypatch):
    """The filter's strength grows with the enlargement."""
    seen = []
    monkeypatch.setattr(analogy, "colours_only", lambda original, rebuilt, by: seen.append(by) or rebuilt)
    matched(size=size, task="photo to photo")
    assert seen == pytest.approx([strength] * 2)


def test_more_structure_keeps_more_of_the_content(matched, monkeypatch):
    """A' of the next layer is A where the weight is 1, and the other's look where it is 0."""
    seen = {}

    def spy(left, right, field, level, params, generator):
        seen.setdefault(params.structure, []).append([x.clone() for x in (*left, *right)])
        return search(left, right, field, level, params, generator)

    search = analogy.search
    monkeypatch.setattr(analogy, "search", spy)
    for structure in (-0.3, 0.0, 1.0):
        matched(structure=structure)
    distance = {s: (maps[2][0] - maps[2][1]).abs().mean() for s, maps in seen.items()}  # layer 4, of A and A'
    assert distance[1.0] < distance[0.0] < distance[-0.3]
