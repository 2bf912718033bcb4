"""The operator as a process: what starts when, what stops when, and what it says when it can't."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Container, Coroutine
from functools import partial
from typing import Any, Final

from appstack.client import requests
from appstack.client.client import Client
from appstack.client.credentials import Credentials, load
from appstack.client.resource_kinds import STACK, WATCHED, Kind, ResourceRole
from appstack.controller.namespace_filter import NamespaceFilter
from appstack.controller.reconciler import Reconciler
from appstack.controller.shard_handover import ShardHandover
from appstack.controller.status_writer import StatusWriter
from appstack.controller.workers import Workers
from appstack.errors import ApiRejected, ApiUnavailable, OperatorError
from appstack.informers.appstack_store import AppStackStore, key_of
from appstack.informers.informer import Informer
from appstack.informers.object_store import Key, Keys, ObjectStore
from appstack.informers.watch_health import WatchHealth
from appstack.k8s.metadata import API_VERSION, Manifest
from appstack.kopf_adapter.relist import RelistTracker
from appstack.kopf_adapter.source import KopfSource, end_others
from appstack.leaderelection.lease import Lease
from appstack.settings import Settings
from appstack.telemetry import logs as log
from appstack.telemetry import metrics
from appstack.telemetry.health import Health, Server
from appstack.workqueue.queue import WorkQueue

logger = logging.getLogger(__name__)

_DRAIN: Final = 0.4  # seconds for looks under way when we are told to stop: another waits for the Lease
_LAND: Final = 15.0  # seconds for requests under way, after which no other is sent
_END: Final = 2.0  # seconds for the rest


def run(settings: Settings) -> None:
    """Run the operator until it is told to stop; raise OperatorError when it can't."""
    log.configure(settings)
    gc.freeze()  # what is loaded by now stays: the collector need not look through it each time
    gc.set_threshold(5_000, 5, 320)  # a little at once, and all of it seldom: a collection holds everything up
    asyncio.run(_run(settings))


