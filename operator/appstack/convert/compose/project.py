"""Loading of a compose project: interpolation, included files, and services that extend others."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pydantic

from appstack.convert.compose.interpolation import Interpolation
from appstack.convert.compose.merge import merge_service, with_base_directory
from appstack.convert.compose.model import Project
from appstack.errors import OperatorError

Document = dict[str, Any]

_RESOURCES: Final = ("services", "volumes", "networks", "configs", "secrets")
_MAX_FILES: Final = 100  # included and extended files of a project


class ProjectFiles(Protocol):
    """The files of a project, by their path relative to the directory of the compose file."""

    name: str
    """The name of the directory, which is the default name of the project."""

    def load(self, path: str) -> Document:
        """Return the content of a YAML file. Raise OperatorError if it cannot be read."""

    def variables(self, path: str) -> Mapping[str, str | None] | None:
        """Return the variables of an env file; None if there is no such file."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None if there is no such file."""

    def names(self, path: str) -> list[str] | None:
        """Return the names of the files in a directory; None if there is no such directory."""


@dataclass
class Loader:
    """Loads a project from its files, with the variables of the environment."""

    files: ProjectFiles
    environment: Mapping[str, str]
    unset: dict[str, None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    """The variables of the project: those of the environment, and under them those of the file `.env`."""
    loaded: int = 0

    def project(self, path: str) -> Project:
        """Return the project of a compose file. Raise OperatorError with the field of the error."""
        dot_env = _set(self.files.variables(posixpath.join(posixpath.dirname(path), ".env")) or {})
        self.variables = {"COMPOSE_PROJECT_NAME": self.files.name, **dot_env, **self.environment}
        document = self._document(path, self.variables)
        try:
            return Project.model_validate(document)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise OperatorError(
                f"{path}: {_field(first['loc'])}: {_message(first)}", "Correct the compose file"
            ) from None

    def _document(self, path: str, defaults: Mapping[str, str]) -> Document:
        """Return a compose file with its includes, and with every service extended."""
        directory = posixpath.dirname(path)
        own = self.files.variables(posixpath.join(directory, ".env")) or {}
        variables = {**_set(own), **defaults}
        document = self._interpolated(path, variables)
        services = _mapping(document, "services", path) if "services" in document or "include" not in document else {}
        document["services"] = {name: self._extended(path, services, name, variables, seen=()) for name in services}
        for include in document.pop("include", None) or []:
            self._include(document, include, directory, variables)
        return document

    def _interpolated(self, path: str, variables: Mapping[str, str]) -> Document:
        self.loaded += 1
        if self.loaded > _MAX_FILES:
            raise OperatorError(f"{path}: more than {_MAX_FILES} files are included", "Remove circular includes")
        interpolation = Interpolation(variables)
        document = interpolation.value(self.files.load(path))
        self.unset |= interpolation.unset
        return dict(document)

    def _include(self, document: Document, include: Any, directory: str, variables: Mapping[str, str]) -> None:
        """Add the resources of an included file."""
        entry = {"path": include} if isinstance(include, str) else dict(include)
        paths = entry["path"] if isinstance(entry.get("path"), list) else [entry.get("path")]
        env_files = entry.get("env_file") or []
        defaults: dict[str, str] = {}
        for each in [env_files] if isinstance(env_files, str) else env_files:
            defaults |= _set(self.files.variables(posixpath.join(directory, each)) or {})
        for each in paths:
            path = posixpath.normpath(posixpath.join(directory, str(each)))
            included = self._document(path, {**defaults, **variables})
            base = str(entry.get("project_directory") or posixpath.dirname(path))
            for kind in _RESOURCES:
                for name, resource in (included.get(kind) or {}).items():
                    own = document.setdefault(kind, {})
                    if name in own and own[name] != resource:
                        raise OperatorError(f"{path}: {kind}.{name} exists already", "Rename one of the two")
                    relative = posixpath.relpath(base or ".", directory or ".")
                    own[name] = with_base_directory(resource, relative) if resource else resource

    def _extended(
        self, path: str, services: Mapping[str, Any], name: str, variables: Mapping[str, str], *, seen: tuple[Any, ...]
    ) -> Document:
        """Return a service merged over the one that it extends."""
        if (path, name) in seen:
            raise OperatorError(f"{path}: services.{name} extends itself", "Remove the circle")
        service = services.get(name)
        if not isinstance(service, dict):
            raise OperatorError(f"{path}: services.{name} is no service", "Write the service, or correct `extends`")
        extends = service.get("extends")
        if not extends:
            return service
        entry = {"service": extends} if isinstance(extends, str) else extends
        own = {key: value for key, value in service.items() if key != "extends"}
        seen = (*seen, (path, name))
        if not entry.get("file"):
            return merge_service(self._extended(path, services, entry["service"], variables, seen=seen), own)
        directory = posixpath.dirname(path)
        other = posixpath.normpath(posixpath.join(directory, entry["file"]))
        base = self._extended(
            other,
            _mapping(self._interpolated(other, variables), "services", other),
            entry["service"],
            variables,
            seen=seen,
        )
        relative = posixpath.relpath(posixpath.dirname(other) or ".", directory or ".")
        return merge_service(with_base_directory(base, relative), own)


def _set(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value is not None}


def _mapping(document: Mapping[str, Any], key: str, path: str) -> Document:
    value = document.get(key)
    if not isinstance(value, dict):
        raise OperatorError(f"{path}: {key} must be a mapping", "A compose file has services")
    return value


def _field(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _message(error: Any) -> str:
    return "unknown field" if error["type"] == "extra_forbidden" else str(error["msg"]).removeprefix("Value error, ")


def closed_profiles(project: Project, profiles: frozenset[str]) -> Iterator[str]:
    """Yield the services with profiles that are not active; `*` activates all."""
    for name, service in project.services.items():
        if service.profiles and not profiles & {*service.profiles, "*"}:
            yield name
