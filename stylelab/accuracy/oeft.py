"""Online Exemplar Fine-Tuning: what fine-tuning and augmentation bring the warped picture, and how well pictures are inverted.

The first table is figure 8 in numbers, on the photo pairs of `deep_photo`: structure change to the content, and contextual
loss to the style (equation 10). The second has the PSNR of one code and of twenty, without super-resolution, on cats: those that
training keeps aside, and the pictures of `dia` (and our example) in which the crop finds one. The third, on pairs of them, is the
distance of single pictures by which a hypothesis is chosen; the paper's tables 1 and 2 have the FID of sets of results, which is
something else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import examples, job
from ..features import VGG, load_extractor
from ..images import load_picture
from ..inversion import Inversion
from ..method import drain
from ..methods import oeft
from ..metrics import structure_change
from ..train.gan import read_pictures
from . import Options, head, present, row, weights_line
from .dtp import pairs

FOLDER, CATS, PICTURES = "deep_photo", "cats-64", "dia"
PAIRS, KEPT_ASIDE, DECIDED = 20, 12, 10
VARIANTS = {  # column -> knobs
    "no fine-tuning": {"tuning_steps": 0},
    "without augmentation": {"augmentation": False},
    "with augmentation": {},
}
CODES, LAYER, ROUNDS = ("1", "20"), "8", 30  # of what is inverted; one code has converged by then
SIDE, CAT_SIDE = 256, 64  # px, at which warped pictures are compared; of the cats


def report(options: Options) -> Iterator[str]:
    """The tables there are data for; see `accuracy`."""
    found = present(options.data, FOLDER, CATS, PICTURES)
    model = job.model_of("oeft", job.device_called(options.device), options.weights)
    yield weights_line(model, options)
    if FOLDER in found:
        yield from fine_tuning(model, options)
    if cats := dict(unseen(model, options, found)):
        yield from inversion(model, options, cats)
        yield from deciding(model, options, cats)


def fine_tuning(model: oeft.Model, options: Options) -> Iterator[str]:
    """A row a pair and the means."""
    judge = load_extractor("vgg19", "compact", model.vgg.mean.device)
    yield "\nStructure change to the content and contextual loss to the style of the warped picture; less is better.\n"
    yield head("pair", *(f"{name}: {figure}" for name in VARIANTS for figure in ("structure", "contextual")))
    table = []
    for name, *files in pairs(options.data / FOLDER, options.pairs or PAIRS):
        content, style = (load_picture(file).rgb.to(judge.mean.device) for file in files)
        knobs = [oeft.METHOD.settings(options.preset, task="warp", **turned) for turned in VARIANTS.values()]
        warped, places = [drain(oeft.run(model, content, style, params)).image for params in knobs], knobs[0].square // 16 * 4
        table.append([value for image in warped for value in figures_of(judge, image, content, style, places)])
        yield row(name, *(f"{value:.3f}" for value in table[-1]))
    yield row("**mean**", *(f"{value:.4f}" for value in torch.tensor(table).mean(0).tolist()))


@torch.no_grad()
def figures_of(judge: VGG, image: Tensor, content: Tensor, style: Tensor, places: int) -> tuple[float, float]:
    """Structure change and contextual loss of a warped picture of `places` squared; all as squares, the style as blurred."""
    image, content, style = (F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True) for x in (image, content, style))
    style = F.interpolate(F.interpolate(style, (places, places), mode="area"), (SIDE, SIDE), mode="bilinear")
    ours, theirs = (judge(x, oeft.CONTEXTUAL_LAYERS) for x in (image, style))
    return structure_change(judge, image, content), oeft.contextual_loss(ours, theirs).item()


def unseen(model: oeft.Model, options: Options, found: list[str]) -> Iterator[tuple[str, Tensor]]:
    """Names and squares (1, 3, 64, 64) of cats that are not for training."""
    device = model.vgg.mean.device
    if CATS in found:
        cats, count = read_pictures(options.data / CATS, kept_aside=True), options.pairs or KEPT_ASIDE
        for k in range(0, len(cats), max(1, len(cats) // count))[:count]:
            yield f"{CATS} {k}", cats[k : k + 1].to(device) / 255
    if PICTURES in found:
        domain = next(iter(model.generators))
        _, reference = model.generator(domain)
        files = [examples.CONTENTS["Cat"], *sorted((options.data / PICTURES).glob("*.jpg"))]
        for file in files:
            picture = load_picture(file)
            alike, box = reference.window(picture.rgb.to(device))
            if alike >= oeft.FOUND[domain]:
                yield file.stem, oeft.fitted(picture.cut(box).rgb.to(device), (CAT_SIDE, CAT_SIDE))


def inversion(model: oeft.Model, options: Options, cats: dict[str, Tensor]) -> Iterator[str]:
    """A row a cat, and the means."""
    yield f"\nPSNR in dB of the inverted picture, composing layer {LAYER}, {ROUNDS} rounds.\n"
    yield head("picture", *(f"{domain}, {codes} codes" for domain in model.generators for codes in CODES))
    table = []
    for name, picture in cats.items():
        found = []
        for domain in model.generators:
            for codes in CODES:
                knobs = dict(
                    task="invert", domain=domain, layers=LAYER, codes=codes, factor=1, inversion_steps=ROUNDS, size=CAT_SIDE
                )
                made = drain(oeft.run(model, picture, picture, oeft.METHOD.settings(options.preset, **knobs))).image
                found.append(-10 * math.log10((made - picture).square().mean().item()))
        table.append(found)
        yield row(name, *(f"{value:.2f}" for value in found))
    yield row("**mean**", *(f"{value:.2f}" for value in torch.tensor(table).mean(0).tolist()))


def deciding(model: oeft.Model, options: Options, cats: dict[str, Tensor]) -> Iterator[str]:
    """A row a pair of a cat and the one after it, and the means."""
    params = oeft.METHOD.settings(options.preset)
    generator, reference = model.generator(next(iter(model.generators)))
    yield "\nFréchet distance of single pictures to the generator's own (not comparable with the paper's FID of sets).\n"
    yield head("pair", "warped", "mean of the hypotheses", "decided for", "PSNR to the target", "layer, codes")
    table, names = [], list(cats)
    for name, other in list(zip(names, names[1:] + names[:1], strict=True))[: options.pairs or DECIDED]:
        warping = oeft.METHOD.settings(options.preset, task="warp", size=CAT_SIDE)
        warped = drain(oeft.run(model, cats[name], cats[other], warping)).image
        target = oeft.reduced(warped, generator, params)
        hypotheses = Inversion(generator, model.vgg, target, params.hypotheses, torch.Generator().manual_seed(params.seed))
        for _ in range(params.inversion_steps):
            hypotheses.step()
        made = hypotheses.pictures()
        best, scores = reference.decide(made)
        likeness = -10 * math.log10((hypotheses.reduced(made)[best] - target[0]).square().mean().item())
        table.append([*reference.scores(warped), sum(scores) / len(scores), scores[best], likeness])
        yield row(f"{name}, {other}", *(f"{value:.2f}" for value in table[-1]), "{}, {}".format(*params.hypotheses[best]))
    yield row("**mean**", *(f"{value:.2f}" for value in torch.tensor(table).mean(0).tolist()), "")
