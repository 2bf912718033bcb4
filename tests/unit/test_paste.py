"""Parts of a pasted Kubernetes manifest that keep their meaning in an AppStack."""

from __future__ import annotations

from typing import Any

import pytest

from appstack.api import parse
from appstack.errors import InvalidSpec, Severity
from appstack.k8s.metadata import Manifest
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from appstack.validation.unknown_fields import unknown_fields
from tests.unit.stacks import issue_messages, stack
from tests.unit.test_render_pod import WEB, rendered


def pod_spec(*texts: str, kind: str = "Deployment") -> Manifest:
    """Return the rendered spec of the pods of a valid AppStack."""
    objects = rendered(*texts)
    assert not [issue for issue in validate(stack(*texts), Settings()) if issue.severity is Severity.ERROR]
    spec: Manifest = objects[kind]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ServiceAccount", "PersistentVolumeClaim"])
def test_labels_of_the_author_replace_the_default_ones(kind: str) -> None:
    own = "{metadata: {labels: {app.kubernetes.io/name: web, app.kubernetes.io/managed-by: Helm, tier: a}}}"
    claim = f"{own[:-1]}, resources: {{requests: {{storage: 1Gi}}}}}}"
    objects = rendered(
        WEB,
        f"{{workload: {own}, pod: {own}, service: {own}, serviceAccount: {own}}}",
        f"volumes: [{{name: v, claim: {claim}}}]",
    )

    expected = {
        "app.kubernetes.io/name": "web",
        "app.kubernetes.io/managed-by": "Helm",
        "tier": "a",
        "appstack.dev/stack": "shop",
    }
    assert expected.items() <= objects[kind]["metadata"]["labels"].items()
    assert expected == objects["Deployment"]["spec"]["template"]["metadata"]["labels"]


def test_selectors_use_no_label_of_the_author() -> None:
    objects = rendered(WEB, "{pod: {metadata: {labels: {app: web}}}, podDisruptionBudget: {maxUnavailable: 1}}")

    for kind in ("Deployment", "PodDisruptionBudget"):
        assert {"matchLabels": {"appstack.dev/stack": "shop"}} == objects[kind]["spec"]["selector"]
    assert {"appstack.dev/stack": "shop"} == objects["Service"]["spec"]["selector"]


def test_labels_and_annotations_of_the_appstack_are_not_copied() -> None:
    document = stack(WEB).model_dump(by_alias=True, exclude_none=True)
    own = {"labels": {"argocd.argoproj.io/instance": "x"}, "annotations": {"argocd.argoproj.io/tracking-id": "x"}}
    named = type(stack(WEB)).model_validate({**document, "metadata": {**document["metadata"], **own}})

    assert "argocd" not in str(render(named, settings=Settings()))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        *((kind, "") for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job")),
        ("CronJob", ", cronJob: {schedule: '@daily'}"),
    ],
)
def test_metadata_of_the_workload_is_not_that_of_its_pods(kind: str, more: str) -> None:
    metadata = "metadata: {labels: {a: b}, annotations: {reloader.stakater.com/auto: 'true'}}"
    workload = rendered(WEB, f"workload: {{kind: {kind}, {metadata}{more}}}")[kind]

    assert "b" == workload["metadata"]["labels"]["a"]
    assert {"reloader.stakater.com/auto": "true"} == workload["metadata"]["annotations"]
    assert "reloader" not in str(workload["spec"])


def test_names_of_backend_and_proxy_are_those_of_the_containers() -> None:
    spec = pod_spec(
        WEB,
        "{backend: {image: s, name: web, ports: [{containerPort: 1}]}, proxy: {name: nginx}, "
        "files: [{path: /a, content: a}, {path: /b, container: web, content: b}, "
        "{path: /c, container: nginx, content: c}], initContainers: [{name: migrate}]}",
    )
    named = {container["name"]: container for container in [*spec["initContainers"], *spec["containers"]]}
    paths = {name: {mount["mountPath"] for mount in each["volumeMounts"]} for name, each in named.items()}

    assert {"/a", "/b"} == paths["web"] == paths["migrate"]
    assert {"/c", "/etc/nginx/nginx.conf"} <= paths["nginx"]
    assert not {"backend", "proxy"} & named.keys()


