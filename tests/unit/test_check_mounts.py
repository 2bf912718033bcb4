"""Overlaps are errors: mounts, files, the token and AppStack's own."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import complaints, table

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
ONE = "volumes: [{name: v, emptyDir: {}}]"


def mounts(*paths: str) -> str:
    """Return a backend that mounts the same volume at each path."""
    listed = ", ".join(f"{{name: v, mountPath: {path!r}, subPath: s{n}}}" for n, path in enumerate(paths))
    return f"{{backend: {{image: x, volumeMounts: [{listed}]}}, {ONE}}}"


def at(index: int, sentence: str, hint: str = "mount the two beside each other") -> str:
    return f"spec.backend.volumeMounts[{index}].mountPath: {sentence} ({hint})"


TOKEN_HINT = "mount elsewhere, or set spec.pod.automountServiceAccountToken: false"
FIRST = "spec.backend.volumeMounts[0].mountPath"

CASES = {
    "beside each other": (mounts("/a", "/ab", "/b/a", "/b/b"), []),
    "the same path": (mounts("/a", "/a"), [at(1, f"'/a' is taken already by {FIRST}")]),
    "the same path, spelled otherwise": (
        mounts("/a/b", "a//b/./", "/a/c/../b"),
        [at(1, f"'a//b/./' is taken already by {FIRST}"), at(2, f"'/a/c/../b' is taken already by {FIRST}")],
    ),
    "one inside another": (mounts("/a", "/a/b/c"), [at(1, f"'/a/b/c' lies inside '/a' of {FIRST}")]),
    "one around another": (mounts("/a/b/c", "/a"), [at(1, f"'/a' would hide '/a/b/c' of {FIRST}")]),
    "at the token": (mounts(TOKEN), [at(0, f"'{TOKEN}' is taken already by the ServiceAccount's token", TOKEN_HINT)]),
    "around the token": (
        mounts("/var/run"),
        [at(0, f"'/var/run' would hide '{TOKEN}' of the ServiceAccount's token", TOKEN_HINT)],
    ),
    "where the token would be, had it not been left out": (
        f"{mounts(TOKEN)[:-1]}, pod: {{automountServiceAccountToken: false}}}}",
        [],
    ),
    "a file in a mounted volume": (
        f"{mounts('/etc/app')[:-1]}, files: [{{path: /etc/app/x.toml, content: a}}]}}",
        [
            f"spec.files[0].path: '/etc/app/x.toml' lies inside '/etc/app' of {FIRST} "
            "(mount the two beside each other)",
        ],
    ),
    "a file in what must be a directory for another": (
        "files: [{path: /etc/app, content: a}, {path: /etc/app/b, content: b}]",
        [
            "spec.files[1].path: '/etc/app/b' lies inside '/etc/app' of spec.files[0].path "
            "(mount the two beside each other)"
        ],
    ),
    "a mount of one's own over an inherited one is meant": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a}]}
        initContainers: [{name: i, volumeMounts: [{name: w, mountPath: /a}]}]
        volumes: [{name: v, emptyDir: {}}, {name: w, emptyDir: {}}]
        """,
        [],
    ),
    "a mount of one's own inside an inherited one": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a}]}
        initContainers: [{name: i, volumeMounts: [{name: v, mountPath: /a/b}]}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            f"spec.initContainers[0].volumeMounts[0].mountPath: '/a/b' lies inside '/a' of {FIRST}, inherited "
            "(mount the two beside each other)"
        ],
    ),
    "a mount over an inherited file": (
        """
        initContainers: [{name: i, volumeMounts: [{name: v, mountPath: /etc}]}]
        files: [{path: /etc/a, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.initContainers[0].volumeMounts[0].mountPath: '/etc' would hide '/etc/a' of spec.files[0].path, "
            "inherited (mount the two beside each other)"
        ],
    ),
    "a file of one's own in place of an inherited one is meant": (
        """
        initContainers: [{name: i}]
        files: [{path: /etc/a, content: a}, {path: /etc/a, container: i, content: b}]
        """,
        [],
    ),
    "an image of one's own inherits nothing": (
        """
        initContainers: [{name: i, image: y, volumeMounts: [{name: v, mountPath: /etc}]}]
        files: [{path: /etc/a, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [],
    ),
    "the backend's overlap is told once, not for each that inherits it": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a/b}]}
        initContainers: [{name: i}, {name: j}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [at(1, f"'/a/b' lies inside '/a' of {FIRST}")],
    ),
    "AppStack's own in the proxy": (
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
            "spec.proxy.volumeMounts[0].mountPath: '/etc/nginx' would hide '/etc/nginx/nginx.conf' of AppStack's own "
            "mount (mount elsewhere: nginx needs it)",
            "spec.proxy.volumeMounts[2].mountPath: '/tmp/x' lies inside '/tmp' of AppStack's own mount "
            "(mount elsewhere: nginx needs it)",
            "spec.proxy.volumeMounts[3].mountPath: '/appstack' would hide '/appstack/static' of AppStack's own mount "
            "(mount elsewhere: nginx needs it)",
            "spec.files[0].path: '/etc/nginx/nginx.conf' is taken already by AppStack's own mount "
            "(mount elsewhere: nginx needs it)",
        ],
    ),
    "the backend may mount where AppStack mounts in the proxy": (
        f"{{backend: {{image: x, ports: [{{containerPort: 1}}], volumeMounts: [{{name: v, mountPath: /tmp}}]}}, "
        f"proxy: {{}}, {ONE}}}",
        [],
    ),
    "block devices count": (
        """
        backend:
          image: x
          volumeMounts: [{name: v, mountPath: /dev/x}]
          volumeDevices: [{name: v, devicePath: /dev/x}, {name: w, devicePath: /dev/y}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            f"spec.backend.volumeDevices[0].devicePath: '/dev/x' is taken already by {FIRST} "
            "(mount the two beside each other)",
            "spec.backend.volumeDevices[1].name: there is no volume 'w' (there are: v)",
        ],
    ),
    "a mount of no volume": (
        "backend: {image: x, volumeMounts: [{name: w, mountPath: /a}]}",
        ["spec.backend.volumeMounts[0].name: there is no volume 'w' (spec.volumes is empty)"],
    ),
    "paths that can't be mounted": (
        mounts("/a:b")[:-1] + ", sidecars: [{name: s, image: y, volumeMounts: [{name: v, mountPath: /}]}]}",
        [
            at(0, "'/a:b' can't be mounted at", "name a directory"),
            "spec.sidecars[0].volumeMounts[0].mountPath: '/' would hide "
            f"'{TOKEN}' of the ServiceAccount's token ({TOKEN_HINT})",
            "spec.sidecars[0].volumeMounts[0].mountPath: '/' can't be mounted at (name a directory)",
        ],
    ),
    "directories that are not in the volume": (
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
            "spec.backend.volumeMounts[0].subPath: '/x' is not a path inside the volume (neither a leading / nor '..')",
            "spec.backend.volumeMounts[1].subPathExpr: 'a/../b' is not a path inside the volume "
            "(neither a leading / nor '..')",
            "spec.backend.volumeMounts[2].subPathExpr: excludes subPath (keep one of the two)",
        ],
    ),
}


@table(CASES)
def test_mounts(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines
