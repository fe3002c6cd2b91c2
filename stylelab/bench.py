"""``python -m stylelab bench``: the README's table of seconds, first preview and memory, as Markdown on stdout.

Every row is a job in a process of its own, on the same pair of example pictures: networks load first, pictures are files.
With ``--accuracy`` instead a method's tables of right and wrong, on data that do not come with the project.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import platform
import statistics
import time
from pathlib import Path

import torch

from . import accuracy, examples, job
from .errors import BadInput
from .memory import keep_freed_pages
from .method import Step

PAIR = (examples.CONTENTS["Pagoda"], examples.STYLES["Swirling night"])
SIZES = {"cpu": (256,), "cuda": (256, 512)}


def machine() -> str:
    """Processor, cores used, accelerator, torch: what the figures belong to."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return f"{name}, {torch.get_num_threads()} of {os.cpu_count()} cores{gpu}, torch {torch.__version__}"


def measure(name: str, preset: str, size: int, device: str, weights: str) -> dict[str, float]:
    """One job: seconds to the first picture and in all, without loading the networks; MB of memory; metrics."""
    keep_freed_pages()
    job.model_of(name, job.device_called(device), weights)
    begun, first = time.perf_counter(), None
    for item in job.stream(name, *PAIR, preset=preset, device=device, weights=weights, size=size):
        if first is None and isinstance(item, Step) and item.image is not None:
            first = time.perf_counter() - begun
    report = item.report
    return {"first": first, "seconds": report["seconds"], "memory": report["peak_memory_mb"], **report["metrics"]}


def measure_accuracy(args: argparse.Namespace) -> int:
    """``--accuracy``: a report for each preset, with the seconds it took."""
    if args.pairs is not None and args.pairs < 1:
        raise BadInput(f"--pairs must be at least 1, not {args.pairs}.")
    presets = args.preset or ["paper"]
    for preset in presets:  # all of them before the first table; `video` is nnst's
        job.METHODS.get(args.accuracy, job.METHODS["nnst"]).settings(preset)
    for preset in presets:
        begun = time.perf_counter()
        for line in accuracy.report(args.accuracy, accuracy.Options(args.data, preset, args.device, args.weights, args.pairs)):
            print(line, flush=True)
        print(f"\n{machine()}; {time.perf_counter() - begun:.0f} s\n")
    return 0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stylelab bench", description=__doc__.split(":")[0])
    parser.add_argument("--method", choices=list(job.METHODS), action="append", help="default: all")
    parser.add_argument("--preset", action="append", help="default: all of a method's")
    parser.add_argument("--size", type=int, action="append", help="default: 256, on a GPU also 512")
    parser.add_argument("--runs", type=int, default=1, help="runs per row; medians are shown")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", default="auto", help=f"one of {', '.join(job.FAMILIES)} (auto)")
    group = parser.add_argument_group("accuracy")
    group.add_argument("--accuracy", choices=accuracy.NAMES, help="this method's accuracy instead of times")
    group.add_argument(
        "--data", type=Path, default=Path("../shared/data/eval"), metavar="DIR", help="evaluation data (%(default)s)"
    )
    group.add_argument("--pairs", type=int, metavar="N", help="at most N pairs of each class, or sequences")
    args = parser.parse_args(argv)
    if args.runs < 1:
        raise BadInput(f"--runs must be at least 1, not {args.runs}.")
    if args.accuracy:
        return measure_accuracy(args)
    device = job.device_called(args.device).type
    jobs = [(name, preset) for name in args.method or job.METHODS for preset in args.preset or job.METHODS[name].presets]
    for name, preset in jobs:  # all of them before the first row
        job.METHODS[name].settings(preset)
    print(f"{machine()}; {PAIR[0].name} and {PAIR[1].name}, medians of {args.runs}\n")
    print("| job | size | first preview | seconds | memory | style distance | structure change |\n|---|---|---|---|---|---|---|")
    fresh = multiprocessing.get_context("spawn")
    for (name, preset), size in itertools.product(jobs, args.size or SIZES[device]):
        runs = []
        for _ in range(args.runs):
            with fresh.Pool(1) as pool:  # its own process: a peak of memory is a process's
                runs.append(pool.apply(measure, (name, preset, size, device, args.weights)))
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        seconds = f"{middle['first']:.1f} s | {middle['seconds']:.1f} s"
        row = f"| {name} `{preset}` | {size} px | {seconds} | {middle['memory']:.0f} MB"
        print(f"{row} | {middle['style_distance']:.2f} | {middle['structure_change']:.2f} |", flush=True)
    return 0
