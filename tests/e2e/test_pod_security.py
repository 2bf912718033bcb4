"""Pods in a namespace that enforces the Pod Security level `restricted`."""

from __future__ import annotations

from tests.e2e.manifests import private_backend
from tests.e2e.namespace import Namespace

USER_ID = 65532
STATIC = [{"path": "/static/", "from": "/srv/app/public"}]


def test_pods_with_proxy_and_static_files_run_where_restricted_is_enforced(namespace: Namespace) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    namespace.kubectl("label", "namespace", namespace.name, label)
    backend = {"securityContext": {"runAsUser": USER_ID}}
    stack = private_backend("safe", backend=backend, proxy={"static": STATIC})
    namespace.apply(stack)
    message = namespace.wait_until_stalled("safe")
    assert "spec.backend.securityContext.runAsNonRoot: must be true" in message
    assert "spec.proxy" not in message

    namespace.apply(stack | {"spec": stack["spec"] | {"podSecurity": "restricted"}})
    namespace.wait_until_ready("safe")

    assert namespace.page("http://safe/static/version.txt") == "1.0.0\n"
    assert namespace.page("http://safe/").startswith("Hello from safe-")
    pod = namespace.only_pod("safe")["metadata"]["name"]
    assert namespace.exec(pod, "backend", "id", "-u").strip() == str(USER_ID)
