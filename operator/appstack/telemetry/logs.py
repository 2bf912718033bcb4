"""Log lines: text for people, JSON for programs; whatever is said during a look names its stack."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from appstack.settings import Settings


@dataclass(frozen=True, slots=True)
class _Stack:
    namespace: str
    name: str


_LOOKED_AT: Final[ContextVar[_Stack | None]] = ContextVar("looked_at", default=None)


@contextmanager
def about(namespace: str, name: str) -> Iterator[None]:
    """Let every line of the block, and of the tasks that it starts, be about this stack."""
    token = _LOOKED_AT.set(_Stack(namespace, name))
    try:
        yield
    finally:
        _LOOKED_AT.reset(token)


class _Text(logging.Formatter):
    """Time, level, the stack, and what there is to say."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(stack)s%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        stack = _stack(record)
        record.stack = f"{stack.namespace}/{stack.name}: " if stack else ""
        return super().format(record)


class _Json(logging.Formatter):
    """One object per line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if stack := _stack(record):
            entry |= {"namespace": stack.namespace, "name": stack.name}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _stack(record: logging.LogRecord) -> _Stack | None:
    """Return which stack a line is about; kopf has a word of its own for it."""
    ref = getattr(record, "k8s_ref", None)
    return _Stack(ref["namespace"], ref["name"]) if ref else _LOOKED_AT.get()


def configure(settings: Settings) -> None:
    """Write our lines, and of the libraries' only what is wrong, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.log_format == "json" else _Text())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("appstack").setLevel(settings.log_level.upper())
