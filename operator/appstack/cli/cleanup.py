"""Command `appstack cleanup`: delete the node caches of AppStacks and namespaces that no longer exist, on this node."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
from functools import partial
from typing import Final

from appstack.cli import EXIT_ERROR, settings
from appstack.cli.cache_cleanup import Owners, clean_up
from appstack.client import requests
from appstack.client.client import Client
from appstack.client.credentials import Credentials, load
from appstack.client.resource_kinds import APPSTACKS, WATCHED_KINDS, Kind, ResourceRole
from appstack.errors import AppStackError, OperatorError
from appstack.k8s.metadata import Manifest
from appstack.settings import Settings
from appstack.telemetry import logs

logger = logging.getLogger(__name__)

EXAMPLES = """\
examples:
  appstack cleanup --settings settings.yaml
  appstack cleanup --settings settings.yaml --every 6h

It runs on the node, as a user that may delete the files of every container; the Helm chart runs it with
`nodeCacheCleanup.enabled`. Without a complete answer of the API server it deletes nothing.
"""

_NAMESPACES: Final = next(kind for kind in WATCHED_KINDS if kind.role is ResourceRole.NAMESPACE)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    settings.add_flag(parser)
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig (default: as kubectl)")
    parser.add_argument(
        "--every", metavar="DURATION", type=_seconds, help="clean up repeatedly, for example every 6h (default: once)"
    )


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9]\d{0,5})([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 30m or 6h")
    return int(found[1]) * _UNITS[found[2]]


def run(args: argparse.Namespace) -> int:
    """Clean up once, or until interrupted."""
    operator_settings = settings.load(args.settings)
    if args.kubeconfig:
        os.environ["KUBECONFIG"] = args.kubeconfig
    logs.configure(operator_settings)
    return asyncio.run(_run(operator_settings, args.every))


async def _run(operator_settings: Settings, every: int | None) -> int:
    client = Client(Credentials(load()), in_flight=1)
    try:
        while True:
            code = await _clean_up(operator_settings.cache_root, client)
            if every is None:
                return code
            await asyncio.sleep(every)
    finally:
        await client.close()


async def _clean_up(root: str, client: Client) -> int:
    try:
        deleted = await clean_up(root, lambda: list_owners(client))
    except (AppStackError, OSError) as error:
        logger.log(logging.ERROR, "Node caches in %s not cleaned up: %s", root, error)
        return EXIT_ERROR
    for path in deleted:
        logger.info("Node cache %s removed: its AppStack or namespace no longer exists", path)
    return 0


async def list_owners(client: Client) -> Owners:
    """Return the owners of node caches. Raise AppStackError if the API server does not list all of them."""
    namespaces = {item["metadata"]["name"]: item["metadata"]["uid"] for item in await _list(client, _NAMESPACES)}
    if not namespaces:
        raise OperatorError("The API server lists no namespace", "Check the kubeconfig")
    folders = {name: f"{name}_{uid}" for name, uid in namespaces.items()}
    stacks = [item["metadata"] for item in await _list(client, APPSTACKS)]
    return Owners(
        frozenset(folders.values()),
        frozenset((folders[meta["namespace"]], meta["name"]) for meta in stacks if meta["namespace"] in folders),
    )


async def _list(client: Client, kind: Kind) -> list[Manifest]:
    return [manifest async for manifest in client.objects(partial(requests.list_page, kind))]
