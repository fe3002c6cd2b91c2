"""Deep Translation Prior: known answers of its parts, and what a whole run promises on untrained networks."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stylelab.bilateral import constant_grid
from stylelab.colour import match_moments
from stylelab.matching import rows
from stylelab.method import drain
from stylelab.methods import dtp
from stylelab.methods.dtp import (
    CONTENT,
    MATCHED,
    METHOD,
    OFFICIAL,
    POINTS,
    STYLE,
    Decoder,
    FullResolution,
    Training,
    affinity,
    as_map,
    in_a_row,
    marked,
    matched_points,
    picked,
    run,
    warp,
)
from stylelab.regions import Regions

QUICK = dict(size=64, square=64, training_steps=3, fit_steps=3, samples=128)
DARK, LIGHT = torch.tensor([0.2, 0.3, 0.6]), torch.tensor([0.9, 0.8, 0.4])


@pytest.fixture
def vgg(untrained):
    return untrained().padded("replicate")


@pytest.fixture
def begun(vgg, pair, bf16):
    """`begun(content, style, content_mask, style_mask, preset, vgg, **knobs)`: a training in float32 that has made no step."""
    bf16(False)

    def make(content=None, style=None, content_mask=None, style_mask=None, preset="paper", vgg=vgg, **knobs):
        squares = (pair[0] if content is None else content), (pair[1] if style is None else style)
        params = METHOD.settings(preset, **QUICK | knobs)
        return Training(vgg, *squares, Regions(content_mask, style_mask), params, seeded(params.seed))

    return make


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def settings(preset="paper", **knobs):
    return METHOD.settings(preset, **QUICK | knobs)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def halves(left, right, side: int = 64) -> torch.Tensor:
    """(1, C, side, side): a left half and a right half, each of one colour or label."""
    left, right = (torch.as_tensor(x).view(1, -1, 1, 1) for x in (left, right))
    return torch.cat([x.expand(1, -1, side, side // 2) for x in (left, right)], 3)


# --- The decoder -------------------------------------------------------------------------------------------------------------

TABLE_2 = [
    (256, 256),
    (256, 256),
    (256, 128),
    *[(128, 128)] * 3,
    (128, 64),
    (64, 64),
    (64, 64),
    (64, 32),
    (32, 32),
    (32, 32),
    (32, 3),
]


def main_convolutions(decoder: Decoder) -> list[nn.Conv2d]:
    return [layer.main[0] for block in decoder.blocks for layer in block]


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_the_decoder_is_table_2(residual):
    decoder = Decoder(64, residual, seeded())
    found = main_convolutions(decoder)
    assert [(c.in_channels, c.out_channels) for c in found] == TABLE_2 and len(TABLE_2) == 13
    assert {(c.kernel_size, c.stride, c.padding) for c in found} == {((3, 3), (1, 1), (1, 1))}
    sizes = []
    for convolution in found:
        convolution.register_forward_hook(lambda module, given, made: sizes.append(tuple(made.shape[1:])))
    assert decoder(random(1, 256, 8, 6)).shape == (1, 3, 32, 24)
    sides = [(8, 6)] * 3 + [(16, 12)] * 4 + [(32, 24)] * 6
    assert sizes == [(channels, *side) for (_, channels), side in zip(TABLE_2, sides, strict=True)]


def test_the_plain_decoder_has_nothing_else():
    decoder = Decoder(8, False, seeded())
    assert sum(isinstance(m, nn.Conv2d) for m in decoder.modules()) == 13
    assert sum(isinstance(m, nn.ReLU) for m in decoder.modules()) == 12  # the last layer may give any colour
    assert not any(isinstance(m, nn.InstanceNorm2d) for m in decoder.modules())
    made = decoder(random(1, 32, 8, 8, seed=1))
    assert made.min() < 0 or Decoder(8, False, seeded(1))(random(1, 32, 8, 8)).min() < 0


def test_the_authors_decoder_adds_what_came_in():
    decoder = Decoder(8, True, seeded())
    assert sum(isinstance(m, nn.InstanceNorm2d) for m in decoder.modules()) == 12
    for block in decoder.blocks:
        for layer in block:
            convolution = layer.main[0]
            same = convolution.in_channels == convolution.out_channels
            assert isinstance(layer.skip, nn.Identity if same else nn.Conv2d)
            x = random(1, convolution.in_channels, 6, 6)
            assert torch.allclose(layer(x) - layer.main(x), layer.skip(x), atol=1e-5)


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_the_decoder_begins_as_its_generator_says(residual):
    torch.manual_seed(1)
    one = Decoder(8, residual, seeded(5)).state_dict()
    torch.manual_seed(2)
    two, other = (Decoder(8, residual, seeded(seed)).state_dict() for seed in (5, 6))
    assert all(torch.equal(one[key], two[key]) for key in one)
    differ = {key for key in one if not torch.equal(one[key], other[key])}
    # Instance norms begin with 1 and 0, biases with 0.
    assert differ == {key for key in one if ".main.1." not in key and key.endswith("weight")}


@pytest.mark.parametrize(("inputs", "outputs", "kernel"), [(64, 96, 3), (64, 200, 1)])
def test_weights_keep_the_size_of_activations(inputs, outputs, kernel):
    made = dtp.convolution(inputs, outputs, kernel, seeded())
    assert made.weight.requires_grad and made.weight.std().item() == pytest.approx((2 / (inputs * kernel**2)) ** 0.5, rel=0.05)
    assert made.bias.requires_grad and not made.bias.any()


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_the_decoder_sees_its_input_from_the_start(residual):
    """With torch's own initialisation the plain one's answer varied by 0.003 over places."""
    answer = Decoder(16, residual, seeded())(random(1, 64, 16, 16))
    assert answer.std((2, 3)).mean() > 0.1


# --- Matching ----------------------------------------------------------------------------------------------------------------


def slowly(queries, keys, values, temperature, centring, patch):
    """Equations 6 to 8 as they stand, one place after another: warped values and the correlation."""

    def vectors(features):
        padded, (height, width) = F.pad(features, (patch // 2,) * 4), features.shape[-2:]
        found = torch.stack(
            [padded[0, :, y : y + patch, x : x + patch].flatten() for y in range(height) for x in range(width)]
        ).double()
        found = found - (found.mean(0) if centring == "over places" else found.mean(1, keepdim=True))
        return found / found.norm(dim=1, keepdim=True)

    ours, theirs = vectors(queries), vectors(keys)
    correlation = torch.stack([theirs @ mine for mine in ours])
    return torch.stack([torch.softmax(row / temperature, 0) @ values.double() for row in correlation]), correlation


@pytest.mark.parametrize("patch", [1, 3], ids=["1x1", "3x3"])
@pytest.mark.parametrize("centring", ["over places", "over channels"])
@pytest.mark.parametrize("temperature", [0.2, 0.07, 0.01])
def test_warping_is_equation_8(temperature, centring, patch, device):
    queries, keys, values = (
        random(1, 9, 7, 6, seed=1).relu() + 0.2,
        random(1, 9, 7, 6, seed=2).relu() + 0.1,
        random(42, 5, seed=3),
    )
    params = settings(temperature=temperature, centring=centring, patch=f"{patch}x{patch}")
    expected, correlation = slowly(queries, keys, values, temperature, centring, patch)
    weights = affinity(queries.to(device), keys.to(device), params)
    assert torch.allclose(warp(weights, values.to(device)).double().cpu(), expected, atol=1e-3 if temperature < 0.05 else 1e-4)
    assert torch.equal(weights.argmax(1).cpu(), correlation.argmax(1))


def test_a_low_temperature_takes_the_best_match_and_a_high_one_blends():
    features, values = random(1, 16, 8, 8).relu(), random(64, 3, seed=1)
    order = torch.randperm(64, generator=seeded(2))
    shuffled = as_map(rows(features)[order], features)
    blended = []
    for temperature in (0.01, 0.2):
        found = warp(affinity(shuffled, features, settings(temperature=temperature)), values)
        blended.append((found - values[order]).abs().max().item())
    assert blended[0] < 1e-4 < 0.3 < blended[1]


def test_warping_by_hand():
    weights = torch.tensor([[1.0, 3.0], [2.0, 0.0], [0.0, 0.0]])
    assert warp(weights, torch.tensor([[4.0, 0.0], [8.0, 1.0]])).tolist() == [[7.0, 0.75], [4.0, 0.0], [0.0, 0.0]]


def test_as_map_undoes_rows():
    features = random(1, 4, 3, 5)
    assert torch.equal(as_map(rows(features), features), features)


@pytest.mark.parametrize("patch", [1, 3, 5])
def test_picked_patches_are_unfolds(patch):
    features = random(1, 4, 6, 7)
    index = torch.tensor([0, 6, 41, 17, 17, 35, 3])
    unfolded = F.unfold(F.pad(features, (patch // 2,) * 4, mode="replicate"), patch).view(4, patch**2, 42)
    assert torch.equal(picked(features, index, patch), unfolded.permute(2, 1, 0)[index])
    assert torch.equal(picked(features, index, patch)[:, patch**2 // 2], rows(features)[index])


# --- Training ----------------------------------------------------------------------------------------------------------------


def total(losses, weight: float = 0.8) -> float:
    return (weight * losses["style"] + (1 - weight) * losses["content"] + losses.get("cycle", 0)).item()


@pytest.mark.parametrize("preset", ["paper", "official"])
def test_the_loss_falls(preset, begun):
    training = begun(preset=preset, learning_rate=1e-3, samples=1024)
    found = [total(training.step()[1]) for _ in range(15)]
    assert found[-1] < 0.9 * found[1]


@pytest.mark.parametrize("weight", [0.2, 0.8])
def test_the_total_weighs_its_parts(weight, begun):
    """What is descended is the weighted sum of what is told."""
    training = begun(style_weight=weight)
    draws, seen = training.generator.get_state(), {}
    _, losses = training.losses()
    expected = torch.autograd.grad(
        weight * losses["style"] + (1 - weight) * losses["content"] + losses["cycle"], list(training.encoder.parameters())
    )
    training.generator.set_state(draws)
    training.optimiser.step = lambda: seen.update(enumerate(p.grad.clone() for p in training.encoder.parameters()))
    training.last = None
    training.step()
    assert all(torch.allclose(seen[i], part, atol=1e-5 * part.abs().max()) for i, part in enumerate(expected))


@pytest.mark.parametrize("cycle", ["features", "pictures", "none"])
@pytest.mark.parametrize("preset", ["paper", "official"])
def test_both_modules_learn(preset, cycle, begun, untrained):
    training = begun(preset=preset, cycle=cycle, vgg=untrained(16).padded("replicate"))  # a narrow plain decoder may begin dead
    modules = {"encoder": training.encoder, "decoder": training.decoder}
    before = {name: {key: p.detach().clone() for key, p in module.named_parameters()} for name, module in modules.items()}
    for _ in range(2):
        _, losses = training.step()
    assert set(losses) == {"content", "style", *(["cycle"] if cycle != "none" else [])}
    assert all(loss.isfinite() and loss > 0 and not loss.requires_grad for loss in losses.values())
    for name, module in modules.items():
        for key, parameter in module.named_parameters():
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, (name, key)
            assert not torch.equal(parameter, before[name][key]), (name, key)


def test_the_callers_extractor_is_left_alone(vgg, pair):
    before = {key: value.clone() for key, value in vgg.state_dict().items()}
    drain(run(vgg, *pair, settings()))
    assert all(torch.equal(value, before[key]) for key, value in vgg.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in vgg.parameters())


@pytest.mark.parametrize(
    ("knobs", "share"), [({}, 0.4), ({"momentum": 1.0}, 1), ({"momentum": 0.0}, 0), ({"moving_average": False}, 1)]
)
def test_the_moving_average_is_equation_11(knobs, share, begun, monkeypatch):
    """With the modules standing still: the second query is the first, mixed with the features of the first answer."""
    training, queries = begun(**knobs), []
    monkeypatch.setattr(dtp, "affinity", lambda query, *rest: queries.append(query.detach()) or affinity(query, *rest))
    monkeypatch.setattr(training.optimiser, "step", lambda: None)
    answers, answer = [], training.answer
    monkeypatch.setattr(training, "answer", lambda *given: answers.append(answer(*given)) or answers[-1])
    for _ in range(2):
        training.step()
    with torch.no_grad():
        own, made = (training.encoder.onward(x, None, [MATCHED])[MATCHED] for x in (training.pair[:1], answers[0]))
    assert torch.allclose(queries[0], own, atol=1e-5)
    assert torch.allclose(queries[1], share * own + (1 - share) * made, atol=1e-5)
    assert (own - made).abs().max() > 0.01


def test_the_answer_is_equation_10(begun):
    training = begun(share=0.25)
    feature, image = random(1, 16, 16, 16), random(1, 3, 16, 16, seed=1)
    enlarged = F.interpolate(image, (64, 64), mode="bilinear")
    expected = 0.25 * training.decoder(feature) + 0.75 * enlarged
    assert torch.allclose(training.answer(feature, image), expected, atol=1e-5)


def test_without_generation_the_warped_picture_is_the_answer(begun):
    training = begun(generation=False)
    for _ in range(2):
        answer, _ = training.step()
        assert torch.allclose(answer, F.interpolate(training.warped, (64, 64), mode="bilinear"), atol=1e-5)
    assert all(p.grad is None for p in training.decoder.parameters())


def test_without_the_warped_picture_the_decoder_paints_everything(begun):
    training, feature = begun(warped_image=False), random(1, 16, 16, 16)
    a, b = (training.answer(feature, random(1, 3, 16, 16, seed=seed)) for seed in (1, 2))
    assert torch.equal(a, b) and torch.allclose(a, training.decoder(feature), atol=1e-5)


def test_without_warped_features_the_decoder_gets_new_noise_each_time(begun):
    training, seen = begun(warped_feature=False, warped_image=False), []
    training.decoder.register_forward_hook(lambda module, given, made: seen.append(given[0]))
    for _ in range(4):
        training.answer(torch.full((1, 16, 16, 16), 7.0), torch.zeros(1, 3, 16, 16))
    assert not torch.equal(seen[0], seen[1])
    drawn = torch.stack(seen)
    assert drawn.mean().abs() < 0.05 and drawn.std().item() == pytest.approx(1, abs=0.05)


def test_a_pair_of_equals_is_matched_with_itself(begun, photo):
    """Every place with its own; what is warped there and back is back, and the answer is the picture, blurred by cells."""
    training = begun(photo(64, 64, 3), photo(64, 64, 3), temperature=0.01, generation=False)
    answer, losses = training.step()
    y, x = torch.meshgrid(*((torch.arange(16) + 0.5) / 16,) * 2, indexing="ij")
    for field in training.matches():
        assert ((field - torch.stack([x, y])).abs().amax(1) < 1e-6).float().mean() > 0.9
    assert losses["cycle"] < 0.02
    cells = F.adaptive_avg_pool2d(photo(64, 64, 3), 16)
    assert (training.warped - cells).abs().mean() < 0.02 and (answer - photo(64, 64, 3)).abs().mean() < 0.06


def test_matches_say_where_in_the_other_picture(begun):
    """Three places of a made-up weight matrix by hand: x of columns, y of rows."""
    training = begun()
    training.weights = torch.zeros(256, 256)
    training.weights[0, 255] = training.weights[17, 3] = training.weights[200, 16] = 1
    there, back = training.matches()
    assert there[0, :, 0, 0].tolist() == [15.5 / 16, 15.5 / 16]
    assert there[0, :, 1, 1].tolist() == [3.5 / 16, 0.5 / 16]
    assert there[0, :, 12, 8].tolist() == [0.5 / 16, 1.5 / 16]
    assert back[0, :, 15, 15].tolist() == [0.5 / 16, 0.5 / 16] and back[0, :, 0, 3].tolist() == [1.5 / 16, 1.5 / 16]


def test_equal_matrices_come_back_by_either_way(begun):
    """Equations 15 and 16 by hand: a permutation warps there and back without loss; a constant map loses all but the mean."""
    for cycle in ("features", "pictures"):
        training = begun(cycle=cycle, generation=False)
        values = [random(256, 19, seed=seed) for seed in (1, 2)]
        like = torch.zeros(1, 16, 16, 16)
        order = torch.eye(256)[torch.randperm(256, generator=seeded(3))]
        there = warp(order, values[1])
        if cycle == "features":
            assert training.cycle(order, there, values, like).item() == pytest.approx(0, abs=1e-6)
            flat = torch.ones(256, 256)
            lost = sum(v[:, :-3].var(0, correction=0).mean() / v[:, :-3].square().mean() for v in values).item()
            assert training.cycle(flat, warp(flat, values[1]), values, like).item() == pytest.approx(lost, rel=1e-4)
        else:
            enlarged = [F.interpolate(as_map(v[:, -3:], like), (64, 64), mode="bilinear") for v in values]
            expected = sum(F.mse_loss(picture, training.pair[k : k + 1]).item() for k, picture in enumerate(enlarged))
            assert training.cycle(order, there, values, like).item() == pytest.approx(expected, rel=1e-4)


def test_places_that_are_forbidden_need_not_come_back(begun):
    """Every allowed place of the reference returns, of a photo that is nothing; the forbidden ones cannot, and do not count."""
    training = begun(style_mask=halves(1, 0))
    weights, values = torch.eye(256) * training.allowed, [torch.zeros(256, 19), random(256, 19)]
    like = torch.zeros(1, 16, 16, 16)
    assert training.cycle(weights, warp(weights, values[1]), values, like).item() == pytest.approx(0, abs=1e-6)
    training.allowed = None
    assert training.cycle(weights, warp(weights, values[1]), values, like) > 0.1


def test_an_answer_that_is_the_photo_is_compared_place_by_place(begun, monkeypatch):
    """The contrastive loss gets equal rows then: the same places of both, in each of the content layers."""
    training, seen = begun(samples=64), []
    loss = dtp.info_nce
    monkeypatch.setattr(dtp, "info_nce", lambda *given: seen.append(given) or loss(*given))
    monkeypatch.setattr(training, "answer", lambda *given: training.pair[:1])
    training.losses()
    assert [ours.shape for ours, _, _ in seen] == [(64, 4), (64, 8), (64, 16)]
    for ours, theirs, temperature in seen:
        assert temperature == 0.07 and torch.allclose(ours, theirs, atol=1e-5) and ours.std(0).max() > 0.01


def test_places_are_drawn_without_repeats(begun):
    training = begun(samples=128)
    small, large = torch.zeros(1, 2, 8, 16), torch.zeros(1, 2, 16, 16)
    assert torch.equal(training.drawn(small), torch.arange(128))
    one, two = training.drawn(large), training.drawn(large)
    assert len(one) == len(one.unique()) == 128 and one.max() < 256 and not torch.equal(one, two)


def test_layers_and_their_weights_are_the_authors():
    assert {name: 1 / w for name, w in CONTENT.items()} == {"conv1_2": 32, "conv2_2": 16, "conv3_4": 8}
    assert {name: 1 / w for name, w in STYLE.items()} == dict(conv1_2=64, conv2_2=32, conv3_4=16, conv4_4=8, conv5_4=4)
    official = METHOD.settings("official")
    assert all(getattr(official, key) == value for key, value in OFFICIAL.items()) and official.temperature == 0.01


# --- Masks -------------------------------------------------------------------------------------------------------------------


def labels(*rows_) -> torch.Tensor:
    return torch.tensor(rows_)[None, None]


def test_allowed_by_hand():
    """1 takes from 1, 2 from 2; 3, which the style lacks, from anywhere."""
    allowed = Regions(labels([1, 2], [3, 1]), labels([2, 1], [1, 0])).allowed((2, 2)).int()
    assert allowed.tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]]


def test_allowed_by_a_styles_mask_alone_is_all_that_is_not_black():
    assert Regions(None, labels([0, 1], [5, 0])).allowed((2, 2)).int().tolist() == [[0, 1, 1, 0]] * 4


@pytest.mark.parametrize(
    ("content", "style"),
    [(None, None), ([0, 1], None), (None, [0, 0]), ([1, 1], [2, 2])],
    ids=["no mask", "the content's alone", "an all black style", "no label in common"],
)
def test_everything_is_allowed_where_masks_say_nothing_of_matches(content, style):
    regions = Regions(*(None if row is None else labels(row, row) for row in (content, style)))
    assert regions.allowed((2, 2)) is None and regions.areas(*[torch.zeros(1, 3, 4, 4)] * 2) == [(None, None)]
    assert (regions.kept is not None) == (content is not None and style is None)


def test_masks_may_have_any_size():
    small, large = halves(1, 2, 8), halves(2, 1, 80).expand(1, 1, 80, 80)[:, :, :50]
    assert torch.equal(Regions(small, large).allowed((16, 16)), Regions(halves(1, 2, 16), halves(2, 1, 16)).allowed((16, 16)))


def test_shares_are_the_places_of_a_label():
    ours, theirs = torch.zeros(1, 3, 20, 30), torch.zeros(1, 3, 10, 10)
    (one, two), (three, four) = Regions(halves(1, 2, 60), halves(2, 1, 60)).areas(ours, theirs)
    assert torch.equal(one, torch.cat([torch.ones(20, 15), torch.zeros(20, 15)], 1)[None, None])
    assert torch.equal(two, torch.cat([torch.zeros(10, 5), torch.ones(10, 5)], 1)[None, None])
    assert torch.equal(one + three, torch.ones(1, 1, 20, 30)) and torch.equal(two + four, torch.ones(1, 1, 10, 10))


def test_a_label_too_small_for_statistics_has_none():
    content, style = halves(1, 2), halves(1, 2)
    style[..., 32:] = 0
    style[..., 0, 63] = 2
    pictures = [torch.zeros(1, 3, 64, 64)] * 2
    assert len(Regions(content, style).areas(*pictures)) == 1 and Regions(content, style).shared == [1, 2]


def test_matches_stay_within_their_label(begun, pair):
    ours, theirs = halves(1, 2), halves(2, 1).transpose(2, 3)  # left and right; bottom and top
    training, free = begun(content_mask=ours, style_mask=theirs), begun()
    strays = 0
    for _ in range(2):
        training.step(), free.step()
        there, back = training.matches()
        assert (there[0, 1, :, :8] > 0.5).all() and (there[0, 1, :, 8:] < 0.5).all()
        assert (back[0, 0, :8] > 0.5).all() and (back[0, 0, 8:] < 0.5).all()
        strays += (free.matches()[0][0, 1, :, :8] < 0.5).sum()
    assert strays > 5


@pytest.mark.parametrize(("allowed", "colour"), [((1, 0), DARK), ((0, 2), LIGHT)], ids=["left", "right"])
def test_only_allowed_colours_are_warped(allowed, colour, begun):
    for preset in ("paper", "official"):
        training = begun(style=halves(DARK, LIGHT), style_mask=halves(*allowed), preset=preset)
        for _ in range(2):
            training.step()
            assert (training.warped - colour.view(1, 3, 1, 1)).abs().max() < 1e-3
    training = begun(style=halves(DARK, LIGHT))
    training.step()
    assert (training.warped - colour.view(1, 3, 1, 1)).abs().max() > 0.1


@pytest.mark.parametrize("temperature", [0.01, 0.02, 0.07])
def test_what_is_allowed_is_warped_however_unlike_it_is(temperature, begun):
    """The photo is one half of the style, and may only take from the other."""
    picture = halves(DARK, LIGHT)
    training = begun(picture[..., :1].expand(1, 3, 64, 64), picture, None, halves(0, 1), temperature=temperature)
    training.step()
    assert (training.warped - LIGHT.view(1, 3, 1, 1)).abs().max() < 1e-3


def test_styles_are_compared_label_by_label(begun):
    training = begun(content_mask=halves(1, 2), style_mask=halves(2, 1))
    size, index = (8, 8), torch.arange(64)
    is_left = (index % 8 < 4)[:, None]
    ours = torch.where(is_left, random(64, 6, seed=1), random(64, 6, seed=2))
    crossed = torch.where(~is_left, ours.roll(4, 0), ours.roll(-4, 0))  # the left's rows on the right, and the other way round
    assert training.style_difference(ours, crossed, index, size).item() == pytest.approx(0, abs=1e-5)
    assert training.style_difference(ours, ours, index, size) > 0.05


def test_a_mask_on_the_photo_keeps_the_rest(vgg, photo):
    content, style = photo(60, 80, 1), photo(64, 64, 2)
    mask = (torch.arange(80) >= 40).long().expand(1, 1, 60, 80)
    step = drain(run(vgg, content, style, settings(size=80, fit_steps=20), content_mask=mask))
    assert torch.equal(step.image[..., :38], content[..., :38])
    whole = drain(run(vgg, content, style, settings(size=80, fit_steps=20))).image
    assert torch.equal(step.image[..., 42:], whole[..., 42:]) and (whole - content)[..., :38].abs().mean() > 0.01
    between = step.image[..., 38:42] - content[..., 38:42]
    assert (between.abs() <= (whole - content)[..., 38:42].abs() + 1e-6).all()


@pytest.mark.parametrize("label", [0, 1, 3])
def test_a_mask_of_one_label_on_the_photo(label, vgg, pair):
    """Black: nothing may change. Any other: everything may."""
    mask = torch.full((1, 1, 30, 40), label)
    result = drain(run(vgg, *pair, settings(), content_mask=mask)).image
    assert torch.equal(result, pair[0] if label == 0 else drain(run(vgg, *pair, settings())).image)


def test_each_area_takes_the_colours_of_its_own(vgg):
    """Two flat halves each: without masks they could as well be taken the other way round."""
    content = halves(torch.full((3,), 0.3), torch.full((3,), 0.7)) + 0.02 * random(1, 3, 64, 64)
    style = halves(DARK, LIGHT) + 0.02 * random(1, 3, 64, 64, seed=1)
    for mask, colours in ((halves(1, 2), (DARK, LIGHT)), (halves(2, 1), (LIGHT, DARK))):
        knobs = settings(training_steps=2, fit_steps=150)
        result = drain(run(vgg, content, style, knobs, content_mask=halves(1, 2), style_mask=mask)).image
        for k, colour in enumerate(colours):
            found = result[..., 8 + 32 * k : 24 + 32 * k].mean((0, 2, 3))
            assert 2 * (found - colour).abs().max() < (found - colours[1 - k]).abs().max()


# --- Full resolution ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def fitted(vgg):
    """`fitted(content, style, answer, **knobs)`: step 6 after its updates."""

    def make(content, style, answer, regions=None, **knobs):
        full = FullResolution(vgg, content, style, answer, regions or Regions(None, None), settings(**dict(fit_steps=60) | knobs))
        drain(full.fit())
        return full

    return make


def test_before_any_update_it_is_the_global_transfer(vgg, pair, photo):
    """The affine map that gives the small photo the reference's mean and covariance, at any size."""
    full = FullResolution(vgg, *pair, pair[1], Regions(None, None), settings())
    large = photo(90, 120, 5)
    assert torch.allclose(full(pair[0]), match_moments(*pair).clamp(0, 1), atol=1e-5) and full(large).shape == large.shape


