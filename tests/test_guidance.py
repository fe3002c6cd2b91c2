"""NNST section 5: labels and several styles in the matching, and pictures larger than are optimised."""

from __future__ import annotations

import itertools
import weakref

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn import functional as F

from stylelab import sources as rooms
from stylelab.colour import moments
from stylelab.hypercolumns import LAYERS, hypercolumns, quarter
from stylelab.images import resize
from stylelab.matching import guided, patchwork, rows, shared_out, side_by_side
from stylelab.method import drain
from stylelab.methods import nnst
from stylelab.methods.nnst import METHOD, Model, run
from stylelab.neighbours import SplitLoss, rearranged
from stylelab.patchpainting import enlarged
from stylelab.regions import Regions, claims, owned
from stylelab.sources import Sources, turned

MOST_LEAKED = 0.05  # of a label's places may take their feature from another label


def blocks(side: int, seed: int, count: int) -> torch.Tensor:
    """A label map (1, 1, side, side) of 4 x 4 squares of `count` labels, at random, none of them missing."""
    drawn = torch.randint(count, (4, 4), generator=torch.Generator().manual_seed(seed))
    drawn.view(-1)[:count] = torch.arange(count)
    return drawn.repeat_interleave(side // 4, 0).repeat_interleave(side // 4, 1)[None, None]


def halves(left: int, right: int, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.where(torch.arange(width) < width // 2, left, right).expand(1, 1, height, width).clone()


def taken_from(vgg, found: torch.Tensor, sources: Sources, rotations: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each hypercolumn of `rearranged` is from: the style's number and the label there, -1 without labels."""
    keys, styles, labels = [], [], []
    for k, style in enumerate(sources.styles):
        own = sources.regions.channels(1, quarter(style)) if k == 0 else None
        for turn, copy in enumerate(turned(style, rotations)):
            keys.append(rows(hypercolumns(vgg(copy, LAYERS), quarter(copy))))
            styles.append(torch.full((len(keys[-1]),), k))
            labels.append(styles[-1] * 0 - 1 if own is None else rows(own.rot90(turn, (2, 3))).argmax(1))
    index = torch.cdist(rows(found), torch.cat(keys), compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    assert torch.equal(torch.cat(keys)[index], rows(found))
    return torch.cat(styles)[index], torch.cat(labels)[index]


# --- Labels ------------------------------------------------------------------------------------------------------------------


def test_the_guided_product_is_equation_1_with_guidance():
    """Cosine minus the strength times the squared difference of labels; nothing for what is unlabelled or unknown."""
    query, key, strength = torch.tensor([[0.6, 0.8]]), torch.tensor([[0.8, 0.6]]), 3.0
    for ours, theirs, difference in (
        ([1.0, 0], [1.0, 0], 0),
        ([1.0, 0], [0, 1.0], 2),
        ([0.5, 0.5], [0.25, 0.75], 0.125),
        ([0.5, 0], [0, 1.0], 1),  # half of the place is something that the style lacks
        ([0, 0], [0, 1.0], 0),
        ([1.0, 0], [0, 0], 0),
    ):
        product = guided(query, torch.tensor([ours]), strength) @ guided(key, torch.tensor([theirs])).T
        assert product.item() == pytest.approx(0.96 - strength * difference, abs=1e-6)
    assert guided(query, None, strength) is query


def test_channels_by_hand():
    """The style's labels are 0 and 2; the content's 5 is nothing that it has. A border is soft where it is within a place."""
    content, style = torch.tensor([[[[0, 0, 2, 5]]]]), torch.tensor([[[[0, 2]]]])
    regions = Regions(content, style)
    assert regions.channels(0, (1, 4))[0, :, 0].tolist() == [[1, 1, 0, 0], [0, 0, 1, 0]]
    assert regions.channels(1, (1, 2))[0, :, 0].tolist() == [[1, 0], [0, 1]]
    small = Regions(halves(0, 1, 9, 9), halves(0, 1, 9, 9)).channels(0, (3, 3))[0, :, 1]  # the border is after column 4
    ours = 2 / 3 / 5**0.5 / (2 / 3 / 5**0.5 + 1 / 3 / 4**0.5)  # five places are label 1, four label 0
    assert torch.allclose(small, torch.tensor([[1, (1 - ours) / 2, 0], [0, (ours + 1) / 2, 1]]))
    large = Regions(halves(0, 1, 4, 4), halves(0, 1, 4, 4)).channels(0, (8, 8))[0, 0, 0]
    assert torch.allclose(large, torch.tensor([1, 1, 1, 0.875, 0.125, 0, 0, 0]))
    strip = Regions(*[(torch.arange(64) == 33).long().expand(1, 1, 64, 64)] * 2)  # a pixel wide: a quarter of its places
    ours = 0.25 / 4**0.5 / (0.25 / 4**0.5 + 0.75 / 252**0.5)
    assert strip.channels(0, (16, 16))[0, 1, 0, 8].item() == pytest.approx((ours + 1) / 2)
    assert strip.channels(1, (16, 16))[0, 1, 0, 8] == 0.25 / 2
    assert Regions(content + 7, style).channels(0, (1, 4)) is None and Regions().channels(1, (1, 2)) is None


@pytest.mark.parametrize("seed", range(3))
def test_claims_let_no_label_lose_much(seed):
    """Four labels in pieces of six pixels, the rarest a twentieth: whose a place of four is decides what others lose there."""
    drawn = torch.multinomial(torch.tensor([0.5, 0.3, 0.15, 0.05]), 43 * 43, True, generator=torch.Generator().manual_seed(seed))
    labels = drawn.view(43, 43).repeat_interleave(6, 0).repeat_interleave(6, 1)[:256, :256]
    shares = torch.cat([F.avg_pool2d((labels == k).float()[None, None], 4) for k in range(4)], 1)

    def worst(weights):
        return (1 - (owned(shares * weights) * shares).sum((2, 3)) / shares.sum((2, 3))).max()

    by_area = shares.sum((2, 3), keepdim=True).rsqrt()
    assert worst(claims(shares)) < worst(by_area) < 0.3 < 0.5 < worst(torch.ones(()))


@pytest.mark.parametrize("rotations", [False, True], ids=["upright", "rotations"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_labels_keep_to_themselves(count, rotations, untrained, photo, bf16):
    bf16(False)
    vgg, content = untrained(), photo(64, 64, 1)
    sources = Sources((photo(64, 64, 2),), regions=Regions(blocks(64, 3, count), blocks(64, 4, count)))
    ours = rows(sources.regions.channels(0, (16, 16))).argmax(1)
    leaks = {}
    for weight in (0.0, 0.5):
        found = rearranged(vgg, content, sources, METHOD.settings(guidance_weight=weight, rotations=rotations))
        theirs = taken_from(vgg, found, sources, rotations)[1]
        leaks[weight] = [(theirs[ours == label] != label).float().mean().item() for label in range(count)]
    assert max(leaks[0.5]) <= MOST_LEAKED < max(leaks[0.0])


def test_a_label_that_the_style_lacks_takes_from_anywhere(untrained, photo, bf16):
    bf16(False)
    vgg, content, style = untrained(), photo(64, 64, 1), photo(64, 64, 2)
    params, regions = METHOD.settings(), Regions(halves(1, 7), halves(1, 2))
    guided_, free = (rearranged(vgg, content, Sources((style,), regions=r), params) for r in (regions, Regions()))
    assert torch.equal(guided_[..., 9:], free[..., 9:])
    assert (taken_from(vgg, guided_, Sources((style,), regions=regions), True)[1].view(16, 16)[:, :7] == 0).all()


def test_a_styles_mask_alone_is_all_that_is_taken(untrained, photo, bf16):
    bf16(False)
    vgg, content = untrained(), photo(64, 64, 1)
    sources = Sources((photo(64, 64, 2),), regions=Regions(None, halves(0, 1)))
    labels = taken_from(vgg, rearranged(vgg, content, sources, METHOD.settings()), sources, True)[1]
    assert (labels == 1).float().mean() > 1 - MOST_LEAKED


def test_a_contents_mask_alone_keeps_the_rest(untrained, photo):
    content, mask = photo(64, 64, 1), halves(0, 1)
    step = drain(run(Model(untrained()), content, photo(64, 64, 2), METHOD.settings(size=64, iterations=3), content_mask=mask))
    for picture in (step.image, *step.extras.values()):
        assert torch.equal(picture[..., :29], content[..., :29]) and (picture[..., 36:] != content[..., 36:]).any()


@pytest.mark.parametrize("given", [{"style_mask": halves(0, 0)}, {"content_mask": halves(1, 1), "style_mask": halves(2, 2)}])
def test_masks_that_say_nothing_change_no_bit(given, untrained, photo):
    job = Model(untrained()), photo(64, 64, 1), photo(64, 64, 2), METHOD.settings(size=64, iterations=2)
    assert torch.equal(drain(run(*job, **given)).image, drain(run(*job)).image)


def test_splitting_with_labels_by_hand(untrained, photo, bf16):
    """The brute-force sum over layers of each place's distance to the best key of equation 1 with guidance."""
    bf16(False)
    vgg, image, style = untrained(), photo(32, 32, 1), photo(32, 32, 2)
    regions, params, expected = Regions(blocks(32, 1, 3), blocks(32, 2, 3)), METHOD.settings(rotations=False), 0.0
    for name in LAYERS:
        maps = [vgg(x, [name])[name] for x in (image, style)]
        a, b = (rows(m) - rows(m).mean(0) for m in maps)
        ours, theirs = (rows(regions.channels(k, m.shape[-2:])) for k, m in enumerate(maps))
        cosine = F.cosine_similarity(a[:, None], b[None], dim=2)
        best = (cosine - (ours[:, None] - theirs[None]).square().sum(2)).argmax(1)
        expected += (1 - cosine.gather(1, best[:, None])).mean().item()
    split = SplitLoss(vgg, Sources((style,), regions=regions), params, torch.Generator())
    free = SplitLoss(vgg, Sources((style,)), params, torch.Generator())
    assert split(image).item() == pytest.approx(expected, rel=1e-4) and free(image) < split(image)


def test_each_label_gets_its_own_colours(untrained, photo):
    """The style is red on the left and blue on the right: with masks the other way round the result is blue and red."""
    red, blue = (torch.tensor(colour).view(3, 1, 1) for colour in ([0.7, 0.1, 0.0], [0.0, 0.1, 0.7]))
    style = torch.where(halves(0, 1) == 0, red, blue) + 0.3 * photo(64, 64, 2)
    job = Model(untrained()), photo(64, 64, 1), style, METHOD.settings(size=64, iterations=2)
    for labels, sign in (((0, 1), 1), ((1, 0), -1)):
        image = drain(run(*job, content_mask=halves(*labels), style_mask=halves(0, 1))).image
        redness = (image[:, 0] - image[:, 2]).mean((0, 1)) * sign
        assert redness[:26].mean() > 0.2 and redness[38:].mean() < -0.2


# --- Several styles ----------------------------------------------------------------------------------------------------------


def test_sharing_out_by_hand():
    """The second source is always better, most of all at the last place, least at the first."""
    likeness = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.1, 0.3, 0.2, 0.4]])
    for share, expected in ((0.25, [0, 0, 0, 1]), (0.5, [0, 1, 0, 1]), (0.75, [0, 1, 1, 1])):
        assert shared_out(likeness, [1 - share, share]).tolist() == expected


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.5, 0.3), (0.6, 0.02, 0.38)], ids=str)
def test_shares_are_kept_as_well_as_can_be(shares):
    likeness = torch.rand(len(shares), 200, generator=torch.Generator().manual_seed(0)) + torch.tensor(shares)[:, None]
    found = shared_out(likeness, shares)
    counts = found.bincount(minlength=len(shares))
    assert all(abs(n - 200 * share) <= 3 for n, share in zip(counts.tolist(), shares, strict=True))
    places = torch.repeat_interleave(likeness, counts, 0).T
    best = linear_sum_assignment(places.numpy(), maximize=True)
    assert likeness.gather(0, found[None]).sum() == pytest.approx(places.numpy()[best].sum(), rel=1e-5)


@pytest.mark.parametrize("rotations", [False, True], ids=["upright", "rotations"])
def test_a_weight_is_a_share_of_the_places(rotations, untrained, photo, bf16):
    bf16(False)
    vgg, content, pictures = untrained(), photo(64, 64, 1), [photo(64, 48, seed) for seed in (2, 3, 4)]
    params, last = METHOD.settings(rotations=rotations), 0.0
    for weight in (0.1, 0.5, 1.0, 4.0):
        sources = Sources.of(zip(pictures, (1.0, weight, 0.5), strict=True), Regions())
        styles = taken_from(vgg, rearranged(vgg, content, sources, params), sources, rotations)[0]
        share = (styles == 1).float().mean().item()
        assert share == pytest.approx(weight / (1.5 + weight), abs=0.02) and share > last
        last = share


def test_one_picture_as_two_styles_is_one_style(untrained, photo, bf16):
    bf16(False)
    vgg, content, style, params = untrained(), photo(64, 64, 1), photo(64, 64, 2), METHOD.settings()
    once, twice = (
        rearranged(vgg, content, Sources(styles, shares), params)
        for styles, shares in (((style,), (1.0,)), ((style, style), (0.3, 0.7)))
    )
    assert torch.allclose(once, twice, atol=1e-6)


def test_a_style_that_weighs_nothing_changes_no_bit(untrained, photo):
    job = Model(untrained()), photo(64, 64, 1), photo(64, 64, 2)
    without = drain(run(*job, METHOD.settings(size=64, iterations=2))).image
    knobs = dict(size=64, iterations=2, style2_weight=0, style3_weight=0)
    given = dict(style2=photo(64, 40, 3), style3=photo(50, 64, 4))
    assert torch.equal(drain(run(*job, METHOD.settings(**knobs), **given)).image, without)
    assert not torch.equal(drain(run(*job, METHOD.settings(**knobs | dict(style3_weight=0.2)), **given)).image, without)


def test_colours_are_those_of_the_weighted_union():
    """Two flat styles of 8 and 2 pixels: mean and variance are those of one number that is 0 with 0.75 and 1 with 0.25."""
    sources = Sources((torch.zeros(1, 3, 2, 4), torch.ones(1, 3, 1, 2)), (0.75, 0.25))
    pixels, weights = sources.pixels()
    mean, covariance = moments(pixels, weights=weights)
    assert torch.allclose(mean, torch.full((3, 1), 0.25)) and torch.allclose(covariance, torch.full((3, 3), 0.1875))
    half = Sources(sources.styles, sources.shares, Regions(halves(0, 1), torch.tensor([[[[0, 0, 1, 1], [0, 0, 1, 1]]]])))
    pixels, weights = half.pixels(1)
    assert pixels.shape == (1, 3, 1, 6) and weights.flatten().tolist() == pytest.approx([0.1875] * 4 + [0.125] * 2)


# --- Large pictures ----------------------------------------------------------------------------------------------------------


def test_matching_holds_one_copy_at_a_time(untrained, photo, monkeypatch):
    """However many styles and rotations there are, no search sees more keys than one copy has."""
    seen = []

    def spy(queries, keys):
        seen.append(len(keys))
        return torch.zeros(len(queries), dtype=torch.int64)

    monkeypatch.setattr(rooms, "nearest", spy)
    sources = Sources((photo(64, 64, 2), photo(64, 32, 3)), (0.5, 0.5))
    rearranged(untrained(), photo(64, 64, 1), sources, METHOD.settings())
    assert seen == [16 * 16] * 4 + [16 * 8] * 4


def test_side_by_side_by_hand():
    pictures = [torch.full((1, 2, 3, 2), 5.0), torch.full((1, 2, 1, 4), 7.0)]
    together = side_by_side(pictures, gap=1, multiple=4)
    assert together.shape == (1, 2, 4, 12)
    assert together[0, 0].tolist() == [[5, 5, 0, 0, 7, 7, 7, 7, 0, 0, 0, 0], *[[5, 5, *[0] * 10]] * 2, [0] * 12]
    quarters = side_by_side(pictures, gap=1, multiple=4, turns=4)
    copies = [picture.rot90(turn, (2, 3)) for picture in pictures for turn in range(4)]
    assert torch.equal(quarters, side_by_side(copies, gap=1, multiple=4))
    small = side_by_side([torch.ones(1, 1, 1, 1)] * 2, gap=1)
    assert small.shape == (1, 1, 2, 4) and small[0, 0, 0].tolist() == [1, 0, 1, 0]


def search(**changed) -> dict:
    quick = dict(levels=(2, 1), patch=5, rounds=2, iterations=3, radius=8, generator=torch.Generator().manual_seed(0))
    return quick | changed


def test_patchwork_takes_no_gaps_and_keeps_labels_apart(photo):
    guide, styles = photo(48, 48, 1), [photo(96, 96, 2), photo(80, 96, 3)]
    whole = [torch.ones_like(style[:, :1]) for style in styles]
    source, inside = (side_by_side(pictures, gap=10, multiple=2) for pictures in (styles, whole))
    labels = torch.cat([halves(1, 0, *source.shape[-2:]), halves(0, 1, *source.shape[-2:])], 1).float() * inside
    ours = torch.cat([halves(1, 0, 48, 48), halves(0, 1, 48, 48)], 1).float()
    field, made = drain(patchwork(guide, source, inside, 2.0, labels=(ours, labels, 1.0), **search()))
    assert field.shape == (1, 2, 48, 48) and made.shape == guide.shape
    x, y = (field[0] * torch.tensor([source.shape[-1], source.shape[-2]]).view(2, 1, 1)).long()
    assert inside[0, 0, y, x].mean() > 0.99
    wrong = (labels[0, 0, y, x] < 0.5) != (ours[0, 0] < 0.5)
    assert wrong.float().mean() < MOST_LEAKED


def test_the_source_is_let_go_during_the_search(photo):
    """At 4096 px three styles and their rotations side by side are 2 GiB."""
    source = [photo(64, 64, 2)]
    watched, inside = weakref.ref(source[0]), torch.ones_like(source[0][:, :1])
    turns = patchwork(photo(32, 32, 1), source.pop(), inside, 2.0, **search())
    next(turns)
    assert watched() is None


def test_each_turn_agrees_better_with_itself(photo):
    """The share of neighbours that take from neighbours grows, and the picture stays near the guide."""
    guide, style = photo(64, 64, 1), photo(128, 128, 2)
    whole = torch.ones_like(style[:, :1])
    agreeing = []
    for turn in patchwork(guide, style, whole, 2.0, **search(levels=(1,), rounds=4)):
        steps = (turn[0][..., 1:] - turn[0][..., :-1])[:, 0] * 64
        agreeing.append(((steps - 1).abs() < 0.1).float().mean().item())
    assert agreeing[-1] > agreeing[0]
    assert (turn[1] - guide).abs().mean() < (style.mean((2, 3), keepdim=True) - guide).abs().mean()


@pytest.mark.parametrize("rotations", [False, True], ids=["upright", "rotations"])
def test_a_style_that_is_its_own_content_comes_back_sharp(rotations, photo, monkeypatch):
    """Guided by a quarter of it, a picture's own pixels are found again: far nearer than any enlargement of the guide."""
    monkeypatch.setattr(nnst, "LARGEST", 64)
    style = photo(256, 256, 7)
    style = (style + 0.3 * (torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(1)) - 0.5)).clamp(0, 1)  # grain
    small, params = resize(style, 64), METHOD.settings(size=256, rotations=rotations)
    made = drain(enlarged(style, small, Sources((style,)), params, torch.Generator().manual_seed(0)))
    enlargement = resize(small, 256)
    assert made.shape == style.shape
    assert (made - style).abs().mean() < 0.3 * (enlargement - style).abs().mean()

    def sharpness(image):
        return (image[..., 1:] - image[..., :-1]).abs().mean()

    assert sharpness(made) > 0.9 * sharpness(style) > 2 * sharpness(enlargement)


