"""Expensive mounts, volumes and files."""

from __future__ import annotations

from typing import Final

from bench.worst_cases.spec import CONTAINERS, VOLUME, Spec, inheriting, make_backend, make_mounts


def inherited_mounts(n: int) -> Spec:
    """Mounts of the backend that 64 containers inherit."""
    return {"backend": make_backend(volumeMounts=make_mounts(n)), "volumes": [VOLUME], **inheriting()}


def merged_mounts(n: int) -> Spec:
    """Mounts of the backend that 64 containers merge with a mount of their own."""
    own = inheriting(volumeMounts=[{"name": "v", "mountPath": "/own"}])
    return {"backend": make_backend(volumeMounts=make_mounts(n)), "volumes": [VOLUME], **own}


def deep_mounts(n: int) -> Spec:
    """Inherited mounts with paths of 500 directories."""
    return {
        "backend": make_backend(volumeMounts=make_mounts(n, "/a" * 500 + "/{}")),
        "volumes": [VOLUME],
        **inheriting(),
    }


def deepest_mount(n: int) -> Spec:
    """One mount with as many directories as possible, which 64 containers inherit."""
    mounts = [{"name": "v", "mountPath": "/a" * n}]
    return {"backend": make_backend(volumeMounts=mounts), "volumes": [VOLUME], **inheriting()}


def nested_mounts(n: int) -> Spec:
    """Mounts inside each other: an issue for each."""
    mounts = [{"name": "v", "mountPath": "/a" * (depth + 1)} for depth in range(n)]
    return {"backend": make_backend(volumeMounts=mounts), "volumes": [VOLUME], **inheriting()}


def replaced_mounts(n: int) -> Spec:
    """Mounts of a sidecar around those of the backend, some of which it replaces."""
    inherited = make_mounts(n, "/a/{}")
    around = [{"name": "v", "mountPath": f"/{'/' * index}a"} for index in range(min(n, 900))]
    sidecar = {"name": "s", "volumeMounts": [*inherited[: n // 2], *around]}
    return {"backend": make_backend(volumeMounts=inherited), "volumes": [VOLUME], "sidecars": [sidecar]}


def mounts_of_missing_volumes(n: int) -> Spec:
    """Mounts of volumes that do not exist, beside 64 that do: the hint lists them."""
    volumes = [{"name": f"{'v' * 60}{index}", "emptyDir": {}} for index in range(64)]
    return {"backend": make_backend(volumeMounts=make_mounts(n, name="x")), "volumes": volumes}


def sub_paths(n: int) -> Spec:
    """Mounts with a subPath that leaves the volume."""
    mounts = [{**mount, "subPath": ".."} for mount in make_mounts(n)]
    return {"backend": make_backend(volumeMounts=mounts), "volumes": [VOLUME], **inheriting()}


def adapters(n: int) -> Spec:
    """Adapters without a volume in common with others, beside containers with many mounts."""
    volumes = [{"name": f"v{index}", "emptyDir": {}} for index in range(64)]
    mounts = [{"name": f"v{index % 64}", "mountPath": f"/m{index}"} for index in range(n)]
    adapter = {"image": "a", "role": "Adapter"}
    spec = {**inheriting(), "backend": make_backend(volumeMounts=mounts), "volumes": volumes}
    return {**spec, "sidecars": [{"name": f"s{index}", **adapter} for index in range(CONTAINERS)]}


def node_caches(n: int) -> Spec:
    """64 node caches. The owner of each depends on the users of all containers that mount it."""
    volumes = [{"name": f"v{index}", "nodeCache": {}} for index in range(64)]
    mounts = [{"name": f"v{index % 64}", "mountPath": f"/m{index}"} for index in range(n)]
    return {"backend": make_backend(volumeMounts=mounts), "volumes": volumes, **inheriting()}


def static_files(n: int) -> Spec:
    """Directories of static files from the image, beside mounts of the backend above them."""
    static = [{"path": f"/{index}/", "from": "/a" * 500} for index in range(CONTAINERS)]
    mounts = make_mounts(n)
    return {"backend": make_backend(volumeMounts=mounts), "volumes": [VOLUME], "proxy": {"static": static}}


def files(n: int) -> Spec:
    """Files of the backend that no container can read, and that 64 containers inherit."""
    listed = [{"path": f"/f{index}", "mode": 0o600, "content": ""} for index in range(n)]
    return {"backend": make_backend(), "files": listed, **inheriting(securityContext={"runAsUser": 0})}


def read_only_mounts(n: int) -> Spec:
    """Mounts and files inside a read-only emptyDir and inside a Secret that 64 containers inherit."""
    mounts = [
        {"name": "v", "mountPath": "/a", "readOnly": True},
        {"name": "s", "mountPath": "/b"},
        *make_mounts(n // 2, "/a/{}"),
    ]
    files = [{"path": f"/b/{index}", "content": ""} for index in range(min(n // 2, 128))]
    volumes = [VOLUME, {"name": "s", "secret": {"secretName": "s"}}]
    return {"backend": make_backend(volumeMounts=mounts), "volumes": volumes, "files": files, **inheriting()}


CASES: Final = (
    read_only_mounts,
    inherited_mounts,
    merged_mounts,
    deep_mounts,
    deepest_mount,
    nested_mounts,
    replaced_mounts,
    mounts_of_missing_volumes,
    sub_paths,
    adapters,
    node_caches,
    static_files,
    files,
)
