"""Colour transforms in a grid over place and brightness: cases whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from stylelab.bilateral import brightness, constant_grid, places, roughness, transformed

AFFINE = torch.tensor([[0.5, 0.2, 0.0, 0.1], [0.0, -1.0, 0.3, 0.9], [0.1, 0.1, 0.7, -0.05]])  # rows: r, g, b, 1 to one channel
OTHER = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.2], [2.0, 0.0, 0.0, -0.3]])
SHAPES = [(32, 32), (20, 47), (61, 16), (16, 200), (1, 1), (2, 5)]


def identity_grid(image, cells, levels):
    return constant_grid(image, cells, levels, torch.eye(3), torch.zeros(3, 1))


def constant(affine: torch.Tensor, levels: int = 8, h: int = 5, w: int = 7) -> torch.Tensor:
    return affine.flatten().view(1, 12, 1, 1, 1).repeat(1, 1, levels, h, w)


def by_hand(image: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    return torch.einsum("oc,nchw->nohw", affine[:, :3], image) + affine[:, 3].view(1, 3, 1, 1)


def rough(image: torch.Tensor, strength: float = 0.3) -> torch.Tensor:
    """A grid for `image` whose every cell has a transform of its own."""
    grid = identity_grid(image, 6, 4)
    return grid + strength * torch.randn(grid.shape, generator=torch.Generator().manual_seed(0))


def acted(image: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return transformed(image, grid, places(image))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_identity_changes_nothing(shape, photo, device):
    image = photo(*shape, 1).to(device)
    assert torch.allclose(acted(image, identity_grid(image, 16, 8)), image, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "cells"), [((64, 64), (16, 16)), ((32, 64), (8, 16)), ((64, 40), (16, 10)), ((2, 90), (2, 16))]
)
def test_cells_are_about_square(shape, cells):
    assert identity_grid(torch.zeros(1, 3, *shape), 16, 8).shape == (1, 12, 8, *cells)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_transform_everywhere(shape, photo, device):
    image = photo(*shape, 2).to(device)
    assert torch.allclose(acted(image, constant(AFFINE).to(device)), by_hand(image, AFFINE.to(device)), atol=1e-5)


def test_brightness_is_luma():
    colours = torch.eye(3).view(1, 3, 1, 3)
    assert torch.allclose(brightness(colours).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    assert brightness(torch.ones(1, 3, 1, 1)).item() == pytest.approx(1)


def test_dark_and_bright_sides_of_an_edge_have_their_own_transforms():
    """Neither blurs into the other, although cells reach over the edge."""
    image = torch.full((1, 3, 30, 45), 0.1)
    image[..., 22:] = 0.9
    grid = constant(AFFINE)
    grid[:, :, 4:] = OTHER.flatten().view(1, 12, 1, 1, 1)
    found = acted(image, grid)
    assert torch.allclose(found[..., :22], by_hand(image, AFFINE)[..., :22], atol=1e-5)
    assert torch.allclose(found[..., 22:], by_hand(image, OTHER)[..., 22:], atol=1e-5)


def test_places_in_the_grid_are_places_in_the_picture():
    """A grid whose cells tell their own column or row by what they add: read at a cell's middle, that cell alone."""
    image = torch.full((1, 3, 15, 35), 0.5)  # three by three and five by five pixels a cell
    grid = constant(torch.zeros(3, 4), 8, 5, 7)
    grid[:, 3] = torch.arange(7.0).view(1, 1, 1, 7)
    grid[:, 7] = torch.arange(5.0).view(1, 1, 5, 1)
    red, green, _ = acted(image, grid)[0]
    assert torch.allclose(red[:, 2::5], torch.arange(7.0).expand(15, 7), atol=1e-4)
    assert torch.allclose(green[1::3], torch.arange(5.0).view(5, 1).expand(5, 35), atol=1e-4)
    assert torch.allclose(red[0, 2:8].diff(), torch.full((5,), 0.2), atol=1e-4)  # and evenly from one to the next


def test_levels_in_the_grid_are_brightness():
    image = ((torch.arange(8) + 0.5) / 8).view(1, 1, 1, 8).expand(1, 3, 1, 8)
    grid = constant(torch.zeros(3, 4), 8)
    grid[:, 3] = torch.arange(8.0).view(1, 8, 1, 1)
    assert torch.allclose(acted(image, grid)[0, 0, 0], torch.arange(8.0), atol=1e-4)


def test_a_grid_acts_at_any_size(photo):
    """On the enlarged picture it gives the enlarged result, up to how a transform changes within a pixel."""
    image = photo(48, 70, 1)
    grid, large = rough(image, 0.2), image.repeat_interleave(2, 2).repeat_interleave(2, 3)
    small, result = acted(image, grid), acted(large, grid)
    assert (small - image).abs().mean() > 0.1
    assert (F.avg_pool2d(result, 2) - small).abs().max() < 0.02 and (F.avg_pool2d(result, 2) - small).abs().mean() < 1e-3
    assert (result - small.repeat_interleave(2, 2).repeat_interleave(2, 3)).abs().mean() < 0.02


def test_roughness():
    assert roughness(constant(AFFINE), 1.0, 1.0) == 0
    ramp = constant(torch.zeros(3, 4), 8)
    ramp += 0.5 * torch.arange(7.0)
    for grid in (ramp, ramp.transpose(2, 4), ramp.transpose(3, 4)):
        assert roughness(grid, 1.0, 1.0).item() == pytest.approx(0.25)
    assert roughness(rough(torch.zeros(1, 3, 40, 40)), 1.0, 1.0) > 0.1


def test_gradients_reach_every_cell_of_the_levels_that_are_read(photo):
    image = photo(60, 60, 3) * 0.2 + 0.1  # brightness 0.1 to 0.3
    grid = identity_grid(image, 6, 8).requires_grad_()
    acted(image, grid).square().sum().backward()
    seen = grid.grad.abs().sum((0, 1))
    assert grid.grad.isfinite().all() and (seen[:3].sum(0) > 0).all() and seen[4:].abs().max() == 0


def test_a_transform_is_found_again(photo):
    """By least squares' own means: a few steps down bring the picture to one that was transformed."""
    image = photo(40, 40, 1)
    wanted, grid = by_hand(image, AFFINE), identity_grid(image, 4, 4).requires_grad_()
    optimiser = torch.optim.Adam([grid], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (acted(image, grid) - wanted).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.003 < 0.03 < (image - wanted).square().mean()
