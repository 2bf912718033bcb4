"""Rendering of Service, ServiceAccount and PersistentVolumeClaims, with their owner references and labels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appstack.api import parse
from appstack.render import render
from appstack.settings import Settings
from tests.unit.stacks import stack
from tests.unit.test_render_pod import WEB, rendered


@pytest.mark.parametrize(
    ("sentence", "more", "port"),
    [
        ("port 80 to the proxy", "proxy: {}", {"name": "http", "port": 80, "targetPort": "appstack-http"}),
        ("ports of the backend", "{}", {"name": "http", "port": 8000, "targetPort": 8000}),
        (
            "port of the spec to the proxy",
            "{proxy: {}, service: {ports: [{port: 443}]}}",
            {"port": 443, "targetPort": "appstack-http"},
        ),
        (
            "UDP port of the spec to the same number beside a proxy, which serves TCP",
            "{proxy: {}, service: {ports: [{port: 53, protocol: UDP}]}}",
            {"port": 53, "protocol": "UDP", "targetPort": 53},
        ),
        (
            "port of the spec to the same port of the backend",
            "service: {ports: [{port: 8000}]}",
            {"port": 8000, "targetPort": 8000},
        ),
        (
            "port of the spec to the same number, as in Kubernetes",
            "service: {ports: [{port: 443}]}",
            {"port": 443, "targetPort": 443},
        ),
        ("target port of the spec", "service: {ports: [{port: 1, targetPort: 2}]}", {"port": 1, "targetPort": 2}),
    ],
)
def test_service_port_targets_proxy_or_backend(sentence: str, more: str, port: dict[str, Any]) -> None:
    service = rendered(WEB, more)["Service"]

    assert [port] == service["spec"]["ports"], sentence
    assert {"appstack.dev/stack": "shop"} == service["spec"]["selector"]


@pytest.mark.parametrize(
    "spec", ["{backend: {image: s}}", "{backend: {image: s, ports: [{containerPort: 1}]}, service: {enabled: false}}"]
)
def test_service_is_not_rendered_without_ports_or_if_disabled(spec: str) -> None:
    assert "Service" not in rendered(spec)


def test_children_are_owned_by_the_stack_except_a_retained_claim() -> None:
    claim = "{name: data, claim: {resources: {requests: {storage: 1Gi}}%s}}"
    retained = rendered(WEB, f"volumes: [{claim % ''}]")
    deleted = rendered(WEB, f"volumes: [{claim % ', retentionPolicy: {whenDeleted: Delete}'}]")

    assert "ownerReferences" not in retained["PersistentVolumeClaim"]["metadata"]
    assert "u" == deleted["PersistentVolumeClaim"]["metadata"]["ownerReferences"][0]["uid"]
    assert "u" == retained["Deployment"]["metadata"]["ownerReferences"][0]["uid"]
    assert "shop-data" == retained["PersistentVolumeClaim"]["metadata"]["name"]
    assert ["ReadWriteOnce"] == retained["PersistentVolumeClaim"]["spec"]["accessModes"]


@pytest.mark.parametrize(
    ("account", "name", "created"),
    [("{}", "shop", True), ("{name: robot}", "robot", True), ("{create: false, name: robot}", "robot", False)],
)
def test_service_account_is_created_unless_it_exists(account: str, name: str, created: bool) -> None:
    objects = rendered(WEB, f"serviceAccount: {account}")

    assert created is ("ServiceAccount" in objects)
    assert name == objects["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"]


def test_workload_is_the_last_object_and_every_object_is_labelled() -> None:
    objects = rendered(WEB, "{proxy: {}, serviceAccount: {}}")

    assert "Deployment" == list(objects)[-1]
    assert {"shop"} == {manifest["metadata"]["labels"]["appstack.dev/stack"] for manifest in objects.values()}


def test_reserved_labels_override_those_of_the_spec() -> None:
    labels = rendered(WEB, "pod: {metadata: {labels: {team: a, appstack.dev/stack: other}}}")["Deployment"]["spec"][
        "template"
    ]["metadata"]["labels"]

    assert ("a", "shop") == (labels["team"], labels["appstack.dev/stack"])


def test_labels_and_annotations_of_the_appstack_are_not_copied_to_its_children() -> None:
    spec = stack("{proxy: {}, ingress: {hosts: [a.example.com]}, serviceAccount: {}}").spec.dump()
    metadata = {
        "name": "shop",
        "labels": {"argocd.argoproj.io/instance": "platform", "team": "payments"},
        "annotations": {"argocd.argoproj.io/tracking-id": "platform:AppStack:shop", "contact": "payments@example.com"},
    }
    appstack = parse({"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": metadata, "spec": spec})

    text = json.dumps(render(appstack, settings=Settings()))

    assert "argocd" not in text
    assert "payments" not in text
