"""Conversion of Kubernetes objects: the AppStack and the notes."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.manifests_to_convert import conversion, deployment, differences, notes, only, service, spec

SERVICE = service("ports: [{port: 8000}]")


def test_shortest_spec_has_only_the_backend() -> None:
    result = only(deployment(), SERVICE)

    assert result.document == yaml.safe_load("""
        apiVersion: appstack.dev/v1alpha1
        kind: AppStack
        metadata: {name: shop}
        spec: {backend: {image: 'shop:1', ports: [{containerPort: 8000}]}}
    """)
    assert differences(deployment(), SERVICE) == []


def test_every_change_has_a_note() -> None:
    assert notes(deployment(), SERVICE) == [
        "changed: Deployment/shop spec.selector: AppStack selects its pods by the label appstack.dev/stack",
        "omitted: Deployment/shop spec.template.metadata.labels[app]: "
        "'shop' is used by no selector that remains: AppStack selects by appstack.dev/stack",
        "changed: Service/shop spec.selector: AppStack selects its pods by the label appstack.dev/stack",
        "added: Deployment/shop spec.template.spec.containers[backend].terminationMessagePolicy: a default of AppStack",
        "added: Deployment/shop spec.strategy.rollingUpdate.maxUnavailable: a default of AppStack",
        "added: Deployment/shop spec.template.spec.containers[backend].readinessProbe: a default of AppStack",
        "added: Deployment/shop spec.template.spec.containers[backend].lifecycle.preStop: a default of AppStack",
    ]


def test_fields_that_equal_a_default_are_left_out() -> None:
    container = """{name: backend, image: 'shop:1', imagePullPolicy: IfNotPresent, terminationMessagePolicy: File,
        resources: {}, ports: [{containerPort: 8000, protocol: TCP}],
        readinessProbe: {httpGet: {path: /ready, port: 8000, scheme: HTTP}, timeoutSeconds: 1, periodSeconds: 10}}"""
    pod = f"containers: [{container}], restartPolicy: Always, dnsPolicy: ClusterFirst, securityContext: {{}}"

    assert spec(deployment(pod, "progressDeadlineSeconds: 600"), SERVICE) == {
        "backend": {
            "image": "shop:1",
            "ports": [{"containerPort": 8000}],
            "readinessProbe": {"httpGet": {"path": "/ready"}},
        }
    }
    assert differences(deployment(pod, "progressDeadlineSeconds: 600"), SERVICE) == []


def test_written_strategy_is_kept_and_a_default_one_is_not() -> None:
    percent = "strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}"
    live = deployment(spec=percent).replace("{name: shop}", "{name: shop, uid: 1-2}", 1)

    assert spec(deployment(spec=percent))["workload"]["deployment"] == yaml.safe_load(percent)
    assert "workload" not in spec(live)
    assert "workload" not in spec(deployment(spec="strategy: {type: RollingUpdate}"))
    assert spec(deployment(spec="strategy: {type: Recreate}"))["workload"] == {
        "deployment": {"strategy": {"type": "Recreate"}}
    }


@pytest.mark.parametrize(
    ("selecting", "is_kept"),
    [
        ("", False),
        (service("ports: [{port: 1}]"), False),
        ("---\n{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: x}, "
         "spec: {maxUnavailable: 1, selector: {matchLabels: {app: shop}}}}", False),
        ("---\n{apiVersion: monitoring.coreos.com/v1, kind: PodMonitor, metadata: {name: x}, "
         "spec: {selector: {matchLabels: {app: shop}}}}", True),
        ("---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: x}, spec: {podSelector: "
         "{matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: shop}}}]}]}}",
         True),
        (service("ports: [{port: 1}]", name="both") + deployment(name="other"), True),
    ],
    ids=["nothing", "its Service", "its budget", "PodMonitor", "peer of a policy", "Service of two workloads"],
)  # fmt: skip
def test_label_is_left_out_unless_something_selects_it(selecting: str, is_kept: bool) -> None:
    result = conversion(deployment(), selecting).results[0]

    assert (result.document["spec"].get("pod", {}).get("metadata") == {"labels": {"app": "shop"}}) is is_kept


@pytest.mark.parametrize(
    "pod",
    [
        "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
        "[{topologyKey: zone, labelSelector: {matchLabels: {app: shop}}}]}}",
        "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, "
        "labelSelector: {matchLabels: {}}, matchLabelKeys: [app]}]",
        "containers: [{name: backend, image: x, env: [{name: APP, valueFrom: {fieldRef: {fieldPath: "
        "\"metadata.labels['app']\"}}}]}]",
        "volumes: [{name: info, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]",
    ],
    ids=["affinity", "matchLabelKeys", "env", "downward API"],
)
def test_label_that_the_pod_itself_uses_is_kept(pod: str) -> None:
    assert spec(deployment(pod))["pod"]["metadata"] == {"labels": {"app": "shop"}}


def test_unknown_field_and_unconverted_field_have_a_note() -> None:
    found = notes(deployment("hostNetwrk: true", "rollbackTo: {revision: 2}"))

    assert [line for line in found if line.startswith("not converted")] == [
        "not converted: Deployment/shop -> AppStack/shop spec.workload.deployment.rollbackTo: "
        'no such field; its value is {"revision":2}',
        "not converted: Deployment/shop -> AppStack/shop spec.pod.hostNetwrk: no such field; its value is true",
    ]


def test_fields_that_the_cluster_writes_are_left_out_without_a_note() -> None:
    live = """
        uid: 3b, resourceVersion: '7', generation: 2, creationTimestamp: '2026-01-01T00:00:00Z', managedFields: [{}],
        annotations: {deployment.kubernetes.io/revision: '3', kubectl.kubernetes.io/last-applied-configuration: '{}'}"""
    text = deployment().replace("{name: shop}", f"{{name: shop, {live}}}", 1) + "\nstatus: {replicas: 1}\n"
    assigned = "clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack"
    live_service = service(f"{assigned}, ports: [{{port: 8000, targetPort: 8000}}]", metadata="uid: 4c")

    assert only(text, live_service).document == only(deployment(), SERVICE).document
    assert notes(text, live_service) == notes(deployment(), SERVICE)


def test_address_in_a_file_is_kept() -> None:
    assert spec(deployment(), service("clusterIP: 10.96.0.10, ports: [{port: 8000}]"))["service"] == {
        "clusterIP": "10.96.0.10"
    }


def test_owner_of_an_object_is_named() -> None:
    owned = "{name: shop, ownerReferences: [{kind: Rollout, name: shop, apiVersion: v1, uid: u}]}"

    assert (
        "required: Deployment/shop metadata.ownerReferences: Rollout/shop controls the object, and would create it "
        "again: change that object instead"
    ) in notes(deployment().replace("{name: shop}", owned, 1))


def test_objects_that_belong_to_no_stack_are_listed() -> None:
    others = """
