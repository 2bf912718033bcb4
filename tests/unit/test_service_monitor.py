"""The ServiceMonitor: rendering, the one Service that it selects, and validation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import yaml

from appstack.k8s.metadata import Manifest
from appstack.k8s.selectors import matches, parse
from appstack.render import render
from appstack.settings import Settings
from tests.unit.stacks import issue_messages, parametrize_cases, stack

MONITOR = "serviceMonitor: {endpoints: [{port: http}]}"
FULL = """
serviceMonitor:
  metadata: {labels: {release: prometheus}, annotations: {a.example/b: c}}
  jobLabel: app.kubernetes.io/name
  targetLabels: [app.kubernetes.io/name]
  podTargetLabels: [team]
  attachMetadata: {node: true}
  namespaceSelector: {matchNames: [default]}
  sampleLimit: 1000
  bodySizeLimit: 10MB
  scrapeProtocols: [OpenMetricsText1.0.0, PrometheusText0.0.4]
  convertClassicHistogramsToNHCB: true
  nativeHistogramMinBucketFactor: "1.1"
  endpoints:
  - port: http
    path: /internal/metrics
    interval: 30s
    scrapeTimeout: 10s
    scheme: https
    params: {module: [http_2xx]}
    enableHttp2: false
    authorization: {type: Bearer, credentials: {name: token, key: value}}
    tlsConfig:
      serverName: shop
      ca: {configMap: {name: ca, key: ca.crt}}
      cert: {secret: {name: client, key: tls.crt}}
      keySecret: {name: client, key: tls.key}
      minVersion: TLS12
    relabelings: [{sourceLabels: [__meta_kubernetes_pod_node_name], targetLabel: node, action: replace}]
    metricRelabelings: [{regex: go_.*, action: labeldrop}]
  - targetPort: 8000
    basicAuth: {username: {name: b, key: u}, password: {name: b, key: p}}
    proxyUrl: http://proxy.example.com:3128
    proxyConnectHeader: {X-A: [{name: h, key: k}]}
  - targetPort: http
    oauth2:
      clientId: {secret: {name: o, key: id}}
      clientSecret: {name: o, key: secret}
      tokenUrl: https://sso.example.com/token
      scopes: [metrics]
      endpointParams: {audience: shop}
