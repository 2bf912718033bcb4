"""The operator process: its parts, wired together, its start and its end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine, Sized
from http import HTTPStatus
from typing import Any, Final

from appstack.client.client import Client
from appstack.client.credentials import Credentials, load
from appstack.client.fencing import Fence
from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS
from appstack.client.scrape_authorization import ScrapeAuthorizer
from appstack.controller.namespace_filter import LabelledNamespaceFilter
from appstack.controller.reconciler import Reconciler
from appstack.controller.shard_handover import ShardHandover
from appstack.controller.status_writer import StatusWriter
from appstack.controller.workers import Workers
from appstack.errors import ApiRejected, ApiUnavailable, OperatorError
from appstack.informers import allocator
from appstack.informers.appstack_store import AppStackStore
from appstack.informers.object_store import ObjectStore
from appstack.informers.warning_events import WarningEventReader
from appstack.k8s.metadata import Key
from appstack.kopf_adapter.watches import Watches, disabled_kinds, enabled_kinds
from appstack.leaderelection.lease_thread import LeaseThread
from appstack.policy.effective import PolicySource
from appstack.settings import Settings
from appstack.telemetry import logs, metrics
from appstack.telemetry.health import HealthChecks, HealthServer
from appstack.workqueue.queue import WorkQueue

logger = logging.getLogger(__name__)

RECONCILE_DRAIN_SECONDS: Final = 0.4
"""Time for reconciles to finish after SIGTERM: a standby waits for the Lease."""

REQUEST_DRAIN_SECONDS: Final = 15.0
"""Time for requests in flight to finish, after which none is sent."""

_TASK_END_SECONDS: Final = 2.0


def run(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT. Raise OperatorError when it cannot run."""
    logs.configure(settings)
    allocator.configure()
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    asyncio.get_running_loop().set_exception_handler(_handle_loop_error)
    operator = Operator(settings, Credentials(load()))
    checks = HealthChecks(live=operator.liveness_error, ready=operator.readiness_error)
    server = HealthServer(settings, checks, operator.authorize_scrape if settings.metrics_authorization else None)
    try:
        await server.start()
        await operator.run()
    finally:
        await server.stop()
        await _cancel_remaining_tasks()
        await operator.close()


