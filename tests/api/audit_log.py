"""The API server's audit log, filtered by user: counts the requests that an operator has sent."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.api.cluster import AUDIT_LOG, DEFAULT_TIMEOUT_SECONDS, Manifest

QUIET_POLLS = 16
"""Polls without a new request after which an operator counts as idle: longer than its status debounce.

The number is of polls, not of seconds: a machine that stalls between two polls stalls the operator as well.
"""
QUIET_POLL_SECONDS = 0.1


@dataclass
class AuditLog:
    """The entries of one user in the audit log."""

    user: str
    entries: list[Manifest] = field(default_factory=list)
    _file: Any = None
    _partial_line: str = ""

    def read(self) -> list[Manifest]:
        """Return the entries of the user so far, one for each stage of a request."""
        if self._file is None or self._is_rotated():
            self.close()
            self._file = AUDIT_LOG.open()
        text = self._partial_line + self._file.read()
        *lines, self._partial_line = text.split("\n")
        candidates = (json.loads(line) for line in lines if self.user in line)
        self.entries += [entry for entry in candidates if entry["user"]["username"] == self.user]
        return self.entries

    def skip_existing(self) -> AuditLog:
        """Discard the entries so far: they may be of another test that used the same account."""
        self.read()
        self.entries.clear()
        return self

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _is_rotated(self) -> bool:
        return os.fstat(self._file.fileno()).st_ino != AUDIT_LOG.stat().st_ino

    def requests(self, namespace: str) -> list[str]:
        """Return the completed requests in a namespace: verb, resource and code, as `patch deployments 201`."""
        entries = (entry for entry in self.read() if entry.get("objectRef", {}).get("namespace") == namespace)
        return [_summary(entry) for entry in entries if entry["stage"] == "ResponseComplete"]

    def object_requests(self) -> list[str]:
        """Return the requests for single objects in every namespace, Leases excepted."""
        entries = (entry for entry in self.read() if entry.get("objectRef", {}).get("name"))
        return [_summary(entry) for entry in entries if entry["objectRef"]["resource"] != "leases"]

    def wait_until_quiet(self, namespace: str, *, within: float = DEFAULT_TIMEOUT_SECONDS) -> Counter[str]:
        """Wait until a namespace has had no new request for QUIET_POLLS polls; return the count of each request."""
        deadline, quiet_polls, previous = time.monotonic() + within, 0, -1
        while quiet_polls < QUIET_POLLS:
            time.sleep(QUIET_POLL_SECONDS)
            number = len(self.requests(namespace))
            quiet_polls, previous = (quiet_polls + 1 if number == previous else 0), number
            assert time.monotonic() < deadline, f"requests continue: {self.requests(namespace)[-20:]}"
        return Counter(self.requests(namespace))

    @contextmanager
    def counting(self, namespace: str) -> Iterator[Counter[str]]:
        """Yield a counter that holds, after the block, the requests that the block caused."""
        before, caused = self.wait_until_quiet(namespace), Counter[str]()
        yield caused
        caused.update(self.wait_until_quiet(namespace) - before)


def _summary(entry: Mapping[str, Any]) -> str:
    ref = entry["objectRef"]
    resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
    return f"{entry['verb']} {resource} {entry['responseStatus']['code']}"
