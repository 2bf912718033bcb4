"""Hand-over between real processes, judged by the API server's audit log: soon, and never two at once."""

from __future__ import annotations

import random
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.api.conftest import CREW, WORKER, namespace
from tests.api.crew import Member, Sent, is_ready, leader, member, merged
from tests.api.harness import Cluster, Manifest, Space, eventually

PAUSES = 20
SHORT = 5  # seconds for which a Lease holds where twenty of them have to end: a renewal has one to be answered in
WHOLE = 180  # seconds within which all of a crew are there, on a busy machine
HANDOVERS = 3  # of which a stall of the machine may hold up one
BURST = 6  # stacks that are new when a leader is paused
LOST = "was not renewed in time"


@pytest.fixture
def home(cluster: Cluster, system: Space) -> Iterator[Space]:
    """Give a namespace that nobody works in yet."""
    with namespace(cluster, f"ha-{WORKER}-{secrets.token_hex(2)}") as space:
        yield space


@dataclass
class Crew:
    """Operators of one identity."""

    members: list[Member]
    system: Space
    identity: str

    def lease(self) -> Manifest:
        return self.system.get("Lease", self.identity)

    def leader(self, *, but: Member | None = None) -> Member:
        """Wait until one of them leads, and another than this one."""

        def found() -> list[Member]:
            self.keep_up()
            now = leader(self.members, self.lease())
            return [now] if now is not None and now is not but else []

        return eventually(found)[0]

    def keep_up(self) -> None:
        """Begin anew, as a kubelet would, whom a busy machine kept from renewing."""
        for one in self.members:
            if one.operator.exited() and LOST in one.operator.words().splitlines()[-1]:
                one.operator.launch()

    def whole(self) -> bool:
        """Tell whether every one of them has warm caches."""
        self.keep_up()
        return all(is_ready(one.operator) for one in self.members)


@pytest.fixture
def crew(
    cluster: Cluster, system: Space, home: Space, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Crew]:
    """Give operators of one identity; the parameter says how many, and for how long their Lease holds."""
    number, duration = request.param
    identity = f"ha-{secrets.token_hex(3)}"
    settings = {"identity": identity, "namespaces": [home.name], "leaseDuration": duration}
    with ExitStack() as stack:
        members = [stack.enter_context(member(cluster, system, name, tmp_path, **settings)) for name in CREW[:number]]
        made = Crew(members, system, identity)
        for one in members:
            one.operator.launch()
        eventually(made.whole, within=WHOLE)
        made.leader()
        yield made


@dataclass(frozen=True)
class Turn:
    """One pause: who was paused, and when it woke and ended."""

    who: str
    woken: float
    ended: float

    def sent(self, one: Sent) -> bool:
        """Tell whether who was paused sent this between waking and its end."""
        return one.account == self.who and self.woken < one.at < self.ended


def pause(crew: Crew, home: Space, number: int, chance: random.Random) -> Turn:
    """Pause the leader in the middle of its work until another leads, wake it, and see it end."""
    paused = False
    while not paused:
        old = crew.leader()
        for _ in range(BURST):
            home.stack(f"turn-{number}-{secrets.token_hex(3)}")
        time.sleep(chance.uniform(0, 0.4))  # the pause is to come at any moment of the work
        old.operator.send(signal.SIGSTOP)
        paused = not old.operator.exited()  # by itself, on a busy machine
    crew.leader(but=old)
    time.sleep(chance.uniform(0, 0.5))
    woken = old.operator.send(signal.SIGCONT)
    assert old.operator.wait() > 0
    ended = time.time()
    assert LOST in old.operator.words().splitlines()[-1]
    eventually(crew.whole, within=WHOLE)
    return Turn(old.account, woken, ended)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("crew", [(3, SHORT)], indirect=True, ids=["three"])
def test_a_leader_that_was_paused_past_its_lease_sends_nothing_when_it_wakes(crew: Crew, home: Space) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201  # shown where the test fails
    chance = random.Random(seed)

    turns = [pause(crew, home, number, chance) for number in range(PAUSES)]
    eventually(lambda: crew.whole() and all_ready(home), within=WHOLE)

    sent = merged(crew.members)
    late = {one.number: one for one in sent for turn in turns if turn.sent(one)}
    # Between the fence's last look and the system call a process may be paused, too (docs/decisions/0018): about one
    # pause in a thousand lands there, and what goes out is that one request. Two would be another gap.
    assert len(late) <= 1, late
    assert_never_two_at_once([one for one in sent if one.number not in late], home)
    assert "Traceback" not in "".join(one.operator.words() for one in crew.members)


