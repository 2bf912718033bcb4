"""Debian packages: downloaded with the machine's apt settings, never installed on the machine."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.cluster import shell, state

ESSENTIAL = ("?essential", "usr-is-merged")
"""Packages of every root file system; usr-is-merged replaces usrmerge, which needs Perl."""

BUSYBOX = "busybox:1.35.0"
"""The image built from Debian's busybox-static: the public image's name, with the version of the package."""

CONFIGURE = """
set -e
mount -t proc proc "$1/proc"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
# base-passwd first: scripts of other packages use its users.
chroot "$1" sh -c 'dpkg --force-unsafe-io --force-depends --install /debs/base-passwd_*.deb /debs/base-files_*.deb'
chroot "$1" sh -c 'dpkg --force-unsafe-io --force-depends --install /debs/*.deb'
"""
NO_SERVICES = "#!/bin/sh\n# No service is started while packages are configured.\nexit 101\n"


def _folder() -> Path:
    return state.cache() / "debian"


def _apt(*arguments: str, cwd: Path | None = None, log: Path | None = None) -> str:
    """Run apt-get with the machine's sources, keys and proxies, and with lists and status of its own."""
    folder = _folder()
    for part in ("state/lists/partial", "cache/archives/partial", "log"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    installed = folder / "nothing-installed"
    installed.touch()
    own = {
        "Dir::State": folder / "state",
        "Dir::State::status": installed,
        "Dir::Cache": folder / "cache",
        "Dir::Log": folder / "log",
        "APT::Sandbox::User": "root",  # the user _apt can't read the cache, which is in a home folder
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
    }
    options = [option for name, value in own.items() for option in ("-o", f"{name}={value}")]
    return shell.run(["apt-get", "--quiet", "--assume-yes", *options, *arguments], cwd=cwd, log=log)


@functools.cache
def refresh() -> None:
    """Fetch the package lists once per process: old lists name versions that the mirror has removed."""
    if shutil.which("apt-get") is None:
        raise shell.Failure(
            "no Docker engine responds, and apt-get, which builds the cluster without one, is missing: "
            "start Docker, or use a Debian 12 machine"
        )
    with shell.step("fetching Debian's package lists"):
        _apt("update", log=state.log("apt"))


def download(packages: Sequence[str], target: Path) -> list[Path]:
    """Download exactly these packages, without their dependencies."""
    refresh()
    target.mkdir(parents=True, exist_ok=True)
    _apt("download", *packages, cwd=target)
    return sorted(target.glob("*.deb"))


def extract(packages: Sequence[Path], root: Path) -> None:
    """Unpack the files of packages; --keep-directory-symlink puts files for /bin into /usr/bin."""
    for package in packages:
        shell.pipe(
            ["dpkg-deb", "--fsys-tarfile", package],
            ["tar", "--extract", "--preserve-permissions", "--keep-directory-symlink", "--directory", root],
        )


@contextmanager
def root_file_system(packages: Sequence[str], log: Path) -> Iterator[Path]:
    """Yield a temporary root file system with these packages and their dependencies, configured."""
    with state.scratch("root") as scratch:
        root = scratch / "root"
        downloaded = tree([*ESSENTIAL, *packages], root, log)
        _configure(root, downloaded, log)
        yield root


def tree(packages: Sequence[str], root: Path, log: Path) -> list[Path]:
    """Unpack packages and their dependencies into a new folder without configuring them; return the packages."""
    refresh()
    _skeleton(root)
    archives = _folder() / "cache/archives"
    for old in archives.glob("*.deb"):
        old.unlink()
    _apt("--download-only", "install", *packages, log=log)
    downloaded = sorted(archives.glob("*.deb"))
    extract(downloaded, root)
    return downloaded


def pack(root: Path, consumer: Sequence[str], env: Mapping[str, str]) -> None:
    """Stream a root file system, as a tar archive, into a command."""
    shell.pipe(["tar", "--create", "--numeric-owner", "--directory", root, "."], consumer, env=env)


def link_iptables(root: Path) -> None:
    """Link iptables to its nf_tables variant, as Debian's alternatives do on installation."""
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            (root / f"usr/sbin/{name}{suffix}").symlink_to("xtables-nft-multi")


def _skeleton(root: Path) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "var/lib/dpkg"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()


def _configure(root: Path, packages: Sequence[Path], log: Path) -> None:
    debs = root / "debs"
    debs.mkdir()
    for package in packages:
        shutil.copy(package, debs)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(NO_SERVICES)
    policy.chmod(0o755)
    shell.run(["mknod", "-m", "666", root / "dev/null", "c", "1", "3"])
    # In mount and process namespaces of its own: mounts and processes of the packages' scripts end with these.
    script = ["sh", "-c", CONFIGURE, "configure", str(root)]
    shell.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", *script], log=log)
    shutil.rmtree(debs)
    policy.unlink()
    for leftover in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/debconf"):
        shutil.rmtree(root / leftover, ignore_errors=True)
    (root / "dev/null").unlink()


def busybox(root: Path, log: Path) -> None:
    """Write the file system of the public busybox image: one static program, and a link for each applet."""
    tree(["busybox-static"], root, log)
    for unwanted in ("usr/share", "usr/lib", "usr/lib64", "usr/sbin", "lib", "lib64", "var/lib"):
        _remove(root / unwanted)
    program = root / "usr/bin/busybox"
    for applet in shell.run([program, "--list"]).split():
        if applet != "busybox":
            (root / "usr/bin" / applet).symlink_to("busybox")
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nnobody:x:65534:\n")
    for folder, mode in (("tmp", 0o1777), ("root", 0o700), ("home", 0o755), ("var", 0o755)):
        (root / folder).mkdir(exist_ok=True)
        (root / folder).chmod(mode)


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
