"""Strings of Kubernetes objects: messages of bounded length, escaped control characters, and timestamps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

MAX_MESSAGE: Final = 1024  # characters of a message in a status

CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Characters, for a regular expression, that a terminal obeys, that end a line, that change the direction of text, or
that have no encoding. Any user can write them into an AppStack, and any process into its output."""

_CONTROL: Final = re.compile(f"[{CONTROLS}]")
_CONTROL_IN_LINES: Final = re.compile(f"(?![\n\t])[{CONTROLS}]")


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
    """Return at most `limit` characters of the text, without control characters; an ellipsis marks the cut."""
    text = escape_controls(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def escape_controls(text: str, *, multiline: bool = False) -> str:
    r"""Return the text with control characters as Python escapes (`\x1b`); `multiline` keeps line breaks and tabs."""
    return (_CONTROL_IN_LINES if multiline else _CONTROL).sub(lambda found: repr(found[0])[1:-1], text)


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC as a `metav1.Time`, which has whole seconds: `2026-11-21T07:00:00Z`."""
    return _rfc3339(moment, "seconds")


def micro_time(moment: datetime) -> str:
    """Return a moment in UTC as a `metav1.MicroTime`: `2026-11-21T07:00:00.000000Z`."""
    return _rfc3339(moment, "microseconds")


def seconds_between(earlier: str, later: str) -> float:
    """Return the seconds from one timestamp to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _rfc3339(moment: datetime, precision: str) -> str:
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
