"""The API server's own account of who asked what, and when: the truth for times and counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_LONG: Final = "ResponseStarted"  # of a watch: it ends much later, and is counted when it begins
_DONE: Final = "ResponseComplete"


@dataclass(frozen=True, slots=True)
class Record:
    """One request."""

    user: str
    verb: str
    resource: str  # with its subresource, as `appstacks/status`; empty for what is no resource
    namespace: str
    name: str
    code: int
    received: float  # seconds since 1970, by the API server's clock, which is ours too
    completed: float

    @property
    def writes(self) -> bool:
        """Whether it asks for a change."""
        return self.verb in WRITES

    @property
    def succeeded(self) -> bool:
        """Whether it got what it asked for."""
        return self.code < 300

    @property
    def word(self) -> str:
        """As counts call it: verb, resource and code."""
        return f"{self.verb} {self.resource or '(path)'} {self.code}"


def parse(line: str) -> Record | None:
    """Return the record of a line; None for a stage that is not counted."""
    entry = json.loads(line)
    if entry["stage"] != (_LONG if entry["verb"] == "watch" else _DONE):
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


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


class Log:
    """An audit log that grows while we read it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0
        self.records: list[Record] = []

    def read(self) -> list[Record]:
        """Take in what has been written since, and return all records."""
        with self._file.open("rb") as log:
            log.seek(self._at)
            data = log.read()
        whole = data.rfind(b"\n") + 1
        self._at += whole
        for line in data[:whole].decode().splitlines():
            record = parse(line)
            if record is not None:
                self.records.append(record)
        return self.records


def of(records: Iterable[Record], user: str) -> list[Record]:
    """Return what this user has asked for, Leases aside: a heartbeat is no work."""
    return [one for one in records if one.user == user and one.resource != "leases"]


def count(records: Iterable[Record]) -> dict[str, int]:
    """Count by verb, resource and code, the most frequent first."""
    return dict(Counter(one.word for one in records).most_common())


def writes(records: Iterable[Record]) -> int:
    """Count what asks for a change."""
    return sum(one.writes for one in records)


def reads(records: Iterable[Record]) -> int:
    """Count reads: of single objects and lists; a watch that is renewed reads nothing anew."""
    return sum(one.verb in ("get", "list") and bool(one.resource) for one in records)


def single_reads(records: Iterable[Record]) -> int:
    """Count reads of single objects."""
    return sum(one.verb == "get" and bool(one.name) for one in records)
