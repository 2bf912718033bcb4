"""What a cluster leaves on a machine: to prove that `make cluster-down` leaves nothing, and to say what if not."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.cluster import engine, namespace, shell, state

BEFORE = "before.json"


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


Picture = Mapping[str, list[str]]


def machine() -> Picture:
    """All that a cluster could change on this machine; of its processes `ours` tells, for others come and go."""
    rules = firewall()
    return {
        "mount": sorted(mounts()),
        "link": sorted(links()),
        "cgroup": sorted(_cgroup_names()),
        **({} if rules is None else {"firewall rule": sorted(rules)}),
        "net.ipv4.ip_forward": [Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()],
    }


def remember() -> None:
    """Keep how the machine is before there is a cluster."""
    state.CLUSTER.mkdir(exist_ok=True)
    (state.CLUSTER / BEFORE).write_text(json.dumps(machine()))


def recalled() -> Picture | None:
    """How the machine was before there was a cluster; None where nobody has looked."""
    try:
        return dict(json.loads((state.CLUSTER / BEFORE).read_text()))
    except (OSError, ValueError):
        return None


def news(before: Picture, after: Picture) -> list[str]:
    """What is there now and was not there before, in words, as far as both pictures show it."""
    found = {what: Counter(after[what]) - Counter(before[what]) for what in after if what in before}
    return [f"{what} {which}" for what, some in found.items() for which in some.elements()]


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
    return [folder for folder, _, _ in os.walk(namespace.CGROUPS)]  # some may vanish while we look


def firewall() -> list[str] | None:
    """The rules; None where there is no tool to list them, neither the machine's nor the engine's packages'."""
    env = engine.environment() if engine.packages_present() else {}
    listings = [shell.attempt([tool], env=env) for tool in ("iptables-save", "ip6tables-save", "iptables-legacy-save")]
    if not any(done.ok for done in listings):
        return None
    lines = [line for done in listings for line in done.out.splitlines() if not line.startswith("#")]
    return [re.sub(r" \[\d+:\d+\]$", "", line) for line in lines]  # packets are counted behind each chain
