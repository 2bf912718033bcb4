"""ServiceMonitor of an AppStack."""

from __future__ import annotations

from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context


def service_monitor(context: Context) -> Manifest | None:
    """Return the ServiceMonitor, or None if the spec has none.

    It selects the AppStack's own Service by a label that no other Service has: a pod that is found through several
    Services would be scraped several times.
    """
    desired = context.spec.service_monitor
    if desired is None:
        return None
    spec = desired.dump()
    spec.pop("metadata", None)
    head = context.child("monitoring.coreos.com/v1", "ServiceMonitor", name=context.name, extra=desired.metadata)
    return {**head, "spec": {**spec, "selector": {"matchLabels": {meta.MONITOR_LABEL: context.name}}}}
