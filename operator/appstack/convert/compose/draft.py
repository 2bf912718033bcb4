"""The AppStack of a compose service under construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appstack.convert.compose.model import Project, Service
from appstack.convert.compose.project import ProjectFiles
from appstack.convert.notes import Note, NoteKind
from appstack.k8s.metadata import API_VERSION, KIND, Manifest


@dataclass
class ServiceDraft:
    """The spec of an AppStack, and the notes on the fields of its compose service."""

    key: str  # name of the service in the compose file
    name: str  # name of the AppStack
    service: Service
    project: Project
    files: ProjectFiles
    environment: Mapping[str, str]
    names: Mapping[str, str]  # of the AppStacks, by the name of the service
    spec: Manifest = field(default_factory=lambda: {"backend": {}})
    notes: list[Note] = field(default_factory=list)

    def note(self, kind: NoteKind, path: str, target: str, message: str) -> None:
        """Add a note; `path` is below the service, `target` below the AppStack, or empty."""
        source = f"services.{self.key}{f'.{path}' if path else ''}"
        self.notes.append(Note(kind, source, f"{KIND}/{self.name} {target}" if target else "", message))

    def changed(self, path: str, target: str, message: str) -> None:
        """Add a note on a field that the AppStack has in another form."""
        self.note(NoteKind.CHANGED, path, target, message)

    def required(self, path: str, target: str, message: str) -> None:
        """Add a note on a value that the author has to provide."""
        self.note(NoteKind.REQUIRED, path, target, message)

    def unsupported(self, path: str, message: str) -> None:
        """Add a note on a field that the AppStack does not contain."""
        self.note(NoteKind.UNSUPPORTED, path, "", message)

    def set(self, path: str, value: Any) -> None:
        """Set a field of the spec, unless the value is empty or false."""
        if (not value and value != 0) or value is False:
            return
        *outer, last = path.split(".")
        target = self.spec
        for key in outer:
            target = target.setdefault(key, {})
        target[last] = value

    def add(self, path: str, *items: Manifest) -> None:
        """Append items to a list of the spec."""
        *outer, last = path.split(".")
        target = self.spec
        for key in outer:
            target = target.setdefault(key, {})
        if items:
            target.setdefault(last, []).extend(items)

    def document(self) -> Manifest:
        """Return the AppStack."""
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": self.name}, "spec": self.spec}
