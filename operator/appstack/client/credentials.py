"""Where the API server is, and who we are to it: kubeconfig as kubectl reads it, else the pod's ServiceAccount."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from kubernetes import config
from kubernetes.client import Configuration

from appstack.errors import OperatorError

_FRESH: Final = 60.0  # seconds for which a token is used before it is looked up again
_HINT: Final = "Set KUBECONFIG to a working kubeconfig, or run the operator as a pod with a ServiceAccount"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What a connection needs."""

    server: str
    tls: ssl.SSLContext | None
    server_name: str | None
    proxy: str | None
    authorization: Callable[[], str | None]  # may read a file or run a plug-in: not for the event loop


def load() -> ClusterConfig:
    """Read the credentials; raise OperatorError when there are none."""
    found = Configuration()
    try:
        _read(found)
    except (TypeError, KeyError, AttributeError) as error:  # what the client makes of a file of another shape
        raise OperatorError(f"{os.environ.get('KUBECONFIG', '~/.kube/config')} is not a kubeconfig", _HINT) from error
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise OperatorError(f"No cluster to talk to: {_one_line(error).rstrip('.')}", _HINT) from error
    return ClusterConfig(
        server=found.host.rstrip("/"),
        tls=_tls(found),
        server_name=getattr(found, "tls_server_name", None),
        proxy=found.proxy,
        authorization=lambda: _authorization(found),
    )


def _read(found: Configuration) -> None:
    kubeconfig = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    if any(Path(path).expanduser().is_file() for path in kubeconfig.split(os.pathsep)):
        config.load_kube_config(config_file=kubeconfig, client_configuration=found)  # type: ignore[no-untyped-call]
    elif os.environ.get("KUBECONFIG"):
        raise config.ConfigException(f"KUBECONFIG names no file: {kubeconfig}")
    elif not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise config.ConfigException(f"there is no {kubeconfig}, and this is not a pod")
    else:
        config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]


def _tls(found: Configuration) -> ssl.SSLContext | None:
    if not found.host.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cafile=found.ssl_ca_cert)
        if found.cert_file:
            context.load_cert_chain(found.cert_file, found.key_file)
    except OSError as error:
        raise OperatorError(f"The certificates of the kubeconfig can't be used: {_one_line(error)}", _HINT) from error
    if not found.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorization(found: Configuration) -> str | None:
    token = found.get_api_key_with_prefix("BearerToken", alias="authorization")
    if token:
        scheme, _, secret = token.strip().rpartition(" ")
        return f"{scheme.capitalize() or 'Bearer'} {secret}"
    if found.username and found.password:
        return "Basic " + base64.b64encode(f"{found.username}:{found.password}".encode()).decode()
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Credentials:
    """The present value of the Authorization header: looked up again each minute, and after a 401."""

    def __init__(self, login: ClusterConfig, *, now: Callable[[], float] = time.monotonic) -> None:
        self.login = login
        self._now = now
        self._header: str | None = None
        self._since = float("-inf")
        self._lock = asyncio.Lock()

    async def header(self) -> str | None:
        """Return the header's value."""
        if self._now() - self._since > _FRESH:
            async with self._lock:
                if self._now() - self._since > _FRESH:
                    await self._look_up()
        return self._header

    def expire(self, header: str | None) -> None:
        """Look up again, if this is still the value: the API server did not like it."""
        if header == self._header:
            self._since = float("-inf")

    async def _look_up(self) -> None:
        self._header = await asyncio.to_thread(self.login.authorization)
        self._since = self._now()
