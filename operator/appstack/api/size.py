"""Size limits of a spec as a whole, checked before anything that takes time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

from appstack.errors import ValidationIssue

MAX_SPEC_BYTES: Final = 64 << 10
"""Maximum size of a spec as JSON, in bytes: parsing and validation block the event loop, so other AppStacks wait."""

MAX_SPEC_VALUES: Final = 10_000
"""Maximum number of objects, lists and scalars of a spec: 64 KiB of empty objects are 20,000, of useful ones 5,000."""

UNCOUNTED_FIELDS: Final = (
    "content",
    "base64",
    "config",
    "httpSnippet",
    "serverSnippet",
)  # validation only copies them; each has a maximum
_HINT: Final = "move long texts to spec.files, or split it into several AppStacks"


def size_issue(document: Mapping[str, Any]) -> ValidationIssue | None:
    """Return an issue if the spec of a document is too large to be parsed."""
    if count_values(document.get("spec")) > MAX_SPEC_VALUES:
        return ValidationIssue("spec", f"has more than {MAX_SPEC_VALUES} values, the maximum", _HINT)
    size = spec_bytes(document)
    if size > MAX_SPEC_BYTES:
        message = f"has {size} bytes without file contents and nginx.conf, the maximum is {MAX_SPEC_BYTES}"
        return ValidationIssue("spec", message, _HINT)
    return None


def spec_bytes(document: Mapping[str, Any]) -> int:
    """Return the size of a document's spec as JSON, in bytes, without file contents and nginx.conf."""
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        return 0
    holders = [spec.get("proxy"), *(files if isinstance(files := spec.get("files"), list) else ())]
    uncounted = (holder.get(key) for holder in holders if isinstance(holder, Mapping) for key in UNCOUNTED_FIELDS)
    texts = [text for text in uncounted if isinstance(text, str)]
    try:
        return len(to_json(spec, serialize_unknown=True)) - sum(len(to_json(text)) for text in texts)
    except ValueError:  # nested too deeply for JSON, which the models refuse
        return 0


def count_values(spec: Any) -> int:
    """Return the number of objects, lists and scalars of a spec.

    Counting stops above the maximum, because circular YAML aliases have no end.
    """
    count, pending = 0, [spec]
    while pending and count <= MAX_SPEC_VALUES:
        count += 1
        value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return count
