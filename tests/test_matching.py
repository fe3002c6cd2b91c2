"""Nearest neighbours: against brute force, the authors' numbers, and cases with known answers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stylelab import matching
from stylelab.matching import nearest, rows, unit

BF16 = 2**-8  # distance between two bf16 numbers just below 1


def random(count: int, channels: int, seed: int) -> torch.Tensor:
    """Unit vectors, non-negative before centring as features are."""
    vectors = torch.rand(count, channels, generator=torch.Generator().manual_seed(seed)) ** 3
    return unit(vectors, vectors.mean(0) if count > 1 else None)


@pytest.mark.parametrize("fast", [False, True], ids=["float32", "bf16"])
def test_by_hand(fast, bf16):
    bf16(fast)
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    queries = torch.tensor([[0.9, 0.1], [0.2, 0.8], [-1.0, 0.1], [0.0, -1.0]])
    assert nearest(queries[:3], keys).tolist() == [0, 1, 2]
    assert keys[nearest(queries[3:], keys)[0]].tolist() in ([1.0, 0.0], [-1.0, 0.0])


@pytest.mark.parametrize("fast", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize(
    ("m", "k", "channels"),
    [
        *[(1, 1, 5), (7, 1, 3), (1, 40, 8), (50, 255, 8), (50, 256, 8)],
        *[(1, 257, 8), (50, 257, 16), (33, 512, 7), (100, 1000, 3), (70, 2049, 64)],
    ],
    ids=str,
)
def test_as_good_as_brute_force(m, k, channels, fast, bf16, device, monkeypatch):
    bf16(fast)
    monkeypatch.setattr(matching, "TABLE", 2**14)  # several chunks, the last of them shorter
    queries, keys = random(m, channels, 0).to(device), random(k, channels, 1).to(device)
    similarity = queries @ keys.T
    found = nearest(queries, keys)
    assert found.shape == (m,) and found.dtype == torch.int64 and found.min() >= 0 and found.max() < k
    short = similarity.amax(1) - similarity.gather(1, found[:, None])[:, 0]
    assert short.max() < (BF16 if fast else 1e-6)
    if fast:
        assert short.mean() < BF16 / 16  # thanks to the shortlist, nearly always the very best
    else:
        assert torch.equal(found, similarity.argmax(1))


def test_one_chunk_or_many(bf16, monkeypatch):
    bf16(False)
    queries, keys = random(200, 12, 2), random(700, 12, 3)
    whole = nearest(queries, keys)
    monkeypatch.setattr(matching, "TABLE", 1)
    assert torch.equal(nearest(queries, keys), whole)


def test_the_authors_matches(device):
    with np.load(Path(__file__).parent / "reference" / "nnst_match.npz") as arrays:
        query, keys, replaced = (rows(torch.from_numpy(arrays[name]).to(device)) for name in ("query", "keys", "replaced"))
    assert torch.equal(keys[nearest(unit(query, query.mean(0)), unit(keys, keys.mean(0)))], replaced)


@pytest.mark.parametrize("fast", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("side", [10, 23])
def test_a_known_shift_is_found(side, fast, bf16, device):
    bf16(fast)
    features = torch.randn(1, 24, side, side, generator=torch.Generator().manual_seed(5)).to(device)
    positions = torch.arange(side * side, device=device).view(1, 1, side, side)
    found = nearest(unit(rows(features.roll((3, -2), (2, 3)))), unit(rows(features)))
    assert torch.equal(found, positions.roll((3, -2), (2, 3)).flatten())


@pytest.mark.parametrize("fast", [False, True], ids=["float32", "bf16"])
def test_padding_never_wins(fast, bf16):
    """All similarities are negative: a zero vector would be nearer than any real key. The last key is the best one."""
    bf16(fast)
    keys = -random(300, 6, 7).abs() - 0.1
    keys[-1] *= 0.01
    assert nearest(random(20, 6, 8).abs(), keys).tolist() == [299] * 20


@pytest.mark.parametrize("fast", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("k", [3, 300])
def test_zero_vectors(k, fast, bf16):
    bf16(fast)
    zeros = torch.zeros(5, 8)
    assert torch.equal(unit(zeros), zeros)
    for queries, keys in [(zeros, random(k, 8, 0)), (random(5, 8, 0), torch.zeros(k, 8)), (zeros, torch.zeros(k, 8))]:
        found = nearest(queries, keys)
        assert found.min() >= 0 and found.max() < k


def test_unit_centres_then_scales():
    vectors = torch.tensor([[3.0, 5.0], [0.0, 1.0]])
    assert torch.allclose(unit(vectors, torch.tensor([0.0, 1.0])), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert torch.allclose(unit(vectors).norm(dim=1), torch.ones(2))


def test_rows_run_along_the_width_first():
    assert rows(torch.arange(12.0).view(1, 2, 2, 3))[:4].tolist() == [[0, 6], [1, 7], [2, 8], [3, 9]]
