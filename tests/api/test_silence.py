"""What is asked where nothing happens: each kind once at a restart, nothing after; and a watch that hangs is told."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from appstack.client.resource_kinds import WATCHED
from tests.api.conftest import CREW, SYSTEM, WORKER, namespace
from tests.api.crew import Member, Sent, member, merged, standing_by
from tests.api.harness import Cluster, Operator, Space, eventually

FEW, MORE = 3, 12  # stacks
QUIET = 3.0  # seconds without a request: a status is put off by one at most
SILENT = 12.0  # seconds; who was not in a list of AppStacks is asked for after ten
YEARLY = {
    "replicas": None,
    "backend": {"image": "busybox:1.35.0", "command": ["true"]},
    "workload": {"kind": "CronJob", "cronJob": {"schedule": "0 0 1 1 *"}},
}
RARE = {"httproutes"}  # another test may let the cluster know them, for a while

STUCK = """
import asyncio
from contextlib import aclosing
from appstack.cluster import pulse
pulse.SILENCE, pulse.STALE = 3.0, 20.0
from appstack.cluster import client, watch
from appstack.queue import Backoff
watch._ANEW = Backoff(first=1.0, longest=2.0)
lines = client.Client.lines

async def until_it_hangs(self, request):
    async with aclosing(lines(self, request)) as real:
        async for line in real:
            yield line
            if request.kind.plural == "services" and b'"namespace":"HERE"' in line:
                await asyncio.Event().wait()

client.Client.lines = until_it_hangs"""
"""Waits for seconds where others wait for minutes; its watch of Services hangs for ever with the first one in HERE."""


@pytest.fixture
def home(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace that nobody works in yet."""
    with namespace(cluster, f"silence-{WORKER}-{secrets.token_hex(2)}") as space:
        yield space


def asked(crew: list[Member]) -> list[Sent]:
    """Return each request once, Leases aside."""
    sent = {one.number: one for one in merged(crew) if one.resource != "leases"}.values()
    known = any(one.resource in RARE and one.code == 200 for one in sent)
    return [one for one in sent if not (known and one.resource in RARE)]


def quiet(crew: list[Member], *, seconds: float = QUIET) -> bool:
    """Hold that nobody has asked for anything for so long."""
    last = max(asked(crew), key=lambda one: one.at)
    assert seconds < time.time() - last.at, last
    return True


def looks(operator: Operator) -> float:
    """Return how often an operator has looked at a stack."""
    families = parse(operator.fetch(operator.metrics, "/metrics"))
    samples = (sample for family in families for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == "appstack_reconciles_total")


def settled(home: Space, one: Member, names: list[str]) -> None:
    """Let an operator make stacks, and stop it when there is nothing left to do."""
    one.operator.start()
    for name in names:
        home.stack(name)
    for name in names:
        home.ready(name)
    eventually(lambda: quiet([one]))
    assert 0 == one.operator.stop(), one.operator.words()[-3000:]


def restarted(one: Member, *, stacks: int) -> list[Sent]:
    """Start an operator and stop it when it has looked at each stack and rests; return what it has asked."""
    since = time.time()  # the end of an earlier watch may come into the log late
    one.operator.start()
    eventually(lambda: looks(one.operator) >= stacks)
    eventually(lambda: quiet([one], seconds=SILENT))
    assert 0 == one.operator.stop(), one.operator.words()[-3000:]
    return [each for each in asked([one]) if each.at > since]


def reads(sent: list[Sent]) -> Counter[tuple[str, str]]:
    """Count by verb and resource."""
    return Counter((one.verb, one.resource) for one in sent if one.resource not in RARE)


def test_a_restart_reads_each_kind_once_however_many_stacks_there_are(
    cluster: Cluster, system: Space, home: Space, tmp_path: Path
) -> None:
    names = [f"shop-{number}" for number in range(MORE)]
    settings = {"identity": home.name, "namespaces": [home.name]}
    with member(cluster, system, CREW[0], tmp_path, **settings) as one:
        settled(home, one, names[:FEW])
        few = restarted(one, stacks=FEW)
        settled(home, one, names[FEW:])
        more = restarted(one, stacks=MORE)

    assert [] == [each for each in (*few, *more) if each.writes]
    assert reads(few) == reads(more)
    once = {(verb, kind.plural): 1 for kind in WATCHED if kind.plural not in RARE for verb in ("list", "watch")}
    assert once == {each: number for each, number in reads(more).items() if each in once}


@pytest.fixture
def crew(cluster: Cluster, system: Space, home: Space, tmp_path: Path) -> Iterator[list[Member]]:
    """Give who works in the namespace, and who stands by."""
    settings = {"identity": home.name, "namespaces": [home.name]}
    with ExitStack() as stack:
        made = [stack.enter_context(member(cluster, system, name, tmp_path, **settings)) for name in CREW[:2]]
        made[0].operator.start()
        made[1].operator.launch()
        standing_by(made[1])
        yield made
        assert "Traceback" not in "".join(one.operator.words() for one in made)


def test_where_nothing_happens_nothing_is_asked(crew: list[Member], home: Space) -> None:
    home.stack("none-runs")
    home.stack("stateful", workload={"kind": "StatefulSet"})
    home.stack("yearly", **YEARLY)
    for name in ("none-runs", "stateful", "yearly"):
        home.ready(name)
    assert 0 == home.get("Deployment", "none-runs")["spec"]["replicas"]
    eventually(lambda: quiet(crew))

    since = time.time()
    time.sleep(SILENT)

    assert [] == [one for one in asked(crew) if one.at > since and one.verb != "watch"]
    assert 2 == sum(one.operator.running() for one in crew)


def livez(operator: Operator) -> tuple[int, str]:
    """Return what a kubelet would be told."""
    connection = HTTPConnection("127.0.0.1", operator.health, timeout=5)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def tells(operator: Operator, status: int, words: str) -> bool:
    """Hold that this is what a kubelet would be told."""
    assert (status, f"{words}\n") == livez(operator)
    return True


def test_a_watch_that_hangs_is_told_by_livez(home: Space, kubeconfig: Path, tmp_path: Path) -> None:
    before, scope = STUCK.replace("HERE", home.name), {"identity": home.name, "namespaces": [home.name]}
    operator = Operator(tmp_path, kubeconfig, before=before, operatorNamespace=SYSTEM, **scope)
    try:
        operator.start()
        eventually(lambda: tells(operator, 200, "ok"))

        home.stack()
        eventually(lambda: home.exists("Service", "shop"))

        eventually(lambda: tells(operator, 503, "the watch of services is stuck"))
        assert 0 == operator.stop(), operator.words()[-3000:]
    finally:
        if operator.running():
            operator.kill()
