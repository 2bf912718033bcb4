"""Volumes, files, configs and secrets of a service."""

from __future__ import annotations

import base64
import posixpath
import re
from typing import Final

from appstack.convert.compose.container import quantity
from appstack.convert.compose.draft import ServiceDraft
from appstack.convert.compose.model import Grant, Mount
from appstack.convert.compose.values import size
from appstack.convert.naming import valid_name
from appstack.convert.notes import NoteKind
from appstack.k8s.metadata import Manifest

_MAX_FILE_BYTES: Final = 64 << 10
_MAX_DIRECTORY_FILES: Final = 20
_CONFIGURATION: Final = re.compile(
    r".*\.(conf|cfg|cnf|ini|toml|ya?ml|json|properties|env|xml|sql|sh|tpl|template|rules)"
)
_DEFAULT_SIZE: Final = "1Gi"
_SHARED_MEMORY: Final = "shm"


def convert_storage(draft: ServiceDraft) -> None:
    """Convert volumes, temporary file systems, configs and secrets."""
    service = draft.service
    for index, mount in enumerate(service.volumes):
        _convert_mount(draft, mount, f"volumes[{index}]")
    for index, text in enumerate(service.tmpfs):
        target, _, options = text.partition(":")
        sizes = [each.partition("=")[2] for each in options.split(",") if each.startswith("size=")]
        _memory_volume(draft, _free_name(draft, target), target, size(sizes[0]) if sizes else None)
        if further := [each for each in options.split(",") if each and not each.startswith("size=")]:
            draft.unsupported(f"tmpfs[{index}]", f"an emptyDir has no options {', '.join(further)}")
    if service.shm_size:
        _memory_volume(draft, _SHARED_MEMORY, "/dev/shm", service.shm_size)
    for index, grant in enumerate(service.configs):
        _convert_config(draft, grant, f"configs[{index}]")
    for index, grant in enumerate(service.secrets):
        _convert_secret(draft, grant, f"secrets[{index}]")


def _memory_volume(draft: ServiceDraft, name: str, target: str, limit: int | None) -> None:
    source: Manifest = {"medium": "Memory", **({"sizeLimit": quantity(limit)} if limit else {})}
    _mount(draft, {"name": name, "emptyDir": source}, target)


def _mount(draft: ServiceDraft, volume: Manifest, target: str, **fields: object) -> None:
    """Add a volume and its mount in the backend."""
    if volume["name"] not in [each["name"] for each in draft.spec.get("volumes", [])]:
        draft.add("volumes", volume)
    set_fields = {key: value for key, value in fields.items() if value}
    draft.add("backend.volumeMounts", {"name": volume["name"], "mountPath": target, **set_fields})


def _free_name(draft: ServiceDraft, text: str) -> str:
    """Return a volume name made of a path that no other volume has."""
    names = {each["name"] for each in draft.spec.get("volumes", [])}
    name = valid_name(text.strip("/."))[:50].strip("-")
    return next(each for number in range(1, 1000) if (each := name if number == 1 else f"{name}-{number}") not in names)


def _convert_mount(draft: ServiceDraft, mount: Mount, path: str) -> None:
    if mount.type == "tmpfs":
        limit = mount.tmpfs.get("size")
        _memory_volume(draft, _free_name(draft, mount.target), mount.target, size(limit) if limit else None)
    elif mount.type == "image":
        reference: Manifest = {"reference": mount.source}
        _mount(draft, {"name": _free_name(draft, mount.target), "image": reference}, mount.target)
    elif mount.type == "bind":
        _convert_bind(draft, mount, path)
    elif mount.type != "volume":
        draft.unsupported(path, f"a pod has no volume of type {mount.type}")
    elif mount.source is None:
        _mount(draft, {"name": _free_name(draft, mount.target), "emptyDir": {}}, mount.target)
        draft.changed(path, "spec.volumes", "an anonymous volume becomes an emptyDir, which lives as long as the pod")
    else:
        _convert_named_volume(draft, mount, path)


def _convert_named_volume(draft: ServiceDraft, mount: Mount, path: str) -> None:
    """Convert a volume of the project to a claim of the first service that uses it; the others refer to the claim."""
    key = str(mount.source)
    resource = draft.project.volumes.get(key)
    name = valid_name(key)
    fields = {"readOnly": mount.read_only, "subPath": mount.volume.get("subpath")}
    if resource is not None and resource.external:
        claim = valid_name(resource.name or key)
        volume: Manifest = {"name": name, "persistentVolumeClaim": {"claimName": claim}}
        draft.required(path, "spec.volumes", f"create the PersistentVolumeClaim {claim}")
    else:
        users = [each for each, service in draft.project.services.items() if _uses(service.volumes, key)]
        owner = draft.names.get(users[0], draft.name)
        if owner == draft.name:
            claim_spec: Manifest = {"resources": {"requests": {"storage": _DEFAULT_SIZE}}}
            if len(users) > 1:
                claim_spec["accessModes"] = ["ReadWriteMany"]
                draft.required(path, "spec.volumes", f"{', '.join(users)} share it: needs a class with ReadWriteMany")
            volume = {"name": name, "claim": claim_spec}
            draft.required(path, "spec.volumes", f"the size of {key} is a guess: {_DEFAULT_SIZE}")
        else:
            volume = {"name": name, "persistentVolumeClaim": {"claimName": f"{owner}-{name}"}}
            draft.changed(path, "spec.volumes", f"refers to the claim of AppStack/{owner}")
    if resource is not None and (resource.driver_opts or resource.driver not in (None, "local")):
        draft.unsupported(path, f"volumes.{key} has a driver: write spec.volumes[].claim.storageClassName")
    _mount(draft, volume, mount.target, **fields)


