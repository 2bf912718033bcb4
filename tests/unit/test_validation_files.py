"""Validation of files: sources, containers, paths, size and modes."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

SOURCE_HINT = "(set exactly one of content, base64 and valueFrom)"


def unreadable_by(container: str) -> str:
    """Return the message for a file with mode 0440 that the container cannot read."""
    hint = "set spec.pod.securityContext.fsGroup, or a mode such as 0444"
    message = f"{container} cannot read the file: it does not run as root, the owner, and 0440 excludes others"
    return f"spec.files[0].mode: {message} ({hint})"


CASES = {
    "every source is valid": (
        """
        proxy: {}
        initContainers: [{name: i}]
        files:
        - {path: /a, content: ""}
        - {path: /b, container: i, base64: "YWJj\\nZGVm\\n"}
        - {path: /b, container: proxy, valueFrom: {secretKeyRef: {name: s, key: k}}}
        - {path: /c, valueFrom: {configMapKeyRef: {name: s, key: k}}}
        """,
        [],
    ),
    "decimal mode that looks octal": (
        """
        files:
        - {path: /a, content: a, mode: 0440}
        - {path: /b, content: a, mode: 440}
        - {path: /c, content: a, mode: 0777}
        """,
        ["Warning: spec.files[1].mode: 440 is a decimal number, 0670 in octal (write 0440 for the octal mode)"],
    ),
    "file without source and with several": (
        "files: [{path: /a}, {path: /b, content: a, base64: YQ==}]",
        [
            f"spec.files[0]: has no source {SOURCE_HINT}",
            f"spec.files[1]: has several sources: content, base64 {SOURCE_HINT}",
        ],
    ),
    "valueFrom without object, with two, and with an empty name and key": (
        """
        files:
        - {path: /a, valueFrom: {}}
        - {path: /b, valueFrom: {secretKeyRef: {name: s, key: k}, configMapKeyRef: {name: s, key: k}}}
        - {path: /c, valueFrom: {configMapKeyRef: {key: ""}}}
        """,
        [
            "spec.files[0].valueFrom: references no object (set exactly one of configMapKeyRef and secretKeyRef)",
            "spec.files[1].valueFrom: references two objects (set exactly one of configMapKeyRef and secretKeyRef)",
            "spec.files[2].valueFrom.configMapKeyRef.name: is required",
            "spec.files[2].valueFrom.configMapKeyRef.key: is required",
        ],
    ),
    "invalid base64": (
        "files: [{path: /a, base64: a b}, {path: /b, base64: ä}]",
        [f"spec.files[{index}].base64: is not valid base64 (use `content` for plain text)" for index in (0, 1)],
    ),
    "unknown container": (
        "files: [{path: /a, container: proxy, content: a}]",
        ["spec.files[0].container: there is no container 'proxy' (use one of: backend)"],
    ),
    "duplicate file": (
        "files: [{path: /a, content: a}, {path: /a, container: backend, content: b}]",
        [
            "spec.files[1].path: '/a' is already used by spec.files[0].path (choose another path)",
            "spec.files[1].path: the file '/a' of backend is already defined at spec.files[0].path "
            "(remove one of the two)",
        ],
    ),
    "directory, path that is not normalized, path with a colon": (
        """
        pod: {automountServiceAccountToken: false}
        files:
        - {path: /a/, content: a}
        - {path: /b//c, content: a}
        - {path: /d/../e, content: a}
        - {path: "/f:g", content: a}
        """,
        [
            "spec.files[0].path: '/a/' is a directory (append the name of the file)",
            "spec.files[1].path: '/b//c' is not a normalized path (use '/b/c')",
            "spec.files[2].path: '/d/../e' is not a normalized path (use '/e')",
            "spec.files[3].path: '/f:g' contains ':', which Kubernetes does not allow in a mount path "
            "(use a path without ':')",
        ],
    ),
    "mode 0440 is readable for root and for the user of the image": (
        "files: [{path: /a, content: a, mode: 0440}]",
        [],
    ),
    "mode 0440 and runAsUser of the pod": (
        "{pod: {securityContext: {runAsUser: 9}}, files: [{path: /a, content: a, mode: 0440}]}",
        [unreadable_by("spec.backend")],
    ),
    "mode 0440 and runAsNonRoot of the pod": (
        "{pod: {securityContext: {runAsNonRoot: true}}, files: [{path: /a, content: a, mode: 0440}]}",
        [unreadable_by("spec.backend")],
    ),
    "mode 0440 is readable for a root container in a pod of another user": (
        """
        backend: {image: x, securityContext: {runAsUser: 0}}
        pod: {securityContext: {runAsUser: 9}}
        files: [{path: /a, content: a, mode: 0440}]
        """,
        [],
    ),
    "mode 0440 and a container that inherits the file": (
        """
        initContainers: [{name: i, securityContext: {runAsUser: 9}}]
        files: [{path: /a, content: a, mode: 0440}]
        """,
        [unreadable_by("spec.initContainers[0]")],
    ),
    "mode 0440 and nginx, which has a user of its own": (
        "{proxy: {}, files: [{path: /a, container: proxy, content: a, mode: 0440}]}",
        [unreadable_by("spec.proxy")],
    ),
    "mode 0440 is readable for nginx as root": (
        """
        proxy: {securityContext: {runAsUser: 0, runAsNonRoot: false}}
        files: [{path: /a, container: proxy, content: a, mode: 0440}]
        """,
        [],
    ),
    "mode 0440 is readable with fsGroup": (
        "{pod: {securityContext: {runAsUser: 9, fsGroup: 9}}, files: [{path: /a, content: a, mode: 0440}]}",
        [],
    ),
}


@parametrize_cases(CASES)
def test_files(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


def test_total_size_of_all_files_is_limited_in_bytes() -> None:
    half = "ä" * 131_072
    fits = f"{{path: /a, content: {half}}}, {{path: /b, content: {half}}}"
    message = "spec.files: the contents of all files are 524289 bytes, more than the limit of 524288"
    assert issue_messages(f"files: [{fits}]") == []
    assert issue_messages(f"files: [{fits}, {{path: /c, base64: YQ==}}]") == [
        f"{message} (move large files into the image or a volume)"
    ]
