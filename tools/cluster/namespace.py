"""The engine's own network, mount and process namespaces, the link into them, and the cgroups it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import shell, state

INIT = Path(__file__).with_name("engine-init.sh")
CGROUPS = Path("/sys/fs/cgroup")


def name() -> str:
    """One per cache, short enough for a network link: two caches on one machine don't meet."""
    return f"appstack-{state.fingerprint(str(state.cache()))[:5]}"


@dataclass(frozen=True)
class Ends:
    """The addresses of the link's two ends."""

    outside: str
    inside: str


def ends() -> Ends:
    """Two addresses of 198.18.0.0/15, which RFC 2544 sets aside for tests."""
    number = int(state.fingerprint(str(state.cache())), 16) % 2**14 * 4
    prefix = f"198.18.{number // 256}"
    return Ends(outside=f"{prefix}.{number % 256 + 1}", inside=f"{prefix}.{number % 256 + 2}")


def enter_new(argv: Sequence[str]) -> list[str]:
    """The command that runs argv as the first process of new namespaces."""
    namespaces = ["--mount", "--net", "--pid", "--propagation", "private"]
    return ["unshare", *namespaces, "--fork", "--kill-child", "sh", str(INIT), *argv]


def first_process(launcher: int) -> int | None:
    """The process that `unshare --fork` started: ending it ends all others of its namespace."""
    try:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def connect(launcher: int) -> None:
    """Lead a link into the network namespace; it vanishes with that."""
    if not shell.wait_until(lambda: first_process(launcher) is not None, 5):
        raise shell.Failure("the engine's namespaces could not be made; is this a container without privileges?")
    pid = str(first_process(launcher))
    inner = ["nsenter", "--target", pid, "--net", "ip"]
    for command in (
        ["ip", "link", "add", name(), "type", "veth", "peer", "name", "eth0", "netns", pid],
        ["ip", "address", "add", f"{ends().outside}/30", "dev", name()],
        ["ip", "link", "set", name(), "up"],
        [*inner, "address", "add", f"{ends().inside}/30", "dev", "eth0"],
        [*inner, "link", "set", "eth0", "up"],
        [*inner, "route", "add", "default", "via", ends().outside],
    ):
        shell.run(command)


def remove_link() -> None:
    if Path("/sys/class/net", name()).exists():
        shell.run(["ip", "link", "delete", name()])


def cgroups() -> list[Path]:
    """Our cgroups, the deepest first: the order in which they can be removed."""
    tops = [*CGROUPS.glob(name()), *CGROUPS.glob(f"*/{name()}")]
    found = [path for top in tops for path in (top, *top.rglob("*")) if path.is_dir()]
    return sorted(set(found), key=lambda path: len(path.parts), reverse=True)


def remove_cgroups() -> None:
    def removed() -> bool:
        for path in cgroups():
            try:
                path.rmdir()
            except OSError:  # the kernel has not let go of it yet
                continue
        return not cgroups()

    shell.wait_until(removed, 5)
