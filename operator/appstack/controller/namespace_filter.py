"""Which namespaces are this operator's at this moment: by name, and for a shard by their labels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from appstack.k8s import selectors
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings
from appstack.workqueue.queue import Clock, Timer

logger = logging.getLogger(__name__)

HAND_OVER: Final = 5.0
"""Seconds between a label that makes a namespace ours and our first look: whoever had it has let go by then."""


class NamespaceFilter:
    """Follows the labels of namespaces."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._selector = selectors.parse(settings.namespace_selector)
        self._clock = clock
        self._ours: set[str] = set()
        self._foreign: set[str] = set()  # not ours when we last heard of them, or asked for before that
        self._timers: dict[str, Timer] = {}
        self.follow(entered=_ignore, left=_ignore)

    def follow(self, *, entered: Callable[[str], None], left: Callable[[str], None]) -> None:
        """Call back when a namespace becomes ours after it was not, and when it is ours no longer."""
        self._entered, self._left = entered, left

    def owns(self, namespace: str) -> bool:
        """Tell whether what is in a namespace is ours."""
        if not self._settings.reconciles(namespace):
            return False
        if not self._selector or namespace in self._ours:
            return True
        self._foreign.add(namespace)
        return False

    def show(self, manifest: Manifest) -> None:
        """Take in a namespace as it is now."""
        name = manifest["metadata"]["name"]
        if not self._selector or not self._settings.reconciles(name):
            return
        if not selectors.matches(self._selector, manifest["metadata"].get("labels") or {}):
            self._leave(name)
        elif name in self._foreign:
            if name not in self._timers:
                logger.info("Namespace %s becomes ours in %d seconds", name, HAND_OVER)
                self._timers[name] = self._clock.call_at(self._clock.time() + HAND_OVER, lambda: self._enter(name))
        else:
            self._ours.add(name)  # it is new, or we have just started

    def gone(self, name: str) -> None:
        """Take in that a namespace was deleted: one of its name may come anew."""
        self._leave(name)
        self._foreign.discard(name)

    def _enter(self, name: str) -> None:
        del self._timers[name]
        self._foreign.discard(name)
        self._ours.add(name)
        self._entered(name)

    def _leave(self, name: str) -> None:
        self._foreign.add(name)
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        if name in self._ours:
            logger.info("Namespace %s is ours no longer", name)
            self._ours.discard(name)
            self._left(name)


def _ignore(namespace: str) -> None:
    """Do nothing."""
