"""The fields of a request, by their paths such as `policy.port`, and their markers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from pydantic.fields import FieldInfo

from wizard_tui.schemas.inputs import PlanRequest, Section
from wizard_tui.schemas.markers import Flag

_Marker = TypeVar("_Marker")


class RequestField(NamedTuple):
    """One field: its section, its name there, and what pydantic knows of it."""

    section: str
    name: str
    info: FieldInfo

    @property
    def path(self) -> str:
        """Section and name, such as `policy.port`."""
        return f"{self.section}.{self.name}"

    def marker(self, kind: type[_Marker]) -> _Marker | None:
        """Its marker of a kind; None where it has none."""
        return next((marker for marker in self.info.metadata if isinstance(marker, kind)), None)

    def value_in(self, request: PlanRequest) -> Any:
        """What a request has there."""
        return getattr(getattr(request, self.section), self.name)


@lru_cache(maxsize=1)
def sections() -> Mapping[str, type[Section]]:
    """The sections of a request by name, in its order."""
    parts = {name: info.annotation for name, info in PlanRequest.model_fields.items()}
    return MappingProxyType(
        {name: part for name, part in parts.items() if isinstance(part, type) and issubclass(part, Section)}
    )


@lru_cache(maxsize=1)
def request_fields() -> Mapping[str, RequestField]:
    """Every field by its path, in the order of the schema."""
    rows = (
        RequestField(section, name, info)
        for section, part in sections().items()
        for name, info in part.model_fields.items()
    )
    return MappingProxyType({field.path: field for field in rows})


@lru_cache(maxsize=16)
def marked(kind: type[Any], *further: type[Any]) -> tuple[RequestField, ...]:
    """The fields that have a marker of every kind that is named, in the order of the schema."""
    kinds = (kind, *further)
    return tuple(field for field in request_fields().values() if all(field.marker(one) for one in kinds))


@lru_cache(maxsize=1)
def passed_as_set() -> tuple[RequestField, ...]:
    """The flags of which vLLM gets what the user set."""
    return tuple(field for field in marked(Flag) if (flag := field.marker(Flag)) and flag.as_set)


def flags_as_set(request: PlanRequest, *kinds: type[Any]) -> dict[str, Any]:
    """Those flags with their values, where the user set one; only fields with a marker of these kinds, if any."""
    values = {field.name: field.value_in(request) for field in passed_as_set() if all(map(field.marker, kinds))}
    return {name: value for name, value in values.items() if value is not None}
