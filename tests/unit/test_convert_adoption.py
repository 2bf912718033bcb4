"""The commands by which an AppStack takes over a workload."""

from __future__ import annotations

import yaml

from appstack.convert import Result
from appstack.convert.adoption import adoption_steps, held_replicas
from appstack.settings import Settings
from tests.unit.manifests_to_convert import deployment, only, service

AUTOSCALER = """
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: %s}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}, maxReplicas: 5}
"""


def steps(result: Result) -> list[str]:
    """Return the commands without the comments."""
    lines = adoption_steps(result, settings=Settings(), file="shop.yaml", first_file="first.yaml")
    return [line for line in lines if not line.startswith("#")]


def test_deployment_and_its_objects_are_handed_over() -> None:
    text = deployment().replace("{name: shop}", "{name: shop, namespace: team-a}", 1)
    expressions = "{matchLabels: {app: shop}, matchExpressions: [{key: tier, operator: DoesNotExist}]}"
    text = text.replace("selector: {matchLabels: {app: shop}}", f"selector: {expressions}")

    assert steps(only(text, service("ports: [{port: 80}]", metadata="namespace: team-a"))) == [
        "set -e",
        "kubectl label pods,replicasets --selector 'app=shop,!tier' appstack.dev/stack=shop --overwrite"
        " --namespace team-a",
        "kubectl annotate service/shop appstack.dev/adopt=true --overwrite --namespace team-a",
        "kubectl delete deployment/shop --cascade=orphan --namespace team-a",
        "kubectl apply --server-side --filename shop.yaml --namespace team-a",
        "kubectl wait appstack/shop --for=condition=Ready --timeout=10m --namespace team-a",
    ]


def test_replicas_are_held_until_the_autoscaler_is_handed_over() -> None:
    resources = "containers: [{name: backend, image: x, resources: {requests: {cpu: 1}}}]"
    result = only(deployment(resources, "replicas: 3"), AUTOSCALER % "shop")

    first = held_replicas(result)
    assert first is not None
    assert first["spec"] == {**{k: v for k, v in result.document["spec"].items() if k != "autoscaling"}, "replicas": 3}
    assert steps(result)[1:] == [
        "kubectl label pods,replicasets --selector app=shop appstack.dev/stack=shop --overwrite",
        "kubectl delete deployment/shop --cascade=orphan",
        "kubectl apply --server-side --filename first.yaml",
        "kubectl wait appstack/shop --for=condition=Ready --timeout=10m",
        "kubectl annotate horizontalpodautoscaler/shop appstack.dev/adopt=true --overwrite",
        "kubectl apply --server-side --filename shop.yaml",
        "kubectl wait appstack/shop --for=condition=Ready --timeout=10m",
    ]


def test_renamed_object_is_deleted_after_the_handover() -> None:
    budget = yaml.safe_dump(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "old"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "shop"}}},
        }
    )

    assert steps(only(deployment(), f"---\n{budget}"))[-1] == (
        "kubectl delete poddisruptionbudget/old --ignore-not-found"
    )


def test_pod_is_replaced() -> None:
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: shop}, spec: {containers: [{name: backend, image: x}]}}"

    assert steps(only(pod))[:2] == ["set -e", "kubectl delete pod/shop"]
