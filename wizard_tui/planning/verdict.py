"""The verdict in one sentence, in vLLM's own terms and with the gap in GiB; and the warnings beside it."""

from __future__ import annotations

from wizard_tui.planning.decision import Decision
from wizard_tui.planning.doubts import doubt_sentences
from wizard_tui.planning.goals import missed_goal_sentences
from wizard_tui.schemas.numbers import gib


def verdict(decision: Decision) -> str:
    """One plain sentence: fits (and how tightly), or what stops it and by how much."""
    memory, workload = decision.estimate, decision.request.workload
    if decision.problem:
        return f"Cannot start: {decision.problem}."
    if memory.failure is not None:
        return f"Does not start: {memory.failure.sentence}."
    cache, settings = memory.cache, memory.settings
    capacity = f"{cache.tokens:,} tokens of KV cache, {cache.max_concurrency:.2f}x {settings.max_model_len:,} tokens"
    if not memory.fits:
        if memory.headroom < 0:
            return (
                f"Starts, but {workload.concurrency} requests at once need {gib(-memory.headroom):.2f} GiB more "
                f"KV cache than there is ({capacity}); the rest would queue."
            )
        return f"Starts, but leaves {gib(memory.headroom):.2f} GiB spare, less than headroom_gb asks for."
    if memory.tight:
        return f"Tight: {capacity}; the error band of {_band(decision)} reaches below what is needed."
    return f"Fits: {capacity}, {gib(memory.headroom):.2f} GiB spare."


def warnings(decision: Decision) -> list[str]:
    """Sentences the user should read before starting, most serious first."""
    memory, metadata = decision.estimate, decision.facts.metadata
    found = list(metadata.warnings)
    found.extend(memory.weights.warnings)
    if decision.rules.note:
        found.append(decision.rules.note)
    if seen := memory.observed.starts:
        found.append(
            f"corrected by {gib(memory.observed.more_bytes):+.2f} GiB after {seen} start{'s' if seen > 1 else ''} seen "
            "here; `vllm-wizard-tui calibration clear` removes it"
        )
    found.extend(doubt_sentences(memory.gpu))
    names = {gpu.name for gpu in decision.facts.gpus}
    totals = {gpu.total_bytes for gpu in decision.facts.gpus}
    if len(names) > 1 or len(totals) > 1:
        found.append(f"the GPUs differ; the plan is made for the smallest, {memory.gpu.name}")
    if memory.gpu.used_bytes:
        holders = f" ({', '.join(memory.gpu.holders)})" if memory.gpu.holders else ""
        found.append(f"other processes hold {gib(memory.gpu.used_bytes):.1f} GiB of a GPU{holders}")
    if decision.idle_gpus:
        stay = "stays" if decision.idle_gpus == 1 else "stay"
        found.append(f"{decision.idle_gpus} of the GPUs {stay} idle with {memory.settings.layout}")
    found.extend(missed_goal_sentences(decision))
    request = decision.request
    length = request.workload.prompt_tokens + request.workload.gen_tokens
    if length > memory.settings.max_model_len:
        found.append(f"prompt and answer take {length:,} tokens, more than max_model_len holds")
    if request.workload.concurrency > memory.settings.max_num_seqs * memory.settings.layout.dp:
        found.append(
            f"concurrency {request.workload.concurrency} is above max_num_seqs {memory.settings.max_num_seqs}: "
            "the rest queues"
        )
    if request.policy.host not in ("127.0.0.1", "localhost", "::1") and request.policy.api_key_env is None:
        found.append(f"the server listens on {request.policy.host} without an API key; set api_key_env")
    return found


def _band(decision: Decision) -> str:
    memory = decision.estimate
    return f"{gib(memory.kv_low):.2f} to {gib(memory.kv_high):.2f} GiB"
