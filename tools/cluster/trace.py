"""What a cluster leaves on a machine: to prove that `make cluster-down` leaves nothing, and to say what if not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tools.cluster import engine, namespace, shell, state


def ours() -> list[str]:
    """What is left of our own engine and cluster, in words; nothing when all is gone."""
    files = [state.CLUSTER, engine.folder() / "owner.json", engine.socket_path().parent]
    left = [f"file {path}" for path in dict.fromkeys(files) if path.exists()]
    if not engine.packages_present():
        return left  # a cluster on the user's own Docker, which clears up after itself
    found = [f"process {pid} ({command.split()[0]})" for pid, command in processes() if _is_ours(pid, command)]
    found += [f"mount {place}" for place in mounts() if place.startswith((f"{engine.folder()}/", f"{state.CLUSTER}/"))]
    found += [f"link {link}" for link in links() if link == namespace.name()]
    found += [f"cgroup {path}" for path in namespace.cgroups() if path.name == namespace.name()]
    return found + left


def _is_ours(pid: int, command: str) -> bool:
    """By the cgroup that nodes and pods run in, or by the engine's paths in the command."""
    try:
        return str(engine.folder()) in command or namespace.name() in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:  # it has ended meanwhile
        return False


def machine() -> dict[str, list[str]]:
    """All that a cluster could change on this machine, to be compared before and after."""
    return {
        "processes": sorted(command for _, command in processes()),
        "mounts": sorted(mounts()),
        "links": sorted(links()),
        "cgroups": sorted(_cgroup_names()),
        "firewall": firewall(),
        "settings": [Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()],
    }


def processes() -> Iterator[tuple[int, str]]:
    """Every process but this one and the kernel's."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it has ended meanwhile
            continue
        if command and int(folder.name) != os.getpid():
            yield int(folder.name), command


def mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines]


def links() -> list[str]:
    return [path.name for path in Path("/sys/class/net").iterdir()]


def _cgroup_names() -> list[str]:
    return [str(path) for path in namespace.CGROUPS.rglob("*") if path.is_dir()]


def firewall() -> list[str]:
    """The rules, as far as a tool to list them is there: the machine's own, or those of the engine's packages."""
    env = engine.environment() if engine.packages_present() else {}
    listings = [shell.attempt([tool], env=env) for tool in ("iptables-save", "ip6tables-save", "iptables-legacy-save")]
    return [line for done in listings for line in done.out.splitlines() if not line.startswith("#")]
