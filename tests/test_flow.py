"""Optical flow: whole pixels by hand, and what is found of a known motion."""

import pytest
import torch
from torch.nn import functional as F

from stylelab import flow


def moved_by(x: float, y: float, height: int = 6, width: int = 8) -> torch.Tensor:
    return torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, height, width)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_along_whole_pixels_is_exact_and_the_border_repeats(mode):
    picture = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    fetched = flow.along(moved_by(2, -1), picture, mode)
    assert torch.allclose(fetched[..., 1:, :6], picture[..., :-1, 2:], atol=1e-5)
    if mode == "bilinear":
        assert torch.allclose(fetched[..., 0, 6:], picture[..., 0, 7:].expand(1, 3, 2), atol=1e-5)
    assert torch.allclose(flow.along(moved_by(0, 0), picture, mode), picture, atol=1e-5)


def test_along_half_a_pixel_is_the_mean():
    picture = torch.arange(8.0).expand(1, 1, 6, 8)
    assert torch.allclose(flow.along(moved_by(0.5, 0), picture)[..., :7], picture[..., :7] + 0.5, atol=1e-4)


def test_chained_flows_follow_the_second_where_the_first_leads():
    """By hand: one pixel right leads to where the second goes as many pixels down as the column says."""
    columns = torch.zeros(1, 2, 6, 8)
    columns[0, 1] = torch.arange(8.0)
    found = flow.chained(moved_by(1, 0), columns)
    assert torch.allclose(found[0, 0], torch.ones(6, 8), atol=1e-4)
    assert torch.allclose(found[0, 1, :, :7], torch.arange(1.0, 8.0).expand(6, 7), atol=1e-4)


def test_certain_is_what_leads_back_and_stays_inside():
    there, back = moved_by(3, 0).clone(), moved_by(-3, 0).clone()
    back[..., 2, :] = 4  # on this line nothing leads back
    sure = flow.certain(there, back)
    assert sure.unique().tolist() == [0, 1]
    assert sure[0, 0, :, 5:].sum() == 0 and sure[0, 0, 2].sum() == 0
    assert sure.sum() == 5 * 5


def test_a_known_motion_is_found(photo):
    """A photo's part and the same part three pixels left and two up."""
    whole = photo(80, 110, 3)
    whole = (whole + 0.2 * F.interpolate(torch.rand(1, 3, 20, 28, generator=torch.Generator().manual_seed(1)), (80, 110))).clamp(
        0, 1
    )
    frame, other = whole[..., 5:69, 6:102], whole[..., 7:71, 9:105]
    found = flow.flow(frame, other)
    away = (found - moved_by(-3, -2, 64, 96)).norm(dim=1)[..., 8:-8, 8:-8]
    assert away.median() < 0.15
    sure = flow.certain(found, flow.flow(other, frame))[..., 8:-8, 8:-8]
    assert sure.mean() > 0.9


def test_alike():
    frame = torch.full((1, 3, 9, 9), 0.5)
    carried = frame.clone()
    carried[..., 5:, :] += flow.ALIKE
    found = flow.alike(frame, carried)
    assert (found[..., :4, :] == 1).all() and torch.allclose(found[..., 6:, :], torch.tensor(-1.0).exp(), atol=1e-4)


def test_warping_error_by_hand():
    """What only moves has none; where a picture brightened by 0.1 it is 0.1; only what is sure counts."""
    before = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0)) * 0.8
    after, back, sure = before.roll(1, 3), moved_by(-1, 0), torch.ones(1, 1, 6, 8)
    sure[..., 0] = 0  # new in the picture
    assert flow.warping_error(before, after, back, sure) < 1e-6
    assert flow.warping_error(before, after + 0.1, back, sure) == pytest.approx(0.1, abs=1e-5)
    after[..., :4] += 0.2
    sure[..., 4:] = 0
    assert flow.warping_error(before, after, back, sure) == pytest.approx(0.2, abs=1e-5)
    assert flow.warping_error(before, after, back, torch.zeros_like(sure)) == 0
