"""The chart as Helm renders it with various values: roles, bindings, settings, and the objects of each option."""

from __future__ import annotations

import json
import subprocess
from typing import get_args

import pytest
import yaml

from appstack.k8s.metadata import Manifest
from appstack.settings import MAX_WATCHED_NAMESPACES, DisabledKind, Settings
from tests import chart_rbac
from tests.unit.test_chart import by_resource, required_rules, scrape_requests
from tools import chart
from tools.cluster import programs


def rendered(values: Manifest) -> list[Manifest]:
    """Return the objects of a release `r` in the namespace `system`, as Helm renders them."""
    helm = programs.ensure(["helm"])["helm"]
    command = [str(helm), "template", "r", str(chart.CHART), "--namespace", "system", "--values", "-"]
    result = subprocess.run(command, check=False, input=json.dumps(values), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def rendered_rules(values: Manifest) -> dict[tuple[str, str, str], list[Manifest]]:
    """Return the rules of the operator's roles by kind, namespace and name, each of which a binding must bind to it."""
    objects = [document for document in rendered(values) if document["apiVersion"].startswith("rbac.")]
    account = {"kind": "ServiceAccount", "name": "r-appstack", "namespace": "system"}
    found = {}
    for role in objects:
        place = (role["kind"], role["metadata"].get("namespace", ""), role["metadata"]["name"])
        if role["kind"].endswith("Role") and place[2] in ("r-appstack", "r-appstack-lease"):
            (binding,) = (
                each
                for each in objects
                if each["kind"] == f"{place[0]}Binding" and each["metadata"].get("namespace", "") == place[1]
                if each["roleRef"]["name"] == place[2]
            )
            assert [account] == binding["subjects"]
            assert role["kind"] == binding["roleRef"]["kind"]
            found[place] = role["rules"]
    return found


@pytest.mark.parametrize("count", [1, MAX_WATCHED_NAMESPACES])
def test_each_named_namespace_has_a_role_and_the_cluster_only_reads(count: int) -> None:
    names = [f"team-{number}" for number in range(count)]

    roles = rendered_rules({"settings": {"namespaces": names}})

    cluster, lease = ("ClusterRole", "", "r-appstack"), ("Role", "system", "r-appstack-lease")
    assert {cluster, lease, *(("Role", name, "r-appstack") for name in names)} == roles.keys()
    assert roles[cluster] == chart_rbac.cluster_rules()
    assert all(roles["Role", name, "r-appstack"] == chart_rbac.namespaced_rules() for name in names)
    assert Settings(namespaces=tuple(names)).watched_namespaces == tuple(names)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="none"),
        pytest.param(["team-a", "team-*"], id="pattern"),
        pytest.param(["team-[ab]"], id="set"),
        pytest.param([f"team-{number}" for number in range(MAX_WATCHED_NAMESPACES + 1)], id="too many"),
    ],
)
def test_other_selections_of_namespaces_need_the_cluster_role(names: list[str]) -> None:
    roles = rendered_rules({"settings": {"namespaces": names}})

    assert [("ClusterRole", "", "r-appstack"), ("Role", "system", "r-appstack-lease")] == sorted(roles)
    assert [*chart_rbac.cluster_rules(), *chart_rbac.namespaced_rules()] == roles["ClusterRole", "", "r-appstack"]
    assert Settings(namespaces=tuple(names)).watched_namespaces == ()


def test_disabled_kinds_have_neither_a_rule_nor_a_watch() -> None:
    values = dict.fromkeys(chart_rbac.optional_kinds(), False)

    objects = rendered({"rbac": {"kinds": values}})

    (text,) = (each["data"]["settings.yaml"] for each in objects if each["metadata"]["name"] == "r-appstack-settings")
    assert set(get_args(DisabledKind)) == set(Settings.model_validate(yaml.safe_load(text)).disabled_kinds)
    roles = rendered_rules({"rbac": {"kinds": values}})
    assert roles["ClusterRole", "", "r-appstack"][2:] == chart_rbac.namespaced_rules(values)


