"""Models by a part of their name: those on this machine, those of the catalogue, and those of the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wizard_tui.errors import Refusal
from wizard_tui.models import catalog
from wizard_tui.schemas.secrets import refuse_token

MOST = 20
# what vLLM serves as a language model; a repository without a tag may be one
SERVED_TAGS = frozenset(
    {"text-generation", "image-text-to-text", "any-to-any", "audio-text-to-text", "video-text-to-text", None}
)


@dataclass(frozen=True)
class Found:
    """A model that a search found; `where` says in a word or two where."""

    model_id: str
    where: str


def search_here(text: str, limit: int = MOST) -> list[Found]:
    """Models of the Hugging Face cache and of the catalogue whose name has every word of `text`; no network."""
    return matching(text, models_here(), limit)


def models_here() -> list[Found]:
    """Models of the Hugging Face cache, then those of the catalogue. Reads the disk."""
    cached = sorted(set(cached_ids()))
    known = [name for name in catalog.ids() if name not in set(cached)]
    return [*(Found(name, "on this machine") for name in cached), *(Found(name, "known") for name in known)]


def matching(text: str, models: Iterable[Found], limit: int = MOST) -> list[Found]:
    """Models whose name has every word of `text`; those that begin with it come first, then the shorter names."""
    words = text.lower().split()
    hits = [one for one in models if words and all(word in one.model_id.lower() for word in words)]
    return sorted(hits, key=lambda one: (not _begins(one.model_id, words[0]), len(one.model_id)))[:limit]


def search_hub(text: str, limit: int = MOST) -> list[Found]:
    """Models of the Hub that match, most downloaded first. Raises Refusal, a plain sentence with its cure."""
    from wizard_tui.models import hub

    refuse_token(text, "what is searched for")
    hub.settings()
    wanted = {"search": text.strip(), "sort": "downloads", "limit": str(2 * limit)}
    # not HfApi.list_models, which repeats a call that fails for half a minute, while somebody is typing
    page = hub.asked(text.strip(), lambda: hub.got_json("/api/models", wanted))
    listed = [one for one in page if isinstance(one, Mapping)] if isinstance(page, list) else []
    served = [one for one in listed if one.get("pipeline_tag") in SERVED_TAGS]
    return [Found(str(one["id"]), "on the Hub") for one in served if one.get("id")][:limit]


def cached_ids() -> list[str]:
    """Models of the Hugging Face cache that have a config.json, by the names of its directories."""
    from wizard_tui.models.hub import settings

    try:
        folders = sorted(Path(settings().HF_HUB_CACHE).glob("models--*"))
    except (OSError, Refusal):
        return []
    return [
        folder.name.removeprefix("models--").replace("--", "/", 1)
        for folder in folders
        if next(folder.glob("snapshots/*/config.json"), None) is not None
    ]


def _begins(name: str, word: str) -> bool:
    return name.lower().startswith(word) or name.lower().rpartition("/")[2].startswith(word)
