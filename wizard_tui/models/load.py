"""Where a model's facts are loaded from: disk, cache, catalogue, Hub, or nothing but a number of parameters."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from wizard_tui.errors import NoConfig, Refusal
from wizard_tui.files import expanded
from wizard_tui.models import address, catalog
from wizard_tui.models.config_shapes import shown
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.local import read_model_config, read_tensor_headers
from wizard_tui.models.metadata import Header, ModelMetadata, Repository
from wizard_tui.models.stand_in import llama_config
from wizard_tui.schemas.secrets import bare_address, refuse_token


def load_model_metadata(
    model_id_or_path: str,
    revision: str | None = None,
    trust_remote_code: bool = False,
    params_b: float | None = None,
) -> ModelMetadata:
    """A model's facts: from a local directory or GGUF file, else the caches or the catalogue, else the Hub.

    A Hub model may be given by the address of its page, and a GGUF file of it as `org/name/file.gguf`.

    `trust_remote_code` is vLLM's business: code of a repository is never run here. `params_b` (billions) stands in for
    a model that cannot be read at all, and is ignored otherwise. Raises NoConfig for a local directory
    without config.json or a path that does not exist, Refusal with the cure for a repository that cannot be read.
    """
    name = refuse_token(bare_address(model_id_or_path.strip()), "the model")
    if not name:
        raise Refusal("the model is empty; give a Hub id such as Qwen/Qwen3-8B or a local directory")
    try:
        place = expanded(name)
        is_folder, is_here = place.is_dir(), place.exists()
    except (OSError, ValueError) as error:
        raise Refusal(f"{shown(name)} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if is_folder:
        return metadata_from_directory(place)
    if is_here:
        from wizard_tui.models.gguf import metadata_from_gguf

        return metadata_from_gguf(place)
    name, its_revision, file = address.parse(name)
    revision = revision or its_revision
    if _looks_like_a_path(name):
        raise NoConfig(f"{name} does not exist; give a directory with config.json or a Hub id")
    from wizard_tui.models import disk_cache, hub

    hub.settings()
    if file is not None and file.lower().endswith(".gguf"):
        return hub.fetch_gguf(name, file, revision)
    entry = catalog.find(name)
    # a file that is already here comes first, then sources that need no network
    known = hub.cached(entry.id if entry else name, revision) or disk_cache.load(name, revision)
    if known is not None:
        return known
    if entry is not None and revision is None:
        return metadata_from_catalog(entry.id)
    try:
        found = hub.fetch(name, revision)
        disk_cache.save(name, revision, found)
        return found
    except Refusal as error:
        if (old := disk_cache.load(name, revision, however_old=True)) is not None:
            return old
        if params_b is not None:
            return metadata_from_count(name, params_b, str(error))
        near = ", ".join(catalog.near_names(name))
        raise Refusal(f"{error}{f'; near names in the catalogue: {near}' if near else ''}") from None


def metadata_from_directory(folder: Path) -> ModelMetadata:
    """The facts of a model directory on this machine. Its files are read each time; while their content is unchanged,
    the facts are the same object, by which planning finds its cached results."""
    config, headers = read_model_config(folder), read_tensor_headers(folder)
    return _of_directory(str(folder), str(folder.resolve()), json.dumps(config), tuple(headers.items()))


@lru_cache(maxsize=8)
def _of_directory(folder: str, path: str, config: str, headers: tuple[tuple[str, Header], ...]) -> ModelMetadata:
    return metadata_from_config(
        json.loads(config),
        model_id=folder,
        source="tensor headers" if headers else "config",
        path=path,
        headers=dict(headers),
    )


@lru_cache(maxsize=256)
def metadata_from_catalog(model_id: str) -> ModelMetadata:
    """The facts of a built-in model, kept: a list of proposals asks for all of them. Raises Refusal for others."""
    entry = catalog.find(model_id)
    if entry is None:
        raise Refusal(f"{model_id} is not in the catalogue")
    about = Repository(
        license=entry.license,
        gated=entry.gated,
        pipeline_tag=entry.pipeline_tag,
        checkpoint_bytes=entry.checkpoint_bytes,
        source=entry.source,
    )
    return metadata_from_config(entry.config, model_id=entry.id, source="catalogue", repository=about)


def metadata_from_count(name: str, params_b: float, why: str) -> ModelMetadata:
    """A stand-in for a model known only by its number of parameters (billions): Llama's shape of that size.

    `why` says why nothing better is known.
    """
    return metadata_from_config(
        llama_config(params_b),
        model_id=name,
        source="parameter count",
        warnings=(f"{why}; the plan is a guess from {params_b:g} billion parameters in the shape of a Llama",),
    )


def _looks_like_a_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~")) or name in (".", "..") or name.count("/") > 1
