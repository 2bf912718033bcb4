"""Conversion of containers, volumes and files."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.manifests_to_convert import Manifest, deployment, differences, notes, service, spec

SETTINGS = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {app.toml: "debug = false\\n", other.toml: ""}
"""
FILE_POD = """containers: [{name: backend, image: 'shop:1',
    volumeMounts: [{name: settings, mountPath: /etc/app.toml, subPath: app.toml}]}],
    volumes: [{name: settings, configMap: {name: settings, defaultMode: 256}}]"""
CLAIM = """
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %s}
spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}}
"""


def with_claim(name: str) -> str:
    """Return a Deployment that mounts a claim, and the claim."""
    pod = f"""containers: [{{name: backend, image: 'shop:1', volumeMounts: [{{name: disk, mountPath: /data}}]}}],
        volumes: [{{name: disk, persistentVolumeClaim: {{claimName: {name}}}}}]"""
    return deployment(pod) + CLAIM % name


def test_mounted_file_of_a_config_map_becomes_a_file() -> None:
    assert spec(deployment(FILE_POD), SETTINGS) == {
        "backend": {"image": "shop:1"},
        "files": [{"path": "/etc/app.toml", "content": "debug = false\n", "mode": 0o400}],
    }
    assert differences(deployment(FILE_POD), SETTINGS) == []
    assert (
        "changed: ConfigMap/settings data -> AppStack/shop spec.files: "
        "becomes files of the AppStack: a change of their content starts a rollout"
    ) in notes(deployment(FILE_POD), SETTINGS)
    assert "omitted: ConfigMap/settings data[other.toml]: no container mounts it" in notes(
        deployment(FILE_POD), SETTINGS
    )


@pytest.mark.parametrize(
    "pod",
    [
        FILE_POD.replace(", subPath: app.toml", ""),
        FILE_POD.replace("image: 'shop:1'", "image: 'shop:1', envFrom: [{configMapRef: {name: settings}}]"),
        FILE_POD.replace("subPath: app.toml", "subPath: missing.toml"),
    ],
    ids=["directory", "read by envFrom too", "no such key"],
)
def test_other_mounts_of_a_config_map_stay_volumes(pod: str) -> None:
    assert "files" not in spec(deployment(pod), SETTINGS)
    assert spec(deployment(pod), SETTINGS)["volumes"] == [
        {"name": "settings", "configMap": {"name": "settings", "defaultMode": 256}}
    ]
    assert differences(deployment(pod), SETTINGS) == []
    assert "kept: ConfigMap/settings: the pods refer to it by name; continue to apply it" in notes(
        deployment(pod), SETTINGS
    )


def test_claim_of_the_stack_is_converted() -> None:
    assert spec(with_claim("shop-data")) == {
        "backend": {"image": "shop:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        "volumes": [
            {
                "name": "data",
                "claim": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
            }
        ],
    }
    assert differences(with_claim("shop-data")) == []


def test_claim_of_another_name_is_kept() -> None:
    assert spec(with_claim("disk"))["volumes"] == [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]
    assert differences(with_claim("disk")) == []
    assert (
        "kept: PersistentVolumeClaim/disk: the volume 'disk' refers to it by name; "
        "a claim of AppStack would be named shop-disk and empty; continue to apply it"
    ) in notes(with_claim("disk"))


def stateful_set(fields: str) -> str:
    """Return a StatefulSet with a claim for each replica."""
    return f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  selector: {{matchLabels: {{app: db}}}}
  serviceName: db
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: backend, image: 'db:1', volumeMounts: [{{name: data, mountPath: /data}}]}}]}}
  volumeClaimTemplates:
  - metadata: {{name: data, labels: {{tier: gold}}}}
    spec: {{accessModes: [ReadWriteOncePod], resources: {{requests: {{storage: 1Gi}}}}}}
  {fields}
