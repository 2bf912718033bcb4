"""Files of a compose project: YAML as docker compose reads it, env files, and the files that services mount."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from appstack.cli import documents
from appstack.errors import OperatorError

_BOOL: Final = "tag:yaml.org,2002:bool"


class _ComposeLoader(documents.Loader):
    """YAML as docker compose reads it: `yes`, `no`, `on` and `off` are strings."""


_ComposeLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in documents.Loader.yaml_implicit_resolvers.items()
}
_ComposeLoader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


class ProjectDirectory:
    """The files of a project, relative to the directory of the compose file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.name = re.sub(r"[^a-z0-9_-]", "", directory.resolve().name.lower()).lstrip("_-")

    def load(self, path: str) -> dict[str, Any]:
        """Return the content of a compose file. Raise OperatorError if it cannot be read."""
        name = str(self._directory / path)
        return parse(documents.read_text(name), name)

    def variables(self, path: str) -> Mapping[str, str | None] | None:
        """Return the variables of an env file; None if there is no such file."""
        content = self.read(path)
        if content is None:
            return None
        try:
            from dotenv import dotenv_values  # noqa: PLC0415  # an extra, and only compose files need it
        except ImportError:
            hint = "Install it: pip install 'appstack[cli]'"
            raise OperatorError(f"{path}: env files need the package python-dotenv", hint) from None
        return dotenv_values(stream=io.StringIO(content.decode(errors="replace")))

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None if there is no such file."""
        file = self._directory / path
        return file.read_bytes() if file.is_file() else None

    def names(self, path: str) -> list[str] | None:
        """Return the names of the entries of a directory; None if there is no such directory."""
        directory = self._directory / path
        if not directory.is_dir():
            return None
        return sorted(f"{each.name}/" if each.is_dir() else each.name for each in directory.iterdir())


def is_compose(document: Any) -> bool:
    """Return whether a YAML document is a compose file: it has services and is no Kubernetes object."""
    return isinstance(document, dict) and bool({"services", "include"} & document.keys()) and "kind" not in document


def parse(text: str, name: str) -> dict[str, Any]:
    """Return the document of a compose file. Raise OperatorError if it is not a mapping."""
    loaded = documents.parse(text, name, _ComposeLoader)
    if len(loaded) != 1 or not isinstance(loaded[0], dict):
        raise OperatorError(f"{name} is no compose file", "A compose file is one YAML mapping with services")
    return loaded[0]
