"""Conversion of an nginx container in front of the application to `spec.proxy`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from appstack.convert.draft import Draft
from appstack.convert.nginx import CONFIG_PATHS, NGINX_IMAGE, NginxProxy, Unsupported, convert_nginx
from appstack.convert.notes import NoteKind
from appstack.convert.source import Source
from appstack.k8s.metadata import Manifest

_FIELDS: Final = frozenset({"name", "image", "ports", "resources", "imagePullPolicy", "volumeMounts"})
_LOOPBACK: Final = ("127.0.0.1", "localhost")


def convert_proxy(draft: Draft, containers: list[Manifest]) -> None:
    """Convert the first nginx container that the fields can express, and remove it from the list."""
    for container in list(containers):
        if len(containers) < 2 or not NGINX_IMAGE.fullmatch(str(container.get("image"))):
            continue
        config = next(_configurations(draft, container), None)
        path = f"spec.containers[{container.get('name')}]"
        if config is None:
            continue
        source, key, text = config
        try:
            _check_fields(container)
            proxy = convert_nginx(text, lambda host: host in _LOOPBACK)
        except Unsupported as error:
            message = f"stays a container, since spec.proxy cannot express its configuration: {error}"
            draft.pod_note(NoteKind.KEPT, path, "spec.sidecars", message)
            continue
        containers.remove(container)
        _set_proxy(draft, container, proxy)
        message = "nginx becomes a native sidecar with a generated configuration, without privileges and with probes"
        draft.pod_note(NoteKind.CHANGED, path, "spec.proxy", message)
        _take_configuration(draft, source, key, proxy)
        return


def _check_fields(container: Manifest) -> None:
    if further := sorted(container.keys() - _FIELDS):
        raise Unsupported(f"the container has {', '.join(further)}")


def _configurations(draft: Draft, container: Manifest) -> Iterator[tuple[Source, str, str]]:
    """Yield ConfigMap, key and text of the configuration, if it is the only mount of the container."""
    mounts = container.get("volumeMounts") or []
    volumes = {each.get("name"): each.get("configMap") or {} for each in draft.group.get("spec.volumes") or []}
    if len(mounts) != 1:
        return
    mount = mounts[0]
    name = volumes.get(mount.get("name"), {}).get("name")
    source = next((each for each in draft.group.members["ConfigMap"] if each.name == name), None)
    data = (source.get("data") or {}) if source else {}
    if source is None or len(data) != 1 or volumes[mount.get("name")].get("items"):
        return
    key, text = next(iter(data.items()))
    path = mount["mountPath"] if mount.get("subPath") else f"{mount['mountPath'].rstrip('/')}/{key}"
    if path in CONFIG_PATHS or (path.startswith("/etc/nginx/conf.d/") and path.endswith(".conf")):
        yield source, key, text


def _set_proxy(draft: Draft, container: Manifest, proxy: NginxProxy) -> None:
    own = {key: container[key] for key in ("image", "imagePullPolicy", "resources") if container.get(key)}
    name = {"name": container["name"]} if container["name"] != "proxy" else {}
    ((_, upstream),) = proxy.targets
    draft.spec["proxy"] = {**name, **own, "upstream": upstream, **proxy.fields}
    draft.proxied_ports = {value for port in container.get("ports") or [] for value in port.values()}


def _take_configuration(draft: Draft, source: Source, key: str, proxy: NginxProxy) -> None:
    """Take the ConfigMap and its volume."""
    for line in proxy.omitted:
        draft.note(
            NoteKind.OMITTED, f"{source} data[{key}]", "", f"`{line}` has a counterpart in AppStack's configuration"
        )
    for name in ("data", "immutable", "metadata.name", "metadata.namespace", "metadata.labels"):
        source.take(name)
    volumes = draft.group.get("spec.volumes") or []
    volumes[:] = [each for each in volumes if (each.get("configMap") or {}).get("name") != source.name]