---
apiVersion: v1
kind: Service
metadata: {{name: db}}
spec: {{clusterIP: None, selector: {{app: db}}, ports: [{{port: 1}}]}}
"""


@pytest.mark.parametrize(
    ("fields", "retention"),
    [
        ("", {}),
        (
            "persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Delete}",
            {"retentionPolicy": {"whenScaled": "Delete"}},
        ),
    ],
    ids=["default", "whenScaled"],
)
def test_claim_templates_become_claims_per_replica(fields: str, retention: Manifest) -> None:
    claim = {
        "perReplica": True,
        "accessModes": ["ReadWriteOncePod"],
        "resources": {"requests": {"storage": "1Gi"}},
        "metadata": {"labels": {"tier": "gold"}},
    }
    assert spec(stateful_set(fields))["volumes"] == [{"name": "data", "claim": {**claim, **retention}}]


@pytest.mark.parametrize(
    ("container", "short"),
    [
        ("{name: migrate, image: 'shop:1', command: [migrate], env: [{name: A, value: x}]}", {"command": ["migrate"]}),
        (
            "{name: migrate, image: 'shop:1', command: [migrate], env: [{name: A, value: x}, {name: B, value: y}]}",
            {"command": ["migrate"], "env": [{"name": "B", "value": "y"}]},
        ),
        (
            "{name: migrate, image: 'shop:1', env: [{name: B, value: y}]}",
            {"image": "shop:1", "env": [{"name": "B", "value": "y"}]},
        ),
        (
            "{name: migrate, image: 'shop:2', env: [{name: A, value: x}]}",
            {"image": "shop:2", "env": [{"name": "A", "value": "x"}]},
        ),
    ],
    ids=["same", "more", "less", "other image"],
)
def test_container_loses_what_it_inherits(container: str, short: Manifest) -> None:
    pod = (
        f"containers: [{{name: backend, image: 'shop:1', env: [{{name: A, value: x}}]}}], initContainers: [{container}]"
    )

    assert spec(deployment(pod))["initContainers"] == [{"name": "migrate", **short}]
    assert differences(deployment(pod)) == []


def test_containers_are_sorted_by_role() -> None:
    pod = """containers: [{name: log, image: log}, {name: backend, image: shop}],
        initContainers: [{name: wait, image: busybox}, {name: mesh, image: mesh, restartPolicy: Always}]"""
    annotation = "metadata: {annotations: {kubectl.kubernetes.io/default-container: backend}, labels:"
    text = deployment(pod).replace("metadata: {labels:", annotation)

    converted = spec(text)
    assert converted.pop("pod")
    assert converted == {
        "backend": {"image": "shop"},
        "initContainers": [{"name": "wait", "image": "busybox"}],
        "sidecars": [{"name": "mesh", "image": "mesh"}, {"name": "log", "image": "log", "native": False}],
    }
    assert (
        "changed: Deployment/shop spec.template.spec.containers[1] -> AppStack/shop spec.backend: "
        "is now the first container"
    ) in notes(text)
    assert differences(text) == [
        "Deployment/shop spec.template.spec.containersOrder: log, backend becomes backend, log"
    ]


def test_native_sidecar_between_init_containers_stays_there() -> None:
    pod = """containers: [{name: backend, image: shop}],
        initContainers: [{name: mesh, image: mesh, restartPolicy: Always}, {name: wait, image: busybox}]"""

    assert spec(deployment(pod))["initContainers"] == yaml.safe_load(
        "[{name: mesh, image: mesh, restartPolicy: Always}, {name: wait, image: busybox}]"
    )
    assert differences(deployment(pod)) == []


def test_repeated_variable_keeps_its_last_value() -> None:
    pod = "containers: [{name: backend, image: shop, env: [{name: A, value: x}, {name: A, value: y}]}]"

    assert spec(deployment(pod))["backend"]["env"] == [{"name": "A", "value": "y"}]
    assert (
        "changed: Deployment/shop spec.template.spec.containers[0].env: "
        "A: set more than once, the last entry takes effect"
    ) in notes(deployment(pod))


def test_host_path_needs_the_administrator() -> None:
    pod = """containers: [{name: backend, image: shop, volumeMounts: [{name: log, mountPath: /log}]}],
        volumes: [{name: log, hostPath: {path: /var/log, type: ''}}]"""

    assert differences(deployment(pod)) == []
    line = (
        "required: Deployment/shop -> AppStack/shop spec.volumes: the administrator has to allow the hostPath /var/log"
    )
    assert line in notes(deployment(pod))


def test_probe_port_is_left_out_if_it_is_the_first() -> None:
    pod = """containers: [{name: backend, image: shop, ports: [{name: http, containerPort: 80}, {containerPort: 81}],
        livenessProbe: {tcpSocket: {port: http}}, readinessProbe: {tcpSocket: {port: 81}}}]"""

    backend = spec(deployment(pod), service("ports: [{port: 80}]"))["backend"]
    assert (backend["livenessProbe"], backend["readinessProbe"]) == ({"tcpSocket": {}}, {"tcpSocket": {"port": 81}})
    assert differences(deployment(pod), service("ports: [{port: 80}]")) == []


@pytest.mark.parametrize(
    ("policy", "pod"), [("Never", {"restartPolicy": "Never"}), ("OnFailure", None)], ids=["Never", "OnFailure"]
)
def test_job_keeps_its_restart_policy(policy: str, pod: Manifest | None) -> None:
    job = f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate}}
spec: {{completions: 1, parallelism: 1, backoffLimit: 2,
  template: {{spec: {{restartPolicy: {policy}, containers: [{{name: backend, image: shop}}]}}}}}}
"""
    assert spec(job).get("pod") == pod
    assert spec(job)["workload"] == {"kind": "Job", "job": {"backoffLimit": 2}}
    assert differences(job) == []