class Operator:
    """The parts of the operator. `run` starts them in order, and ends them in order."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._stop = asyncio.Event()
        self._queue: WorkQueue[Key] = WorkQueue(loop, tenant=lambda key: key.namespace, workers=settings.workers)
        self._appstacks = AppStackStore(enqueue=self._queue.add)
        namespaces = LabelledNamespaceFilter(settings, loop, handler=self)
        fence = Fence()
        self._client = Client(credentials, in_flight=settings.requests, fence=fence, namespaces=namespaces)
        policies = PolicySource(settings.policy, settings.namespace_policies)
        objects = ObjectStore(namespaces, disabled=disabled_kinds(settings), label_keys=policies.label_keys)
        self._watches = Watches(
            settings,
            client=self._client,
            namespaces=namespaces,
            appstacks=self._appstacks,
            objects=objects,
            queue=self._queue,
        )
        self._handover = ShardHandover(
            self._client,
            namespaces=namespaces,
            informers=self._watches.informers,
            objects=objects,
            appstacks=self._appstacks,
            handler=self._watches.stale_handler,
        )
        self._scrapes = ScrapeAuthorizer(self._client)
        self._lease = LeaseThread(settings, credentials.cluster, fence)
        self._status_writer = StatusWriter(
            loop,
            client=self._client,
            appstacks=self._appstacks,
            queue=self._queue,
            instance=self._lease.identity.host,
            max_in_flight=settings.workers,
        )
        self._warnings = WarningEventReader(self._client, self._appstacks, objects, enqueue=self._queue.add)
        self._workers = Workers(self._queue, self._create_reconciler(objects))
        self._background: list[asyncio.Task[None]] = []
        self._worker_tasks: list[asyncio.Task[None]] = []
        self._register_metrics()

    def _create_reconciler(self, objects: ObjectStore) -> Reconciler:
        return Reconciler(
            settings=self._settings,
            client=self._client,
            appstacks=self._appstacks,
            objects=objects,
            queue=self._queue,
            status_writer=self._status_writer,
            discover=self._watches.discover,
        )

    def _register_metrics(self) -> None:
        queues: tuple[Sized, ...] = (self._queue, self._watches, self._status_writer)
        metrics.QUEUE_DEPTH.set_function(lambda: sum(len(queue) for queue in queues))
        metrics.QUEUE_AGE.set_function(lambda: max(self._queue.longest_wait(), self._status_writer.longest_wait()))
        metrics.STACKS.set_function(lambda: (stack.conditions for stack in self._appstacks.values()))
        metrics.VIOLATIONS.set_function(lambda: (stack.state.violations for stack in self._appstacks.values()))
        metrics.LEADER.set_function(lambda: float(self._lease.is_leader()))

    def liveness_error(self) -> str:
        """Return the watches that are stuck and will not recover without a restart; empty if there are none."""
        return self._watches.liveness_error()

    def readiness_error(self) -> str:
        """Return the caches that are not up to date; empty if all are."""
        return self._watches.readiness_error()

    async def authorize_scrape(self, header: str) -> HTTPStatus:
        """Return OK for the Authorization header of a client that may get the metrics, else why it may not."""
        return await self._scrapes.authorize(header)

    def namespace_added(self, namespace: str) -> None:
        """Handle a namespace that this shard takes over."""
        self._handover.namespace_added(namespace)

    def namespace_removed(self, namespace: str) -> None:
        """Handle a namespace that another shard takes over."""
        self._handover.namespace_removed(namespace)

    async def run(self) -> None:
        """Fill the caches, wait for the Lease, reconcile until stopped, and end in order."""
        self._handle_signals()
        try:
            await self._until_stopped(self._fill_caches())
            self._watches.start_sources(self._start, self._stop, on_start=self._handle_signals)
            await self._until_stopped(self._become_leader())
            if not self._stop.is_set():
                self._start_workers()
                await self._stop.wait()
        finally:
            await self._shut_down()
        self._raise_failures()

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    async def close(self) -> None:
        """Close all connections."""
        await self._lease.close()
        await self._client.close()

    async def _fill_caches(self) -> None:
        """List every kind once. Raise OperatorError if the cluster does not answer, serve AppStacks or permit lists."""
        try:
            await self._watches.fill(self._start)
        except ApiUnavailable as error:
            raise OperatorError(
                f"The API server does not answer: {error}",
                "Check that the cluster is running and that KUBECONFIG points to it",
            ) from error
        except ApiRejected as error:
            raise OperatorError(
                f"The operator may not read the objects that it manages: {error.message}",
                "Install the Helm chart's roles and bind them to this user: "
                f"list and watch of {', '.join(kind.plural for kind in (APPSTACKS, *enabled_kinds(self._settings)))}",
            ) from error

    async def _become_leader(self) -> None:
        await self._lease.acquire()
        self._start(self._lease.hold())
        await self._lease.check_conflicts()
        await self._watches.discover(WATCHED_KINDS)  # a standby has no reconciles that would do it

    def _start_workers(self) -> None:
        self._queue.open()
        self._start(self._warnings.run())
        self._watches.enqueue_all()
        self._worker_tasks = self._workers.start(self._settings.workers, on_exit=self.stop)
        logger.info("Reconciling %s at %s", self._lease.scope, self._client.server)

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end, or until `stop`."""
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
        """Run a part in the background; its end stops the operator."""
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.stop())
        self._background.append(task)

    async def _shut_down(self) -> None:
        """Finish what is in flight, then release the Lease at once: a standby waits for it."""
        self.stop()
        asyncio.get_running_loop().set_exception_handler(_log_loop_error)
        self._queue.close()
        self._status_writer.close()
        drained = await self._drain()
        for task in (*self._background, *self._worker_tasks):
            task.cancel()
        if drained:  # else the Lease must cover the requests that may still arrive, and expires by itself
            await self._lease.release()
        if self._background:
            await asyncio.wait(self._background, timeout=_TASK_END_SECONDS)

    async def _drain(self) -> bool:
        """Wait for reconciles, then for requests; return whether no request is in flight."""
        work = (*self._worker_tasks, *self._status_writer.tasks())
        _, late = await asyncio.wait(work, timeout=RECONCILE_DRAIN_SECONDS) if work else ((), ())
        return not late or await self._client.drain(within=REQUEST_DRAIN_SECONDS)

    def _raise_failures(self) -> None:
        for task in (*self._background, *self._worker_tasks):
            if task.done() and not task.cancelled():
                task.result()


async def _cancel_remaining_tasks() -> None:
    """Cancel the tasks that kopf leaves behind: they would go on with closed connections."""
    remaining = asyncio.all_tasks() - {asyncio.current_task()}
    for task in remaining:
        task.cancel()
    if remaining:
        await asyncio.wait(remaining, timeout=_TASK_END_SECONDS)


def _handle_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that no task can receive. kopf's watch, abandoned half-way at a restart, is not an error."""
    if "asyncgen" in context:
        _log_loop_error(loop, context)
    else:
        loop.default_exception_handler(context)


def _log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    logger.debug("Ignored event-loop error: %s", context["message"])
