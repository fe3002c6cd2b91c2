"""The command line: ``python -m stylelab NAME CONTENT STYLE -o OUT.png`` for each method, and the house-keeping commands.

CONTENT may also be a folder of pictures (see `batch`) or a clip (see `clip`). Options are generated from each method's inputs and
knobs. Exit status 0, or 2 with one clear line on stderr when what was given cannot be used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from . import batch, clip, job, video
from .errors import BadInput, StylelabError
from .images import format_of, save
from .memory import keep_freed_pages
from .method import Method, Step, knobs


class Parser(argparse.ArgumentParser):
    """argparse whose mistakes are one line, like all others."""

    def error(self, message: str) -> None:
        raise BadInput(f"{message} (see {self.prog} --help)")


def add_method(commands, method: Method) -> None:
    """A subcommand with the common options and one option per input and per knob; knobs left out keep the preset's value."""
    command = commands.add_parser(method.name, help=f"{method.title}: {method.paper}", description=method.summary)
    command.add_argument("content", type=Path, help="a picture, a folder of pictures, or a clip")
    command.add_argument("style", type=Path, help="a picture")
    command.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="result; a PNG carries the report inside; of a folder a folder, of a clip an MP4",
    )
    command.add_argument("--preset", default="paper", help=f"one of {', '.join(method.presets)} (paper)")
    command.add_argument("--device", default="auto", help=f"one of {', '.join(job.DEVICES)} (auto)")
    command.add_argument("--weights", default="auto", help=f"one of {', '.join(job.FAMILIES)} (auto)")
    command.add_argument("--extras", type=Path, metavar="DIR", help="also write the extra pictures, and fields.npz, there")
    command.add_argument("--report", type=Path, metavar="FILE.json", help="also write the report there")
    for declared in method.inputs:
        text = declared.help.replace("%", "%%")
        command.add_argument(*spellings(declared.name), dest=f"knob_{declared.name}", type=Path, metavar="FILE", help=text)
    group = command.add_argument_group("for a clip", "its sound is kept")
    group.add_argument(
        "--keyframes",
        type=int,
        metavar="N",
        default=clip.EVERY,
        help=f"paint every N-th frame, 1 to {clip.MOST_EVERY} ({clip.EVERY})",
    )
    group.add_argument(
        "--seconds", type=float, default=video.MOST_SECONDS, help=f"paint so many from the beginning ({video.MOST_SECONDS:g})"
    )
    group = command.add_argument_group("for a folder", "started again, it goes on where it was")
    group.add_argument("--ray", action="store_true", help="many pictures at once, over Ray (an extra: see README)")
    group.add_argument("--ray-address", metavar="ADDRESS", help="over the Ray cluster there; implies --ray")
    group = command.add_argument_group("knobs", "defaults are those of preset paper")
    for knob in knobs(method.params):
        meta = knob.metadata
        allowed = (
            ", ".join(meta["choices"])
            if meta["choices"]
            else f"{meta['low']} to {meta['high']}"
            if meta["low"] is not None
            else ""
        )
        text = f"{meta['help'] or meta['label']} [{allowed + '; ' if allowed else ''}{knob.default}]".replace("%", "%%")
        group.add_argument(*spellings(knob.name), dest=f"knob_{knob.name}", metavar="VALUE", help=text)


def spellings(name: str) -> list[str]:
    """An option with hyphens and with underscores."""
    return sorted({f"--{name}", f"--{name.replace('_', '-')}"})


