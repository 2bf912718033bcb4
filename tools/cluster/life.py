"""The life of the cluster: made when it is not there or not well, used again when it is, removed without trace."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tools.cluster import docker, engine, images, kind, kube, network, nodeimage, programs, shell, state, storage, trace

WAITING = "another `make cluster` is at work in the same cache; waiting for it"
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Record:
    """What .cluster/ is about: kept in cluster.json."""

    key: str
    own: bool
    foreign: bool = False
    """The user's own cluster, named by KUBECONFIG."""
    complete: bool = False
    """Made to its end."""


def up() -> None:
    """`make cluster`."""
    with state.alone(WAITING):
        state.clear_scratch()
        named = os.environ.get("KUBECONFIG", "")
        if os.environ.get("USE_KUBECONFIG") == "1":
            _adopt(named)
            return
        if named and Path(named) != state.KUBECONFIG:
            shell.say(f"KUBECONFIG={named} is ignored; to use that cluster, say USE_KUBECONFIG=1")
        begun = time.monotonic()
        record = _read()
        flaw = flaw_of(record)
        if record is None or flaw is not None:
            if record is not None:
                shell.say(f"the cluster is replaced: {flaw}")
                _remove(record)
            trace.remember()
            shell.say("making a cluster")
            record = _make()
        images.ensure(docker.environment(own=record.own), registry=not record.own)
        shell.say(f"the cluster is up ({time.monotonic() - begun:.1f} s): export KUBECONFIG={state.KUBECONFIG}")


def flaw_of(record: Record | None) -> str | None:
    """Why a cluster can't be used again; None when it can."""
    if record is None:
        return "there is none"
    if record.foreign:
        return "the last one was the user's own"
    if not record.complete:
        return "it was not made to its end"
    if record.key != key(own=record.own):
        return "it was made from other inputs"
    return kube.unhealthy()


def key(*, own: bool) -> str:
    """Changes with whatever a cluster is made from."""
    node = nodeimage.key() if own else programs.key(programs.SOURCES["kind"])
    config = kind.configuration(kind.Plan("", own_engine=own), Path())
    here = Path(__file__)
    files = (storage.MANIFEST, kind.AUDIT_POLICY, here.with_name("network.py"))
    return state.fingerprint(node, json.dumps(config), str(state.ROOT), *files)


def _make() -> Record:
    used = docker.ensure()
    holder = kind.checkout(used.environment)
    if holder is not None and holder != state.ROOT and holder.exists():
        raise shell.Failure(f"Docker has the cluster of {holder} already; run `make cluster-down` there")
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
            raise shell.Failure(f"the cluster does not become ready: {kube.unhealthy()}; try `make cluster` again")
    _write(replace(record, complete=True))
    return record


def _adopt(named: str) -> None:
    """Use the cluster that KUBECONFIG names, and make none."""
    record = _read()
    if record is not None and not record.foreign:
        raise shell.Failure("a cluster of this checkout is up; run `make cluster-down` before USE_KUBECONFIG=1")
    if not named:
        raise shell.Failure("USE_KUBECONFIG=1 uses the cluster that KUBECONFIG names; set KUBECONFIG, too")
    programs.ensure(["kubectl"])
    view = ["config", "view", "--raw", "--flatten", "--minify"]
    flat = shell.attempt([programs.path("kubectl"), *view], env={"KUBECONFIG": named})
    if not flat.ok:
        raise shell.Failure(f"KUBECONFIG={named} can't be used: {shell.last_line(flat.err)}")
    state.CLUSTER.mkdir(exist_ok=True)
    state.KUBECONFIG.touch(mode=0o600)
    state.KUBECONFIG.write_text(flat.out)
    if (flaw := kube.unhealthy()) is not None:
        state.KUBECONFIG.unlink()
        raise shell.Failure(f"the cluster of KUBECONFIG={named} can't be used: {flaw}")
    _write(Record("", own=False, foreign=True, complete=True))
    shell.say(f"using the cluster of KUBECONFIG={named}; what needs its audit log is not run,")
    shell.say("and images that no registry has must be on its nodes already")


def down() -> None:
    """`make cluster-down`."""
    with state.alone(WAITING):
        begun = time.monotonic()
        _remove(_read())
        before = trace.recalled()
        shutil.rmtree(state.CLUSTER, ignore_errors=True)
        other = _other_checkout()
        if other is None and (left := trace.ours()):
            raise shell.Failure(f"the cluster is gone, but not all of it; remove by hand: {'; '.join(left)}")
        took = time.monotonic() - begun
        shell.say(f"the cluster is gone ({took:.1f} s), no trace left but the cache {state.cache()}")
        if other is None and before is not None and (new := trace.news(before, trace.machine())):
            shell.say(f"new on this machine since, and none of the cluster's as far as can be told: {'; '.join(new)}")
        if other is not None:
            shell.say(f"another one runs from the same cache: it belongs to {other}")


def _other_checkout() -> str | None:
    """Who runs the engine of this cache, if it is not this checkout."""
    current = engine.owner()
    return None if current is None or current.checkout == str(state.ROOT) else current.checkout


def _remove(record: Record | None) -> None:
    """Take a cluster away, alive or dead; an engine of ours may even have outlived its record."""
    with shell.step("removing the cluster"):
        if record is None or record.own:
            _end_own_engine()
        elif not record.foreign:
            kind.delete({})
    for path in (state.RECORD, state.KUBECONFIG, state.AUDIT_LOG, images.LOADED):
        path.unlink(missing_ok=True)
    for folder in (kind.SHARED_FOLDER, kind.AUDIT_FOLDER):
        shutil.rmtree(state.CLUSTER / folder, ignore_errors=True)


def _end_own_engine() -> None:
    if _other_checkout() is not None:
        return
    if engine.owner() is not None and engine.answers(engine.environment()):
        kind.delete(engine.environment())
    engine.stop()


def usable() -> Record:
    """The record of a cluster that is up and well, or a failure that says what to do."""
    record = _read()
    flaw = kube.unhealthy() if record is not None and record.foreign else flaw_of(record)
    if record is None or flaw is not None:
        raise shell.Failure(f"no cluster can be used: {flaw}; run `make cluster`")
    return record


def status() -> str:
    """One line about the cluster."""
    record = usable()
    whose = "the user's own cluster is used" if record.foreign else "up"
    return f"{whose}: export KUBECONFIG={state.KUBECONFIG}"


def _read() -> Record | None:
    try:
        return Record(**json.loads(state.RECORD.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(record: Record) -> None:
    state.CLUSTER.mkdir(exist_ok=True)
    state.RECORD.write_text(json.dumps(asdict(record), indent=2))
