"""Removes what must not be kept or shown: all of an address but host and path, and tokens in any text.

The rules are for what people paste: they remove too much of an address rather than leave a part of a password. Text
that is not an address, such as a path, `org/name@revision` or an image with its digest, stays as it is.
"""

from __future__ import annotations

import re

from wizard_tui.errors import Refusal

HIDDEN = "***"
HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")

# tokens of Hugging Face, OpenAI and services with the same form, NVIDIA, GitHub, GitLab, AWS, and signed claims (JWT)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:hf|api_org|hf_oauth|hf_jwt|gh[opsur])_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|(?<![A-Za-z0-9][/._-])sk-(?=[\w-]*\d)[\w-]{16,}|nvapi-[\w-]{20,}|glpat-[\w-]{20,}|AKIA[A-Z0-9]{16}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*)"
)
# what may be a key: named as one, with a prefix that services give their keys, or long and of letters and digits
_MAYBE_KEY = re.compile(
    r"(?i:\b(?:\w*(?:token|secret|passw(?:or)?d|api_?key|authorization)\w*)[\"']?\s*[=:]\s*(?:bearer\s+)?)\S+"
    r"|(?i:\bbearer\s+)\S+"
    r"|\b(?:hf_|sk-|gh[a-z]_|glpat-|xox[a-z]-|AKIA|eyJ)[\w.+/=-]+"
    r"|(?=[\w+/=-]*[0-9])(?=[\w+/=-]*[A-Za-z])[\w+/=-]{20,}"
)
_PATH = re.compile(r"\s*['\"]?(?:[.~]|/(?!/))")
# LoRA adapters: name=address, and more of them behind blanks or commas
_NAME = re.compile(r"\s*[^\s,=:/?#@]+=")
_NEXT = re.compile(r"(?<=[\s,])(?=[^\s,=:/?#@]+=)")
# with any text before it; a path turns two slashes into one
_SCHEME = re.compile(r"[^/?#@:]*:(?://+|(?<=https:)/|(?<=http:)/)", re.IGNORECASE)
_BEFORE = re.compile(r"[\s'\"<(]*")
_HUB = re.compile(rf"(?:{'|'.join(map(re.escape, HUB_HOSTS))})(?=[:/?#]|$)", re.IGNORECASE)
_HOST = re.compile(
    r"(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.[A-Za-z]{2,})"
    r"(?=[:/?#\s,]|$)"
)
_USER = re.compile(r"[^\s:/@]+:")
_DIGEST = re.compile(r"sha\d+:")
_WORD = re.compile(r"[^\s'\"]*(?:@|:/)[^\s'\"]*")


def without_secrets(text: str) -> str:
    """`text`, the value of a field or a word, as it may be kept and shown.

    An address loses user, password, query and fragment: `https://me:key@hf.co/a/b?token=x` is `https://hf.co/a/b`. A
    token by itself becomes `***`. Cleaning twice is the same as cleaning once.
    """
    return _TOKEN.sub(HIDDEN, bare_address(text))


def without_secrets_in(sentence: str) -> str:
    """A sentence that may quote addresses and tokens, as it may be shown."""
    return _TOKEN.sub(HIDDEN, _WORD.sub(lambda word: bare_address(word[0]), sentence))


def without_keys_in(message: str, hidden: str = HIDDEN) -> str:
    """A message for strangers: `without_secrets` of each word, and `hidden` for whatever may be a key.

    It takes out too much rather than too little: a long name that has digits goes too.
    """
    return _MAYBE_KEY.sub(hidden, " ".join(map(without_secrets, message.split(" "))))


def refuse_token(text: str, what: str = "") -> str:
    """`text` itself, if no token is in it. Otherwise raises Refusal, with a sentence about `what`."""
    if HIDDEN in _TOKEN.sub(HIDDEN, text):
        raise Refusal(
            f"{what} looks like a secret token, which is not kept here: the Hub's belongs into HF_TOKEN, and the "
            "server's into a variable that api_key_env names".lstrip()
        )
    return text


def bare_address(text: str) -> str:
    """`text` with every address cut down to host and path, as in `without_secrets`; tokens by themselves are kept."""
    if not any(mark in text for mark in "@?#"):
        return text
    while (cleaned := "".join(map(_address, _NEXT.split(text) if _NAME.match(text) else [text]))) != text:
        text = cleaned
    return text


def _address(piece: str) -> str:
    if _PATH.match(piece):
        return piece
    scheme = _SCHEME.match(piece)
    before = scheme or _NAME.match(piece) or _BEFORE.match(piece)
    begins = before.end() if before else 0
    host = begins + _end_of_login(piece[begins:], after_scheme=scheme is not None)
    rest = piece[host:]
    if scheme or host > begins or _HUB.match(rest):
        rest = re.split("[?#]", rest, maxsplit=1)[0]
    return piece[:begins] + rest


def _end_of_login(rest: str, *, after_scheme: bool) -> int:
    """Where the host begins: behind the last @ that may end user and password, whatever characters these have."""
    ends = [at.end() for at in re.finditer("@", rest) if not _DIGEST.match(rest, at.end())]
    if not ends or (_HUB.match(rest) and not after_scheme):
        return 0
    authority = re.split(r"[/?#\s]", rest, maxsplit=1)[0]
    _, colon, port = authority.rpartition(":")
    holds_a_slash = colon and not port.isdecimal() and not authority.endswith("]") and "@" not in authority
    if holds_a_slash if after_scheme else _USER.match(rest):
        return ends[-1]
    host = _HOST if after_scheme else _HUB
    return max((end for end in ends if (after_scheme and end <= len(authority)) or host.match(rest, end)), default=0)
