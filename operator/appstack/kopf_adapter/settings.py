"""The settings of kopf."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import kopf

from appstack.client.requests import WATCH_SILENCE_SECONDS

_SILENCED_LOGGERS: Final = (
    "kopf._cogs.clients.watching",
    "kopf._core.reactor.observation",
    "kopf._core.reactor.orchestration",
    "kopf._core.reactor.running",
)
"""kopf logs each retry there; KopfSource logs the failure once, as all informers do."""


class _EndlessBackoff:
    """Delays between the attempts of a request, without an end. Lists and watches have a back-off of their own."""

    def __iter__(self) -> Iterator[float]:
        while True:
            yield random.uniform(0.25, 0.75)


class _NoDiffs(kopf.MultiDiffBaseStorage):
    """Disables diffs: computing them costs more than the rest of kopf's work."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Return an empty value."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence:
        """Return an empty value; None would mean that the object is new, and kopf would write to it."""
        return kopf.BodyEssence({})


def settings() -> kopf.OperatorSettings:
    """Return kopf's settings; docs/decisions/0003 has the reasons."""
    chosen = kopf.OperatorSettings()
    chosen.persistence.finalizer = f"appstack.dev/{uuid4().hex}"  # kopf removes its finalizer from any object
    chosen.persistence.progress_storage = kopf.MultiProgressStorage([])
    chosen.persistence.diffbase_storage = _NoDiffs([])
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.watching.chunk_size = 500
    chosen.watching.initial_streaming = False
    chosen.watching.inactivity_timeout = WATCH_SILENCE_SECONDS
    chosen.watching.server_timeout = random.randint(240, 480)  # as informers do
    chosen.queueing.idle_timeout = 0.05
    chosen.queueing.worker_limit = None
    chosen.networking.error_backoffs = _EndlessBackoff()
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    chosen.process.ultimate_exiting_timeout = None  # the operator ends the process itself
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    for name in _SILENCED_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return chosen
