"""`appstack validate -A`: the AppStacks of a cluster under a policy that no operator applies yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.api.cluster import KUBECONFIG, ROOT, Cluster, Manifest, Namespace
from tests.api.conftest import RUN_ID, temporary_namespace
from tests.api.test_policy import HOST_PORT, SETTINGS, label

PREFIX = f"validate-{RUN_ID}"
OPENED = {"policy": {"hostPorts": [{"min": 8000, "max": 8000}]}}


def validate(*arguments: str, settings: Manifest, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `appstack validate` with settings for the namespaces of this module."""
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump({"namespaces": [f"{PREFIX}-*"]} | settings))
    command = [sys.executable, "-m", "appstack", "validate", "--settings", str(file), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator"), "KUBECONFIG": str(KUBECONFIG)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def versions(namespace: Namespace) -> list[str]:
    """Return the versions of the AppStacks."""
    return [each["metadata"]["resourceVersion"] for each in namespace.list("AppStack")]


def test_violations_in_the_cluster_are_shown_and_nothing_is_written(
    cluster: Cluster, operator_namespace: Namespace, tmp_path: Path
) -> None:
    with temporary_namespace(cluster, f"{PREFIX}-a") as one, temporary_namespace(cluster, f"{PREFIX}-b") as other:
        label(one, policy="warn")
        label(other, level="privileged")
        one.create_stack("fine", files=None, serviceAccount=None)
        one.create_stack("warned", files=None, serviceAccount=None, **HOST_PORT)
        other.create_stack("labelled", files=None, serviceAccount=None, **HOST_PORT)
        before = versions(one)

        everywhere = validate("-A", settings=SETTINGS, folder=tmp_path)
        in_one = validate("-n", one.name, settings=SETTINGS, folder=tmp_path)
        opened = validate("-A", settings=OPENED, folder=tmp_path)
        unknown = validate("-n", f"{PREFIX}-c", settings=OPENED, folder=tmp_path)

        assert everywhere.returncode == 1, everywhere.stderr
        (line,) = everywhere.stdout.splitlines()
        assert line.startswith(f"{one.name}/warned: spec.backend.ports[0].hostPort: 8000 is not a port of the node")
        assert everywhere.stderr == "1 of 3 AppStacks have errors\n"
        assert (in_one.returncode, in_one.stdout, in_one.stderr) == (1, f"{line}\n", "1 of 2 AppStacks have errors\n")
        assert (opened.returncode, opened.stdout, opened.stderr) == (0, "", "0 of 3 AppStacks have errors\n")
        assert (unknown.returncode, unknown.stdout) == (2, "")
        assert f"Namespace /{PREFIX}-c" in unknown.stderr
        assert before == versions(one)
