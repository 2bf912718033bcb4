"""The project's own Docker engine, for machines without one: Debian's packages, unpacked into the cache.

It runs in network, mount and process namespaces of its own, so its bridges, firewall rules and mounts are separate from
the machine's. When its first process ends for any reason, the kernel ends the others and removes all of these. A pair
of virtual links connects the engine. A sudden end leaves cgroups, and containers in the data root.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.cluster import debian, namespace, runtime, shell, state

# fmt: off
PACKAGES = (
    "docker.io", "containerd", "runc", "tini", "iptables", "libip4tc2", "libip6tc2", "libxtables12",
    "libnetfilter-conntrack3", "libnfnetlink0", "libmnl0", "libnftnl11", "libdevmapper1.02.1", "libseccomp2",
    "libsystemd0",
)
# fmt: on
SOCKET_PATH_LIMIT = 100
"""Linux allows 108 bytes, of which temporary names beside the socket need a few."""
START_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Owner:
    """The checkout that runs the engine of this cache; recorded in the cache, where other checkouts find it."""

    checkout: str
    pid: int
    socket: str


def folder() -> Path:
    return state.cache() / "engine"


def data_root() -> Path:
    return folder() / "data"


def socket_path() -> Path:
    """Return the socket's path: in .cluster/, or in a folder below /tmp if that path is too long."""
    path = state.CLUSTER / "docker.sock"
    if len(str(path)) <= SOCKET_PATH_LIMIT:
        return path
    return Path("/tmp", f"appstack-{state.fingerprint(str(state.CLUSTER))}", "docker.sock")


def environment() -> dict[str, str]:
    """Return the environment variables for docker, kind and the engine itself."""
    root = _packages()
    triplet = f"{platform.machine()}-linux-gnu"
    libraries = [root / "usr/lib" / triplet, root / "lib" / triplet]
    return {
        "PATH": f"{root}/usr/sbin:{root}/usr/bin:{os.environ.get('PATH', '')}",
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "XTABLES_LIBDIR": f"{libraries[0]}/xtables",
        "DOCKER_HOST": f"unix://{socket_path()}",
        "DOCKER_CONTEXT": "",
    }


def _packages_folder() -> Path:
    return folder() / f"packages-{state.fingerprint(' '.join(PACKAGES))}"


def packages_present() -> bool:
    return _packages_folder().exists()


def _packages() -> Path:
    """Return the folder of the unpacked packages; download them the first time."""
    root = _packages_folder()
    if root.exists():
        return root
    unfinished = folder() / f"packages-unfinished-{os.getpid()}"
    unpacked, archives = unfinished / "root", unfinished / "archives"
    unpacked.mkdir(parents=True)
    try:
        with shell.step("downloading Debian's Docker engine into the cache (it is not installed)"):
            debian.extract(debian.download(PACKAGES, archives), unpacked)
        debian.link_iptables(unpacked)
        unpacked.rename(root)
    finally:
        shutil.rmtree(unfinished)
    return root


