"""A server on loopback that answers as the Hub does: model info, files, byte ranges, and its ways to refuse."""

from __future__ import annotations

import hashlib
import json
import math
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wizard_tui.models.tensor_headers import ELEMENT_BYTES

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """One repository: its files, and how it refuses (an HTTP status and the Hub's own code for the reason)."""

    files: dict[str, bytes] = field(default_factory=dict)
    gated: str | bool = False
    refuses: tuple[int, str] | None = None
    pipeline_tag: str = "text-generation"
    license: str = "apache-2.0"
    redirects: bool | str = False
    """To a path of this server, or to another one's."""
    absent: str = "\0"
    """How the names of those files end that are listed and not there."""
    size: Any = ...
    """What the list says of each file's size, where it is not the true one."""

    def there(self) -> list[str]:
        """The files that can be had."""
        return [name for name in self.files if not name.endswith(self.absent)]


@dataclass
class Hub:
    """Repositories by id, every request that came (method, path, range), and what it was authorised by."""

    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    authorized_by: set[str] = field(default_factory=set)
    cuts_connections: bool = False
    fault: Callable[[BaseHTTPRequestHandler], None] | None = None
    """Answers in the place of the Hub."""
    token: dict[str, Any] | None = None
    """The answer to one who asks for a newer token."""
    answers: threading.Event | None = None
    """Set when it may answer; None: at once."""

    def answer(self, handler: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = unquote(urlsplit(handler.path).path)
        self.authorized_by.add(handler.headers.get("Authorization", ""))
        self.asked.append((handler.command, path, handler.headers.get("Range", "")))
        if self.answers is not None:
            self.answers.wait(30)
        if self.fault is not None:
            # a client that has had enough is none of our business
            with suppress(OSError):
                self.fault(handler)
            handler.close_connection = True
            return
        if self.cuts_connections:
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if path == "/oauth/token" and self.token is not None:
            _send(handler, json.dumps(self.token).encode(), {"Content-Type": "application/json"}, body=body)
            return
        if path == "/api/models":
            wanted = parse_qs(urlsplit(handler.path).query).get("search", [""])[0].lower()
            listed = [_info(name, repo) for name, repo in self.repos.items() if wanted in name.lower()]
            _send(handler, json.dumps(listed).encode(), {"Content-Type": "application/json"}, body=body)
            return
        found = next((name for name in self.repos if path.startswith((f"/api/models/{name}", f"/{name}/"))), None)
        if found is None:
            _refuse(handler, 404, "RepoNotFound")
            return
        repo = self.repos[found]
        if repo.refuses is not None:
            _refuse(handler, *repo.refuses)
        elif path.startswith("/api/"):
            if "/revision/" in path and path.rpartition("/")[2] not in ("main", SHA):
                _refuse(handler, 404, "RevisionNotFound")
            else:
                _send(handler, json.dumps(_info(found, repo)).encode(), {"Content-Type": "application/json"}, body=body)
        elif repo.redirects and "/resolve/" in path and not urlsplit(handler.path).query:
            store = repo.redirects if isinstance(repo.redirects, str) else ""
            _send(handler, b"", {"Location": f"{store}{path}?from=the-store"}, body=False, status=302)
        elif (name := path.partition("/resolve/")[2].partition("/")[2]) in repo.files and not name.endswith(
            repo.absent
        ):
            _send_file(handler, repo.files[name], body=body)
        else:
            _refuse(handler, 404, "EntryNotFound")


class _Server(ThreadingHTTPServer):
    """A client that has had enough is none of its business."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running(hub: Hub) -> Iterator[str]:
    """Serve `hub`; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.answer(self, body=True)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hub.answer(self, body=True)

        def do_HEAD(self) -> None:
            hub.answer(self, body=False)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def safetensors(tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    """A file with these tensors in its header, one behind the other, and no data."""
    listed, end = {}, 0
    for name, (kind, shape) in tensors.items():
        begin, end = end, end + int(math.prod(shape) * ELEMENT_BYTES[kind])
        listed[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(listed).encode()
    return struct.pack("<Q", len(header)) + header


def _info(name: str, repo: Repo) -> dict[str, Any]:
    siblings = [
        {"rfilename": file, "size": len(data) if repo.size is ... else repo.size} for file, data in repo.files.items()
    ]
    return {
        "id": name,
        "modelId": name,
        "sha": SHA,
        "private": False,
        "gated": repo.gated,
        "tags": [],
        "downloads": 1,
        "likes": 0,
        "pipeline_tag": repo.pipeline_tag,
        "cardData": {"license": repo.license},
        "siblings": siblings,
    }


def _send_file(handler: BaseHTTPRequestHandler, data: bytes, *, body: bool) -> None:
    headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": SHA, "Accept-Ranges": "bytes"}
    asked = handler.headers.get("Range", "")
    if asked.startswith("bytes=") and body:
        first, _, last = asked[6:].partition("-")
        part = data[int(first) : int(last) + 1 if last else None]
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        _send(handler, part, headers, body=body, status=206)
    else:
        _send(handler, data, headers, body=body)


def _send(
    handler: BaseHTTPRequestHandler, data: bytes, headers: dict[str, str], *, body: bool, status: int = 200
) -> None:
    handler.send_response(status)
    for name, value in (headers | {"Content-Length": str(len(data))}).items():
        handler.send_header(name, value)
    handler.end_headers()
    if body:
        handler.wfile.write(data)


def _refuse(handler: BaseHTTPRequestHandler, status: int, code: str) -> None:
    headers = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
    _send(handler, b"{}", headers, body=handler.command == "GET", status=status)