def test_metrics_are_authorized_only_with_the_permissions_for_it() -> None:
    metrics = {"authorization": True, "serviceMonitor": {"enabled": True}}
    objects = {(each["kind"], each["metadata"]["name"]): each for each in rendered({"metrics": metrics})}
    default = {(each["kind"], each["metadata"]["name"]): each for each in rendered({})}

    role = objects["ClusterRole", "r-appstack-metrics-authorization"]
    assert by_resource(role["rules"]) == required_rules(scrape_requests())
    (binding,) = objects["ClusterRoleBinding", "r-appstack-metrics-authorization"]["subjects"]
    assert ("r-appstack", "system") == (binding["name"], binding["namespace"])
    reader = objects["ClusterRole", "r-appstack-metrics-reader"]["rules"]
    assert [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}] == reader
    (endpoint,) = objects["ServiceMonitor", "r-appstack"]["spec"]["endpoints"]
    assert endpoint["bearerTokenFile"].endswith("serviceaccount/token")
    settings = ("ConfigMap", "r-appstack-settings")
    assert yaml.safe_load(objects[settings]["data"]["settings.yaml"])["metricsAuthorization"] is True
    assert "metricsAuthorization" not in default[settings]["data"]["settings.yaml"]
    assert set() == {name for _, name in default if "metrics-" in name}


def test_network_policy_lets_the_scrapers_in_and_the_kubelet() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    policies = [
        each["spec"]
        for scrapers in ([], [peer])
        for each in rendered({"networkPolicy": {"enabled": True, "scrapers": scrapers}})
        if each["kind"] == "NetworkPolicy"
    ]
    probes = {"ports": [{"port": "health", "protocol": "TCP"}]}

    assert [probes] == policies[0]["ingress"]
    assert [probes, {"ports": [{"port": "metrics", "protocol": "TCP"}], "from": [peer]}] == policies[1]["ingress"]
    assert "NetworkPolicy" not in {each["kind"] for each in rendered({})}


def test_cleanup_may_list_names_and_delete_files_of_its_directory_only() -> None:
    values = {"settings": {"cacheRoot": "/srv/caches"}, "nodeCacheCleanup": {"enabled": True}}
    objects = {(each["kind"], each["metadata"]["name"]): each for each in rendered(values)}
    pod = objects["DaemonSet", "r-appstack-cleanup"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    lists = {("", "namespaces"): {"list"}, ("appstack.dev", "appstacks"): {"list"}}
    assert lists == by_resource(objects["ClusterRole", "r-appstack-cleanup"]["rules"])
    (subject,) = objects["ClusterRoleBinding", "r-appstack-cleanup"]["subjects"]
    assert pod["serviceAccountName"] == subject["name"] == "r-appstack-cleanup"
    assert {"drop": ["ALL"], "add": ["DAC_OVERRIDE", "FOWNER"]} == container["securityContext"]["capabilities"]
    paths = [volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume]
    assert ["/srv/caches"] == paths
    assert {"name": "caches", "mountPath": "/srv/caches"} in container["volumeMounts"]
    assert [] == [each for each in rendered({}) if each["metadata"]["name"].endswith("cleanup")]


@pytest.mark.parametrize(
    ("values", "policy", "check"),
    [
        ({}, True, None),
        ({"admission": {"leases": False}}, False, "OperatorNamespace"),
        ({"admission": {"leases": False}, "settings": {"conflictCheck": "Cluster"}}, False, "Cluster"),
    ],
    ids=["default", "no policy", "policy of another release"],
)
def test_operator_ignores_leases_of_tenants_if_no_policy_refuses_them(
    values: Manifest, policy: bool, check: str | None
) -> None:
    objects = {(each["kind"], each["metadata"]["name"]): each for each in rendered(values)}

    assert policy == (("ValidatingAdmissionPolicy", "r-appstack-leases") in objects)
    assert policy == (("ValidatingAdmissionPolicyBinding", "r-appstack-leases") in objects)
    text = objects["ConfigMap", "r-appstack-settings"]["data"]["settings.yaml"]
    assert check == yaml.safe_load(text).get("conflictCheck")
