"""The files of a deployment: the artifacts asked for, the profile that makes them again, and the plan."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from wizard_tui.errors import Refusal
from wizard_tui.launch.writer import OutputFile
from wizard_tui.render.profile import render_profile
from wizard_tui.render.readme import render_readme
from wizard_tui.render.registry import ARTIFACTS
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse, VLLMConfig
from wizard_tui.schemas.profile import OutputsInput

ALL = "all"
PROFILE = "profile"
DEFAULT = ("serve", PROFILE)

# other words for the same artifact
_ALIASES = {"command": "serve", "kubernetes": "k8s", "lws": "k8s", "docker-compose": "compose"}


def deployment_files(
    request: PlanRequest, response: PlanResponse, emit: Sequence[str] | None = None
) -> dict[str, OutputFile]:
    """Name in the directory -> file, for the artifacts named in `emit`, and always README.md and plan.json.

    `all` is every artifact made for the plan's number of machines. Raises Refusal with the nearest name for an
    unknown artifact, and for one that is made for another number of machines.
    """
    names = artifact_names(DEFAULT if emit is None else emit)
    fitting = _fitting(names, response.config, chosen=emit is not None and ALL not in map(str.lower, emit))
    files = {}
    for name in fitting:
        if name == PROFILE:
            files["profile.yaml"] = OutputFile(render_profile(request, OutputsInput(emit=fitting)))
        else:
            artifact = ARTIFACTS[name]
            files[artifact.filename] = OutputFile(artifact.file_text(response.config), artifact.executable)
    files["README.md"] = OutputFile(render_readme(response.config, fitting))
    files["plan.json"] = OutputFile(response.model_dump_json(indent=2) + "\n")
    return files


def artifact_names(emit: Sequence[str]) -> tuple[str, ...]:
    """The artifacts that `emit` means, in one order, each once. Raises Refusal for an unknown name."""
    known = (*ARTIFACTS, PROFILE)
    wanted = set()
    for word in emit:
        name = _ALIASES.get(word.lower(), word.lower())
        if name == ALL:
            return known
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise Refusal(f"there is no artifact {word!r}{hint}; choose from {', '.join(known)} or all")
        wanted |= {name, *(ARTIFACTS[name].needs if name in ARTIFACTS else ())}
    return tuple(name for name in known if name in wanted)


def _fitting(names: Sequence[str], config: VLLMConfig, *, chosen: bool) -> tuple[str, ...]:
    others = [name for name in names if name in ARTIFACTS and not ARTIFACTS[name].fits(config)]
    if chosen and others:
        machines = "several machines" if ARTIFACTS[others[0]].nodes == "several" else "one machine"
        raise Refusal(f"{others[0]} is for {machines}, the plan has {config.deployment.nodes}; leave it out")
    return tuple(name for name in names if name not in others)
