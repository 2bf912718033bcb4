"""Validation of replicas, autoscaling, PodDisruptionBudget and host ports."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

BUDGET = "spec.podDisruptionBudget"
AUTOSCALING = "spec.autoscaling"
BACKEND_WITH_REQUEST = "backend: {image: x, ports: [{containerPort: 1}], resources: {requests: {cpu: 100m}}}"
DRAIN_HINT = "(allow one eviction; otherwise a drain of a node never finishes)"
REQUEST_HINT = "(set the request of the container, e.g. 100m)"

CASES = {
    "autoscaling is valid": (
        f"{{{BACKEND_WITH_REQUEST}, autoscaling: {{minReplicas: 2, maxReplicas: 2}}, proxy: {{}}}}",
        [],
    ),
    "replicas beside autoscaling": (
        f"{{{BACKEND_WITH_REQUEST}, autoscaling: {{maxReplicas: 2}}, replicas: 2}}",
        [
            "spec.replicas: spec.autoscaling sets the number of replicas "
            "(remove one of the two; minReplicas and maxReplicas are the bounds of the autoscaler)"
        ],
    ),
    "minReplicas above maxReplicas": (
        f"{{{BACKEND_WITH_REQUEST}, autoscaling: {{minReplicas: 3, maxReplicas: 2}}}}",
        [f"{AUTOSCALING}.minReplicas: 3 is more than maxReplicas 2 (lower minReplicas, or raise maxReplicas)"],
    ),
    "minReplicas and maxReplicas out of range": (
        f"{{{BACKEND_WITH_REQUEST}, autoscaling: {{minReplicas: -1, maxReplicas: 0}}}}",
        [
            f"{AUTOSCALING}.maxReplicas: 0 is less than 1 (use 1 or more)",
            f"{AUTOSCALING}.minReplicas: -1 is less than 0 (use 0 or more)",
        ],
    ),
    "utilization of containers without requests": (
        """
        autoscaling: {maxReplicas: 2}
        sidecars: [{name: a, image: a, resources: {limits: {cpu: 1}}}, {name: b}]
        """,
        [
            "Warning: spec.backend.resources.requests.cpu: the autoscaler computes utilization from this "
            f"request ({AUTOSCALING}) and needs it to scale {REQUEST_HINT}",
            "Warning: spec.sidecars[1].resources.requests.cpu: the autoscaler computes utilization from this "
            f"request ({AUTOSCALING}) and needs it to scale {REQUEST_HINT}",
        ],
    ),
    "utilization of one container, and of an unknown one": (
        f"""
        {BACKEND_WITH_REQUEST}
        sidecars: [{{name: a, image: a}}]
        autoscaling:
          maxReplicas: 2
          metrics:
          - {{type: ContainerResource, containerResource:
              {{name: cpu, container: backend, target: {{type: Utilization, averageUtilization: 50}}}}}}
          - {{type: Resource, resource: {{name: memory, target: {{type: AverageValue, averageValue: 1Gi}}}}}}
          - {{type: ContainerResource, containerResource:
              {{name: cpu, container: c, target: {{type: Utilization, averageUtilization: 50}}}}}}
        """,
        [
            f"{AUTOSCALING}.metrics[2].containerResource.container: no container 'c' runs in the pod "
            "(use one of: backend, a)"
        ],
    ),
    "budget is valid": ("{replicas: 3, podDisruptionBudget: {minAvailable: 50%}}", []),
    "budget without bound and with an unknown eviction policy": (
        "podDisruptionBudget: {unhealthyPodEvictionPolicy: Never}",
        [
            f"{BUDGET}: sets no bound (set exactly one of minAvailable and maxUnavailable)",
            f"{BUDGET}.unhealthyPodEvictionPolicy: 'Never' is not an eviction policy "
            "(use IfHealthyBudget or AlwaysAllow)",
        ],
    ),
    "budget with both bounds, one of them invalid": (
        "{replicas: 2, podDisruptionBudget: {minAvailable: 1, maxUnavailable: half}}",
        [
            f"{BUDGET}: sets both bounds (set exactly one of minAvailable and maxUnavailable)",
            f"{BUDGET}.maxUnavailable: 'half' is neither a number nor a percentage (use a value such as 1 or \"50%\")",
        ],
    ),
    "budget of the default number of pods that blocks every eviction": (
        "podDisruptionBudget: {minAvailable: 1}",
        [
            f"Warning: {BUDGET}.minAvailable: the only pod can never be evicted "
            "(allow one eviction; otherwise a drain of a node never finishes)"
        ],
    ),
    "budget that blocks every eviction": (
        "{replicas: 2, podDisruptionBudget: {minAvailable: 51%}}",
        [f"Warning: {BUDGET}.minAvailable: none of 2 pods can ever be evicted {DRAIN_HINT}"],
    ),
    "budget that blocks every eviction at minReplicas": (
        f"{{{BACKEND_WITH_REQUEST}, autoscaling: {{minReplicas: 2, maxReplicas: 9}}, podDisruptionBudget: "
        "{minAvailable: 2}}",
        [f"Warning: {BUDGET}.minAvailable: none of 2 pods can ever be evicted {DRAIN_HINT}"],
    ),
    "budget of maxUnavailable 0%": (
        "podDisruptionBudget: {maxUnavailable: 0%}",
        [f"Warning: {BUDGET}.maxUnavailable: no pod can ever be evicted {DRAIN_HINT}"],
    ),
    "several replicas with a host port": (
        "{replicas: 2, backend: {image: x, ports: [{containerPort: 1, hostPort: 1}]}}",
        [
            "Warning: spec.backend.ports[0].hostPort: each of the 2 pods needs a node of its own for this port "
            "(use a Service instead of the hostPort, or a DaemonSet for one pod on each node)"
        ],
    ),
}


@parametrize_cases(CASES)
def test_scaling(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines
