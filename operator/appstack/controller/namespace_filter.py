"""The namespaces that this operator reconciles: by name and, for a shard, by label."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from appstack.k8s import selectors
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings
from appstack.workqueue.timing import Clock, Timer

logger = logging.getLogger(__name__)

TAKEOVER_DELAY_SECONDS: Final = 5.0
"""Seconds until a newly selected namespace is reconciled: the previous shard stops writing to it by then."""


class NamespaceHandler(Protocol):
    """Handles namespaces that a change of labels moves between shards."""

    def namespace_added(self, namespace: str) -> None:
        """Handle a namespace that is selected now and was not before."""

    def namespace_removed(self, namespace: str) -> None:
        """Handle a namespace that is no longer selected."""


class LabelledNamespaceFilter:
    """Selects namespaces by the settings, and follows their labels. Implements NamespaceFilter."""

    def __init__(self, settings: Settings, clock: Clock, handler: NamespaceHandler) -> None:
        self._settings = settings
        self._selector = selectors.parse(settings.namespace_selector)
        self._clock = clock
        self._handler = handler
        self._selected: set[str] = set()
        self._not_selected: set[str] = set()  # by their last labels, or asked for before their labels were known
        self._takeovers: dict[str, Timer] = {}

    def selects(self, namespace: str) -> bool:
        """Return whether this operator reconciles the namespace now."""
        if not self._settings.includes_namespace(namespace):
            return False
        if not self._selector or namespace in self._selected:
            return True
        self._not_selected.add(namespace)
        return False

    def update(self, manifest: Manifest) -> None:
        """Handle the current labels of a namespace."""
        name = manifest["metadata"]["name"]
        if not self._selector or not self._settings.includes_namespace(name):
            return
        if not selectors.matches(self._selector, manifest["metadata"].get("labels") or {}):
            self._release(name)
        elif name in self._not_selected:
            if name not in self._takeovers:
                logger.info("Taking over namespace %s in %d seconds", name, TAKEOVER_DELAY_SECONDS)
                due = self._clock.time() + TAKEOVER_DELAY_SECONDS
                self._takeovers[name] = self._clock.call_at(due, lambda: self._take_over(name))
        else:
            self._selected.add(name)  # a new namespace, or the first list of this process

    def delete(self, name: str) -> None:
        """Handle the deletion of a namespace. A later one of its name is a new one."""
        self._release(name)
        self._not_selected.discard(name)

    def _take_over(self, name: str) -> None:
        del self._takeovers[name]
        self._not_selected.discard(name)
        self._selected.add(name)
        self._handler.namespace_added(name)

    def _release(self, name: str) -> None:
        self._not_selected.add(name)
        takeover = self._takeovers.pop(name, None)
        if takeover is not None:
            takeover.cancel()
        if name in self._selected:
            logger.info("Releasing namespace %s: its labels no longer match", name)
            self._selected.discard(name)
            self._handler.namespace_removed(name)
