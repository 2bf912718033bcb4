"""Just-in-time files: one source each, a container that sees it, and may read it. PURE."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from appstack.api.containers import BACKEND, Proxy
from appstack.api.files import MAX_CONTENTS, File
from appstack.errors import Severity, ValidationIssue
from appstack.validation.mounts import parts
from appstack.validation.subject import Member, Subject, choices, repeated

_SOURCES: Final = {"content": "content", "base64": "base64", "valueFrom": "value_from"}
_OTHERS_READ: Final = 0o004
_READ_AS_OCTAL: Final = (400, 440, 444)  # decimal; the others that people write are no file's mode, or too large


def _located(subject: Subject) -> list[tuple[str, File]]:
    return [(f"spec.files[{index}]", file) for index, file in enumerate(subject.spec.files)]


def keys(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield files of no container, and files that stand twice."""
    names = [member.name for member in subject.members]
    for where, file in _located(subject):
        if file.container not in names:
            yield ValidationIssue(
                f"{where}.container", f"there is no container {file.container!r}", choices(names, none="")
            )
    located = [(f"{where}.path", (file.container, file.path)) for where, file in _located(subject)]
    yield from repeated(located, key=tuple, what=lambda key: f"the file {key[1]!r} of {key[0]}")


def paths(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield paths that are not a file's."""
    for where, file in _located(subject):
        normal = f"/{'/'.join(parts(file.path))}"
        if file.path.endswith("/"):
            yield ValidationIssue(f"{where}.path", f"{file.path!r} is a directory", "name the file in it")
        elif file.path != normal:
            yield ValidationIssue(f"{where}.path", f"{file.path!r} has a shorter way", f"write {normal!r}")
        elif ":" in file.path:
            yield ValidationIssue(
                f"{where}.path",
                f"{file.path!r} has a ':', which Kubernetes does not allow in a mount's path",
                "choose another",
            )


def sources(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield files with no source or several, and sources that hold nothing to read."""
    for where, file in _located(subject):
        written = [name for name, attribute in _SOURCES.items() if getattr(file, attribute) is not None]
        if len(written) != 1:
            what = f"has several sources: {', '.join(written)}" if written else "has no source"
            yield ValidationIssue(where, what, "exactly one of content, base64 and valueFrom")
        yield from _references(f"{where}.valueFrom", file)
        if file.base64 is not None and _decoded(file.base64) is None:
            yield ValidationIssue(f"{where}.base64", "is not base64", "write text to `content` as it is")


def _references(where: str, file: File) -> Iterator[ValidationIssue]:
    if file.value_from is None:
        return
    written = {"configMapKeyRef": file.value_from.config_map_key_ref, "secretKeyRef": file.value_from.secret_key_ref}
    references = {name: reference for name, reference in written.items() if reference is not None}
    if len(references) != 1:
        what = "names two objects" if references else "names no object"
        yield ValidationIssue(where, what, "exactly one of configMapKeyRef and secretKeyRef")
    for name, reference in references.items():
        for key, value in (("name", reference.name), ("key", reference.key)):
            if not value:
                yield ValidationIssue(f"{where}.{name}.{key}", "is required")


def _decoded(text: str) -> bytes | None:
    """Return the bytes, as the API server reads them: it skips line ends and nothing else."""
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def size(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield contents that together are more than a ConfigMap should hold."""
    together = sum(
        len((file.content or "").encode()) + len(_decoded(file.base64 or "") or b"") for file in subject.spec.files
    )
    if together > MAX_CONTENTS:
        what = f"contents are {together} bytes together, and at most {MAX_CONTENTS} are kept"
        yield ValidationIssue("spec.files", what, "put large ones into the image or a volume")


def octal(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield modes that read as octal and are not written so: 440 is 0670."""
    for where, file in _located(subject):
        if file.mode in _READ_AS_OCTAL:
            what = f"{file.mode} is {file.mode:04o} in octal"
            yield ValidationIssue(f"{where}.mode", what, f"write 0{file.mode} if that is meant", Severity.WARNING)


def modes(subject: Subject) -> Iterator[ValidationIssue]:
    """Yield files that a container would see and could not read."""
    security = subject.spec.pod.security_context
    if security and security.fs_group is not None:
        return
    for where, file in _located(subject):
        if file.mode & _OTHERS_READ:
            continue
        blind = next(
            (each for each in subject.members if _sees(subject, each, file) and _not_root(subject, each)), None
        )
        if blind is not None:
            what = f"{file.mode:04o} is closed to others, and {blind.field} does not run as root, to whom files belong"
            yield ValidationIssue(f"{where}.mode", what, "set spec.pod.securityContext.fsGroup, or a mode of 0444")


def _sees(subject: Subject, member: Member, file: File) -> bool:
    if file.container == member.name:
        return True
    own = {each.path for each in subject.spec.files if each.container == member.name}
    return member.inherits and file.container == BACKEND and file.path not in own


def _not_root(subject: Subject, member: Member) -> bool:
    """Tell whether a container is known to run under another user than root."""
    inherited = subject.spec.backend.security_context if member.inherits else None
    own = [context for context in (member.container.security_context, inherited) if context]
    pod = subject.spec.pod.security_context
    users = [context.run_as_user for context in own]
    refusals = [context.run_as_non_root for context in own]
    if isinstance(member.container, Proxy) and not any(user is not None for user in users):
        return True  # nginx runs as its own user where the author names none
    if pod is not None:
        users.append(pod.run_as_user)
        refusals.append(pod.run_as_non_root)
    user = next((each for each in users if each is not None), None)
    return user != 0 if user is not None else bool(next((each for each in refusals if each is not None), False))


CHECKS: Final = (keys, paths, sources, size, octal, modes)
