"""Nearest neighbours among feature vectors under the cosine: chunked matrix products, one implementation for every device."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .precision import has_fast_bf16

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")  # said once by `Patches.similarity`

GROUPS = 256  # keys compared side by side; a reduction over the other axis is several times faster than one along a row
TABLE = 2**22  # similarities held at once: 8 MB in bf16, which stays in a CPU's last cache
SHORTLIST = 4  # candidates that a bf16 search hands to float32
ROUNDS, NEAR = 50, 0.005  # of `shared_out`: rounds at most, and how near shares have to be
SHIFT = 0.75  # from every correlation before the exponential: bf16 holds exp(25 / 0.07) as little as float32 does
WIDE = 2**28  # numbers in a table of patches' rows: 1 GiB
SMALLEST = 1e-36  # a place whose matches are all forbidden has no weight at all


def rows(features: Tensor) -> Tensor:
    """(1, C, H, W) as (H * W, C)."""
    return features[0].flatten(1).T


def patch_rows(features: Tensor, side: int) -> Tensor:
    """The patch of `side` x `side` places around every place of (1, C, H, W), the border repeated: (H * W, C * side**2)."""
    if side == 1:
        return rows(features)
    return F.unfold(F.pad(features, (side // 2,) * 4, mode="replicate"), side)[0].T


def overlapped(patches: Tensor, size: tuple[int, int], side: int) -> Tensor:
    """(1, C, *size) from a patch around every place, (H * W, C * side**2): the mean of what patches over a place say of it."""
    if side == 1:
        return patches.T.reshape(1, -1, *size)
    fold = functools.partial(F.fold, output_size=size, kernel_size=side, padding=side // 2)
    return fold(patches.T[None]) / fold(patches.new_ones(1, side**2, len(patches)))


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


def guided(vectors: Tensor, labels: Tensor | None, strength: float | None = None) -> Tensor:
    """Vectors (N, C) with channels appended that make the inner product of a query's and a key's smaller by `strength` times the
    squared difference of their labels; NNST section 5.

    Args:
        labels: shares (N, L) in [0, 1] of each label, or None: nothing is appended. A row of zeros is as good as any other; one
            that sums to less than 1 counts that much less.
        strength: given for queries, None for keys.
    """
    if labels is None:
        return vectors
    known = labels.sum(1, keepdim=True)
    if strength is None:
        return torch.cat([vectors, labels, labels.square().sum(1, keepdim=True), (known > 0).float()], 1)
    square = labels.square().sum(1, keepdim=True) / known.clamp(min=SMALLEST)
    return torch.cat([vectors, 2 * strength * labels, -strength * known, -strength * square], 1)


def shared_out(likeness: Tensor, shares: Sequence[float]) -> Tensor:
    """Which of K sources each of M places takes from, (M,): every source gets its share, as much alike as that allows.

    A bonus on a source's similarity keeps its share; they are found source by source (the dual of an assignment problem). With
    two sources the first round is exact, with more they go on until all shares are within `NEAR`. Places that are all alike
    cannot be shared out.

    Args:
        likeness: (K, M), similarity of each place's best match in each source. shares: K positive numbers that sum to 1.
    """
    count, bonus = likeness.shape[1], likeness.new_zeros(len(likeness), 1)
    wanted = [round(share * count) for share in shares]
    for _ in range(ROUNDS):
        for k in range(1, len(likeness)):
            raised = likeness + bonus
            others = torch.cat([raised[:k], raised[k + 1 :]]).amax(0)
            lead = (likeness[k] - others).sort(descending=True).values
            last = lead[wanted[k] - 1] if wanted[k] else lead[0] + 1
            first_out = lead[wanted[k]] if wanted[k] < count else lead[-1] - 1
            bonus[k] = -(last + first_out) / 2
        which = (likeness + bonus).argmax(0)
        counts = which.bincount(minlength=len(shares)).tolist()
        if len(shares) == 2 or max(abs(a - b) for a, b in zip(counts, wanted, strict=True)) <= NEAR * count:
            break
    return which


# --- Soft matches: every place with every other ------------------------------------------------------------------------------


def soft_matches(queries: Tensor, keys: Tensor, temperature: float, by_row: bool = False) -> Tensor:
    """exp(correlation / temperature) up to a factor, (M, N), of vectors of at most length 1: queries (M, C), keys (N, C).

    The factor is the same everywhere: rows without any likeness vanish at temperatures below 0.02, gradients first. With
    `by_row` each row has its own, none vanishes, and columns cannot be compared.
    """
    q = queries / temperature
    # One more channel subtracts SHIFT inside the product: 16 million numbers are touched once less.
    q = torch.cat([q, torch.full_like(q[:, :1], -SHIFT / temperature)], 1)
    found = q @ torch.cat([keys, torch.ones_like(keys[:, :1])], 1).T
    if by_row:
        found = found.sub_(found.detach().amax(1, keepdim=True))
    return found.exp_()


def warp(weights: Tensor, values: Tensor) -> Tensor:
    """For each row of `weights` (M, N) the mean of `values` (N, C) weighted by it; zeros where it has no weight."""
    together = weights @ torch.cat([values, torch.ones_like(values[:, :1])], 1)
    return together[:, :-1] / together[:, -1:].clamp(min=SMALLEST)


def as_map(vectors: Tensor, like: Tensor) -> Tensor:
    """(H * W, C) as (1, C, H, W) of the size of `like`."""
    return vectors.T.reshape(1, -1, *like.shape[-2:])


# --- Nearest-neighbour fields of patches -------------------------------------------------------------------------------------
#
# A field is int64 (N, 2, H, W): for every position of the left map the position (x, y) of its match in the right one.
# Similarity of two patches is the mean, over those of their positions that lie inside both maps, of the features' inner product.
# Two pairs of maps are matched together by stacking their channels: the inner products add.


def identity_field(size: tuple[int, int], other: tuple[int, int], device: torch.device | None = None) -> Tensor:
    """(1, 2, *size): every position's match is at the same relative place of a map of size `other`."""
    (height, width), (rows_, columns) = size, other
    y = (torch.arange(height, device=device) * 2 + 1) * rows_ // (2 * height)
    x = (torch.arange(width, device=device) * 2 + 1) * columns // (2 * width)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


