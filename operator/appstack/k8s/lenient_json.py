"""JSON that anybody may have written: the API server keeps more of it than Python's readers take. PURE.

In `managedFields`, also in those of an object's templates, it keeps 10,000 levels, bytes that are no UTF-8, halves of
surrogates, and numbers of any length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import from_json

_DEEP: Final = 100  # levels: what Kubernetes means anything by has fewer, and pydantic's reader takes 200
_DIGITS: Final = 300  # of an integer
_SIGN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[][{}]', re.DOTALL)


def read(text: bytes) -> Any:
    """Return the value of a JSON text, at most 200 levels of it; raise ValueError where it is none.

    Of what is nested deeper, 100 levels are kept; of what is no text, a sign that says so; of a number of more than
    300 digits, nothing. Any string can be encoded.
    """
    try:
        return from_json(text)
    except ValueError:
        return from_json(_mended(text))


def readable(text: bytes) -> bytes:
    """Return a JSON text of which `json.loads` makes what `read` returns: for those who read by themselves."""
    try:
        from_json(text)
    except ValueError:
        try:
            return _mended(text)
        except ValueError:
            pass  # it is none: who reads it will say so
    return text


def _mended(text: bytes) -> bytes:
    """Return the text with null for each value below the last level, and signs for what is no text."""
    value = json.loads("".join(_pieces(text.decode(errors="replace"))), parse_int=_int)
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _int(digits: str) -> int:
    """Return a number, or none for one of which Python and pydantic refuse to read so many digits."""
    return int(digits) if len(digits) <= _DIGITS else 0


def _pieces(text: str) -> Iterator[str]:
    level = start = 0
    for sign in _SIGN.finditer(text):
        first = text[sign.start()]
        if first in "[{":
            if level == _DEEP:
                yield text[start : sign.start()] + "null"
            level += 1
        elif first in "]}":
            level -= 1
            if level == _DEEP:
                start = sign.end()
    if level <= _DEEP:
        yield text[start:]
