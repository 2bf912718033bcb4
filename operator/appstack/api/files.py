"""Files of the AppStack that are mounted into containers."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from appstack.api import kube
from appstack.api.base import Model, Name
from appstack.api.containers import BACKEND
from appstack.settings import AbsolutePath

MAX_CONTENT_BYTES: Final = 524_288
"""Maximum size of all file contents of an AppStack together: a ConfigMap holds 1 MiB, nginx's files included."""


class FileSource(Model):
    """A key of an existing ConfigMap or Secret. The pod mounts it; the operator never reads it."""

    config_map_key_ref: kube.ConfigMapKeySelector | None = None
    """Key of a ConfigMap in the AppStack's namespace."""
    secret_key_ref: kube.SecretKeySelector | None = None
    """Key of a Secret in the AppStack's namespace."""


class File(Model):
    """A file in a container. Exactly one of `content`, `base64` and `valueFrom` is required."""

    path: AbsolutePath
    """Absolute path of the file in the container, for example /etc/shop/config.yaml."""
    container: Name = BACKEND
    """Name of the container. Containers without `image` inherit the backend's files."""
    content: Annotated[str | None, Field(max_length=MAX_CONTENT_BYTES)] = None
    """Text of the file. A change starts a rollout."""
    base64: Annotated[str | None, Field(max_length=MAX_CONTENT_BYTES * 4 // 3)] = None
    """Content of the file, encoded as base64. A change starts a rollout."""
    value_from: FileSource | None = None
    """Existing ConfigMap or Secret that holds the content. A change of that object starts no rollout."""
    mode: Annotated[int, Field(ge=0, le=0o777, strict=True)] = 0o644
    """Permission bits of the file. Default: 0644."""
