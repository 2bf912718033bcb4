"""Support of every field on every kind of workload: it is valid and rendered, or rejected with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from appstack.api import AppStackSpec
from appstack.api.workloads import Workload, WorkloadKindName
from appstack.errors import Severity
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.kind_support import KINDS, SUPPORT_TABLE, FieldSupport, UnsupportedReason
from appstack.validation.workload import CHECKS_BY_KIND
from tests.unit.stacks import VALID_SPEC, stack

SETTINGS = Settings()


def mounted(source: str) -> str:
    """Return a spec with a backend that mounts a volume of this source."""
    backend = "{image: shop:1, ports: [{containerPort: 8000}], volumeMounts: [{name: data, mountPath: /data}]}"
    return f"{{backend: {backend}, volumes: [{{name: data, {source}}}]}}"


def claimed(fields: str) -> str:
    """Return a spec with a backend that mounts a claim with these fields."""
    return mounted(f"claim: {{resources: {{requests: {{storage: 1Gi}}}}, {fields}}}")


EXAMPLES = {
    "workload.deployment": "workload: {deployment: {minReadySeconds: 1}}",
    "workload.statefulSet": "workload: {statefulSet: {podManagementPolicy: Parallel}}",
    "workload.daemonSet": "workload: {daemonSet: {minReadySeconds: 1}}",
    "workload.job": "workload: {job: {backoffLimit: 1}}",
    "workload.cronJob": "workload: {cronJob: {schedule: '@daily', concurrencyPolicy: Forbid}}",
    "replicas": "replicas: 2",
    "autoscaling": "autoscaling: {maxReplicas: 3}",
    "podDisruptionBudget": "podDisruptionBudget: {maxUnavailable: 1}",
    "backend.startupProbe": "backend: {image: s, startupProbe: {exec: {command: [a]}}}",
    "backend.livenessProbe": "backend: {image: s, livenessProbe: {exec: {command: [a]}}}",
    "backend.readinessProbe": "backend: {image: s, readinessProbe: {exec: {command: [a]}}}",
    "backend.lifecycle": "backend: {image: s, lifecycle: {preStop: {exec: {command: [a]}}}}",
    "backend.ports[].hostPort": "backend: {image: s, ports: [{containerPort: 1, hostPort: 1}]}",
    "proxy": "proxy: {clientMaxBodySize: 1Mi}",
    "proxy.static[].from": "proxy: {static: [{path: /s/, from: /srv}]}",
    "proxy.static[].volume": """
        proxy: {static: [{path: /s/, volume: media}]}
        volumes: [{name: media, emptyDir: {}}]
        """,
    "proxy.serverSnippet": "proxy: {serverSnippet: 'gzip on;'}",
    "proxy.config": """
        proxy: {config: "events {} http { include /etc/nginx/appstack/*.conf; server { listen 8080; } }"}
        """,
    "initContainers": "initContainers: [{name: migrate, command: [a]}]",
    "initContainers[].restartPolicy": "initContainers: [{name: helper, image: h, restartPolicy: Always}]",
    "sidecars": "sidecars: [{name: helper, image: b}]",
    "sidecars[].role: Adapter": "sidecars: [{name: helper, image: b, role: Adapter, ports: [{containerPort: 9}]}]",
    "sidecars[].role: Ambassador": "sidecars: [{name: db, image: b, role: Ambassador, ports: [{containerPort: 9}]}]",
    "sidecars[].native: false": "sidecars: [{name: helper, image: b, native: false}]",
    "files[].content": "files: [{path: /etc/a, content: a}]",
    "files[].base64": "files: [{path: /etc/a, base64: YQ==}]",
    "files[].valueFrom": "files: [{path: /etc/a, valueFrom: {secretKeyRef: {name: a, key: a}}}]",
    "volumes[].emptyDir": mounted("emptyDir: {}"),
    "volumes[].hostPath": mounted("hostPath: {path: /sys}"),
    "volumes[].nodeCache": mounted("nodeCache: {}"),
    "workload.metadata": "workload: {metadata: {labels: {team: a}}}",
    "volumes[].claim": claimed("perReplica: false"),
    "volumes[].claim.perReplica: true": claimed("perReplica: true"),
    "volumes[].claim.retentionPolicy.whenDeleted: Delete": claimed(
        "perReplica: false, retentionPolicy: {whenDeleted: Delete}"
    ),
    "volumes[].claim.retentionPolicy.whenScaled: Delete": claimed(
        "perReplica: true, retentionPolicy: {whenScaled: Delete}"
    ),
    "service": "service: {type: NodePort}",
    "services": "services: [{name: admin, ports: [{port: 8000}]}]",
    "serviceAccount": "serviceAccount: {}",
    "ingress": "ingress: {hosts: [a.example.com]}",
    "httpRoute": "httpRoute: {parentRefs: [{name: gateway}]}",
    "serviceMonitor": "serviceMonitor: {endpoints: [{port: http}]}",
    "networkPolicy": "networkPolicy: {}",
    "pod.metadata": "pod: {metadata: {labels: {team: a}}}",
    "pod.restartPolicy: Always": "pod: {restartPolicy: Always}",
    "pod.restartPolicy: OnFailure": "pod: {restartPolicy: OnFailure}",
    "pod.restartPolicy: Never": "pod: {restartPolicy: Never}",
    "pod.activeDeadlineSeconds": "pod: {activeDeadlineSeconds: 60}",
    "pod.hostname": "pod: {hostname: a}",
    "pod.subdomain": "pod: {subdomain: a}",
    "pod.hostNetwork": "pod: {hostNetwork: true}",
    "pod.nodeSelector": "pod: {nodeSelector: {a: b}}",
    "pod.tolerations": "pod: {tolerations: [{operator: Exists}]}",
    "pod.affinity": "pod: {affinity: {podAntiAffinity: {}}}",
    "podSecurity": "podSecurity: restricted",
    "pod.securityContext": "pod: {securityContext: {runAsUser: 1}}",
    "pod.topologySpreadConstraints": """
        pod: {topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, maxSkew: 1}]}
        """,
    "pod.terminationGracePeriodSeconds": "pod: {terminationGracePeriodSeconds: 60}",
    "dependsOn": "dependsOn: [{name: db}]",
    "paused": "paused: true",
}
"""For each row of the table, a spec that uses the field."""

NOT_RENDERED = {
    *(f"{field} on {kind}" for field in ("dependsOn", "paused") for kind in KINDS),  # the operator itself reads it
    *(f"pod.restartPolicy: OnFailure on {kind}" for kind in ("Job", "CronJob")),  # the default of these kinds
}
"""Supported fields that do not change the rendered objects; every other supported field does."""


@dataclass(frozen=True)
class Cell:
    """One field on one kind of workload, with the field of the combination if the kind rejects only that."""

    row: FieldSupport
    kind: WorkloadKindName
    combined_with: str = ""  # spec.pod.restartPolicy: Never
    reason: UnsupportedReason | None = None

    def __str__(self) -> str:
        """Return the cell as a sentence, the name of its test."""
        outcome = "is supported"
        if self.reason:
            outcome = "is rejected" if self.reason.severity is Severity.ERROR else "is warned of"
        return f"{self.row} on {self.kind}{' with ' if self.combined_with else ''}{self.combined_with} {outcome}"

    def spec(self, *, used: bool = True) -> dict[str, Any]:
        """Return a spec of the kind, with the field (`used`) or without."""
        workload = {"kind": self.kind, **({"cronJob": {"schedule": "@daily"}} if self.kind == "CronJob" else {})}
        spec: dict[str, Any] = {**yaml.safe_load(VALID_SPEC), "workload": workload}
        if used:
            example = yaml.safe_load(EXAMPLES[str(self.row)])
            spec |= {**example, "workload": {**workload, **example.get("workload", {})}}
        if self.combined_with:
            path, _, value = self.combined_with.partition(": ")
            *parents, last = path.split(".")[1:]
            parent = spec
            for name in parents:
                parent = parent.setdefault(name, {})
            parent[last] = value
        return spec


def cells() -> Iterator[Cell]:
    """Yield every cell; a field that is rejected only in combinations has one without and one for each of them."""
    for row in SUPPORT_TABLE:
        for kind in KINDS:
            reason = row.unsupported_on.get(kind)
            if reason is None or reason.only_with:
                yield Cell(row, kind)
            for combined_with in (reason.only_with or ("",)) if reason else ():
                yield Cell(row, kind, combined_with, reason)


@pytest.mark.parametrize("cell", list(cells()), ids=str)
def test_field_is_rendered_or_rejected(cell: Cell) -> None:
    desired = stack(yaml.safe_dump(cell.spec()))
    issues = validate(desired, SETTINGS)
    if cell.reason is None:
        assert [] == [issue for issue in issues if issue.severity is Severity.ERROR]
        unused = stack(yaml.safe_dump(cell.spec(used=False)))
        with_field, without_field = (render(each, settings=SETTINGS) for each in (desired, unused))
        assert cell.kind in [manifest["kind"] for manifest in with_field]
        assert (f"{cell.row} on {cell.kind}" in NOT_RENDERED) is (with_field == without_field)
    else:
        field = f"spec.{cell.row.path}".replace("[]", "[0]")
        found = [(issue.message, issue.hint, issue.severity) for issue in issues if issue.field == field]
        assert [(cell.reason.message.format(kind=cell.kind), cell.reason.hint, cell.reason.severity)] == found


def test_table_covers_every_field_and_kind() -> None:
    fields = {field.alias or name for name, field in AppStackSpec.model_fields.items()} - {"workload"}
    options = {f"workload.{field.alias or name}" for name, field in Workload.model_fields.items()} - {"workload.kind"}
    paths = {row.path for row in SUPPORT_TABLE}
    covered = {
        name
        for name in fields | options
        if any(path == name or path.startswith((f"{name}.", f"{name}[")) for path in paths)
    }

    assert fields | options == covered
    assert {str(row) for row in SUPPORT_TABLE} == set(EXAMPLES)
    assert set(CHECKS_BY_KIND) == set(KINDS)
