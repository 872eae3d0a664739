"""A model's facts from the Hugging Face Hub: config, tensor headers and what surrounds them, never the weights.

Everything goes through huggingface_hub, so its settings hold: HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME, HF_TOKEN, proxies.
Code of a repository is never loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader, RawIOBase
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from wizard_tui.errors import Refusal
from wizard_tui.models import exchange
from wizard_tui.models.config_shapes import whole
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.hub_headers import request_headers
from wizard_tui.models.local import JSON_LIMIT_BYTES, parse_json_object, with_quantization
from wizard_tui.models.metadata import Header, ModelMetadata, Repository
from wizard_tui.models.tensor_headers import HeaderBudget, header_length, parse_header

TIMEOUT_S = 10.0
PATIENCE = 6
CONFIG = "config.json"
QUANTIZATION = "hf_quant_config.json"
# a repository with more tensor files than this has headers of several MiB; its config says as much
MOST_TENSOR_FILES = 200
AT_ONCE = 8
# the headers of most files are shorter than this; a longer one takes a second request
HEAD_BYTES = 512 << 10
RANGE_BYTES = 4 << 20
RANGE_NOT_SATISFIABLE = 416
HTTP_ERROR = 400
NOT_FOUND = 404

Answer = TypeVar("Answer")


def fetch(model_id: str, revision: str | None = None, *, with_headers: bool = True) -> ModelMetadata:
    """The facts of a repository. Raises Refusal, one plain sentence with its cure, whenever this fails.

    Asks for the list of files, for the config, and for the head of each tensor file; nothing twice, no weights.
    """
    info = asked(model_id, lambda: _listed(model_id, revision))
    files = info.files
    if CONFIG not in files:
        raise Refusal(_no_config(model_id, files))
    config = _read(model_id, CONFIG, info.sha)
    if QUANTIZATION in files:
        config = with_quantization(config, _read(model_id, QUANTIZATION, info.sha))
    tensor_files = sorted(name for name in files if name.endswith(".safetensors") and "/" not in name)
    own = [name for name in tensor_files if not name.startswith("consolidated")] or tensor_files
    headers: dict[str, Header] = {}
    if with_headers and 0 < len(own) <= MOST_TENSOR_FILES:
        headers = _headers(model_id, own, info.sha)
    return metadata_from_config(
        config,
        model_id=info.id,
        source="tensor headers" if headers else "config",
        revision=info.sha,
        headers=headers,
        repository=_repository(info),
        warnings=tuple(_doubts(info)),
    )


def fetch_gguf(model_id: str, name: str, revision: str | None = None) -> ModelMetadata:
    """The facts of a GGUF file in a repository, from its header alone. Raises Refusal as `fetch` does."""
    from wizard_tui.models.gguf import metadata_from_header, read_header

    where = f"{model_id}/{name}"
    header = read_header(BufferedReader(_Ranges(model_id, name, revision)), where)
    return metadata_from_header(header, where, revision=revision)


class _Ranges(RawIOBase):
    """A file of the Hub, read from its beginning in ranges."""

    def __init__(self, model_id: str, name: str, revision: str | None) -> None:
        self._of = (model_id, name, revision)
        self._at = 0
        self._kept = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._kept:
            self._kept = _content(*self._of, first=self._at, last=self._at + RANGE_BYTES - 1)
            self._at += len(self._kept)
        size = min(len(buffer), len(self._kept))
        buffer[:size], self._kept = self._kept[:size], self._kept[size:]
        return size


def _content(model_id: str, name: str, revision: str | None, *, first: int, last: int) -> bytes:
    """Bytes `first` to `last` of a file, fewer where it ends; never more, whatever the server sends."""
    return asked(model_id, lambda: _bytes(model_id, name, revision, first, last))


def _bytes(model_id: str, name: str, revision: str | None, first: int, last: int) -> bytes:
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(model_id, name, revision=revision)
    return _got(url, last - first + 1, further={"Range": f"bytes={first}-{last}"})


class _Listed(NamedTuple):
    """What the Hub says about a repository, as far as it is used here, such as names and sizes of its files."""

    id: str
    sha: str | None
    files: Mapping[str, int]
    gated: bool
    task: str | None
    license: str | None


def _listed(model_id: str, revision: str | None) -> _Listed:
    """The Hub's answer about a repository. To be called by `asked`, as an answer may be anything."""
    from urllib.parse import quote

    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    said = got_json(f"/api/models/{_valid(model_id)}{at}", {"blobs": "true"})
    card, siblings = said.get("cardData") or {}, said.get("siblings") or ()
    return _Listed(
        _text(said["id"]),
        _text(said.get("sha")) or None,
        {file["rfilename"]: whole(file.get("size")) or 0 for file in siblings if file["rfilename"].isprintable()},
        bool(said.get("gated")),
        _text(said.get("pipeline_tag")) or None,
        _text(card.get("license_name") or card.get("license")) or None,
    )


def _text(value: object) -> str:
    """A line of an answer, empty for null; a list of licences gives their names. Raises ValueError for others."""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if value is not None and not (isinstance(value, str) and value.isprintable()):
        raise ValueError
    return value or ""


