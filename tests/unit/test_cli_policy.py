"""The administrator's policy in `appstack validate` and `render`: settings, namespaces in the file, and assumptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from appstack.cli.__main__ import main

STACK = """\
apiVersion: appstack.dev/v1alpha1
kind: AppStack
metadata: {name: shop, namespace: team-a}
spec: {backend: {image: "s:1"}, pod: {hostPID: true}}
"""
NAMESPACE = """\
---
apiVersion: v1
kind: Namespace
metadata: {name: NAME, labels: {pod-security.kubernetes.io/enforce: privileged, ignored: true}}
"""
OPEN = "namespacePolicies: [{namespaceSelector: {matchLabels: {LABEL}}, policy: {hostNamespaces: [pid]}}]"
VIOLATION = "spec.pod.hostPID: shares a namespace of the node"
ASSUMED = "assumed that the namespace team-a has no labels; add the Namespace to the file if it has"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stack.yaml"
    path.write_text(STACK)
    return path


def settings(folder: Path, text: str) -> str:
    """Write a settings file and return its path."""
    path = folder / "settings.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("command", ["validate", "render"])
def test_default_policy_applies_without_settings(command: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "-f", str(file)]) == 1

    out, err = capsys.readouterr()
    assert f"{file}: {VIOLATION}" in (out if command == "validate" else err)
    assert f"{file}: {ASSUMED}" in err
    assert "restricted" not in out + err, "only an administrator asks for warnings"


def test_labels_of_a_namespace_in_the_file_select_the_policy(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(STACK + NAMESPACE.replace("NAME", "team-a"))
    assert main(["validate", "-f", str(file)]) == 0
    assert capsys.readouterr() == ("", "")

    file.write_text(STACK + NAMESPACE.replace("NAME", "team-b"))
    assert main(["validate", "-f", str(file)]) == 1


@pytest.mark.parametrize(
    ("label", "code"), [("kubernetes.io/metadata.name: team-a", 0), ("kubernetes.io/metadata.name: team-b", 1)]
)
def test_name_of_the_namespace_is_known_without_it(
    label: str, code: int, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = settings(tmp_path, OPEN.replace("LABEL", label))

    assert main(["validate", "--settings", path, "-f", str(file)]) == code
    out, err = capsys.readouterr()
    assert "warning: spec.backend: does not meet the Pod Security level restricted" in out
    assert ASSUMED in err


def test_namespace_of_the_command_line_replaces_that_of_the_file(file: Path, tmp_path: Path) -> None:
    path = settings(tmp_path, OPEN.replace("LABEL", "kubernetes.io/metadata.name: team-b"))

    assert main(["validate", "--settings", path, "-f", str(file), "-n", "team-b"]) == 0
    assert main(["validate", "--settings", path, "-f", str(file)]) == 1


def test_warn_prints_the_violation_and_fails_only_with_strict(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = settings(tmp_path, "policy: {enforcement: Warn}")

    assert main(["validate", "--settings", path, "-f", str(file)]) == 0
    assert f"{file}: warning: {VIOLATION}" in capsys.readouterr().out
    assert main(["validate", "--settings", path, "-f", str(file), "--strict"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of -f, -A and -n is required"),
        (["-A", "-n", "team-a"], "-A and -n exclude each other"),
    ],
)
def test_source_of_the_appstacks_is_required_and_unambiguous(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", *arguments]) == 2
    assert message in capsys.readouterr().err
