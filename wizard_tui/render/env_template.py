"""A template for the .env file with the secrets that the other artifacts refer to."""

from __future__ import annotations

from wizard_tui.render.artifact import Artifact
from wizard_tui.render.container import is_offline
from wizard_tui.schemas.outputs import VLLMConfig

_HEAD = "# Copy to .env, chmod 600 .env, fill in, and keep it out of version control.\n"


def render_env_template(config: VLLMConfig) -> str:
    """Every line is a comment, so that a copy that was not filled in fails instead of serving without a key."""
    return _HEAD + "".join(f"# {meaning}:\n# {name}=\n" for name, meaning in secret_variables(config).items())


def secret_variables(config: VLLMConfig) -> dict[str, str]:
    """Name -> meaning of the environment variables that hold secrets."""
    variables = {} if is_offline(config) else {"HF_TOKEN": "Hugging Face token, for gated or private models"}
    if key := config.deployment.api_key_env:
        variables[key] = "API key that clients must send"
        variables.setdefault("VLLM_API_KEY", "the same key again, for systemd and Podman")
    return variables


ARTIFACT = Artifact(
    name="env",
    filename="env.template",
    title="environment",
    render=render_env_template,
    writes_flags=False,
    run=None,
)
