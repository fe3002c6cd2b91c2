"""Losses: the authors' numbers, and values worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from stylelab.losses import centred, gram, gram_difference, info_nce, nearest_cosine, ssim


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- Contrastive loss --------------------------------------------------------------------------------------------------------


@pytest.fixture
def authors(device):
    """The arrays of DTP's public code."""
    with np.load(Path(__file__).parent / "reference" / "dtp_losses.npz") as arrays:
        return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def test_the_authors_contrastive_loss(authors):
    assert info_nce(authors["output"], authors["content"], 0.07).item() == pytest.approx(authors["nce"].item(), rel=1e-4)


def test_the_authors_style_loss(authors):
    found = nearest_cosine(authors["output"], authors["style"]).item()
    assert found == pytest.approx(authors["style_loss"].item(), rel=1e-4)


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_rows_that_are_like_none_but_their_own(temperature):
    """Three orthogonal rows: each is 1 like its own and 0 like the other two."""
    rows = torch.tensor([[1.0, -1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0], [0, 0, 0, 0, 1, -1]])
    expected = math.log(1 + 2 * math.exp(-1 / temperature))
    assert info_nce(rows, rows, temperature).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_rows_that_are_all_alike():
    rows = random(1, 5).expand(7, 5)
    assert info_nce(rows, rows, 0.07).item() == pytest.approx(math.log(7), rel=1e-5)


def test_two_rows_by_hand():
    """Cosines of the outputs with the contents: 1 and 1/2 for the first, -1/2 and 1/2 for the second."""
    output, content = torch.tensor([[1.0, -1, 0], [0, 1, -1]]), torch.tensor([[1.0, -1, 0], [1, 0, -1]])
    expected = (math.log(1 + math.exp(-0.5 / 0.5)) + math.log(1 + math.exp(-1 / 0.5))) / 2
    assert info_nce(output, content, 0.5).item() == pytest.approx(expected, rel=1e-5)
    # The other way round the second is 1/2 like both.
    other = (math.log(1 + math.exp(-1.5 / 0.5)) + math.log(2)) / 2
    assert info_nce(content, output, 0.5).item() == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("loss", [lambda a, b: info_nce(a, b, 0.07), nearest_cosine], ids=["info_nce", "nearest_cosine"])
def test_scale_and_offset_of_a_row_do_not_matter(loss):
    a, b = random(20, 8, seed=1), random(20, 8, seed=2)
    scale, offset = random(20, 1, seed=3).abs() + 0.1, random(20, 1, seed=4)
    assert loss(a * scale + offset, b).item() == pytest.approx(loss(a, b).item(), rel=1e-4)
    assert loss(a, b * scale - offset).item() == pytest.approx(loss(a, b).item(), rel=1e-4)
    assert loss(a + offset * torch.eye(20, 8), b).item() != pytest.approx(loss(a, b).item(), rel=1e-2)


def test_the_contrastive_loss_knows_which_row_is_which():
    a = random(20, 8)
    assert info_nce(a, a, 0.07) < 0.5 < 5 < info_nce(a, a.roll(1, 0), 0.07)


# --- Nearest rows ------------------------------------------------------------------------------------------------------------


def test_nothing_is_missing_where_every_row_has_an_equal_one():
    style = random(30, 8)
    output = 3 * style[torch.randperm(30, generator=torch.Generator().manual_seed(0))][:17] + 1
    assert nearest_cosine(output, style).item() == pytest.approx(0, abs=1e-6)
    assert nearest_cosine(style, output).item() > 0.05  # 13 rows have none


def test_nearest_rows_by_hand():
    """The first row is 1/2 like one of the style's, the second 1 like the other: the mean of 1/2 and 0 is missing."""
    output, style = torch.tensor([[1.0, -1, 0], [0, -1, 1]]), torch.tensor([[1.0, 0, -1], [0, -2, 2], [-1, 0, 1]])
    assert nearest_cosine(output[:1], style[:1]).item() == pytest.approx(0.5, abs=1e-6)
    assert nearest_cosine(output, style).item() == pytest.approx(0.25, abs=1e-6)


