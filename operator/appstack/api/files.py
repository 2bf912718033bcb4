"""Just-in-time files: text in the resource that a container finds at a path. PURE."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appstack.api import kube
from appstack.api.base import AbsolutePath, Model, Name
from appstack.api.containers import BACKEND

MAX_CONTENTS = 524_288  # bytes, all files of a stack together: a ConfigMap holds 1 MiB and nginx's part is in it


class FileSource(Model):
    """A key of the user's own ConfigMap or Secret: mounted directly, never read by the operator."""

    config_map_key_ref: kube.ConfigMapKeySelector | None = None
    secret_key_ref: kube.SecretKeySelector | None = None


class File(Model):
    """One file: exactly one of `content`, `base64` and `valueFrom`."""

    path: AbsolutePath
    """Where the container sees it."""
    container: Name = BACKEND
    """Which container sees it; those that inherit from the backend see the backend's."""
    content: Annotated[str | None, Field(max_length=MAX_CONTENTS)] = None
    """Its text. A change rolls the pods out."""
    base64: Annotated[str | None, Field(max_length=MAX_CONTENTS * 4 // 3)] = None
    """Its bytes, in base64. A change rolls the pods out."""
    value_from: FileSource | None = None
    """The user's own object instead; it has no revision."""
    mode: Annotated[int, Field(ge=0, le=0o777, strict=True)] = 0o644
    """Permission bits; default 0644."""
