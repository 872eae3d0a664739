"""What the server needs when it runs in a container: paths as seen from inside, mounts, time to start, health."""

from __future__ import annotations

import csv
import io
import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from wizard_tui.errors import Refusal
from wizard_tui.schemas.outputs import VLLMConfig

HF_CACHE = "/root/.cache/huggingface"
VLLM_CACHE = "/root/.cache/vllm"
"""torch.compile output; keeping it saves minutes at the next start."""

HOST_HF_CACHE = "${HF_HOME:-$HOME/.cache/huggingface}"
DEFAULT_PORT = 8000
SHM_GIB = 16
"""Shared memory through which tensor-parallel workers exchange data."""

_TEMPLATE_INSIDE = "/chat-template.jinja"
_IN_IMAGE = "/vllm-workspace/"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_SLOW_DOWNLOAD_BYTES_PER_S = 50_000_000
_LOAD_AND_COMPILE_S = 900
_UNKNOWN_DOWNLOAD_S = 2700
_NAME_LENGTH = 40


class Mount(NamedTuple):
    """A path of the machine, mounted read-only at a path inside the container."""

    name: str
    source: str
    target: str


def mounts(config: VLLMConfig) -> list[Mount]:
    """The local checkpoints and the local chat template, where there are any."""
    found = [Mount(name, str(_root(path)), f"/{name}") for name, path in _local_checkpoints(config).items()]
    if template := _mounted_template(config):
        found.append(Mount("chat-template", template, _TEMPLATE_INSIDE))
    return found


def inside(config: VLLMConfig) -> VLLMConfig:
    """The same configuration as the container sees it.

    The server listens on all of the container's addresses, since the published address restricts access (several
    nodes share the machine's network, so there the host stays). Clients keep the model's name although the directory
    is mounted elsewhere.
    """
    changes: dict[str, object] = {} if config.deployment.nodes > 1 else {"host": "0.0.0.0"}  # noqa: S104
    moved = {
        path: str(PurePosixPath(f"/{name}") / PurePosixPath(path).relative_to(_root(path)))
        for name, path in _local_checkpoints(config).items()
    }
    if config.model in moved:
        changes["model"] = moved[config.model]
        changes["served_model_name"] = config.served_model_name or config.model
    if config.tokenizer in moved:
        changes["tokenizer"] = moved[config.tokenizer]
    if config.speculative_config and config.speculative_config.get("model") in moved:
        changes["speculative_config"] = config.speculative_config | {"model": moved[config.speculative_config["model"]]}
    if _mounted_template(config):
        changes["chat_template"] = _TEMPLATE_INSIDE
    elif config.chat_template is None:
        changes["chat_template"] = config.deployment.chat_template_in_image
    return config.model_copy(update=changes)


def is_offline(config: VLLMConfig) -> bool:
    """Whether nothing has to come from the Hub: every named checkpoint is local."""
    return set(_checkpoints(config).values()) == set(_local_checkpoints(config).values())


def port_of(config: VLLMConfig) -> int:
    """The port the server listens on."""
    return config.port or DEFAULT_PORT


def published_address(config: VLLMConfig) -> str:
    """`host:port` at which the container is reached; only from this machine unless another host is set."""
    host = config.host or "127.0.0.1"
    host = {"localhost": "127.0.0.1"}.get(host, host)
    return f"[{host}]:{port_of(config)}" if ":" in host else f"{host}:{port_of(config)}"


def instance_name(config: VLLMConfig) -> str:
    """A name for container, service and unit, made of a-z, 0-9 and dashes: vllm-qwen3-8b for Qwen/Qwen3-8B."""
    name = config.served_model_name or config.model
    words = re.findall(r"[a-z0-9]+", name.rstrip("/").rpartition("/")[2].lower())
    return "-".join(["vllm", *words])[:_NAME_LENGTH].rstrip("-")


def startup_seconds(config: VLLMConfig) -> int:
    """How long the first start may take before it counts as failed: a slow download, loading and compiling."""
    size = config.deployment.download_bytes
    if is_offline(config):
        download = 0
    elif size is None:
        download = _UNKNOWN_DOWNLOAD_S
    else:
        download = size // _SLOW_DOWNLOAD_BYTES_PER_S
    return _LOAD_AND_COMPILE_S + download


def health_command(config: VLLMConfig) -> list[str]:
    """A command inside the container that fails while the server is not ready; Python, as curl is not in all images."""
    code = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=4)"
    return ["python3", "-c", code, f"http://127.0.0.1:{port_of(config)}/health"]


def mount_option(mount: Mount) -> str:
    """The value of `--mount`, which docker reads as one CSV record; unlike --volume it can hold a colon."""
    text = io.StringIO()
    csv.writer(text).writerow(["type=bind", f"source={mount.source}", f"target={mount.target}", "readonly"])
    return text.getvalue().removesuffix("\r\n")


def health_text(config: VLLMConfig) -> str:
    """`health_command` as one shell command."""
    python, option, code, url = health_command(config)
    return f'{python} {option} "{code}" {url}'


def image(config: VLLMConfig) -> str:
    """The container image. Raises Refusal for text that is not an image reference."""
    name = config.deployment.image
    if not _IMAGE.fullmatch(name):
        raise Refusal(f"{name!r} is not an image; write it like vllm/vllm-openai:v0.33.0")
    return name


def _checkpoints(config: VLLMConfig) -> dict[str, str]:
    """What vLLM loads from the Hub or from directories."""
    draft = (config.speculative_config or {}).get("model")
    named = {"model": config.model, "tokenizer": config.tokenizer, "draft-model": draft}
    return {name: path for name, path in named.items() if isinstance(path, str)}


def _local_checkpoints(config: VLLMConfig) -> dict[str, str]:
    """Those checkpoints that are directories of this machine, each once."""
    found: dict[str, str] = {}
    for name, path in _checkpoints(config).items():
        is_local = config.deployment.model_is_local if path == config.model else path.startswith("/")
        if is_local and path not in found.values():
            found[name] = path
    return found


@lru_cache(maxsize=64)
def _root(checkpoint: str) -> PurePosixPath:
    """What to mount. A snapshot of the Hub's cache consists of links to ../../blobs, so its repository is needed."""
    path = PurePosixPath(checkpoint)
    in_cache = path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--")
    return path.parent.parent if in_cache else path


def _mounted_template(config: VLLMConfig) -> str | None:
    template = config.chat_template
    return template if template and template.startswith("/") and not template.startswith(_IN_IMAGE) else None
