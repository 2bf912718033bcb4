"""The lifecycle of the cluster: created unless a usable one exists, and removed with all its traces."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tools.cluster import docker, engine, images, kind, kube, network, nodeimage, programs, shell, state, storage, trace

LOCK_WAIT_MESSAGE = "another command uses the same cache; waiting for it"
LEFTOVERS_WAIT_SECONDS = 10.0
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Record:
    """The cluster of this checkout, recorded in .cluster/cluster.json."""

    key: str
    own: bool
    """Whether it runs on the project's own Docker engine."""
    foreign: bool = False
    """Whether it is the user's own cluster, named by KUBECONFIG."""
    complete: bool = False
    """Whether its creation was completed."""


def up() -> None:
    """Create the cluster or reuse it: `make cluster`."""
    with state.exclusive_lock(LOCK_WAIT_MESSAGE):
        state.clear_scratch()
        named = os.environ.get("KUBECONFIG", "")
        if os.environ.get("USE_KUBECONFIG") == "1":
            _adopt(named)
            return
        if named and Path(named) != state.KUBECONFIG:
            shell.progress(f"KUBECONFIG={named} is ignored; to use that cluster, set USE_KUBECONFIG=1")
        begun = time.monotonic()
        record = _read()
        reason = unusable_reason(record)
        if record is None or reason is not None:
            if record is not None:
                shell.progress(f"the cluster is replaced: {reason}")
                _remove(record)
            trace.save_snapshot()
            shell.progress("creating a cluster")
            record = _make()
        images.ensure(docker.environment(own=record.own), registry=not record.own)
        shell.progress(f"the cluster is up ({time.monotonic() - begun:.1f} s): export KUBECONFIG={state.KUBECONFIG}")


def unusable_reason(record: Record | None) -> str | None:
    """Return why a cluster can't be reused, or None if it can."""
    if record is None:
        return "there is no cluster"
    if record.foreign:
        return "the last cluster was the user's own"
    if not record.complete:
        return "its creation was not completed"
    if record.key != key(own=record.own):
        return "it was created from other inputs"
    return kube.unhealthy()


def key(*, own: bool) -> str:
    """Return a hash of the inputs of a cluster."""
    node = nodeimage.key() if own else programs.key(programs.SOURCES["kind"])
    config = kind.configuration(kind.Plan("", own_engine=own), Path())
    here = Path(__file__)
    files = (storage.MANIFEST, kind.AUDIT_POLICY, here.with_name("network.py"))
    return state.fingerprint(node, json.dumps(config), str(state.ROOT), *files)


def _make() -> Record:
    used = docker.ensure()
    holder = kind.checkout(used.environment)
    if holder is not None and holder != state.ROOT and holder.exists():
        raise shell.Failure(f"Docker has a cluster of the checkout {holder}; run `make cluster-down` there")
    record = Record(key(own=used.own), used.own)
    _write(record)
    env = used.environment
    kind.delete(env)
    with shell.step("starting two nodes"):
        kind.create(used.plan, env, state.log("kind"))
    with shell.step("waiting for the nodes to be ready"):
        if used.own:
            network.install(env)
        else:
            kube.apply(storage.for_kinds_image(kind.CONTROL_PLANE, env))
        if not shell.wait_until(lambda: kube.unhealthy() is None, READY_SECONDS):
            raise shell.Failure(f"the cluster is not ready: {kube.unhealthy()}; try `make cluster` again")
    _write(replace(record, complete=True))
    return record


