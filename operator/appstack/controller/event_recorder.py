"""Records Kubernetes Events about AppStacks."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from appstack.client import requests
from appstack.client.client import Client
from appstack.errors import ApiRejected, ApiUnavailable
from appstack.k8s.metadata import Manifest, Ref
from appstack.k8s.text import micro_time
from appstack.status.events import EventRecord, build_event
from appstack.telemetry import logs

logger = logging.getLogger(__name__)


class EventRecorder:
    """Creates an Event for each record. A failure is logged and not retried: the status has the same information."""

    def __init__(self, client: Client, *, instance: str) -> None:
        self._client = client
        self._instance = instance  # the Events' `reportingInstance`

    async def record(self, manifest: Manifest, records: Iterable[EventRecord]) -> None:
        """Create the Events, one by one, about this AppStack."""
        for record in records:
            now = micro_time(datetime.now(UTC))
            event = build_event(record, manifest=manifest, now=now, instance=self._instance)
            try:
                await self._client.send(requests.create_event(event))
            except (ApiRejected, ApiUnavailable) as error:
                ref = Ref.of(manifest)
                logger.warning("Event not recorded: %s", error, extra=logs.fields(ref, reason=record.reason))