def _complaint(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take in what the loop can hand to nobody: kopf's watch, left half-way when we stop, is no error."""
    handle = _at_the_end if "asyncgen" in context else asyncio.AbstractEventLoop.default_exception_handler
    handle(loop, context)


def _at_the_end(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take in what kopf's own tasks come to when it closes the session that they use."""
    logger.debug("At the end: %s", context["message"])


async def _run(settings: Settings) -> None:
    asyncio.get_running_loop().set_exception_handler(_complaint)
    client = Client(Credentials(load()), in_flight=settings.requests)
    operator = Operator(settings, client)
    server = Server(settings, Health(live=operator.dead, ready=operator.unready))
    try:
        await server.start()
        await operator.run()
    finally:
        await server.stop()
        await end_others(within=_END)
        await client.close()


class Operator:
    """Everything that runs, wired together."""

    def __init__(self, settings: Settings, client: Client) -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._client = client
        self._stop = asyncio.Event()
        self._queue: WorkQueue[Key] = WorkQueue(loop, group=lambda key: key.namespace, workers=settings.workers)
        self._stacks = AppStackStore()
        self._namespace_filter = NamespaceFilter(settings, loop)
        self._cache = ObjectStore(
            accepts=self._namespace_filter.owns,
            labelled=self._namespace_filter.show,
            vanished=self._namespace_filter.gone,
        )
        self._watches = [
            Informer(
                kind,
                client=client,
                cache=self._cache,
                stacks=self._stacks,
                touched=self._touched,
                lost=self._lost if kind.role is ResourceRole.CHILD else self._touched,
            )
            for kind in WATCHED
        ]
        moves = ShardHandover(client, watches=self._watches, cache=self._cache, stacks=self._stacks, doubt=self._doubt)
        self._namespace_filter.follow(entered=moves.entered, left=moves.left)
        self._lease = Lease(settings, client)
        self._leads = False
        client.fence, client.owns = self._lease.passes, self._namespace_filter.owns
        self._relist_tracker = RelistTracker(
            loop, known=lambda: self._stacks, doubt=self._doubt, resume=partial(self._queue.add, later=True)
        )
        self._status_writer = StatusWriter(client=client, stacks=self._stacks, instance=self._lease.me.host)
        self._reconciler = Reconciler(
            settings=settings,
            client=client,
            cache=self._cache,
            stacks=self._stacks,
            status_writer=self._status_writer,
            caught_up=self._queue.caught_up,
            ask=self._ask,
        )
        self._kopf_source = KopfSource(
            client, seen=self._seen, served=self._find_appstacks, beside=self._relist_tracker.watch
        )
        self._background: list[asyncio.Task[None]] = []
        self._workers: list[asyncio.Task[None]] = []
        metrics.QUEUE_DEPTH.set_function(lambda: len(self._queue) + len(self._relist_tracker))
        metrics.QUEUE_AGE.set_function(self._queue.age)
        metrics.STACKS.set_function(lambda: (stack.conditions for stack in self._stacks.values()))
        metrics.LEADER.set_function(lambda: float(self._lease.holds()))

    def dead(self) -> str:
        """Return what no longer works and will not by itself; empty when all does."""
        stuck = [health.resource for health in self._watch_healths() if not health.alive]
        return f"the watch of {', '.join(stuck)} is stuck" if stuck else ""

    def unready(self) -> str:
        """Return why the caches may not be true; empty when they are."""
        stale = [health.resource for health in self._watch_healths() if not health.fresh]
        if not stale and self._relist_tracker.handing_out:
            stale = [self._kopf_source.health.resource]
        return f"the cache of {', '.join(stale)} is not up to date" if stale else ""

    def _watch_healths(self) -> list[WatchHealth]:
        """Return every watch that should run, whether we work or stand by."""
        return [*(watch.health for watch in self._watches), self._kopf_source.health]

    async def run(self) -> None:
        """Fill the caches and keep them true; claim the scope; work until told to stop; leave in order."""
        self._on_signals()
        try:
            await self._unless_stopped(self._fill())
            self._start(self._kopf_source.run(self._stop, started=self._on_signals))
            await self._unless_stopped(self._claim())
            if not self._stop.is_set():
                self._work()
                await self._stop.wait()
        finally:
            await self._leave()
        self._raise_failures()

    async def _fill(self) -> None:
        """List everything once: whether the cluster answers, knows AppStacks and lets us see is found out here."""
        try:
            await self._find_appstacks()
            namespaces, *rest = self._watches
            await self._begin(namespaces)  # first, for they tell whose all the others are
            await asyncio.gather(*(self._begin(watch) for watch in rest))
        except ApiUnavailable as error:
            raise OperatorError(
                f"The API server does not answer: {error}",
                "Check that the cluster runs and that KUBECONFIG leads to it",
            ) from error
        except ApiRejected as error:
            raise OperatorError(
                f"The operator may not see what it works on: {error.message}",
                "Install the Helm chart's ClusterRole and bind it to this user: "
                f"list and watch of {', '.join(kind.plural for kind in (STACK, *WATCHED))}",
            ) from error

    async def _begin(self, watch: Informer) -> None:
        """List a kind, and follow it from then on: till the slowest is listed it would have grown stale."""
        await watch.fill()
        self._start(watch.run())

    async def _find_appstacks(self) -> None:
        try:
            served = await self._client.send(requests.discover())
        except ApiRejected as error:
            if error.status != 404:
                raise
            served = {"resources": []}
        if not any(resource["name"] == STACK.plural for resource in served["resources"]):
            raise OperatorError(
                f"The cluster at {self._client.server} does not know AppStacks ({API_VERSION})",
                "Run `appstack crd | kubectl apply --server-side -f -`, or install the Helm chart",
            )
        await self._client.send(requests.list_page(STACK, limit=1))

    async def _claim(self) -> None:
        """Wait for the Lease, with warm caches."""
        await self._lease.acquire()
        self._start(self._lease.keep())
        await self._lease.alone()
        await self._ask(WATCHED)  # whoever stands by does not: it has no looks that want anything

    async def _ask(self, kinds: Container[Kind]) -> None:
        """Find out which of these kinds the cluster knows by now, where it did not."""
        await asyncio.gather(*(watch.ask() for watch in self._watches if watch.kind in kinds))

    def _work(self) -> None:
        """Have a look at every stack, and from now on at each that something happens to."""
        self._leads = True
        for key in self._stacks:
            self._wake(key, settled=self._stacks.told(key))
        workers = Workers(self._queue, self._reconciler, self._status_writer)
        self._workers = workers.start(self._settings.workers, ended=self._stop.set)
        logger.info("Reconciling %s at %s", self._lease.scope, self._client.server)

    def _seen(self, event: str | None, doc: Manifest) -> None:
        """Take in an AppStack from kopf."""
        key = key_of(doc)
        if not self._namespace_filter.owns(key.namespace):
            return
        self._relist_tracker.saw(key, listing=event is None)
        if event == "DELETED":
            self._stacks.forget(key, uid=doc["metadata"]["uid"])
            if self._stacks.get(key) is None:
                self._queue.forget(key)
        elif self._stacks.show(doc):
            self._wake(key, settled=event is None and self._stacks.told(key))

    def _touched(self, keys: Keys) -> None:
        """Take in that something of these stacks has changed."""
        for key in keys:
            if self._stacks.get(key) is not None:
                self._wake(key)

    def _lost(self, keys: Keys) -> None:
        """Take in that these stacks have lost a child."""
        for key in keys:
            self._stacks.lost(key, at=time.monotonic())
            if not self._kopf_source.health.steady:
                self._stacks.doubt(key)  # it may have gone itself, and kopf has yet to notice
        self._touched(keys)

    def _doubt(self, keys: Keys) -> None:
        for key in keys:
            self._stacks.doubt(key)
            self._wake(key)

    def _wake(self, key: Key, *, settled: bool = False) -> None:
        """Have a look at a stack, if we lead: who stands by looks at every stack when its time has come."""
        if self._leads and settled:
            self._relist_tracker.put_off(key)
        elif self._leads:
            self._queue.add(key)

    def _on_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it, or as much of it as is done when we are told to stop."""
        if self._stop.is_set():
            work.close()
            return
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        if not task.cancelled():
            task.result()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the background; when it ends, everything does."""
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._stop.set())
        self._background.append(task)

    async def _leave(self) -> None:
        """Bring what is under way to its end, then let go of the Lease at once: another waits for it."""
        self._stop.set()
        asyncio.get_running_loop().set_exception_handler(_at_the_end)
        self._queue.close()
        landed = await self._land()
        for task in (*self._background, *self._workers):
            task.cancel()
        if landed:  # else the Lease ends by itself: till then what may still land is ours
            await self._lease.release()
        if self._background:
            await asyncio.wait(self._background, timeout=_END)

    async def _land(self) -> bool:
        """End all looks, in the middle where they take longer; tell whether no request of theirs is under way."""
        _, late = await asyncio.wait(self._workers, timeout=_DRAIN) if self._workers else ((), ())
        return not late or await self._client.halt(within=_LAND)

    def _raise_failures(self) -> None:
        for task in (*self._background, *self._workers):
            if task.done() and not task.cancelled():
                task.result()
