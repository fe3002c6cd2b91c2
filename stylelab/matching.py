"""Nearest neighbours among feature vectors under the cosine: chunked matrix products, one implementation for every device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .precision import has_fast_bf16

GROUPS = 256  # keys compared side by side; a reduction over the other axis is several times faster than one along a row
TABLE = 2**22  # similarities held at once: 8 MB in bf16, which stays in a CPU's last cache
SHORTLIST = 4  # candidates that a bf16 search hands to float32


def rows(features: Tensor) -> Tensor:
    """(1, C, H, W) as (H * W, C)."""
    return features[0].flatten(1).T


def unit(vectors: Tensor, centre: Tensor | None = None) -> Tensor:
    """Vectors (N, C) minus `centre` (C,), each scaled to length 1; a zero vector stays zero."""
    return F.normalize(vectors if centre is None else vectors - centre, dim=1)


@torch.no_grad()
def nearest(queries: Tensor, keys: Tensor) -> Tensor:
    """For each query the index of the key with the largest inner product: the cosine's nearest neighbour of `unit` vectors.

    Exhaustive. Where bf16 products are fast they only propose: the best `SHORTLIST` of the groups' winners are compared in
    float32, so that a wrong pick can only be one whose similarity is within bf16's rounding of the best.

    Args:
        queries: (M, C) float32. keys: (K, C) float32, K at least 1.

    Returns:
        (M,) int64 in [0, K). Memory beyond the arguments: the keys once more, and `TABLE` numbers.
    """
    count = len(keys)
    if count <= GROUPS:
        return (queries @ keys.T).argmax(1)
    padded = F.pad(keys, (0, 0, 0, -count % GROUPS))
    padded[count:] = keys[-1]  # a copy of a real key wins only where that key would
    fast = has_fast_bf16(keys.device)
    table = padded.to(torch.bfloat16 if fast else keys.dtype).T
    height = max(32, TABLE // len(padded) // 32 * 32)  # whole tiles of the matrix product
    products = table.new_empty(min(height, len(queries)), len(padded))  # fresh memory for each chunk would double the time
    found = []
    for chunk in queries.split(height):
        similarity = products[: len(chunk)]
        torch.mm(chunk.to(table.dtype), table, out=similarity)
        similarity = similarity.view(len(chunk), -1, GROUPS)  # key = row * GROUPS + group
        groups = similarity.amax(1).topk(SHORTLIST if fast else 1, dim=1).indices
        column = similarity.gather(2, groups[:, None].expand(-1, similarity.shape[1], -1))
        candidates = column.argmax(1) * GROUPS + groups
        if fast:
            exact = (padded[candidates] @ chunk[:, :, None])[..., 0]
            candidates = candidates.gather(1, exact.argmax(1, keepdim=True))
        found.append(candidates[:, 0])
    return torch.cat(found).clamp_(max=count - 1)
