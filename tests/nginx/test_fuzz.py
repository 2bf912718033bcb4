"""Hostile values in every field: the printed files contain them as arguments, and nginx accepts the files.

The files are read with crossplane, a parser that does not share code with the generator.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import crossplane  # type: ignore[import-untyped]
import pytest
import yaml

from appstack.api import parse
from appstack.errors import InvalidSpec, Severity
from appstack.render import nginx_conf, render
from appstack.render.nginx_syntax import Directive, serialize
from appstack.settings import Settings
from appstack.validation import validate
from tests.nginx.conftest import UID, binary
from tests.nginx.server import NginxFailed, Sandbox, proxy_files
from tools.cluster import state

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
UNQUOTED = re.compile(r"[^\s;{}'\"\\#]+")
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


def url_path(g: random.Random) -> str:
    """Return the path of a URL."""
    return maybe(g, "/", f"/p{g.randint(0, 99)}/", g.choice(("", "/")))


def proxy_spec(g: random.Random) -> dict[str, Any]:
    """Return the fields of a proxy, with hostile values in some of them."""
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
            {"path": g.choice(("/", url_path(g))), "from": maybe(g, "/", "/srv"), "fallback": maybe(g, "/", "Backend")},
            {"path": url_path(g), "volume": "run", "subPath": maybe(g, "", "a"), "maxAgeSeconds": g.randint(0, 9)},
        ],
        "routes": [
            {"path": url_path(g), "pathType": "Prefix", "replacePrefixMatch": url_path(g)},
            {"path": url_path(g), "pathType": "Exact", "redirect": {"path": url_path(g)}},
            {
                "path": url_path(g),
                "pathType": "Prefix",
                "upstream": maybe(g, "", "http"),
                "clientMaxBodySize": maybe(g, "", "1Mi"),
            },
            {"path": url_path(g), "pathType": "Prefix", "respond": {"statusCode": g.choice((200, 404, 599))}},
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


Tree = list[tuple[str, tuple[str, ...], Any]]


def expected(directives: tuple[Directive, ...]) -> Tree:
    """Return the directives as crossplane returns them."""
    return [
        (
            each.name.strip("'"),
            tuple(filter(None, map(_read, each.args))) if each.name == "if" else tuple(map(_as_read, each.args)),
            None if each.block is None else expected(each.block),
        )
        for each in directives
    ]


def _as_read(arg: str) -> str:
    """Return an argument as crossplane does, which keeps both backslashes of an escaped one."""
    return arg if UNQUOTED.fullmatch(arg) else arg.replace("\\", "\\\\")


def _read(arg: str) -> str:
    """Return an argument of `if` without the parentheses around the condition."""
    return arg.strip("()")


def read(parsed: list[dict[str, Any]]) -> Tree:
    """Return the directives that crossplane has read."""
    return [
        (
            each["directive"],
            tuple(filter(None, map(_read, each["args"]))) if each["directive"] == "if" else tuple(each["args"]),
            read(each["block"]) if "block" in each else None,
        )
        for each in parsed
    ]


def test_hostile_values_stay_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[tuple[tuple[Directive, ...], str]] = []

    def capture(directives: Iterable[Directive]) -> str:
        kept = tuple(directives)
        printed.append((kept, serialize(kept)))
        return printed[-1][1]

    monkeypatch.setattr(nginx_conf, "serialize", capture)
    file, marked = tmp_path / "file.conf", 0
    for spec_, _ in accepted(1, SPECS):
        while printed:
            directives, text = printed.pop()
            file.write_text(text)
            parsed = crossplane.parse(str(file), single=True, strict=False, check_ctx=False, check_args=False)
            assert [] == parsed["errors"], text
            assert expected(directives) == read(parsed["config"][0]["parsed"]), json.dumps(spec_)
            marked += MARK in text
    assert marked > SPECS // 2, "hostile values must reach the files"


@pytest.mark.parametrize("nginx", ["debian", "newest"])
def test_nginx_accepts_the_files(tmp_path: Path, nginx: str) -> None:
    for number, (spec_, files) in enumerate(accepted(2, NGINX_TESTS)):
        sandbox = Sandbox(tmp_path / str(number), binary(nginx))
        sandbox.write({path: text for path, text in files.items() if "/check/" not in path})
        try:
            sandbox.test()
        except NginxFailed as error:
            pytest.fail(f"{error}\n{json.dumps(spec_)}")


EXAMPLES = [
    (path, document)
    for path in sorted(state.ROOT.glob("examples/*/appstack.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if "proxy" in document.get("spec", {}) and document["spec"].get("workload", {}).get("kind") in (None, "Deployment")
]


@pytest.mark.parametrize("nginx", ["debian", "newest"])
@pytest.mark.parametrize(
    "document", [document for _, document in EXAMPLES], ids=[path.parent.name for path, _ in EXAMPLES]
)
def test_nginx_accepts_the_files_of_an_example(tmp_path: Path, nginx: str, document: dict[str, Any]) -> None:
    files = proxy_files(render(parse(document), settings=Settings()))
    sandbox = Sandbox(tmp_path, binary(nginx))
    sandbox.write({path: text for path, text in files.items() if "/check/" not in path})

    sandbox.test()
