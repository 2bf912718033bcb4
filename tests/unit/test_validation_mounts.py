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


def overlap(index: int, message: str, hint: str = "choose another path") -> str:
    """Return the message for the mount path of one volume mount of the backend."""
    return f"spec.backend.volumeMounts[{index}].mountPath: {message} ({hint})"


FIRST = "spec.backend.volumeMounts[0].mountPath"

CASES = {
    "disjoint paths are valid": (mounts("/a", "/ab", "/b/a", "/b/b"), []),
    "same path": (mounts("/a", "/a"), [overlap(1, f"'/a' is already used by {FIRST}")]),
    "same path in other spellings": (
        mounts("/a/b", "a//b/./", "/a/c/../b"),
        [overlap(1, f"'a//b/./' is already used by {FIRST}"), overlap(2, f"'/a/c/../b' is already used by {FIRST}")],
    ),
    "path inside another is valid": (mounts("/a", "/a/b/c"), []),
    "path around another is valid": (mounts("/a/b/c", "/a"), []),
    "path of the ServiceAccount token is valid": (mounts(TOKEN), []),
    "path around the ServiceAccount token is valid": (mounts("/var/run"), []),
    "file inside a mounted volume is valid": (
        f"{mounts('/etc/app')[:-1]}, files: [{{path: /etc/app/x.toml, content: a}}]}}",
        [],
    ),
    "file inside a volume of a ConfigMap": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /etc/app}, {name: w, mountPath: /etc/app/w}]}
        files: [{path: /etc/app/x.toml, content: a}, {path: /etc/app/w/y.toml, content: b}]
        volumes: [{name: v, configMap: {name: c}}, {name: w, emptyDir: {}}]
        """,
        [
            f"spec.files[0].path: '/etc/app/x.toml' is inside '/etc/app' of {FIRST}: in a volume that the kubelet "
            "writes, a file cannot be mounted (choose a path outside, or add the file to the volume)"
        ],
    ),
    "volume of a Secret around an inherited file": (
        """
        sidecars: [{name: s, volumeMounts: [{name: v, mountPath: /etc}]}]
        files: [{path: /etc/a, content: a}, {path: /etcetera, content: a}]
        volumes: [{name: v, secret: {secretName: c}}]
        """,
        [
            "spec.sidecars[0].volumeMounts[0].mountPath: '/etc/a' of the inherited spec.files[0].path is inside "
            "'/etc': in a volume that the kubelet writes, a file cannot be mounted "
            "(choose a path outside, or add the file to the volume)"
        ],
    ),
    "directory inside a volume of a ConfigMap is valid": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /etc/app}, {name: w, mountPath: /etc/app/w}]}
        volumes: [{name: v, configMap: {name: c}}, {name: w, emptyDir: {}}]
        """,
        [],
    ),
    "mounts inside a read-only emptyDir": (
        """
        backend:
          image: x
          volumeMounts: [{name: v, mountPath: /a/b}, {name: v, mountPath: /a, readOnly: true}]
        files: [{path: /a/c, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            f"Warning: {field}: '{path}' is inside '/a' of spec.backend.volumeMounts[1].mountPath, a read-only "
            "emptyDir, where the mount point cannot be created "
            "(remove readOnly, or create the mount point in an init container)"
            for field, path in ((FIRST, "/a/b"), ("spec.files[0].path", "/a/c"))
        ],
    ),
    "mount inside a read-only emptyDir that is inherited": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a, readOnly: true}]}
        initContainers:
        - {name: i, volumeMounts: [{name: v, mountPath: /a/b}]}
        - {name: j, volumeMounts: [{name: v, mountPath: /a/b}, {name: v, mountPath: /a}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "Warning: spec.initContainers[0].volumeMounts[0].mountPath: '/a/b' is inside '/a' of the inherited "
            f"{FIRST}, a read-only emptyDir, where the mount point cannot be created "
            "(remove readOnly, or create the mount point in an init container)"
        ],
    ),
    "mount at the path of an inherited file": (
        """
        initContainers: [{name: i, volumeMounts: [{name: v, mountPath: /etc/a}]}]
        files: [{path: /etc/a, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.initContainers[0].volumeMounts[0].mountPath: '/etc/a' is already used by the inherited "
            "spec.files[0].path (choose another path)"
        ],
    ),
    "file inside the path of another file": (
        "files: [{path: /etc/app, content: a}, {path: /etc/app/b, content: b}]",
        [
            "spec.files[1].path: '/etc/app/b' is inside '/etc/app' of spec.files[0].path, which is a file "
            "(choose another path)"
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
        backend: {image: x, volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a/}]}
        initContainers: [{name: i}, {name: j}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [overlap(1, f"'/a/' is already used by {FIRST}")],
    ),
    "mounts that AppStack adds to the proxy": (
        """
        proxy:
          static: [{path: /s/, volume: v}]
          volumeMounts:
          - {name: v, mountPath: /etc/nginx}
          - {name: v, mountPath: /etc/nginx/modules}
          - {name: v, mountPath: /tmp/x}
          - {name: v, mountPath: /appstack}
        files: [{path: /etc/nginx/nginx.conf, container: proxy, content: a}]
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            f"{field} overlaps a mount that AppStack adds for nginx (choose another path)"
            for field in (
                "spec.proxy.volumeMounts[0].mountPath: '/etc/nginx'",
                "spec.proxy.volumeMounts[3].mountPath: '/appstack'",
                "spec.files[0].path: '/etc/nginx/nginx.conf'",
            )
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
            f"spec.backend.volumeDevices[0].devicePath: '/dev/x' is already used by {FIRST} (choose another path)",
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
            "spec.sidecars[0].volumeMounts[0].mountPath: '/' is not a valid mount path (use a directory other than /)",
            f"Warning: {FIRST}: '/a:b' contains ':', which Kubernetes documents as not allowed "
            "(use a path without ':', or set spec.pod.os.name: windows)",
        ],
    ),
    "path on Windows is valid": (mounts("C:\\data")[:-1] + ", pod: {os: {name: windows}}}", []),
    "what AppStack adds on Windows": (
        """
        backend: {image: x, ports: [{containerPort: 1}], volumeMounts: [{name: v, mountPath: 'C:\\v'}]}
        proxy: {}
        files: [{path: /a, content: a}]
        volumes: [{name: v, nodeCache: {}}]
        pod: {nodeSelector: {kubernetes.io/os: windows}}
        """,
        [
            "spec.proxy: nginx does not run on Windows (remove spec.proxy)",
            "spec.files: Windows cannot mount a single file (mount a directory, with a configMap in spec.volumes)",
            "spec.volumes[0].nodeCache: the container that prepares a node cache does not run on Windows "
            "(use hostPath or a claim)",
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
