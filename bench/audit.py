"""The API server's audit log: the source of all request times and request counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_WATCH_STAGE: Final = "ResponseStarted"  # a watch completes much later, so it is counted when it begins
_REQUEST_STAGE: Final = "ResponseComplete"


@dataclass(frozen=True, slots=True)
class Record:
    """One request."""

    user: str
    verb: str
    resource: str  # with the subresource, as `appstacks/status`; empty for a path that is no resource
    namespace: str
    name: str
    code: int
    received: float  # seconds since 1970 on the API server's clock, which is also the bench's
    completed: float

    @property
    def writes(self) -> bool:
        """Whether the request is a write."""
        return self.verb in WRITES

    @property
    def succeeded(self) -> bool:
        """Whether the response has a status code below 300."""
        return self.code < 300

    @property
    def key(self) -> str:
        """The key of the request in counts: verb, resource and status code."""
        return f"{self.verb} {self.resource or '(path)'} {self.code}"


def parse(line: str) -> Record | None:
    """Return the record of a line, or None for an audit stage that is not counted."""
    entry = json.loads(line)
    if entry["stage"] != (_WATCH_STAGE if entry["verb"] == "watch" else _REQUEST_STAGE):
        return None
    ref = entry.get("objectRef") or {}
    return Record(
        user=entry["user"]["username"],
        verb=entry["verb"],
        resource="/".join(filter(None, (ref.get("resource"), ref.get("subresource")))),
        namespace=ref.get("namespace", ""),
        name=ref.get("name", ""),
        code=(entry.get("responseStatus") or {}).get("code", 0),
        received=_seconds(entry["requestReceivedTimestamp"]),
        completed=_seconds(entry["stageTimestamp"]),
    )


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


class Log:
    """An audit log that grows while it is read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self.records: list[Record] = []

    def read(self) -> list[Record]:
        """Parse the complete lines added since the last call, and return all records."""
        with self._file.open("rb") as log:
            log.seek(self._offset)
            data = log.read()
        complete = data.rfind(b"\n") + 1
        self._offset += complete
        for line in data[:complete].decode().splitlines():
            record = parse(line)
            if record is not None:
                self.records.append(record)
        return self.records


def requests_of(records: Iterable[Record], user: str) -> list[Record]:
    """Return the requests of a user, except those for Leases: renewing a Lease is no work."""
    return [one for one in records if one.user == user and one.resource != "leases"]


def count_requests(records: Iterable[Record]) -> dict[str, int]:
    """Return the number of requests by verb, resource and status code, the most frequent first."""
    return dict(Counter(one.key for one in records).most_common())


def count_writes(records: Iterable[Record]) -> int:
    """Return the number of writes."""
    return sum(one.writes for one in records)


def count_reads(records: Iterable[Record]) -> int:
    """Return the number of gets and lists; a watch or its renewal is not counted as a read."""
    return sum(one.verb in ("get", "list") and bool(one.resource) for one in records)


def count_single_reads(records: Iterable[Record]) -> int:
    """Return the number of gets of single objects."""
    return sum(one.verb == "get" and bool(one.name) for one in records)
