"""Deep Image Analogy: visual attribute transfer (Liao, Yao, Yuan, Hua & Kang, SIGGRAPH 2017).

A is the content, B' the style; A' (A with the look of B') and B (B' with the look of A) are wanted.

1. Activations of both pictures at conv5_1 ... conv1_1; at layer 5, A' = A and B = B' (4.1).
2. At each layer two nearest-neighbour fields: A to B and A' to B' together, and back, by PatchMatch on features of unit length;
   patches of 3, at layers 2 and 1 of 5 (4.2, equation 2).
3. What B' looks like in A's shape one layer below: its warped features deconvolved by L-BFGS (4.2, equation 5). A' there is a
   blend of that with A's own features, which weigh most where they respond (4.3, equations 4 and 6). B likewise.
4. The fields, enlarged by nearest neighbour, start the next layer, and the search stays near them (4.4).
5. The last fields rebuild A' from B' and B from A at the result's size by averaging 5 x 5 patches (4.5).
6. Photo to photo: only the colours of A' are kept, by weighted least squares along A: A + WLS(A' - A) (6.4, equation 7).

Where we leave the paper, or it leaves us the choice:
- Deconvolution starts from the real features of B', rebuilt with the enlarged field, as in the authors' code; the paper starts at
  random and needs hundreds of updates. It ends early when five updates improve the loss by less than `SLOW`.
- The limit to the search around the enlarged field applies at layers 3 to 1. At layer 4 it holds for the random draws only: in a
  small picture the field of layer 5 is too coarse to be trusted (PF-WILLOW keypoints: 0.30 right against 0.25). A match is near
  enough if it is near where its place or a neighbour as far away as the radius started; otherwise the coarse blocks stay visible.
- Convolutions repeat a picture's border instead of padding it with zeros: zeros look like something at every border, and borders
  were then matched with borders and left a seam.
- The paper's text averages the matches of neighbours; we average what their patches say about this place, as its code does.
- A result larger than the matching is painted from the same patches, enlarged and fading towards their border: the field
  enlarged by nearest neighbour leaves staircases.
- The weight of each task is the authors' README's (`OFFSETS`); the paper only names the two offsets of 0.1.
- Equation 7 is linear in the filtered picture, so that one WLS of the difference gives it. Its values are the authors' code's;
  for a result larger than the matching its strength grows with the scale, which keeps the reach.
- Pictures are matched at a long side of `match_size`, never more than the result's and not under 200 px (authors' code),
  nor so small that the short side would be under 16 px.

The `official` preset has the authors' values (msracver/Deep-Image-Analogy): a hard threshold as weight map, fields that begin as
the identity, deconvolution by two layers towards averaged features, a search without limit, and a final patch of 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import cg, splu
from torch import Tensor
from torch.nn import functional as F

from ..features import VGG, load_extractor
from ..images import least_side, resize
from ..matching import identity_field, paint, patchmatch, random_field, relative, scaled_field, vote
from ..method import Method, Params, Step, knob, own_size
from ..pyramid import scale_to

LEVELS = (5, 4, 3, 2, 1)
PATCH = {5: 3, 4: 3, 3: 3, 2: 5, 1: 5}  # 4.2
RADIUS = {4: 6, 3: 6, 2: 4, 1: 4}  # 4.4
LIMITED = (3, 2, 1)  # see above
ALPHA = {4: 0.8, 3: 0.7, 2: 0.6, 1: 0.1}  # 4.3
OFFSETS = {"photo to style": 0.1, "style to style": 0.1, "style to photo": 0.0, "photo to photo": 0.1}  # authors' README
KAPPA, TAU = 300.0, 0.05  # 4.3
LEAST_SIDE = 200  # px; authors' code
DEPTH = {"none": 0, "one layer": 1, "two layers": 2}
CHUNK = 5  # L-BFGS updates between two steps
HISTORY = 4  # pairs that L-BFGS keeps; authors' code
SLOW = 0.01  # ours: relative gain of a chunk of updates below which it ends
WLS_STRENGTH, WLS_EPSILON = 0.8, 1e-4  # authors' code: lambda, epsilon; alpha is 1
DIRECT = 2**18  # pixels up to which WLS is factorised; the factors of more do not fit
CORNERS = ((0.9, 0.1, 0.15), (0.95, 0.85, 0.1), (0.1, 0.2, 0.85), (0.05, 0.7, 0.35))  # colours of places: top left, right, bottom


@dataclass(frozen=True)
class AnalogyParams(Params):
    task: str = knob(
        "photo to style",
        "What the two pictures are",
        choices=tuple(OFFSETS),
        help="Content to style. Style to photo keeps less of the content's structure; photo to photo transfers colours only; the "
        "first two are alike.",
    )
    structure: float = knob(
        0.0,
        "Keep structure",
        -0.3,
        1.0,
        step=0.1,
        help="Added to the content's weight at all layers; 1: two views of one scene.",
    )
    bidirectional: bool = knob(
        True, "Both directions", help="Match A with B as well as A' with B', so that the two fields agree (figure 5)."
    )
    hierarchical: bool = knob(
        True, "Coarse to fine", help="Each layer starts from the field of the one above; off: every layer for itself (figure 8)."
    )
    refinement: bool = knob(
        True, "Colours only", help="Photo to photo: keep the content's details and take the colours only (figure 19)."
    )
    match_size: int = knob(
        448, "Matching size", 64, 700, step=4, help="Long side at which places are matched, in pixels; at most the result's."
    )
    deconvolution: str = knob(
        "one layer",
        "Deconvolution",
        choices=("one layer", "two layers", "none"),
        help="How matched features come down a layer; none: the field is enlarged and resampled (figure 5).",
        advanced=True,
    )
    deconvolution_steps: int = knob(
        100, "Deconvolution updates", 5, 500, step=5, help="L-BFGS updates per layer and direction, at most.", advanced=True
    )
    search_iterations: int = knob(10, "PatchMatch iterations", 1, 30, step=1, help="Per layer and direction.", advanced=True)
    start: str = knob("random", "First field", choices=("random", "identity"), help="Where layer 5 starts.", advanced=True)
    limited: bool = knob(True, "Stay near the coarser field", help="Limit the search of layers 3 to 1 around it.", advanced=True)
    mask: str = knob(
        "sigmoid",
        "Weight map",
        choices=("sigmoid", "step"),
        help="How the content's weight follows the strength of its features.",
        advanced=True,
    )
    patch: int = knob(
        5, "Patch of the result", 1, 9, step=2, help="Side of the patches averaged, at matching size.", advanced=True
    )
    size: int = own_size()


def layer(level: int) -> str | None:
    """relu1_1 ... relu5_1 of the paper; 0 is the normalised picture."""
    return f"conv{level}_1" if level else None


def activations(vgg: VGG, picture: Tensor) -> dict[int, Tensor]:
    """All levels of a picture (1, 3, H, W) in [0, 1], the normalised picture itself as level 0."""
    found = vgg(picture, map(layer, LEVELS))
    return {0: (picture - vgg.mean) / vgg.std} | {level: found[layer(level)] for level in LEVELS}


def shape(x: Tensor) -> tuple[int, int]:
    """(height, width)."""
    return tuple(x.shape[-2:])


def weight_map(features: Tensor, alpha: float, mask: str) -> Tensor:
    """Equation 6: `alpha` where the features (1, C, H, W) respond, near 0 where they do not, (1, 1, H, W)."""
    energy = features.square().sum(1, keepdim=True)
    low, high = energy.amin(), energy.amax()
    excess = (energy - low) / (high - low).clamp(min=1e-12) - TAU
    return alpha * (torch.sigmoid(KAPPA * excess) if mask == "sigmoid" else (excess >= 0).float())


@torch.no_grad()
def search(
    left: list[Tensor], right: list[Tensor], field: Tensor, level: int, params: AnalogyParams, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Equation 2 (one or two pairs of feature maps): the field improved from `field`, and its mean energy in [0, 2] per pair."""
    left, right = (torch.cat([F.normalize(x, dim=1) for x in maps], 1) / len(maps) ** 0.5 for maps in (left, right))
    guided = level != LEVELS[0] and params.hierarchical
    field, similarity = patchmatch(
        left,
        right,
        field,
        patch=PATCH[level],
        radius=RADIUS[level] if guided else max(shape(right)),
        limit=RADIUS[level] if guided and params.limited and level in LIMITED else None,
        generator=generator,
        iterations=params.search_iterations,
    )
    return field, 2 - 2 * similarity.mean()


