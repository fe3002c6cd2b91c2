"""Train and evaluate the compact extractor: a VGG-19-shaped network of base width 16, on 64-pixel labelled pictures.

    python -m stylelab.train.encoder DATA                 train; run it again to resume from runs/encoder/
    python -m stylelab.train.encoder DATA --evaluate      top-1 of the shipped file on the validation pack

DATA is a folder with ``train-*.zip`` and ``val-*.zip`` holding ``CLASS/NUMBER.webp``. Batch norm follows every convolution
while training and is folded into it afterwards, so that what ships is a plain VGG. A plain network this deep and narrow learns
slowly: SGD with Nesterov momentum and a head on conv5_4 alone stood at 25 % after 25 of 36 epochs. Two things changed that.
The linear head reads the means of five layers, so every block is taught directly; and the convolutions are updated by Muon
(Jordan 2024): momentum whose matrix is orthogonalised, so that all directions learn at one rate. Label smoothing 0.1 (Szegedy et
al. 2016), random resized crops, flips, light colour jitter. Every batch is drawn at another size, so the filters see the same
things small and large: NNST looks at pictures from 64 to 1024 pixels through them. While the rates fall, the smallest crop grows,
and the last quarter is at the size of the evaluation: it ends on pictures much like those it will be asked about.
"""

from __future__ import annotations

import argparse
import io
import math
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .. import weights
from ..features import VGG
from ..precision import fast_arithmetic
from . import RUNS, Progress, load_checkpoint, save_checkpoint
from .muon import Muon

WIDTH = 16
HEAD_LAYERS = ("conv2_2", "conv3_4", "conv4_4", "conv5_1", "conv5_4")
BATCH = 128
SIZES = (40, 48, 56, 64)  # side of a batch's crops, drawn anew for each batch
EVALUATION_SIZE, LAST_QUARTER = 64, 0.25
SMALLEST_CROP = (0.4, 0.8)  # part of a picture's area: at full rate, at the end
MUON_RATE, MUON_MOMENTUM = 0.015, 0.95  # each update turns a weight matrix by 1.5 % of its norm
SGD = dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)  # for the norms and the head
LABEL_SMOOTHING = 0.1
WARM_UP, DECAY = 50, 0.7  # steps; part of the steps over which the rates fall to nothing
EPOCHS = {"cpu": 34, "cuda": 160}
SHIPPED = Path(__file__).parents[2] / "weights" / "encoder.safetensors"


class Classifier(nn.Module):
    """The extractor with batch norm after each convolution, and a linear head on the means of `HEAD_LAYERS`."""

    def __init__(self, classes: int, width: int = WIDTH):
        super().__init__()
        self.vgg = VGG("vgg19", width)
        self.norms = nn.ModuleDict({name: nn.BatchNorm2d(self.vgg.channels(name)) for name in self.vgg.names})
        self.head = nn.Linear(sum(map(self.vgg.channels, HEAD_LAYERS)), classes)
        for weight in self.convolutions():
            nn.init.kaiming_normal_(weight.requires_grad_(True), mode="fan_out", nonlinearity="relu")
        for name in self.vgg.names:
            getattr(self.vgg, name).bias.data.zero_()  # the norm's shift does its work

    def convolutions(self) -> list[nn.Parameter]:
        """The convolutions' weights, shallow to deep."""
        return [getattr(self.vgg, name).weight for name in self.vgg.names]

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes) of pictures (N, 3, H, W), RGB in [0, 1]."""
        x, block, means = (image - self.vgg.mean) / self.vgg.std, "1", []
        for name in self.vgg.names:
            if name[4] != block:
                block, x = name[4], F.max_pool2d(x, 2)
            x = F.relu(self.norms[name](getattr(self.vgg, name)(x)))
            if name in HEAD_LAYERS:
                means.append(x.mean((2, 3)))
        return self.head(torch.cat(means, 1))

    @torch.no_grad()
    def folded(self) -> VGG:
        """The same function up to conv5_4 without batch norm: each norm's scale and shift moved into its convolution."""
        plain = VGG("vgg19", self.vgg.width)
        for name in self.vgg.names:
            norm, source, target = self.norms[name], getattr(self.vgg, name), getattr(plain, name)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            target.weight.copy_(source.weight * scale.view(-1, 1, 1, 1))
            target.bias.copy_(norm.bias + (source.bias - norm.running_mean) * scale)
        return plain.eval()


