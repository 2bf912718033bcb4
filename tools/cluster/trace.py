"""Traces of a cluster on the machine: the check that `make cluster-down` removes everything."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.cluster import engine, namespace, shell, state

BEFORE = "before.json"


def leftovers() -> list[str]:
    """Return descriptions of everything left of this project's own engine and cluster."""
    files = [state.CLUSTER, engine.folder() / "owner.json", engine.socket_path().parent]
    left = [f"file {path}" for path in dict.fromkeys(files) if path.exists()]
    if not engine.packages_present():
        return left  # the cluster was on the user's own Docker, which removes its traces itself
    found = [
        f"process {pid} ({command.split()[0]})" for pid, command in processes() if _belongs_to_cluster(pid, command)
    ]
    found += [f"mount {path}" for path in mounts() if path.startswith((f"{engine.folder()}/", f"{state.CLUSTER}/"))]
    found += [f"link {link}" for link in links() if link == namespace.name()]
    found += [f"cgroup {path}" for path in namespace.cgroups() if path.name == namespace.name()]
    return found + left


def _belongs_to_cluster(pid: int, command: str) -> bool:
    """Return whether a process has the cgroup of nodes and pods, or a path of the engine in its command."""
    try:
        return str(engine.folder()) in command or namespace.name() in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:  # the process has ended
        return False


Snapshot = Mapping[str, list[str]]


def machine() -> Snapshot:
    """Return everything that a cluster could change on this machine, except processes: see leftovers()."""
    rules = firewall()
    return {
        "mount": sorted(mounts()),
        "link": sorted(links()),
        "cgroup": sorted(_cgroup_names()),
        **({} if rules is None else {"firewall rule": sorted(rules)}),
        "net.ipv4.ip_forward": [Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()],
    }


def save_snapshot() -> None:
    """Record the state of the machine before the creation of a cluster."""
    state.CLUSTER.mkdir(exist_ok=True)
    (state.CLUSTER / BEFORE).write_text(json.dumps(machine()))


def load_snapshot() -> Snapshot | None:
    """Return the recorded state of the machine, or None if there is no record."""
    try:
        return dict(json.loads((state.CLUSTER / BEFORE).read_text()))
    except (OSError, ValueError):
        return None


def added(before: Snapshot, after: Snapshot) -> list[str]:
    """Return descriptions of everything that only the later snapshot has, in categories that both have."""
    found = {kind: Counter(after[kind]) - Counter(before[kind]) for kind in after if kind in before}
    return [f"{kind} {name}" for kind, names in found.items() for name in names.elements()]


def processes() -> Iterator[tuple[int, str]]:
    """Yield id and command of every process except this one and the kernel's."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # the process has ended
            continue
        if command and int(folder.name) != os.getpid():
            yield int(folder.name), command


def mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines]


def links() -> list[str]:
    return [path.name for path in Path("/sys/class/net").iterdir()]


def _cgroup_names() -> list[str]:
    return [folder for folder, _, _ in os.walk(namespace.CGROUPS)]  # entries may vanish meanwhile


def firewall() -> list[str] | None:
    """Return the firewall rules, or None without a tool to list them, on the machine or in the engine's packages."""
    env = engine.environment() if engine.packages_present() else {}
    listings = [shell.attempt([tool], env=env) for tool in ("iptables-save", "ip6tables-save", "iptables-legacy-save")]
    if not any(done.ok for done in listings):
        return None
    lines = [line for done in listings for line in done.out.splitlines() if not line.startswith("#")]
    return [re.sub(r" \[\d+:\d+\]$", "", line) for line in lines]  # without packet counters