@pytest.mark.parametrize("own", [48, 96, 400], ids=lambda own: f"style of {own} px")
def test_larger_than_is_optimised(own, untrained, photo, monkeypatch):
    """Every preview is a picture, the counting goes on, and the result is as sharp as the style whatever the style's size."""
    monkeypatch.setattr(nnst, "LARGEST", 64)
    grain = torch.rand(1, 1, own, own, generator=torch.Generator().manual_seed(1))
    style = (photo(own, own, 2) + 0.4 * (grain - 0.5)).clamp(0, 1)
    steps = list(run(Model(untrained()), photo(90, 128, 1), style, METHOD.settings(size=160, iterations=2, colour="painted")))
    assert [step.i for step in steps] == list(range(1, steps[-1].n + 1))
    assert all(step.image.min() >= 0 and step.image.max() <= 1 and max(step.image.shape) <= 160 for step in steps)
    assert steps[-1].note.startswith(f"A style picture of {own} px") == (own < 160)
    assert steps[-1].image.shape == steps[-1].extras["coloured"].shape == (1, 3, 112, 160)
    detail = [(image[..., 1:] - image[..., :-1]).abs().mean() for image in (steps[-1].image, resize(style, min(own, 160)))]
    assert detail[0] > 0.35 * detail[1]  # a guide of two updates says next to nothing of grain, and patches overlap


