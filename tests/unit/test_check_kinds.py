"""Every field on every kind of workload, cell by cell: it passes and is rendered, or is refused with its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from appstack.api import AppStackSpec
from appstack.api.workloads import Kind, Workload
from appstack.errors import Severity
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import check
from appstack.validation.kinds import KINDS, TABLE, Refusal, Row
from appstack.validation.workload import BY_KIND
from tests.unit.stacks import GOOD, stack

SETTINGS = Settings(host_path_prefixes=("/sys",))


def mounted(source: str) -> str:
    """Return a spec whose backend mounts a volume of this source."""
    backend = "{image: shop:1, ports: [{containerPort: 8000}], volumeMounts: [{name: data, mountPath: /data}]}"
    return f"{{backend: {backend}, volumes: [{{name: data, {source}}}]}}"


def claimed(fields: str) -> str:
    """Return the same with a claim."""
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
    "proxy.server": "proxy: {server: 'gzip on;'}",
    "proxy.config": """
        proxy: {config: "events {} http { include /etc/nginx/appstack/*.conf; server { listen 8080; } }"}
        """,
    "initContainers": "initContainers: [{name: migrate, command: [a]}]",
    "initContainers[].restartPolicy": "initContainers: [{name: helper, image: h, restartPolicy: Always}]",
    "sidecars": "sidecars: [{name: beside, image: b}]",
    "sidecars[].role: Adapter": "sidecars: [{name: beside, image: b, role: Adapter, ports: [{containerPort: 9}]}]",
    "sidecars[].role: Ambassador": "sidecars: [{name: db, image: b, role: Ambassador, ports: [{containerPort: 9}]}]",
    "sidecars[].native: false": "sidecars: [{name: beside, image: b, native: false}]",
    "files[].content": "files: [{path: /etc/a, content: a}]",
    "files[].base64": "files: [{path: /etc/a, base64: YQ==}]",
    "files[].valueFrom": "files: [{path: /etc/a, valueFrom: {secretKeyRef: {name: a, key: a}}}]",
    "volumes[].emptyDir": mounted("emptyDir: {}"),
    "volumes[].hostPath": mounted("hostPath: {path: /sys}"),
    "volumes[].nodeCache": mounted("nodeCache: {}"),
    "volumes[].claim": claimed(""),
    "volumes[].claim.perReplica: true": claimed("perReplica: true"),
    "volumes[].claim.retentionPolicy.whenDeleted: Delete": claimed("retentionPolicy: {whenDeleted: Delete}"),
    "volumes[].claim.retentionPolicy.whenScaled: Delete": claimed(
        "perReplica: true, retentionPolicy: {whenScaled: Delete}"
    ),
    "service": "service: {type: NodePort}",
    "serviceAccount": "serviceAccount: {}",
    "ingress": "ingress: {hosts: [a.example.com]}",
    "httpRoute": "httpRoute: {parentRefs: [{name: gateway}]}",
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
    "pod.securityContext": "pod: {securityContext: {runAsUser: 1}}",
    "pod.topologySpreadConstraints": """
        pod: {topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, maxSkew: 1}]}
        """,
    "pod.terminationGracePeriodSeconds": "pod: {terminationGracePeriodSeconds: 60}",
    "paused": "paused: true",
}
"""By row: what an author writes to use the field."""

UNSEEN = {
    *(f"paused on {kind}" for kind in KINDS),  # it is the operator that heeds it
    *(f"pod.restartPolicy: OnFailure on {kind}" for kind in ("Job", "CronJob")),  # it is the default there
}
"""What works and yet is not seen in what is rendered; of everything else nothing is ignored."""


@dataclass(frozen=True)
class Cell:
    """One field on one kind of workload, and what it is laid beside where that matters."""

    row: Row
    kind: Kind
    beside: str = ""  # spec.pod.restartPolicy: Never
    refusal: Refusal | None = None

    def __str__(self) -> str:
        """The cell as a sentence."""
        severity = "refused" if self.refusal else "works"
        return f"{self.row} on {self.kind}{' with ' if self.beside else ''}{self.beside} {severity}"

    def spec(self, *, used: bool = True) -> dict[str, Any]:
        """Return a spec of that kind, with the field (`used`) or without."""
        workload = {"kind": self.kind, **({"cronJob": {"schedule": "@daily"}} if self.kind == "CronJob" else {})}
        spec: dict[str, Any] = {**yaml.safe_load(GOOD), "workload": workload}
        if used:
            example = yaml.safe_load(EXAMPLES[str(self.row)])
            spec |= {**example, "workload": {**workload, **example.get("workload", {})}}
        if self.beside:
            where, _, value = self.beside.partition(": ")
            *way, last = where.split(".")[1:]
            inside = spec
            for name in way:
                inside = inside.setdefault(name, {})
            inside[last] = value
        return spec


def cells() -> Iterator[Cell]:
    """Yield every cell; one that is refused beside something else only is two."""
    for row in TABLE:
        for kind in KINDS:
            refusal = row.refused.get(kind)
            if refusal is None or refusal.only_with:
                yield Cell(row, kind)
            for beside in (refusal.only_with or ("",)) if refusal else ():
                yield Cell(row, kind, beside, refusal)


@pytest.mark.parametrize("cell", list(cells()), ids=str)
def test_a_field_works_on_a_kind_or_is_refused_on_it_by_name(cell: Cell) -> None:
    wanted = stack(yaml.safe_dump(cell.spec()))
    errors = [issue for issue in check(wanted, SETTINGS) if issue.severity is Severity.ERROR]
    if cell.refusal is None:
        assert [] == errors
        unused = stack(yaml.safe_dump(cell.spec(used=False)))
        shown = [render(each, settings=SETTINGS) for each in (wanted, unused)]
        assert cell.kind in [each["kind"] for each in shown[0]]
        assert (f"{cell.row} on {cell.kind}" in UNSEEN) is (shown[0] == shown[1])
    else:
        name = f"spec.{cell.row.name}".replace("[]", "[0]")
        told = [(issue.message, issue.hint) for issue in errors if issue.field == name]
        assert [(cell.refusal.what.format(kind=cell.kind), cell.refusal.hint)] == told


def test_the_table_has_every_field_and_every_kind() -> None:
    fields = {field.alias or name for name, field in AppStackSpec.model_fields.items()} - {"workload"}
    options = {f"workload.{field.alias or name}" for name, field in Workload.model_fields.items()} - {"workload.kind"}
    rows = {row.name for row in TABLE}
    found = {
        name
        for name in fields | options
        if any(row == name or row.startswith((f"{name}.", f"{name}[")) for row in rows)
    }

    assert fields | options == found
    assert {str(row) for row in TABLE} == set(EXAMPLES)
    assert set(BY_KIND) == set(KINDS)
