"""What must not be kept or shown: the password within an address, where git, pip and proxies take one."""

from __future__ import annotations

import re

# user:password@ behind a scheme, or in front of a host that is written without one
_USER = re.compile(r"(?<=://)[^/?#\s]*@|^[^/?#\s:@]+:[^/?#\s@]+@(?=[\w-]+(?:\.[\w-]+)+)")


def without_password(text: str) -> str:
    """`text` without the user and the password of an address: `https://me:key@hf.co/a/b` is `https://hf.co/a/b`."""
    return _USER.sub("", text)
