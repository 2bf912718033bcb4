"""Objects that an AppStack owns, as the API server lists them, for tests of the caches."""

from __future__ import annotations

from typing import Any, Final

from appstack.client.resource_kinds import WATCHED_KINDS, Kind
from appstack.k8s.metadata import STACK_LABEL, Key, Manifest, Ref

KINDS: Final = {kind.kind: kind for kind in WATCHED_KINDS}
SHOP: Final = Key("team", "shop")
EXCLUDED_NAMESPACE: Final = "excluded"
"""The namespace that the operator of the unit tests does not select."""

APPLY_ENTRY: Final = {"manager": "appstack", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}
"""The entry of our own apply in `managedFields`."""


def owned_object(
    version: int,
    *,
    name: str = "x",
    stack: str | None = "shop",
    uid: str = "c1",
    namespace: str = "team",
    managed_fields: list[Any] | None = None,
    **members: Any,
) -> Manifest:
    """Return an object with the label of an AppStack and a resourceVersion; list items have no kind."""
    metadata: Manifest = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(version)}
    metadata["labels"] = {STACK_LABEL: stack} if stack else {}
    if managed_fields is not None:
        metadata["managedFields"] = managed_fields
    return {"metadata": metadata} | members


def ref(kind: Kind, name: str = "x") -> Ref:
    """Return the reference of such an object."""
    return Ref(kind.api_version, kind.kind, "team", name)
