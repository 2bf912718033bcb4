"""JSON that anybody may have written: Python's readers give up where it is nested too deep. PURE."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import from_json

_DEEP: Final = 100  # levels: what Kubernetes means anything by has fewer, and pydantic's reader takes 200
_SIGN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{}]', re.DOTALL)


def read(text: bytes) -> Any:
    """Return the value of a JSON text, at most 200 levels of it; raise ValueError where it is none.

    Of what is nested deeper, 100 levels are kept. The API server takes 10,000 in an object's managedFields.
    """
    try:
        return from_json(text)
    except ValueError:  # also for half a surrogate, which Python's reader takes
        return json.loads(_cut(text))


def shallow(text: bytes) -> bytes:
    """Return a JSON text of which `json.loads` makes what `read` returns: for those who read by themselves."""
    try:
        from_json(text)
    except ValueError:
        return _cut(text)
    return text


def _cut(text: bytes) -> bytes:
    """Return the text with `null` for each value below the last level."""
    return b"".join(_pieces(text))


def _pieces(text: bytes) -> Iterator[bytes]:
    level = start = 0
    for sign in _SIGN.finditer(text):
        byte = text[sign.start()]
        if byte in b"[{":
            if level == _DEEP:
                yield text[start : sign.start()] + b"null"
            level += 1
        elif byte in b"]}":
            level -= 1
            if level == _DEEP:
                start = sign.end()
    if level <= _DEEP:
        yield text[start:]