def test_masks_and_styles_reach_the_large_picture(untrained, photo, monkeypatch):
    monkeypatch.setattr(nnst, "LARGEST", 64)
    job = Model(untrained()), photo(64, 64, 1), photo(96, 96, 2), METHOD.settings(size=128, iterations=1)
    everything = dict(content_mask=halves(0, 1), style_mask=halves(1, 0), style2=photo(80, 50, 3))
    pictures = [
        drain(run(*job, **{name: everything[name] for name in names})).image
        for names in ((), ("content_mask",), ("content_mask", "style_mask"), ("style2",), everything)
    ]
    assert all(picture.shape == (1, 3, 128, 128) for picture in pictures)
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(pictures, 2))


def test_a_mask_of_the_style_alone_counts_at_any_weight(untrained, photo, bf16):
    """The left half is red and must not be taken, with a weight of 0 neither."""
    bf16(False)
    model, content = Model(untrained()), photo(64, 64, 1)
    style = torch.cat([photo(64, 32, 2) * torch.tensor([1.0, 0, 0]).view(3, 1, 1), photo(64, 32, 2).flip(1)], 3)
    mask = halves(0, 1, 64, 64)
    knobs = dict(size=64, iterations=20, rotations=False, colour="painted")
    made = [
        drain(run(model, content, style, METHOD.settings(guidance_weight=weight, **knobs), style_mask=mask)).image
        for weight in (0.0, 0.5)
    ]
    assert torch.equal(*made)


def test_masks_that_change_nothing_are_told(untrained, photo):
    model, pair = Model(untrained()), (photo(64, 64, 1), photo(64, 64, 2))
    settings = METHOD.settings(size=64, iterations=1)
    for masks, told in (
        (dict(content_mask=halves(1, 2, 64, 64), style_mask=halves(0, 3, 64, 64)), True),
        (dict(style_mask=torch.zeros(1, 1, 64, 64, dtype=torch.long)), True),
        (dict(content_mask=halves(1, 2, 64, 64), style_mask=halves(2, 1, 64, 64)), False),
        (dict(style_mask=halves(0, 1, 64, 64)), False),
        (dict(content_mask=halves(0, 1, 64, 64)), False),
    ):
        assert ("changed nothing" in drain(run(model, *pair, settings, **masks)).note) is told