def test_edges_stay_where_they_are_and_no_new_ones_come(fitted, photo):
    """A jagged edge between two flat halves, fitted to a blurred answer, and then on a photo three times as large."""
    y, x = torch.meshgrid(torch.arange(192), torch.arange(192), indexing="ij")
    right = x + 18 * ((y // 48) % 2) >= 96
    large = torch.where(right, LIGHT.view(3, 1, 1), DARK.view(3, 1, 1))[None]
    content, style = F.avg_pool2d(large, 3), photo(64, 64, 4)
    answer = F.interpolate(F.adaptive_avg_pool2d(style, 4), (64, 64), mode="bilinear")
    result = fitted(content, style, answer)(large)
    assert (result - large).abs().mean() > 0.05
    steps, edge = result.diff(dim=3).abs().amax(1)[0], right.int().diff(dim=1) != 0
    assert torch.equal(steps.argmax(1), edge.int().argmax(1))
    assert steps[edge].min() > 6 * steps[~edge].max() and steps[~edge].max() < 0.06  # of 12 to a cell


def test_a_straight_line_stays_straight(fitted, photo):
    """One pixel wide, dark on light: darkest in its own column in every row."""
    content = torch.full((1, 3, 96, 96), 0.8)
    content[..., 37] = 0.1
    result = fitted(content, photo(64, 64, 4), photo(64, 64, 5))(content)
    contrast = (result - result.roll(1, 3)).abs().sum(1)[0, :, 1:]
    assert (contrast.topk(2, dim=1).indices.sort(1).values == torch.tensor([36, 37])).all()


def test_the_fit_takes_the_answers_colours(fitted, photo):
    """Where answer and reference agree on a tint, the photo gets it."""
    content = photo(64, 64, 1) * 0.6 + 0.2
    tinted = content * torch.tensor([1.2, 0.9, 0.6]).view(1, 3, 1, 1)
    result = fitted(content, tinted, tinted, fit_steps=80)(content)
    assert (result - tinted).abs().mean() < 0.3 * (content - tinted).abs().mean()


def test_the_fit_lowers_its_objective(vgg, pair):
    full = FullResolution(vgg, *pair, pair[1], Regions(None, None), settings(fit_steps=40))
    before = full.objective(full.grid)[0].item()
    images = [image for image, _ in full.fit()]
    assert full.objective(full.grid)[0].item() < 0.7 * before
    assert len(images) == 40 and torch.equal(images[-1], full(pair[0]))


def test_a_pair_of_equals_stays_as_it_is(vgg, photo):
    """Nothing is to be fitted: statistics agree, and so does the answer."""
    content = photo(64, 64, 6)
    full = FullResolution(vgg, content, content, content, Regions(None, None), settings())
    objective, statistics = full.objective(constant_grid(content, 16, 8, torch.eye(3), torch.zeros(3, 1)))
    assert statistics < 1e-4 and objective < 1e-3


# --- Whole runs --------------------------------------------------------------------------------------------------------------


def result(vgg, pair, **knobs):
    return drain(run(vgg, *pair, settings(**knobs))).image


def test_seeds_differ_less_than_weights_do(untrained, pair):
    """Five seeds at one weight, and the two weights of table 1."""
    vgg, knobs = untrained(8).padded("replicate"), dict(training_steps=4, fit_steps=20)
    seeds = [result(vgg, pair, seed=seed, **knobs) for seed in range(5)]
    assert torch.equal(seeds[2], result(vgg, pair, seed=2, **knobs))
    apart = [(a - b).abs().mean() for a, b in itertools.combinations(seeds, 2)]
    weights = (result(vgg, pair, style_weight=0.2, **knobs) - seeds[0]).abs().mean()
    assert min(apart) > 1e-5 and max(apart) < 0.7 * weights


def test_a_higher_style_weight_goes_farther_from_the_photo(vgg, pair):
    away = [(result(vgg, pair, style_weight=w, fit_steps=30) - pair[0]).abs().mean() for w in (0.1, 0.5, 0.9)]
    assert away == sorted(away) and away[2] > 1.05 * away[0]


def test_extras_and_fields(vgg, photo):
    content, style = photo(96, 64, 1), photo(64, 80, 2)
    step = drain(run(vgg, content, style, settings(size=80, training_steps=7)))
    shapes = {name: tuple(extra.shape[2:]) for name, extra in step.extras.items()}
    width = round(256 * 53 / 80)  # of the small photo at the sheets' height
    assert step.image.shape == (1, 3, 80, 53) and shapes["square"] == shapes["warped"] == (80, 53)
    assert shapes["evolution"] == (256, 6 * width)
    assert shapes["matches"] == (256, width + 3 * 320)
    assert set(shapes) == {"global_colour", "square", "warped", "matches", "evolution"} and set(METHOD.sheets) < set(shapes)
    assert {name: tuple(field.shape) for name, field in step.fields.items()} == dict.fromkeys(
        ("a_to_b", "b_to_a"), (1, 2, 16, 16)
    )
    assert all(field.min() >= 0 and field.max() <= 1 and field.dtype == torch.float32 for field in step.fields.values())


@pytest.mark.parametrize(("steps", "panels"), [(1, 1), (2, 2), (3, 3), (6, 6), (20, 6)])
def test_the_evolution_has_a_picture_for_each_of_six_moments(steps, panels, vgg, pair, monkeypatch):
    shown = []
    monkeypatch.setattr(dtp, "in_a_row", lambda pictures, *rest: shown.append(pictures) or in_a_row(pictures, *rest))
    previews = [s.image for s in run(vgg, *pair, settings(training_steps=steps, fit_steps=1)) if s.stage == "training"]
    evolution = shown[-1]
    assert len(evolution) == panels and torch.equal(evolution[0], previews[0]) and torch.equal(evolution[-1], previews[-1])


def test_steps_are_counted_over_both_stages(vgg, pair):
    steps = list(run(vgg, *pair, settings(training_steps=4, fit_steps=3)))
    assert [s.stage for s in steps] == ["training"] * 4 + ["full resolution"] * 3
    assert [(s.i, s.n) for s in steps] == [(i, 7) for i in range(1, 8)]
    assert set(steps[0].losses) == {"content", "style", "cycle"} and set(steps[-1].losses) == {"statistics"}


def place_of(panel, colour) -> tuple[float, float]:
    """The middle of what has a colour, relative to width and height."""
    y, x = ((panel - colour.view(1, 3, 1, 1)).abs().amax(1)[0] < 1e-3).nonzero().float().mean(0).tolist()
    return (x + 0.5) / panel.shape[-1], (y + 0.5) / panel.shape[-2]


def test_a_marker_is_where_its_point_is():
    points = torch.tensor([[0.25, 0.75], [0.8, 0.1]])
    picture = marked(torch.zeros(1, 3, 100, 200), points)
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 1]])  # two hues, as far apart as there are
    for point, colour in zip(points.tolist(), colours, strict=True):
        assert place_of(picture, colour) == pytest.approx(point, abs=0.01)
    assert math.isclose(
        (picture[0].amin(0) == 1).sum().item(), 2 * math.pi * ((200 / 45 + 1.5) ** 2 - (200 / 45) ** 2), rel_tol=0.2
    )


def test_matched_points_follow_a_field(monkeypatch):
    """A field that turns the reference by half: each query's marker is at the opposite place there, in the same colour."""
    seen = []
    monkeypatch.setattr(dtp, "marked", lambda picture, points: seen.append((picture, points)) or marked(picture, points))
    y, x = torch.meshgrid((torch.arange(24) + 0.5) / 24, (torch.arange(36) + 0.5) / 36, indexing="ij")
    field = 1 - torch.stack([x, y])[None]
    content, style = torch.zeros(1, 3, 256, 300), torch.zeros(1, 3, 256, 200)
    sheet = matched_points(content, style, [field, field.flip(1)])
    assert sheet.shape == (1, 3, 256, 300 + 2 * 200)
    (first, queries), (second, found), (_, swapped) = seen
    assert first is content and second is style and len(queries) == math.prod(POINTS)
    assert (found - (1 - queries)).abs().max() < 0.03 and (swapped - found.flip(1)).abs().max() < 1e-6
    left, right = (marked(picture, points) for picture, points in ((content, queries), (style, found)))
    assert torch.allclose(sheet[..., :300], left, atol=1e-5) and torch.allclose(sheet[..., 300:500], right, atol=1e-5)
