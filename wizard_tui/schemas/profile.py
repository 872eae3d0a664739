"""Profiles: a plan request kept as YAML, so that a plan can be made again.

Schema version 1 has the sections of a request (model, hardware, workload, policy) under the request's own field names,
and `outputs`, which says what `generate` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from wizard_tui.errors import Refusal
from wizard_tui.schemas.errors import one_sentence
from wizard_tui.schemas.fields import marked, sections
from wizard_tui.schemas.inputs import HardwareInput, ModelInput, PlanRequest, PolicyInput, Section, Text, WorkloadInput
from wizard_tui.schemas.markers import Formerly
from wizard_tui.schemas.secrets import bare_address, without_secrets

VERSION: Literal[1] = 1
LIMIT_BYTES = 1 << 17
DEEPEST = 16


def _names(value: object) -> object:
    return tuple(bare_address(value).replace(",", " ").split()) if isinstance(value, str) else value


class OutputsInput(Section):
    """What is to be written, and where."""

    emit: Annotated[tuple[str, ...], BeforeValidator(_names)] | None = Field(
        None, description="artifacts to write, such as serve,compose; all writes every one"
    )
    output_dir: Text | None = Field(None, description="directory for the files")
    explain: bool = Field(False, description="give a reason for every flag")


class Profile(Section):
    """One profile file."""

    # imported only when there is a file: most commands have none
    model_config = ConfigDict(defer_build=True)

    profile_version: Literal[1] = VERSION
    model: ModelInput
    hardware: HardwareInput = Field(default_factory=HardwareInput)
    workload: WorkloadInput = Field(default_factory=WorkloadInput)
    policy: PolicyInput = Field(default_factory=PolicyInput)
    outputs: OutputsInput = Field(default_factory=OutputsInput)

    def request(self) -> PlanRequest:
        """The plan request that this profile holds."""
        return PlanRequest.model_validate(self.request_data())

    def request_data(self) -> dict[str, Any]:
        """The request as plain data, with what was set and nothing else."""
        data = self.model_dump(exclude_unset=True, include=set(sections()))
        return data | ({"explain": True} if self.outputs.explain else {})


def profile_of(request: PlanRequest, outputs: OutputsInput | None = None) -> Profile:
    """The profile that makes `request` again."""
    written = (outputs or OutputsInput()).model_dump(exclude_unset=True)
    if request.explain:
        written["explain"] = True
    sections = request.model_dump(exclude_unset=True, exclude={"explain"})
    return Profile.model_validate({"profile_version": VERSION, **sections, **({"outputs": written} if written else {})})


def profile_data(profile: Profile) -> dict[str, Any]:
    """The version and every field that was set, in the order of the schema: the content of the file."""
    return {"profile_version": VERSION, **profile.model_dump(mode="json", exclude_unset=True)}


def parse_profile(text: str, where: str = "the profile") -> Profile:
    """Read a profile's YAML. Raises Refusal with one plain sentence that begins with `where`."""
    data = parse_profile_data(text, where)
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise Refusal(f"{where}: {one_sentence(error)}") from None


def parse_profile_data(text: str, where: str = "the profile") -> dict[str, Any]:
    """The sections of a profile as plain data; only version and shape are checked.

    The command line puts its options over them before all is validated. Raises Refusal like `parse_profile`.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.YAMLError as error:
        raise Refusal(f"{where} is not valid YAML{_place(error)}") from None
    except (RecursionError, ValueError):
        raise Refusal(f"{where} is not valid YAML: a value cannot be read") from None
    if not isinstance(data, dict):
        raise Refusal(f"{where} holds no sections; it begins with profile_version: 1 and model:")
    version = data.get("profile_version")
    if version != VERSION or isinstance(version, bool):
        said = "has no profile_version" if version is None else f"has profile_version {version!s:.20}"
        raise Refusal(f"{where} {said}; this program reads version {VERSION}")
    return {str(key): _renamed(str(key), value) for key, value in data.items()}


def load_profile(path: Path) -> Profile:
    """Read a profile file. Raises Refusal with one plain sentence when it cannot be read or is not a profile."""
    return parse_profile(read_profile_text(path), str(path))


def read_profile_text(path: Path) -> str:
    """The text of a profile file. Raises Refusal unless it is a regular file of at most 128 KiB."""
    where = without_secrets(str(path))
    try:
        if path.exists() and not path.is_file():
            raise Refusal(f"{where} is not a regular file; give a profile in YAML")
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise Refusal(f"{where} cannot be read: {error.strerror or error}") from None
    if len(data) > LIMIT_BYTES:
        raise Refusal(f"{where} is larger than {LIMIT_BYTES >> 10} KiB, which no profile is")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal(f"{where} is not text in UTF-8; give a profile in YAML") from None


def _renamed(section: str, fields: Any) -> Any:
    if fields is None:
        return {}
    if not isinstance(fields, Mapping):
        return fields
    former = {
        mark.name: field.name
        for field in marked(Formerly)
        if (mark := field.marker(Formerly)) and field.section == section
    }
    return {former.get(str(name), str(name)): value for name, value in fields.items()}


class _Loader(yaml.SafeLoader):
    """Reads the YAML that a profile needs: no key twice, and no aliases or depth that make a small file large."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node and all nodes in it."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias is not read here, write it out", self.get_mark())
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, "it is nested deeper than a profile is", self.get_mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    pairs: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool)):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
        if key in pairs:
            raise yaml.constructor.ConstructorError(None, None, f"{key!s:.40} comes twice", key_node.start_mark)
        pairs[key] = loader.construct_object(value_node, deep=True)
    return pairs


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _place(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f": {problem or 'it cannot be read'}" + (f" in line {mark.line + 1}" if mark is not None else "")
