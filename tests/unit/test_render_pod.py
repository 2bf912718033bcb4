"""What a stack's pod becomes: who starts when, who inherits what, whose port a probe asks."""

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
    """Return the objects of a stack named `shop` by kind; later texts are laid over the first by field."""
    merged: dict[str, Any] = {}
    for text in (spec, *more):
        merged |= yaml.safe_load(text)
    head = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack"}
    stack = parse({**head, "metadata": {"name": "shop", "namespace": "a", "uid": "u"}, "spec": merged})
    return {each["kind"]: each for each in render(stack, settings=settings or Settings(), namespace_uid="ns-uid")}


def pod(spec: str, *more: str, settings: Settings | None = None) -> dict[str, Any]:
    """Return the pod's spec."""
    found = rendered(spec, *more, settings=settings)["Deployment"]["spec"]["template"]["spec"]
    return dict(found)


def container(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a container of a pod, whichever list it is in."""
    return next(each for each in [*spec.get("initContainers", []), *spec["containers"]] if each["name"] == name)


def test_everything_starts_in_the_order_of_the_contract() -> None:
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

    starts = [each["name"] for each in spec["initContainers"]]
    ours = ["appstack-nginx-check", "appstack-cache", "appstack-static-0"]
    assert [*ours, "db", "first", "second", "proxy", "agent"] == starts
    assert ["backend", "plain"] == [each["name"] for each in spec["containers"]]
    assert {"db", "proxy", "agent"} == {
        each["name"] for each in spec["initContainers"] if each.get("restartPolicy") == "Always"
    }


def test_without_an_image_a_container_is_the_backend_in_another_role() -> None:
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
    assert [("A", "a"), ("B", "mine"), ("C", "c")] == [(each["name"], each["value"]) for each in migrate["env"]]
    assert ["/data", "/other", "/etc/app/a"] == [each["mountPath"] for each in migrate["volumeMounts"]]
    assert {"runAsUser": 1000} == migrate["securityContext"]
    assert not {"ports", "resources", "readinessProbe"} & migrate.keys()


def test_with_an_image_a_container_inherits_nothing() -> None:
    spec = pod(WEB, "sidecars: [{name: agent, image: agent:1}]", "files: [{path: /etc/app/a, content: a}]")

    assert {"name", "image", "restartPolicy", "terminationMessagePolicy"} == container(spec, "agent").keys()


@pytest.mark.parametrize(
    ("probe", "path", "port"),
    [
        ("startupProbe", "/backend/startupProbe", 15080),
        ("livenessProbe", "/backend/livenessProbe", 15080),
        ("readinessProbe", "/backend/readinessProbe", 15080),
    ],
)
def test_behind_a_proxy_a_kubelet_asks_nginx_instead_of_the_backend(probe: str, path: str, port: int) -> None:
    backend = f"backend: {{image: s, ports: [{{containerPort: 8000}}], {probe}: {{httpGet: {{path: /ok}}}}}}"

    asked = container(pod(backend, "proxy: {}"), "backend")[probe]["httpGet"]

    assert {"path": path, "port": port} == asked


@pytest.mark.parametrize(
    ("path", "asked"), [("/ok", "/ok"), ("ok", "/ok"), ("80/x", "/80/x"), ("/a?b=$c", "/a?b=%24c")]
)
def test_nginx_asks_the_backend_and_nobody_else_whatever_the_path(path: str, asked: str) -> None:
    probe = f"{{httpGet: {{path: '{path}'}}}}"
    objects = rendered(f"backend: {{image: s, ports: [{{containerPort: 80}}], livenessProbe: {probe}}}", "proxy: {}")

    assert f"proxy_pass http://127.0.0.1:80{asked};" in nginx(objects, "health.conf")


def test_headers_of_a_carried_probe_stay_with_the_kubelet() -> None:
    headers = "[{name: Host, value: shop.example}, {name: X-Token, value: t}]"
    text = (
        f"backend: {{image: s, ports: [{{containerPort: 80}}], livenessProbe: {{httpGet: {{httpHeaders: {headers}}}}}}}"
    )

    objects = rendered(text, "proxy: {}")

    backend = container(objects["Deployment"]["spec"]["template"]["spec"], "backend")
    assert yaml.safe_load(headers) == backend["livenessProbe"]["httpGet"]["httpHeaders"]
    assert "proxy_set_header Host $http_host;" in nginx(objects, "health.conf")


def test_a_private_backend_without_readiness_gets_one_that_any_answer_passes() -> None:
    objects = rendered(WEB, "proxy: {}")

    backend = container(objects["Deployment"]["spec"]["template"]["spec"], "backend")
    assert {"httpGet": {"path": "/backend/answers", "port": 15080}} == backend["readinessProbe"]
    assert "location = /backend/answers" in nginx(objects, "health.conf")


def test_exec_probes_and_a_backend_without_a_proxy_stay_as_written() -> None:
    text = "backend: {image: s, ports: [{containerPort: 80}], livenessProbe: {exec: {command: [ok]}}}"

    assert {"exec": {"command": ["ok"]}} == container(pod(text, "proxy: {}"), "backend")["livenessProbe"]
    alone = container(pod(text, "service: {enabled: false}"), "backend")
    assert {"name", "image", "ports", "livenessProbe", "terminationMessagePolicy"} == alone.keys()


def test_a_probe_without_a_port_asks_the_first() -> None:
    text = "backend: {image: s, ports: [{containerPort: 81}, {containerPort: 82}], livenessProbe: {httpGet: {path: /}}}"

    assert {"path": "/", "port": 81} == container(pod(text), "backend")["livenessProbe"]["httpGet"]


def nginx(objects: dict[str, dict[str, Any]], file: str) -> str:
    """Return the text of one of nginx's files."""
    data = objects["ConfigMap"]["data"]
    return str(next(text for key, text in data.items() if key.startswith("proxy-") and key.endswith(f"-{file}")))


def test_the_authors_text_is_a_file_of_its_own() -> None:
    objects = rendered(WEB, "proxy: {server: 'add_header X y; }'}")

    assert "add_header X y; }" == nginx(objects, "user.conf")
    assert "add_header" not in nginx(objects, "nginx.conf")


def test_the_authors_whole_configuration_replaces_ours_and_the_health_server_stays() -> None:
    objects = rendered(WEB, "proxy: {config: 'events {}'}")

    assert "events {}" == nginx(objects, "nginx.conf")
    assert "listen 15080;" in nginx(objects, "health.conf")


@pytest.mark.parametrize(("ipv6", "listening"), [(False, []), (True, ["listen [::]:8080;", "listen [::]:15080;"])])
def test_nginx_listens_on_ipv6_where_the_administrator_says_so(ipv6: bool, listening: list[str]) -> None:
    objects = rendered(WEB, "proxy: {}", settings=Settings(ipv6=ipv6))
    written = nginx(objects, "nginx.conf") + nginx(objects, "health.conf")

    assert listening == re.findall(r"listen \[.*;", written)
    assert ["listen 8080;", "listen 15080;"] == re.findall(r"listen \d.*;", written)


@pytest.mark.parametrize(("quantity", "size"), [("10Mi", 10485760), ("1k", 1000), ("5", 5), ("2G", 2000000000)])
def test_a_body_size_is_a_quantity(quantity: str, size: int) -> None:
    objects = rendered(WEB, f'proxy: {{clientMaxBodySize: "{quantity}"}}')

    assert f"client_max_body_size {size};" in nginx(objects, "nginx.conf")


def test_a_change_of_content_is_another_revision_and_nothing_else_is() -> None:
    def revision(*more: str) -> str:
        objects = rendered(WEB, *more)
        label = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]["appstack.dev/files"]
        assert f"shop-files-{label}" == objects["ConfigMap"]["metadata"]["name"]
        return str(label)

    one = revision("files: [{path: /a, content: one}]")

    assert one == revision("files: [{path: /a, content: one}]", "replicas: 3")
    assert one != revision("files: [{path: /a, content: two}]")


