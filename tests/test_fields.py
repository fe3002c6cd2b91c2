"""Nearest-neighbour fields of patches: against slow loops and brute force, and cases with known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stylelab import matching
from stylelab.matching import (
    Patches,
    identity_field,
    nearest_patches,
    paint,
    patchmatch,
    random_field,
    relative,
    scaled_field,
    vote,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random features of unit length at every position."""
    return F.normalize(torch.randn(*shape, generator=seeded(seed)), dim=1)


def search(left, right, start=None, *, patch=3, radius=None, seed=0, **options):
    """`patchmatch` from a random field."""
    size, other = left.shape[-2:], right.shape[-2:]
    start = random_field(size, other, seeded(seed + 100), len(left)).to(left.device) if start is None else start
    generator = seeded(seed)
    return patchmatch(left, right, start, patch=patch, radius=radius or max(other), generator=generator, **options)


def similarity_at(left, right, field, patch) -> torch.Tensor:
    """`Patches.similarity` of every match of a field, (N, H, W)."""
    (n, _, height, width), (h, w) = left.shape, right.shape[-2:]
    first = torch.arange(n, device=left.device).view(-1, 1, 1) * (h * w)
    there = (first + field[:, 1] * w + field[:, 0]).flatten()
    return Patches(left, right, patch).similarity(torch.arange(len(there), device=left.device), there).view(n, height, width)