def deconvolve(
    vgg: VGG, start: Tensor, below: str | None, target: Tensor, name: str, updates: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Equation 5: activations of layer `below` (None: the normalised picture) that give `target` at layer `name`.

    Yields the solution so far and the loss relative to the target's own square, every `CHUNK` updates of L-BFGS.
    """
    solution, scale = start.clone().requires_grad_(), target.square().sum().clamp(min=1e-12)
    optimiser = torch.optim.LBFGS(
        [solution], max_iter=CHUNK, history_size=HISTORY, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )
    last = torch.zeros(())

    def closure() -> Tensor:
        nonlocal last
        optimiser.zero_grad()
        loss = (vgg.onward(solution, below, [name])[name] - target).square().sum() / scale
        loss.backward()
        last = loss.detach()
        return loss

    for _ in range(0, updates, CHUNK):
        before = optimiser.step(closure)
        yield solution.detach(), last
        if not last < before * (1 - SLOW):
            break


def brought_down(
    vgg: VGG, own: dict[int, Tensor], other: dict[int, Tensor], field: Tensor, level: int, params: AnalogyParams
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The other picture's look in this one's shape, a layer below `level` (R of equation 4), with the loss so far.

    It begins with the real activations where the enlarged field finds them; without deconvolution that is all, without a loss.
    """
    depth = DEPTH[params.deconvolution] if params.hierarchical else 0
    lower = level - max(depth, 1)
    larger = scaled_field(field, shape(own[lower]), shape(other[level]), shape(other[lower]))
    start = vote(other[lower], larger, PATCH[max(lower, 1)])
    if not depth:
        yield start, None
        return
    target = vote(other[level], field, 1 if depth == 1 else PATCH[level])
    for solution, loss in deconvolve(vgg, start, layer(lower), target, layer(level), params.deconvolution_steps):
        if lower < level - 1:
            with torch.no_grad():
                solution = vgg.onward(solution, layer(lower), [layer(level - 1)])[layer(level - 1)]
        yield solution, loss


def first_field(left: Tensor, right: Tensor, params: AnalogyParams, generator: torch.Generator) -> Tensor:
    """Where a search without a coarser field begins."""
    if params.start == "identity":
        return identity_field(shape(left), shape(right), left.device)
    return random_field(shape(left), shape(right), generator).to(left.device)


def place_colours(field: Tensor) -> Tensor:
    """A field of relative places (1, 2, H, W) as a picture: each corner of the other picture has its colour (figure 8)."""
    x, y = field[:, :1], field[:, 1:]
    corners = [field.new_tensor(c).view(1, 3, 1, 1) for c in CORNERS]
    return (corners[0] * (1 - x) + corners[1] * x) * (1 - y) + (corners[2] * (1 - x) + corners[3] * x) * y


def wls(values: Tensor, guide: Tensor, strength: float) -> Tensor:
    """Weighted least squares filter (Farbman et al. 2008) of (1, C, H, W) along the edges of a grey (1, 1, H, W) in [0, 1].

    Large pictures are solved by conjugate gradients from the solution at half the size.
    """
    height, width = shape(guide)
    grey, right_side = guide[0, 0].cpu().numpy().astype(np.float64), values[0].flatten(1).T.cpu().numpy().astype(np.float64)
    weights = [strength / (np.abs(np.diff(grey, axis=axis)) + WLS_EPSILON) for axis in (0, 1)]
    index = np.arange(height * width).reshape(height, width)
    one = np.concatenate([index[:-1].ravel(), index[:, :-1].ravel()])
    other = np.concatenate([index[1:].ravel(), index[:, 1:].ravel()])
    weight = np.concatenate([w.ravel() for w in weights])
    links = sparse.coo_matrix((weight, (one, other)), (index.size, index.size)).tocsr()
    links = links + links.T
    diagonal = 1 + np.asarray(links.sum(1)).ravel()
    system = (sparse.diags(diagonal) - links).tocsc()
    if index.size <= DIRECT:
        found = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(right_side)
    else:
        half = [F.interpolate(x, size=(height // 2, width // 2), mode="bilinear", antialias=True) for x in (values, guide)]
        start = scale_to(wls(*half, strength / 2), guide)[0].flatten(1).T.cpu().numpy()
        scaling = sparse.diags(1 / diagonal)
        found = np.stack(
            [cg(system, b, x0, rtol=1e-3, maxiter=60, M=scaling)[0] for b, x0 in zip(right_side.T, start.T, strict=True)], 1
        )
    return torch.from_numpy(found.T.reshape(1, -1, height, width).astype(np.float32)).to(values.device)


def colours_only(original: Tensor, rebuilt: Tensor, strength: float) -> Tensor:
    """Equation 7: the details of `original`, the colours of `rebuilt`."""
    return (original + wls(rebuilt - original, original.mean(1, keepdim=True), strength)).clamp(0, 1)


def run(vgg: VGG, content: Tensor, style: Tensor, params: AnalogyParams) -> Iterator[Step]:
    """Match `content` A (1, 3, H, W) with `style` B' (1, 3, H', W'), both RGB in [0, 1].

    The result is A'; extras are B (`b`) and pictures of the fields; `fields` holds both fields.
    """
    generator = torch.Generator().manual_seed(params.seed)
    side = min(params.match_size, max(params.size, LEAST_SIDE))
    # [A, B'], and so with all lists of two: this one and the other
    pictures = [resize(picture, max(side, least_side(picture))) for picture in (content, style)]
    with torch.no_grad():
        stacks = [activations(vgg, picture) for picture in pictures]
    latent = [stacks[0][5], stacks[1][5]]  # [A', B]
    deconvolving = params.hierarchical and params.deconvolution != "none"
    chunks = -(-params.deconvolution_steps // CHUNK) if deconvolving else 0
    i, n = 0, 2 * len(LEVELS) + 2 * (len(LEVELS) - 1) * chunks + 1
    fields, seen = [None, None], []

    for level in LEVELS:
        maps, found = [stack[level] for stack in stacks], []
        for k in (0, 1):
            left, right = [maps[k], latent[k]], [latent[1 - k], maps[1 - k]]
            if not params.hierarchical:
                left, right = [maps[k]], [maps[1 - k]]
            elif not params.bidirectional:  # equation 3
                left, right = [latent[k]], [maps[1 - k]]
            begin = fields[k]
            if begin is None or not params.hierarchical:
                begin = first_field(maps[k], maps[1 - k], params, generator)
            field, energy = search(left, right, begin, level, params, generator)
            found.append(field)
            if k == 0:
                preview = paint(pictures[1], relative(field, shape(maps[1])), shape(pictures[0]), PATCH[level]).clamp(0, 1)
            i += 1
            if i < n:
                yield Step(i, n, f"layer {level}: matching", preview, {"energy": energy})
        seen.append([relative(found[k], shape(maps[1 - k])) for k in (0, 1)])
        if level == LEVELS[-1]:
            break

        latent, lower = [], [stack[level - 1] for stack in stacks]
        for k in (0, 1):
            downward = brought_down(vgg, stacks[k], stacks[1 - k], found[k], level, params)
            for taken, (solution, loss) in enumerate(downward, 1):
                detail = solution
                if loss is not None:
                    yield Step(i + taken, n, f"layer {level}: deconvolution", preview, {"deconvolution": loss})
            i += chunks
            alpha = min(1.0, max(0.0, ALPHA[level - 1] + OFFSETS[params.task] + params.structure))
            weight = weight_map(lower[k], alpha, params.mask)
            latent.append(lower[k] * weight + detail * (1 - weight))  # equation 4
        fields = [scaled_field(found[k], shape(lower[k]), shape(maps[1 - k]), shape(lower[1 - k])) for k in (0, 1)]

    full = [resize(content, params.size), resize(style, params.size)]
    results = [paint(full[1 - k], seen[-1][k], shape(full[k]), params.patch).clamp(0, 1) for k in (0, 1)]
    unrefined = {}
    if params.task == "photo to photo" and params.refinement:
        strength = WLS_STRENGTH * max(1.0, params.size / side)
        unrefined["unrefined"] = results[0]
        results = [colours_only(full[k], results[k], strength) for k in (0, 1)]
    extras = {"b": results[1]} | unrefined
    for k, name in enumerate(("field", "field_back")):
        extras[name] = place_colours(F.interpolate(seen[-1][k], size=shape(full[k])))
        extras[f"{name}_by_layer"] = by_layer([both[k] for both in seen], pictures[k], pictures[1 - k])
    last = dict(zip(("a_to_b", "b_to_a"), seen[-1], strict=True))
    yield Step(n, n, "result", results[0], {"energy": energy}, extras, last)


def by_layer(fields: list[Tensor], picture: Tensor, other: Tensor) -> Tensor:
    """Figure 8: above, each layer's field as colours and at the end what the colours mean; below, `other` rebuilt with it."""
    above = [place_colours(F.interpolate(field, size=shape(picture))) for field in fields]
    below = [paint(other, field, shape(picture), 3) for field in fields]
    key = relative(identity_field(shape(other), shape(other), picture.device), shape(other))
    above.append(scale_to(place_colours(key), picture))
    below.append(scale_to(other, picture))
    return torch.cat([torch.cat(row, 3) for row in (above, below)], 2).clamp(0, 1)


def load(device: torch.device, family: str) -> VGG:
    """The extractor: VGG-19 (`full`) or the compact network."""
    return load_extractor("vgg19", family, device).padded("replicate")


METHOD = Method(
    name="analogy",
    title="Deep Image Analogy",
    paper="Liao et al., Visual Attribute Transfer through Deep Image Analogy, 2017",
    url="https://arxiv.org/abs/1705.01088",
    summary="Finds for every place of one picture the place in the other that means the same, and paints each with the other's "
    "look: two results, and the map between them. For pictures of similar things.",
    params=AnalogyParams,
    presets={
        "paper": {},
        "official": {
            "match_size": 592,  # its limit of 350 000 pixels
            "mask": "step",
            "start": "identity",
            "deconvolution": "two layers",
            "limited": False,
            "patch": 3,
        },
        "fast": {"match_size": 256, "deconvolution_steps": 20, "search_iterations": 6},
    },
    load=load,
    run=run,
    full=("vgg19",),
    of_style=("b", "field_back"),
    sheets=("field_by_layer", "field_back_by_layer"),
    views=("match map",),
)
