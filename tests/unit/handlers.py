"""Event handlers that record their calls, for tests of the components that call them."""

from __future__ import annotations

from appstack.k8s.metadata import Key, Keys


class RecordingObjectHandler:
    """Records the AppStacks whose objects have changed. Implements EventHandler and StaleHandler."""

    def __init__(self) -> None:
        self.updated: list[Keys] = []  # one entry for each call with keys
        self.deleted: list[Keys] = []
        self.stale: list[Keys] = []

    def on_update(self, keys: Keys) -> None:
        """Record AppStacks with added or updated objects."""
        self.updated += [keys] if keys else []

    def on_delete(self, keys: Keys) -> None:
        """Record AppStacks with deleted objects."""
        self.deleted += [keys] if keys else []

    def mark_stale(self, keys: Keys) -> None:
        """Record AppStacks that may be deleted."""
        self.stale.append(keys)

    def enqueued(self) -> set[Key]:
        """Return the AppStacks of all calls."""
        return set().union(*self.updated, *self.deleted, *self.stale)


class RecordingNamespaceHandler:
    """Records the namespaces that are added and removed, in order. Implements NamespaceHandler."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def namespace_added(self, namespace: str) -> None:
        """Record a namespace that is selected now."""
        self.calls.append(f"added {namespace}")

    def namespace_removed(self, namespace: str) -> None:
        """Record a namespace that is no longer selected."""
        self.calls.append(f"removed {namespace}")