def slow_similarity(left, right, y, x, v, u, patch) -> float:
    """Mean inner product over the positions of two patches of (C, H, W) and (C, h, w) that are inside both."""
    values = []
    for dy, dx in itertools.product(range(-(patch // 2), patch // 2 + 1), repeat=2):
        a, b = (y + dy, x + dx), (v + dy, u + dx)
        if all(0 <= p < side for p, side in zip((*a, *b), (*left.shape[1:], *right.shape[1:]), strict=True)):
            values.append(float(np.dot(left[:, *a].numpy(), right[:, *b].numpy())))
    return sum(values) / len(values)


# --- Fields ------------------------------------------------------------------------------------------------------------------


def test_an_identity_field_by_hand():
    assert identity_field((2, 3), (2, 3)).tolist() == [[[[0, 1, 2], [0, 1, 2]], [[0, 0, 0], [1, 1, 1]]]]
    assert identity_field((1, 2), (3, 4))[0, :, 0].tolist() == [[1, 3], [1, 1]]  # the middle row; columns 0.25 and 0.75 of 4
    assert identity_field((4, 1), (2, 1))[0, 1, :, 0].tolist() == [0, 0, 1, 1]


def test_a_random_field_reaches_every_place_and_is_its_seeds():
    field = random_field((30, 40), (3, 5), seeded(1), 2)
    assert field.shape == (2, 2, 30, 40) and field.dtype == torch.int64
    assert {tuple(place) for place in field.transpose(0, 1).flatten(1).T.tolist()} == set(itertools.product(range(5), range(3)))
    assert torch.equal(field, random_field((30, 40), (3, 5), seeded(1), 2)) and not torch.equal(field[0], field[1])


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_scaling_by_a_whole_number_keeps_matches_exact(factor):
    """The parts of a position map to the parts of its match: q becomes 2 q and 2 q + 1."""
    field = random_field((5, 7), (6, 4), seeded(2), 2)
    scaled = scaled_field(field, (5 * factor, 7 * factor), (6, 4), (6 * factor, 4 * factor))
    block = torch.stack(torch.meshgrid(torch.arange(factor), torch.arange(factor), indexing="xy"))  # x, y of each part
    expected = field.repeat_interleave(factor, 2).repeat_interleave(factor, 3) * factor + block.repeat(1, 5, 7)
    assert torch.equal(scaled, expected)


def test_scaling_to_the_same_size_changes_nothing():
    field = random_field((9, 11), (8, 13), seeded(3))
    assert torch.equal(scaled_field(field, (9, 11), (8, 13), (8, 13)), field)


@pytest.mark.parametrize(
    ("size", "old", "new"),
    [((17, 5), (6, 4), (13, 9)), ((3, 4), (6, 4), (2, 3)), ((1, 1), (6, 4), (1, 1)), ((40, 41), (6, 4), (7, 99))],
)
def test_scaling_to_any_size_stays_inside_and_near(size, old, new):
    field = random_field((5, 7), old, seeded(4))
    scaled = scaled_field(field, size, old, new)
    assert scaled.shape == (1, 2, *size) and scaled.dtype == torch.int64
    for axis in (0, 1):
        assert scaled[:, axis].min() >= 0 and scaled[:, axis].max() < new[1 - axis]
    y, x = ((torch.arange(n) * 2 + 1) * m // (2 * n) for n, m in zip(size, (5, 7), strict=True))
    moved = (relative(scaled, new) - relative(field[..., y[:, None], x], old)).abs().amax((0, 2, 3))
    assert moved[0] <= 0.5 / old[1] + 0.5 / new[1] + 1e-6 and moved[1] <= 0.5 / old[0] + 0.5 / new[0] + 1e-6


def test_an_enlarged_identity_is_the_identity():
    """At a size not a multiple, too: up to the rounding of one position."""
    scaled = scaled_field(identity_field((8, 6), (8, 6)), (29, 23), (8, 6), (29, 23))
    assert (scaled - identity_field((29, 23), (29, 23))).abs().max() <= 1


def test_relative_places_are_those_of_pixels_middles():
    assert relative(torch.tensor([[[[0, 3]], [[0, 1]]]]), (2, 4)).flatten().tolist() == [0.125, 0.875, 0.25, 0.75]
    places = relative(random_field((20, 20), (3, 5), seeded(5)), (3, 5))
    assert places.dtype == torch.float32 and places.min() > 0 and places.max() < 1


# --- Voting ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch", [1, 3, 5, 9])
def test_voting_with_the_identity_gives_the_image_back(patch):
    image = torch.rand(2, 3, 6, 7, generator=seeded(6))
    assert torch.allclose(vote(image, identity_field((6, 7), (6, 7)).expand(2, -1, -1, -1), patch), image, atol=1e-6)


def test_a_vote_of_patch_1_is_warping():
    image, field = torch.rand(2, 3, 4, 9, generator=seeded(7)), random_field((6, 5), (4, 9), seeded(8), 2)
    expected = torch.stack([picture[:, y, x] for picture, (x, y) in zip(image, field, strict=True)])
    assert torch.equal(vote(image, field, 1), expected)


def test_painting_at_the_fields_size_is_voting():
    image, field = torch.rand(1, 3, 12, 15), random_field((11, 9), (12, 15), torch.Generator().manual_seed(2))
    assert torch.allclose(paint(image, relative(field, (12, 15)), (11, 9), 5), vote(image, field, 5), atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3.5])
def test_painting_at_another_size_keeps_what_moves_as_one(scale):
    """The whole field points three positions to the right: so does every pixel, three times as far as one position is wide."""
    size, places = (round(20 * scale), round(24 * scale)), identity_field((20, 24), (20, 24))
    image = F.interpolate(torch.rand(1, 3, 5, 6), size, mode="bicubic").clamp(0, 1)
    places[:, 0] = (places[:, 0] + 2).clamp(max=23)
    painted, moved = paint(image, relative(places, (20, 24)), size, 5), round(2 * scale)
    inner = slice(0, round(17 * scale))
    expected = image[..., moved:][..., inner]
    assert (painted[..., inner] - expected).abs().max() < (1e-4 if scale == 2 else 0.02)


def test_painting_far_beyond_the_fields_size_leaves_no_hole():
    image, field = torch.rand(1, 3, 97, 31), random_field((8, 5), (7, 3), torch.Generator().manual_seed(2))
    painted = paint(image, relative(field, (7, 3)), (101, 64), 1)
    assert painted.isfinite().all() and painted.min() >= 0 and painted.max() <= 1 + 1e-6


@pytest.mark.parametrize("patch", [3, 5])
@pytest.mark.parametrize(("size", "other"), [((5, 7), (6, 3)), ((1, 4), (3, 3)), ((3, 1), (1, 1))], ids=str)
def test_votes_against_a_slow_loop(size, other, patch, device):
    """A neighbour outside the left map, or whose match points outside the right one, has no vote."""
    image, field = torch.rand(1, 2, *other, generator=seeded(9)), random_field(size, other, seeded(10))
    expected = torch.zeros(1, 2, *size)
    for y, x in itertools.product(*map(range, size)):
        votes = []
        for dy, dx in itertools.product(range(-(patch // 2), patch // 2 + 1), repeat=2):
            if 0 <= y + dy < size[0] and 0 <= x + dx < size[1]:
                u, v = field[0, :, y + dy, x + dx].tolist()
                if 0 <= v - dy < other[0] and 0 <= u - dx < other[1]:
                    votes.append(image[0, :, v - dy, u - dx])
        expected[0, :, y, x] = torch.stack(votes).mean(0)
    assert torch.allclose(vote(image.to(device), field.to(device), patch).cpu(), expected, atol=1e-6)


# --- Comparing patches -------------------------------------------------------------------------------------------------------

SIZES = [((4, 5), (6, 3), 3), ((5, 4), (4, 4), 5), ((1, 6), (4, 1), 3), ((3, 3), (2, 5), 1)]


@pytest.mark.parametrize(("size", "other", "patch"), SIZES, ids=str)
def test_similarity_against_a_slow_loop(size, other, patch, device):
    left, right = maps(2, 6, *size, seed=1), maps(2, 6, *other, seed=2)
    field = random_field(size, other, seeded(11), 2)
    found = similarity_at(left.to(device), right.to(device), field.to(device), patch)
    for n, y, x in itertools.product(range(2), *map(range, size)):
        u, v = field[n, :, y, x].tolist()
        assert found[n, y, x].item() == pytest.approx(slow_similarity(left[n], right[n], y, x, v, u, patch), abs=1e-5)


def test_similarity_of_some_positions_only():
    """Ascending, some of them twice."""
    left, right = maps(2, 6, 4, 5, seed=3), maps(2, 6, 3, 7, seed=4)
    field = random_field((4, 5), (3, 7), seeded(12), 2)
    whole, some = similarity_at(left, right, field, 3).flatten(), torch.tensor([0, 3, 3, 7, 19, 20, 39])
    there = (torch.arange(2).view(-1, 1, 1) * 21 + field[:, 1] * 7 + field[:, 0]).flatten()
    assert torch.allclose(Patches(left, right, 3).similarity(some, there[some]), whole[some], atol=1e-6)


@pytest.mark.parametrize(("size", "other", "patch"), SIZES, ids=str)
def test_tables_of_single_places_say_the_same(size, other, patch, monkeypatch):
    """What large maps are compared by: no row of a patch is kept twice."""
    left, right = maps(2, 6, *size, seed=3), maps(2, 6, *other, seed=4)
    field = random_field(size, other, seeded(7), 2)
    found = similarity_at(left, right, field, patch)
    monkeypatch.setattr(matching, "WIDE", 0)
    assert torch.allclose(similarity_at(left, right, field, patch), found, atol=1e-6)
    table = Patches(left, right, patch).right
    assert table.numel() == 2 * 6 * (other[0] + patch - 1) * (other[1] + patch - 1)


@pytest.mark.parametrize(("size", "other", "patch"), SIZES, ids=str)
def test_the_exact_search_against_a_slow_loop(size, other, patch, monkeypatch):
    monkeypatch.setattr(matching, "TABLE", 50)  # several chunks
    left, right = maps(2, 6, *size, seed=5), maps(2, 6, *other, seed=6)
    field, similarity = nearest_patches(left, right, patch)
    assert field.shape == (2, 2, *size) and field.dtype == torch.int64
    for n, y, x in itertools.product(range(2), *map(range, size)):
        best = max(slow_similarity(left[n], right[n], y, x, v, u, patch) for v, u in itertools.product(*map(range, other)))
        assert similarity[n, y, x].item() == pytest.approx(best, abs=1e-5)
    assert torch.allclose(similarity_at(left, right, field, patch), similarity, atol=1e-5)


# --- PatchMatch --------------------------------------------------------------------------------------------------------------


def energy_above_exact(left, right, patch, **options) -> float:
    exact = nearest_patches(left, right, patch)[1]
    field, similarity = search(left, right, patch=patch, **options)
    assert torch.allclose(similarity_at(left, right, field, patch), similarity, atol=1e-5)
    assert (similarity <= exact + 1e-5).all()
    return ((1 - similarity).mean() / (1 - exact).mean()).item()


@pytest.mark.parametrize(
    ("size", "other", "patch"), [((14, 17), (16, 13), 3), ((20, 20), (20, 20), 5), ((24, 11), (9, 26), 5)], ids=str
)
def test_within_one_percent_of_exact_on_random_features(size, other, patch):
    """The hardest case: neighbours' matches say nothing, so that only the random search finds any."""
    assert energy_above_exact(maps(1, 64, *size, seed=7), maps(1, 64, *other, seed=8), patch, iterations=30) < 1.01


@pytest.mark.parametrize(("name", "patch"), [("conv2_1", 5), ("conv4_1", 3)])
def test_ten_iterations_on_features_of_pictures(name, patch, untrained, photo):
    """As many as the method takes, from noise; it starts at most layers from the field of the coarser one."""
    left, right = (F.normalize(untrained()(photo(*shape), [name])[name], dim=1) for shape in ((96, 128, 1), (128, 112, 2)))
    assert energy_above_exact(left, right, patch, iterations=10) < 1.03


@pytest.mark.parametrize("patch", [1, 3, 5])
def test_a_known_shift_is_found(patch, device):
    """Ten iterations from noise; where a patch has lost less than half of itself across the border it is found there, too."""
    whole = maps(1, 16, 40, 44, seed=9).to(device)
    left, right = whole[..., 3:35, 2:38], whole[..., 6:38, 5:41]
    field, _ = search(left, right, patch=patch)
    y, x = torch.meshgrid(torch.arange(32, device=device), torch.arange(36, device=device), indexing="ij")
    inside = (x >= 3) & (y >= 3)
    assert torch.equal(field[0, 0][inside], (x - 3)[inside]) and torch.equal(field[0, 1][inside], (y - 3)[inside])


def test_never_worse_than_its_start():
    left, right = maps(1, 6, 15, 12, seed=10), maps(1, 6, 12, 15, seed=11)
    start = random_field((15, 12), (12, 15), seeded(13))
    last = similarity_at(left, right, start, 3)
    for iterations in (1, 2, 4):
        _, similarity = search(left, right, start, iterations=iterations)
        assert (similarity >= last - 1e-6).all() and similarity.mean() > last.mean() + 0.01
        last = similarity


def test_the_start_stays_the_callers():
    left, right, start = maps(1, 6, 9, 8, seed=10), maps(1, 6, 8, 9, seed=11), random_field((9, 8), (8, 9), seeded(13))
    kept = start.clone()
    search(left, right, start)
    assert torch.equal(start, kept)


def test_an_exact_start_is_left_alone():
    left, right = maps(1, 6, 9, 8, seed=12), maps(1, 6, 8, 9, seed=13)
    exact, best = nearest_patches(left, right, 3)
    field, similarity = search(left, right, exact)
    assert torch.equal(field, exact) and torch.allclose(similarity, best, atol=1e-5)


def test_the_same_seed_gives_the_same_field():
    left, right = maps(1, 6, 20, 20, seed=14), maps(1, 6, 20, 20, seed=15)
    start = random_field((20, 20), (20, 20), seeded(14))
    one, other, third = (search(left, right, start, seed=seed, iterations=2)[0] for seed in (3, 3, 4))
    assert torch.equal(one, other) and not torch.equal(one, third)


def test_maps_of_a_batch_do_not_mix():
    """Two pairs at once give what each gives by itself, but for the random draws: both are exact on a shift."""
    whole = maps(2, 16, 26, 26, seed=16)
    left, right = whole[..., :24, :24], whole[..., 2:, 1:25].flip(0)
    field, _ = search(left, right)
    assert (similarity_at(left, right, field, 3) < 0.9).all()  # neither map has what the other's partner holds
    field, _ = search(left, right.flip(0))
    x = torch.arange(24).expand(24, 24)
    assert torch.equal(field[:, 0, 2:, 1:], (x - 1)[2:, 1:].expand(2, -1, -1))


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_limit_holds_a_match_near_where_it_or_a_neighbour_started(limit):
    """Within `limit` of its own start, or of what one of the eight positions `limit` away offered at the start."""
    size, other = (16, 18), (17, 15)
    left, right, start = maps(1, 6, *size, seed=17), maps(1, 6, *other, seed=18), random_field(size, other, seeded(15))
    field, similarity = search(left, right, start, limit=limit)
    for y, x in itertools.product(*map(range, size)):
        homes = [
            start[0, :, y - dy, x - dx] + torch.tensor([dx, dy])
            for dy, dx in itertools.product((0, -limit, limit), repeat=2)
            if 0 <= y - dy < size[0] and 0 <= x - dx < size[1]
        ]
        assert any((field[0, :, y, x] - home).abs().max() <= limit for home in homes)
    assert not torch.equal(field, start)
    assert similarity.mean() < search(left, right, start)[1].mean()


def test_the_limit_lets_a_border_move():
    """Two regions that move apart; at first the border between them is three columns off."""
    whole = maps(1, 16, 30, 60, seed=19)
    right, columns = whole, torch.arange(40)
    moves = torch.where(columns < 20, columns + 2, columns + 15)
    left = whole[..., moves]
    begun = torch.where(columns < 23, columns + 2, columns + 15)
    start = torch.stack([begun.expand(30, 40), torch.arange(30)[:, None].expand(30, 40)])[None]
    field, _ = search(left, right, start, patch=1, radius=4, limit=4)
    assert torch.equal(field[0, 0], moves.expand(30, 40))


def test_two_pairs_of_maps_count_together():
    a, b, c, d = (maps(1, 6, 10, 11, seed=seed) for seed in range(20, 24))
    field = random_field((10, 11), (10, 11), seeded(16))
    both = similarity_at(torch.cat([a, c], 1), torch.cat([b, d], 1), field, 3)
    assert torch.allclose(both, similarity_at(a, b, field, 3) + similarity_at(c, d, field, 3), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "other"),
    [((1, 20), (1, 15)), ((20, 1), (15, 1)), ((1, 12), (12, 1)), ((1, 1), (1, 1)), ((1, 1), (6, 5)), ((5, 6), (1, 1))],
)
def test_the_thinnest_maps(size, other):
    left, right = maps(1, 6, *size, seed=24), maps(1, 6, *other, seed=25)
    for limit in (None, 2):
        field, similarity = search(left, right, limit=limit, patch=5)
        assert field.shape == (1, 2, *size) and similarity.shape == (1, *size) and similarity.isfinite().all()
        assert field[:, 0].min() >= 0 and field[:, 0].max() < other[1] and field[:, 1].min() >= 0 and field[:, 1].max() < other[0]
    assert energy_above_exact(left, right, 5, iterations=10) < 1.6


def test_features_without_length():
    """Black pictures: every similarity is 0, and nothing is better than the start."""
    nothing, start = torch.zeros(1, 6, 8, 9), random_field((8, 9), (8, 9), seeded(17))
    field, similarity = search(nothing, nothing, start)
    assert torch.equal(field, start) and (similarity == 0).all()
