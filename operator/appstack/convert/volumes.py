"""Conversion of volumes: claims that AppStack creates, and ConfigMap mounts that become files."""

from __future__ import annotations

import re
from typing import Any, Final

from appstack.api.files import MAX_CONTENT_BYTES
from appstack.convert import api_defaults
from appstack.convert.draft import Draft
from appstack.convert.labels import take_metadata
from appstack.convert.notes import NoteKind
from appstack.convert.source import Source
from appstack.k8s.metadata import RESERVED_PREFIX, Manifest

_VOLUME_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DEFAULT_MODE: Final = 0o644
_MAX_CONTENT: Final = MAX_CONTENT_BYTES // 4  # characters of one ConfigMap: an AppStack may have several
_MAX_FILES: Final = 32  # mounts of one ConfigMap


class PodVolumes:
    """The volumes and files of a pod, with the containers that mount them."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self.volumes: list[Manifest] = []
        self.files: list[Manifest] = []

    def convert(self, containers: list[Manifest]) -> None:
        """Convert the volumes of the pod; mounts that become files are removed from the containers."""
        draft = self._draft
        sources = draft.group.take("spec.volumes") or []
        for volume in sources:
            if not self._converted_to_files(volume, containers):
                self.volumes.append(self._volume(volume, containers))
        self._claim_templates()

    def rename_container(self, name: str, role: str) -> None:
        """Give the files of a container to its role: `backend` is the default of `files[].container`."""
        for file in self.files:
            if file["container"] == name:
                del file["container"]
            elif file["container"] == role:
                file["container"] = f"{role}-container"

    def _volume(self, volume: Manifest, containers: list[Manifest]) -> Manifest:
        short = api_defaults.without_defaults(volume, api_defaults.VOLUME)
        claim = self._claim(short)
        if claim is None:
            return self._renamed(short, containers, self._free_name(str(short["name"])))
        name, converted = claim
        return self._renamed({**short, "name": name, "claim": converted}, containers, name, old=str(short["name"]))

    def _free_name(self, name: str) -> str:
        return name.removeprefix(RESERVED_PREFIX) if name.startswith(RESERVED_PREFIX) else name

    def _renamed(self, volume: Manifest, containers: list[Manifest], name: str, *, old: str = "") -> Manifest:
        old = old or str(volume["name"])
        if name != old:
            for container in containers:
                for entry in (*container.get("volumeMounts", []), *container.get("volumeDevices", [])):
                    if entry.get("name") == old:
                        entry["name"] = name
        if "claim" in volume:
            volume = {"name": name, "claim": volume["claim"]}
        return {**volume, "name": name}

    def _claim(self, volume: Manifest) -> tuple[str, Manifest] | None:
        """Return name and `claim` of a volume, if AppStack creates a claim of the same name for it."""
        reference = volume.get("persistentVolumeClaim")
        if not reference:
            return None
        draft = self._draft
        name = str(reference.get("claimName"))
        source = next((each for each in draft.group.members["PersistentVolumeClaim"] if each.name == name), None)
        if source is None:
            return None
        suffix = name.removeprefix(f"{draft.name}-")
        fits = suffix != name and _VOLUME_NAME.fullmatch(suffix) and not suffix.startswith(RESERVED_PREFIX)
        if not fits or reference.get("readOnly") or self._is_taken(suffix, volume):
            wanted = f"a claim of AppStack would be named {draft.name}-{volume['name']} and empty"
            draft.keep(source, f"the volume {volume['name']!r} refers to it by name; {wanted}")
            draft.group.members["PersistentVolumeClaim"].remove(source)
            return None
        return suffix, self._claim_fields(source)

    def _is_taken(self, name: str, volume: Manifest) -> bool:
        others = [each["name"] for each in self.volumes]
        original = self._draft.group.workload.original
        return name in others or (name != volume["name"] and f"'name': '{name}'" in str(original.get("spec")))

    def _claim_fields(self, source: Source) -> Manifest:
        spec = source.take("spec") or {}
        claim = api_defaults.without_defaults(spec, api_defaults.CLAIM)
        if claim.get("accessModes") == ["ReadWriteOnce"]:
            del claim["accessModes"]
        metadata = take_metadata(self._draft, source)
        source.take("metadata.name")
        source.take("metadata.namespace")
        per_replica: Manifest = {"perReplica": False} if self._draft.group.workload.kind == "StatefulSet" else {}
        return {**per_replica, **claim, **({"metadata": metadata} if metadata else {})}

    def _claim_templates(self) -> None:
        """Convert the volumeClaimTemplates of a StatefulSet."""
        workload = self._draft.group.workload
        policy = workload.take("spec.persistentVolumeClaimRetentionPolicy") or {}
        retention = {key: value for key, value in policy.items() if value != "Retain"}
        for template in workload.take("spec.volumeClaimTemplates") or []:
            source = Source({"kind": "PersistentVolumeClaim", **template})
            fields = {key: value for key, value in self._claim_fields(source).items() if key != "perReplica"}
            claim = {"perReplica": True, **fields, **({"retentionPolicy": retention} if retention else {})}
            self.volumes = [each for each in self.volumes if each["name"] != source.name]  # a template takes precedence
            self.volumes.append({"name": source.name, "claim": claim})
            for path, _ in source.untaken():
                field = f"{workload} spec.volumeClaimTemplates[{source.name}].{path}"
                self._draft.note(NoteKind.UNSUPPORTED, field, "", "a claim of an AppStack has no such field")

    def _converted_to_files(self, volume: Manifest, containers: list[Manifest]) -> bool:
        """Convert a ConfigMap volume to files if every mount of it is a single file; return whether it was."""
        draft = self._draft
        reference = volume.get("configMap") or {}
        source = next((each for each in draft.group.members["ConfigMap"] if each.name == reference.get("name")), None)
        mounts = [
            (container, mount)
            for container in containers
            for mount in container.get("volumeMounts", [])
            if mount.get("name") == volume.get("name")
        ]
        if source is None or not mounts or self._has_other_uses(source):
            return False
        if any(mount.get("subPath") is None for _, mount in mounts):
            message = "the directory stays a volume: it follows changes of the ConfigMap, which files do not"
            draft.pod_note(NoteKind.KEPT, f"spec.volumes[{volume['name']}]", f"spec.volumes[{volume['name']}]", message)
            return False
        contents = (source.get("data") or {}, source.get("binaryData") or {})
        if sum(len(text) for each in contents for text in each.values()) > _MAX_CONTENT or len(mounts) > _MAX_FILES:
            return False
        found = [(container, mount, _file(source, reference, str(mount["subPath"]))) for container, mount in mounts]
        if any(file is None for _, _, file in found):
            return False
        for container, mount, file in found:
            container["volumeMounts"] = [each for each in container["volumeMounts"] if each is not mount]
            if not container["volumeMounts"]:
                del container["volumeMounts"]
            self.files.append({"path": mount["mountPath"], "container": container["name"], **(file or {})})
        self._take_content(source, {str(mount["subPath"]) for _, mount in mounts}, reference)
        return True

    def _take_content(self, source: Source, paths: set[str], reference: Manifest) -> None:
        draft = self._draft
        items = {each.get("path"): each.get("key") for each in reference.get("items") or []}
        used = {items.get(path, path) for path in paths}
        unused = [key for key in (*(source.get("data") or {}), *(source.get("binaryData") or {})) if key not in used]
        for key in unused:
            draft.note(NoteKind.OMITTED, f"{source} data[{key}]", "", "no container mounts it")
        message = "becomes files of the AppStack: a change of their content starts a rollout"
        draft.note(NoteKind.CHANGED, f"{source} data", "spec.files", message)
        for name in ("data", "binaryData", "immutable", "metadata.name", "metadata.namespace"):
            source.take(name)
        metadata = take_metadata(draft, source)
        if metadata:
            draft.note(
                NoteKind.OMITTED, f"{source} metadata", "", "AppStack names and labels the ConfigMap of the files"
            )

    def _has_other_uses(self, source: Source) -> bool:
        """Return whether the pod refers to a ConfigMap more than once."""
        template = self._draft.group.workload.original
        return _count(template.get("spec"), source.name) > 1


def _count(value: Any, name: str) -> int:
    """Return the number of references to a ConfigMap by name."""
    if isinstance(value, dict):
        own = sum(
            1
            for key in ("configMap", "configMapRef", "configMapKeyRef")
            if isinstance(value.get(key), dict) and value[key].get("name") == name
        )
        return own + sum(_count(inner, name) for inner in value.values())
    return sum(_count(inner, name) for inner in value) if isinstance(value, list) else 0


def _file(source: Source, reference: Manifest, sub_path: str) -> Manifest | None:
    """Return content and mode of the file at a path in a ConfigMap volume; None if the ConfigMap has no such file."""
    key, mode = sub_path, reference.get("defaultMode", _DEFAULT_MODE)
    if items := reference.get("items"):
        item = next((each for each in items if each.get("path") == sub_path), None)
        if item is None:
            return None
        key, mode = item.get("key"), item.get("mode", mode)
    modes = {} if mode == _DEFAULT_MODE else {"mode": mode}
    data, binary = source.get("data") or {}, source.get("binaryData") or {}
    if isinstance(data.get(key), str):
        return {"content": data[key], **modes}
    return {"base64": binary[key], **modes} if key in binary else None
