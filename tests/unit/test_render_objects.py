"""What stands around the pod: Service, ServiceAccount, claims, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_render_pod import WEB, rendered


@pytest.mark.parametrize(
    ("sentence", "more", "port"),
    [
        ("80 leads to a proxy", "proxy: {}", {"name": "http", "port": 80, "targetPort": "appstack-http"}),
        ("else the backend's ports as they are", "{}", {"name": "http", "port": 8000, "targetPort": 8000}),
        (
            "a written port leads to the proxy",
            "{proxy: {}, service: {ports: [{port: 443}]}}",
            {"port": 443, "targetPort": "appstack-http"},
        ),
        ("or to the same number", "service: {ports: [{port: 8000}]}", {"port": 8000, "targetPort": 8000}),
        ("or else to the first", "service: {ports: [{port: 443}]}", {"port": 443, "targetPort": 8000}),
        ("a written target stays", "service: {ports: [{port: 1, targetPort: 2}]}", {"port": 1, "targetPort": 2}),
    ],
)
def test_service_ports(sentence: str, more: str, port: dict[str, Any]) -> None:
    service = rendered(WEB, more)["Service"]

    assert [port] == service["spec"]["ports"], sentence
    assert {"appstack.dev/stack": "shop"} == service["spec"]["selector"]


@pytest.mark.parametrize(
    "spec", ["{backend: {image: s}}", "{backend: {image: s, ports: [{containerPort: 1}]}, service: {enabled: false}}"]
)
def test_no_service_where_nothing_listens_or_none_is_wanted(spec: str) -> None:
    assert "Service" not in rendered(spec)


def test_children_go_with_their_stack_and_a_retained_claim_stays() -> None:
    claim = "{name: data, claim: {resources: {requests: {storage: 1Gi}}%s}}"
    kept = rendered(WEB, f"volumes: [{claim % ''}]")
    gone = rendered(WEB, f"volumes: [{claim % ', retentionPolicy: {whenDeleted: Delete}'}]")

    assert "ownerReferences" not in kept["PersistentVolumeClaim"]["metadata"]
    assert "u" == gone["PersistentVolumeClaim"]["metadata"]["ownerReferences"][0]["uid"]
    assert "u" == kept["Deployment"]["metadata"]["ownerReferences"][0]["uid"]
    assert "shop-data" == kept["PersistentVolumeClaim"]["metadata"]["name"]
    assert ["ReadWriteOnce"] == kept["PersistentVolumeClaim"]["spec"]["accessModes"]


@pytest.mark.parametrize(
    ("account", "name", "made"),
    [("{}", "shop", True), ("{name: robot}", "robot", True), ("{create: false, name: robot}", "robot", False)],
)
def test_service_account(account: str, name: str, made: bool) -> None:
    objects = rendered(WEB, f"serviceAccount: {account}")

    assert made is ("ServiceAccount" in objects)
    assert name == objects["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"]


def test_the_workload_comes_last_and_every_object_bears_the_labels() -> None:
    objects = rendered(WEB, "{proxy: {}, serviceAccount: {}}")

    assert "Deployment" == list(objects)[-1]
    assert {"shop"} == {each["metadata"]["labels"]["appstack.dev/stack"] for each in objects.values()}


def test_reserved_labels_win_over_the_authors() -> None:
    labels = rendered(WEB, "pod: {metadata: {labels: {team: a, appstack.dev/stack: other}}}")["Deployment"]["spec"][
        "template"
    ]["metadata"]["labels"]

    assert ("a", "shop") == (labels["team"], labels["appstack.dev/stack"])
