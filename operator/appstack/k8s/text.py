"""Text inside Kubernetes objects: messages of bounded length, and timestamps. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_MESSAGE: Final = 1024  # characters of a message in a status


def listed(sentences: Sequence[str], *, limit: int = MAX_MESSAGE) -> str:
    """Return the sentences in one line: as many whole ones as fit, and how many more there are."""
    text = "; ".join(sentences)
    if len(text) <= limit:
        return text
    room = limit - len("; and 9999 more")
    kept: list[str] = []
    for sentence in sentences:
        if len("; ".join([*kept, sentence])) > room:
            break
        kept.append(sentence)
    if not kept:
        kept = [truncate(sentences[0], limit=room)]
    left = len(sentences) - len(kept)
    return "; ".join(kept) + (f"; and {left} more" if left else "")


def truncate(text: str, *, limit: int = MAX_MESSAGE) -> str:
    """Return at most `limit` characters of the text, with a mark where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
