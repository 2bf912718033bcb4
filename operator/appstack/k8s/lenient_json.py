"""JSON decoder for every document that the API server stores, including those that Python's decoders refuse.

In `managedFields`, and in those of templates inside an object, the API server keeps 10,000 levels of nesting, invalid
UTF-8, lone surrogates, and integers of any length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import from_json

_MAX_DEPTH: Final = 100  # levels: no field of Kubernetes is nested deeper, and pydantic's decoder accepts 200
_MAX_INT_DIGITS: Final = 300
_TOKEN_PATTERN: Final = r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[][{}]'
_TOKEN: Final = re.compile(_TOKEN_PATTERN, re.DOTALL)
_BYTES_TOKEN: Final = re.compile(_TOKEN_PATTERN.encode(), re.DOTALL)


def loads(text: bytes) -> Any:
    """Return the value of a JSON document; raise ValueError for invalid JSON.

    A document that pydantic's decoder refuses is repaired: values nested deeper than 100 levels become null, bytes and
    surrogates that are no text become replacement characters, and integers of more than 300 digits become 0. Every
    string of the result can be encoded as UTF-8.
    """
    try:
        return from_json(text)
    except ValueError:
        return from_json(_repair(text))


def sanitize(text: bytes) -> tuple[Any, bytes]:
    """Return what `loads` returns, and a JSON document from which `json.loads` returns the same value.

    Invalid JSON is returned unchanged with the value None, so that the caller's own decoder reports it.
    """
    try:
        return from_json(text), text
    except ValueError:
        try:
            repaired = _repair(text)
        except ValueError:
            return None, text
    return from_json(repaired), repaired


def end_of_value(text: bytes, start: int) -> int:
    """Return the position after the object or list that begins at `start`. Raise ValueError if it has no end."""
    level = 0
    for token in _BYTES_TOKEN.finditer(text, start):
        first = text[token.start()]
        level += first in b"[{"
        level -= first in b"]}"
        if not level:
            return token.end()
    raise ValueError("unexpected end of JSON")


def _repair(text: bytes) -> bytes:
    """Return the document with null below the last level and replacement characters for undecodable ones."""
    value = json.loads("".join(_prune(text.decode(errors="replace"))), parse_int=_bounded_int)
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _bounded_int(digits: str) -> int:
    """Return the integer, or 0 where it has more digits than Python and pydantic convert."""
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else 0


def _prune(text: str) -> Iterator[str]:
    """Yield the document in pieces, with null for every list and object below the last level."""
    level = start = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in "[{":
            if level == _MAX_DEPTH:
                yield text[start : token.start()] + "null"
            level += 1
        elif first in "]}":
            level -= 1
            if level == _MAX_DEPTH:
                start = token.end()
    if level <= _MAX_DEPTH:
        yield text[start:]