def random_field(size: tuple[int, int], other: tuple[int, int], generator: torch.Generator, count: int = 1) -> Tensor:
    """(count, 2, *size): independent uniform matches in a map of size `other`, drawn on the CPU."""
    x = torch.randint(other[1], (count, *size), generator=generator)
    return torch.stack([x, torch.randint(other[0], (count, *size), generator=generator)], 1)


def scaled_field(field: Tensor, size: tuple[int, int], old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """The field by nearest neighbour at another resolution, (N, 2, *size); DIA 4.4.

    Each old position becomes a block whose parts map to the parts of its match, so that scaling by a whole number keeps matches
    exact. `old` and `new` are the (height, width) that it points into.
    """
    height, width = field.shape[-2:]
    y, x = torch.meshgrid(*((torch.arange(n, device=field.device, dtype=torch.float64) + 0.5) / n for n in size), indexing="ij")
    y, x = y * height, x * width
    values = field[..., y.long(), x.long()]
    to_x = ((values[:, 0] + x.frac()) * (new[1] / old[1])).long().clamp_(max=new[1] - 1)
    to_y = ((values[:, 1] + y.frac()) * (new[0] / old[0])).long().clamp_(max=new[0] - 1)
    return torch.stack([to_x, to_y], 1)


def relative(field: Tensor, other: tuple[int, int]) -> Tensor:
    """A field into a map of size `other` with places (x, y) relative to its width and height, float32 in [0, 1]."""
    return (field + 0.5) / torch.tensor([other[1], other[0]], device=field.device).view(1, 2, 1, 1)


@torch.no_grad()
def vote(image: Tensor, field: Tensor, patch: int) -> Tensor:
    """Rebuild the left map from the right one (N, C, h, w): every position is the mean of what the matches of the patches
    around it say, (N, C, H, W); DIA 4.5. A patch of 1 is plain warping.
    """
    n, channels, h, w = image.shape
    height, width = field.shape[-2:]
    table = image.permute(0, 2, 3, 1).reshape(-1, channels)
    first = torch.arange(n, device=image.device).view(-1, 1, 1) * (h * w)
    total, count = image.new_zeros(n, height, width, channels), image.new_zeros(n, height, width, 1)
    reach = range(-(patch // 2), patch // 2 + 1)
    for dy in reach:
        for dx in reach:
            ys, xs = (slice(max(0, d), side + min(0, d)) for d, side in ((dy, height), (dx, width)))  # the neighbour's place
            yt, xt = (slice(max(0, -d), side + min(0, -d)) for d, side in ((dy, height), (dx, width)))
            if ys.start >= ys.stop or xs.start >= xs.stop:
                continue
            x, y = field[:, 0, ys, xs] - dx, field[:, 1, ys, xs] - dy
            inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
            index = (first + y.clamp(0, h - 1) * w + x.clamp(0, w - 1)).flatten()
            values = table.index_select(0, index).view(*inside.shape, channels)
            total[:, yt, xt] += values * inside[..., None]
            count[:, yt, xt] += inside[..., None]
    return (total / count).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def paint(image: Tensor, field: Tensor, size: tuple[int, int], patch: int) -> Tensor:
    """`vote` at another resolution than the field's: (1, C, *size) from `image` (1, C, h, w).

    Args:
        field: relative places (1, 2, H, W), as from `relative`.
        patch: in the field's positions. Patches fade towards their border, so that none shows at any scale; at the field's own
            size they count alike, as in `vote`.
    """
    height, width = field.shape[-2:]
    places = [(torch.arange(n, device=image.device) + 0.5) * (m / n) for n, m in zip(size, (height, width), strict=True)]
    half, plain = (patch + 1) / 2, size == (height, width)
    step = [n / m for n, m in zip(size, image.shape[-2:], strict=True)]  # a pixel here is a pixel there, whatever the two sizes
    total, weights = image.new_zeros(1, image.shape[1], *size), image.new_zeros(1, 1, *size)
    for i, j in itertools.product(range(-(patch // 2), patch // 2 + 1), repeat=2):
        y, x = places[0].long() + i, places[1].long() + j
        away = [places[0] - y - 0.5, places[1] - x - 0.5]  # from the patch's centre, in positions of the field
        weight = [((p >= 0) & (p < n)).float() for p, n in zip((y, x), (height, width), strict=True)]
        if not plain:
            weight = [w * (half - part.abs()).clamp(min=0) for w, part in zip(weight, away, strict=True)]
        match = field[0][:, y.clamp(0, height - 1)][:, :, x.clamp(0, width - 1)]
        to_x = match[0] + away[1] / width * step[1]
        to_y = match[1] + (away[0] / height * step[0])[:, None]
        weight = weight[0][:, None] * weight[1]
        if (i, j) != (0, 0):  # the place's own patch can only be outside by a rounding
            weight = weight * ((to_x >= 0) & (to_x < 1) & (to_y >= 0) & (to_y < 1))
        grid = torch.stack([to_x, to_y], -1)[None] * 2 - 1
        total += weight * F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
        weights += weight
    return total / weights


class Patches:
    """Two feature maps ready for comparing patches of any of their positions.

    Args:
        left: (N, C, H, W) float32. right: (N, C, h, w).
        patch: side of the square patches, odd.
    """

    def __init__(self, left: Tensor, right: Tensor, patch: int):
        self.patch, self.count = patch, len(left)
        self.sizes = left.shape[-2:], right.shape[-2:]
        # Side by side in memory a patch's row is one product; a table that would be too large for that has single places.
        self.row = patch if patch * max(left.numel(), right.numel()) <= WIDE else 1
        self.left, self.right = self.table(left), self.table(right)
        # How far a patch may reach to the left, right, top and bottom of each position.
        self.reach = [self.margins(size, left.device) for size in self.sizes]

    def table(self, features: Tensor) -> Tensor:
        """(N, H + patch - 1, W, patch * C): rows of patches, zeros outside. A patch is `patch` of them, one above the other. Or
        (N, H + patch - 1, W + patch - 1, C): single places.
        """
        n, channels, height, width = features.shape
        reach, more = self.patch // 2, self.patch - 1
        padded = features.new_zeros(n, height + more, width + more, channels)
        padded[:, reach : reach + height, reach : reach + width] = features.permute(0, 2, 3, 1)
        return padded.unfold(2, self.row, 1).transpose(3, 4).flatten(3) if self.row > 1 else padded

    def in_table(self, places: Tensor, table: Tensor, size: tuple[int, int]) -> Tensor:
        """Positions in a map of `size` as rows of its table, whose maps are taller, and may be wider."""
        n, y, x = places // (size[0] * size[1]), places // size[1] % size[0], places % size[1]
        return (n * table.shape[1] + y) * table.shape[2] + x

    def margins(self, size: tuple[int, int], device: torch.device) -> Tensor:
        """(4, H * W), int16."""
        y, x = (torch.arange(n, device=device).clamp(max=self.patch // 2).to(torch.int16) for n in size)
        return torch.stack([part.expand(size) for part in (x, x.flip(0), y[:, None], y.flip(0)[:, None])]).flatten(1)

    def similarity(self, left: Tensor, right: Tensor) -> Tensor:
        """Similarity of the patches at positions `left` and `right`, (K,); positions are n * H * W + y * W + x, `left` ascending.

        One sampled matrix product for each row of the patch: only the wanted inner products, and nothing gathered.
        """
        (height, width), (h, w) = self.sizes
        ours, theirs = (table.flatten(0, 2) for table in (self.left, self.right))
        places = [self.in_table(*part) for part in ((left, self.left, self.sizes[0]), (right, self.right, self.sizes[1]))]
        count = len(ours) - (self.patch - 1) * self.left.shape[2] - (self.patch - self.row)  # the last patch's first place, and 1
        starts = torch.searchsorted(places[0], torch.arange(count + 1, device=left.device))
        total = ours.new_zeros(len(left))
        for dy, dx in itertools.product(range(self.patch), range(0, self.patch, self.row)):
            here, there = (dy * table.shape[2] + dx for table in (self.left, self.right))
            pattern = torch.sparse_csr_tensor(starts, places[1] + there, total, (count, len(theirs)), check_invariants=False)
            total = torch.sparse.sampled_addmm(pattern, ours[here : here + count], theirs.T).values()
        a, b = self.reach[0][:, left % (height * width)], self.reach[1][:, right % (h * w)]
        reach = torch.minimum(a, b)
        return total / ((reach[0] + reach[1] + 1) * (reach[2] + reach[3] + 1))


@torch.no_grad()
def nearest_patches(left: Tensor, right: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """The exact nearest-neighbour field, by comparing every patch with every other: the reference, and quick on small maps.

    Returns:
        field (N, 2, H, W) and similarity (N, H, W). Time grows with the product of the sizes; memory beyond the unfolded maps is
        `TABLE` numbers.
    """
    width = right.shape[-1]
    kernel = dict(kernel_size=patch, padding=patch // 2)
    queries, keys = (F.unfold(x, **kernel).transpose(1, 2) for x in (left, right))
    inside = [F.unfold(torch.ones_like(x[:1, :1]), **kernel)[0].T for x in (left, right)]
    best, found = [], []
    for query, key in zip(queries, keys, strict=True):
        for start in range(0, len(query), step := max(1, TABLE // len(key))):
            part = slice(start, start + step)
            value, index = ((query[part] @ key.T) / (inside[0][part] @ inside[1].T)).max(1)
            best.append(value)
            found.append(index)
    index = torch.cat(found).view(len(left), *left.shape[-2:])
    return torch.stack([index % width, index // width], 1), torch.cat(best).view_as(index)


FAR = -(2**30)  # a place that is near no match
JUMPS = (8, 4, 2, 1)  # authors' code: propagation as jump flooding, so that all positions can be handled at once


@torch.no_grad()
def patchmatch(
    left: Tensor,
    right: Tensor,
    field: Tensor,
    *,
    patch: int,
    radius: int,
    generator: torch.Generator,
    iterations: int = 10,
    limit: int | None = None,
) -> tuple[Tensor, Tensor]:
    """PatchMatch (Barnes et al. 2009) in parallel: improve a field by propagation and random search, DIA 4.2.

    Args:
        left, right, patch: see `Patches`; features normally have unit length at every position.
        field: where to start.
        radius: random search draws within +-radius of the present match, then within half of it, and so on down to 1.
        generator: of random numbers, on the CPU.
        limit: a match is not taken, however similar, if it is farther than this along x or y from where its position started, and
            from what the starts of its neighbours `limit` away, level, upright or diagonal, would offer it.
        iterations: 10 in the authors' code.

    Returns:
        the field and its similarity (N, H, W), nowhere lower than at the start.
    """
    compare = Patches(left, right, patch)
    (height, width), (h, w) = compare.sizes
    count, area = len(left), h * w
    here = torch.arange(count * height * width, device=left.device)
    first = here // (height * width) * area  # where this map's positions begin
    x, y = (part.flatten().clone() for part in field.unbind(1))
    best = compare.similarity(here, first + y * w + x)
    fresh = torch.ones_like(here, dtype=torch.bool)  # what changed in this iteration or in the one before

    def attempt(rows_: Tensor, new_x: Tensor, new_y: Tensor) -> None:
        """Take the matches offered to positions `rows_` where they are better."""
        if limit is not None:
            near = torch.zeros_like(rows_, dtype=torch.bool)
            for start_x, start_y in starts:
                near |= ((new_x - start_x[rows_]).abs() <= limit) & ((new_y - start_y[rows_]).abs() <= limit)
            rows_, new_x, new_y = rows_[near], new_x[near], new_y[near]
        value = compare.similarity(rows_, first[rows_] + new_y * w + new_x)
        better = value > best[rows_]
        rows_ = rows_[better]
        best[rows_], x[rows_], y[rows_], changed[rows_] = value[better], new_x[better], new_y[better], True

    def shifted(values: Tensor, dy: int, dx: int, outside) -> Tensor:
        """What the neighbour at (-dy, -dx) has."""
        whole = values.view(count, height, width)
        moved = torch.full_like(whole, outside)
        moved[:, max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = whole[
            :, max(0, -dy) : height + min(0, -dy), max(0, -dx) : width + min(0, -dx)
        ]
        return moved.view(-1)

    # Where a position and its neighbours `limit` away started: the last are what they offer, so that borders may move.
    around = [] if limit is None else itertools.product((0, -limit, limit), repeat=2)
    starts = [
        (shifted(x, dy, dx, FAR) + dx, shifted(y, dy, dx, FAR) + dy) for dy, dx in around if abs(dy) < height and abs(dx) < width
    ]

    for _ in range(iterations):
        changed = torch.zeros_like(fresh)
        for jump in JUMPS:
            for dy, dx in ((0, jump), (0, -jump), (jump, 0), (-jump, 0)):
                if abs(dy) >= height or abs(dx) >= width:
                    continue
                new_x, new_y = shifted(x, dy, dx, -1), shifted(y, dy, dx, -1)
                known = new_x >= 0
                new_x, new_y = (new_x + dx).clamp_(0, w - 1), (new_y + dy).clamp_(0, h - 1)
                # In a region that moves as one, neighbours offer what is there already; a neighbour's old news was heard before.
                known &= ((new_x != x) | (new_y != y)) & shifted(fresh | changed, dy, dx, False)
                rows_ = known.nonzero()[:, 0]
                attempt(rows_, new_x[rows_], new_y[rows_])
        reach = radius
        while reach >= 1:
            new_x, new_y = (
                (part + torch.randint(-reach, reach + 1, (len(here),), generator=generator).to(part.device)).clamp_(0, side - 1)
                for part, side in ((x, w), (y, h))
            )
            attempt(here, new_x, new_y)
            reach //= 2
        fresh = changed
    return torch.stack([x, y]).view(2, count, height, width).transpose(0, 1).contiguous(), best.view(count, height, width)


# --- Patch-based synthesis ---------------------------------------------------------------------------------------------------

FORBIDDEN = 4.0  # squared difference from what is no picture; colours differ by 3 at most


def side_by_side(pictures: Sequence[Tensor], gap: int, multiple: int = 1, turns: int = 1) -> Tensor:
    """Pictures (1, C, h, w) of any sizes in one (1, C, H, W), at least `gap` apart, each from a multiple of `multiple` on.

    Each is there `turns` times, turned by a quarter more each time; no more than one of these copies is held.
    """

    def cell(side: int) -> int:
        return -(-(side + gap) // multiple) * multiple

    laid = list(itertools.product(pictures, range(turns)))
    sizes = [tuple(picture.shape[-2:])[:: -1 if turn % 2 else 1] for picture, turn in laid]
    widths = [cell(width) for _, width in sizes]
    together = pictures[0].new_zeros(1, pictures[0].shape[1], cell(max(height for height, _ in sizes)), sum(widths))
    for (picture, turn), (height, width), x in zip(laid, sizes, itertools.accumulate([0, *widths]), strict=False):
        together[..., :height, x : x + width] = picture.rot90(turn, (2, 3)) if turn else picture
    return together


def patchwork(
    guide: Tensor,
    source: Tensor,
    inside: Tensor,
    factor: float,
    *,
    labels: tuple[Tensor, Tensor, float] | None = None,
    levels: Sequence[int],
    patch: int,
    rounds: int,
    iterations: int,
    radius: int,
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Patch-based synthesis (Kwatra et al. 2005; Fiser et al. 2016): where each place of `guide` finds its like in `source`.

    From coarse to fine, and in turns: patches are matched by squared difference, and the picture that the matches make is mixed
    with the guide, half and half, to be matched next. So neighbours come to take from one place, and what they say agrees.

    Args:
        guide: (1, C, H, W) in [0, 1]. source: (1, C, h, w), whose pixels are `factor` times as fine as the guide's.
        inside: (1, 1, any size), 0 where `source` is nothing to be taken.
        labels: shares of labels in guide and source (1, L, any size), and what their squared difference weighs; see `guided`.
        levels: by how much guide and source are reduced; the last is 1.
        patch, iterations, radius: of `patchmatch`; `radius` from the second level on. rounds: turns on each level.

    Yields:
        after each turn the field (1, 2, H, W) of relative places in `source`, and the picture that it makes, at the level's size.
    """

    def reduced(image: Tensor, by: float) -> Tensor:
        size = [max(1, round(side / by)) for side in image.shape[-2:]]
        return F.interpolate(image, size=size, mode="bilinear", antialias=True)

    def comparable(image: Tensor, shares: Tensor | None, outside: Tensor | None = None) -> Tensor:
        """Channels whose inner product is minus the squared difference: of a query, or of a key where `outside` is given."""
        square, one = image.square().sum(1, keepdim=True), torch.ones_like(image[:, :1])
        parts = (2 * image, -square, -one, -FORBIDDEN * one) if outside is None else (image, one, square, outside)
        strength = labels[2] if labels and outside is None else None
        return as_map(guided(rows(torch.cat(parts, 1)), None if shares is None else rows(shares), strength), image)

    sources = [reduced(source, factor * level) for level in levels]
    del source  # the largest of all; a decorator such as `no_grad` would keep it
    field = other = None
    for level, theirs in zip(levels, sources, strict=True):
        ours = reduced(guide, level)
        before, (size, other) = other, (tuple(x.shape[-2:]) for x in (ours, theirs))
        sized = functools.partial(F.interpolate, mode="bilinear", antialias=True)
        queried = sized(labels[0], size) if labels else None
        keys = comparable(theirs, sized(labels[1], other) if labels else None, 1 - sized(inside, other))
        if field is None:
            field, reach, wanted = random_field(size, other, generator).to(guide.device), max(other), ours
        else:
            field, reach = scaled_field(field, size, before, other), radius
            wanted = (ours + vote(theirs, field, patch)) / 2
        for _ in range(rounds):
            queries = comparable(wanted, queried)
            field, _ = patchmatch(queries, keys, field, patch=patch, radius=reach, generator=generator, iterations=iterations)
            made = vote(theirs, field, patch)
            wanted = (ours + made) / 2
            yield relative(field, other), made