def read_pack(folder: Path, pattern: str) -> tuple[Tensor, Tensor, list[str]]:
    """Pictures (N, 3, 64, 64) uint8, labels (N,), and the class names in label order."""
    pictures, names = [], []
    for path in sorted(folder.glob(pattern)):
        with zipfile.ZipFile(path) as pack:
            for member in sorted(n for n in pack.namelist() if not n.endswith("/")):
                with Image.open(io.BytesIO(pack.read(member))) as picture:
                    pictures.append(np.asarray(picture.convert("RGB")))
                names.append(member.split("/")[0])
    if not pictures:
        raise SystemExit(f"no {pattern} in {folder}: name the folder of the tiny-64 pack")
    classes = sorted(set(names))
    index = {name: i for i, name in enumerate(classes)}
    data = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return data, torch.tensor([index[name] for name in names]), classes


def augment(pictures: Tensor, size: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Random resized crops, flips and colour jitter of uint8 pictures (N, 3, H, W): (N, 3, size, size) in [0, 1].

    `smallest` is the least part of a picture's area that a crop covers.
    """
    n = len(pictures)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(n).uniform_(low, high, generator=generator)

    area, ratio = uniform(smallest, 1), uniform(math.log(3 / 4), math.log(4 / 3)).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width * flip, height
    theta[:, 0, 2], theta[:, 1, 2] = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    brightness, contrast, saturation = (uniform(0.7, 1.3).view(n, 1, 1, 1).to(pictures.device) for _ in range(3))
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False).to(pictures.device)
    x = F.grid_sample(pictures.float().div_(255), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    grey = x.mean(1, keepdim=True)
    x = (grey + (x - grey) * saturation) * brightness
    middle = x.mean((1, 2, 3), keepdim=True)
    return ((x - middle) * contrast + middle).clamp_(0, 1)


@torch.no_grad()
def accuracy(logits_of, data: Tensor, labels: Tensor, device: torch.device) -> float:
    """Top-1 in per cent over the pictures at `EVALUATION_SIZE`."""
    right = 0
    for start in range(0, len(data), 250):
        batch = data[start : start + 250].to(device).float().div(255)
        if batch.shape[-1] != EVALUATION_SIZE:
            batch = F.interpolate(batch, size=(EVALUATION_SIZE, EVALUATION_SIZE), mode="bilinear", antialias=True)
        right += (logits_of(batch).argmax(1).cpu() == labels[start : start + 250]).sum().item()
    return 100 * right / len(data)


def evaluate(path: Path, data: Tensor, labels: Tensor, device: torch.device) -> float:
    """Top-1 of a shipped file: its folded convolutions in float32 with the linear head that travels in the same file."""
    tensors = load_file(path)
    vgg = VGG.from_tensors(tensors, "vgg19").to(device)
    weight, bias = (tensors[f"head.{kind}"].float().to(device) for kind in ("weight", "bias"))

    def logits(image: Tensor) -> Tensor:
        means = [features.mean((2, 3)) for features in vgg(image, HEAD_LAYERS).values()]
        return F.linear(torch.cat(means, 1), weight, bias)

    return accuracy(logits, data, labels, device)


def export(network: Classifier, path: Path) -> None:
    """Write the folded network and its linear head as fp16 safetensors under the layers' names."""
    tensors = network.folded().state_dict() | {f"head.{k}": v for k, v in network.head.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().half().cpu().contiguous() for name, value in tensors.items()}, path)


