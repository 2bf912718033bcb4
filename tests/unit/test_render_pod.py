"""Rendering of the pod template: start order, inheritance, probes, nginx configuration, files and volumes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from appstack.api import parse
from appstack.render import render
from appstack.settings import Settings

WEB = """
backend:
  image: shop:1
  ports: [{name: http, containerPort: 8000}]
  env: [{name: A, value: a}, {name: B, value: b}]
  resources: {requests: {cpu: 1}}
  securityContext: {runAsUser: 1000}
  volumeMounts: [{name: data, mountPath: /data}]
volumes: [{name: data, emptyDir: {}}]
"""


def rendered(spec: str, *more: str, settings: Settings | None = None) -> dict[str, dict[str, Any]]:
    """Return the objects of an AppStack named `shop` by kind; later texts replace fields of the first."""
    merged: dict[str, Any] = {}
    for text in (spec, *more):
        merged |= yaml.safe_load(text)
    head = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack"}
    stack = parse({**head, "metadata": {"name": "shop", "namespace": "a", "uid": "u"}, "spec": merged})
    return {
        manifest["kind"]: manifest
        for manifest in render(stack, settings=settings or Settings(), namespace_uid="ns-uid")
    }


def pod(spec: str, *more: str, settings: Settings | None = None) -> dict[str, Any]:
    """Return the pod spec of the Deployment."""
    spec_fields = rendered(spec, *more, settings=settings)["Deployment"]["spec"]["template"]["spec"]
    return dict(spec_fields)


def container(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a container or init container of a pod spec."""
    return next(item for item in [*spec.get("initContainers", []), *spec["containers"]] if item["name"] == name)


def test_containers_are_in_the_documented_start_order() -> None:
    spec = pod(
        WEB,
        "proxy: {static: [{path: /s/, from: /srv}]}",
        "initContainers: [{name: first}, {name: second}]",
        """sidecars:
  - {name: agent, image: a}
  - {name: db, image: b, role: Ambassador, ports: [{containerPort: 1}]}
  - {name: plain, image: c, native: false}""",
        "volumes: [{name: data, emptyDir: {}}, {name: cache, nodeCache: {}}]",
    )

    init_containers = [item["name"] for item in spec["initContainers"]]
    own = ["appstack-nginx-check", "appstack-cache", "appstack-static-0"]
    assert [*own, "db", "first", "second", "proxy", "agent"] == init_containers
    assert ["backend", "plain"] == [item["name"] for item in spec["containers"]]
    assert {"db", "proxy", "agent"} == {
        item["name"] for item in spec["initContainers"] if item.get("restartPolicy") == "Always"
    }


def test_container_without_an_image_inherits_from_the_backend() -> None:
    spec = pod(
        WEB,
        """initContainers:
  - name: migrate
    command: [migrate]
    env: [{name: B, value: mine}, {name: C, value: c}]
    volumeMounts: [{name: data, mountPath: /other}]""",
        "files: [{path: /etc/app/a, content: a}]",
    )

    migrate = container(spec, "migrate")
    assert "shop:1" == migrate["image"]
    assert [("A", "a"), ("B", "mine"), ("C", "c")] == [
        (variable["name"], variable["value"]) for variable in migrate["env"]
    ]
    assert ["/data", "/other", "/etc/app/a"] == [mount["mountPath"] for mount in migrate["volumeMounts"]]
    assert {"runAsUser": 1000} == migrate["securityContext"]
    assert not {"ports", "resources", "readinessProbe"} & migrate.keys()


def test_container_with_an_image_inherits_nothing() -> None:
    spec = pod(WEB, "sidecars: [{name: agent, image: agent:1}]", "files: [{path: /etc/app/a, content: a}]")

    assert {"name", "image", "restartPolicy", "terminationMessagePolicy"} == container(spec, "agent").keys()


@pytest.mark.parametrize(
    ("probe", "path", "port"),
    [
        ("startupProbe", "/a103d1b50c12e8e7/backend/startupProbe", 15080),
        ("livenessProbe", "/a103d1b50c12e8e7/backend/livenessProbe", 15080),
        ("readinessProbe", "/a103d1b50c12e8e7/backend/readinessProbe", 15080),
    ],
)
def test_probe_of_a_backend_behind_a_proxy_is_sent_to_nginx(probe: str, path: str, port: int) -> None:
    backend = f"backend: {{image: s, ports: [{{containerPort: 8000}}], {probe}: {{httpGet: {{path: /ok}}}}}}"

    action = container(pod(backend, "proxy: {}"), "backend")[probe]["httpGet"]

    assert {"path": path, "port": port} == action


@pytest.mark.parametrize(
    ("path", "proxied"), [("/ok", "/ok"), ("ok", "/ok"), ("80/x", "/80/x"), ("/a?b=$c", "/a?b=%24c")]
)
def test_nginx_proxies_a_probe_to_the_backend_for_every_path(path: str, proxied: str) -> None:
    probe = f"{{httpGet: {{path: '{path}'}}}}"
    objects = rendered(f"backend: {{image: s, ports: [{{containerPort: 80}}], livenessProbe: {probe}}}", "proxy: {}")

    assert f"proxy_pass http://appstack_backend{proxied};" in nginx(objects, "health.conf")


