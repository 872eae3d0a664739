"""What an artifact is: a text made from a configuration, and how it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wizard_tui.render.shell import SCRIPT_HEAD
from wizard_tui.schemas.outputs import VLLMConfig

Place = Literal["once", "every machine", "cluster"]
"""Where a server is started: by commands given once, on every machine that takes part, or in a Kubernetes cluster,
where it is reached by port-forward."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the server of an artifact is run: shell commands, in which {name} is the instance.

    `secrets` puts token and API key where this way looks for them; it is empty where `.env` itself is read. `undo`
    rolls back what restoring the files does not. `in_container` says that the file and those it needs describe a
    container, and so must name the image, mount local models and pass the secrets on.
    """

    start: str
    stop: str
    secrets: str
    place: Place
    in_container: bool
    undo: str = ""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One kind of text made from a configuration. A field without a default must be set for each.

    `render` gives the text to show and copy, `file_text` the text to write: a script gets its `#!` line and stops at
    the first error, which a command pasted into a shell must not do. `run` is how a server is run from it, None where
    it runs none, and `run_on_several` the same over several machines where that differs. `writes_flags` says that it
    contains flags of vLLM. `ask` is the command by which a client asks the server. `nodes` says for how many machines
    it is made, and `needs` names the artifacts without which its file is of no use.
    """

    name: str
    filename: str
    title: str
    render: Callable[[VLLMConfig], str]
    run: Run | None
    writes_flags: bool
    run_on_several: Run | None = None
    ask: str = ""
    executable: bool = False
    nodes: Literal["any", "one", "several"] = "any"
    needs: tuple[str, ...] = ()

    def fits(self, config: VLLMConfig) -> bool:
        """Whether it is made for this configuration's number of machines."""
        return self.nodes == "any" or (self.nodes == "several") == (config.deployment.nodes > 1)

    def run_of(self, config: VLLMConfig) -> Run | None:
        """How the server of this configuration is run from it."""
        return (config.deployment.nodes > 1 and self.run_on_several) or self.run

    def file_text(self, config: VLLMConfig) -> str:
        """The content of the file."""
        return (SCRIPT_HEAD if self.executable else "") + self.render(config)


CTRL_C = "# press Ctrl-C where it runs"
"""How a server in the foreground is stopped."""

SECRETS_FROM_ENV = "set -a; . ./.env; set +a"
"""For an artifact that takes its secrets from the environment."""
