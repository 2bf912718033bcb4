"""Structured log lines: text for a terminal, JSON for a log store, with the object, action and reason as fields."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from appstack.k8s.metadata import Ref
from appstack.k8s.text import CONTROLS, escape_controls
from appstack.settings import Settings

_FIELDS: Final = {
    "object_kind": "kind",
    "object_namespace": "namespace",
    "object_name": "name",
    "action": "action",
    "reason": "reason",
}
"""Attributes of a log record that are printed as fields, and the field names. `name` is reserved on a LogRecord."""

_NEEDS_QUOTES: Final = re.compile(rf'[\s"={CONTROLS}]')
_CONTROL: Final = re.compile(f"[{CONTROLS}]")

_STACK: Final[ContextVar[str]] = ContextVar("appstack", default="")


@contextmanager
def stack_context(namespace: str, name: str) -> Iterator[None]:
    """Add the field `appstack` to every line of the block, and of the asyncio tasks that it creates."""
    token = _STACK.set(f"{namespace}/{name}")
    try:
        yield
    finally:
        _STACK.reset(token)


def fields(ref: Ref, *, action: str = "", reason: str = "") -> dict[str, str]:
    """Return the `extra=` mapping of a log line about an object. Empty fields are not printed."""
    return {
        "object_kind": ref.kind,
        "object_namespace": ref.namespace,
        "object_name": ref.name,
        "action": action,
        "reason": reason,
    }


def configure(settings: Settings) -> None:
    """Log to standard error: AppStack's own lines from `logLevel` up, those of libraries from WARNING up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if settings.log_format == "json" else _TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("appstack").setLevel(settings.log_level.upper())


class _TextFormatter(logging.Formatter):
    """Time, level and message, then the fields as `key=value`.

    Control characters are escaped, and the lines of a traceback are indented: the text of another API client must not
    look like a line of ours.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without a traceback."""
        message = escape_controls(super().formatMessage(record).rstrip())
        return " ".join([message, *(f"{key}={_quoted(value)}" for key, value in _fields_of(record).items())])

    def formatException(self, ei: Any) -> str:
        """Return the indented traceback."""
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"    {escape_controls(line)}" for line in lines)


class _JsonFormatter(logging.Formatter):
    """One JSON object per line. The fields are members beside `ts`, `level`, `logger` and `msg`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        entry = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        } | _fields_of(record)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(entry, ensure_ascii=False))


def _fields_of(record: logging.LogRecord) -> dict[str, str]:
    """Return the fields of a record that have a value, and the AppStack being reconciled as `appstack`."""
    found = {field: str(getattr(record, attribute, "")) for attribute, field in _FIELDS.items()}
    kopf_ref = getattr(record, "k8s_ref", None) or {}  # kopf's loggers of an object
    found |= {field: str(kopf_ref[field]) for field in ("kind", "namespace", "name") if kopf_ref.get(field)}
    found["appstack"] = _STACK.get()
    return {field: value for field, value in found.items() if value}


def _quoted(value: str) -> str:
    """Return a value unchanged if it has no spaces, quotes or control characters, otherwise as a JSON string."""
    return escape_controls(json.dumps(value, ensure_ascii=False)) if _NEEDS_QUOTES.search(value) else value
