"""kind's node image, built where it can't be pulled: Debian, pinned programs, and kind's own unit files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.cluster import archive, debian, programs, shell, state, storage

# fmt: off
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux",
    "mount", "kmod", "procps", "curl", "jq", "runc", "containernetworking-plugins", "ca-certificates", "e2fsprogs",
    "bash",
)
# fmt: on
PROXY_PACKAGES = ("iptables", "conntrack", "kmod")
SOURCES = ("kubernetes", "etcd", "containerd", "coredns", "local-path-provisioner", "kind")
PROGRAMS_BY_FOLDER = {
    "usr/bin": ("kubeadm", "kubelet", "kubectl"),
    "usr/local/bin": ("containerd", "containerd-shim-runc-v2", "ctr"),
}
# kind's Dockerfile removes the same units, which set up devices, consoles and disks.
UNWANTED_UNITS = (
    "lib/systemd/system/multi-user.target.wants/*",
    "etc/systemd/system/*.wants/*",
    "lib/systemd/system/local-fs.target.wants/*",
    "lib/systemd/system/sockets.target.wants/*udev*",
    "lib/systemd/system/sockets.target.wants/*initctl*",
    "lib/systemd/system/basic.target.wants/*",
    "lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
)
UNITS = ("kubelet", "containerd", "undo-mount-hacks")
PAUSE = state.ROOT / "tools/images/pause"
NODE, BASE = "appstack-node", "appstack-node-base"
ENTRYPOINT = '["/usr/local/bin/entrypoint", "/sbin/init"]'


def name() -> str:
    return f"{NODE}:{key()}"


def key() -> str:
    """Return a hash of the image's inputs; versions of Debian packages are not among them."""
    here = Path(__file__)
    files = (here, here.with_name("archive.py"), here.with_name("storage.yaml"), PAUSE / "main.go")
    return state.fingerprint(*(programs.key(programs.SOURCES[name]) for name in SOURCES), *files)


def ensure(env: Mapping[str, str]) -> str:
    """Return the image in the engine; build it if it is missing."""
    if not shell.attempt(["docker", "image", "inspect", name()], env=env).ok:
        commands = [command for source in SOURCES for command in programs.SOURCES[source].packages]
        built = programs.ensure(commands)
        with state.scratch("node") as scratch:
            _build(scratch, built, env)
    return name()


def _build(scratch: Path, built: Mapping[str, Path], env: Mapping[str, str]) -> None:
    log = state.log("node-image")
    with (
        shell.step("building the node's root file system from Debian packages"),
        debian.root_file_system(PACKAGES, log) as root,
    ):
        install_node(root, built)
        _import(root, env, log)
    with shell.step("packing the control plane's images"):
        images = scratch / "images.tar"
        archive.write(images, control_plane(scratch, built, log))
    with shell.step("importing them into the node image"):
        _commit_with(images, env, log)


def install_node(root: Path, built: Mapping[str, Path]) -> None:
    """Install programs, kind's files and units, and containerd's settings into a Debian root file system."""
    for folder, names in PROGRAMS_BY_FOLDER.items():
        for program in names:
            shutil.copy(built[program], root / folder / program)
    (root / "opt/cni").mkdir(parents=True)
    (root / "opt/cni/bin").symlink_to("/usr/lib/cni")
    for pattern in UNWANTED_UNITS:
        for unit in root.glob(pattern):
            unit.unlink()
    _kind_files(root)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for enabled in UNITS:
        (wants / f"{enabled}.service").symlink_to(f"/etc/systemd/system/{enabled}.service")
    # systemd-binfmt would register formats in the machine's kernel.
    (root / "etc/systemd/system/systemd-binfmt.service").symlink_to("/dev/null")
    with (root / "etc/systemd/journald.conf").open("a") as journal:
        journal.write("ReadKMsg=no\n")
    (root / "etc/kubernetes/manifests").mkdir(parents=True)
    (root / "kind/version").write_text(programs.version(programs.SOURCES["kubernetes"]))
    (root / "kind/manifests").mkdir()
    manifest = storage.render(storage.PROVISIONER_IMAGE, storage.HELPER_IMAGE)
    (root / "kind/manifests/default-storage.yaml").write_text(manifest)
    config = root / "etc/containerd/config.toml"
    config.write_text(containerd_config(config.read_text(), pause_image(built["kubeadm"])))
    specification = json.loads(shell.run([built["ctr"], "oci", "spec"]))
    (root / "etc/containerd/cri-base.json").write_text(json.dumps(base_specification(specification)))


