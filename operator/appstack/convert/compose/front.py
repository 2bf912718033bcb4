"""nginx services in front of one other service, which become its proxy."""

from __future__ import annotations

from dataclasses import dataclass

from appstack.convert.compose.model import Project, Service
from appstack.convert.compose.project import ProjectFiles
from appstack.convert.nginx import CONFIG_PATHS, NGINX_IMAGE, NginxProxy, Unsupported, convert_nginx
from appstack.convert.notes import Note, NoteKind

_FIELDS = frozenset(
    {"image", "ports", "volumes", "configs", "depends_on", "networks", "restart", "not_converted", "expose"}
)


@dataclass(frozen=True)
class Front:
    """An nginx service and the service that it leads to."""

    key: str
    application: str
    port: int
    proxy: NginxProxy


def fronts(project: Project, files: ProjectFiles) -> tuple[list[Front], list[Note]]:
    """Return the nginx services that can be proxies, and a note for each other one with a known configuration."""
    found: list[Front] = []
    notes: list[Note] = []
    for key, service in project.services.items():
        text = _configuration(project, service, files)
        if text is None:
            continue
        try:
            front = _front(key, service, project, text)
        except Unsupported as error:
            message = f"stays an AppStack of its own, since spec.proxy cannot express its configuration: {error}"
            notes.append(Note(NoteKind.KEPT, f"services.{key}", "", message))
            continue
        found.append(front)
        target = f"AppStack/{front.application} spec.proxy"
        message = "nginx becomes the proxy in the pods of the service that it leads to, with a generated configuration"
        notes.append(Note(NoteKind.CHANGED, f"services.{key}", target, message))
        for port in service.ports:
            text = f"the Service leads to the proxy; the host's port {port.published} leads to no pod: add spec.ingress"
            notes.append(Note(NoteKind.CHANGED, f"services.{key}.ports", target, text))
        for line in front.proxy.omitted:
            message = f"`{line}` has a counterpart in AppStack's configuration"
            notes.append(Note(NoteKind.OMITTED, f"services.{key}", "", message))
    return found, notes


def _configuration(project: Project, service: Service, files: ProjectFiles) -> str | None:
    """Return the configuration of an nginx service, if it is the only file in the container."""
    if not NGINX_IMAGE.fullmatch(service.image or "") or service.build is not None:
        return None
    content: bytes | None = None
    if len(service.volumes) == 1 and service.volumes[0].type == "bind" and service.volumes[0].target in CONFIG_PATHS:
        content = files.read(str(service.volumes[0].source))
    elif len(service.configs) == 1 and service.configs[0].target in CONFIG_PATHS:
        config = project.configs.get(service.configs[0].source)
        content = config.content.encode() if config and config.content else None
        content = files.read(config.file) if config and config.file else content
    return None if content is None else content.decode(errors="replace")


def _front(key: str, service: Service, project: Project, text: str) -> Front:
    if further := sorted(service.model_fields_set - _FIELDS):
        raise Unsupported(f"the service has {', '.join(further)}")
    proxy = convert_nginx(text, lambda host: host in project.services)
    ((application, port),) = proxy.targets
    others = [name for name, other in project.services.items() if {key, application} & other.depends_on.keys()]
    if further := sorted({*others} - {key}):
        raise Unsupported(f"{', '.join(further)} depends on one of the two services")
    if project.services[application].ports:
        raise Unsupported(f"{application} has ports of its own")
    return Front(key, application, port, proxy)
