"""Train and evaluate the compact extractor: a VGG-19-shaped network of base width 16, on 64-pixel labelled pictures.

    python -m stylelab.train.encoder DATA                 train; run it again to resume from runs/encoder/
    python -m stylelab.train.encoder DATA --evaluate      top-1 of the shipped file on the validation pack

DATA is a folder with ``train-*.zip`` and ``val-*.zip`` holding ``CLASS/NUMBER.webp``. Batch norm follows every convolution
while training and is folded into it afterwards, so that what ships is a plain VGG. Recipe: SGD with Nesterov momentum,
cosine decay after a linear warm-up, label smoothing 0.1 (Szegedy et al. 2016), random resized crops, flips and light colour
jitter. Crops cover 20 to 100 % of a picture and every batch is drawn at another size, so the filters see the same things
small and large: NNST looks at pictures from 64 to 1024 pixels through them. From 30 % of the steps on the smallest crop grows
to 60 %, so that the last epochs look much like the whole pictures that are evaluated.
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

from ..features import VGG
from ..precision import fast_arithmetic
from . import RUNS, Progress, load_checkpoint, save_checkpoint

WIDTH = 16
BATCH = 128
SIZES = (40, 48, 56, 56, 64, 80)  # side of a batch's crops, drawn anew for each batch: the mean work is that of 56
EVALUATION_SIZE = 64
SMALLEST_CROP = (0.2, 0.6)  # part of a picture's area: until `CROPS_GROW`, and at the end
CROPS_GROW = 0.3  # part of the steps
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, LABEL_SMOOTHING = 0.1, 0.9, 5e-4, 0.1
WARM_UP = 0.03  # part of the steps
EPOCHS = {"cpu": 36, "cuda": 160}
SHIPPED = Path(__file__).parents[2] / "weights" / "encoder.safetensors"


class Classifier(nn.Module):
    """The extractor with batch norm after each convolution, and a linear layer on the mean of conv5_4."""

    def __init__(self, classes: int, width: int = WIDTH):
        super().__init__()
        self.vgg = VGG("vgg19", width).requires_grad_(True)
        self.norms = nn.ModuleDict({name: nn.BatchNorm2d(self.vgg.channels(name)) for name in self.vgg.names})
        self.head = nn.Linear(self.vgg.channels(self.vgg.names[-1]), classes)
        for name in self.vgg.names:
            convolution = getattr(self.vgg, name)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            convolution.bias.data.zero_().requires_grad_(False)  # the norm's shift does its work
            convolution.bias.requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, classes) of pictures (N, 3, H, W), RGB in [0, 1]."""
        x, block = (image - self.vgg.mean) / self.vgg.std, "1"
        for name in self.vgg.names:
            if name[4] != block:
                block, x = name[4], F.max_pool2d(x, 2)
            x = F.relu(self.norms[name](getattr(self.vgg, name)(x)))
        return self.head(x.mean((2, 3)))

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


def smallest_crop(done: float) -> float:
    """Part of a picture's area that a crop covers at least, when `done` (0 to 1) of the training is over."""
    first, last = SMALLEST_CROP
    return first + (last - first) * max(0.0, done - CROPS_GROW) / (1 - CROPS_GROW)


def augment(pictures: Tensor, size: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Random resized crops, flips and colour jitter of uint8 pictures (N, 3, H, W): (N, 3, size, size) in [0, 1]."""
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
    deepest = vgg.names[-1]
    return accuracy(lambda x: F.linear(vgg(x, [deepest])[deepest].mean((2, 3)), weight, bias), data, labels, device)


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
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim == 1 and p.requires_grad]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=LEARNING_RATE, momentum=MOMENTUM, nesterov=True)
    steps_per_epoch = len(data) // BATCH
    total, start = epochs * steps_per_epoch, 0
    if state := load_checkpoint(run / "last.pt", device):
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        start = state["step"]
    progress, order = Progress(total, start), torch.empty(0, dtype=torch.long)
    for step in range(start, total):
        epoch, within = divmod(step, steps_per_epoch)
        if within == 0 or not len(order):
            order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed + epoch))
        generator = torch.Generator().manual_seed(seed + 1_000_000 + step)  # a resumed run sees what an unbroken one would
        done = step / total
        rate = LEARNING_RATE * min(done / WARM_UP, 0.5 * (1 + math.cos(math.pi * done)) if done > WARM_UP else 1)
        for group in optimiser.param_groups:
            group["lr"] = rate
        index = order[within * BATCH : (within + 1) * BATCH]
        size = SIZES[torch.randint(len(SIZES), (), generator=generator)]
        batch = augment(data[index.to(device)], size, smallest_crop(done), generator).contiguous(
            memory_format=torch.channels_last
        )
        with fast_arithmetic(device):
            logits = network(batch)
        loss = F.cross_entropy(logits.float(), labels[index].to(device), label_smoothing=LABEL_SMOOTHING)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        progress(step + 1, epoch=epoch, loss=loss.item(), lr=rate)
        if (step + 1) % steps_per_epoch == 0:
            save_checkpoint(
                run / "last.pt", {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
            )
            if (epoch + 1) % 3 == 0 or step + 1 == total:
                network.eval()
                print(f"epoch {epoch + 1}: top-1 {accuracy(network, val_data, val_labels, device):.2f} %", flush=True)
                network.train()
                export(network, run / "encoder.safetensors")
    export(network, out)
    print(f"{out}: top-1 {evaluate(out, val_data, val_labels, device):.2f} % on {len(val_data)} pictures (fp16, folded)")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stylelab.train.encoder", description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, help="folder with train-*.zip and val-*.zip")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--run", type=Path, default=RUNS / "encoder", help="folder for the checkpoint")
    parser.add_argument("--epochs", type=int, help="default: 36 on a CPU, 160 on a GPU")
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
