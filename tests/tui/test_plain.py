"""The wizard as questions and answers."""

from __future__ import annotations

from collections.abc import Iterator

from tests.tui.conftest import load_model
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import Detection
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.tui.plain import run_plain
from wizard_tui.tui.session import Session
from wizard_tui.tui.sources import Sources

SOURCES = Sources(load_model=load_model, detect=lambda: Detection(problems=("there is no driver",)))


def conversation(answers: dict[str, list[str]]) -> tuple[str, list[str], list[str]]:
    """Answers by the first words of the question, in order; everything else is kept by Enter."""
    queues: dict[str, Iterator[str]] = {start: iter(given) for start, given in answers.items()}
    asked: list[str] = []
    said: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return next((next(queue, "") for start, queue in queues.items() if question.startswith(start)), "")

    return run_plain(Session(), ask, said.append, SOURCES), asked, said


def test_answers_give_the_command() -> None:
    command, asked, said = conversation({"model ": ["llama-8b"], "GPU ": ["H100 80GB"], "concurrency": ["16"]})
    assert command.startswith("vllm serve test/llama-8b")
    assert any(line.startswith("Fits:") for line in said)
    assert len(asked) == 6 + 4, "the essential fields, and an offer for each step"


def test_a_wrong_answer_is_explained_and_asked_again() -> None:
    _, asked, said = conversation({"model ": ["nothing", "llama-8b"], "GPUs": ["0", "?", "1"]})
    assert "Error: nothing is not known; give a local directory." in said
    assert "Error: GPUs must be 1 or more, not 0." in said
    assert "how many GPUs." in said
    assert sum(question.startswith("GPUs") for question in asked) == 3


def test_the_finer_settings_are_asked_on_demand() -> None:
    command, asked, _ = conversation({"model ": ["llama-8b"], "Policy:": ["yes"], "port": ["9000"]})
    assert "--port 9000" in command
    assert any(question.startswith("utilization") for question in asked)


def test_the_facts_found_are_printed() -> None:
    _, _, said = conversation({"model ": ["llama-8b"]})
    assert "there is no driver." in said


def test_models_that_fit_are_listed_and_a_number_takes_one() -> None:
    asked_for: list[str] = []

    def load(model: str, revision: str | None, params_b: float | None) -> ModelMetadata:
        asked_for.append(model)
        return load_model_metadata(model)

    said: list[str] = []
    sources = Sources(load_model=load, detect=lambda: Detection(gpus=(get_gpu_by_name("T4"),)))
    answers = iter(["2"])
    command = run_plain(Session(), lambda question: next(answers, ""), said.append, sources)
    offered = [line for line in said if line.startswith("2: ")]
    assert len(offered) == 1
    assert asked_for == [offered[0].removeprefix("2: ").partition(",")[0]]
    assert command.startswith(f"vllm serve {asked_for[0]}")


def test_enter_alone_gives_a_command_that_fits_also_on_a_small_box() -> None:
    def load(model: str, revision: str | None, params_b: float | None) -> ModelMetadata:
        return load_model_metadata(model)

    asked: list[str] = []
    said: list[str] = []
    sources = Sources(load_model=load, detect=lambda: Detection(gpus=(get_gpu_by_name("T4"),)))
    command = run_plain(Session(), lambda question: asked.append(question) or "", said.append, sources)  # type: ignore[func-returns-value]
    assert command.startswith("vllm serve ")
    assert said[-1].startswith(("Fits:", "Warning:"))
    assert any(question.startswith("model [") and question.endswith(", suggested] ") for question in asked)
    assert not any(line.startswith(("Error", "Does not")) for line in said)
