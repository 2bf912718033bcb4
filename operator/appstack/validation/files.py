"""Checks of `spec.files`: sources, containers, paths, size and modes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator
from typing import Final

from appstack.api.containers import BACKEND
from appstack.api.files import MAX_CONTENT_BYTES, File
from appstack.api.proxy import Proxy
from appstack.errors import Severity, ValidationIssue
from appstack.validation.context import ContainerView, ValidationContext
from appstack.validation.issues import available_hint, duplicate_issues
from appstack.validation.mount_paths import path_segments

_SOURCES: Final = {"content": "content", "base64": "base64", "valueFrom": "value_from"}
_READABLE_BY_OTHERS: Final = 0o004
_LIKELY_MEANT_OCTAL: Final = (400, 440, 444)
"""Decimal modes written without the leading 0. Others that are common in octal, such as 644, are out of range."""


def containers_and_duplicates(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each file of an unknown container, and for each path that a container has twice."""
    roles = dict.fromkeys(container.role for container in context.containers)
    hint = available_hint(roles, if_none="")
    for field, file in context.files:
        if file.container not in roles:
            yield ValidationIssue(f"{field}.container", f"there is no container {file.container!r}", hint)
    located = [(f"{field}.path", (file.container, file.path)) for field, file in context.files]
    yield from duplicate_issues(located, key=tuple, describe=lambda key: f"the file {key[1]!r} of {key[0]}")


def paths(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each path that is a directory, is not normalized, or contains a colon."""
    for field, file in context.files:
        normalized = f"/{'/'.join(path_segments(file.path))}"
        if file.path.endswith("/"):
            yield ValidationIssue(f"{field}.path", f"{file.path!r} is a directory", "append the name of the file")
        elif file.path != normalized:
            yield ValidationIssue(f"{field}.path", f"{file.path!r} is not a normalized path", f"use {normalized!r}")
        elif ":" in file.path:
            message = f"{file.path!r} contains ':', which Kubernetes does not allow in a mount path"
            yield ValidationIssue(f"{field}.path", message, "use a path without ':'")


def sources(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each file without exactly one source, and for each source that is incomplete or invalid."""
    for field, file in context.files:
        written = [name for name, attribute in _SOURCES.items() if getattr(file, attribute) is not None]
        if len(written) != 1:
            message = f"has several sources: {', '.join(written)}" if written else "has no source"
            yield ValidationIssue(field, message, "set exactly one of content, base64 and valueFrom")
        yield from _references(f"{field}.valueFrom", file)
        if file.base64 is not None and _decode_base64(file.base64) is None:
            yield ValidationIssue(f"{field}.base64", "is not valid base64", "use `content` for plain text")


def _references(field: str, file: File) -> Iterator[ValidationIssue]:
    if file.value_from is None:
        return
    written = {"configMapKeyRef": file.value_from.config_map_key_ref, "secretKeyRef": file.value_from.secret_key_ref}
    references = {name: reference for name, reference in written.items() if reference is not None}
    if len(references) != 1:
        message = "references two objects" if references else "references no object"
        yield ValidationIssue(field, message, "set exactly one of configMapKeyRef and secretKeyRef")
    for name, reference in references.items():
        for key, value in (("name", reference.name), ("key", reference.key)):
            if not value:
                yield ValidationIssue(f"{field}.{name}.{key}", "is required")


def _decode_base64(text: str) -> bytes | None:
    """Return the decoded bytes, or None if the text is invalid; the API server skips line ends and nothing else."""
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def total_size(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue if the contents of all files exceed the limit for one ConfigMap."""
    total_bytes = sum(
        len((file.content or "").encode()) + len(_decode_base64(file.base64 or "") or b"")
        for file in context.spec.files
    )
    if total_bytes > MAX_CONTENT_BYTES:
        message = f"the contents of all files are {total_bytes} bytes, more than the limit of {MAX_CONTENT_BYTES}"
        yield ValidationIssue("spec.files", message, "move large files into the image or a volume")


def octal_modes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each decimal mode that looks octal: 440 is 0670."""
    for field, file in context.files:
        if file.mode in _LIKELY_MEANT_OCTAL:
            message = f"{file.mode} is a decimal number, {file.mode:04o} in octal"
            yield ValidationIssue(f"{field}.mode", message, f"write 0{file.mode} for the octal mode", Severity.WARNING)


def readable_modes(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield an issue for each file that a container mounts and has no permission to read."""
    security = context.spec.pod.security_context
    if security and security.fs_group is not None:
        return
    paths: dict[str, set[str]] = {}
    for _, file in context.files:
        paths.setdefault(file.container, set()).add(file.path)
    readers = [container for container in context.containers if _runs_as_non_root(context, container)]
    for field, file in context.files:
        if file.mode & _READABLE_BY_OTHERS:
            continue
        reader = next((each for each in readers if _mounts_file(each, file, paths.get(each.role, ()))), None)
        if reader is not None:
            message = (
                f"{reader.field} cannot read the file: it does not run as root, the owner, and {file.mode:04o} "
                "excludes others"
            )
            hint = "set spec.pod.securityContext.fsGroup, or a mode such as 0444"
            yield ValidationIssue(f"{field}.mode", message, hint)


def _mounts_file(container: ContainerView, file: File, own_paths: Collection[str]) -> bool:
    """Return whether a container mounts a file: its own, or one of the backend at a path where it has none."""
    if file.container == container.role:
        return True
    return container.inherits_backend and file.container == BACKEND and file.path not in own_paths


def _runs_as_non_root(context: ValidationContext, container: ContainerView) -> bool:
    """Return whether the security contexts show that a container runs as a user other than root."""
    inherited = context.spec.backend.security_context if container.inherits_backend else None
    own = [security for security in (container.spec.security_context, inherited) if security]
    pod = context.spec.pod.security_context
    run_as_user = [security.run_as_user for security in own]
    run_as_non_root = [security.run_as_non_root for security in own]
    if isinstance(container.spec, Proxy) and not any(user is not None for user in run_as_user):
        return True  # AppStack runs nginx as a user of its own unless the container sets runAsUser
    if pod is not None:
        run_as_user.append(pod.run_as_user)
        run_as_non_root.append(pod.run_as_non_root)
    user = next((each for each in run_as_user if each is not None), None)
    return user != 0 if user is not None else bool(next((each for each in run_as_non_root if each is not None), False))


CHECKS: Final = (containers_and_duplicates, paths, sources, total_size, octal_modes, readable_modes)
