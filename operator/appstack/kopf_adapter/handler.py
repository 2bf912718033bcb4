"""The event handler of AppStacks."""

from __future__ import annotations

from appstack.client.client import NamespaceFilter
from appstack.informers.appstack_store import AppStackStore, key_of
from appstack.k8s.metadata import Key, Manifest
from appstack.kopf_adapter.relist import RelistTracker
from appstack.workqueue.fair_queue import Priority
from appstack.workqueue.queue import WorkQueue


class AppStackEventHandler:
    """Stores each AppStack that kopf delivers and enqueues it where it needs a reconcile."""

    def __init__(
        self,
        namespace: str = "",
        *,
        namespaces: NamespaceFilter,
        appstacks: AppStackStore,
        queue: WorkQueue[Key],
        relist: RelistTracker,
    ) -> None:
        self._namespace = namespace  # the only one that kopf delivers; empty: all
        self._namespaces = namespaces
        self._appstacks = appstacks
        self._queue = queue
        self._relist = relist

    def on_event(self, event: str | None, manifest: Manifest) -> None:
        """Handle an AppStack; `event` is the type of the watch event, or None for an AppStack from a list."""
        key = key_of(manifest)
        if not self._namespaces.selects(key.namespace):
            return
        self._relist.on_event(key, listed=event is None)
        if event == "DELETED":
            self._appstacks.delete(key, uid=manifest["metadata"]["uid"])
            if self._appstacks.get(key) is None:
                self._queue.forget(key)
        elif self._appstacks.update(manifest):
            self.enqueue(key, listed=event is None)

    def enqueue(self, key: Key, *, listed: bool) -> None:
        """Enqueue an AppStack: a new spec first, and one from a list with a current status when the list is over."""
        if not self._appstacks.status_is_current(key):
            self._queue.add(key, Priority.HIGH)
        elif listed:
            self._relist.defer(key)
        else:
            self._queue.add(key)

    def enqueue_all(self) -> None:
        """Enqueue every stored AppStack, as this process has become the leader."""
        for key in self._appstacks.keys(self._namespace):
            self.enqueue(key, listed=True)