def test_valueFrom_mounts_the_users_own_object() -> None:
    text = "files: [{path: /run/p, valueFrom: {secretKeyRef: {name: db, key: password}}, mode: 0400}]"
    objects = rendered(WEB, text)

    assert "ConfigMap" not in objects
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    mount = container(spec, "backend")["volumeMounts"][-1]
    volume = next(each for each in spec["volumes"] if each["name"] == mount["name"])
    assert "db" == volume["secret"]["secretName"]
    assert [{"key": "password", "path": mount["subPath"], "mode": 0o400}] == volume["secret"]["items"]


def test_a_node_cache_lies_where_no_other_namespace_looks() -> None:
    spec = pod(WEB, "volumes: [{name: data, nodeCache: {}}]")

    path = {"path": "/var/lib/appstack/cache/a_ns-uid/shop/data", "type": "DirectoryOrCreate"}
    assert {"name": "data", "hostPath": path} in spec["volumes"]
    assert ["1000:0", "0770", "/appstack/cache/data"] == container(spec, "appstack-cache")["args"]


def test_a_node_cache_is_open_to_the_pod_where_its_user_is_the_images() -> None:
    text = "backend: {image: s, volumeMounts: [{name: data, mountPath: /d}]}"

    spec = pod(text, "volumes: [{name: data, nodeCache: {}}]")

    assert ["0:0", "0777", "/appstack/cache/data"] == container(spec, "appstack-cache")["args"]


