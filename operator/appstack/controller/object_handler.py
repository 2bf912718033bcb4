"""The event handler of owned objects: each event enqueues the AppStack that it concerns."""

from __future__ import annotations

import time

from appstack.informers.appstack_store import AppStackStore
from appstack.informers.watch_health import WatchHealth
from appstack.k8s.metadata import Key, Keys
from appstack.workqueue.queue import WorkQueue


class ObjectEventHandler:
    """Enqueues AppStacks with changed objects. Implements EventHandler and StaleHandler."""

    def __init__(self, *, queue: WorkQueue[Key], appstacks: AppStackStore, appstack_watch: WatchHealth) -> None:
        self._queue = queue
        self._appstacks = appstacks
        self._appstack_watch = appstack_watch

    def on_update(self, keys: Keys) -> None:
        """Enqueue AppStacks with added or updated objects."""
        for key in keys:
            if self._appstacks.get(key) is not None:
                self._queue.add(key)

    def on_delete(self, keys: Keys) -> None:
        """Enqueue AppStacks with deleted objects. While their own watch is not stable, they may be deleted as well."""
        for key in keys:
            stack = self._appstacks.get(key)
            if stack is not None:
                stack.state.last_child_deletion = time.monotonic()
                if not self._appstack_watch.is_stable:
                    self._appstacks.mark_stale(key)
        self.on_update(keys)

    def mark_stale(self, keys: Keys) -> None:
        """Reconcile AppStacks that may be deleted, after reading each of them from the API server."""
        for key in keys:
            self._appstacks.mark_stale(key)
            self._queue.add(key)
