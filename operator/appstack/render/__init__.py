"""AppStack to whole Kubernetes objects, in the order in which they are applied. PURE.

The same stack and settings give the same bytes: pods restart when their author changed something, and never because
the operator looked again.
"""

from __future__ import annotations

from appstack.api import AppStack
from appstack.api.volumes import NO_NAMESPACE_UID
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.files import files
from appstack.render.network import http_route, ingress, network_policy
from appstack.render.nginx_conf import nginx_files
from appstack.render.pod import pod_template
from appstack.render.scaling import autoscaler, disruption_budget
from appstack.render.service import headless, service, service_account
from appstack.render.workload import workload
from appstack.settings import Settings

__all__ = ["render"]


def render(stack: AppStack, *, settings: Settings, namespace_uid: str | None = None) -> tuple[Manifest, ...]:
    """Return what a stack becomes: what pods need first, then the workload, then what leads to it.

    `namespace_uid` is known to a cluster only; without it a visible placeholder stands in node caches' paths. The
    stack must have no fault that `check` calls an error.
    """
    context = Context(stack=stack, settings=settings, namespace_uid=namespace_uid or NO_NAMESPACE_UID)
    contents = files(context, nginx_files(context))
    beside = [thing for volume in stack.spec.volumes for thing in volume.kind.objects(volume.name, context.place)]
    led, named = service(context), headless(context)
    ordered = [
        service_account(context),
        contents.config_map,
        *beside,
        led,
        named,
        network_policy(context, led, named),
        workload(context, pod_template(context, contents, led_to=led is not None)),
        disruption_budget(context),
        autoscaler(context),
        ingress(context, led),
        http_route(context, led),
    ]
    return tuple(thing for thing in ordered if thing is not None)