def test_image_volumes_need_no_copy() -> None:
    spec = pod(WEB, "proxy: {static: [{path: /s/, from: /srv/app}]}", settings=Settings(image_volumes=True))

    assert {"name": "appstack-static-0", "image": {"reference": "shop:1"}} in spec["volumes"]
    assert "srv/app" == next(
        each["subPath"] for each in container(spec, "proxy")["volumeMounts"] if each["name"] == "appstack-static-0"
    )
    assert "appstack-static-0" not in [each["name"] for each in spec["initContainers"]]


def test_our_own_containers_are_hardened_and_see_no_token() -> None:
    spec = pod(
        WEB,
        "proxy: {static: [{path: /s/, from: /srv}]}",
        "volumes: [{name: data, emptyDir: {}}, {name: cache, nodeCache: {}}]",
    )

    ours = [each for each in spec["initContainers"] if each["name"].startswith("appstack-") or each["name"] == "proxy"]
    assert 4 == len(ours)
    for each in ours:
        context = each["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False
        assert ["ALL"] == context["capabilities"]["drop"]
        assert "/var/run/secrets/kubernetes.io/serviceaccount" in [m["mountPath"] for m in each["volumeMounts"]]


def test_what_the_author_writes_of_the_proxy_is_laid_over_ours() -> None:
    proxy = (
        "proxy: {resources: {limits: {memory: 1Gi}}, securityContext: {runAsUser: 33}, env: [{name: TZ, value: UTC}]}"
    )
    found = container(pod(WEB, proxy), "proxy")

    assert {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "1Gi"}} == found["resources"]
    assert 33 == found["securityContext"]["runAsUser"]
    assert found["securityContext"]["runAsNonRoot"]


def test_the_proxys_usual_request_is_never_above_its_limit() -> None:
    found = container(pod(WEB, "proxy: {resources: {limits: {memory: 16Mi, cpu: 1}}}"), "proxy")

    assert {"requests": {"cpu": "10m"}, "limits": {"memory": "16Mi", "cpu": "1"}} == found["resources"]


def test_a_profile_of_another_kind_takes_the_place_of_the_inherited_one() -> None:
    local = "{seccompProfile: {type: Localhost, localhostProfile: p}, runAsUser: 5}"
    backend = f"backend: {{image: x, securityContext: {local}}}"
    own = "sidecars: [{name: a, command: [a], securityContext: {seccompProfile: {type: RuntimeDefault}}}]"

    found = container(pod(backend, own), "a")

    assert {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 5} == found["securityContext"]


def test_a_probe_of_the_proxy_replaces_ours_and_asks_its_port() -> None:
    proxy = "proxy: {port: 9000, readinessProbe: {tcpSocket: {}}, startupProbe: {exec: {command: [ok]}}}"
    found = container(pod(WEB, proxy), "proxy")

    assert {"tcpSocket": {"port": 9000}} == found["readinessProbe"]
    assert {"exec": {"command": ["ok"]}} == found["startupProbe"]


def test_another_protocol_is_another_port() -> None:
    ports = container(pod(WEB, "proxy: {ports: [{containerPort: 8080, protocol: UDP}]}"), "proxy")["ports"]

    assert [("appstack-http", 8080), ("appstack-health", 15080), (None, 8080)] == [
        (port.get("name"), port["containerPort"]) for port in ports
    ]


def test_the_same_stack_gives_the_same_bytes_and_its_values_are_never_shared() -> None:
    more = ("proxy: {static: [{path: /s/, from: /srv}]}", "files: [{path: /a, content: a}]")

    assert yaml.safe_dump(rendered(WEB, *more)) == yaml.safe_dump(rendered(WEB, *more))


def test_replicas_left_out_are_never_applied() -> None:
    assert "replicas" not in rendered(WEB)["Deployment"]["spec"]
    assert 0 == rendered(WEB, "replicas: 0")["Deployment"]["spec"]["replicas"]
