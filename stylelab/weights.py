"""A weight's name and family -> a verified file on this machine. Called from `load()` functions and from the shell.

The order is: the file shipped in ``weights/``, this machine's caches (no network), one question to the Hub that may take
3 seconds, a download at the pinned commit. huggingface_hub alone would wait 23 s for a Hub that refuses and 386 s for one that
hangs, and over plain HTTP it never compares what it got with a checksum: so the probe is ours, and every file is hashed
before it is used. What ``weights/manifest.json`` says about a file is what the file must be. Files of the project's own (no
``repo`` in the manifest) come from the mirror named in ``STYLELAB_WEIGHTS_REPO``, where there is one.

Reading a part of a file. timm's VGG-19 is 575 MB, of which the convolutions are the first 80. A checksum of the whole file
says nothing about a part of it, so bytes read over range requests can be trusted only if the part itself has a pinned
checksum: ``extract_sha256``, of the extract that `_extract` writes, which depends on the source file alone. With it only
those bytes travel. Without it the whole file is fetched and checked once, the extract is made from it, kept with its own
digest beside it, and the rest is thrown away; ``weights fetch`` prints the digest so that a maintainer can pin it.

An entry without ``sha256`` but with a ``repo``: at a pinned commit the Hub's ETag of a large file is its sha256; the
download is compared with that and the digest is kept beside the extracts. A shipped file without ``sha256`` is not accepted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import json
import os
import queue
import re
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import load_file
from torch import Tensor

from .errors import BadInput, StylelabError, WeightsMissing

FOLDER = Path(__file__).parents[1] / "weights"  # what ships with the code
PASSING = "passing-"  # of folders in our cache that a whole file passes through
PROBE_SECONDS = 3.0  # how long the Hub may take to say that it is there
READ_SECONDS = 10.0  # longest silence in the middle of a range request
CHUNK = 1 << 20
LARGEST_HEADER = 100_000_000  # bytes; the safetensors format's own limit

Read = Callable[[int, int], Iterator[bytes]]  # (first byte, one past the last) -> chunks, exactly that many bytes in all

_lock = threading.RLock()  # two tabs that load at once must not fetch the same file twice
_hashed: dict[tuple, str] = {}  # (path, inode, mtime, size) -> sha256: a file is read once per process


@dataclass(frozen=True)
class WeightFile:
    """A file that has just been found to be what the manifest says."""

    name: str
    family: str
    path: Path
    sha256: str  # of the file at `path`, which for a partly read file is the extract
    licence: str

    def described(self) -> dict[str, str]:
        """What a report says about it."""
        return {"name": self.name, "family": self.family, "sha256": self.sha256, "licence": self.licence}


@dataclass(frozen=True)
class _Entry:
    """One file of the manifest."""

    name: str
    family: str
    file: str
    sha256: str | None
    licence: str
    note: str = ""
    size_mb: float | None = None
    repo: str | None = None  # None: the project's own, shipped or mirrored
    commit: str | None = None
    tensors: str | None = None  # keep only the tensors whose names start with this
    extract_sha256: str | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.family})"


# ---- the manifest


def _manifest() -> dict[str, dict[str, dict[str, Any]]]:
    try:
        return json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsMissing(f"{FOLDER / 'manifest.json'} cannot be read ({error}); restore it with git.") from error


def _entries() -> list[_Entry]:
    try:
        return [_Entry(name, family, **item) for name, families in _manifest().items() for family, item in families.items()]
    except (AttributeError, TypeError) as error:
        raise WeightsMissing(f"{FOLDER / 'manifest.json'} has an entry that is not understood: {error}") from error


def _entry(name: str, family: str) -> _Entry:
    entries = _entries()
    for entry in entries:
        if (entry.name, entry.family) == (name, family):
            return entry
    raise WeightsMissing(f"There is no weight {name} ({family}); the manifest has {', '.join(map(str, entries))}.")


def record(name: str, family: str, path: str | Path | None = None) -> str:
    """Write the digest and size of a shipped file into the manifest; `path`, if given, is first copied into ``weights/``.

    For training scripts: ``weights.record("encoder", "compact")``. A weight that is not in the manifest is written into it under
    the file's own name. Returns the sha256.
    """
    manifest = _manifest()
    new = {"file": Path(path or f"{name}.safetensors").name, "licence": "see weights/README.md"}
    entry = manifest.setdefault(name, {}).setdefault(family, new)
    kept = FOLDER / entry["file"]
    if path is not None and Path(path).resolve() != kept.resolve():
        shutil.copyfile(path, kept)
    digest = _sha256(kept)
    entry |= {"sha256": digest, "size_mb": round(kept.stat().st_size / 1e6, 1)}
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return digest


# ---- what is on this machine


def cache_folder() -> Path:
    """Where extracts and digests are kept: ``STYLELAB_CACHE``, else ``stylelab`` in the user's cache folder."""
    if chosen := os.environ.get("STYLELAB_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stylelab"


def _sha256(path: Path) -> str:
    stat = path.stat()
    key = (str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size)
    if key not in _hashed:
        with path.open("rb") as file:
            _hashed[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashed[key]


def _kept(entry: _Entry) -> Path:
    """The extract of an entry in our cache. The source's pin is in its name, so that a new pin never meets an old extract."""
    pin = (entry.sha256 or entry.commit or "")[:12]
    return cache_folder() / f"{entry.name}-{entry.family}-{pin}.safetensors"


def _sidecar(entry: _Entry) -> Path:
    """The file beside the extract that keeps a digest which the manifest does not pin."""
    return _kept(entry).with_suffix(".sha256")


def _noted(entry: _Entry) -> str | None:
    try:
        return _sidecar(entry).read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def _source(entry: _Entry) -> tuple[str, str] | None:
    """(repository, revision) on the Hub, or None for a file of the project's own without a mirror."""
    if entry.repo is not None:
        return entry.repo, entry.commit
    mirror = os.environ.get("STYLELAB_WEIGHTS_REPO", "").strip()
    if not mirror:
        return None
    repo, _, revision = mirror.partition("@")
    if not _is_repo(repo) or not re.fullmatch(r"[\w./-]*", revision):
        raise WeightsMissing(f"STYLELAB_WEIGHTS_REPO must be OWNER/REPO or OWNER/REPO@COMMIT, not {mirror!r}.")
    return repo, revision or "main"


def _is_repo(name: str) -> bool:
    """Whether the Hub could have a repository of that name, OWNER/REPO."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    with contextlib.suppress(HFValidationError):
        validate_repo_id(name)
        return name.count("/") == 1
    return False


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None  # read when called: huggingface_hub reads it once, when it is imported


def _hub_cached(entry: _Entry) -> Path | None:
    """The whole file in huggingface_hub's cache, without any network."""
    if (source := _source(entry)) is None:
        return None
    from huggingface_hub import hf_hub_download  # here and below: half a second of import that a shipped file does not need

    try:
        return Path(hf_hub_download(source[0], entry.file, revision=source[1], local_files_only=True))
    except OSError:  # LocalEntryNotFoundError is one
        return None


def _look(entry: _Entry) -> tuple[str, Path | None]:
    """('shipped' | 'cached' | 'damaged' | 'missing', its path). No network, and nothing is changed."""

    def candidates() -> Iterator[tuple[str, Path | None, str | None]]:
        if entry.repo is None:
            yield "shipped", FOLDER / entry.file, entry.sha256
        if entry.tensors:
            yield "cached", _kept(entry), entry.extract_sha256 or _noted(entry)
        yield "cached", _hub_cached(entry), entry.sha256 or (None if entry.tensors else _noted(entry))

    damaged = None
    for where, path, digest in candidates():
        if path is None or digest is None or not path.is_file():
            continue
        try:
            if _sha256(path) == digest:
                return where, path
        except OSError:  # unreadable is as bad as damaged
            pass
        damaged = damaged or path
    return ("damaged", damaged) if damaged else ("missing", None)


def status() -> list[dict[str, Any]]:
    """One row a file: name, family, file, where ('shipped', 'cached', 'missing' or 'damaged'), size_mb, licence. No network."""
    rows = []
    for entry in _entries():
        where, path = _look(entry)
        size = entry.size_mb if path is None else round(path.stat().st_size / 1e6, 1)
        file = entry.file if entry.repo is None else f"{entry.repo}/{entry.file}"
        rows.append(dict(name=entry.name, family=entry.family, file=file, where=where, size_mb=size, licence=entry.licence))
    return rows


# ---- the one function that the rest of the program uses


def find(name: str, family: str) -> WeightFile:
    """The verified local file of a weight, fetched if need be.

    Args:
        name: as in ``weights/manifest.json``, such as ``"encoder"`` or ``"vgg19"``.
        family: ``"compact"`` or ``"full"``.

    Raises:
        WeightsMissing: one sentence: what happened (unknown, damaged, offline, hanging, not on the Hub, disk full), what to do.
    """
    entry = _entry(name, family)
    if entry.repo is None and entry.sha256 is None:
        raise WeightsMissing(f"{entry} has no checksum in weights/manifest.json, so it cannot be trusted; train it first.")
    with _lock:
        where, path = _look(entry)
        if where == "damaged":
            try:
                path = _fetch(entry)
            except WeightsMissing as error:
                raise WeightsMissing(f"{path} is damaged (wrong checksum), and {error}") from error
        elif where == "missing":
            path = _fetch(entry)
        elif entry.tensors and path != _kept(entry):  # somebody else's download of the whole file: it stays where it is
            with _explained(entry, cache_folder()):
                path = _keep(entry, _file_reader(path))
        return WeightFile(name, family, path, _sha256(path), entry.licence)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a weight file, on the CPU, under the file's own names; a ``{"state_dict": ...}`` around them is taken off.

    ``.safetensors`` holds nothing but tensors. ``.bin``, ``.pt`` and ``.pth`` are pickles, which can run any program when
    opened: they are opened only with ``weights_only=True``, which refuses everything that is not a tensor or a plain container.

    Raises:
        WeightsMissing: not readable, not a weight file, or a pickle that holds more than weights.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix not in (".bin", ".pt", ".pth"):
            raise ValueError("not a .safetensors, .bin, .pt or .pth file")
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the loaders raise a dozen kinds; whichever it is, the file is of no use
        reason = str(error).splitlines()[0][:150] if str(error) else type(error).__name__
        raise WeightsMissing(f"{path} cannot be read as weights ({reason}); fetch it again or use another file.") from error
    while isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    tensors = {k: v for k, v in held.items() if isinstance(v, Tensor)} if isinstance(held, Mapping) else {}
    if not tensors:
        raise WeightsMissing(f"{path} holds no named tensors; use a file made from a state_dict.")
    return tensors


# ---- fetching


def _fetch(entry: _Entry) -> Path:
    """Bring a file from the Hub into a cache and check it; what fails the check does not stay."""
    if (source := _source(entry)) is None:
        raise WeightsMissing(
            f"{entry} has no other source; restore it with `git checkout weights/{entry.file}`, or set "
            "STYLELAB_WEIGHTS_REPO=OWNER/REPO to a mirror and run `python -m stylelab weights fetch`."
        )
    from huggingface_hub import constants, hf_hub_download, hf_hub_url

    repo, revision = source
    url = hf_hub_url(repo, entry.file, revision=revision, endpoint=_endpoint())
    folder = cache_folder() if entry.tensors else Path(constants.HF_HUB_CACHE)
    where = dict(revision=revision, endpoint=_endpoint(), etag_timeout=PROBE_SECONDS)
    with _explained(entry, folder):
        answer = _probe(url)
        if entry.tensors and entry.extract_sha256:
            return _keep(entry, _http_reader(url))
        digest = entry.sha256 or (answer.etag if re.fullmatch("[0-9a-f]{64}", answer.etag or "") else None)
        if digest is None:
            raise WeightsMissing(f"{entry}: neither the Hub nor the manifest has a checksum of {entry.file}; pin its sha256.")
        _check_room(entry, folder, answer.size or 0)
        if entry.tensors:
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix=PASSING) as passing:  # beside the Hub's cache: the extract stays
                path = Path(hf_hub_download(repo, entry.file, cache_dir=passing, **where))
                _check(entry, path, digest)
                return _keep(entry, _file_reader(path))
        if (stale := _hub_cached(entry)) and _sha256(stale) != digest:  # else hf_hub_download would return it as it is
            _discard(stale)
        path = Path(hf_hub_download(repo, entry.file, **where))
        try:
            _check(entry, path, digest)
        except WeightsMissing:
            _discard(path)
            raise
        if entry.sha256 is None:
            _write(_sidecar(entry), lambda file: file.write(digest.encode()))
        return path


def _probe(url: str):
    """One HEAD request, no retries: the Hub's answer (etag, size) within `PROBE_SECONDS`, name resolution included."""
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import FileMetadataError

    answers: queue.SimpleQueue = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(get_hf_file_metadata(url, timeout=PROBE_SECONDS))
        except Exception as error:
            answers.put(error)

    # In a thread because the client's timeout is for each phase of a request and does not cover looking up the host.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=PROBE_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {PROBE_SECONDS:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    if answer.commit_hash is None:
        raise FileMetadataError("the answer names no commit")
    return answer


def _check(entry: _Entry, path: Path, digest: str) -> None:
    if _sha256(path) != digest:
        raise WeightsMissing(f"{entry}: what came from the Hub has the wrong checksum and was thrown away; try again.")


def _check_room(entry: _Entry, folder: Path, needed: int) -> None:
    """Ask for room before 500 MB have travelled, not after."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise WeightsMissing(_no_space(entry, folder, needed - free))


def _no_space(entry: _Entry, folder: Path, short: float) -> str:
    variable = "STYLELAB_CACHE" if entry.tensors else "HF_HOME"
    return f"{entry}: no space left for {folder}; free {max(1, round(short / 1e6))} MB there or set {variable} to another disk."


def _sweep(folder: Path) -> None:
    """Remove what downloads that were killed left behind: up to 575 MB each. What began less than a day ago may be going on."""
    for left in folder.glob(f"{PASSING}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > 86_400:
                shutil.rmtree(left)


def _discard(path: Path) -> None:
    """Remove a file of the Hub's cache: the snapshot's link, and what it points at, so that the next try starts afresh."""
    while path.is_symlink():
        target = path.parent / os.readlink(path)
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


def _write(path: Path, fill: Callable[[BinaryIO], Any], digest: str | None = None) -> None:
    """Write a file so that it appears whole, and with the right checksum if there is one, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f"{path.name}.{secrets.token_hex(8)}.partial"
    try:
        with part.open("xb") as file:  # not tempfile, whose files nobody else may read
            fill(file)
        if digest is not None and _sha256(part) != digest:
            raise WeightsMissing(f"{path.name}: what came from the Hub has the wrong checksum and was thrown away; try again.")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# ---- reading a part of a safetensors file: 8 bytes with the header's length, the header (JSON), the tensors' bytes


def _keep(entry: _Entry, read: Read) -> Path:
    """Make the extract of an entry in our cache; note its digest beside it where the manifest does not pin one."""
    path = _kept(entry)
    _write(path, lambda file: _extract(read, entry.tensors, file), entry.extract_sha256)
    if entry.extract_sha256 is None:
        _write(_sidecar(entry), lambda file: file.write(_sha256(path).encode()))
    return path


def _extract(read: Read, prefix: str, out: BinaryIO) -> None:
    """Copy the tensors whose names start with `prefix` into a safetensors file, in the source's order.

    Neighbouring tensors are read as one range. The bytes written depend on the source alone, not on any library's version.

    Raises:
        ValueError: not a safetensors file, or no such tensor in it.
    """
    length = int.from_bytes(b"".join(read(0, 8)), "little")
    if not 2 <= length <= LARGEST_HEADER:
        raise ValueError("not a safetensors file")
    try:
        header = json.loads(b"".join(read(8, 8 + length)))
        wanted = sorted((*item["data_offsets"], name) for name, item in header.items() if name.startswith(prefix))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("not a safetensors file") from None
    if not wanted:
        raise ValueError(f"no tensor's name starts with {prefix!r}")
    kept, spans, position = {}, [], 0
    for begin, end, name in wanted:
        size = end - begin
        kept[name] = header[name] | {"data_offsets": [position, position + size]}
        position += size
        if spans and spans[-1][1] == begin:
            spans[-1][1] = end
        else:
            spans.append([begin, end])
    text = json.dumps(kept, separators=(",", ":"), sort_keys=False).encode()
    text += b" " * (-len(text) % 8)  # the format wants the tensors aligned
    out.write(len(text).to_bytes(8, "little") + text)
    for begin, end in spans:
        for chunk in read(8 + length + begin, 8 + length + end):
            out.write(chunk)


def _file_reader(path: Path) -> Read:
    def read(begin: int, end: int) -> Iterator[bytes]:
        with path.open("rb") as file:
            file.seek(begin)
            while begin < end:
                if not (chunk := file.read(min(CHUNK, end - begin))):
                    raise ValueError("the file is shorter than its header says")
                begin += len(chunk)
                yield chunk

    return read


def _http_reader(url: str) -> Read:
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    def read(begin: int, end: int) -> Iterator[bytes]:
        headers = build_hf_headers() | {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
        with get_session().stream("GET", url, headers=headers, timeout=READ_SECONDS, follow_redirects=True) as answer:
            hf_raise_for_status(answer)
            served = answer.headers.get("Content-Range", "")
            if answer.status_code != 206 or not served.startswith(f"bytes {begin}-{end - 1}/"):
                raise ValueError("the server does not serve the range that was asked for")
            left = end - begin
            for chunk in answer.iter_raw():
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
            if left:
                raise ValueError("the body has another length than was asked for")

    return read


# ---- errors in plain words


@contextlib.contextmanager
def _explained(entry: _Entry, folder: Path) -> Iterator[None]:
    """Whatever the Hub, the network or the disk does wrong in here becomes one sentence; bugs pass through."""
    from huggingface_hub.errors import XetDownloadError

    try:
        yield
    except StylelabError:
        raise
    except Exception as error:
        network = type(error).__module__.startswith("httpx")  # the Hub client's transport: httpx2 today
        if not network and not isinstance(error, (OSError, ValueError, XetDownloadError)):
            raise
        raise WeightsMissing(_sentence(entry, folder, error)) from error


def _sentence(entry: _Entry, folder: Path, error: BaseException) -> str:
    from huggingface_hub import errors as hub

    otherwise = "" if entry.family == "compact" else ", or go on with the compact weights"
    offline = f"check the network and try again{otherwise}"
    if isinstance(error, hub.LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__  # it says only that there is no file; its cause says why
    if isinstance(error, hub.OfflineModeIsEnabled):
        return f"{entry} is not on this machine and HF_HUB_OFFLINE is set; unset it{otherwise}."
    if isinstance(error, hub.FileMetadataError):
        return f"{entry} is not on this machine and what answers is not the Hub (a sign-in page?); {offline}."
    if isinstance(error, (hub.EntryNotFoundError, hub.RepositoryNotFoundError, hub.RevisionNotFoundError)):
        repo, revision = _source(entry)
        advice = "check STYLELAB_WEIGHTS_REPO" if entry.repo is None else f"report it{otherwise}"
        return f"{entry}: {repo}/{entry.file} at {revision} is not on the Hub, or not for this user; {advice}."
    if isinstance(error, hub.HfHubHTTPError):
        code = error.response.status_code if error.response is not None else "an error"
        return f"{entry}: the Hub answered {code}; {offline}."
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return f"{entry} is not on this machine and the Hub does not answer; {offline}."
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            # what is still missing is not known here; the whole file is the safe answer
            return _no_space(entry, folder, (entry.size_mb or 100) * 1e6)
        if "Consistency check failed" in str(error):
            return f"{entry}: the download broke off (truncated); try again."
        variable = "STYLELAB_CACHE" if entry.tensors else "HF_HOME"
        return f"{entry}: {folder} cannot be written ({error.strerror or error}); set {variable} to a folder that can."
    if isinstance(error, ValueError):
        return f"{entry}: {entry.file} was not read to the end or is not what it should be ({error}); try again."
    if "Protocol" in type(error).__name__ or "Read" in type(error).__name__:
        return f"{entry}: the download broke off ({error}); try again."
    return f"{entry} is not on this machine and the Hub cannot be reached ({error}); {offline}."


# ---- python -m stylelab weights


def publish(repo: str, private: bool = False) -> str:
    """Upload ``manifest.json``, ``README.md`` and the shipped files to a repository of one's own; returns the commit.

    Raises:
        BadInput: `repo` is not OWNER/REPO.
        WeightsMissing: a shipped file is damaged, or there is none.
        StylelabError: no token, not allowed, or no network.
    """
    if not _is_repo(repo):
        raise BadInput(f"publish needs OWNER/REPO, not {repo!r}.")
    shipped = []
    for entry in _entries():
        if entry.repo is None and (FOLDER / entry.file).is_file():
            if entry.sha256 is None or _sha256(FOLDER / entry.file) != entry.sha256:
                raise WeightsMissing(f"weights/{entry.file} is not what the manifest says; restore it before publishing.")
            shipped.append(entry.file)
    if not shipped:
        raise WeightsMissing("There is no file in weights/ to publish; train or restore them first.")
    from huggingface_hub import HfApi, errors, get_token

    if get_token() is None:
        raise StylelabError("publish needs a token of the Hub: run `hf auth login`, or set HF_TOKEN, and try again.")
    api = HfApi(endpoint=_endpoint())
    files = ["manifest.json", "README.md", *shipped]
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        return api.upload_folder(
            repo_id=repo, folder_path=FOLDER, allow_patterns=files, commit_message="stylelab: verified weights"
        ).oid
    except errors.OfflineModeIsEnabled as error:
        raise StylelabError("HF_HUB_OFFLINE is set; unset it to publish.") from error
    except errors.HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else None
        if code in (401, 403, 404):
            raise StylelabError(f"The Hub refused to write to {repo} ({code}): use a token with write access to it.") from error
        raise StylelabError(f"The Hub did not take the upload ({code}); try again later.") from error
    except Exception as error:
        if not type(error).__module__.startswith("httpx") and not isinstance(error, OSError):
            raise
        raise StylelabError(f"The Hub cannot be reached ({error}); check the network and try again.") from error


def _table(rows: list[dict[str, Any]]) -> str:
    cells = [("name", "family", "where", "MB", "licence", "file")]
    for row in rows:
        size = "" if row["size_mb"] is None else f"{row['size_mb']:.1f}"
        cells.append((row["name"], row["family"], row["where"], size, row["licence"], row["file"]))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def _verify(_: argparse.Namespace) -> int:
    _hashed.clear()
    bad = 0
    for entry in _entries():
        where, _path = _look(entry)
        needed = entry.repo is None and entry.family == "compact"  # what a machine without network cannot do without
        bad += where == "damaged" or (where == "missing" and needed)
        words = {"shipped": "ok", "cached": "ok", "missing": "MISSING" if needed else "not fetched", "damaged": "DAMAGED"}
        print(f"{entry}: {words[where]}")
    print(f"{bad} missing or damaged" if bad else "all that is here is right, and all that must be here is here")
    return int(bad > 0)


def _fetch_all(given: argparse.Namespace) -> int:
    entries = [e for e in _entries() if given.family in (None, e.family) and (not given.names or e.name in given.names)]
    if unknown := set(given.names) - {e.name for e in entries}:
        raise BadInput(f"There is no weight {sorted(unknown)[0]!r} here; `python -m stylelab weights list` names them.")
    failed = 0
    for entry in entries:
        try:
            found = find(entry.name, entry.family)
        except WeightsMissing as error:
            failed += 1
            print(error, file=sys.stderr)
            continue
        print(f"{entry}: {found.path}  sha256 {found.sha256}")
        if entry.tensors and entry.extract_sha256 is None:
            print(f'  to read only this part from now on, pin in weights/manifest.json: "extract_sha256": "{found.sha256}"')
    return int(failed > 0)


def _publish(given: argparse.Namespace) -> int:
    commit = publish(given.repo, given.private)
    print(f"published {given.repo} at commit {commit}")
    print(f"export STYLELAB_WEIGHTS_REPO={given.repo}@{commit}")
    return 0


def main(argv: list[str]) -> int:
    """``list``, ``fetch``, ``verify`` and ``publish``; returns the exit status.

    Raises:
        StylelabError: what the shell should print as one line.
    """
    parser = argparse.ArgumentParser("python -m stylelab weights", description="Where the weights are; whether they are right.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every file: where it is, size, licence; no network")
    fetch = commands.add_parser("fetch", help="fetch and check files; without a name all of them")
    fetch.add_argument("names", nargs="*", metavar="NAME")
    fetch.add_argument("--family", choices=("compact", "full"))
    commands.add_parser("verify", help="hash every file that is here; exit 1 if one is damaged or a shipped one is missing")
    mirror = commands.add_parser("publish", help="mirror the shipped files in a repository of your own on the Hub")
    mirror.add_argument("repo", metavar="OWNER/REPO")
    mirror.add_argument("--private", action="store_true")
    given = parser.parse_args(argv)
    if given.command == "list":
        print(_table(status()))
        return 0
    return {"fetch": _fetch_all, "verify": _verify, "publish": _publish}[given.command](given)
