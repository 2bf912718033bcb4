"""What owners paste from their manifests, with real pods: nested mounts, names, labels and undeclared ports."""

from __future__ import annotations

import pytest

from tests.e2e.manifests import public_backend
from tests.e2e.namespace import Manifest, Namespace

LABELS = {"app.kubernetes.io/name": "web", "app.kubernetes.io/managed-by": "Helm", "tier": "front"}
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def mount(name: str, path: str) -> Manifest:
    return {"name": name, "mountPath": path}


def nested() -> Manifest:
    """Return an AppStack with a file in a claim, a directory in a volume of a ConfigMap, and a volume at /var/run."""
    mounts = [mount("scratch", "/etc/app/scratch"), mount("settings", "/etc/app"), mount("data", "/data")]
    volumes = [
        {"name": "data", "claim": {"resources": {"requests": {"storage": "16Mi"}}}},
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "run"},
    ]
    return public_backend(
        "nested",
        backend={"volumeMounts": [*mounts, mount("run", "/var/run")]},
        files=[{"path": "/data/conf/app.toml", "content": "debug = true\n"}],
        volumes=volumes,
        workload={"deployment": {"strategy": {"type": "Recreate"}}},
    )


def peers() -> Manifest:
    """Return a StatefulSet with the names that its owner gave to its Service, its pods' Service and its container."""
    return public_backend(
        "store",
        backend={"name": "web"},
        replicas=2,
        service={"name": "store-http"},
        workload={"kind": "StatefulSet", "statefulSet": {"serviceName": "members"}},
    )


def labelled() -> Manifest:
    """Return an AppStack with labels of its owner, and a probe of a port that no container declares."""
    return public_backend(
        "labelled",
        backend={"ports": [{"containerPort": 9}], "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}}},
        service={"ports": [{"port": 80, "targetPort": 8000}]},
        workload={"metadata": {"labels": {"owner": "b"}}},
        pod={"metadata": {"labels": LABELS}},
    )


@pytest.fixture(scope="module")
def pasted(namespace: Namespace) -> Namespace:
    """Deploy all AppStacks at once and return the namespace when they are Ready."""
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    service = {"selector": {"tier": "front", "app.kubernetes.io/name": "web"}, "ports": [{"port": 8000}]}
    policy = {"podSelector": {"matchLabels": LABELS}, "ingress": [{}]}
    namespace.apply(
        head | {"data": {"app.conf": "a = 1\n"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "foreign"}, "spec": service},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "foreign"},
            "spec": policy,
        },
        nested(),
        peers(),
        labelled(),
    )
    for name in ("nested", "store", "labelled"):
        namespace.wait_until_ready(name)
    return namespace


def test_mounts_nest_in_claims_and_volumes_of_config_maps_and_around_the_token(pasted: Namespace) -> None:
    pod = pasted.only_pod("nested")["metadata"]["name"]

    def read(path: str) -> str:
        return pasted.exec(pod, "backend", "cat", path)

    assert read("/data/conf/app.toml") == "debug = true\n"
    assert read("/etc/app/app.conf") == "a = 1\n"
    assert read(TOKEN)
    pasted.exec(
        pod, "backend", "sh", "-c", "echo kept > /data/kept && echo x > /etc/app/scratch/x && echo y > /var/run/y"
    )
    assert read("/etc/app/scratch/x") == "x\n"


def test_peers_resolve_each_other_by_the_name_of_their_service(pasted: Namespace) -> None:
    pasted.page("http://store-http:8000/")  # the Service has the name that its owner chose
    for number in (0, 1):
        peer = f"store-{1 - number}.members.{pasted.name}.svc.cluster.local"
        address = pasted.get("pod", f"store-{1 - number}")["status"]["podIP"]
        assert address in pasted.exec(f"store-{number}", "web", "nslookup", peer)
        assert pasted.page(f"http://{peer}:8000/").startswith(f"Hello from store-{1 - number},")


def test_labels_of_the_owner_are_those_that_others_select(pasted: Namespace) -> None:
    selector = ",".join(f"{key}={value}" for key, value in LABELS.items())
    selected = pasted.kubectl("get", "pods", "--selector", selector, "--output", "name").split()

    assert pasted.page("http://foreign:8000/").startswith("Hello from labelled-")
    assert selected == [f"pod/{pasted.only_pod('labelled')['metadata']['name']}"]
    assert pasted.get("networkpolicy", "foreign")["spec"]["podSelector"] == {"matchLabels": LABELS}
    assert pasted.get("deployment", "labelled")["metadata"]["labels"]["owner"] == "b"


def test_undeclared_port_is_probed_and_served(pasted: Namespace) -> None:
    stack = pasted.appstack("labelled")
    (ready,) = [each for each in stack["status"]["conditions"] if each["type"] == "Ready"]

    assert pasted.page("http://labelled/").startswith("Hello from labelled-")
    assert "no container declares 8000/TCP" in ready["message"]
