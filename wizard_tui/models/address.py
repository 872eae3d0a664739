"""What people give as a model's name: an id, or the address of its page."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from wizard_tui.errors import Refusal
from wizard_tui.schemas.secrets import HUB_HOSTS, bare_address

_FILE_VIEWS = frozenset({"tree", "blob", "resolve", "raw", "commit"})
_SCHEME = re.compile(r"^(https?)://", re.IGNORECASE)


class Address(NamedTuple):
    """A repository of the Hub, and what its address adds: a revision, a file."""

    model_id: str
    revision: str | None = None
    file: str | None = None


def parse(name: str) -> Address:
    """The repository that a Hub id or the address of a page means.

    Understands addresses of the Hub and of the mirror that HF_ENDPOINT names. Raises Refusal for other sites, and
    for pages that do not belong to a model.
    """
    if not _SCHEME.match(name) and not name.lower().startswith(tuple(f"{host}/" for host in HUB_HOSTS)):
        return _of_id(name)
    address = bare_address(name if _SCHEME.match(name) else f"https://{name}")
    host, mirror = _host(address), _host(bare_address(os.environ.get("HF_ENDPOINT", "")))
    if not host or host not in (*HUB_HOSTS, mirror):
        raise Refusal(f"{host or address} is not the Hub; give an id such as Qwen/Qwen3-8B, or set HF_ENDPOINT")
    pieces = [unquote(piece) for piece in urlsplit(address).path.split("/") if piece]
    if pieces[:1] == ["models"]:
        pieces = pieces[1:]
    if len(pieces) < 2 or pieces[0] in ("datasets", "spaces", "collections", "papers", "docs"):
        raise Refusal(f"{address} is no model's page; give an id such as Qwen/Qwen3-8B")
    revision = pieces[3] if len(pieces) > 3 and pieces[2] in _FILE_VIEWS else None
    rest = "/".join(pieces[4:])
    return Address(f"{pieces[0]}/{pieces[1]}", None if revision == "main" else revision, rest or None)


def _host(address: str) -> str:
    """The host of an address with its port, in lower case; empty where there is none."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


def _of_id(name: str) -> Address:
    """`org/name`, or `org/name/file.gguf` for one file of a repository."""
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if file.lower().endswith(".gguf") and not name.startswith((".", "~", "/")):
        return Address(f"{owner}/{repository}", None, file)
    return Address(name)
