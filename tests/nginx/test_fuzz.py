"""Hostile values in every field: the printed files contain them as arguments, and nginx accepts the files.

The files are read with crossplane, a parser that does not share code with the generator.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crossplane  # type: ignore[import-untyped]
import pytest

from appstack.api import parse
from appstack.errors import InvalidSpec, Severity
from appstack.render import render
from appstack.settings import Settings
from appstack.validation import validate
from tests.nginx.conftest import UID, binary
from tests.nginx.server import NginxFailed, Sandbox, proxy_files

HOSTILE = (
    *(
        "$",
        "${a}",
        "$host",
        ";",
        "}",
        "{",
        "} server { listen 81; ",
        '"',
        "'",
        "\\",
        '\\"',
        '";',
        "#",
        "# x",
        " ",
        "\t",
    ),
    *(
        "\n",
        "\r\n",
        "\n}",
        "\x00",
        "é",
        "\u2028",
        "../",
        "..",
        "*",
        "~",
        "^~",
        "@appstack_backend",
        "include /etc/passwd;",
    ),
    *("%", "%0a", "%2e%2e", "//", "unix:", "unix:/tmp/a", "127.0.0.1", "0", "-1", "off", "-- ", "$(id)", "`id`", "|"),
)
SPECS = 1200
NGINX_TESTS = 60
MARK = "m4rk"
"""Part of every hostile value, by which the values are found in the files."""


def hostile(generator: random.Random, prefix: str = "", suffix: str = "") -> str:
    """Return a value with hostile parts and the mark."""
    parts = [generator.choice((*HOSTILE, *string.ascii_letters)) for _ in range(generator.randint(0, 3))]
    parts.insert(generator.randint(0, len(parts)), MARK)
    return f"{prefix}{''.join(parts)}{suffix}"


def maybe(generator: random.Random, prefix: str, good: str, suffix: str = "") -> str:
    """Return a good value in most cases, and else a hostile one."""
    return good if generator.random() < 0.7 else hostile(generator, prefix, suffix)


def proxy_spec(g: random.Random) -> dict[str, Any]:
    """Return the fields of a proxy, with hostile values in some of them."""
    path = lambda: maybe(g, "/", f"/p{g.randint(0, 99)}/", g.choice(("", "/")))  # noqa: E731
    optional: dict[str, Any] = {
        "upstream": maybe(g, "unix:/run/app/", "http"),
        "upstreamProtocol": g.choice(("HTTP", "HTTPS", "GRPC", "GRPCS", "UWSGI", MARK)),
        "fastCGI": {
            "root": maybe(g, "/", "/srv"),
            "index": maybe(g, "", "index.php"),
            "scripts": g.choice(("Index", "All")),
        },
        "tls": {"secretName": maybe(g, "", "tls"), "redirect": g.random() < 0.5},
        "static": [
            {"path": g.choice(("/", path())), "from": maybe(g, "/", "/srv"), "fallback": maybe(g, "/", "Backend")},
            {"path": path(), "volume": "run", "subPath": maybe(g, "", "a"), "maxAgeSeconds": g.randint(0, 9)},
        ],
        "routes": [
            {"path": path(), "pathType": "Prefix", "replacePrefixMatch": path()},
            {"path": path(), "pathType": "Exact", "redirect": {"path": path()}},
            {
                "path": path(),
                "pathType": "Prefix",
                "upstream": maybe(g, "", "http"),
                "clientMaxBodySize": maybe(g, "", "1Mi"),
            },
            {"path": path(), "pathType": "Prefix", "respond": {"statusCode": g.choice((200, 404, 599))}},
        ],
        "responseHeaders": {
            "set": [{"name": maybe(g, "X-", "X-A"), "value": hostile(g)}, {"name": "X-B", "value": hostile(g)}],
            "remove": [maybe(g, "X-", "X-C")],
        },
        "compression": {"enabled": g.random() < 0.8},
        "trustedProxies": [maybe(g, "", "10.0.0.0/8"), maybe(g, "10.", "::1")],
        "buffering": g.random() < 0.5,
        "clientMaxBodySize": maybe(g, "1", "1Mi"),
        "readTimeoutSeconds": g.randint(1, 9),
    }
    return {name: value for name, value in optional.items() if g.random() < 0.35}


def spec(g: random.Random) -> dict[str, Any]:
    """Return a spec with hostile values."""
    headers = [{"name": maybe(g, "X-", "X-P"), "value": hostile(g)}, {"name": "Host", "value": hostile(g)}]
    backend = {
        "image": "shop:1",
        "ports": [{"name": "http", "containerPort": 8000}],
        "volumeMounts": [{"name": "run", "mountPath": "/run/app"}],
        "livenessProbe": {"httpGet": {"path": hostile(g, "/"), "httpHeaders": headers}},
    }
    if g.random() < 0.3:
        del backend["livenessProbe"]
    return {"backend": backend, "proxy": proxy_spec(g), "volumes": [{"name": "run", "emptyDir": {}}]}


def rendered_files(spec_: dict[str, Any]) -> dict[str, str] | None:
    """Return the files of nginx; None if validation refuses the spec."""
    header = {"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack"}
    try:
        stack = parse({**header, "metadata": {"name": "shop", "namespace": "a", "uid": UID}, "spec": spec_})
    except InvalidSpec:
        return None
    if any(issue.severity is Severity.ERROR for issue in validate(stack, Settings())):
        return None
    return proxy_files(render(stack, settings=Settings(), namespace_uid="n"))


def accepted(seed: int, count: int) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield specs that validation accepts; a refused part is removed until the rest is accepted."""
    g = random.Random(seed)
    for _ in range(count):
        candidate = spec(g)
        while (files := rendered_files(candidate)) is None and candidate["proxy"]:
            del candidate["proxy"][g.choice(sorted(candidate["proxy"]))]
        if files is None:
            candidate["backend"].pop("livenessProbe", None)
            files = rendered_files(candidate)
        assert files is not None
        yield candidate, files


