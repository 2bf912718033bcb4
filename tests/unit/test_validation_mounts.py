"""Validation of mount paths: overlaps, invalid paths and unknown volumes."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
EMPTY_DIR = "volumes: [{name: v, emptyDir: {}}]"


def mounts(*paths: str) -> str:
    """Return a backend that mounts the same volume at each path."""
    listed = ", ".join(f"{{name: v, mountPath: {path!r}, subPath: s{n}}}" for n, path in enumerate(paths))
    return f"{{backend: {{image: x, volumeMounts: [{listed}]}}, {EMPTY_DIR}}}"


def overlap(index: int, message: str, hint: str = "choose paths that do not overlap") -> str:
    """Return the message for the mount path of one volume mount of the backend."""
    return f"spec.backend.volumeMounts[{index}].mountPath: {message} ({hint})"


TOKEN_HINT = "choose another path, or set spec.pod.automountServiceAccountToken: false"
FIRST = "spec.backend.volumeMounts[0].mountPath"

CASES = {
    "disjoint paths are valid": (mounts("/a", "/ab", "/b/a", "/b/b"), []),
    "same path": (mounts("/a", "/a"), [overlap(1, f"'/a' is already used by {FIRST}")]),
    "same path in other spellings": (
        mounts("/a/b", "a//b/./", "/a/c/../b"),
        [overlap(1, f"'a//b/./' is already used by {FIRST}"), overlap(2, f"'/a/c/../b' is already used by {FIRST}")],
    ),
    "path inside another": (mounts("/a", "/a/b/c"), [overlap(1, f"'/a/b/c' is inside '/a' of {FIRST}")]),
    "path around another": (mounts("/a/b/c", "/a"), [overlap(1, f"'/a' would hide '/a/b/c' of {FIRST}")]),
    "path of the ServiceAccount token": (
        mounts(TOKEN),
        [overlap(0, f"'{TOKEN}' is already used by the ServiceAccount token", TOKEN_HINT)],
    ),
    "path around the ServiceAccount token": (
        mounts("/var/run"),
        [overlap(0, f"'/var/run' would hide '{TOKEN}' of the ServiceAccount token", TOKEN_HINT)],
    ),
    "path of the ServiceAccount token without automount is valid": (
        f"{mounts(TOKEN)[:-1]}, pod: {{automountServiceAccountToken: false}}}}",
        [],
    ),
    "file inside a mounted volume": (
        f"{mounts('/etc/app')[:-1]}, files: [{{path: /etc/app/x.toml, content: a}}]}}",
        [
            f"spec.files[0].path: '/etc/app/x.toml' is inside '/etc/app' of {FIRST} (choose paths that do not overlap)",
        ],
    ),
    "file inside the path of another file": (
        "files: [{path: /etc/app, content: a}, {path: /etc/app/b, content: b}]",
        [
            "spec.files[1].path: '/etc/app/b' is inside '/etc/app' of spec.files[0].path "
            "(choose paths that do not overlap)"
        ],
    ),
    "mount at the path of an inherited mount replaces it": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a}]}
        initContainers: [{name: i, volumeMounts: [{name: w, mountPath: /a}]}]
        volumes: [{name: v, emptyDir: {}}, {name: w, emptyDir: {}}]
        """,
        [],
    ),
    "mount inside an inherited mount": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a}]}
        initContainers: [{name: i, volumeMounts: [{name: v, mountPath: /a/b}]}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            f"spec.initContainers[0].volumeMounts[0].mountPath: '/a/b' is inside '/a' of the inherited {FIRST} "
            "(choose paths that do not overlap)"
        ],
    ),
    "mount around an inherited file": (
        """
        initContainers: [{name: i, volumeMounts: [{name: v, mountPath: /etc}]}]
        files: [{path: /etc/a, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.initContainers[0].volumeMounts[0].mountPath: '/etc' would hide '/etc/a' of the inherited "
            "spec.files[0].path (choose paths that do not overlap)"
        ],
    ),
    "file at the path of an inherited file replaces it": (
        """
        initContainers: [{name: i}]
        files: [{path: /etc/a, content: a}, {path: /etc/a, container: i, content: b}]
        """,
        [],
    ),
    "container with its own image inherits nothing": (
        """
        initContainers: [{name: i, image: y, volumeMounts: [{name: v, mountPath: /etc}]}]
        files: [{path: /etc/a, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [],
    ),
    "overlap in the backend is not repeated for containers that inherit it": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a/b}]}
        initContainers: [{name: i}, {name: j}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [overlap(1, f"'/a/b' is inside '/a' of {FIRST}")],
    ),
    "mounts that AppStack adds to the proxy": (
        """
        proxy:
          static: [{path: /s/, volume: v}]
          volumeMounts:
          - {name: v, mountPath: /etc/nginx}
          - {name: v, mountPath: /etc/nginx/conf.d}
          - {name: v, mountPath: /tmp/x}
          - {name: v, mountPath: /appstack}
        files: [{path: /etc/nginx/nginx.conf, container: proxy, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.proxy.volumeMounts[0].mountPath: '/etc/nginx' would hide '/etc/nginx/nginx.conf' of a mount that "
            "AppStack adds for nginx (choose another path)",
            "spec.proxy.volumeMounts[2].mountPath: '/tmp/x' is inside '/tmp' of a mount that AppStack adds for nginx "
            "(choose another path)",
            "spec.proxy.volumeMounts[3].mountPath: '/appstack' would hide '/appstack/static' of a mount that "
            "AppStack adds for nginx (choose another path)",
            "spec.files[0].path: '/etc/nginx/nginx.conf' is already used by a mount that AppStack adds for nginx "
            "(choose another path)",
        ],
    ),
    "backend may use the paths that AppStack mounts in the proxy": (
        "{backend: {image: x, ports: [{containerPort: 1}], volumeMounts: [{name: v, mountPath: /tmp}]}, "
        f"proxy: {{}}, {EMPTY_DIR}}}",
        [],
    ),
    "block devices are mount points": (
        """
        backend:
          image: x
          volumeMounts: [{name: v, mountPath: /dev/x}]
          volumeDevices: [{name: v, devicePath: /dev/x}, {name: w, devicePath: /dev/y}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            f"spec.backend.volumeDevices[0].devicePath: '/dev/x' is already used by {FIRST} "
            "(choose paths that do not overlap)",
            "spec.backend.volumeDevices[1].name: there is no volume 'w' (use one of: v)",
        ],
    ),
    "mount of an unknown volume": (
        "backend: {image: x, volumeMounts: [{name: w, mountPath: /a}]}",
        ["spec.backend.volumeMounts[0].name: there is no volume 'w' (declare the volume in spec.volumes)"],
    ),
    "invalid mount paths": (
        mounts("/a:b")[:-1] + ", sidecars: [{name: s, image: y, volumeMounts: [{name: v, mountPath: /}]}]}",
        [
            overlap(0, "'/a:b' is not a valid mount path", "use a directory other than /, without ':'"),
            f"spec.sidecars[0].volumeMounts[0].mountPath: '/' would hide '{TOKEN}' of the ServiceAccount token "
            f"({TOKEN_HINT})",
            "spec.sidecars[0].volumeMounts[0].mountPath: '/' is not a valid mount path "
            "(use a directory other than /, without ':')",
        ],
    ),
    "subPath outside the volume": (
        """
        backend:
          image: x
          volumeMounts:
          - {name: v, mountPath: /a, subPath: /x}
          - {name: v, mountPath: /b, subPathExpr: a/../b}
          - {name: v, mountPath: /c, subPath: a, subPathExpr: a}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.backend.volumeMounts[0].subPath: '/x' is not a path inside the volume "
            "(use a relative path without '..')",
            "spec.backend.volumeMounts[1].subPathExpr: 'a/../b' is not a path inside the volume "
            "(use a relative path without '..')",
            "spec.backend.volumeMounts[2].subPathExpr: cannot be combined with subPath (remove one of the two)",
        ],
    ),
}


@parametrize_cases(CASES)
def test_mounts(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines
