"""Translation of field paths in API server messages to the fields of the AppStack."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from appstack.render import render
from appstack.render.source_map import container_field_path, translate_field_paths
from appstack.settings import Settings
from tests.unit.stacks import stack

SPEC = """
backend: {image: s, ports: [{containerPort: 8000}], volumeMounts: [{name: v, mountPath: /v}]}
proxy: {static: [{path: /s/, from: /srv}], ports: [{containerPort: 9}]}
serviceAccount: {}
ingress: {hosts: [a, b], tls: {secretName: t}}
httpRoute: {parentRefs: [{name: public}]}
initContainers: [{name: first, command: [a]}]
sidecars:
  - {name: plain, native: false, command: [b]}
  - {name: db, role: Ambassador, image: d, ports: [{containerPort: 1}]}
volumes: [{name: w, emptyDir: {}}, {name: v, emptyDir: {}}]
files: [{path: /f, content: f}]
"""
CRON = "workload: {kind: CronJob, cronJob: {schedule: '@daily'}}\nsidecars: []"


def rendered(kind: str, *texts: str) -> dict[str, Any]:
    objects = render(stack(SPEC, *texts), settings=Settings(), namespace_uid="n")
    return next(manifest for manifest in objects if manifest["kind"] == kind)


@pytest.mark.parametrize(
    ("kind", "rendered_path", "path"),
    [
        ("Deployment", "spec.template.spec.containers[0].resources.limits[cpu]", "spec.backend.resources.limits[cpu]"),
        ("Deployment", "spec.template.spec.containers[1].env[0].name", "spec.sidecars[0].env[0].name"),
        ("Deployment", "spec.template.spec.initContainers[2].ports[0]", "spec.sidecars[1].ports[0]"),
        ("Deployment", "spec.template.spec.initContainers[3].image", "spec.backend.image"),
        ("Deployment", "spec.template.spec.initContainers[3].stdin", "spec.initContainers[0].stdin"),
        ("Deployment", "spec.template.spec.initContainers[3].volumeMounts[0]", "spec.backend.volumeMounts[0]"),
        ("Deployment", "spec.template.spec.initContainers[4].ports[2].name", "spec.proxy.ports[0].name"),
        ("Deployment", "spec.template.spec.initContainers[4].volumeMounts[0]", "spec.proxy"),
        ("Deployment", "spec.template.spec.serviceAccountName", "spec.serviceAccount.name"),
        ("Deployment", "spec.template.spec.initContainers[4].image", "spec.proxy.image"),
        ("Deployment", "spec.template.spec.initContainers[0].image", "spec.proxy.image"),
        ("Deployment", "spec.template.spec.initContainers[1].image", "spec.proxy.static[0].image"),
        ("Deployment", "spec.template.spec.initContainers[9].image", "spec.template.spec.initContainers[9].image"),
        ("Deployment", "spec.template.spec.volumes[0].emptyDir", "spec.volumes[0].emptyDir"),
        ("Deployment", "spec.template.spec.volumes[2].configMap", "spec.template.spec.volumes[2].configMap"),
        ("Deployment", "spec.template.spec.dnsPolicy", "spec.pod.dnsPolicy"),
        ("Deployment", "spec.template.metadata.labels", "spec.pod.metadata.labels"),
        ("Deployment", "spec.minReadySeconds", "spec.workload.deployment.minReadySeconds"),
        ("Deployment", "metadata.labels", "metadata.labels"),
        ("Deployment", "metadata.labels[a]", "spec.workload.metadata.labels[a]"),
        ("Service", "spec.ports[0].nodePort", "spec.service.ports[0].nodePort"),
        ("Service", "metadata.annotations[a/b]", "spec.service.metadata.annotations[a/b]"),
        ("ServiceAccount", "metadata.annotations[a/b]", "spec.serviceAccount.metadata.annotations[a/b]"),
        ("Ingress", "spec.rules[1].host", "spec.ingress.hosts[1]"),
        ("Ingress", "spec.tls[0].hosts[1]", "spec.ingress.hosts[1]"),
        ("HTTPRoute", "spec.parentRefs[0].name", "spec.httpRoute.parentRefs[0].name"),
    ],
)
def test_field_path_of_a_manifest_is_translated_to_the_appstack(kind: str, rendered_path: str, path: str) -> None:
    message = "it is invalid: [{0}: Invalid value: 1, {0}: too]"

    translated = translate_field_paths(message.format(rendered_path), rendered(kind), yaml.safe_load(SPEC))

    assert message.format(path) == translated


@pytest.mark.parametrize(
    ("kind", "text", "rendered_path", "path"),
    [
        ("CronJob", CRON, "spec.schedule", "spec.workload.cronJob.schedule"),
        ("CronJob", CRON, "spec.jobTemplate.spec.backoffLimit", "spec.workload.job.backoffLimit"),
        ("CronJob", CRON, "spec.jobTemplate.spec.template.spec.containers[0].env", "spec.backend.env"),
        ("Pod", "workload: {kind: Pod}", "spec.containers[0].env", "spec.backend.env"),
        ("Pod", "workload: {kind: Pod}", "spec.priority", "spec.pod.priority"),
    ],
)
def test_each_workload_kind_has_its_own_path_to_the_pod_template(
    kind: str, text: str, rendered_path: str, path: str
) -> None:
    spec = yaml.safe_load(SPEC) | yaml.safe_load(text)

    assert path == translate_field_paths(rendered_path, rendered(kind, text), spec)


@pytest.mark.parametrize(("container", "path"), [("web", "spec.backend"), ("nginx", "spec.proxy"), ("backend", "")])
def test_container_is_found_by_the_name_that_the_author_gave_it(container: str, path: str) -> None:
    spec = {"backend": {"image": "s", "name": "web"}, "proxy": {"name": "nginx"}}

    assert path == container_field_path(container, spec)
