"""Online Exemplar Fine-Tuning: known answers of its parts, and what a whole run promises on untrained networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from stylelab import job, metrics
from stylelab.errors import WeightsMissing
from stylelab.features import VGG, load_extractor
from stylelab.inversion import Inversion, Reference
from stylelab.losses import contextual
from stylelab.matching import rows, soft_matches, warp
from stylelab.method import drain
from stylelab.methods import oeft
from stylelab.methods.oeft import CAPTION, METHOD, TILE, Model, Tuning, captioned, geometric, in_rows, photometric, run
from stylelab.nets.pggan import PGGAN
from stylelab.nets.stylegan import StyleGAN

WIDTHS, LATENT = (8, 6, 5, 4), 7  # of the small generators: 32 px
QUICK = dict(size=64, square=64, tuning_steps=2, inversion_steps=2, layers="6", codes="10")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


@pytest.fixture
def vgg(untrained):
    return untrained().padded("replicate")


@pytest.fixture
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PGGAN(WIDTHS, LATENT).requires_grad_(False)


@pytest.fixture
def model(vgg, generator):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        other = StyleGAN(WIDTHS, LATENT, 2).requires_grad_(False)
    return Model(vgg, {"pggan": generator, "stylegan": other})


@pytest.fixture
def begun(vgg, pair, bf16):
    """`begun(content, style, **knobs)`: a tuning in float32 that has made no step."""
    bf16(False)

    def make(content=None, style=None, **knobs):
        squares = (pair[0] if content is None else content), (pair[1] if style is None else style)
        return Tuning(vgg, *squares, METHOD.settings(**QUICK | knobs), seeded())

    return make


# --- Matching and losses -----------------------------------------------------------------------------------------------------


def test_warping_is_equations_3_to_6(begun):
    tuning = begun()
    warped, ours, theirs = tuning.warped(*tuning.pair)
    assert torch.equal(theirs, tuning.features(1, tuning.pair[1])) and warped.shape == (1, 3, 16, 16)
    values = rows(F.avg_pool2d(tuning.pair[1], 4)).double()
    softmax = torch.softmax(ours.double() @ theirs.double().T / oeft.TEMPERATURE, 1)
    assert torch.allclose(rows(warped).double(), softmax @ values, atol=1e-3)


def test_features_of_all_levels_are_centred_and_count_alike(begun):
    tuning = begun()
    features = tuning.features(0, tuning.pair[0])
    widths = [tuning.vgg.channels(name) for name in oeft.LEVELS]
    assert features.shape == (256, sum(widths))
    for part in features.split(widths, 1):
        assert torch.allclose(part.norm(dim=1), torch.full((256,), len(oeft.LEVELS) ** -0.5), atol=1e-4)
    with torch.no_grad():
        (maps,) = tuning.encoders[0](tuning.pair[0], ["conv3_4"]).values()
    expected = rows(F.normalize(maps - maps.mean((2, 3), keepdim=True), dim=1)) / len(oeft.LEVELS) ** 0.5
    assert torch.allclose(features.split(widths, 1)[1], expected, atol=1e-5)


@pytest.mark.parametrize(("temperature", "by_row"), [(0.1, False), (0.1, True), (0.01, True)])
def test_soft_matches_by_hand(temperature, by_row):
    queries, keys = F.normalize(random(5, 4), dim=1), F.normalize(random(6, 4, seed=1), dim=1)
    found = warp(soft_matches(queries, keys, temperature, by_row), random(6, 3, seed=2))
    assert torch.allclose(found, torch.softmax(queries @ keys.T / temperature, 1) @ random(6, 3, seed=2), atol=1e-4)


@pytest.mark.parametrize("dot", [0.0, 0.01], ids=["flat", "one pixel"])
@pytest.mark.parametrize("grey", [0.0, 0.5])
def test_a_flat_style_gives_numbers(photo, grey, dot):
    """With the network that ships: nothing in the style has any likeness to the content, and sums of exp(-75) no gradient."""
    model = Model(load_extractor("vgg19", "compact", torch.device("cpu")).padded("replicate"), {})
    style = torch.full((1, 3, 64, 64), grey)
    style[..., 5, 5] += dot
    *_, last = oeft.run(model, photo(64, 64, 1), style, oeft.METHOD.settings(task="warp", square=64, tuning_steps=3))
    assert all(value.isfinite() for value in last.losses.values())
    assert (last.image - grey).abs().max() < 0.02


def test_the_contextual_loss_one_by_one():
    output, target = random(7, 5), random(9, 5, seed=1)
    centre, total = target.mean(0), 0.0
    similar = torch.zeros(7, 9)
    for i, a in enumerate(output - centre):
        distances = [1 - F.cosine_similarity(a, b, dim=0).item() for b in target - centre]
        weights = [math.exp((1 - d / (min(distances) + 1e-3)) / 0.1) for d in distances]
        similar[i] = torch.tensor([w / sum(weights) for w in weights])
    total = -math.log(sum(similar[:, j].max().item() for j in range(9)) / 9)
    assert contextual(output, target).item() == pytest.approx(total, rel=1e-3)


def test_the_contextual_loss_does_not_see_order_and_is_least_for_the_same():
    features = random(40, 8)
    assert contextual(features.flip(0), features) == pytest.approx(contextual(features, features).item(), abs=1e-5)
    assert contextual(features, features) < 0.01 < contextual(random(40, 8, seed=1), features)


# --- Augmentation ------------------------------------------------------------------------------------------------------------


def test_light_changes_and_nothing_moves(pair):
    made = [photometric(pair[0], seeded(seed)) for seed in range(4)]
    for picture in made:
        assert picture.shape == pair[0].shape and picture.min() >= 0 and picture.max() <= 1
        assert 0.01 < (picture - pair[0]).abs().mean() < 0.3
        ours, before = (x.mean(1).flatten() - x.mean() for x in (picture, pair[0]))
        assert F.cosine_similarity(ours, before, dim=0) > 0.85
    assert (made[0] - made[1]).abs().mean() > 0.01


def test_places_change_and_colours_stay(pair):
    made = [geometric(pair[0], seeded(seed)) for seed in range(4)]
    assert all(picture.shape == pair[0].shape for picture in made) and (made[0] - made[1]).abs().mean() > 0.01
    flat = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 64, 48)
    assert torch.allclose(geometric(flat, seeded()), flat, atol=1e-5)


def test_every_step_has_another_augmented_pair(begun):
    tuning, seen = begun(), []
    for _ in range(2):
        tuning.step()
        seen.append(tuning.augmented)
    assert all((a - b).abs().mean() > 1e-3 for a, b in zip(*seen, strict=True))
    assert all((a - b).abs().mean() > 1e-3 for a, b in zip(tuning.pair, seen[0], strict=True))
    plain = begun(augmentation=False)
    plain.step()
    assert plain.augmented is plain.pair


# --- Fine-tuning -------------------------------------------------------------------------------------------------------------


def test_the_loss_falls(begun):
    tuning = begun(learning_rate=1e-3)
    found = [tuning.total(tuning.step()[1]).item() for _ in range(12)]
    assert found[-1] < found[0]


def test_both_extractors_learn_and_the_callers_does_not(begun, vgg):
    before = {key: value.clone() for key, value in vgg.state_dict().items()}
    tuning = begun()
    _, losses = tuning.step()
    assert set(losses) == {"contrast", "perceptual", "contextual"}
    assert all(loss.isfinite() and not loss.requires_grad for loss in losses.values())
    assert all(torch.equal(value, before[key]) for key, value in vgg.state_dict().items())
    for encoder in tuning.encoders:
        assert not torch.equal(encoder.conv1_1.weight, vgg.conv1_1.weight)
    assert not torch.equal(*(encoder.conv3_4.weight for encoder in tuning.encoders))


def test_a_pair_of_equals_is_matched_with_itself(begun, photo):
    warped, fields = begun(photo(64, 64, 3), photo(64, 64, 3)).answer()
    y, x = torch.meshgrid(*((torch.arange(16) + 0.5) / 16,) * 2, indexing="ij")
    for field in fields.values():
        assert ((field - torch.stack([x, y])).abs().amax(1) < 1e-6).float().mean() > 0.9
    assert (warped - F.avg_pool2d(photo(64, 64, 3), 4)).abs().mean() < 0.05


# --- Inversion ---------------------------------------------------------------------------------------------------------------


def psnr(picture, target) -> float:
    return -10 * math.log10((picture - target).square().mean().item())


def test_a_picture_of_the_generators_own_is_found_again(generator, vgg):
    target = (generator(random(1, LATENT, seed=9)) / 2 + 0.5).clamp(0, 1)
    inversion = Inversion(generator, vgg, target, [(4, 10), (6, 10)], seeded())
    start, losses = inversion.pictures(), [inversion.step() for _ in range(8)]
    assert losses[0].shape == (2,) and (losses[-1] < losses[0]).all()
    for before, after in zip(start, inversion.pictures(), strict=True):
        assert psnr(after, target) > psnr(before, target) + 3


def test_hypotheses_do_not_touch_each_other(generator, vgg, photo):
    target = photo(32, 32, 1)
    together = Inversion(generator, vgg, target, [(4, 10), (6, 5)], seeded())
    alone = Inversion(generator, vgg, target, [(6, 5)], seeded())
    for _ in range(2):
        together.step()
        alone.step()
    assert torch.allclose(together.pictures()[1:], alone.pictures(), atol=1e-5)
    assert not any(p.requires_grad for p in generator.parameters())


def test_it_starts_from_the_samples_nearest_to_the_target(generator, vgg):
    inversion = Inversion(generator, vgg, (generator(random(1, LATENT)) / 2 + 0.5).clamp(0, 1), [(4, 1)], seeded())
    codes = inversion.nearest(seeded(3))
    with torch.no_grad():
        errors = (generator(codes) / 2 + 0.5 - inversion.target).square().mean((1, 2, 3))
    assert (errors.diff() >= -1e-6).all()


def test_a_smaller_target_is_compared_after_reduction(generator, vgg, photo):
    inversion = Inversion(generator, vgg, photo(8, 8, 1), [(6, 10)], seeded())
    inversion.step()
    assert inversion.pictures().shape == (1, 3, 32, 32)
    assert torch.allclose(inversion.reduced(inversion.pictures()), F.avg_pool2d(inversion.pictures(), 4), atol=1e-6)


def test_the_distance_is_zero_for_the_references_own_statistics(generator, vgg):
    reference = Reference(generator, vgg)
    whole = torch.cat(
        [
            reference.mean + reference.covariance.shape[0] ** 0.5 * sign * root
            for sign in (1, -1)
            for root in torch.linalg.cholesky(reference.covariance + 1e-9 * torch.eye(len(reference.mean))).T[:, None]
        ]
    )
    made = whole.T.cov(correction=0)
    assert torch.allclose(made, reference.covariance, atol=1e-4 * reference.covariance.abs().max())
    far = reference.vectors(torch.rand(1, 3, 64, 64, generator=seeded()))[0]
    assert abs(reference.distance(whole)) < 0.05 * reference.distance(far)


def test_what_the_generator_does_not_make_is_farther(generator, vgg, photo):
    reference = Reference(generator, vgg)
    own = (generator(random(8, LATENT, seed=5)) / 2 + 0.5).clamp(0, 1)
    white = torch.ones(1, 3, 32, 32)
    assert sum(reference.scores(own)) / 8 < reference.usual < reference.scores(white)[0]


class Variations:
    """A generator of one picture with a little noise."""

    latent = 3 * 64 * 64

    def __init__(self, picture: torch.Tensor):
        self.picture = picture

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        return 2 * self.picture - 1 + 0.05 * codes.view(-1, 3, 64, 64)


@pytest.mark.parametrize(("side", "left", "top"), [(120, 30, 0), (101, 50, 13), (60, 90, 45)])
def test_the_window_is_where_the_generators_picture_is(photo, side, left, top):
    own, picture = photo(64, 64, 9), photo(120, 160, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reference = Reference(Variations(own), VGG("vgg19", 4).padded("replicate"))
    assert reference.likeness(own).item() > 0.9
    without, _ = reference.window(picture)
    picture[..., top : top + side, left : left + side] = F.interpolate(own, (side, side), mode="bilinear")
    alike, (x, y, width, height) = reference.window(picture)
    assert alike > 1.2 * without and width == height and abs(width / side - 1) < 0.05
    assert abs(x - left) <= 2 and abs(y - top) <= 2


# --- The whole ---------------------------------------------------------------------------------------------------------------


def finished(model, pair, **knobs):
    return drain(run(model, *pair, METHOD.settings(**QUICK | knobs)))


def test_what_comes_beside_the_result(model, pair):
    last = finished(model, pair, layers="4, 6, 8", codes="10, 20, 40")
    assert set(last.extras) == {"warped", "evolution", "augmented", "hypotheses"}
    assert last.extras["hypotheses"].shape == (1, 3, 3 * (TILE + CAPTION), 3 * TILE)
    assert last.extras["augmented"].shape == (1, 3, 256, 4 * 256)
    assert set(last.fields) == {"a_to_b", "b_to_a"} and set(last.losses) == {"inversion", "frechet"}


def test_the_smallest_distance_wins(model, pair, monkeypatch):
    monkeypatch.setattr(Reference, "scores", lambda self, pictures: [3.0, 1.0, 2.0][: len(pictures)])
    seen = []
    monkeypatch.setattr(oeft, "captioned", lambda *given: seen.append(given) or captioned(*given))
    last = finished(model, pair, layers="4, 6, 8")
    assert len(seen) == 3 * QUICK["inversion_steps"]  # the best so far is told after every round
    seen = seen[-3:]
    assert [won for _, _, won in seen] == [False, True, False] and last.losses["frechet"] == 1
    assert [words.split(",")[0] for _, words, _ in seen] == ["layer 4", "layer 6", "layer 8"] and "distance 1.00" in seen[1][1]
    assert torch.allclose(last.image, oeft.fitted(seen[1][0], (64, 64)))


def test_only_warped_and_only_inverted(model, pair):
    warp_only = finished(model, pair, task="warp")
    assert set(warp_only.extras) == {"warped", "evolution", "augmented"} and torch.equal(
        warp_only.image, warp_only.extras["warped"]
    )
    inverted = finished(model, pair, task="invert")
    assert set(inverted.extras) == {"hypotheses"} and not inverted.fields
    assert torch.equal(inverted.image, finished(model, (pair[0], pair[0]), task="invert").image)


def test_pictures_are_cut_where_the_content_shows_what_is_made(model, pair, monkeypatch):
    found = {"content": (oeft.FOUND["stylegan"], (1, 2, 3, 3)), "style": (0.0, (4, 5, 6, 6))}
    monkeypatch.setattr(Reference, "window", lambda self, picture: found["content" if picture is pair[0] else "style"])

    def cut(**knobs):
        return oeft.cut(model, *pair, METHOD.settings(**QUICK | knobs))

    assert cut() == ((1, 2, 3, 3), (4, 5, 6, 6)) and cut(task="invert") == ((1, 2, 3, 3), None)
    assert cut(crop="none") == cut(task="warp") == (None, None)
    found["content"] = (oeft.FOUND["stylegan"] - 0.01, (1, 2, 3, 3))
    assert cut() == (None, None)


def test_without_fine_tuning(model, pair):
    last = finished(model, pair, tuning_steps=0)
    assert last.n == 3 and last.extras["warped"].shape == (1, 3, 64, 64)


def test_a_picture_outside_the_domain_is_told(model, pair):
    white = torch.ones(1, 3, 64, 64)
    assert finished(model, (white, white), task="invert", domain="pggan").note.startswith("Content is far from what this")
    with torch.no_grad():
        own = (model.generators["pggan"](random(1, LATENT, seed=5)) / 2 + 0.5).clamp(0, 1)
    own = F.interpolate(own, (64, 64), mode="bilinear")
    assert finished(model, (own, own), task="invert", domain="pggan").note == ""
    assert finished(model, (own, white), domain="pggan").note.startswith("Style is far from what this")
    assert finished(model, (white, white), domain="pggan").note.startswith("Content and style are far from what this")


def test_the_target_is_never_enlarged(generator):
    """A generator of 32 px: a third of that is 10, and a warped picture of 8 stays as it is."""
    for size, factor, side in (((64, 48), 1, 32), ((64, 48), 3, 10), ((8, 8), 2, 8)):
        target = oeft.reduced(torch.full((1, 3, *size), 0.25), generator, METHOD.settings(factor=factor))
        assert target.shape == (1, 3, side, side) and torch.allclose(target, torch.tensor(0.25))


def test_a_layer_that_a_small_generator_has_not_is_its_last(vgg, pair):
    small = PGGAN((8, 6, 5), LATENT).requires_grad_(False)  # 16 px, six layers
    made = Inversion(small, vgg, oeft.reduced(pair[0], small, METHOD.settings()), [(4, 2), (6, 2), (8, 2)], seeded())
    assert made.hypotheses == [(4, 2), (6, 2)] and made.pictures().shape == (2, 3, 16, 16)


def test_a_flat_content_is_warped_to_the_mean_of_the_style(begun):
    """All correlations are 0, and exp(-0.75 / 0.01) of each is not nothing."""
    tuning = begun(torch.ones(1, 3, 64, 64))
    warped, _ = tuning.answer()
    assert torch.allclose(warped.mean((2, 3)), tuning.pair[1].mean((2, 3)), atol=0.02)


def test_a_file_in_another_layout_is_told_and_the_next_one_taken(vgg, monkeypatch, tmp_path):
    """`auto` on a GPU tries the full file first; what cannot be read shall not end every job."""
    found = {"full": {"other": torch.zeros(1)}, "compact": PGGAN(WIDTHS, LATENT).state_dict()}

    class File:
        def __init__(self, family):
            self.path, self.family = tmp_path / family, family

        def described(self):
            return {"family": self.family}

    monkeypatch.setattr(oeft.weights, "find", lambda name, family: File(family))
    monkeypatch.setattr(oeft.weights, "read_tensors", lambda path: found[path.name])
    monkeypatch.setattr(oeft, "load_extractor", lambda *_: vgg)
    vgg.weights = []
    monkeypatch.setattr(oeft.Model, "to", lambda self, device: self)
    model = oeft.load(torch.device("cuda"), "auto")
    assert list(model.generators) == ["pggan"] and model.weights == [{"family": "compact"}]
    with pytest.raises(WeightsMissing, match="full cannot be used: not a StyleGAN generator"):
        oeft.load(torch.device("cpu"), "full")


def test_a_generator_that_is_not_here_is_named_and_tried_again(vgg, generator, pair):
    online = False

    def fetch(domain):
        if not online:
            raise WeightsMissing(f"gan-{domain} (full) is not here.")
        return generator, {"name": f"gan-{domain}"}

    model = Model(vgg, {"pggan": generator}, fetch)
    with pytest.raises(WeightsMissing, match="gan-stylegan"):
        finished(model, pair, domain="stylegan")
    assert finished(model, pair, domain="pggan").image.shape == (1, 3, 64, 64)
    online = True
    assert finished(model, pair, domain="stylegan").image.shape == (1, 3, 64, 64)
    assert model.weights[-1] == {"name": "gan-stylegan"}


def test_captions_mark_the_winner():
    tiles = [captioned(torch.full((1, 3, 32, 32), 0.5), "layer 6, 20 codes\ndistance 1.00", won) for won in (False, True)]
    assert all(tile.shape == (1, 3, TILE + CAPTION, TILE) for tile in tiles)
    assert torch.allclose(tiles[0][0, :, 2, 2], torch.tensor(0.5), atol=0.01)
    assert torch.allclose(tiles[1][0, :, 2, 2], torch.tensor(oeft.WINNER) / 255)
    assert (tiles[0][..., TILE:, :] < 0.5).any()


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (5, (1, 5)), (9, (3, 3)), (12, (3, 4)), (20, (4, 5))])
def test_rows_of_hypotheses(count, shape):
    sheet = in_rows([torch.zeros(1, 3, 8, 8)] * count, 10)
    assert sheet.shape == (1, 3, 10 * shape[0], 10 * shape[1])


def test_a_note_is_in_the_report(model, monkeypatch, untrained, photo):
    monkeypatch.setattr(job, "model_of", lambda *_: model)
    monkeypatch.setitem(job.METHODS, "oeft", METHOD)
    monkeypatch.setattr(metrics, "load_extractor", lambda *_: untrained())
    white = torch.ones(64, 64, 3).numpy()
    assert job.stylize("oeft", white, white, device="cpu", task="invert", **QUICK).report["note"]


def test_what_a_result_was_made_with(model):
    model.vgg.weights = [{"name": "encoder"}]
    model.described = {"pggan": {"name": "gan-pggan"}, "stylegan": {"name": "gan-stylegan"}}
    assert [w["name"] for w in model.weights] == ["encoder", "gan-pggan", "gan-stylegan"]
    for knobs, made_by in (
        (dict(task="warp"), []),
        (dict(), ["gan-stylegan"]),
        (dict(task="invert", domain="pggan"), ["gan-pggan"]),
    ):
        assert [w["name"] for w in model.used(METHOD.settings(**knobs))] == ["encoder", *made_by]
