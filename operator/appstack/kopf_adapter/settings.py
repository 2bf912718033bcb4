"""What kopf is told: no logic. Only `on.event` is used, for every other handler writes to the objects it sees."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import uuid4

import aiohttp
import kopf

from appstack.client.requests import SILENCE
from appstack.k8s.metadata import GROUP, PLURAL, VERSION, Manifest

OnEvent = Callable[[str | None, Manifest], None]
"""Takes in an AppStack, with the type of the event: None while kopf lists."""

_SPOKEN_FOR: Final = (
    "kopf._cogs.clients.watching",
    "kopf._core.reactor.observation",
    "kopf._core.reactor.orchestration",
    "kopf._core.reactor.running",
)
"""kopf's loggers of what fails and is tried again: feed.py says it, once, in the words of all watches."""


class _Forever:
    """Waits between the tries of a request: without an end, for a finite list ends kopf after a minute."""

    def __iter__(self) -> Iterator[float]:
        while True:
            yield random.uniform(0.25, 0.75)  # lists and watches have a pace of their own beside it: feed.py


class _NoProgress(kopf.ProgressStorage):
    """kopf keeps nothing on our objects."""

    def fetch(self, **_: Any) -> None:
        """Remember nothing."""

    def store(self, **_: Any) -> None:
        """Keep nothing."""

    def purge(self, **_: Any) -> None:
        """Have nothing to remove."""

    def touch(self, **_: Any) -> None:
        """Leave the object alone."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Find nothing to hide."""
        return essence


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf compares nothing: building what it would compare costs more than all the rest."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Return nothing to compare."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence:
        """Return nothing to compare with: None would mean a new object."""
        return kopf.BodyEssence({})

    def store(self, **_: Any) -> None:
        """Keep nothing."""


def registry(seen: OnEvent, session: Callable[[], aiohttp.ClientSession], *, server: str) -> kopf.OperatorRegistry:
    """Return the handlers; kopf closes each session that it is given."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(registry=found)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=server, aiohttp_session=session())

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=found)
    async def appstack(event: kopf.RawEvent, **_: Any) -> None:
        seen(event["type"], event["object"])  # type: ignore[arg-type]

    return found


def settings() -> kopf.OperatorSettings:
    """Return kopf's settings: how each came about stands in docs/decisions/0003."""
    chosen = kopf.OperatorSettings()
    chosen.persistence.finalizer = f"appstack.dev/{uuid4().hex}"  # kopf would remove its own from whatever bears it
    chosen.persistence.progress_storage = _NoProgress()
    chosen.persistence.diffbase_storage = _NoDiffs()
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.watching.chunk_size = 500
    chosen.watching.initial_streaming = False
    chosen.watching.inactivity_timeout = SILENCE
    chosen.watching.server_timeout = random.randint(240, 480)  # as ours
    chosen.queueing.idle_timeout = 0.05
    chosen.queueing.worker_limit = None
    chosen.networking.error_backoffs = _Forever()
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    chosen.process.ultimate_exiting_timeout = None  # run.py sees to the end
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    for name in _SPOKEN_FOR:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return chosen
