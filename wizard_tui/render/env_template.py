"""A template for the .env file with the secrets that the other artifacts refer to."""

from __future__ import annotations

from wizard_tui.render.container import is_offline
from wizard_tui.schemas.outputs import VLLMConfig

_HEAD = "# Copy to .env, chmod 600 .env, fill in, and keep it out of version control.\n"


def render_env_template(config: VLLMConfig) -> str:
    """Every line is a comment, so that a copy which was not filled in fails instead of serving without a key."""
    lines = [] if is_offline(config) else ["# Hugging Face token, for gated or private models:", "# HF_TOKEN="]
    if key := config.deployment.api_key_env:
        lines += ["# API key that clients must send:", f"# {key}="]
        if key != "VLLM_API_KEY":
            lines += ["# the same key again, for systemd and Podman:", "# VLLM_API_KEY="]
    return _HEAD + "".join(f"{line}\n" for line in lines)