def test_descending_makes_rows_alike():
    """On either side: the rows that were found carry gradients too."""
    for moving in (0, 1):
        pair = [random(12, 6, seed=1), random(15, 6, seed=2)]
        pair[moving].requires_grad_()
        before = nearest_cosine(*pair)
        (gradient,) = torch.autograd.grad(before, pair[moving])
        pair[moving] = pair[moving] - gradient
        assert nearest_cosine(*pair) < before - 1e-3


def test_centred_rows():
    rows = centred(torch.tensor([[1.0, 2, 3], [5, 5, 5]]))
    assert torch.allclose(rows, torch.tensor([[-(0.5**0.5), 0, 0.5**0.5], [0, 0, 0]]), atol=1e-6)


# --- Gram matrices -----------------------------------------------------------------------------------------------------------

TWO = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 1, 2)  # two channels at two places


def test_a_gram_matrix_by_hand():
    assert gram(TWO).tolist() == [[2.5, 5.5], [5.5, 12.5]]


def test_a_weighted_gram_matrix_by_hand():
    assert torch.allclose(gram(TWO, torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)), torch.tensor([[13.0, 27], [27, 57]]) / 4)


def test_weights_of_nothing_and_all_cut_out():
    features, weights = random(1, 5, 6, 9), torch.zeros(1, 1, 6, 9)
    weights[..., 2:5, 3:7] = 1
    assert torch.allclose(gram(features, weights), gram(features[..., 2:5, 3:7]), atol=1e-6)
    assert torch.allclose(gram(features, torch.full_like(weights, 0.3)), gram(features), atol=1e-6)
    assert gram(features, torch.zeros_like(weights)).abs().max() == 0


def test_the_difference_of_gram_matrices():
    a, b = gram(random(1, 4, 5, 5, seed=1)), gram(random(1, 4, 5, 5, seed=2))
    assert gram_difference(a, a) == 0 and gram_difference(a, b) > 0.1
    assert gram_difference(a, b).item() == pytest.approx(gram_difference(b, a).item(), rel=1e-6)
    assert gram_difference(9 * a, 9 * b).item() == pytest.approx(gram_difference(a, b).item(), rel=1e-5)
    assert gram_difference(torch.tensor([[1.0]]), torch.tensor([[4.0]])).item() == 1.5


def test_the_difference_from_nothing_is_finite():
    assert gram_difference(torch.zeros(3, 3), torch.zeros(3, 3)) == 0
    assert gram_difference(torch.eye(3), torch.zeros(3, 3)).isfinite()


# --- Structural similarity ---------------------------------------------------------------------------------------------------


def test_structural_similarity(photo):
    image = photo(40, 56, 1)
    slightly, much = ((image + share * random(1, 3, 40, 56)).clamp(0, 1) for share in (0.03, 0.3))
    assert ssim(image, image).item() == pytest.approx(1, abs=1e-5)
    assert 0.98 > ssim(slightly, image) > ssim(much, image) + 0.1
    assert ssim(much, image).item() == pytest.approx(ssim(image, much).item(), rel=1e-4)


def test_structural_similarity_of_flat_pictures_by_hand():
    """Only the luminance term is left: (2ab + c) / (a² + b² + c) with c = 0.01²."""
    a, b = torch.full((1, 3, 24, 24), 0.2), torch.full((1, 3, 24, 24), 0.8)
    assert ssim(a, b).item() == pytest.approx((2 * 0.16 + 1e-4) / (0.04 + 0.64 + 1e-4), rel=1e-3)


def test_descending_raises_structural_similarity(photo):
    image = photo(32, 32, 1)
    moving = (image + 0.2 * random(1, 3, 32, 32)).requires_grad_()
    before = ssim(moving, image)
    (gradient,) = torch.autograd.grad(before, moving)
    assert gradient.isfinite().all() and ssim(moving + 0.05 * gradient / gradient.abs().max(), image) > before
