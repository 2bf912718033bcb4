"""Address and credentials of the API server, from a kubeconfig or from the ServiceAccount of the pod."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from kubernetes import config
from kubernetes.client import Configuration

from appstack.errors import OperatorError

_TOKEN_REFRESH_SECONDS: Final = 60.0
_HINT: Final = "Set KUBECONFIG to a working kubeconfig, or run the operator in a pod with a ServiceAccount"


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Connection parameters of a cluster."""

    server: str
    tls: ssl.SSLContext | None
    server_name: str | None
    proxy: str | None
    authorization: Callable[[], str | None]  # may read a file or run a credential plugin: call it in a thread


def load() -> ClusterConfig:
    """Return the connection parameters that kubectl would use. Raise OperatorError if there are none."""
    configuration = Configuration()
    try:
        _load(configuration)
    except (TypeError, KeyError, AttributeError) as error:  # the kubernetes client does not validate the file
        raise OperatorError(f"{os.environ.get('KUBECONFIG', '~/.kube/config')} is not a kubeconfig", _HINT) from error
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise OperatorError(f"No cluster configured: {_one_line(error).rstrip('.')}", _HINT) from error
    lock = threading.Lock()  # two event loops read the credentials, and the kubernetes client changes `configuration`

    def authorization() -> str | None:
        with lock:
            return _authorization(configuration)

    return ClusterConfig(
        server=configuration.host.rstrip("/"),
        tls=_tls(configuration),
        server_name=getattr(configuration, "tls_server_name", None),
        proxy=configuration.proxy,
        authorization=authorization,
    )


def _load(configuration: Configuration) -> None:
    kubeconfig = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    if any(Path(path).expanduser().is_file() for path in kubeconfig.split(os.pathsep)):
        config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
    elif os.environ.get("KUBECONFIG"):
        raise config.ConfigException(f"KUBECONFIG names no file: {kubeconfig}")
    elif not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise config.ConfigException(f"{kubeconfig} does not exist, and this process does not run in a pod")
    else:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]


def _tls(configuration: Configuration) -> ssl.SSLContext | None:
    if not configuration.host.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    except OSError as error:
        raise OperatorError(f"Cannot load the certificates of the kubeconfig: {_one_line(error)}", _HINT) from error
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorization(configuration: Configuration) -> str | None:
    token = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    if token:
        scheme, _, secret = token.strip().rpartition(" ")
        return f"{scheme.capitalize() or 'Bearer'} {secret}"
    if configuration.username and configuration.password:
        return "Basic " + base64.b64encode(f"{configuration.username}:{configuration.password}".encode()).decode()
    return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class Credentials:
    """The Authorization header of requests. It is read again every minute and after a 401, since tokens rotate."""

    def __init__(self, cluster: ClusterConfig, *, now: Callable[[], float] = time.monotonic) -> None:
        self.cluster = cluster
        self._now = now
        self._header: str | None = None
        self._refreshed_at = float("-inf")
        self._lock = asyncio.Lock()

    async def header(self) -> str | None:
        """Return the value of the Authorization header; None for a client certificate or no authentication."""
        if self._is_due():
            async with self._lock:
                if self._is_due():
                    await self._refresh()
        return self._header

    def expire(self, header: str | None) -> None:
        """Read the credentials again before the next request, unless a newer header than this one is in use."""
        if header == self._header:
            self._refreshed_at = float("-inf")

    def _is_due(self) -> bool:
        return self._now() - self._refreshed_at > _TOKEN_REFRESH_SECONDS

    async def _refresh(self) -> None:
        self._header = await asyncio.to_thread(self.cluster.authorization)
        self._refreshed_at = self._now()
