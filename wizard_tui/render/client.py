"""How a client asks the server: curl, and Python with the openai package."""

from __future__ import annotations

import json

from wizard_tui.render.artifact import Artifact
from wizard_tui.render.container import port_of
from wizard_tui.render.shell import Shell, command
from wizard_tui.schemas.outputs import VLLMConfig

_QUESTION = "Say hello in five words."

_PYTHON = """\
# pip install openai
{imports}from openai import OpenAI

client = OpenAI(base_url={url}, api_key={key})
answer = client.chat.completions.create(
    model={model},
    messages=[{{"role": "user", "content": {question}}}],
    max_tokens=64,
    stream={stream},
)
{shown}
"""
_AT_ONCE = "print(answer.choices[0].message.content)"
_AS_IT_COMES = """\
for piece in answer:
    for choice in piece.choices:
        print(choice.delta.content or "", end="", flush=True)
print()"""


def served_name(config: VLLMConfig) -> str:
    """The model's name in requests."""
    return config.served_model_name or config.model


def base_url(config: VLLMConfig) -> str:
    """Where a client on the same machine reaches the server."""
    host = config.host or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port_of(config)}/v1"


def render_curl_client(config: VLLMConfig) -> str:
    """A chat request. curl gets the API key on its standard input, where no list of processes shows it."""
    body = {
        "model": served_name(config),
        "messages": [{"role": "user", "content": _QUESTION}],
        "max_tokens": 64,
        "stream": config.deployment.streaming,
    }
    as_it_comes = ["--no-buffer"] if config.deployment.streaming else []
    lines: list[list[str]] = [
        ["curl", "--fail-with-body", "--silent", "--show-error", *as_it_comes, f"{base_url(config)}/chat/completions"],
        ["--header", "Content-Type: application/json"],
        ["--data", json.dumps(body)],
    ]
    if key := config.deployment.api_key_env:
        lines.append(["--header", Shell(f'@- <<< "Authorization: Bearer ${{{key}:?set it to the API key}}"')])
    return command(lines)


def render_python_client(config: VLLMConfig) -> str:
    """The same request with the openai package; texts are Python literals in ASCII."""
    key = config.deployment.api_key_env
    return _PYTHON.format(
        imports="import os\n\n" if key else "",
        url=ascii(base_url(config)),
        key=f"os.environ[{key!a}]" if key else '"none"',
        model=ascii(served_name(config)),
        question=json.dumps(_QUESTION),
        stream=config.deployment.streaming,
        shown=_AS_IT_COMES if config.deployment.streaming else _AT_ONCE,
    )


CURL = Artifact(
    name="curl",
    filename="ask.sh",
    title="client: curl",
    render=render_curl_client,
    executable=True,
    writes_flags=False,
    run=None,
    ask="./ask.sh",
)

PYTHON = Artifact(
    name="python",
    filename="ask.py",
    title="client: Python",
    render=render_python_client,
    writes_flags=False,
    run=None,
    ask="python3 ask.py",
)
