"""A small Hugging Face Hub on loopback, with faults: what `huggingface_hub` 2.4 needs to download, read ranges and publish.

    with FakeHub() as hub:
        hub.put("acme/style", "model.safetensors", data)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.fault = "hang"      # see `FAULTS`

`served[path]` counts the body bytes sent for a file, `requests` lists (method, path). `closed()` gives the address of a port on
which nothing listens.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

FAULTS = (
    "hang",  # never answers
    "hang-body",  # answers HEAD, never answers GET
    "short",  # GET announces and sends fewer bytes than HEAD said
    "cut",  # GET sends half of what it announced and hangs up
    "corrupt",  # the right number of bytes, one of them wrong
    "no-range",  # answers a range request with the whole file
    "portal",  # a sign-in page: 200, HTML, no Hub headers
    "503",
)


def closed() -> str:
    """An address that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class FakeHub:
    """A thread with a server; `fault` may be changed at any time."""

    def __init__(self):
        self.files: dict[tuple[str, str], bytes] = {}  # (repository, path) -> content
        self.commits: dict[str, str] = {}  # repository -> 40 hex digits
        self.served, self.requests, self.tokens = Counter(), [], set()
        self.fault: str | None = None
        self.writable = True
        self._over = threading.Event()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, repo: str, path: str, content: bytes) -> str:
        """Add a file; returns the repository's commit, which depends on all of its files."""
        self.files[repo, path] = content
        told = sorted((p, hashlib.sha256(c).hexdigest()) for (r, p), c in self.files.items() if r == repo)
        self.commits[repo] = hashlib.sha1(repr(told).encode()).hexdigest()
        return self.commits[repo]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: bytes = b"", headers: dict | None = None, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def do_HEAD(self):
        self.resolve()

    def do_GET(self):
        self.resolve()

    def resolve(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        if hub.fault == "hang" or (hub.fault == "hang-body" and self.command == "GET"):
            hub._over.wait(60)
            self.close_connection = True
            return
        if hub.fault == "portal":
            return self.answer(200, b"<html>Welcome to the airport</html>", {"Content-Type": "text/html"})
        if hub.fault == "503":
            return self.answer(503)
        if not (match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)):
            return self.answer(404)
        repo, revision, file = match.groups()
        if repo not in hub.commits:
            return self.answer(404, headers={"X-Error-Code": "RepoNotFound"})
        commit = hub.commits[repo]
        if revision not in ("main", commit):
            return self.answer(404, headers={"X-Error-Code": "RevisionNotFound"})
        if (repo, file) not in hub.files:
            return self.answer(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        body = hub.files[repo, file]
        told = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(body).hexdigest()}"', "Accept-Ranges": "bytes"}
        status, total = 200, len(body)
        if hub.fault == "corrupt":
            middle = total // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and hub.fault != "no-range":
            first, last = int(asked[1]), min(int(asked[2] or total - 1), total - 1)
            status, body = 206, body[first : last + 1]
            told["Content-Range"] = f"bytes {first}-{last}/{total}"
        length = len(body)
        if self.command == "GET" and hub.fault in ("short", "cut"):
            body = body[: length // 2]
            length = len(body) if hub.fault == "short" else length
            self.close_connection = True
        if self.command == "GET":
            hub.served[file] += len(body)
        self.answer(status, body, told, length)

    def do_POST(self):
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        hub.tokens.add(self.headers.get("Authorization"))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not hub.writable:
            return self.json({"error": "Forbidden"}, 403)
        if path == "/api/repos/create":
            wanted = json.loads(body)
            repo = "/".join(part for part in (wanted.get("organization"), wanted["name"]) if part)
            return self.json({"url": f"{hub.url}/{repo}"})
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            plain = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return self.json({"files": [{"path": file["path"]} | plain for file in json.loads(body)["files"]]})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            for line in filter(None, body.splitlines()):
                item = json.loads(line)
                if item["key"] == "file":
                    hub.put(match[1], item["value"]["path"], base64.b64decode(item["value"]["content"]))
            commit = hub.commits[match[1]]
            return self.json({"success": True, "commitOid": commit, "commitUrl": f"{hub.url}/{match[1]}/commit/{commit}"})
        return self.answer(404)