def _uses(mounts: list[Mount], key: str) -> bool:
    return any(each.type == "volume" and each.source == key for each in mounts)


def _convert_bind(draft: ServiceDraft, mount: Mount, path: str) -> None:
    """Convert a path of the host: an absolute one to a hostPath, files of the project to `files`."""
    source = str(mount.source)
    if source.startswith(("/", "~")):
        volume: Manifest = {"name": _free_name(draft, source), "hostPath": {"path": source}}
        _mount(draft, volume, mount.target, readOnly=mount.read_only)
        draft.required(path, "spec.volumes", f"the administrator has to allow the hostPath {source}")
        return
    content = draft.files.read(source)
    if content is not None:
        _add_file(draft, mount.target, content, path, source)
        return
    names = draft.files.names(source)
    if names is None:
        draft.required(path, "spec.files", f"{source} does not exist; write its content, or put it into the image")
    elif 0 < len(names) <= _MAX_DIRECTORY_FILES and all(_CONFIGURATION.fullmatch(name) for name in names):
        for name in names:
            found = draft.files.read(posixpath.join(source, name))
            _add_file(draft, posixpath.join(mount.target, name), found or b"", path, posixpath.join(source, name))
    else:
        message = f"{source} is a directory of the project: put it into the image, or write spec.files"
        draft.required(path, "spec.files", message)


def _add_file(draft: ServiceDraft, target: str, content: bytes, path: str, source: str, mode: object = None) -> None:
    if len(content) > _MAX_FILE_BYTES:
        draft.required(path, "spec.files", f"{source} has more than {_MAX_FILE_BYTES >> 10} KiB: put it into the image")
        return
    draft.changed(path, "spec.files", f"{source} is part of the AppStack: a change of its content starts a rollout")
    file: Manifest = {"path": target}
    try:
        file["content"] = content.decode()
    except UnicodeDecodeError:
        file["base64"] = base64.b64encode(content).decode()
    bits = int(str(mode), 8) if isinstance(mode, str) else mode
    draft.add("files", {**file, **({"mode": bits} if bits is not None else {})})


def _convert_config(draft: ServiceDraft, grant: Grant, path: str) -> None:
    config = draft.project.configs.get(grant.source)
    target = grant.target or f"/{grant.source}"
    target = target if target.startswith("/") else f"/{target}"
    content: bytes | None = None
    if config is not None and config.content is not None:
        content = config.content.encode()
    elif config is not None and config.environment is not None:
        content = draft.environment.get(config.environment, "").encode()
    elif config is not None and config.file is not None:
        content = draft.files.read(config.file)
    if content is None:
        name = valid_name(grant.source)
        draft.add("files", {"path": target, "valueFrom": {"configMapKeyRef": {"name": name, "key": grant.source}}})
        draft.required(path, "spec.files", f"create the ConfigMap {name} with the key {grant.source}")
    else:
        _add_file(draft, target, content, path, f"configs.{grant.source}", grant.mode)
    _owner_note(draft, grant, path)


def _convert_secret(draft: ServiceDraft, grant: Grant, path: str) -> None:
    secret = draft.project.secrets.get(grant.source)
    target = grant.target or grant.source
    target = target if target.startswith("/") else f"/run/secrets/{target}"
    name = valid_name(grant.source)
    file: Manifest = {"path": target, "valueFrom": {"secretKeyRef": {"name": name, "key": grant.source}}}
    mode = int(grant.mode, 8) if isinstance(grant.mode, str) else grant.mode
    draft.add("files", {**file, **({"mode": mode} if mode is not None else {})})
    origin = (
        f"--from-file={grant.source}={secret.file}" if secret and secret.file else f"--from-literal={grant.source}=…"
    )
    message = f"needs the Secret {name}: kubectl create secret generic {name} {origin}"
    draft.required(path, "spec.files", message)
    _owner_note(draft, grant, path)


def _owner_note(draft: ServiceDraft, grant: Grant, path: str) -> None:
    if grant.uid or grant.gid:
        draft.note(
            NoteKind.UNSUPPORTED, path, "", "files have the owner root and the group pod.securityContext.fsGroup"
        )
