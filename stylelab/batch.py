"""A folder of pictures in one style: ``python -m stylelab NAME DIR STYLE -o DIR``, in this process or over Ray.

A result is written in one step and never made twice, so a run that was killed goes on where it was when it is started again.
What a folder of results was made with stands in its `SETTINGS`; a run with other settings, another style or another family of
weights wants another folder. The family is what option `weights` says (`auto` is one of its own); which networks ran is not
compared. Over Ray (an extra, see `NO_RAY`) a picture travels as the bytes of its file and comes back as those of the result:
workers need no folder in common, and only the one who started them writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from . import images, job
from .errors import BadInput, StylelabError, WeightsMissing
from .memory import keep_freed_pages

log = logging.getLogger("stylelab")

SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm", ".jp2", ".avif"}
SUFFIXES |= {".heic", ".heif"}  # read where pillow_heif is installed; elsewhere people are told what to do
SETTINGS = ".stylelab.json"  # in the folder of results: what they are made with
UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.part")  # what a killed `images.save` leaves
AHEAD = 2  # pictures that wait at each worker, so that none is idle while a result is written
RETRIES = 3  # of a picture whose worker died: one that kills every worker must not stop the others
NO_RAY = "Ray is not installed: pip install -r stylelab/requirements-ray.txt, or leave --ray out to use this machine alone."


@dataclass(frozen=True)
class Recipe:
    """What every picture of a batch is made with; travels to workers as it is.

    `style` and `inputs` are the bytes of files, so that workers need no folder in common with who started them.
    """

    method: str
    style: bytes
    inputs: Mapping[str, bytes] = field(default_factory=dict)  # of `Method.inputs`
    options: Mapping[str, Any] = field(default_factory=dict)  # of `job.stream`: preset, device, weights, knobs

    @classmethod
    def checked(cls, method: str, style: Path, options: Mapping[str, Any]) -> Recipe:
        """Read and check all that pictures have in common, before the first of them.

        Raises:
            BadInput: the style, an input, a knob, the device or the family of weights cannot be used.
        """
        declared = {given.name: given for given in job.method_called(method).inputs}
        files = {name: path for name, path in options.items() if name in declared and path is not None}
        options = {name: value for name, value in options.items() if name not in declared and value is not None}
        knobs = {name: value for name, value in options.items() if name not in ("preset", "device", "weights")}
        job.METHODS[method].settings(options.get("preset", "paper"), **knobs)
        job.device_called(options.get("device", "auto"))
        job.family_called(options.get("weights", "auto"))
        images.load_picture(style)
        for name, path in files.items():
            job.LOADERS[declared[name].kind](path)
        return cls(method, style.read_bytes(), {name: Path(path).read_bytes() for name, path in files.items()}, options)

    def described(self) -> dict[str, Any]:
        """For `SETTINGS`: equal for recipes that ask for equal pictures. The device is left out."""
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in (("style", self.style), *self.inputs.items())}
        params = vars(
            job.METHODS[self.method].settings(**{k: v for k, v in self.options.items() if k not in ("device", "weights")})
        )
        return {"method": self.method, "params": params, "weights": self.options.get("weights", "auto"), "sha256": sums}


def stylised(recipe: Recipe, name: str, data: bytes) -> bytes | str:
    """A picture's file as the PNG of its result, or the sentence that says why there is none.

    Raises:
        WeightsMissing: no picture can be made.
    """
    content, result = io.BytesIO(data), io.BytesIO()
    content.name = name  # what messages call it
    try:
        *_, made = job.stream(recipe.method, content, recipe.style, **recipe.inputs, **recipe.options)
        images.save(result, made.image, made.report)
    except WeightsMissing:
        raise
    except StylelabError as error:
        return str(error)
    except Exception as error:  # a bug; a night's work goes on without this picture
        log.exception("%s", name)
        return f"{name} failed ({type(error).__name__}); the log says where."
    return result.getvalue()


def results(source: Path, target: Path) -> dict[Path, Path]:
    """Every picture in `source` and its sub-folders -> its result in `target`, at the same place under the same name, as PNG.

    Pictures that would share a result (``a.jpg``, ``a.webp``) keep their suffix before the new one. Hidden files and folders are
    left out, and so are `target` and other folders of results where they lie in `source`.
    """
    made = {target.resolve(), *(path.parent.resolve() for path in source.rglob(SETTINGS) if path.parent != source)}
    found = sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
        and made.isdisjoint(path.resolve().parents)
        and path.is_file()
    )
    names, last = {path: path.with_suffix("") for path in found}, None
    while names != last:  # a longer name may be another's
        last, counts = names, Counter(str(name).casefold() for name in names.values())
        names = {path: path if counts[str(name).casefold()] > 1 else name for path, name in names.items()}
    return {path: target / name.parent.relative_to(source) / f"{name.name}.png" for path, name in names.items()}


def opened(target: Path, recipe: Recipe, files: Iterable[Path]) -> None:
    """Make the folder of results, `files`, or go on with one that was made with the same recipe.

    Raises:
        BadInput: it is a file, cannot be written, or holds results of another recipe, or pictures in their place.
    """
    wanted = json.loads(json.dumps(recipe.described()))
    try:
        target.mkdir(exist_ok=True)
        written = target / SETTINGS
        if not written.exists() and any(path.exists() for path in files):
            raise BadInput(
                f"{target} holds pictures with the results' names that this program did not make there: name another folder."
            )
        finished = written.exists() and any(target.rglob("*.png"))
        if finished and json.loads(written.read_text(encoding="utf-8")) != wanted:
            raise BadInput(f"{target} holds pictures that were made with another style or other settings: name another folder.")
        for path in target.rglob(".*.part"):
            if UNFINISHED.fullmatch(path.name):
                path.unlink()
        written.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    except FileExistsError:
        raise BadInput(f"{target} is a file: name a folder for the results.") from None
    except FileNotFoundError:
        raise BadInput(f"There is no folder {target.parent} to make {target.name} in: make it first.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{target} cannot be used ({getattr(error, 'strerror', None) or f'{SETTINGS} is damaged'}).") from None


Outcome = tuple[Path, bytes | str]  # a picture, and what `stylised` made of it


def here(recipe: Recipe, pictures: Iterable[Path]) -> Iterator[Outcome]:
    """One picture after the other in this process."""
    for path in pictures:
        yield path, data if isinstance(data := read(path), str) else stylised(recipe, path.name, data)


def over_ray(recipe: Recipe, pictures: Iterable[Path], address: str | None) -> Iterator[Outcome]:
    """As many pictures at once as Ray has cores, or GPUs where it has any, in the order in which they are finished.

    Args:
        address: of a running cluster; None starts workers on this machine, which end with this process.

    Raises:
        BadInput: Ray is not installed, or there is no cluster at `address`.
    """
    try:
        import ray
    except ImportError:
        raise BadInput(NO_RAY) from None
    if address:
        reach(address)
    house = Path(__file__).parents[1]
    # Workers elsewhere get this program and its weights from here.
    shipped = (
        {"working_dir": str(house), "excludes": ["/.git", "/.venv", "/runs", "/tests", "/data", "__pycache__"]} if address else {}
    )
    try:
        ray.init(
            address or "local",
            runtime_env=shipped,
            include_dashboard=False if not address else None,
            log_to_driver=False,
            logging_level="warning",
        )
    except Exception as error:  # a slow machine is a plain Exception, a wrong token a ConnectionError, a full disk an OSError
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(f"Ray does not start: {reason[0].rstrip('.')}.") from None
    try:
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0)) if recipe.options.get("device", "auto") != "cpu" else 0
        share = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        task = ray.remote(max_retries=RETRIES, **share)(worked)
        common, waiting, left = ray.put(recipe), {}, iter(pictures)
        places = AHEAD * (gpus or max(1, int(there.get("CPU", 1))))
        while True:
            for path in left:
                if isinstance(data := read(path), str):
                    yield path, data
                    continue
                waiting[task.remote(common, path.name, data)] = path
                if len(waiting) >= places:
                    break
            if not waiting:
                return
            (done, *_), _ = ray.wait(list(waiting))
            path = waiting.pop(done)
            try:
                yield path, ray.get(done)
            except ray.exceptions.WorkerCrashedError:
                yield path, f"{path.name} ended its worker {RETRIES + 1} times; it may need more memory than there is."
            except ray.exceptions.OutOfMemoryError:
                yield path, f"{path.name} needs more memory than its worker has; use a smaller size."
    finally:
        ray.shutdown()


def reach(address: str) -> None:
    """Refuse at once what Ray would try to connect to for many minutes; "auto" is for Ray to find."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if address != "auto":
            socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError):
        raise BadInput(f"There is no Ray cluster at {address}: give HOST:PORT as `ray start --head` says it.") from None