def test_headers_of_a_proxied_probe_are_sent_by_nginx() -> None:
    headers = "[{name: Host, value: shop.example}, {name: X-Token, value: t}]"
    text = (
        f"backend: {{image: s, ports: [{{containerPort: 80}}], livenessProbe: {{httpGet: {{httpHeaders: {headers}}}}}}}"
    )

    objects = rendered(text, "proxy: {}")

    backend = container(objects["Deployment"]["spec"]["template"]["spec"], "backend")
    assert "httpHeaders" not in backend["livenessProbe"]["httpGet"]
    assert "proxy_set_header Host shop.example;" in nginx(objects, "health.conf")
    assert "proxy_set_header X-Token t;" in nginx(objects, "health.conf")


def test_default_readiness_of_a_private_backend_accepts_any_response() -> None:
    objects = rendered(WEB, "proxy: {}")

    backend = container(objects["Deployment"]["spec"]["template"]["spec"], "backend")
    assert {"httpGet": {"path": "/a103d1b50c12e8e7/backend/answers", "port": 15080}} == backend["readinessProbe"]
    assert "location = /a103d1b50c12e8e7/backend/answers" in nginx(objects, "health.conf")


def test_exec_probes_and_probes_without_a_proxy_are_unchanged() -> None:
    text = "backend: {image: s, ports: [{containerPort: 80}], livenessProbe: {exec: {command: [ok]}}}"

    assert {"exec": {"command": ["ok"]}} == container(pod(text, "proxy: {}"), "backend")["livenessProbe"]
    without_proxy = container(pod(text, "service: {enabled: false}"), "backend")
    assert {"name", "image", "ports", "livenessProbe", "terminationMessagePolicy"} == without_proxy.keys()


def test_probe_without_a_port_uses_the_first_port() -> None:
    text = "backend: {image: s, ports: [{containerPort: 81}, {containerPort: 82}], livenessProbe: {httpGet: {path: /}}}"

    assert {"path": "/", "port": 81} == container(pod(text), "backend")["livenessProbe"]["httpGet"]


def nginx(objects: dict[str, dict[str, Any]], file: str) -> str:
    """Return the text of a configuration file of nginx."""
    data = objects["ConfigMap"]["data"]
    return str(next(text for key, text in data.items() if key.startswith("proxy-") and key.endswith(f"-{file}")))


def test_server_text_of_the_spec_is_a_separate_file() -> None:
    objects = rendered(WEB, "proxy: {serverSnippet: 'add_header X y; }'}")

    assert "add_header X y; }" == nginx(objects, "user.conf")
    assert "add_header" not in nginx(objects, "nginx.conf")


def test_config_of_the_spec_replaces_nginx_conf_and_the_health_server_is_kept() -> None:
    objects = rendered(WEB, "proxy: {config: 'events {}'}")

    assert "events {}" == nginx(objects, "nginx.conf")
    assert "listen 15080;" in nginx(objects, "health.conf")


@pytest.mark.parametrize(
    ("ipv6", "listening"), [(False, []), (True, ["listen [::]:8080 default_server;", "listen [::]:15080;"])]
)
def test_nginx_listens_on_ipv6_if_the_setting_is_on(ipv6: bool, listening: list[str]) -> None:
    objects = rendered(WEB, "proxy: {}", settings=Settings(ipv6=ipv6))
    configuration = nginx(objects, "nginx.conf") + nginx(objects, "health.conf")

    assert listening == re.findall(r"listen \[.*;", configuration)
    assert ["listen 8080 default_server;", "listen 15080;"] == re.findall(r"listen \d.*;", configuration)


@pytest.mark.parametrize(("quantity", "size"), [("10Mi", 10485760), ("1k", 1000), ("5", 5), ("2G", 2000000000)])
def test_body_size_is_converted_to_bytes(quantity: str, size: int) -> None:
    objects = rendered(WEB, f'proxy: {{clientMaxBodySize: "{quantity}"}}')

    assert f"client_max_body_size {size};" in nginx(objects, "nginx.conf")


def test_revision_changes_only_with_the_contents_of_files() -> None:
    def revision(*more: str) -> str:
        objects = rendered(WEB, *more)
        label = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]["appstack.dev/files"]
        assert f"shop-files-{label}" == objects["ConfigMap"]["metadata"]["name"]
        return str(label)

    first = revision("files: [{path: /a, content: one}]")

    assert first == revision("files: [{path: /a, content: one}]", "replicas: 3")
    assert first != revision("files: [{path: /a, content: two}]")


def test_value_from_mounts_the_object_of_the_user() -> None:
    text = "files: [{path: /run/p, valueFrom: {secretKeyRef: {name: db, key: password}}, mode: 0400}]"
    objects = rendered(WEB, text)

    assert "ConfigMap" not in objects
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    mount = container(spec, "backend")["volumeMounts"][-1]
    volume = next(item for item in spec["volumes"] if item["name"] == mount["name"])
    assert "db" == volume["secret"]["secretName"]
    assert [{"key": "password", "path": mount["subPath"], "mode": 0o400}] == volume["secret"]["items"]


