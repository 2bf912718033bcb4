"""Programs built from pinned Go modules, cached by a hash of their inputs."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import shell, state

PINS = Path(__file__).resolve().parent.parent / "programs"
PARALLEL_BUILDS = 2


@dataclass(frozen=True)
class Source:
    """A folder below tools/programs, whose go.mod pins `module` with the commands in `packages`."""

    name: str
    module: str
    packages: dict[str, str]
    stamps: tuple[str, ...] = ()
    """Linker settings (-X) with the placeholders {version}, {major} and {minor} of the module."""
    without: tuple[str, str] | None = None
    """A file of the module and a line to remove from it, because current Go versions reject the line."""


def _commands(prefix: str, *names: str) -> dict[str, str]:
    return {name: f"{prefix}/{name}" for name in names}


_COMPONENT = "k8s.io/component-base/version"
SOURCES = {
    source.name: source
    for source in (
        Source(
            "kubernetes",
            "k8s.io/kubernetes",
            _commands(
                "k8s.io/kubernetes/cmd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kubectl",
                "kube-proxy",
                "kubeadm",
            ),
            (
                f"{_COMPONENT}.gitVersion={{version}}",
                f"{_COMPONENT}.gitMajor={{major}}",
                f"{_COMPONENT}.gitMinor={{minor}}",
                f"{_COMPONENT}.gitTreeState=clean",
            ),
        ),
        Source("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
        Source("kind", "sigs.k8s.io/kind", {"kind": "sigs.k8s.io/kind"}),
        Source("kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
        Source(
            "helm",
            "helm.sh/helm/v4",
            {"helm": "helm.sh/helm/v4/cmd/helm"},
            ("helm.sh/helm/v4/internal/version.version={version}",),
        ),
        Source(
            "containerd",
            "github.com/containerd/containerd/v2",
            _commands("github.com/containerd/containerd/v2/cmd", "containerd", "containerd-shim-runc-v2", "ctr"),
            ("github.com/containerd/containerd/v2/version.Version={version}",),
        ),
        Source("coredns", "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"}),
        Source(
            "local-path-provisioner",
            "github.com/rancher/local-path-provisioner",
            {"local-path-provisioner": "github.com/rancher/local-path-provisioner"},
            ("main.VERSION={version}",),
        ),
        Source(
            "metrics-server",
            "sigs.k8s.io/metrics-server",
            {"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
            ("k8s.io/client-go/pkg/version.gitVersion={version}",),
        ),
        Source(
            "kro",
            "github.com/kubernetes-sigs/kro",
            {"kro": "github.com/kubernetes-sigs/kro/cmd/controller"},
            ("sigs.k8s.io/release-utils/version.gitVersion={version}",),
        ),
        Source(
            "cadvisor",
            "github.com/google/cadvisor",
            {"cadvisor": "github.com/google/cadvisor"},
            ("github.com/google/cadvisor/version.Version={version}",),
            without=("cadvisor.go", '\tflag.Set("v", "2")\n'),  # sets a flag before its definition
        ),
    )
}


def version(source: Source) -> str:
    """Return the version of the module in go.mod."""
    text = (PINS / source.name / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(source.module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise shell.Failure(f"tools/programs/{source.name}/go.mod does not require {source.module}; add it")
    return found.group(1)


def build_arguments(source: Source) -> list[str]:
    major, minor = version(source).lstrip("v").split(".")[:2]
    stamps = (s.format(version=version(source), major=major, minor=minor) for s in source.stamps)
    return ["-trimpath", "-ldflags", " ".join(["-s", "-w", *(f"-X {s}" for s in stamps)])]


def key(source: Source) -> str:
    pins = PINS / source.name
    return state.fingerprint(pins / "go.mod", pins / "go.sum", *build_arguments(source), *(source.without or ()))


def folder(source: Source) -> Path:
    return state.cache() / "programs" / f"{source.name}-{key(source)}"


def source_of(program: str) -> Source:
    for source in SOURCES.values():
        if program in source.packages:
            return source
    raise shell.Failure(f"unknown program {program!r}; choose from {', '.join(sorted(names()))}")


def names() -> list[str]:
    return [name for source in SOURCES.values() for name in source.packages]


def path(program: str) -> Path:
    """Return the path of a program, built or not."""
    return folder(source_of(program)) / program


def ensure(programs: Iterable[str]) -> dict[str, Path]:
    """Build the programs that are not in the cache, and return the path of each."""
    wanted = {name: path(name) for name in programs}
    missing: dict[str, list[str]] = {}
    for name, file in wanted.items():
        if not file.exists():
            missing.setdefault(source_of(name).name, []).append(name)
    if missing:
        _require_go()
        with ThreadPoolExecutor(PARALLEL_BUILDS) as pool:
            builds = [pool.submit(_build, SOURCES[source], names) for source, names in missing.items()]
        for build in builds:
            build.result()
    return wanted


def _require_go() -> None:
    if shutil.which("go") is None:
        raise shell.Failure(
            "Go is missing, which builds the cluster's programs: install Go 1.26 or newer (https://go.dev/dl)"
        )


def _build(source: Source, names: Sequence[str]) -> None:
    """Build commands of one source in a temporary folder, and move complete programs into the cache."""
    log = state.log(f"build-{source.name}")
    target = folder(source)
    target.mkdir(parents=True, exist_ok=True)
    packages = [source.packages[name] for name in names]
    with (
        shell.step(f"building {', '.join(names)} {version(source)}"),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{source.name}-") as scratch,
    ):
        # Go names the programs of several packages itself; a single one can have another name.
        output = f"{scratch}/" if len(packages) > 1 else f"{scratch}/{names[0]}"
        shell.run(
            ["go", "build", *build_arguments(source), *_pins(source, Path(scratch)), "-o", output, *packages],
            cwd=PINS / source.name,
            env={"CGO_ENABLED": "0"},
            log=log,
        )
        for name in names:
            Path(scratch, name).rename(target / name)


def _pins(source: Source, scratch: Path) -> list[str]:
    """Return flags to build from a copy of the module without a line, or none if the module needs no change."""
    if source.without is None:
        return []
    name, line = source.without
    copy, pins = scratch / "module", scratch / "go.mod"
    shutil.copytree(module_folder(source), copy, copy_function=shutil.copyfile)
    text = (copy / name).read_text()
    if line not in text:
        raise shell.Failure(
            f"{source.module}'s {name} no longer has the line {line.strip()!r}; adapt tools/cluster/programs.py"
        )
    (copy / name).write_text(text.replace(line, ""))
    pins.write_text(f"{(PINS / source.name / 'go.mod').read_text()}\nreplace {source.module} => {copy}\n")
    shutil.copy(PINS / source.name / "go.sum", scratch)
    return ["-modfile", str(pins)]


def module_folder(source: Source) -> Path:
    """Return the folder of the module's source; Go downloads it if necessary."""
    _require_go()
    shell.run(["go", "mod", "download", source.module], cwd=PINS / source.name)
    return Path(shell.run(["go", "list", "-m", "-f", "{{.Dir}}", source.module], cwd=PINS / source.name).strip())


def ensure_own(folder: Path) -> Path:
    """Build the command of a Go module of this repository, and return its path in the cache."""
    files = sorted((*folder.glob("*.go"), *folder.glob("go.*")))
    target = state.cache() / "programs" / f"{folder.name}-{state.fingerprint(*files)}" / folder.name
    if not target.exists():
        _require_go()
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}")
        arguments = ["-trimpath", "-ldflags", "-s -w", "-o", str(unfinished), "."]
        shell.run(["go", "build", *arguments], cwd=folder, env={"CGO_ENABLED": "0", "GOOS": "linux"})
        unfinished.rename(target)
    return target