def worked(recipe: Recipe, name: str, data: bytes) -> bytes | str:
    """`stylised` in a worker of Ray's; its networks are loaded with its first picture."""
    keep_freed_pages()
    return stylised(recipe, name, data)


def read(path: Path) -> bytes | str:
    """A file, or the sentence that says why it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})."


def run(recipe: Recipe, source: Path, target: Path, *, ray: bool = False, address: str | None = None) -> str:
    """Make what is missing in `target`, with a progress bar over the pictures; says in a sentence what came of it.

    Raises:
        BadInput: nothing to do, `target` cannot be used, or some pictures could not be made (each is told on stderr).
    """
    if target.suffix.lower() in images.SUFFIXES:
        raise BadInput(f"{source} is a folder: name a folder for the results too, not {target}.")
    if target.resolve() == source.resolve():
        raise BadInput(f"{target} holds the pictures themselves: name another folder for the results.")
    wanted = results(source, target)
    if not wanted:
        raise BadInput(f"There is no picture in {source}.")
    opened(target, recipe, wanted.values())
    missing = {path: result for path, result in wanted.items() if not result.exists()}
    begun, failed = time.perf_counter(), 0
    made = over_ray(recipe, missing, address) if ray or address else here(recipe, missing)
    with (
        contextlib.closing(made),
        tqdm(
            total=len(wanted), initial=len(wanted) - len(missing), file=sys.stderr, unit="picture", leave=False, disable=None
        ) as bar,
    ):
        for path, outcome in made:
            try:
                if isinstance(outcome, str):
                    raise BadInput(outcome)
                written(missing[path], outcome)
            except BadInput as error:
                failed += 1
                said, place = str(error), str(path.relative_to(source))
                said = said.replace(path.name, place, 1) if said.startswith(path.name) else f"{place}: {said}"
                bar.write(f"stylelab: {said}", file=sys.stderr)
            bar.update()
    if failed:
        raise BadInput(f"{failed} of {len(wanted)} pictures could not be made; start again to try only these.")
    before = len(wanted) - len(missing)
    made_now = f"{len(missing)} picture{'s' * (len(missing) != 1)} in {time.perf_counter() - begun:.1f} s"
    return f"{target}: {made_now}" + (f", {before} were there already" if before else "")


def written(path: Path, data: bytes) -> None:
    """Write a result in one step, with the folders it lies in.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        images.replace_file(path, data)
    except OSError as error:
        raise BadInput(f"{path.name} cannot be written ({error.strerror}).") from None