STRUCTURE = {
    "http",
    "server",
    "location",
    "map",
    "geo",
    "upstream",
    "if",
    "events",
    "include",
    "listen",
    "set",
    "return",
}
ARGUMENTS = {
    *(
        "add_header",
        "alias",
        "auth_request",
        "client_max_body_size",
        "fastcgi_hide_header",
        "fastcgi_param",
        "location",
    ),
    *(
        "grpc_hide_header",
        "proxy_hide_header",
        "proxy_pass",
        "proxy_set_header",
        "return",
        "root",
        "server",
        "try_files",
    ),
    *("uwsgi_hide_header", "uwsgi_param", "set_real_ip_from", "index", "10.0.0.0/8"),
}
"""Directives whose arguments contain values of the spec."""


def directives(text: str, folder: Path) -> list[dict[str, Any]]:
    """Return the directives of a file as crossplane reads it, those of blocks too."""
    file = folder / "file.conf"
    file.write_text(text)
    parsed = crossplane.parse(str(file), single=True, strict=False, check_ctx=False, check_args=False)
    assert [] == parsed["errors"], text
    pending, found = [*parsed["config"][0]["parsed"]], []
    while pending:
        each = pending.pop()
        found.append(each)
        pending.extend(each.get("block", ()))
    return found


def shape(found: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """Return the names of directives, with the number of their arguments where that is fixed."""
    return {(each["directive"], 0 if "_types" in each["directive"] else len(each["args"])) for each in found}


def test_hostile_values_stay_arguments(tmp_path: Path) -> None:
    names: set[str] = set()
    marked = 0
    for spec_, files in accepted(1, SPECS):
        for text in files.values():
            for each in directives(text, tmp_path):
                names.add(each["directive"])
                if any(MARK in arg for arg in each["args"]):
                    marked += 1
                    assert each["directive"] in ARGUMENTS, (each, json.dumps(spec_))
                assert MARK not in each["directive"], (each, json.dumps(spec_))
    assert marked > SPECS, "hostile values must reach the files"
    assert not {name for name in names if not name.replace("_", "").isalpha()} - NETWORK_AND_MAP_KEYS


NETWORK_AND_MAP_KEYS = {"~:", "10.0.0.0/8", "::1", "1:http", "1:https", "~^1:.", ""}


@pytest.mark.parametrize("nginx", ["debian", "newest"])
def test_nginx_accepts_the_files(tmp_path: Path, nginx: str) -> None:
    for number, (spec_, files) in enumerate(accepted(2, NGINX_TESTS)):
        sandbox = Sandbox(tmp_path / str(number), binary(nginx))
        sandbox.write({path: text for path, text in files.items() if "/check/" not in path})
        try:
            sandbox.test()
        except NginxFailed as error:
            pytest.fail(f"{error}\n{json.dumps(spec_)}")