def _valid(model_id: str) -> str:
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    validate_repo_id(model_id)
    return model_id


def got_json(path: str, params: Mapping[str, str]) -> Any:
    """What the Hub's API answers, as JSON of bounded size. To be called by `asked`, which knows the errors."""
    return json.loads(_got(f"{settings().ENDPOINT}{path}", JSON_LIMIT_BYTES, params=params))


def _got(
    url: str, limit_bytes: int, *, params: Mapping[str, str] | None = None, further: Mapping[str, str] | None = None
) -> bytes:
    """At most `limit_bytes` of an answer, within `PATIENCE` times the pause allowed to the server."""
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

    if settings().HF_HUB_OFFLINE:
        raise OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    answer, data = exchange.get(
        url,
        lambda: {**request_headers(), **(further or {})},
        params=params,
        limit_bytes=limit_bytes,
        pause_s=TIMEOUT_S,
        whole_s=PATIENCE * TIMEOUT_S,
    )
    if answer.status_code == RANGE_NOT_SATISFIABLE:
        return b""
    if answer.status_code >= HTTP_ERROR:
        # judged by its headers alone: the text behind them may be of any length
        headers = {name: text for name, text in answer.headers.items() if name.lower().startswith("x-")}
        hf_raise_for_status(type(answer)(answer.status_code, headers=headers, request=answer.request))
    return data


