"""Validation of the AppStacks in a cluster: what the operator would refuse with other settings. Writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial

from appstack.cli.stacks import ValidationResult, Validator
from appstack.client import requests
from appstack.client.client import Client
from appstack.client.credentials import Credentials, load
from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS, ResourceRole
from appstack.k8s import selectors
from appstack.k8s.metadata import Manifest, Ref
from appstack.policy.model import Enforcement, Policy
from appstack.settings import Settings

_NAMESPACES = next(kind for kind in WATCHED_KINDS if kind.role is ResourceRole.NAMESPACE)


async def validate_cluster(settings: Settings, *, namespace: str) -> AsyncIterator[ValidationResult]:
    """Yield a result for each AppStack in a namespace, or in all that the settings select if it is empty.

    Violations of the policy are errors, also where it only warns: the results show what `Enforce` would refuse.
    Raise ApiRejected or ApiUnavailable.
    """
    client = Client(Credentials(load()), in_flight=1)
    try:
        labels = await _namespace_labels(client, settings, namespace)
        validator = Validator(_enforced(settings), labels=labels)
        async for manifest in client.objects(partial(requests.list_appstacks, namespace)):
            metadata = manifest["metadata"]
            if metadata["namespace"] in labels:
                document = {"apiVersion": APPSTACKS.api_version, "kind": APPSTACKS.kind, **manifest}
                yield validator.validate(document, source=f"{metadata['namespace']}/{metadata['name']}")
    finally:
        await client.close()


async def _namespace_labels(client: Client, settings: Settings, namespace: str) -> dict[str, Mapping[str, str]]:
    """Return the labels of the namespaces that the settings select."""
    selector = selectors.parse(settings.namespace_selector)
    labels: dict[str, Mapping[str, str]] = {}
    async for manifest in _namespaces(client, namespace):
        metadata = manifest["metadata"]
        own = metadata.get("labels") or {}
        if settings.includes_namespace(metadata["name"]) and selectors.matches(selector, own):
            labels[metadata["name"]] = own
    return labels


async def _namespaces(client: Client, namespace: str) -> AsyncIterator[Manifest]:
    if namespace:
        yield await client.send(requests.get_metadata(Ref(_NAMESPACES.api_version, _NAMESPACES.kind, "", namespace)))
        return
    async for manifest in client.objects(partial(requests.list_page, _NAMESPACES)):
        yield manifest


def _enforced(settings: Settings) -> Settings:
    """Return the settings with policies that enforce."""
    entries = (
        each.model_copy(update={"policy": _enforce(each.policy)})
        if "enforcement" in each.policy.model_fields_set
        else each
        for each in settings.namespace_policies
    )
    return settings.model_copy(update={"policy": _enforce(settings.policy), "namespace_policies": tuple(entries)})


def _enforce(policy: Policy) -> Policy:
    return policy.model_copy(update={"enforcement": Enforcement.ENFORCE})
