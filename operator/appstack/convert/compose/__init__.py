"""Conversion of a compose project to AppStacks: one for each service of its active profiles."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

from appstack.convert.compose.container import convert_container
from appstack.convert.compose.draft import ServiceDraft
from appstack.convert.compose.front import Front, fronts
from appstack.convert.compose.lifecycle import convert_lifecycle
from appstack.convert.compose.model import NOT_CONVERTED, Project
from appstack.convert.compose.network import convert_network
from appstack.convert.compose.project import Loader, ProjectFiles, closed_profiles
from appstack.convert.compose.storage import convert_storage
from appstack.convert.naming import valid_name
from appstack.convert.notes import Note, NoteKind
from appstack.convert.result import Conversion, Result, checked
from appstack.settings import Settings

__all__ = ["convert_project"]


def convert_project(
    path: str, files: ProjectFiles, *, environment: Mapping[str, str], profiles: frozenset[str], settings: Settings
) -> Conversion:
    """Return the AppStacks of the compose file at a path, which is relative to its directory.

    Raise OperatorError if the file is invalid. The environment takes precedence over the file `.env`.
    """
    loader = Loader(files, environment)
    project = loader.project(path)
    notes = [
        Note(NoteKind.REQUIRED, path, "", f"the variable {name} is not set and has no default; it is empty here")
        for name in loader.unset
    ]
    profiles |= {each for each in loader.variables.get("COMPOSE_PROFILES", "").split(",") if each}
    inactive = list(closed_profiles(project, profiles))
    for key in inactive:
        text = f"its profiles are not active: {', '.join(project.services[key].profiles)}"
        notes.append(Note(NoteKind.OMITTED, f"services.{key}", "", text))
    active = {key: service for key, service in project.services.items() if key not in inactive}
    project = project.model_copy(update={"services": active})
    notes.extend(_resource_notes(project))
    found, front_notes = fronts(project, files)
    notes.extend(front_notes)
    proxies = {front.application: front for front in found}
    active = {key: service for key, service in active.items() if key not in {front.key for front in found}}
    project = project.model_copy(update={"services": active})
    names = {key: valid_name(key) for key in active}
    results = [
        _converted(
            ServiceDraft(key, names[key], service, project, files, loader.variables, names), settings, proxies.get(key)
        )
        for key, service in active.items()
    ]
    return Conversion(tuple(results), tuple(notes))


def _resource_notes(project: Project) -> list[Note]:
    text = "all pods of a cluster reach each other; spec.networkPolicy restricts the connections"
    notes = [
        Note(NoteKind.OMITTED, f"networks.{key}", "", text)
        for key, network in project.networks.items()
        if key != "default" or network.model_fields_set
    ]
    if project.models:
        notes.append(Note(NoteKind.UNSUPPORTED, "models", "", "an AppStack runs containers only"))
    return notes


def _converted(draft: ServiceDraft, settings: Settings, front: Front | None) -> Result:
    if draft.name != draft.key:
        draft.changed("", "metadata.name", f"{draft.key!r} becomes {draft.name!r}; other pods reach it by this name")
    convert_container(draft)
    convert_storage(draft)
    convert_network(draft)
    convert_lifecycle(draft)
    if front is not None:
        draft.spec["backend"]["ports"] = [{"containerPort": front.port}]
        draft.spec["proxy"] = front.proxy.fields
    for field in draft.service.not_converted:
        draft.unsupported(field, NOT_CONVERTED[field])
    result = checked(draft.document(), f"services.{draft.key}", settings)
    return replace(result, notes=(*draft.notes, *result.notes), document=deepcopy(result.document))
