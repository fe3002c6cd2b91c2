"""Oklab, moments and the guided filter: the authors' numbers, known answers, and pictures without any colour."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stylelab.colour import clamp_to, filter_along, match_moments, moments, oklab, rgb
from stylelab.palette import coloured

AUTHORS_ORDER, PAPERS_ORDER = "match-first", "filter-first"


@pytest.fixture(scope="module")
def authors():
    """Inputs and outputs of nkolkin13/NeuralNeighborStyleTransfer's colour step."""
    with np.load(Path(__file__).parent / "reference" / "nnst_colour.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def test_oklab_is_the_authors(authors):
    assert (oklab(authors["content"]) - authors["oklab_of_content"]).abs().max() < 1e-6


@pytest.mark.parametrize(("style", "result"), [("style", "result"), ("monochrome_style", "result_monochrome")])
def test_the_colour_step_is_the_authors(authors, style, result, device):
    content, style, painted = (authors[name].to(device) for name in ("content", style, "output"))
    ours = coloured(content, style, painted, AUTHORS_ORDER)
    assert (ours.cpu() - authors[result]).abs().max() < 1e-4


def test_a_monochrome_style_leaves_the_papers_order_alone(authors):
    """Paper, 3.5: no colour step at all."""
    content, style, painted = (authors[name] for name in ("content", "monochrome_style", "output"))
    ours = coloured(content, style, painted, PAPERS_ORDER)
    assert (ours - painted).abs().max() < 1e-5


def test_rgb_inverts_oklab(photo, device):
    image = torch.cat([photo(20, 30, 1), torch.zeros(1, 3, 20, 1), torch.ones(1, 3, 20, 1)], 3).to(device)
    assert (rgb(oklab(image)) - image).abs().max() < 1e-5


def test_greys_have_lightness_only():
    grey = torch.linspace(0, 1, 11).expand(1, 3, 1, 11)
    lab = oklab(grey)
    assert lab[:, 1:].abs().max() < 2e-4  # the published matrices are rounded
    assert (lab[0, 0, 0] - grey[0, 0, 0].pow(1 / 3)).abs().max() < 2e-4


@pytest.mark.parametrize(
    ("colour", "axis", "sign"), [((1, 0, 0), 1, 1), ((0, 1, 0), 1, -1), ((1, 1, 0), 2, 1), ((0, 0, 1), 2, -1)], ids=str
)
def test_axes(colour, axis, sign):
    """A runs from green to red, B from blue to yellow."""
    assert sign * oklab(torch.tensor(colour, dtype=torch.float).view(1, 3, 1, 1))[0, axis].item() > 0.1


def test_moments_by_hand():
    image = torch.tensor([[[[1.0, 3.0]], [[2.0, -2.0]]]])
    mean, covariance = moments(image, eps=0.5)
    assert mean.tolist() == [[2.0], [0.0]]
    assert covariance.tolist() == [[1.5, -2.0], [-2.0, 4.5]]


@pytest.mark.parametrize("channels", [2, 3])
def test_match_moments_takes_the_references_statistics(channels, photo, device):
    image, reference = photo(40, 31, 2)[:, :channels].to(device), photo(23, 50, 3)[:, :channels].to(device)
    ours, theirs = moments(match_moments(image, reference, eps=0)), moments(reference)
    assert (ours[0] - theirs[0]).abs().max() < 1e-5
    assert (ours[1] - theirs[1]).abs().max() < 1e-5
    assert (moments(image)[1] - theirs[1]).abs().max() > 1e-3  # they were different before


def test_match_moments_to_itself_changes_nothing(photo):
    image = photo(24, 24, 4)
    assert (match_moments(image, image) - image).abs().max() < 1e-5


def test_clamp_to_keeps_each_channel_in_its_own_range():
    reference = torch.tensor([[[[0.2, 0.4]], [[-1.0, 5.0]]]])
    image = torch.tensor([[[[0.0, 1.0]], [[0.0, 9.0]]]])
    assert torch.equal(clamp_to(image, reference), torch.tensor([[[[0.2, 0.4]], [[0.0, 5.0]]]]))


FLAT = {"black": 0.0, "white": 1.0, "grey": 0.5}


@pytest.mark.parametrize("order", [AUTHORS_ORDER, PAPERS_ORDER])
@pytest.mark.parametrize("value", FLAT.values(), ids=FLAT)
@pytest.mark.parametrize("which", range(3), ids=["content", "style", "painted"])
def test_a_flat_picture_gives_numbers(which, value, order, photo):
    pictures = [photo(20, 20, seed) for seed in range(3)]
    pictures[which] = torch.full((1, 3, 20, 20), value)
    result = coloured(*pictures, order)
    assert result.isfinite().all() and result.min() >= 0 and result.max() <= 1


@pytest.mark.parametrize("rounds", [1, 5])
def test_along_a_constant_guide_the_filter_is_a_box_mean(rounds, photo):
    image = expected = photo(9, 13, 0)
    for _ in range(rounds):
        expected = F.avg_pool2d(F.pad(expected, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    assert (filter_along(image, torch.full((1, 1, 9, 13), 0.7), rounds) - expected).abs().max() < 1e-6


def test_the_filter_does_not_cross_an_edge_of_its_guide(photo):
    guide = torch.zeros(1, 1, 12, 16)
    guide[..., 8:] = 1
    image = guide.expand(1, 2, 12, 16)
    assert (filter_along(image, guide) - image).abs().max() < 1e-3
    assert (filter_along(image, torch.zeros_like(guide)) - image).abs().max() > 0.3


def test_the_filters_weight_by_hand():
    """One row of two pixels, one lightness step of 0.1 apart: each 3x3 window holds its own value six times."""
    guide, image = torch.tensor([[[[0.5, 0.6]]]]), torch.tensor([[[[0.0, 1.0]]]])
    across = 3 * np.exp(-1) / (6 + 3 * np.exp(-1))
    assert filter_along(image, guide, rounds=1).flatten().tolist() == pytest.approx([across, 1 - across], abs=1e-6)