def owner() -> Owner | None:
    """Return the owner if a running engine holds the lock, or None."""
    if not folder().exists():
        return None
    with (folder() / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _recorded_owner()
    return None


def _recorded_owner() -> Owner:
    try:
        return Owner(**json.loads((folder() / "owner.json").read_text()))
    except (OSError, ValueError, TypeError):
        return Owner("an unknown checkout", 0, "")


def ensure() -> dict[str, str]:
    """Return the environment variables of this checkout's engine; start it if necessary."""
    if os.geteuid() != 0:
        raise shell.Failure(
            "no Docker engine responds, and the project's own engine needs root: start Docker, or run as root"
        )
    env = environment()
    current = owner()
    if current is not None and current.checkout == str(state.ROOT) and responds(env):
        return env
    if current is not None:
        _displace(current)
    clear()
    _start(env)
    return env


def _displace(current: Owner) -> None:
    """Stop an unusable engine of this cache; raise Failure if another existing checkout uses it."""
    other = Path(current.checkout)
    if other != state.ROOT and other.exists():
        raise shell.Failure(
            f"the engine of the cache {state.cache()} is in use by {other}: run `make cluster-down` there, "
            "or set APPSTACK_CACHE to another folder here"
        )
    reason = "does not respond" if other == state.ROOT else f"belongs to {other}, which no longer exists"
    shell.progress(f"  the running engine {reason}: replacing it")
    stop()


def responds(env: Mapping[str, str]) -> bool:
    return shell.attempt(["docker", "version", "--format", "{{.Server.Version}}"], env=env, timeout=10).ok


def clear() -> None:
    """Remove what an engine that ended suddenly has left behind."""
    data = data_root()
    for file in data.glob("containers/*/hostconfig.json"):
        # Otherwise the engine would restart the old cluster's nodes before they can be removed.
        config = json.loads(file.read_text() or "{}")
        file.write_text(json.dumps({**config, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}))
    shutil.rmtree(data / "network", ignore_errors=True)
    shutil.rmtree(data / "runtimes", ignore_errors=True)
    socket_path().unlink(missing_ok=True)
    (folder() / "owner.json").unlink(missing_ok=True)
    namespace.remove_link()
    namespace.remove_cgroups()


def configuration() -> dict[str, Any]:
    """Return the content of the engine's daemon.json."""
    base: dict[str, Any] = {
        "data-root": str(data_root()),
        "exec-root": "/run/docker",  # in the engine's own /run
        "pidfile": "/run/docker.pid",
        "hosts": [f"unix://{socket_path()}"],
        "bridge": "none",  # only kind's network is used
        "cgroup-parent": f"/{namespace.name()}",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "shutdown-timeout": 2,  # nodes have nothing to save
    }
    if not runtime.has_restricted_capabilities():
        return base
    python = Path(sys.executable).resolve()  # a .venv can be recreated while the engine runs
    return {
        **base,
        "default-runtime": "available-capabilities",
        "runtimes": {"available-capabilities": {"path": str(python), "runtimeArgs": [str(Path(runtime.__file__))]}},
    }


def _start(env: Mapping[str, str]) -> None:
    log = state.log("engine")
    socket_path().parent.mkdir(parents=True, exist_ok=True)
    config = folder() / "daemon.json"
    config.write_text(json.dumps(configuration(), indent=2))
    root = _packages()
    with shell.step("starting the project's own Docker engine"), (folder() / "lock").open("a") as lock:
        # The engine's processes inherit the lock: it is held exactly as long as one of them runs.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        argv = [str(root / "usr/bin/tini"), "--", str(root / "usr/sbin/dockerd"), "--config-file", str(config)]
        with log.open("ab") as sink:
            launcher = subprocess.Popen(
                namespace.enter_new(argv),
                env={**os.environ, **env, "APPSTACK_RUNC": str(root / "usr/sbin/runc")},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        owned = Owner(str(state.ROOT), launcher.pid, str(socket_path()))
        (folder() / "owner.json").write_text(json.dumps(asdict(owned)))
        namespace.connect(launcher.pid)
        if not shell.wait_until(lambda: launcher.poll() is not None or responds(env), START_SECONDS):
            stop()
            raise shell.Failure(f"the engine did not respond within {START_SECONDS:.0f} s; its log is {log}")
        if launcher.poll() is not None:
            raise shell.Failure(f"the engine ended at once; its log is {log}")
    _remove_dead_containers(env)


def _remove_dead_containers(env: Mapping[str, str]) -> None:
    """Remove containers and volumes of a cluster that ended with an earlier engine."""
    for command in (["container", "prune", "--force"], ["volume", "prune", "--force"]):
        shell.run(["docker", *command], env=env)


def stop() -> None:
    """Stop the engine with all its containers, by process id."""
    running = owner()
    if running is not None:
        inside = namespace.first_process(running.pid)
        for sent in (signal.SIGTERM, signal.SIGKILL):
            _send(inside, sent)
            if shell.wait_until(lambda: owner() is None, STOP_SECONDS):
                break
        else:
            raise shell.Failure(f"the engine (process {running.pid}) can't be stopped; stop it by hand")
    clear()
    if socket_path().parent != state.CLUSTER:
        shutil.rmtree(socket_path().parent, ignore_errors=True)


def _send(pid: int | None, sent: signal.Signals) -> None:
    if pid is not None:
        try:
            os.kill(pid, sent)
        except ProcessLookupError:
            return