def stylise(args: argparse.Namespace) -> None:
    """Run one job, or a folder of them, with a progress bar, write its files."""
    turned = {name.removeprefix("knob_"): value for name, value in vars(args).items() if name.startswith("knob_")}
    options = dict(preset=args.preset, device=args.device, weights=args.weights, **turned)
    if args.content.is_dir():
        if alone := next((name for name in ("extras", "report") if getattr(args, name)), None):
            raise BadInput(f"--{alone} is for one picture; in a folder every PNG carries its report.")
        recipe = batch.Recipe.checked(args.command, args.style, options)
        print(batch.run(recipe, args.content, args.out, ray=args.ray, address=args.ray_address), file=sys.stderr)
        return
    if args.ray or args.ray_address:
        raise BadInput(f"Ray is for a folder of pictures, and {args.content} is none.")
    # Before minutes of work, not after.
    given = {"content": args.content, "style": args.style}
    given |= {each.label.lower(): turned[each.name] for each in job.METHODS[args.command].inputs if turned[each.name]}
    for role, path in given.items():
        if clash := next((each for each in (args.out, args.report) if each and each.resolve() == path.resolve()), None):
            raise BadInput(f"{clash} is the {role} itself: name another file.")
    if args.report and args.report.resolve() == args.out.resolve():
        raise BadInput(f"{args.report} is the result itself: name another file for the report.")
    for folder in {path.parent for path in (args.out, args.extras, args.report) if path}:
        if not folder.is_dir():
            raise BadInput(f"There is no folder {folder} to write to: make it first.")
    if args.out.suffix.lower() == ".mp4" or args.content.suffix.lower() in video.SUFFIXES:
        paint_clip(args, options)
        return
    format_of(args.out)
    if args.extras and args.extras.exists() and not args.extras.is_dir():
        raise BadInput(f"{args.extras} is a file: name a folder for the extra pictures.")
    item = watched(job.stream(args.command, args.content, args.style, **options), "it")
    item.save(args.out)
    try:
        if args.extras:
            args.extras.mkdir(exist_ok=True)
            others = {path.resolve() for path in (*given.values(), args.out)}
            for name, picture in item.extras.items():
                path = args.extras / f"{name}.png"
                save(path if path.resolve() not in others else args.extras / f"{name}-extra.png", picture, item.report)
            if item.fields:
                np.savez(args.extras / "fields.npz", **item.fields)
        write_report(args, item.report)
    except OSError as error:
        raise BadInput(f"{args.out} is written, but not all of the rest: {error.strerror or error}.") from None
    print(f"{args.out}: {item.image.width}x{item.image.height}, {ran(item.report)}", file=sys.stderr)
    if item.report["note"]:
        print(item.report["note"], file=sys.stderr)


def paint_clip(args: argparse.Namespace, options: dict[str, Any]) -> None:
    """Paint a clip with a progress bar over its frames."""
    if args.extras:
        raise BadInput("--extras is for one picture, not for a clip.")
    if args.out.suffix.lower() != ".mp4":
        raise BadInput(f"{args.out} must end in .mp4, since {args.content} is a clip.")
    limits = dict(every=args.keyframes, seconds=args.seconds)
    report = watched(clip.stream(args.command, args.content, args.style, args.out, **limits, **options), "frame").report
    try:
        write_report(args, report)
    except OSError as error:
        raise BadInput(f"{args.out} is written, but not the report: {error.strerror or error}.") from None
    about = report["clip"]
    sound = "with its sound" if about["sound"] else "no sound"
    frames = f"{about['frames']} frame{'s' * (about['frames'] != 1)}"
    print(f"{args.out}: {frames}, {about['keyframes']} painted, {sound}, {ran(report)}", file=sys.stderr)
    if report["note"]:
        print(report["note"], file=sys.stderr)


def watched(steps: Iterator, unit: str) -> Any:
    """Run a job with a progress bar; gives what it ends with."""
    with tqdm(file=sys.stderr, unit=unit, leave=False, disable=None) as bar:
        for item in steps:
            if not isinstance(item, Step):
                break
            bar.total, bar.n = item.n, item.i
            bar.set_description(item.stage, refresh=False)
            bar.set_postfix({name: f"{float(value):.4f}" for name, value in item.losses.items()}, refresh=False)
            bar.update(0)
    return item


def write_report(args: argparse.Namespace, report: dict[str, Any]) -> None:
    if args.report:
        args.report.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def ran(report: dict[str, Any]) -> str:
    """How long a job took and which weights really ran."""
    return f"{report['seconds']} s, " + ", ".join(f"{w['name']} ({w['family']})" for w in report["weights"])


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m stylelab", description="Five style-transfer papers, one command each.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for method in job.METHODS.values():
        add_method(commands, method)
    for name, text in {
        "weights": "list, fetch, verify or publish the networks' files",
        "bench": "the README's table of seconds and memory",
        "figures": "the README's pictures and the papers' ablations",
    }.items():
        commands.add_parser(name, help=text, add_help=False).add_argument("rest", nargs=argparse.REMAINDER)
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv[:1] == ["weights"]:
            from . import weights

            return weights.main(argv[1:])
        if argv[:1] == ["bench"]:
            from . import bench

            return bench.main(argv[1:])
        if argv[:1] == ["figures"]:
            from . import figures

            return figures.main(argv[1:])
        stylise(parser.parse_args(argv))
    except StylelabError as error:
        print(f"stylelab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stylelab: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    keep_freed_pages()
    sys.exit(main())
