"""A real nginx with the files of a rendered AppStack at the paths that they have in a pod, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.cluster import servers

# The mounts are in a mount namespace of the process, so several can use one root file system at the same time.
MOUNT_AND_START = """
root=$1; work=$2; program=$3; shift 3
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
for folder in appstack run srv tmp work var/cache/nginx etc/nginx/appstack; do
    mount --bind "$work/$folder" "$root/$folder"
done
mount --bind "$work/etc/nginx/nginx.conf" "$root/etc/nginx/nginx.conf"
if [ -n "$program" ]; then mount --bind "$program" "$root/usr/sbin/nginx"; fi
exec chroot "$root" "$@"
"""
NGINX = ("/usr/sbin/nginx", "-c", "/etc/nginx/nginx.conf", "-e", "stderr")
DEADLINE_SECONDS = 30


class NginxFailed(Exception):
    """nginx did not start; the message is its standard error."""


def free_port() -> int:
    """Return a TCP port of loopback that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Sandbox:
    """A folder whose content a chroot shows at the paths of a container."""

    work: Path
    program: Path | None = None
    """nginx to run; None: Debian's."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the folders."""
        for folder in servers.MOUNT_POINTS:
            (self.work / folder).mkdir(parents=True, exist_ok=True)
        (self.work / "etc/nginx/nginx.conf").touch()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files at absolute paths of the container."""
        for path, text in files.items():
            file = self.work / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def command(self, *argv: str) -> list[str]:
        """Return the command that runs a program in the chroot."""
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
        script = ["sh", "-ec", MOUNT_AND_START, "sandbox", str(servers.ensure()), str(self.work)]
        return [*namespace, *script, str(self.program or ""), *argv]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            self.command(*argv), capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
        )

    def test(self) -> str:
        """Return the errors and warnings of `nginx -t`; raise NginxFailed if it refuses the files."""
        result = self.run(*NGINX, "-t")
        if result.returncode:
            raise NginxFailed(result.stderr)
        return result.stderr

    def start(self, *argv: str, log: str) -> subprocess.Popen[bytes]:
        """Start a program; its output is in a file of the work folder."""
        with (self.work / log).open("wb") as output:
            process = subprocess.Popen(self.command(*argv), stdout=output, stderr=output, start_new_session=True)
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        """Return the output of a program."""
        return (self.work / name).read_text(errors="replace")

    def start_nginx(self, *ports: int) -> None:
        """Start nginx and wait until it listens; raise NginxFailed if it exits."""
        process = self.start(*NGINX, "-g", "daemon off;", log="nginx.log")
        wait_until(lambda: all(map(listens, ports)), process, lambda: self.log("nginx.log"))

    def stop(self) -> None:
        """Terminate the programs."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # workers that outlive the process that started them
            process.wait()


def listens(port: int) -> bool:
    """Return whether a process listens on a port of loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Any, process: subprocess.Popen[bytes], log: Any) -> None:
    """Wait for a condition; raise NginxFailed with the log if the process exits before."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NginxFailed(log())
        time.sleep(0.01)


def proxy_files(manifests: tuple[dict[str, Any], ...]) -> dict[str, str]:
    """Return the files of the ConfigMap that are mounted into the proxy, by path."""
    contents: dict[str, str] = next((each["data"] for each in manifests if each["kind"] == "ConfigMap"), {})
    pod = next(each["spec"]["template"]["spec"] for each in manifests if each["kind"] == "Deployment")
    proxy = next(each for each in pod["initContainers"] if each["name"] == "proxy")
    mounts = (mount for mount in proxy["volumeMounts"] if mount["name"] == "appstack-files")
    return {mount["mountPath"]: contents[mount["subPath"]] for mount in mounts}


@contextmanager
def stopping(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Stop the programs of a sandbox at the end."""
    try:
        yield sandbox
    finally:
        sandbox.stop()
