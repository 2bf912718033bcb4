"""Inputs of the cluster: configurations, manifests and image archives. No test here needs a Docker engine."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.cluster import archive, images, kind, network, nodeimage, storage

CHECKOUT = Path("/checkout/.cluster")
OWN_ENGINE = kind.Plan("node:1", own_engine=True, address="198.18.0.2")
USER_ENGINE = kind.Plan("kindest/node:v1@sha256:0", own_engine=False)
NODES = [network.Node("one", "172.18.0.2", "10.244.0.0/24"), network.Node("two", "172.18.0.3", "10.244.1.0/24")]


@pytest.mark.parametrize("plan", [OWN_ENGINE, USER_ENGINE])
def test_both_nodes_have_the_planned_image_and_a_shared_folder(plan: kind.Plan) -> None:
    nodes = kind.configuration(plan, CHECKOUT)["nodes"]
    assert [node["role"] for node in nodes] == ["control-plane", "worker"]
    assert {node["image"] for node in nodes} == {plan.image}
    for node in nodes:
        assert {"hostPath": "/checkout/.cluster/shared", "containerPath": storage.SHARED_PATH} in node["extraMounts"]


def test_own_engine_sets_the_api_address_and_disables_kinds_network() -> None:
    networking = kind.configuration(OWN_ENGINE, CHECKOUT)["networking"]
    assert networking["apiServerAddress"] == "198.18.0.2"
    assert networking["disableDefaultCNI"]
    assert kind.configuration(USER_ENGINE, CHECKOUT)["networking"] == {"podSubnet": kind.POD_RANGE}


def test_api_server_writes_an_audit_log_to_a_mounted_folder() -> None:
    configuration = kind.configuration(USER_ENGINE, CHECKOUT)
    control_plane = configuration["nodes"][0]
    assert {"hostPath": "/checkout/.cluster/audit", "containerPath": "/audit"} in control_plane["extraMounts"]
    patch = json.loads(configuration["kubeadmConfigPatches"][0])
    arguments = {a["name"]: a["value"] for a in patch["apiServer"]["extraArgs"]}
    assert arguments["audit-log-path"] == "/audit/audit.log"
    assert patch["apiServer"]["extraVolumes"][0]["mountPath"] == "/audit"


def test_audit_policy_records_each_request_once() -> None:
    policy = yaml.safe_load(kind.AUDIT_POLICY.read_text())
    assert (policy["omitStages"], policy["rules"]) == (["RequestReceived"], [{"level": "Metadata"}])


def test_node_has_routes_to_the_pods_of_other_nodes_only() -> None:
    assert network.routes(NODES[0], NODES) == [["ip", "route", "replace", "10.244.1.0/24", "via", "172.18.0.3"]]


def test_pods_have_addresses_of_their_nodes_range() -> None:
    plugin = network.bridge(NODES[1])["plugins"][0]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]


def test_nodes_are_read_from_kubernetes_objects() -> None:
    addresses = [{"type": "Hostname", "address": "one"}, {"type": "InternalIP", "address": "172.18.0.2"}]
    item = {"metadata": {"name": "one"}, "spec": {"podCIDR": "10.244.0.0/24"}, "status": {"addresses": addresses}}
    assert network.nodes([item]) == [NODES[0]]


@pytest.mark.parametrize(("standard", "classes"), [(True, ["shared", "standard"]), (False, ["shared"])])
def test_class_standard_is_rendered_unless_the_node_image_has_it(standard: bool, classes: list[str]) -> None:
    objects = list(yaml.safe_load_all(storage.render("provisioner:1", "helper:1", standard=standard)))
    assert [o["metadata"]["name"] for o in objects if o["kind"] == "StorageClass"] == classes
    deployment = next(o for o in objects if o["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["args"][1]) == ("provisioner:1", "helper:1")


def test_containerd_is_configured_with_the_given_pause_image() -> None:
    text = 'sandbox_image = "registry.k8s.io/pause:3.10"\nrestrict_oom_score_adj = false\n'
    assert nodeimage.containerd_config(text, "pause:4") == 'sandbox_image = "pause:4"\nrestrict_oom_score_adj = true\n'


def test_base_specification_has_kinds_hook_and_no_limits() -> None:
    given: dict[str, Any] = {"process": {"args": ["sh"], "rlimits": [{}]}, "root": {}}
    specification: dict[str, Any] = nodeimage.base_specification(given)
    assert specification["process"] == {"args": ["sh"]}
    assert "createContainer" in specification["hooks"]
    assert "rlimits" in given["process"], "the argument is not modified"


def test_layers_of_an_image_archive_match_their_digests(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    target = tmp_path / "images.tar"
    archive.write(target, [archive.Image("a:1", {"/bin/program": program}, entrypoint=["/bin/program"])])
    with tarfile.open(target) as written:

        def content(name: str) -> bytes:
            file = written.extractfile(name)
            assert file is not None
            return file.read()

        (entry,) = json.loads(content("manifest.json"))
        config, layer = json.loads(content(entry["Config"])), content(entry["Layers"][0])
    assert entry["RepoTags"] == ["a:1"]
    assert config["config"]["Entrypoint"] == ["/bin/program"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


@pytest.mark.parametrize("recipe", images.RECIPES, ids=lambda recipe: recipe.image)
def test_inputs_of_each_recipe_exist(recipe: images.Recipe) -> None:
    assert not recipe.folder or (images.FOLDER / recipe.folder / "Dockerfile").exists()
    assert not recipe.base or images.recipe_of(recipe.base)
    assert not recipe.image.endswith(":latest"), "kubelets always pull latest"


def test_keys_of_all_recipes_differ() -> None:
    assert len({images.key(recipe) for recipe in images.RECIPES}) == len(images.RECIPES)
