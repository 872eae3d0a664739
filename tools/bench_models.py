"""How long a model's facts take: from the disk again and again, and from a Hub on loopback for the first time.

python -m tools.bench_models
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.models.hub_server import Hub, Repo, running, safetensors
from wizard_tui.models import catalog
from wizard_tui.models.load import load_model_metadata

MODEL = "Qwen/Qwen3-30B-A3B"
RUNS = 50


@contextmanager
def loopback(hub: Hub) -> Iterator[None]:
    """The real client, with an address on loopback and caches of its own."""
    from huggingface_hub import constants

    with tempfile.TemporaryDirectory() as folder, running(hub) as address:
        os.environ["XDG_CACHE_HOME"] = folder
        constants.ENDPOINT = address
        constants.HUGGINGFACE_CO_URL_TEMPLATE = address + "/{repo_id}/resolve/{revision}/{filename}"
        constants.HF_HUB_CACHE = str(Path(folder) / "hub")
        constants.HF_HUB_OFFLINE = False
        yield


def median_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median time of a call."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def asked_of(hub: Hub, name: str) -> int:
    """Requests for a model; the client makes others of its own."""
    return sum(f"/{name}" in path for _, path, _ in hub.asked)


def main() -> None:
    entry = catalog.find(MODEL)
    assert entry is not None
    config = json.dumps(entry.config).encode()
    tensors = {f"model.layers.{number}.weight": ("BF16", [64, 64]) for number in range(1000)}
    shards = {f"model-{number:05}-of-00016.safetensors": safetensors(tensors) for number in range(1, 17)}
    hub = Hub({"org/one": Repo({"config.json": config, "model.safetensors": safetensors(tensors)})})
    hub.repos["org/sixteen"] = Repo({"config.json": config, **shards})
    with loopback(hub):
        print(f"{'':44}{'ms':>8}{'requests':>10}")
        for name, words in (("org/one", "one tensor file"), ("org/sixteen", "sixteen tensor files")):
            hub.asked.clear()
            cold = median_ms(lambda name=name: load_model_metadata(name), runs=1)  # type: ignore[misc]
            print(f"{'the first time, ' + words:44}{cold:8.1f}{asked_of(hub, name):10}")
        hub.asked.clear()
        for name, words in (("org/one", "again, from the cache"), (MODEL, "from the catalogue")):
            warm = median_ms(lambda name=name: load_model_metadata(name))  # type: ignore[misc]
            print(f"{words:44}{warm:8.2f}{asked_of(hub, name):10}")


if __name__ == "__main__":
    main()
