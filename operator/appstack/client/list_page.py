"""Pages of lists: as many objects as fit in a few megabytes, decoded one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, Protocol

from pydantic_core import from_json

from appstack.client.requests import Request
from appstack.errors import ApiUnavailable
from appstack.k8s.lenient_json import end_of_value, loads
from appstack.k8s.metadata import Manifest

MAX_OBJECTS: Final = 500
"""Number of objects in a page, unless they are large."""

LARGE_PAGE_BYTES: Final = 8 << 20
"""Size of a page above which the next one has half as many objects."""

MAX_PAGE_BYTES: Final = 16 << 20
"""Size above which a page is not read to its end, unless it has one object."""

_SMALL_PAGE_BYTES: Final = LARGE_PAGE_BYTES // 4
_RETRY_DIVISOR: Final = 8
_YIELD_BYTES: Final = 64 << 10  # that are decoded before other tasks run; the densest take 5 ms
_ITEMS: Final = b'"items":['


class ListRequest(Protocol):
    """A request for one page of a list."""

    def __call__(self, *, limit: int, continue_token: str = "") -> Request:
        """Return the request of a page with at most this number of objects."""


class PageLimit:
    """Number of objects to request in a page, by the size of the pages before: any user may store large objects."""

    def __init__(self) -> None:
        self.objects = MAX_OBJECTS

    @property
    def max_bytes(self) -> int | None:
        """Size above which a page is not read to its end; None if it cannot be smaller."""
        return MAX_PAGE_BYTES if self.objects > 1 else None

    def record(self, size_bytes: int) -> None:
        """Adjust the limit after a page of this size."""
        if size_bytes > LARGE_PAGE_BYTES:
            self.objects = max(1, self.objects // 2)
        elif size_bytes < _SMALL_PAGE_BYTES:
            self.objects = min(MAX_OBJECTS, self.objects * 2)

    def reduce(self) -> None:
        """Adjust the limit after a page that was not read to its end."""
        self.objects = max(1, self.objects // _RETRY_DIVISOR)


class ListPage:
    """One page of a list. `async for` yields its objects once, and lets other tasks run between them."""

    def __init__(self, body: bytes) -> None:
        """Decode all but the objects. Raise ValueError if this is no list."""
        self._body = body
        self._start, self._end = body.find(_ITEMS) + len(_ITEMS), body.rfind(b"]")
        try:
            self.envelope = _list_of(body[: self._start] + body[self._end :])
        except ValueError:
            self.envelope = {"items": None}
        if self.envelope["items"] != []:  # the list is written in another way
            self._start = self._end = 0
            self.envelope = _list_of(body)
        self._other_items: list[Manifest] = self.envelope["items"] or []  # null, for an empty list of metadata

    @property
    def resource_version(self) -> str:
        """The resourceVersion of the list."""
        return str(self.envelope["metadata"].get("resourceVersion", ""))

    @property
    def continue_token(self) -> str:
        """The token of the next page; empty on the last one."""
        return str(self.envelope["metadata"].get("continue") or "")

    async def __aiter__(self) -> AsyncIterator[Manifest]:
        """Yield the objects. Raise ApiUnavailable if the body is malformed."""
        decoded = count = 0
        try:
            for position, item in self._items():
                if position - decoded >= _YIELD_BYTES:
                    decoded = position
                    await asyncio.sleep(0)
                yield item
                count += 1
        except ValueError:
            for item in self._decode_at_once()[count:]:
                yield item

    def _decode_at_once(self) -> list[Manifest]:
        try:
            items: list[Manifest] = _list_of(self._body)["items"]
        except ValueError as error:
            raise ApiUnavailable(f"the list is not JSON: {error}") from error
        return items

    def _items(self) -> Iterator[tuple[int, Manifest]]:
        """Yield the objects, each with the position after it. Raise ValueError where the body is not as expected."""
        for number, item in enumerate(self._other_items, 1):
            yield number * _YIELD_BYTES, item
        separator = b"," + self._body[self._start : self._body.find(b":", self._start) + 1]
        position = self._start
        while position < self._end:
            found = self._body.find(separator, position, self._end)
            item, end = self._decode(position, found if found >= 0 else self._end)
            yield end, item
            if end < self._end and self._body[end : end + 1] != b",":
                raise ValueError("the list continues after its last object")
            position = end + 1

    def _decode(self, start: int, end: int) -> tuple[Manifest, int]:
        """Return the object at `start`, and the position after it, which is `end` unless it contains the separator."""
        try:
            return from_json(self._body[start:end]), end
        except ValueError:
            end = end_of_value(self._body, start)
            return loads(self._body[start:end]), end


def _list_of(body: bytes) -> dict[str, Any]:
    value = loads(body)
    if not isinstance(value, dict) or "items" not in value or "kind" not in value:
        raise ValueError("not a list of Kubernetes objects")
    value.setdefault("metadata", {})
    return value
