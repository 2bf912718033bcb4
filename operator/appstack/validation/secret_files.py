"""Check of files of nginx that come from a Secret, whose changes the pod does not see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from appstack.api.containers import PROXY
from appstack.errors import Severity, ValidationIssue
from appstack.render import nginx_syntax as nginx
from appstack.render.nginx_text import parsed
from appstack.render.paths import NGINX_CONF
from appstack.validation.context import ValidationContext
from appstack.validation.mount_paths import path_key
from appstack.validation.nginx_config import flatten

_NAMES: Final = ("ssl_certificate", "ssl_trusted_certificate", "ssl_client_certificate", "auth_basic_user_file")
_HINT: Final = (
    "restart the pods on a change, for example with an annotation of Reloader in spec.workload.metadata, "
    "or mount the Secret as a volume at a directory of its own"
)


def renewed_secrets(context: ValidationContext) -> Iterator[ValidationIssue]:
    """Yield a warning for each file from a Secret that nginx reads as a certificate, a key or a list of users.

    Such a file is a subPath mount, which the kubelet does not update.
    """
    proxy = context.spec.proxy
    files = [
        (field, path_key(file.path))
        for field, file in context.files
        if file.container == PROXY and file.value_from and file.value_from.secret_key_ref
    ]
    if proxy is None or not files:
        return
    directive_of = dict(_paths(text for text in (proxy.config, proxy.http_snippet, proxy.server_snippet) if text))
    for field, key in files:
        if key in directive_of:
            message = f"nginx reads this file as {directive_of[key]}, and a change of the Secret does not reach it"
            yield ValidationIssue(f"{field}.valueFrom.secretKeyRef", message, _HINT, Severity.WARNING)


def _paths(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield key and directive of each path that the texts name as a certificate, a key or a list of users."""
    for text in texts:
        try:
            directives = list(flatten(parsed(text)))
        except nginx.NginxSyntaxError:
            continue  # reported by the checks of the configuration
        for each in directives:
            if each.args and any(name in each.name for name in _NAMES):
                yield path_key(str(PurePosixPath(NGINX_CONF).parent / each.args[0])), each.name


CHECKS: Final = (renewed_secrets,)