---
{apiVersion: v1, kind: Secret, metadata: {name: password}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: unused}}
---
{apiVersion: v1, kind: Service, metadata: {name: elsewhere}, spec: {type: ExternalName, externalName: db.example}}
"""
    assert notes(deployment(), others)[:3] == [
        "not converted: Secret/password: no AppStack contains this kind; continue to apply it",
        "kept: ConfigMap/unused: belongs to no workload of the input; continue to apply it",
        "kept: Service/elsewhere: belongs to no workload of the input; continue to apply it",
    ]


def test_service_in_front_of_two_workloads_is_kept() -> None:
    assert notes(deployment(), deployment(name="canary"), SERVICE)[0] == (
        "kept: Service/shop: belongs to several workloads (Deployment/shop, Deployment/canary); continue to apply it"
    )


def test_objects_of_another_namespace_do_not_belong_to_a_workload() -> None:
    elsewhere = SERVICE.replace("{name: shop, }", "{name: shop, namespace: other}")

    assert "namespace: other" in elsewhere
    assert notes(deployment(), elsewhere)[0].startswith("kept: Service/shop: belongs to no workload")


def test_former_api_version_is_converted_with_a_note() -> None:
    text = deployment().replace("apps/v1", "extensions/v1beta1")

    assert spec(text)["backend"]["image"] == "shop:1"
    assert (
        "changed: Deployment/shop apiVersion -> AppStack/shop spec.workload.kind: extensions/v1beta1 becomes apps/v1"
    ) in notes(text)


def test_two_workloads_of_one_name_get_two_names() -> None:
    job = """
