"""Strings of Kubernetes objects: messages of bounded length, and timestamps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

MAX_MESSAGE: Final = 1024  # characters of a message in a status


def join_messages(messages: Sequence[str], *, limit: int = MAX_MESSAGE) -> str:
    """Join messages with "; " into at most `limit` characters, ending with the number of those left out, if any."""
    text = "; ".join(messages)
    if len(text) <= limit:
        return text
    room = limit - len("; and 9999 more")
    kept: list[str] = []
    for message in messages:
        if len("; ".join([*kept, message])) > room:
            break
        kept.append(message)
    if not kept:
        kept = [truncate(messages[0], limit=room)]
    omitted = len(messages) - len(kept)
    return "; ".join(kept) + (f"; and {omitted} more" if omitted else "")


def truncate(text: str, *, limit: int = MAX_MESSAGE) -> str:
    """Return at most `limit` characters of the text; an ellipsis marks the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC as a `metav1.Time`, which has whole seconds: `2026-11-21T07:00:00Z`."""
    return _rfc3339(moment, "seconds")


def micro_time(moment: datetime) -> str:
    """Return a moment in UTC as a `metav1.MicroTime`: `2026-11-21T07:00:00.000000Z`."""
    return _rfc3339(moment, "microseconds")


def _rfc3339(moment: datetime, precision: str) -> str:
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