"""


def objects(*texts: str) -> list[Manifest]:
    """Return the rendered objects."""
    return list(render(stack(*texts), settings=Settings()))


def of_kind(kind: str, *texts: str) -> Manifest:
    """Return the only object of a kind."""
    (found,) = (manifest for manifest in objects(*texts) if manifest["kind"] == kind)
    return found


def test_fields_of_the_prometheus_operator_are_passed_on() -> None:
    manifest = of_kind("ServiceMonitor", FULL)
    written = yaml.safe_load(FULL)["serviceMonitor"]
    metadata = written.pop("metadata")

    assert ("monitoring.coreos.com/v1", "shop") == (manifest["apiVersion"], manifest["metadata"]["name"])
    assert metadata["labels"].items() <= manifest["metadata"]["labels"].items()
    assert metadata["annotations"] == manifest["metadata"]["annotations"]
    selector = manifest["spec"].pop("selector")
    assert {"matchLabels": {"appstack.dev/service-monitor": "shop"}} == selector
    assert written == _as_json(manifest["spec"])
    assert issue_messages(FULL) == []


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_only_the_own_service_is_selected(kind: str) -> None:
    further = "services: [{name: admin, ports: [{port: 8000}]}, {name: peers, clusterIP: None}]"
    manifests = objects(f"workload: {{kind: {kind}}}", MONITOR, further)
    services = {each["metadata"]["name"]: each["metadata"]["labels"] for each in manifests if each["kind"] == "Service"}
    (monitor,) = (each for each in manifests if each["kind"] == "ServiceMonitor")
    ((key, value),) = monitor["spec"]["selector"]["matchLabels"].items()

    assert len(services) == (4 if kind == "StatefulSet" else 3)
    assert ["shop"] == [name for name, labels in services.items() if matches(parse(f"{key}={value}"), labels)]
    assert monitor["metadata"]["labels"].get(key) is None


def test_service_without_a_service_monitor_keeps_its_labels() -> None:
    assert "appstack.dev/service-monitor" not in of_kind("Service")["metadata"]["labels"]


def test_pods_do_not_depend_on_the_service_monitor() -> None:
    assert of_kind("Deployment") == of_kind("Deployment", MONITOR)


CASES: Mapping[str, tuple[str, Iterable[str]]] = {
    "port of the backend": (MONITOR, []),
    "port of the proxy": (f"{{proxy: {{}}, {MONITOR}}}", []),
    "port of the Service": (
        "{service: {ports: [{name: web, port: 80, targetPort: http}]}, serviceMonitor: {endpoints: [{port: web}]}}",
        [],
    ),
    "port that the Service does not have": (
        "{service: {ports: [{name: web, port: 80, targetPort: http}]}, serviceMonitor: {endpoints: [{port: http}]}}",
        ["spec.serviceMonitor.endpoints[0].port: the Service has no port of the name 'http' (use one of: web)"],
    ),
    "port of a further Service": (
        "{services: [{name: a, ports: [{name: admin, port: 8000}]}], serviceMonitor: {endpoints: [{port: admin}]}}",
        ["spec.serviceMonitor.endpoints[0].port: the Service has no port of the name 'admin' (use one of: http)"],
    ),
    "generated name of a backend port": (
        "{backend: {image: i, ports: [{containerPort: 1}, {containerPort: 2}]}, "
        "serviceMonitor: {endpoints: [{port: tcp-2}]}}",
        [],
    ),
    "headless Service without ports": (
        "{backend: {image: i}, service: {clusterIP: None}, serviceMonitor: {endpoints: [{port: http}]}}",
        [
            "spec.serviceMonitor: selects the Service of the AppStack, and there is none with a port "
            "(declare spec.backend.ports, and do not disable spec.service)"
        ],
    ),
    "Service ports without a name": (
        "{backend: {image: i, ports: [{containerPort: 1}]}, serviceMonitor: {endpoints: [{port: metrics}]}}",
        [
            "spec.serviceMonitor.endpoints[0].port: the Service has no port of the name 'metrics' "
            "(give the port a name in spec.service.ports, or set targetPort)"
        ],
    ),
    "no port": (
        "serviceMonitor: {endpoints: [{path: /metrics}]}",
        [
            "spec.serviceMonitor.endpoints[0].port: is required: without it, every port of the pods is scraped "
            "(use one of: http)"
        ],
    ),
    "target port that no container declares": (
        "serviceMonitor: {endpoints: [{targetPort: 9}, {targetPort: metrics}]}",
        [
            f"spec.serviceMonitor.endpoints[{index}].targetPort: no container declares the port {port}, so Prometheus "
            "does not find it (declare it in the ports of the container)"
            for index, port in ((0, 9), (1, "metrics"))
        ],
    ),
    "both ports": (
        "serviceMonitor: {endpoints: [{port: http, targetPort: 8000}]}",
        ["Warning: spec.serviceMonitor.endpoints[0].targetPort: has no effect beside port (remove one of the two)"],
    ),
    "no Service": (
        f"{{service: {{enabled: false}}, {MONITOR}}}",
        [
            "spec.serviceMonitor: selects the Service of the AppStack, and there is none with a port "
            "(declare spec.backend.ports, and do not disable spec.service)"
        ],
    ),
    "an alias": (
        f"{{service: {{type: ExternalName, externalName: a.example.com}}, {MONITOR}}}",
        [
            "spec.serviceMonitor: selects the Service of the AppStack, which is an alias of another host "
            "(use another type of Service)"
        ],
    ),
    "files of Prometheus": (
        "serviceMonitor: {endpoints: [{port: http, bearerTokenFile: /var/run/secrets/token, "
        "tlsConfig: {caFile: /a, certFile: /b, keyFile: /c}}]}",
        [
            f"spec.serviceMonitor.endpoints[0].{field}: names a file of Prometheus, which an AppStack must not use "
            f"({hint})"
            for field, hint in (
                ("bearerTokenFile", "use authorization.credentials, a key of a Secret"),
                ("tlsConfig.caFile", "use ca, a key of a Secret or ConfigMap"),
                ("tlsConfig.certFile", "use cert, a key of a Secret or ConfigMap"),
                ("tlsConfig.keyFile", "use keySecret, a key of a Secret"),
            )
        ],
    ),
    "other namespaces": (
        "serviceMonitor: {namespaceSelector: {any: true, matchNames: [default, prod]}, endpoints: [{port: http}]}",
        [
            "spec.serviceMonitor.namespaceSelector.any: selects Services of other namespaces (remove the field)",
            "spec.serviceMonitor.namespaceSelector.matchNames[1]: 'prod' is not the namespace of the AppStack, "
            "'default' (remove the field)",
        ],
    ),
    "labels that the Service does not have": (
        "{service: {metadata: {labels: {team: a}}}, "
        "serviceMonitor: {jobLabel: app, targetLabels: [team, tier], endpoints: [{port: http}]}}",
        [
            f"Warning: spec.serviceMonitor.{field}: the Service has no label {label!r} "
            "(add it to spec.service.metadata.labels, or remove it here)"
            for field, label in (("jobLabel", "app"), ("targetLabels[1]", "tier"))
        ],
    ),
}


@parametrize_cases(CASES)
def test_service_monitor(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines
