"""Conversion of compose files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.cli.compose_files import ProjectDirectory, is_compose
from appstack.convert import Conversion
from appstack.convert.compose import convert_project
from appstack.errors import OperatorError
from appstack.settings import Settings

Files = Mapping[str, str]


def project(
    directory: Path, services: str, files: Files | None = None, *, profiles: str = "", **env: str
) -> Conversion:
    """Return the conversion of a compose file whose services are YAML, with further files beside it."""
    text = services if "services:" in services or "include:" in services else f"services: {services}"
    for name, content in {"compose.yaml": text, **(files or {})}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    active = frozenset(profiles.split()) if profiles else frozenset[str]()
    source = ProjectDirectory(directory)
    return convert_project("compose.yaml", source, environment=env, profiles=active, settings=Settings())


def backend(directory: Path, service: str, files: Files | None = None, **env: str) -> dict[str, Any]:
    """Return the backend of the one service `web`; `service` is YAML of its fields beside `image`."""
    conversion = project(directory, f"{{web: {{image: 'shop:1', {service}}}}}", files, **env)
    return dict(conversion.results[0].document["spec"]["backend"])


def notes(conversion: Conversion) -> list[str]:
    """Return all notes."""
    return [str(each) for each in (*conversion.notes, *(note for each in conversion.results for note in each.notes))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$TAG", "7"),
        ("${TAG}", "7"),
        ("v${TAG}-x", "v7-x"),
        ("${NONE:-1}", "1"),
        ("${EMPTY:-1}", "1"),
        ("${EMPTY-1}", ""),
        ("${NONE:-${OTHER-${TAG}}}", "7"),
        ("${TAG:+set}", "set"),
        ("${EMPTY:+set}", ""),
        ("${EMPTY+set}", "set"),
        ("$$TAG", "$TAG"),
        ("$${TAG}", "${TAG}"),
        ("${NONE}", ""),
        ("a$", "a$"),
        ("$1", "$1"),
    ],
)  # each compared with `docker compose config` of Docker Compose 2.40.3
def test_variables_are_interpolated(tmp_path: Path, text: str, value: str) -> None:
    variables = backend(tmp_path, f"environment: {{A: '{text}'}}", TAG="7", EMPTY="")["env"]

    assert variables == [{"name": "A", "value": value} if value else {"name": "A"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${TAG:?needed}", "services.web.image: the variable TAG is required: needed"),
        ("${TAG", "services.web.image: invalid variable in '${TAG'"),
        ("${-x}", "services.web.image: invalid variable in '${-x}'"),
        ("${A:-" * 5000, "services.web.image: invalid variable in '${A:-${A:-"),
    ],
)
def test_invalid_variable_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(OperatorError) as error:
        project(tmp_path, f"{{web: {{image: '{text}'}}}}")

    assert str(error.value).startswith(message)


def test_environment_precedes_the_env_file(tmp_path: Path) -> None:
    files = {".env": "A=file\nB='file b'\n", "web.env": "C=3\nD=4\n"}
    service = "env_file: web.env, environment: {A: $A, B: $B, D: '5', E: }"

    assert backend(tmp_path, service, files, A="shell", E="set")["env"] == [
        {"name": "C", "value": "3"},
        {"name": "D", "value": "5"},
        {"name": "A", "value": "shell"},
        {"name": "B", "value": "file b"},
        {"name": "E", "value": "set"},
    ]


@pytest.mark.parametrize(
    ("service", "fields"),
    [
        ("command: run --name 'a b'", {"args": ["run", "--name", "a b"]}),
        ("entrypoint: [sh, -c], command: ['echo $$(date)']", {"command": ["sh", "-c"], "args": ["echo $$(date)"]}),
        ("environment: [A=1, B=]", {"env": [{"name": "A", "value": "1"}, {"name": "B"}]}),
        ("ports: ['80']", {"ports": [{"containerPort": 80}]}),
        ("ports: ['127.0.0.1:8080:80/udp']", {"ports": [{"containerPort": 80, "protocol": "UDP"}]}),
        ("ports: [{target: 80, published: '8080'}]", {"ports": [{"containerPort": 80}]}),
        (
            "ports: ['9000-9001:80-81'], expose: ['81', '82/udp']",
            {
                "ports": [
                    {"name": "tcp-80", "containerPort": 80},
                    {"name": "tcp-81", "containerPort": 81},
                    {"name": "udp-82", "containerPort": 82, "protocol": "UDP"},
                ]
            },
        ),
        ("user: '1000:2000'", {"securityContext": {"runAsUser": 1000, "runAsGroup": 2000}}),
        (
            "cap_add: [NET_ADMIN], cap_drop: [CAP_CHOWN], read_only: true, security_opt: ['no-new-privileges:true']",
            {
                "securityContext": {
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"add": ["NET_ADMIN"], "drop": ["CHOWN"]},
                    "allowPrivilegeEscalation": False,
                }
            },
        ),
        (
            "mem_limit: 512m, deploy: {resources: {limits: {cpus: 0.5}, reservations: {memory: 1gb}}}",
            {"resources": {"limits": {"cpu": "0.5", "memory": "512Mi"}, "requests": {"memory": "1Gi"}}},
        ),
        (
            "healthcheck: {test: [CMD, check], interval: 1m30s, timeout: 500ms, retries: 5}",
            {"readinessProbe": {"exec": {"command": ["check"]}, "periodSeconds": 90, "failureThreshold": 5}},
        ),
        (
            "healthcheck: {test: curl localhost}",
            {
                "readinessProbe": {
                    "exec": {"command": ["/bin/sh", "-c", "curl localhost"]},
                    "periodSeconds": 30,
                    "timeoutSeconds": 30,
                }
            },
        ),
        ("healthcheck: {disable: true}, tty: true, pull_policy: always", {"tty": True, "imagePullPolicy": "Always"}),
        ("tmpfs: /run:size=64m", {"volumeMounts": [{"name": "run", "mountPath": "/run"}]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_field_of_a_service_is_converted(tmp_path: Path, service: str, fields: dict[str, Any]) -> None:
    assert backend(tmp_path, service) == {"image": "shop:1", **fields}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(("yes", "yes"), ("y", "y"), ("On", "On"), ("true", "true"), ("TRUE", "true"), ("08", "8"), ("010", "8")),
        *(("0o17", "15"), ("0x10", "16"), ("1_000", "1000"), ("+1", "1"), ("1.10", "1.1"), (".5", "0.5"), ("1.0", "1")),
        *(("3.0e5", "300000"), ("1e3", "1000"), ("100000000.0", "1e+08"), ("12:30:45", "12:30:45")),
    ],
)  # each compared with `docker compose config` of Docker Compose 2.40.3
def test_scalar_is_read_as_docker_compose_reads_it(tmp_path: Path, written: str, value: str) -> None:
    assert backend(tmp_path, f"environment: {{A: {written}}}")["env"] == [{"name": "A", "value": value}]


def test_named_volume_becomes_a_claim_of_its_first_service(tmp_path: Path) -> None:
    conversion = project(
        tmp_path,
        "{services: {a: {image: x, volumes: ['data:/data']}, b: {image: x, volumes: ['data:/d:ro']}},"
        " volumes: {data: }}",
    )

    a, b = (each.document["spec"] for each in conversion.results)
    assert a["volumes"] == yaml.safe_load(
        "[{name: data, claim: {resources: {requests: {storage: 1Gi}}, accessModes: [ReadWriteMany]}}]"
    )
    assert b["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "a-data"}}]
    assert b["backend"]["volumeMounts"] == [{"name": "data", "mountPath": "/d", "readOnly": True}]
    assert "required: services.a.volumes[0] -> AppStack/a spec.volumes: the size of data is a guess: 1Gi" in notes(
        conversion
    )


def test_service_with_a_claim_of_its_own_is_recreated(tmp_path: Path) -> None:
    conversion = project(tmp_path, "{services: {a: {image: x, volumes: ['data:/data']}}, volumes: {data: }}")

    assert conversion.results[0].document["spec"]["workload"] == {"deployment": {"strategy": {"type": "Recreate"}}}


def test_bind_mounts_of_the_project_become_files(tmp_path: Path) -> None:
    files = {"conf/a.conf": "a", "conf/b.conf": "b", "app.toml": "x", "src/main.py": "code"}
    mounts = "['./conf:/etc/conf', './app.toml:/app.toml:ro', './src:/src', '/var/log:/log']"
    conversion = project(tmp_path, f"{{web: {{image: x, volumes: {mounts}}}}}", files)

    spec = conversion.results[0].document["spec"]
    assert spec["files"] == [
        {"path": "/etc/conf/a.conf", "content": "a"},
        {"path": "/etc/conf/b.conf", "content": "b"},
        {"path": "/app.toml", "content": "x"},
    ]
    assert spec["volumes"] == [{"name": "var-log", "hostPath": {"path": "/var/log"}}]
    assert (
        "required: services.web.volumes[2] -> AppStack/web spec.files: "
        "./src is a directory of the project: put it into the image, or write spec.files"
    ) in notes(conversion)


def test_configs_and_secrets_become_files(tmp_path: Path) -> None:
    text = """
services:
  web: {image: x, configs: [{source: a, target: /etc/a, mode: 0440}, b], secrets: [token]}
configs: {a: {content: "x=${V}"}, b: {external: true}}
secrets: {token: {file: ./token.txt}}
"""
    conversion = project(tmp_path, text, V="1")

    assert conversion.results[0].document["spec"]["files"] == [
        {"path": "/etc/a", "content": "x=1", "mode": 0o440},
        {"path": "/b", "valueFrom": {"configMapKeyRef": {"name": "b", "key": "b"}}},
        {"path": "/run/secrets/token", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}},
    ]
    assert (
        "required: services.web.secrets[0] -> AppStack/web spec.files: needs the Secret token: "
        "kubectl create secret generic token --from-file=token=./token.txt"
    ) in notes(conversion)


def test_password_becomes_a_key_of_a_secret_and_is_not_printed(tmp_path: Path) -> None:
    conversion = project(tmp_path, "{db: {image: x, environment: {DB_PASSWORD: hunter2, EMPTY_PASSWORD: 'yes'}}}")

    assert conversion.results[0].document["spec"]["backend"]["env"] == [
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "DB_PASSWORD"}}},
        {"name": "EMPTY_PASSWORD", "value": "yes"},
    ]
    assert "hunter2" not in "\n".join(notes(conversion))
    assert (
        "required: services.db.environment.DB_PASSWORD -> AppStack/db spec.backend.env: "
        "becomes a key of the Secret db: kubectl create secret generic db --from-literal=DB_PASSWORD=…"
    ) in notes(conversion)


def test_build_needs_the_name_of_the_image(tmp_path: Path) -> None:
    conversion = project(tmp_path, "{web: {build: ./src}}")

    assert conversion.results[0].document["spec"]["backend"]["image"] == "registry.example/web"
    assert notes(conversion) == [
        "required: services.web.build -> AppStack/web spec.backend.image: "
        "build the image from ./src, push it, and write its name; it is registry.example/web here"
    ]


def test_service_that_others_wait_for_is_a_job(tmp_path: Path) -> None:
    services = (
        "{migrate: {image: x}, web: {image: x, depends_on: {migrate: {condition: service_completed_successfully}}}}"
    )
    migrate = project(tmp_path, services).results[0].document["spec"]

    assert (migrate["workload"], migrate["pod"]) == ({"kind": "Job"}, {"restartPolicy": "Never"})


def test_port_of_a_public_image_is_known(tmp_path: Path) -> None:
    conversion = project(
        tmp_path, "{db: {image: 'docker.io/library/postgres:17'}, api: {image: x}, web: {image: x, links: [api]}}"
    )

    assert conversion.results[0].document["spec"]["backend"]["ports"] == [{"containerPort": 5432}]
    assert (
        "required: services.api.expose -> AppStack/api spec.backend.ports: "
        "write the port on which it listens, if web connects to it"
    ) in notes(conversion)


@pytest.mark.parametrize("field", ["ports: ['1-99999999:1-99999999']", "expose: ['1-99999999']"])
def test_endless_range_of_ports_is_cut(tmp_path: Path, field: str) -> None:
    ports = backend(tmp_path, field)["ports"]

    assert [1, 2, 1000] == [ports[index]["containerPort"] for index in (0, 1, -1)]


def test_inactive_profile_is_left_out(tmp_path: Path) -> None:
    services = "{web: {image: x}, debug: {image: x, profiles: [debug]}}"

    assert [each.name for each in project(tmp_path, services).results] == ["web"]
    assert notes(project(tmp_path, services)) == ["omitted: services.debug: its profiles are not active: debug"]
    assert len(project(tmp_path, services, profiles="debug").results) == 2
    assert len(project(tmp_path, services, {".env": "COMPOSE_PROFILES=debug"}).results) == 2


def test_service_extends_another_of_a_file(tmp_path: Path) -> None:
    base = """
