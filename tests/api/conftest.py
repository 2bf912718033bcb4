"""One operator for all tests of a process, as a ServiceAccount of its own with the chart's rights, and no others."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.harness import AUDIT_LOG, KUBECONFIG, ROOT, Audit, Cluster, Failure, Operator, Space, eventually

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "one") + secrets.token_hex(2)  # others may run the tests, too
SYSTEM = f"api-system-{WORKER}"
ACCOUNT = "operator"
CREW = ("one", "two", "three")  # accounts of operators that share something: the audit log tells them apart
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Give the API server, which must be there."""
    if not KUBECONFIG.exists():
        pytest.fail("there is no cluster: run `make cluster`")
    made = Cluster()
    yield made
    made.close()


def rules(kind: str) -> list[dict[str, Any]]:
    """Return the rules of the chart's ClusterRole or Role, but for the Lease's name: each test has one of its own."""
    lines = (ROOT / "deploy/appstack/templates/rbac.yaml").read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if "resourceNames" not in line)
    document = next(part for part in text.split("\n---\n") if re.search(rf"^kind: {kind}$", part, re.MULTILINE))
    found: list[dict[str, Any]] = yaml.safe_load(document[document.index("\nrules:") :])["rules"]
    return found


def _made_anew(cluster: Cluster, collection: str, manifest: dict[str, Any]) -> None:
    name = manifest["metadata"]["name"]
    try:
        cluster.request("DELETE", f"{collection}/{name}")
    except Failure as error:
        assert error.status == 404  # noqa: PT017  # nothing to delete is what we want
    eventually(lambda: _created(cluster, collection, manifest), within=60)


def _created(cluster: Cluster, collection: str, manifest: dict[str, Any]) -> bool:
    """Create it, once what bore its name is gone."""
    cluster.request("POST", collection, manifest)
    return True


@pytest.fixture(scope="session")
def system(cluster: Cluster) -> Iterator[Space]:
    """Give the operator's own namespace, with its ServiceAccount."""
    crd = yaml.safe_load((ROOT / "crds/appstack.dev_appstacks.yaml").read_text())
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
    cluster.request("PATCH", path, crd, kind="application/apply-patch+yaml", fieldManager="tests", force="true")
    eventually(lambda: cluster.request("GET", "/apis/appstack.dev/v1alpha1/appstacks", limit="1"))
    with namespace(cluster, SYSTEM) as space:
        for account in (ACCOUNT, *CREW):
            space.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
        subjects = [{"kind": "ServiceAccount", "name": name, "namespace": SYSTEM} for name in (ACCOUNT, *CREW)]
        for kind, collection in (
            ("ClusterRole", f"{RBAC}/clusterroles"),
            ("Role", f"{RBAC}/namespaces/{SYSTEM}/roles"),
        ):
            meta = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": SYSTEM}}
            _made_anew(cluster, collection, meta | {"kind": kind, "rules": rules(kind)})
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": SYSTEM}
            binding = meta | {"kind": f"{kind}Binding", "roleRef": role, "subjects": subjects}
            _made_anew(cluster, collection.replace("roles", "rolebindings"), binding)
        yield space
    cluster.request("DELETE", f"{RBAC}/clusterroles/{SYSTEM}")
    cluster.request("DELETE", f"{RBAC}/clusterrolebindings/{SYSTEM}")


class namespace:  # used like a function
    """A namespace for as long as the block lasts."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.space = Space(cluster, name)

    def __enter__(self) -> Space:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space.name}}
        _made_anew(self.space.cluster, "/api/v1/namespaces", body)
        return self.space

    def __exit__(self, *_: object) -> None:
        try:
            self.space.cluster.request("DELETE", f"/api/v1/namespaces/{self.space.name}")
        except Failure as error:  # a test may have deleted it
            if error.status != 404:
                raise


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster, system: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a kubeconfig of the operator's ServiceAccount."""
    return login(cluster, system, ACCOUNT, tmp_path_factory.mktemp("login"))


def login(cluster: Cluster, space: Space, account: str, folder: Path) -> Path:
    """Write a kubeconfig of a ServiceAccount."""
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    path = space.path("ServiceAccount", account) + "/token"
    token = cluster.request("POST", path, asked)["status"]["token"]
    where = {"server": cluster.server, "certificate-authority": cluster.ca}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": where}],
        "users": [{"name": "it", "user": {"token": token}}],
    }
    file = folder / f"{account}.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="session")
def operator(system: Space, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Give the operator, at work."""
    running = Operator(
        tmp_path_factory.mktemp("operator"),
        kubeconfig,
        identity="api-tests",
        operatorNamespace=SYSTEM,
        namespaces=[f"api-{WORKER}-*"],
    )
    running.start()
    yield running
    assert running.stop() == 0, running.words()[-3000:]
    assert "Traceback" not in running.words()


@pytest.fixture
def space(request: pytest.FixtureRequest, cluster: Cluster, operator: Operator) -> Iterator[Space]:
    """Give a test a namespace of its own, in which the operator works."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40]
    with namespace(cluster, f"api-{WORKER}-{words.strip('-')}-{secrets.token_hex(2)}") as space:
        yield space


@pytest.fixture(scope="session")
def audit(system: Space) -> Iterator[Audit]:
    """Give what the operator has asked of the API server."""
    if not AUDIT_LOG.exists():
        pytest.skip("not run: this cluster gives no .cluster/audit.log to count requests in")
    log = Audit(f"system:serviceaccount:{SYSTEM}:{ACCOUNT}")
    yield log
    log.close()
