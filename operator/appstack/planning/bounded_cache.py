"""Least recently used cache with a maximum number of values, and a maximum of their total size."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Cache that evicts the least recently used values; it does not hold a value larger than the maximum at all."""

    def __init__(self, max_values: int, *, max_bytes: int) -> None:
        self._max_values = max_values
        self._max_bytes = max_bytes
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._values)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, or None if it is not cached."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Key, value: Value, *, size_bytes: int) -> None:
        """Add the value of a key that is not cached."""
        if size_bytes > self._max_bytes:
            return
        self._values[key] = (value, size_bytes)
        self._size_bytes += size_bytes
        while len(self._values) > self._max_values or self._size_bytes > self._max_bytes:
            _, (_, evicted_bytes) = self._values.popitem(last=False)
            self._size_bytes -= evicted_bytes