def test_cron_job_has_the_options_of_its_jobs() -> None:
    job = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {schedule: "0 3 * * *", concurrencyPolicy: Forbid, jobTemplate:
  {metadata: {labels: {a: b}}, spec: {backoffLimit: 1, template: {metadata: {labels: {c: d}}, spec:
  {restartPolicy: Never, containers: [{name: backend, image: shop}]}}}}}
"""
    assert spec(job) == {
        "workload": {
            "kind": "CronJob",
            "job": {"backoffLimit": 1},
            "cronJob": {"schedule": "0 3 * * *", "concurrencyPolicy": "Forbid"},
        },
        "backend": {"image": "shop"},
        "pod": {"metadata": {"labels": {"c": "d"}}, "restartPolicy": "Never"},
    }
    assert [line for line in notes(job) if line.startswith("not converted")] == [
        "not converted: CronJob/nightly spec.jobTemplate.metadata.labels.a: b has no place in an AppStack"
    ]
    assert differences(job) == ["CronJob/nightly spec.jobTemplate.metadata.labels[a]: b becomes unset"]


def test_second_name_of_a_port_becomes_its_number() -> None:
    pod = """containers: [{name: backend, image: shop, ports: [{name: http, containerPort: 80},
        {name: https, containerPort: 80}], livenessProbe: {httpGet: {port: https}}}]"""
    text = service("ports: [{name: http, port: 80, targetPort: http}, {name: https, port: 443, targetPort: https}]")

    converted = spec(deployment(pod), text)
    assert converted["backend"]["ports"] == [{"name": "http", "containerPort": 80}]
    assert converted["service"]["ports"][1] == {"name": "https", "port": 443, "targetPort": 80}
    assert differences(deployment(pod), text) == [
        "Deployment/shop spec.template.spec.containers[backend].ports[80/TCP].name: https becomes http",
        "Service/shop spec.ports[443/TCP].targetPort: https becomes 80",
    ]
    assert (
        "changed: Deployment/shop spec.template.spec.containers[0].ports: "
        "80 has the name 'http' already; 'https' becomes the number"
    ) in notes(deployment(pod), text)
