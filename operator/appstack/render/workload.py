"""Workload of an AppStack: Deployment, StatefulSet, DaemonSet, Job, CronJob or Pod."""

from __future__ import annotations

from appstack.api.volumes import Claim
from appstack.api.workloads import WorkloadParts
from appstack.k8s.metadata import Manifest
from appstack.render.context import Context
from appstack.render.draining import default_strategy


def workload(context: Context, template: Manifest) -> Manifest:
    """Return the workload with the given pod template."""
    kind = context.spec.workload.chosen
    per_replica = [
        (volume.name, volume.claim) for volume in context.spec.volumes if volume.claim and volume.claim.per_replica
    ]
    parts = WorkloadParts(
        head=context.child(kind.API_VERSION, kind.KIND, name=context.name, extra=context.spec.workload.metadata),
        stack=context.name,
        template=template,
        replicas=context.spec.replicas,
        service_name=context.stack.pod_service_name,
        claim_templates=tuple(claim.template(name, context.volume_context) for name, claim in per_replica),
        retention=_retention_policy(per_replica[0][1]) if per_replica else None,
        strategy=default_strategy(context),
    )
    return kind.manifest(parts)


def _retention_policy(claim: Claim) -> Manifest:
    """Return the retention policy of the StatefulSet; validation ensures that all its claims have the same one."""
    policy = claim.retention_policy
    return {"whenDeleted": policy.when_deleted, "whenScaled": policy.when_scaled}