def test_path_of_a_node_cache_contains_namespace_and_uid() -> None:
    spec = pod(WEB, "volumes: [{name: data, nodeCache: {}}]")

    path = {"path": "/var/lib/appstack/cache/a_ns-uid/shop/data", "type": "DirectoryOrCreate"}
    assert {"name": "data", "hostPath": path} in spec["volumes"]
    assert ["1000:0", "0770", "/appstack/cache/data"] == container(spec, "appstack-cache")["args"]


def test_node_cache_has_an_open_mode_if_the_user_of_the_pod_is_unknown() -> None:
    text = "backend: {image: s, volumeMounts: [{name: data, mountPath: /d}]}"

    spec = pod(text, "volumes: [{name: data, nodeCache: {}}]")

    assert ["0:0", "0777", "/appstack/cache/data"] == container(spec, "appstack-cache")["args"]


def test_static_files_are_not_copied_with_image_volumes() -> None:
    spec = pod(WEB, "proxy: {static: [{path: /s/, from: /srv/app}]}", settings=Settings(image_volumes=True))

    assert {"name": "appstack-static-0", "image": {"reference": "shop:1"}} in spec["volumes"]
    assert "srv/app" == next(
        mount["subPath"] for mount in container(spec, "proxy")["volumeMounts"] if mount["name"] == "appstack-static-0"
    )
    assert "appstack-static-0" not in [item["name"] for item in spec["initContainers"]]


def test_own_containers_are_restricted_and_have_no_token() -> None:
    spec = pod(
        WEB,
        "proxy: {static: [{path: /s/, from: /srv}]}",
        "volumes: [{name: data, emptyDir: {}}, {name: cache, nodeCache: {}}]",
    )

    own = [item for item in spec["initContainers"] if item["name"].startswith("appstack-") or item["name"] == "proxy"]
    assert 4 == len(own)
    for item in own:
        context = item["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False
        assert ["ALL"] == context["capabilities"]["drop"]
        assert "/var/run/secrets/kubernetes.io/serviceaccount" in [mount["mountPath"] for mount in item["volumeMounts"]]


def test_proxy_fields_of_the_spec_are_merged_over_the_defaults() -> None:
    proxy = (
        "proxy: {resources: {limits: {memory: 1Gi}}, securityContext: {runAsUser: 33}, env: [{name: TZ, value: UTC}]}"
    )
    rendered_container = container(pod(WEB, proxy), "proxy")

    assert {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "1Gi"}} == rendered_container[
        "resources"
    ]
    assert 33 == rendered_container["securityContext"]["runAsUser"]
    assert rendered_container["securityContext"]["runAsNonRoot"]


def test_default_request_of_the_proxy_is_left_out_above_its_limit() -> None:
    rendered_container = container(pod(WEB, "proxy: {resources: {limits: {memory: 16Mi, cpu: 1}}}"), "proxy")

    assert {"requests": {"cpu": "10m"}, "limits": {"memory": "16Mi", "cpu": "1"}} == rendered_container["resources"]


def test_seccomp_profile_replaces_an_inherited_one_of_another_type() -> None:
    local = "{seccompProfile: {type: Localhost, localhostProfile: p}, runAsUser: 5}"
    backend = f"backend: {{image: x, securityContext: {local}}}"
    own = "sidecars: [{name: a, command: [a], securityContext: {seccompProfile: {type: RuntimeDefault}}}]"

    rendered_container = container(pod(backend, own), "a")

    assert {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 5} == rendered_container["securityContext"]


def test_probe_of_the_proxy_replaces_the_default_and_uses_the_proxy_port() -> None:
    proxy = "proxy: {port: 9000, readinessProbe: {tcpSocket: {}}, startupProbe: {exec: {command: [ok]}}}"
    rendered_container = container(pod(WEB, proxy), "proxy")

    assert {"tcpSocket": {"port": 9000}} == rendered_container["readinessProbe"]
    assert {"exec": {"command": ["ok"]}} == rendered_container["startupProbe"]


def test_port_of_another_protocol_is_added() -> None:
    ports = container(pod(WEB, "proxy: {ports: [{containerPort: 8080, protocol: UDP}]}"), "proxy")["ports"]

    assert [("appstack-http", 8080), ("appstack-health", 15080), (None, 8080)] == [
        (port.get("name"), port["containerPort"]) for port in ports
    ]


def test_rendering_is_deterministic() -> None:
    more = ("proxy: {static: [{path: /s/, from: /srv}]}", "files: [{path: /a, content: a}]")

    assert yaml.safe_dump(rendered(WEB, *more)) == yaml.safe_dump(rendered(WEB, *more))


def test_replicas_are_not_rendered_if_left_out() -> None:
    assert "replicas" not in rendered(WEB)["Deployment"]["spec"]
    assert 0 == rendered(WEB, "replicas: 0")["Deployment"]["spec"]["replicas"]