def test_file_has_the_same_key_by_both_names_of_its_container() -> None:
    files = "[{path: /a, container: %s, content: a}]"
    by_role, by_name = (
        rendered(WEB, f"{{backend: {{image: s, name: web}}, files: {files % name}}}")["ConfigMap"]
        for name in ("backend", "web")
    )

    assert by_role == by_name


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("affinity: {nodeAffinity: null, podAffinity: {}}", {"affinity": {"podAffinity": {}}}),
        ("tolerations: null", {}),
        ("dnsPolicy: ''", {}),
    ],
)
def test_null_and_empty_enum_of_kubernetes_are_unset(spec: str, expected: dict[str, Any]) -> None:
    plain = pod_spec(WEB)

    assert plain | expected == pod_spec(WEB, f"pod: {{{spec}}}")


def test_null_list_is_empty() -> None:
    plain = "backend: {image: s}"

    assert pod_spec(plain) == pod_spec(plain, "{initContainers: null, sidecars: null, volumes: null, files: null}")


@pytest.mark.parametrize(
    "spec",
    [
        {"pod": {"affinity": {"nodeAffinity": None}}},
        {"workload": {"statefulSet": {"podManagementPolicy": ""}}},
        {"backend": {"lifecycle": None, "imagePullPolicy": ""}},
        {"initContainers": None, "volumes": None},
    ],
)
def test_null_and_empty_enum_of_kubernetes_are_not_reported(spec: dict[str, Any]) -> None:
    assert () == unknown_fields({"spec": spec})


@pytest.mark.parametrize(
    "spec", [{"proxy": None}, {"workload": {"deployment": None}}, {"volumes": [{"name": "v", "nodeCache": None}]}]
)
def test_null_block_of_appstack_is_reported(spec: dict[str, Any]) -> None:
    (issue,) = unknown_fields({"spec": spec})

    assert issue.message == "is empty and is ignored"


def test_numbers_are_quantities_of_every_type() -> None:
    objects = rendered(
        WEB,
        """
        backend: {image: s, resources: {limits: {cpu: 0.5, memory: 1000000}}}
        autoscaling:
          maxReplicas: 3
          metrics: [{type: Pods, pods: {metric: {name: requests}, target: {type: AverageValue, averageValue: 20}}}]
        volumes:
        - name: scratch
          ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1000}}}}}
        """,
    )
    (metric,) = objects["HorizontalPodAutoscaler"]["spec"]["metrics"]
    spec = objects["Deployment"]["spec"]["template"]["spec"]

    assert "20" == metric["pods"]["target"]["averageValue"]
    assert {"cpu": "0.5", "memory": "1000000"} == spec["containers"][0]["resources"]["limits"]
    claim = spec["volumes"][0]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert {"storage": "1000"} == claim["resources"]["requests"]


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("{}", 8000),
        ("service: {ports: [{port: 80, targetPort: http}]}", 8000),
        ("service: {ports: [{port: 80, targetPort: 9000}]}", 9000),
        ("service: {ports: [{port: 9000}]}", 9000),
        ("{service: {enabled: false}, services: [{name: a, ports: [{port: 9000}]}]}", 9000),
        ("service: {ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 9000}]}", 9000),
        ("{service: {ports: [{port: 9}]}, sidecars: [{name: s, image: i, ports: [{containerPort: 9}]}]}", None),
        ("service: {enabled: false}", None),
        ("service: {ports: [{port: 53, protocol: UDP}]}", None),
    ],
)
def test_default_readiness_asks_the_port_that_the_service_leads_to(text: str, port: int | None) -> None:
    backend = "backend: {image: s, ports: [{name: http, containerPort: 8000}, {name: admin, containerPort: 9000}]}"
    container = pod_spec(backend, text)["containers"][0]

    expected = None if port is None else {"tcpSocket": {"port": port}, "periodSeconds": 2}
    assert expected == container.get("readinessProbe")


def test_headless_service_without_ports_is_rendered() -> None:
    service = rendered("{backend: {image: s}, service: {clusterIP: None}}")["Service"]

    assert {"clusterIP": "None", "selector": {"appstack.dev/stack": "shop"}} == service["spec"]


