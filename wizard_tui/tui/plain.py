"""The wizard on a line terminal and for screen readers: one question a line, the same core, no drawing."""

from __future__ import annotations

from collections.abc import Callable

from wizard_tui.errors import Refusal
from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.fields import FORMS, MODEL, Field, fields_of
from wizard_tui.tui.proposals import starters
from wizard_tui.tui.session import Session
from wizard_tui.tui.sources import Sources

# fields that nearly everybody has an answer for; the rest is asked on demand
ESSENTIAL = (
    "model.model",
    "hardware.gpu",
    "hardware.gpus",
    "workload.prompt_tokens",
    "workload.gen_tokens",
    "workload.concurrency",
)

Ask = Callable[[str], str]
Say = Callable[[str], None]


def run_plain(session: Session, ask: Ask, say: Say, sources: Sources | None = None) -> str:
    """Ask for every field and return the serve command, empty when there is no plan. EOFError from `ask` ends it."""
    sources = sources or Sources()
    say("vllm-wizard-tui, question by question. Enter keeps what stands in brackets, ? explains.")
    _find_gpus(session, sources, say)
    _propose(session, say)
    for step, (title, _) in FORMS.items():
        for field in fields_of(step):
            if field.path in ESSENTIAL:
                _ask_field(field, session, sources, ask, say)
        finer = [field for field in fields_of(step) if field.path not in ESSENTIAL]
        if ask(f"{title}: the {len(finer)} finer settings as well? [no] ").strip().lower() in ("y", "yes"):
            for field in finer:
                _ask_field(field, session, sources, ask, say)
        if step != "model":
            say(_verdict(session))
    response = session.response
    if response is None or session.stale is not None:
        return ""
    for warning in response.feasibility.warnings:
        say(f"Warning: {warning}.")
    return response.artifacts.serve_command


def _ask_field(field: Field, session: Session, sources: Sources, ask: Ask, say: Say) -> None:
    while True:
        origin = session.origins[field.path]
        shown = (session.texts[field.path] or "auto") + (f", {origin}" if origin != "default" else "")
        choices = f" ({', '.join(word or 'auto' for word in field.choices)})" if field.choices else ""
        answer = ask(f"{field.label}{choices} [{shown}] ").strip()
        if answer == "?":
            say(f"{field.help}.")
            continue
        if field.path == MODEL and answer.isdecimal() and 0 < int(answer) <= len(session.proposals):
            answer = list(session.proposals)[int(answer) - 1]
        if answer:
            session.set({field.path: "" if answer.lower() == "auto" and field.default != "auto" else answer})
        if field.path == MODEL and (problem := _read_model(session, sources)):
            say(f"Error: {problem}.")
            continue
        session.replan()
        if field.path not in session.errors:
            return
        say(f"Error: {field.label} {session.errors[field.path]}.")


def _verdict(session: Session) -> str:
    if session.errors or session.response is None:
        return f"No plan yet: {session.stale or 'facts are missing'}."
    return session.response.feasibility.verdict


def _find_gpus(session: Session, sources: Sources, say: Say) -> None:
    found = sources.detect()
    session.gpus_found(found.gpus, found.installed_vllm, sources.observed())
    for gpu in found.gpus:
        say(f"Found: {gpu.name}.")
    for problem in found.problems:
        say(f"{problem}.")


def _propose(session: Session, say: Say) -> None:
    session.propose({model_id: size for model_id, size in starters(session) if size is not None})
    if session.proposals:
        say(f"{len(session.proposals)} well-known models fit; the number of one takes it:")
    for number, (model_id, size) in enumerate(session.proposals.items(), 1):
        say(f"{number}: {model_id}, {gib(size):.1f} GiB of weights a GPU.")


def _read_model(session: Session, sources: Sources) -> str | None:
    model = session.texts[MODEL].strip()
    try:
        metadata = sources.load_model(model, session.texts["model.revision"].strip() or None, None)
    except (Refusal, OSError) as error:
        session.model_failed(model, str(error))
        return str(error)
    session.model_ready(model, metadata)
    return None