---
apiVersion: batch/v1
kind: Job
metadata: {name: shop}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: backend, image: x}]}}}
"""

    assert [result.name for result in conversion(deployment(), job).results] == ["shop", "shop-job"]


def test_refused_appstack_is_returned_with_its_errors() -> None:
    result = only(deployment("containers: [{name: backend, image: x, volumeMounts: [{name: data, mountPath: /x}]}]"))

    assert result.comparison is None
    assert [str(note) for note in result.notes if note.kind == "refused"] == [
        "refused: Deployment/shop -> AppStack/shop spec.backend.volumeMounts[0].name: there is no volume 'data' "
        "(declare the volume in spec.volumes)"
    ]


@pytest.mark.parametrize(
    ("value", "metadata"),
    [("shop", {}), ("other", {"labels": {"app.kubernetes.io/name": "other"}})],
    ids=["AppStack's own value", "another value"],
)
def test_recommended_label_keeps_its_value(value: str, metadata: dict[str, object]) -> None:
    text = deployment(labels=f"app.kubernetes.io/name: {value}")

    assert spec(text).get("pod", {}).get("metadata", {}) == metadata
    assert differences(text) == []


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("metadata: {labels: {app: shop}}", "metadata: {labels: 1}", "Deployment/shop"),
        ("metadata: {labels: {app: shop}}", "metadata: {labels: {app: []}}", "Deployment/shop"),
        ("spec: {containers: ", "spec: {volumes: 1, containers: ", "Deployment/shop"),
        ("containers: [", "containers: [x, ", "Deployment/shop"),
        ("ports: [{containerPort: 8000}]", "ports: 80", "Deployment/shop"),
    ],
)
def test_malformed_object_is_refused_and_the_others_are_converted(old: str, new: str, refused: str) -> None:
    text = deployment().replace(old, new, 1)
    assert text != deployment()

    found = notes(text, deployment(name="other"))
    assert [line for line in found if line.startswith(f"refused: {refused}: a field has a value of the wrong type (")]
    assert any(result.name == "other" and result.stack for result in conversion(text, deployment(name="other")).results)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "{}",
            "required: Deployment/ metadata.name -> AppStack/appstack metadata.name: "
            "has no name; it is 'appstack' here",
        ),
        (
            "{name: shop.v2}",
            "changed: Deployment/shop.v2 metadata.name -> AppStack/shop-v2 metadata.name: "
            "becomes 'shop-v2', and with it the name of the Deployment",
        ),
    ],
    ids=["none", "no DNS label"],
)  # fmt: skip
def test_name_that_no_appstack_can_have_is_reported(name: str, line: str) -> None:
    assert line in notes(deployment().replace("{name: shop}", name, 1))


def test_empty_strings_that_kubernetes_reads_as_unset_are_left_out() -> None:
    pod = "containers: [{name: backend, image: 'shop:1', imagePullPolicy: ''}], priorityClassName: '', affinity: "

    assert spec(deployment(pod)) == {"backend": {"image": "shop:1"}}
    assert differences(deployment(pod)) == []


def test_helm_hook_is_reported() -> None:
    text = deployment().replace("{name: shop}", "{name: shop, annotations: {helm.sh/hook: pre-install}}", 1)

    assert (
        "required: Deployment/shop metadata.annotations[helm.sh/hook] -> AppStack/shop spec.workload: "
        "Helm runs it at pre-install; as an AppStack it runs when it is applied"
    ) in notes(text)


def test_stateful_set_without_a_service_gets_one() -> None:
    text = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: ""
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: backend, image: x}]}}
"""
    assert differences(text) == []
    assert {
        "added: StatefulSet/db spec.serviceName: a default of AppStack",
        "added: Service/db-pods: a default of AppStack",
    } <= set(notes(text))