def train(folder: Path, out: Path, device: torch.device, epochs: int, run: Path, seed: int = 0) -> None:
    """Train from scratch, or on from ``run/last.pt``, and write the folded network to `out`."""
    data, labels, classes = read_pack(folder, "train-*.zip")
    val_data, val_labels, val_classes = read_pack(folder, "val-*.zip")
    assert classes == val_classes, "training and validation packs have different classes"
    data = data.to(device)
    torch.manual_seed(seed)
    network = Classifier(len(classes)).to(device, memory_format=torch.channels_last)
    convolutions = network.convolutions()
    others = [*network.norms.parameters(), *network.head.parameters()]
    optimisers = [Muon(convolutions, MUON_RATE, MUON_MOMENTUM), torch.optim.SGD(others, **SGD)]
    rates = [MUON_RATE, SGD["lr"]]
    steps_per_epoch = len(data) // BATCH
    total, start = epochs * steps_per_epoch, 0
    if state := load_checkpoint(run / "last.pt", device):
        network.load_state_dict(state["network"])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        start = state["step"]
    progress, order = Progress(total, start), torch.empty(0, dtype=torch.long)
    for step in range(start, total):
        epoch, within = divmod(step, steps_per_epoch)
        if within == 0 or not len(order):
            order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed + epoch))
        generator = torch.Generator().manual_seed(seed + 1_000_000 + step)  # a resumed run sees what an unbroken one would
        left = (total - step) / total
        factor = min(1, (step + 1) / WARM_UP, left / DECAY)
        for optimiser, rate in zip(optimisers, rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor
        index = order[within * BATCH : (within + 1) * BATCH]
        size = SIZES[torch.randint(len(SIZES), (), generator=generator)] if left > LAST_QUARTER else EVALUATION_SIZE
        smallest = SMALLEST_CROP[1] + (SMALLEST_CROP[0] - SMALLEST_CROP[1]) * min(1, left / DECAY)
        batch = augment(data[index.to(device)], size, smallest, generator).contiguous(memory_format=torch.channels_last)
        with fast_arithmetic(device):
            logits = network(batch)
        loss = F.cross_entropy(logits.float(), labels[index].to(device), label_smoothing=LABEL_SMOOTHING)
        network.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        progress(step + 1, epoch=epoch, loss=loss.item(), rate=factor)
        if (step + 1) % steps_per_epoch == 0:
            state = {"network": network.state_dict(), "optimisers": [o.state_dict() for o in optimisers], "step": step + 1}
            save_checkpoint(run / "last.pt", state)
            if (epoch + 1) % 3 == 0 or step + 1 == total:
                network.eval()
                print(f"epoch {epoch + 1}: top-1 {accuracy(network, val_data, val_labels, device):.2f} %", flush=True)
                network.train()
                export(network, run / "encoder.safetensors")
    export(network, out)
    if out.resolve() == SHIPPED.resolve():
        weights.record("encoder", "compact")
    print(f"{out}: top-1 {evaluate(out, val_data, val_labels, device):.2f} % on {len(val_data)} pictures (fp16, folded)")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stylelab.train.encoder", description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, help="folder with train-*.zip and val-*.zip")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--run", type=Path, default=RUNS / "encoder", help="folder for the checkpoint")
    parser.add_argument("--epochs", type=int, help="default: 34 on a CPU, 160 on a GPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--evaluate", action="store_true", help="only print the top-1 of --out")
    args = parser.parse_args()
    device = torch.device(args.device)
    if args.evaluate:
        data, labels, _ = read_pack(args.data, "val-*.zip")
        print(f"{args.out}: top-1 {evaluate(args.out, data, labels, device):.2f} % on {len(data)} pictures")
    else:
        train(args.data, args.out, device, args.epochs or EPOCHS[device.type], args.run)


if __name__ == "__main__":
    main()
