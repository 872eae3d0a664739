"""Headers sent with every request to the Hub: who asks, and with which token."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from wizard_tui.version import __version__

# answers to the client's own requests for a token have a few hundred bytes; compressed ones expand
LIMIT_BYTES = 1 << 16
_HERE = threading.local()


def request_headers() -> dict[str, str]:
    """Headers with the user's token, where there is one and the settings allow it.

    They are made here because huggingface_hub's build_hf_headers costs an extra request. Its get_token may ask the Hub
    too, to replace a token that expires soon; that answer is bounded by `LIMIT_BYTES`.
    """
    from huggingface_hub import constants, get_session, get_token

    made = {"user-agent": f"vllm-wizard-tui/{__version__}"}
    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return made
    hooks: list[Any] = get_session().event_hooks["response"]
    if _bounded not in hooks:
        hooks.append(_bounded)
    _HERE.asks = True
    try:
        token = get_token()
    finally:
        _HERE.asks = False
    return made if token is None else made | {"authorization": f"Bearer {token}"}


def _bounded(answer: Any) -> None:
    """Bound the body of an answer if this thread asked for it: the whole program shares the client."""
    if getattr(_HERE, "asks", False):
        # the HTTP library behind the client changes from version to version
        library = import_module(type(answer).__module__.partition(".")[0])
        answer.stream = _bounded_stream(library.SyncByteStream, answer.stream)


def _bounded_stream(kind: type[Any], stream: Any) -> Any:
    class Bounded(kind):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            left = LIMIT_BYTES
            for piece in stream:
                left -= len(piece)
                if left < 0:
                    raise OSError("the answer is longer than it may be")
                yield piece

        def close(self) -> None:
            stream.close()

    return Bounded()
