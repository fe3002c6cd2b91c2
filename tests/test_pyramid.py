"""Laplacian pyramids: exact inverse, levels that suit the picture, and numbers worked out by hand."""

import pytest
import torch

from stylelab.pyramid import collapse, decompose, most_levels, scale_to

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (17, 33), (27, 85), (64, 64), (76, 85), (80, 31)]


@pytest.mark.parametrize("levels", [1, 2, 8])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_collapse_inverts_decompose(size, levels, photo, device):
    image = photo(*size, 0).to(device)
    bands = decompose(image, levels)
    assert len(bands) == min(levels, most_levels(image))
    assert bands[0].shape == image.shape and min(min(band.shape) for band in bands) >= 1
    assert (collapse(bands) - image).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("size", "levels"), [((1, 1), 1), ((1, 100), 1), ((2, 3), 2), ((16, 16), 5), ((31, 99), 5), ((256, 256), 9)], ids=str
)
def test_most_levels_ends_at_one_pixel(size, levels):
    image = torch.zeros(1, 3, *size)
    assert most_levels(image) == levels
    assert min(decompose(image, 99)[-1].shape[-2:]) == 1


def test_a_flat_picture_has_empty_bands():
    bands = decompose(torch.full((1, 3, 21, 34), 0.375), 5)
    assert all(band.abs().max() < 1e-6 for band in bands[:-1])
    assert torch.allclose(bands[-1], torch.tensor(0.375))


def test_by_hand():
    detail, mean = decompose(torch.tensor([[0.0, 1.0], [2.0, 5.0]])[None, None], 8)
    assert mean.tolist() == [[[[2.0]]]]
    assert detail.tolist() == [[[[-2.0, -1.0], [0.0, 3.0]]]]


def test_each_side_is_halved_downwards():
    sizes = [tuple(band.shape[-2:]) for band in decompose(torch.zeros(1, 3, 17, 33), 8)]
    assert sizes == [(17, 33), (8, 16), (4, 8), (2, 4), (1, 2)]


def test_scale_to_by_hand():
    """Pixel centres: twice as wide, the new centres lie a quarter of a pixel off the old ones, and the ends repeat."""
    assert scale_to(torch.tensor([[[[0.0, 4.0]]]]), torch.zeros(1, 1, 1, 4)).tolist() == [[[[0.0, 1.0, 3.0, 4.0]]]]


def test_a_gradient_reaches_every_band():
    bands = [band.requires_grad_() for band in decompose(torch.rand(1, 3, 20, 12, generator=torch.Generator().manual_seed(0)), 8)]
    collapse(bands).sum().backward()
    assert torch.equal(bands[0].grad, torch.ones_like(bands[0]))
    assert all(abs(band.grad.sum().item() - 720) < 1e-2 for band in bands)