def test_unnamed_ports_of_the_backend_get_names_in_a_service_of_several() -> None:
    ports = rendered("backend: {image: s, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}")["Service"]

    assert ["tcp-80", "udp-53"] == [port["name"] for port in ports["spec"]["ports"]]
    assert "name" not in rendered("backend: {image: s, ports: [{containerPort: 80}]}")["Service"]["spec"]["ports"][0]


def services(*texts: str) -> dict[str, Manifest]:
    """Return the rendered Services of an AppStack by name."""
    objects = render(stack(*texts), settings=Settings())
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == "Service"}


STATEFUL = "workload: {kind: StatefulSet, statefulSet: {serviceName: peers}}"


@pytest.mark.parametrize(
    ("texts", "names", "governing"),
    [
        (("workload: {kind: StatefulSet}",), {"shop", "shop-pods"}, "shop-pods"),
        (("workload: {kind: StatefulSet}", "service: {clusterIP: None}"), {"shop"}, "shop"),
        (("workload: {kind: StatefulSet}", "service: {name: db, clusterIP: None}"), {"db"}, "db"),
        ((STATEFUL,), {"shop", "peers"}, "peers"),
        ((STATEFUL, "service: {name: peers, clusterIP: None}"), {"peers"}, "peers"),
        ((STATEFUL, "service: {enabled: false}"), {"peers"}, "peers"),
        ((STATEFUL, "services: [{name: peers, clusterIP: None}]"), {"shop", "peers"}, "peers"),
    ],
)
def test_name_of_the_service_that_names_the_pods(texts: tuple[str, ...], names: set[str], governing: str) -> None:
    found = services(*texts)

    assert names == found.keys()
    assert "None" == found[governing]["spec"]["clusterIP"]
    assert governing == rendered(WEB, *texts)["StatefulSet"]["spec"]["serviceName"]


def test_routes_lead_to_the_service_by_its_name() -> None:
    objects = rendered(WEB, "{service: {name: web}, ingress: {}, httpRoute: {parentRefs: [{name: g}]}}")
    (rule,) = objects["Ingress"]["spec"]["rules"]

    assert "web" == objects["Service"]["metadata"]["name"]
    assert "web" == rule["http"]["paths"][0]["backend"]["service"]["name"]
    assert "web" == objects["HTTPRoute"]["spec"]["rules"][0]["backendRefs"][0]["name"]


DEFAULT_RULE = {"ports": [{"port": 8000, "protocol": "TCP"}]}
DNS = {"ports": [{"port": 53, "protocol": "UDP"}]}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("{}", {"policyTypes": ["Ingress"], "ingress": [DEFAULT_RULE]}),
        (
            "{egress: [{ports: [{port: 53, protocol: UDP}]}]}",
            {"policyTypes": ["Ingress", "Egress"], "ingress": [DEFAULT_RULE], "egress": [DNS]},
        ),
        ("{ingress: [{}]}", {"policyTypes": ["Ingress"], "ingress": [{}]}),
        ("{ingress: []}", {"policyTypes": ["Ingress"], "ingress": []}),
        ("{policyTypes: [Egress], egress: []}", {"policyTypes": ["Egress"], "egress": []}),
        ("{policyTypes: [Ingress]}", {"policyTypes": ["Ingress"], "ingress": []}),
        (
            "{policyTypes: [Ingress], from: [{podSelector: {}}]}",
            {"policyTypes": ["Ingress"], "ingress": [DEFAULT_RULE | {"from": [{"podSelector": {}}]}]},
        ),
    ],
)
def test_network_policy_takes_the_rules_of_kubernetes(policy: str, expected: Manifest) -> None:
    spec = rendered(WEB, f"networkPolicy: {policy}")["NetworkPolicy"]["spec"]

    assert {"podSelector": {"matchLabels": {"appstack.dev/stack": "shop"}}} | expected == spec


