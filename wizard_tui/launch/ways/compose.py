"""vLLM in a container of Docker Compose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wizard_tui.launch import process
from wizard_tui.launch.record import Record
from wizard_tui.launch.ways import programs
from wizard_tui.launch.ways.docker import Containers, start_client
from wizard_tui.launch.ways.way import Launch
from wizard_tui.render.compose import render_docker_compose


class Compose(Containers):
    """`docker compose up` of a file beside the log."""

    name = "compose"

    def start(self, launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
        """Write the file, which is the handle, and start it."""
        record.compose_file.write_text(render_docker_compose(launch.config, restart="no"), encoding="utf-8")
        arguments = [*_compose(record), "up", "--no-log-prefix", "--exit-code-from", "vllm"]
        return replace(record, handle=str(record.compose_file), client=start_client(arguments, record, environ))

    def made(self, record: Record) -> bool:
        """Whether the handle is the file beside the log, with a client that stays with it."""
        return record.handle == str(record.compose_file) and process.is_handle(record.client)

    def containers(self, record: Record) -> list[str]:
        """The running containers of the project."""
        return programs.asked([*_compose(record), "ps", "--quiet", "--status", "running"]).split()

    def ends(self, record: Record) -> list[list[str]]:
        """The command that takes the project down."""
        return [[*_compose(record), "down", "--timeout", "30"]]


def _compose(record: Record) -> list[str]:
    """Compose for a file of ours, in its own project: the project of the deployed file may run as well."""
    name = record.name.replace(".", "-")
    return ["docker", "compose", f"--project-name={name}-launch", f"--file={record.compose_file}"]