def all_ready(home: Space) -> bool:
    """Tell whether every stack is Ready; none is edited here."""
    statuses = [one.get("status") or {} for one in home.list("AppStack")]
    found = [{one["type"]: one["status"] for one in status.get("conditions", ())} for status in statuses]
    return len(found) >= PAUSES * BURST and all(one.get("Ready") == "True" for one in found)


def assert_never_two_at_once(sent: list[Sent], home: Space) -> None:
    """Hold that whoever writes was the last to take or to keep the Lease: with the next taking that is over."""
    holder, writers, strangers = "", set(), []
    for one in sent:
        if one.holds:
            holder = one.account
        elif one.writes and one.namespace == home.name:
            writers.add(one.account)
            strangers += [] if one.account == holder else [(holder, one)]
    assert len(writers) > 1
    assert [] == strangers


@pytest.mark.parametrize("crew", [(2, 15)], indirect=True, ids=["two"])
def test_a_leader_that_was_paused_for_less_goes_on(crew: Crew, home: Space) -> None:
    home.stack("before")
    home.ready("before")
    first = crew.leader()
    first.operator.send(signal.SIGSTOP)
    time.sleep(15 / 4)  # a renewal is due after a third, and a request is allowed until four fifths
    first.operator.send(signal.SIGCONT)

    home.stack()
    home.ready()

    assert first is crew.leader()
    assert {first.account} == {one.account for one in merged(crew.members) if one.writes and one.namespace == home.name}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("crew", [(2, 15)], indirect=True, ids=["two"])
def test_a_leader_that_is_killed_or_stopped_is_followed_without_a_list(crew: Crew, home: Space) -> None:
    before = crew.lease()["spec"]["renewTime"]
    eventually(lambda: crew.lease()["spec"]["renewTime"] != before)
    time.sleep(2)  # so much of the Lease is over: a follower that a busy machine wakes late has it to spare
    burst(home, "killed")
    killed = crew.leader()
    at = killed.operator.send(signal.SIGKILL)
    follower = crew.leader(but=killed)
    done(home, "killed")
    assert taken(follower, since=at) - at < 15 + 1
    assert_without_a_list(follower, since=at)
    killed.operator.launch()

    took = [handed_over(crew, home, f"stopped-{number}") for number in range(HANDOVERS)]
    assert median(took) < 1, took
    assert max(took) < 15 / 3, "not even a stall makes one wait for the end of a Lease that was given back"
    assert_never_two_at_once(merged(crew.members), home)


def handed_over(crew: Crew, home: Space, name: str) -> float:
    """Stop the leader in the middle of its work, and begin it anew; return how long the other took to take over."""
    eventually(crew.whole, within=WHOLE)
    old = crew.leader()
    said = len(old.operator.words())
    burst(home, name)
    at = old.operator.send(signal.SIGTERM)
    new = crew.leader(but=old)
    assert 0 == old.operator.wait()
    assert f"Lease {crew.identity} is released" in old.operator.words()[said:]
    done(home, name)
    assert_without_a_list(new, since=at)
    old.operator.launch()
    return taken(new, since=at) - at


def burst(home: Space, name: str) -> None:
    """Make stacks of this name."""
    for one in range(BURST):
        home.stack(f"{name}-{one}")


def done(home: Space, name: str) -> None:
    """Wait until they are Ready."""
    for one in range(BURST):
        home.ready(f"{name}-{one}")


def taken(one: Member, *, since: float) -> float:
    """Return when an operator took the Lease, that stood by at that time."""
    return min(each.at for each in one.sent() if each.holds and each.at > since)


def assert_without_a_list(one: Member, *, since: float) -> None:
    listed = {each.resource for each in one.sent() if each.verb == "list" and each.at > since}
    assert listed <= {"leases", "httproutes"}, "its caches were warm, but for a kind that the cluster does not know"
