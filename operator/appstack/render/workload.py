"""The workload itself: the parts that its kind is made of. PURE."""

from __future__ import annotations

from appstack.api.volumes import Claim
from appstack.api.workloads import Parts
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.draining import strategy
from appstack.render.service import headless_name


def workload(context: Context, template: Manifest) -> Manifest:
    """Return the Deployment, StatefulSet, DaemonSet, Job, CronJob or Pod."""
    kind = context.spec.workload.chosen
    own = [(volume.name, volume.claim) for volume in context.spec.volumes if volume.claim and volume.claim.per_replica]
    parts = Parts(
        head=context.child(kind.API_VERSION, kind.KIND, name=context.name),
        stack=context.name,
        template=template,
        replicas=context.spec.replicas,
        service=headless_name(context),
        claims=tuple(claim.template(name, context.place) for name, claim in own),
        retention=_retention(own[0][1]) if own else None,
        strategy=strategy(context),
    )
    return kind.manifest(parts)


def _retention(claim: Claim) -> Manifest:
    """Return what becomes of the claims per replica: one policy for all, which is checked."""
    policy = claim.retention_policy
    return {"whenDeleted": policy.when_deleted, "whenScaled": policy.when_scaled}