def cached(model_id: str, revision: str | None = None) -> ModelMetadata | None:
    """The facts of a repository whose config.json is in the local Hugging Face cache; None when it is not there."""
    # the client itself takes as long to load as everything else together
    if not Path(settings().HF_HUB_CACHE, f"models--{model_id.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model_id, CONFIG, revision=revision)
    except ValueError:
        return None
    if not isinstance(found, str):
        return None
    from wizard_tui.models.local import read_model_config, read_tensor_headers

    folder = Path(found).parent
    headers = read_tensor_headers(folder)
    return metadata_from_config(
        read_model_config(folder),
        model_id=model_id,
        source="tensor headers" if headers else "config",
        revision=folder.name,
        headers=headers,
    )


def settings() -> ModuleType:
    """The settings of huggingface_hub, which reads them from the environment as it is loaded.

    Raises Refusal where one of them keeps it from being loaded.
    """
    try:
        from huggingface_hub import constants
    except ValueError:
        # the variable may hold a password, so it is not shown
        raise Refusal(
            "HF_ENDPOINT or another variable that begins with HF_ cannot be what it is; see `env | grep HF_`"
        ) from None
    return constants


def _read(model_id: str, name: str, revision: str | None) -> dict[str, Any]:
    data = _content(model_id, name, revision, first=0, last=JSON_LIMIT_BYTES)
    return parse_json_object(data, f"{name} of {model_id}")


def _headers(model_id: str, names: Sequence[str], revision: str | None) -> dict[str, Header]:
    """Types and shapes of all tensors, one request a file; empty when a file is broken or absent, or the headers are
    longer than those of any model, as the config says as much."""
    budget = HeaderBudget()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found = pool.map(lambda name: _header(model_id, name, revision, budget), names)
        try:
            return {tensor: header for file in found for tensor, header in file.items()}
        except (_BrokenHeaderError, _AbsentError):
            return {}


class _BrokenHeaderError(Exception):
    """A tensor file whose header cannot be read."""


def _header(model_id: str, name: str, revision: str | None, budget: HeaderBudget) -> dict[str, Header]:
    where = f"{name} of {model_id}"
    data = _content(model_id, name, revision, first=0, last=HEAD_BYTES - 1)
    try:
        end = 8 + header_length(data[:8], where)
    except Refusal:
        raise _BrokenHeaderError from None
    if not budget.take(end):
        raise _BrokenHeaderError
    if end > len(data):
        data += _content(model_id, name, revision, first=len(data), last=end - 1)
    if end > len(data):
        raise _BrokenHeaderError
    try:
        return parse_header(data[8:end], where)
    except Refusal:
        raise _BrokenHeaderError from None


def _repository(info: _Listed) -> Repository:
    files = info.files
    weights = sum(size for name, size in files.items() if name.endswith(".safetensors"))
    return Repository(
        license=info.license,
        gated=info.gated,
        pipeline_tag=info.task,
        checkpoint_bytes=weights or None,
        has_chat_template="chat_template.jinja" in files or "chat_template.json" in files or None,
        has_generation_config="generation_config.json" in files,
        source=f"https://huggingface.co/{info.id}",
    )


class _AbsentError(Refusal):
    """A file that a repository lists but does not have."""


def asked(model_id: str, question: Callable[[], Answer]) -> Answer:
    """The answer to a question that goes to the Hub and does nothing else.

    Raises a Refusal that says in plain words why there is none, and what to do.
    """
    from huggingface_hub import errors

    try:
        return question()
    except errors.GatedRepoError:
        sentence = f"{model_id} is gated: accept its licence at https://huggingface.co/{model_id}, then `hf auth login`"
    except errors.RevisionNotFoundError:
        sentence = f"{model_id} has no such revision; leave it empty for the newest"
    except errors.RepositoryNotFoundError:
        sentence = f"{model_id} is not on the Hub, or is private: check the name, or `hf auth login`"
    except errors.HFValidationError:
        sentence = f"{model_id!r} is no Hub id; write it like Qwen/Qwen3-8B, or give a local directory"
    except errors.EntryNotFoundError:
        raise _AbsentError(f"{model_id} lists a file that is not there: try again, or name another revision") from None
    except errors.OfflineModeIsEnabled:
        sentence = f"the Hub cannot be reached for {model_id}: {CURE_OFFLINE}"
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        sentence = _http_sentence(model_id, status)
        if status == NOT_FOUND:
            raise _AbsentError(sentence) from None
    # the HTTP library behind the client changes from version to version, so its error is taken from the client
    except (errors.HTTPError, OSError) as error:  # type: ignore[attr-defined]
        seconds = PATIENCE * TIMEOUT_S if isinstance(error, TimeoutError) else TIMEOUT_S
        late = "Timeout" in type(error).__name__
        problem = f"did not answer within {seconds:g} s" if late else "cannot be reached"
        sentence = f"the Hub {problem} for {model_id}: {CURE_OFFLINE}"
    except ImportError:
        sentence = f"the Hub cannot be reached for {model_id}: a SOCKS proxy needs `pip install socksio`"
    # for an answer or a setting that makes no sense, the client raises errors that it does not document
    except Exception:
        sentence = (
            f"what answers for {model_id} is not the Hub: see whether HF_ENDPOINT and the proxy are right, or "
            "give a local directory"
        )
    raise Refusal(sentence) from None


CURE_OFFLINE = "check the network and HTTPS_PROXY, or give a local directory or params_b"


def _http_sentence(model_id: str, status: int) -> str:
    if status == 401:
        return f"the Hub refuses the token for {model_id}: `hf auth login` again"
    if status == 403:
        return f"the Hub does not let you read {model_id}: ask for access at https://huggingface.co/{model_id}"
    if status == 429:
        return "the Hub answers too many requests: wait a minute, or `hf auth login` for a higher limit"
    return f"the Hub answers {status or 'with an error'} for {model_id}: {CURE_OFFLINE}"


# What vLLM does with models that do not write text: https://docs.vllm.ai/en/stable/models/supported_models
_OTHER_TASKS = {
    "feature-extraction": "an embedding model: vLLM serves it with --runner pooling, without a KV cache that grows",
    "sentence-similarity": "an embedding model: vLLM serves it with --runner pooling, without a KV cache that grows",
    "text-ranking": "a reranker: vLLM serves it with --runner pooling, and answers /rerank and /score",
    "text-classification": "a classifier or reward model: vLLM serves it with --runner pooling, and answers /classify",
    "token-classification": "a token classifier: vLLM serves it with --runner pooling",
    "automatic-speech-recognition": "a speech model: vLLM serves it at /v1/audio/transcriptions",
    "text-to-speech": "a model that speaks, which vLLM's own server does not serve; vLLM-Omni may",
    "text-to-image": "a model that makes images, which vLLM's own server does not serve; vLLM-Omni may",
    "image-to-image": "a model that makes images, which vLLM's own server does not serve; vLLM-Omni may",
    "text-to-video": "a model that makes videos, which vLLM's own server does not serve; vLLM-Omni may",
}


def _doubts(info: _Listed) -> Iterator[str]:
    """What to know before this model is planned as one that writes text."""
    files = info.files
    if other := _OTHER_TASKS.get(info.task or ""):
        yield f"{info.id} is {other}; the plan is for writing text"
    if not any(name.endswith(".safetensors") for name in files):
        pickled = next((name for name in sorted(files) if name.endswith((".bin", ".pt", ".pth"))), None)
        if pickled:
            yield f"{info.id} has no safetensors but {pickled}: loading it runs code, so take it from makers you trust"
        else:
            yield f"{info.id} has no safetensors files; vLLM may not load it"


def _no_config(model_id: str, files: Mapping[str, int]) -> str:
    if "adapter_config.json" in files:
        return (
            f"{model_id} is a LoRA adapter: plan its base model and serve the adapter with --enable-lora --lora-modules"
        )
    if any(name.endswith(".gguf") for name in files):
        name = next(name for name in sorted(files) if name.endswith(".gguf"))
        return f"{model_id} has GGUF files and no config.json: name one of them, such as {model_id}/{name}"
    if "model_index.json" in files:
        return f"{model_id} is a diffusion pipeline, which vLLM's own server does not serve; vLLM-Omni may"
    return f"{model_id} has no config.json, which vLLM needs; it may be no language model"


def check_access(model_id: str) -> None:
    """Ask whether this machine, with its token, may download a repository. Raises Refusal with the cure if not."""
    settings()
    path = f"/api/models/{model_id}/auth-check"
    asked(model_id, lambda: _valid(model_id) and _got(f"{settings().ENDPOINT}{path}", JSON_LIMIT_BYTES))
