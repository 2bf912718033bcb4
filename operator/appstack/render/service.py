"""Services and ServiceAccount of an AppStack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appstack.api import AppStackSpec
from appstack.api.kube import ContainerPort
from appstack.api.proxy import GRPC_PROTOCOLS
from appstack.api.service import DEFAULT_SERVICE, FurtherService, Service
from appstack.k8s import metadata as meta
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.proxy import HTTP_PORT, HTTPS_PORT

_NOT_IN_SPEC: Final = ("enabled", "metadata", "name")
"""Fields of a Service of the AppStack that its ServiceSpec does not have."""


def service(context: Context) -> Manifest | None:
    """Return the Service, or None if it is disabled or no container declares a port."""
    desired = context.spec.service or DEFAULT_SERVICE
    default = default_ports(context.spec)
    needs_no_port = desired.is_headless or desired.external_name
    if not desired.enabled or not (desired.ports or default or needs_no_port):
        return None
    manifest = _service(context, desired, name=context.stack.service_name, default=default)
    if context.spec.service_monitor is not None:
        manifest["metadata"]["labels"][meta.MONITOR_LABEL] = context.name
    return manifest


def further_services(context: Context) -> list[Manifest]:
    """Return the Services of `spec.services`."""
    return [_service(context, desired, name=desired.name) for desired in context.spec.services]


def _service(
    context: Context, desired: Service | FurtherService, *, name: str, default: Sequence[Manifest] = ()
) -> Manifest:
    fields = {key: value for key, value in desired.dump().items() if key not in _NOT_IN_SPEC}
    ports = fields.pop("ports", None) or default
    spec = {
        **fields,
        "selector": meta.selector(context.name),
        **({"ports": [_with_target_port(context, port) for port in ports]} if ports else {}),
    }
    return {**context.child("v1", "Service", name=name, extra=desired.metadata), "spec": spec}


def headless_service(context: Context) -> Manifest | None:
    """Return the headless Service that names the pods of a StatefulSet; None if a Service of the spec does."""
    name = context.stack.pod_service_name
    own = [] if service(context) is None else [context.stack.service_name]
    if context.spec.workload.kind != "StatefulSet" or name in (*own, *(each.name for each in context.spec.services)):
        return None
    ports = [_with_target_port(context, port) for port in default_ports(context.spec)]
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,  # members of a cluster resolve each other before they are ready
        "selector": meta.selector(context.name),
        **({"ports": ports} if ports else {}),
    }
    return {**context.child("v1", "Service", name=name), "spec": spec}


def default_ports(spec: AppStackSpec) -> list[Manifest]:
    """Return the ports of a Service that lists none; a port of the proxy's own has its targetPort."""
    if spec.proxy is not None:
        tls = [{"name": "https", "port": 443, "targetPort": HTTPS_PORT}] if spec.proxy.tls else []
        return [{"name": "http", "port": 80}, *tls]
    ports = spec.backend.ports or []
    return [
        {
            **({"name": name} if (name := port.name or (len(ports) > 1 and _generated_name(port))) else {}),
            "port": port.container_port,
            **({"protocol": port.protocol} if port.protocol else {}),
        }
        for port in ports
    ]


def _generated_name(port: ContainerPort) -> str:
    """Return the name of a Service port for a container port without a name: each of several ports needs one."""
    return f"{(port.protocol or 'TCP').lower()}-{port.container_port}"


def _with_target_port(context: Context, port: Manifest) -> Manifest:
    """Return a Service port with its targetPort, and with the protocol of gRPC if it leads to such a backend.

    The default is the proxy, which serves TCP, else the same number.
    """
    proxy = context.spec.proxy
    if proxy is None or port.get("protocol", "TCP") != "TCP":
        return {**port, "targetPort": port.get("targetPort", port["port"])}
    default = HTTPS_PORT if proxy.tls and port["port"] == 443 else HTTP_PORT
    result = {**port, "targetPort": port.get("targetPort", default)}
    if proxy.protocol in GRPC_PROTOCOLS and result["targetPort"] in (HTTP_PORT, proxy.port):
        return {**result, "appProtocol": port.get("appProtocol", "kubernetes.io/h2c")}
    return result


def service_account(context: Context) -> Manifest | None:
    """Return the ServiceAccount, or None if the spec has none or refers to an existing one."""
    account = context.spec.service_account
    if account is None or not account.create:
        return None
    name = account.name or context.name
    return context.child("v1", "ServiceAccount", name=name, extra=account.metadata)