@pytest.mark.parametrize(
    ("policy", "messages"),
    [
        ("{from: [{podSelector: {}}], ingress: [{}]}", ["spec.networkPolicy.from: cannot be combined with ingress"]),
        ("{policyTypes: [Egress], ingress: [{}]}", ["spec.networkPolicy.ingress: has no effect"]),
        (
            "{policyTypes: [Ingress], egress: [{}], from: [{podSelector: {}}]}",
            ["spec.networkPolicy.egress: has no effect"],
        ),
        ("{policyTypes: [Ingress]}", ["Warning: spec.networkPolicy.policyTypes: allows no ingress"]),
        ("{ingress: [{from: [{}]}]}", ["spec.networkPolicy.ingress[0].from[0]: selects no peer"]),
        ("{egress: [{to: [{ipBlock: {cidr: x}}]}]}", ["spec.networkPolicy.egress[0].to[0].ipBlock.cidr: 'x' is not"]),
        ("{ingress: []}", []),
    ],
)
def test_rules_of_a_network_policy_are_checked(policy: str, messages: list[str]) -> None:
    found = issue_messages(f"networkPolicy: {policy}")

    assert len(messages) == len(found)
    assert all(line.startswith(message) for line, message in zip(found, messages, strict=True))


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("workload: {kind: Job}", True),
        ("workload: {kind: CronJob, cronJob: {schedule: '@daily'}}", True),
        ("{workload: {kind: Pod}, pod: {restartPolicy: Never}}", True),
        ("workload: {kind: Pod}", False),
        ("{}", False),
    ],
)
def test_ordinary_sidecar_of_a_job_is_a_warning(text: str, warns: bool) -> None:
    messages = issue_messages(text, "sidecars: [{name: a, image: y, native: false}]")

    kind = (stack(text).spec.workload).kind
    expected = (
        f"Warning: spec.sidecars[0].native: the {kind} completes only when this container ends, too "
        "(remove native: false to end it with the backend)"
    )
    assert ([expected] if warns else []) == messages


def test_file_of_a_secret_that_nginx_reads_as_a_certificate_is_a_warning() -> None:
    secret = "valueFrom: {secretKeyRef: {name: tls, key: tls.crt}}"
    files = (
        f"files: [{{path: /etc/nginx/tls.crt, container: proxy, {secret}}}, "
        f"{{path: /tls/tls.key, container: proxy, {secret}}}, {{path: /tls/other, container: proxy, {secret}}}]"
    )
    text = "ssl_certificate tls.crt; location /a { proxy_ssl_certificate_key /tls/tls.key; }"
    server = f"proxy: {{serverSnippet: '{text}'}}"

    messages = issue_messages(server, files)

    for index, name in ((0, "ssl_certificate"), (1, "proxy_ssl_certificate_key")):
        assert messages[index].startswith(
            f"Warning: spec.files[{index}].valueFrom.secretKeyRef: nginx reads this file as {name}, and a change of "
            "the Secret does not reach it (restart the pods on a change"
        )
    assert 2 == len(messages)


def test_template_fields_of_a_stateful_set_have_a_hint() -> None:
    options = {"volumeClaimTemplates": [], "persistentVolumeClaimRetentionPolicy": {}, "replicas": 1, "selector": {}}
    document = {
        "apiVersion": "appstack.dev/v1alpha1",
        "kind": "AppStack",
        "metadata": {"name": "shop"},
        "spec": {"backend": {"image": "x"}, "workload": {"kind": "StatefulSet", "statefulSet": options}},
    }
    with pytest.raises(InvalidSpec) as raised:
        parse(document)

    field = "spec.workload.statefulSet"
    assert {
        f"{field}.volumeClaimTemplates": "write spec.volumes[].claim with perReplica: true",
        f"{field}.persistentVolumeClaimRetentionPolicy": "write spec.volumes[].claim.retentionPolicy",
        f"{field}.replicas": "write spec.replicas",
        f"{field}.selector": "remove it: AppStack sets the selector",
    } == {issue.field: issue.hint for issue in raised.value.issues}


@pytest.mark.parametrize(
    ("rules", "has_default"),
    [
        ("preferredDuringSchedulingIgnoredDuringExecution: []", True),
        ("requiredDuringSchedulingIgnoredDuringExecution", False),
    ],
)
def test_pods_that_must_not_share_a_node_keep_the_strategy_of_kubernetes(rules: str, has_default: bool) -> None:
    required = "[{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}]"
    rule = rules if has_default else f"{rules}: {required}"
    deployment = rendered(WEB, f"pod: {{affinity: {{podAntiAffinity: {{{rule}}}}}}}")["Deployment"]

    assert has_default == ("strategy" in deployment["spec"])