services:
  base: {image: "x:${V:-1}", environment: [A=1, B=2], ports: ["80:80"], volumes: ["./etc/a.conf:/a.conf"],
    env_file: [x.env]}
"""
    services = """
web:
  extends: {file: lib/base.yaml, service: base}
  environment: {B: 3}
  ports: ["81:81"]
  command: run
"""
    files = {"lib/base.yaml": base, "lib/etc/a.conf": "text", "lib/x.env": "Z=9"}
    conversion = project(tmp_path, "services:\n" + services.replace("\n", "\n  "), files)

    spec = conversion.results[0].document["spec"]
    assert spec["files"] == [{"path": "/a.conf", "content": "text"}]
    assert spec["backend"] == {
        "image": "x:1",
        "args": ["run"],
        "env": [{"name": "Z", "value": "9"}, {"name": "A", "value": "1"}, {"name": "B", "value": "3"}],
        "ports": [{"name": "tcp-80", "containerPort": 80}, {"name": "tcp-81", "containerPort": 81}],
    }


def test_included_file_has_an_environment_of_its_own(tmp_path: Path) -> None:
    files = {
        "db/compose.yaml": "services: {db: {image: 'db:${V}', volumes: ['./db.conf:/db.conf']}}",
        "db/.env": "V=7",
        "db/db.conf": "text",
    }
    conversion = project(tmp_path, "include: [db/compose.yaml]\nservices: {web: {image: x, depends_on: [db]}}", files)

    db = next(each.document["spec"] for each in conversion.results if each.name == "db")
    assert db["backend"]["image"] == "db:7"
    assert db["files"] == [{"path": "/db.conf", "content": "text"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {web: {image: x, imagee: y}}", "compose.yaml: services.web.imagee: unknown field"),
        (
            "services: {web: {image: x, ports: [nonsense]}}",
            "compose.yaml: services.web.ports: 'nonsense' is not a port",
        ),
        ("services: {web: {image: x, mem_limit: much}}", "compose.yaml: services.web.mem_limit: 'much' is not a size"),
        ("services: {web: {extends: web}}", "compose.yaml: services.web extends itself"),
        ("services: [web]", "compose.yaml: services must be a mapping"),
        ("include: [compose.yaml]", "compose.yaml: more than 100 files are included"),
    ],
)
def test_invalid_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(OperatorError) as error:
        project(tmp_path, f"{text}\n# services:")

    assert str(error.value).startswith(message)


def test_field_that_no_pod_has_is_reported(tmp_path: Path) -> None:
    conversion = project(tmp_path, "{web: {image: x, ulimits: {nofile: 1}, container_name: w, x-note: ignored}}")

    assert [line.partition(": ")[2].partition(":")[0] for line in notes(conversion)] == [
        "services.web.container_name",
        "services.web.ulimits",
    ]


def test_compose_file_is_recognized() -> None:
    assert is_compose({"services": {}})
    assert is_compose({"include": []})
    assert not is_compose({"apiVersion": "v1", "kind": "Service", "services": {}})
    assert not is_compose(["services"])