def _adopt(named: str) -> None:
    """Use the cluster that KUBECONFIG names instead of creating one."""
    record = _read()
    if record is not None and not record.foreign:
        raise shell.Failure("a cluster of this checkout is up; run `make cluster-down` before USE_KUBECONFIG=1")
    if not named:
        raise shell.Failure("USE_KUBECONFIG=1 uses the cluster that KUBECONFIG names; set KUBECONFIG as well")
    programs.ensure(["kubectl"])
    view = ["config", "view", "--raw", "--flatten", "--minify"]
    flat = shell.attempt([programs.path("kubectl"), *view], env={"KUBECONFIG": named})
    if not flat.ok:
        raise shell.Failure(f"KUBECONFIG={named} can't be used: {shell.last_line(flat.err)}")
    state.CLUSTER.mkdir(exist_ok=True)
    state.KUBECONFIG.touch(mode=0o600)
    state.KUBECONFIG.write_text(flat.out)
    if (reason := kube.unhealthy()) is not None:
        state.KUBECONFIG.unlink()
        raise shell.Failure(f"the cluster of KUBECONFIG={named} can't be used: {reason}")
    _write(Record("", own=False, foreign=True, complete=True))
    shell.progress(f"using the cluster of KUBECONFIG={named}; tests that need its audit log are skipped,")
    shell.progress("and images that no registry has must be present on its nodes")


def down() -> None:
    """Remove the cluster: `make cluster-down`."""
    with state.exclusive_lock(LOCK_WAIT_MESSAGE):
        begun = time.monotonic()
        _remove(_read())
        before = trace.load_snapshot()
        shutil.rmtree(state.CLUSTER, ignore_errors=True)
        other = _other_checkout()
        if other is None and (left := _leftovers()):
            raise shell.Failure(f"the cluster is removed, but some traces are left; remove by hand: {'; '.join(left)}")
        took = time.monotonic() - begun
        shell.progress(f"the cluster is removed ({took:.1f} s) with all traces except the cache {state.cache()}")
        if other is None and before is not None and (added := trace.added(before, trace.machine())):
            shell.progress(f"new on this machine since the creation, apparently not by the cluster: {'; '.join(added)}")
        if other is not None:
            shell.progress(f"the checkout {other} runs another cluster from the same cache")


def _leftovers() -> list[str]:
    """Return the traces that are left, after a moment for processes that are just ending."""
    deadline = time.monotonic() + LEFTOVERS_WAIT_SECONDS
    while (left := trace.leftovers()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def _other_checkout() -> str | None:
    """Return the checkout that runs the engine of this cache, or None if it is this one or none."""
    current = engine.owner()
    return None if current is None or current.checkout == str(state.ROOT) else current.checkout


def _remove(record: Record | None) -> None:
    """Remove a cluster, running or not; without a record, an engine of this checkout may still run."""
    with shell.step("removing the cluster"):
        if record is None or record.own:
            _stop_own_engine()
        elif not record.foreign:
            kind.delete({})
    for path in (state.RECORD, state.KUBECONFIG, state.AUDIT_LOG, images.LOADED):
        path.unlink(missing_ok=True)
    for folder in (kind.SHARED_FOLDER, kind.AUDIT_FOLDER):
        shutil.rmtree(state.CLUSTER / folder, ignore_errors=True)


def _stop_own_engine() -> None:
    if _other_checkout() is not None:
        return
    if engine.owner() is not None and engine.responds(engine.environment()):
        kind.delete(engine.environment())
    engine.stop()


def usable() -> Record:
    """Return the record of a usable cluster; raise Failure if there is none."""
    record = _read()
    reason = kube.unhealthy() if record is not None and record.foreign else unusable_reason(record)
    if record is None or reason is not None:
        raise shell.Failure(f"no usable cluster: {reason}; run `make cluster`")
    return record


def status() -> str:
    """Return one line about the usable cluster."""
    record = usable()
    text = "the user's own cluster is used" if record.foreign else "the cluster is up"
    return f"{text}: export KUBECONFIG={state.KUBECONFIG}"


def _read() -> Record | None:
    try:
        return Record(**json.loads(state.RECORD.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(record: Record) -> None:
    state.CLUSTER.mkdir(exist_ok=True)
    state.RECORD.write_text(json.dumps(asdict(record), indent=2))
