"""The AppStack under construction, with its notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appstack.convert.grouping import Group
from appstack.convert.notes import Note, NoteKind
from appstack.convert.source import Source
from appstack.k8s.metadata import API_VERSION, KIND, Manifest


@dataclass
class Draft:
    """The spec of an AppStack, and the notes on the fields of its sources."""

    name: str
    group: Group
    port_aliases: dict[Any, int] = field(default_factory=dict)
    """Numbers of the ports that have a second name; a server-side apply accepts one entry for each number."""
    proxied_ports: set[Any] = field(default_factory=set)
    """Names and numbers of the ports of an nginx container that became the proxy."""
    governing_service: str = ""  # the Service of a StatefulSet that AppStack creates, because the input lacks it
    spec: Manifest = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    omitted_labels: set[tuple[str, str]] = field(default_factory=set)
    kept_objects: list[Source] = field(default_factory=list)

    def note(self, kind: NoteKind, source: str, target: str, message: str) -> None:
        """Add a note; `target` is a path below the AppStack, or empty."""
        self.notes.append(Note(kind, source, f"{KIND}/{self.name} {target}" if target else "", message))

    def pod_note(self, kind: NoteKind, path: str, target: str, message: str) -> None:
        """Add a note on a field of the pod template."""
        self.note(kind, f"{self.group.workload} {self.group.path(path)}", target, message)

    def keep(self, source: Source, reason: str) -> None:
        """Leave an object of the group outside the AppStack, with a note."""
        self.kept_objects.append(source)
        self.note(NoteKind.KEPT, str(source), "", f"{reason}; continue to apply it")

    def set(self, path: str, value: Any) -> None:
        """Set a field of the spec, unless the value is empty."""
        if value in (None, {}, []):
            return
        *outer, last = path.split(".")
        target = self.spec
        for key in outer:
            target = target.setdefault(key, {})
        target[last] = value

    def document(self) -> Manifest:
        """Return the AppStack."""
        metadata: Manifest = {"name": self.name}
        if self.group.workload.namespace:
            metadata["namespace"] = self.group.workload.namespace
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": self.spec}
