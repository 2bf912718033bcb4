"""Rendering of an AppStack into whole Kubernetes objects, in apply order.

Rendering is deterministic: the same AppStack and settings give the same bytes. Pods restart only after an edit of the
AppStack, never because of another reconcile.
"""

from __future__ import annotations

from appstack.api import AppStack
from appstack.api.volumes import NO_NAMESPACE_UID
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.files import stack_files
from appstack.render.monitoring import service_monitor
from appstack.render.network import http_route, ingress, network_policy
from appstack.render.nginx_conf import nginx_files
from appstack.render.pod import pod_template
from appstack.render.scaling import autoscaler, disruption_budget
from appstack.render.service import further_services, headless_service, service, service_account
from appstack.render.workload import workload
from appstack.settings import Settings

__all__ = ["render"]


def render(stack: AppStack, *, settings: Settings, namespace_uid: str | None = None) -> tuple[Manifest, ...]:
    """Return the objects of an AppStack in apply order: dependencies of the pods, workload, objects that expose it.

    The AppStack must be valid: `validate` reports no error for it. The uid of a namespace is known only with access to
    a cluster; where `namespace_uid` is None, the paths of node caches contain a visible placeholder.
    """
    context = Context(stack=stack, settings=settings, namespace_uid=namespace_uid or NO_NAMESPACE_UID)
    files = stack_files(context, nginx_files(context))
    volume_objects = [
        manifest
        for volume in stack.spec.volumes
        for manifest in volume.kind.objects(volume.name, context.volume_context)
    ]
    main_service = service(context)
    exposing = [each for each in (main_service, *further_services(context)) if each is not None]
    pod_service = headless_service(context)
    ordered = [
        service_account(context),
        files.config_map,
        *volume_objects,
        *exposing,
        pod_service,
        network_policy(context, *exposing, pod_service),
        workload(context, pod_template(context, files, exposed_by=exposing)),
        disruption_budget(context),
        autoscaler(context),
        ingress(context, main_service),
        http_route(context, main_service),
        service_monitor(context),
    ]
    return tuple(manifest for manifest in ordered if manifest is not None)
