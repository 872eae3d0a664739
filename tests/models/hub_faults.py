"""What may come instead of the Hub's answer: refusals, cut lines, floods, pages of hotel networks."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler

Fault = Callable[[BaseHTTPRequestHandler], None]


def refusal(status: int, code: str = "", text: bytes = b"{}") -> Fault:
    """An HTTP status, with the Hub's own word for the reason."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        _begin(handler, status, len(text), **headers)
        handler.wfile.write(text)

    return answer


def body(data: bytes, *, claimed: int | None = None, kind: str = "application/json", encoding: str = "") -> Fault:
    """200 and these bytes, of which `claimed` are announced."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        further = {"Content-Encoding": encoding} if encoding else {}
        _begin(handler, 200, len(data) if claimed is None else claimed, **{"Content-Type": kind, **further})
        handler.wfile.write(data)

    return answer


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for ever; never a pause long enough to be one."""
    _begin(handler, 200, 1 << 40)
    while True:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        threading.Event().wait(0.02)


def drip_before_the_body(begin: bytes) -> Fault:
    """The same, in the status line or in a header that does not end."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        while True:
            handler.wfile.write(b"x")
            threading.Event().wait(0.02)

    return answer


def flood(handler: BaseHTTPRequestHandler) -> None:
    """Bytes without end, as fast as they are taken."""
    _begin(handler, 200, 1 << 40)
    while True:
        handler.wfile.write(b" " * (1 << 16))


def silence(handler: BaseHTTPRequestHandler) -> None:
    """No answer before the client goes."""
    handler.connection.settimeout(30)
    handler.connection.recv(1)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """The connection is thrown away, with what was on its way."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def redirect(where: str, *, flooding: bool = False) -> Fault:
    """Go there; with a body without end, where it is flooding."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _begin(handler, 302, 1 << 40 if flooding else 0, Location=where)
        while flooding:
            handler.wfile.write(b" " * (1 << 16))

    return answer


def _begin(handler: BaseHTTPRequestHandler, status: int, length: int, **headers: str) -> None:
    handler.send_response(status)
    for name, text in {**headers, "Content-Length": str(length)}.items():
        handler.send_header(name, text)
    handler.end_headers()


HTML = b"<html><body><h1>Welcome to the hotel</h1></body></html>"

FAULTS: Mapping[str, tuple[Fault, str]] = {
    "gated": (refusal(401, "GatedRepo"), "is gated: accept its licence at"),
    "gated 403": (refusal(403, "GatedRepo"), "is gated: accept its licence at"),
    "wrong token": (refusal(401), "is not on the Hub, or is private|refuses the token"),
    "forbidden": (refusal(403), "does not let you read"),
    "absent": (refusal(404, "RepoNotFound"), "is not on the Hub, or is private"),
    "too many": (refusal(429), "too many requests: wait a minute"),
    "broken": (refusal(500, text=HTML), "the Hub answers 500"),
    "bad gateway with a flood": (refusal(502, text=b"x" * (1 << 20)), "the Hub answers 502"),
    "a status that is none": (refusal(599), "the Hub answers 599"),
    "silent": (silence, "did not answer within"),
    "dripping": (drip, "did not answer within"),
    "dripping in the status line": (drip_before_the_body(b"HTTP/1.1 200 "), "did not answer within"),
    "dripping in a header": (drip_before_the_body(b"HTTP/1.1 200 OK\r\nX-Long: "), "did not answer within"),
    "flooding": (flood, "is not the Hub: see whether HF_ENDPOINT and the proxy are right"),
    "half a body": (body(b'{"id": "org', claimed=4000), "cannot be reached"),
    "fewer bytes than there are": (body(b'{"id": "org/m", "siblings": []}', claimed=9), "is not the Hub"),
    "invalid JSON": (body(b"{'id': }"), "is not the Hub"),
    "JSON of another kind": (body(b'["id"]'), "is not the Hub"),
    "JSON without sense": (body(b'{"id": 7, "siblings": "x", "gated": {}, "sha": []}'), "is not the Hub|has no config"),
    "nested without end": (body(b"[" * 100_000), "is not the Hub"),
    "a hotel's page": (body(HTML, kind="text/html"), "is not the Hub"),
    "not text": (body(bytes(range(256))), "is not the Hub"),
    "a bomb": (body(gzip.compress(b" " * (64 << 20)), encoding="gzip"), "is not the Hub"),
    "not compressed": (body(b"{}", encoding="gzip"), "cannot be reached|is not the Hub"),
    "reset": (reset, "cannot be reached"),
    "round in circles": (redirect("/again"), "cannot be reached"),
    "round in circles with a flood": (redirect("/again", flooding=True), "cannot be reached"),
    "elsewhere": (redirect("file:///etc/passwd"), "cannot be reached"),
    "nowhere": (redirect("http://[bad"), "cannot be reached|is not the Hub"),
}
"""Name -> what happens, and what the user is told (a regular expression)."""