def _kind_files(root: Path) -> None:
    """Copy the files of kind's base image from kind's pinned Go module."""
    source = programs.module_folder(programs.SOURCES["kind"]) / "images/base/files"
    for file in source.rglob("*"):
        if file.is_file():
            target = root / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
            target.chmod(0o755 if target.parent.name == "bin" else 0o644)


def containerd_config(text: str, pause: str) -> str:
    """Return kind's containerd settings with this pause image, for machines that can't lower oom_score_adj."""
    text = re.sub(r'sandbox_image = "[^"]*"', f'sandbox_image = "{pause}"', text)
    return text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")


def base_specification(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OCI specification that containers start from: with kind's hook, and without resource limits."""
    process = {name: value for name, value in specification["process"].items() if name != "rlimits"}
    hooks = {"createContainer": [{"path": "/kind/bin/mount-product-files.sh"}]}
    return {**specification, "process": process, "hooks": hooks}


def required_images(kubeadm: Path) -> list[str]:
    version = programs.version(programs.SOURCES["kubernetes"])
    return shell.run([kubeadm, "config", "images", "list", "--kubernetes-version", version]).split()


def pause_image(kubeadm: Path) -> str:
    return next(image for image in required_images(kubeadm) if "/pause:" in image)


def control_plane(scratch: Path, built: Mapping[str, Path], log: Path) -> list[archive.Image]:
    """Return an image for each name that kubeadm lists, and those of the storage provisioner."""
    proxy = scratch / "kube-proxy"
    debian.tree(PROXY_PACKAGES, proxy, log)
    debian.link_iptables(proxy)
    images = []
    for image in required_images(built["kubeadm"]):
        program = image.rpartition("/")[2].partition(":")[0]
        file = programs.ensure_own(PAUSE) if program == "pause" else built[program]
        path = f"/usr/local/bin/{program}"
        tree = proxy if program == "kube-proxy" else None
        images.append(archive.Image(image, {path: file}, tree, entrypoint=[path]))
    return [*images, *storage.images(scratch, built, log)]


def _import(root: Path, env: Mapping[str, str], log: Path) -> None:
    """Import the root file system as an image, and add the Dockerfile settings that `docker import` can't."""
    debian.pack(root, ["docker", "import", "-", f"{BASE}:import"], env)
    dockerfile = f"FROM {BASE}:import\nENV container=docker\nSTOPSIGNAL SIGRTMIN+3\nENTRYPOINT {ENTRYPOINT}\n"
    shell.run(["docker", "build", "--tag", f"{BASE}:{key()}", "-"], env=env, input=dockerfile, log=log)


def _commit_with(images: Path, env: Mapping[str, str], log: Path) -> None:
    """Import the images with the node's own containerd, and commit the container as the node image."""
    options = ["--detach", "--network", "none", "--security-opt", "seccomp=unconfined", "--entrypoint", "sleep"]
    container = shell.run(["docker", "run", *options, f"{BASE}:{key()}", "infinity"], env=env).strip()
    inside = ["docker", "exec", "--interactive", container]
    try:
        serve = "echo $$ > /run/containerd.pid; exec containerd"
        shell.run(["docker", "exec", "--detach", container, "sh", "-c", serve], env=env)
        if not shell.wait_until(lambda: shell.attempt([*inside, "ctr", "version"], env=env).ok, 30):
            raise shell.Failure(
                "containerd does not start in the node image within 30 s; see tools/cluster/nodeimage.py"
            )
        importing = ["ctr", "--namespace=k8s.io", "images", "import", "--no-unpack", "--digests"]
        with images.open("rb") as content:
            shell.run(
                [*inside, *importing, "--label=io.cri-containerd.pinned=pinned", "-"],
                env=env,
                stdin=content,
                log=log,
            )
        end = "pid=$(cat /run/containerd.pid); kill $pid; while [ -d /proc/$pid ]; do sleep 0.1; done"
        shell.run([*inside, "sh", "-c", end], env=env, timeout=30)
        shell.run(["docker", "commit", "--change", f"ENTRYPOINT {ENTRYPOINT}", container, name()], env=env)
    finally:
        shell.attempt(["docker", "rm", "--force", "--volumes", container], env=env)
    _remove_older(env)


def _remove_older(env: Mapping[str, str]) -> None:
    """Remove older node images, each of which takes more than a gigabyte."""
    for repository in (NODE, BASE):
        listing = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository]
        for image in shell.run(listing, env=env).split():
            if not image.endswith((f":{key()}", ":import")):
                shell.attempt(["docker", "image", "rm", image], env=env)
