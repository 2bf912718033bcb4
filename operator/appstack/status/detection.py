"""Detectors of a container's problems, and the texts that several of them search for a cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from appstack.api.status import Problem
from appstack.status.container_state import ContainerState
from appstack.status.references import reference_field


class Detector(Protocol):
    """Detector of one kind of problem."""

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem if the container has it, else None."""


@dataclass(frozen=True, slots=True)
class MissingObject:
    """A ConfigMap or Secret, or a key of it, that a message of the kubelet reports as missing."""

    field: str  # that refers to it; empty where none does
    hint: str


_MISSING_OBJECT: Final = re.compile(r'\b(configmap|secret) "(?P<name>[^"]+)" not found')
_MISSING_KEY: Final = re.compile(
    r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) [^/\s]+/(?P<name>[-.a-z0-9]+)"
)
_MISSING_VOLUME_KEY: Final = re.compile(r"references non-existent (?P<kind>secret|config) key: (?P<key>\S+)")


def missing_object(message: str, spec: Mapping[str, Any], container: str = "") -> MissingObject | None:
    """Return the object or key that a message reports as missing; `container` is the field of the container."""
    found = _MISSING_OBJECT.search(message)
    if found:
        kind, name = found[1], found["name"]
        field = reference_field(spec, kind, name, container=container)
        return MissingObject(
            field, f"Create the {_kind(kind)} {name} in this namespace, or mark the reference optional"
        )
    found = _MISSING_KEY.search(message)
    if found:
        kind, name, key = found["kind"].lower(), found["name"], found["key"]
        field = reference_field(spec, kind, name, key=key, container=container)
        return MissingObject(field, f"Add the key {key} to the {found['kind']} {name}, or correct the key's name")
    return None


def missing_volume_key(message: str, spec: Mapping[str, Any], kind_and_name: tuple[str, str]) -> MissingObject | None:
    """Return the key that a mount failure reports as missing; the message lacks the object, the volume has it."""
    found = _MISSING_VOLUME_KEY.search(message)
    if found is None:
        return None
    kind, name = kind_and_name
    field = reference_field(spec, kind, name, key=found["key"]) if name else ""
    return MissingObject(field, f"Add the key {found['key']} to the {_kind(kind)} {name}, or correct the key's name")


def _kind(kind: str) -> str:
    return {"configmap": "ConfigMap", "secret": "Secret"}[kind]
