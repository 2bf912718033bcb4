"""Linux namespaces of the project's own Docker engine, the network link into them, and its cgroups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import shell, state

INIT = Path(__file__).with_name("engine-init.sh")
CGROUPS = Path("/sys/fs/cgroup")


def name() -> str:
    """Return the name of the link and the cgroups: unique for a cache, and short enough for a link."""
    return f"appstack-{state.fingerprint(str(state.cache()))[:5]}"


@dataclass(frozen=True)
class LinkAddresses:
    """The addresses of both ends of the link."""

    outside: str
    inside: str


def link_addresses() -> LinkAddresses:
    """Return two addresses of 198.18.0.0/15, which RFC 2544 reserves for tests."""
    number = int(state.fingerprint(str(state.cache())), 16) % 2**14 * 4
    prefix = f"198.18.{number // 256}"
    return LinkAddresses(outside=f"{prefix}.{number % 256 + 1}", inside=f"{prefix}.{number % 256 + 2}")


def enter_new(argv: Sequence[str]) -> list[str]:
    """Return the command that runs argv as the first process of new namespaces."""
    namespaces = ["--mount", "--net", "--pid", "--propagation", "private"]
    return ["unshare", *namespaces, "--fork", "--kill-child", "sh", str(INIT), *argv]


def first_process(launcher: int) -> int | None:
    """Return the process that `unshare --fork` started; its end ends all processes of its namespace."""
    try:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def connect(launcher: int) -> None:
    """Create a link into the network namespace; the kernel removes it with the namespace."""
    if not shell.wait_until(lambda: first_process(launcher) is not None, 5):
        raise shell.Failure(
            "the engine's namespaces could not be created; an unprivileged container is the usual cause"
        )
    pid = str(first_process(launcher))
    inner = ["nsenter", "--target", pid, "--net", "ip"]
    for command in (
        ["ip", "link", "add", name(), "type", "veth", "peer", "name", "eth0", "netns", pid],
        ["ip", "address", "add", f"{link_addresses().outside}/30", "dev", name()],
        ["ip", "link", "set", name(), "up"],
        [*inner, "address", "add", f"{link_addresses().inside}/30", "dev", "eth0"],
        [*inner, "link", "set", "eth0", "up"],
        [*inner, "route", "add", "default", "via", link_addresses().outside],
    ):
        shell.run(command)


def remove_link() -> None:
    if Path("/sys/class/net", name()).exists():
        shell.run(["ip", "link", "delete", name()])


def cgroups() -> list[Path]:
    """Return the engine's cgroups, the deepest first, which is the order in which they can be removed."""
    tops = [*CGROUPS.glob(name()), *CGROUPS.glob(f"*/{name()}")]
    found = [path for top in tops for path in (top, *top.rglob("*")) if path.is_dir()]
    return sorted(set(found), key=lambda path: len(path.parts), reverse=True)


def remove_cgroups() -> None:
    def removed() -> bool:
        for path in cgroups():
            try:
                path.rmdir()
            except OSError:  # still in use
                continue
        return not cgroups()

    shell.wait_until(removed, 5)
