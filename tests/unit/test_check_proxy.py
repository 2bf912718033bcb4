"""nginx before the backend: whom it asks, what it serves, and the author's own configuration."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import complaints, table

NONE = "backend: {image: x}"
NAME = "spec.proxy.upstream"

UPSTREAM = {
    "the first, by name, by number": ("proxy: {upstream: 8000}", []),
    "by name": ("proxy: {upstream: http}", []),
    "a name that is not there": (
        "proxy: {upstream: web}",
        [f"{NAME}: the backend has no port 'web' over TCP (there are: http)"],
    ),
    "a number that is not there": (
        "proxy: {upstream: 1}",
        [f"{NAME}: the backend has no port 1 over TCP (there are: http)"],
    ),
    "a number where none is declared": (
        f"{{{NONE}, proxy: {{upstream: 8000}}}}",
        [f"{NAME}: the backend has no port 8000 over TCP (declare it in spec.backend.ports)"],
    ),
    "a port over UDP": (
        "{backend: {image: x, ports: [{containerPort: 53, protocol: UDP}]}, proxy: {}}",
        [
            f"{NAME}: the backend's first port is 53/UDP, and nginx asks over TCP "
            "(name the port that speaks HTTP, or put it first)"
        ],
    ),
    "nobody, and nothing to serve": (
        f"{{{NONE}, proxy: {{}}}}",
        [
            "spec.proxy: has nothing to serve: the backend declares no port "
            "(declare the backend's port in spec.backend.ports, or write static)"
        ],
    ),
    "nobody, and files of its image": (f"{{{NONE}, proxy: {{static: [{{path: /s/, from: /srv}}]}}}}", []),
    "nobody, and what the author wrote": (f"{{{NONE}, proxy: {{server: 'location = /a {{ return 204; }}'}}}}", []),
    "a time-out for nobody": (
        f"{{{NONE}, proxy: {{readTimeoutSeconds: 9, static: [{{path: /s/, from: /srv}}]}}}}",
        ["Warning: spec.proxy.readTimeoutSeconds: does nothing: the backend declares no port to ask (leave it out)"],
    ),
}


@table(UPSTREAM)
def test_upstream(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines


STATIC = {
    "out of the image, and out of a volume": (
        """
        proxy: {static: [{path: /a/, from: /srv/app}, {path: /b/, volume: v, subPath: a/b}, {path: /b/c/, volume: v}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [],
    ),
    "from nowhere, and from two places": (
        """
        proxy: {static: [{path: /a/}, {path: /b/, from: /srv, volume: v}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.proxy.static[0]: does not say where the files are "
            "(either `from`, a directory of the backend's image, or `volume`)",
            "spec.proxy.static[1]: says two places where the files are "
            "(either `from`, a directory of the backend's image, or `volume`)",
        ],
    ),
    "a volume that is not there": (
        "proxy: {static: [{path: /a/, volume: v}]}",
        ["spec.proxy.static[0].volume: there is no volume 'v' (spec.volumes is empty)"],
    ),
    "a subPath of no volume, and one outside of it": (
        """
        proxy: {static: [{path: /a/, from: /srv, subPath: a}, {path: /b/, volume: v, subPath: ../b}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.proxy.static[0].subPath: is a directory of a volume, and there is none (write it behind `from`)",
            "spec.proxy.static[1].subPath: '../b' is not a path inside the volume (neither a leading / nor '..')",
        ],
    ),
    "a path twice": (
        "proxy: {static: [{path: /a/, from: /srv}, {path: /a/, from: /opt}]}",
        ["spec.proxy.static[1].path: the path '/a/' stands at spec.proxy.static[0].path already (keep one of the two)"],
    ),
    "everything, before a backend": (
        "proxy: {static: [{path: /, from: /srv}]}",
        [
            "spec.proxy.static[0].path: '/' would hide the backend, to which everything else goes "
            "(choose a path below it, or declare no port of the backend)"
        ],
    ),
    "everything, before nobody": (f"{{{NONE}, proxy: {{static: [{{path: /, from: /srv}}]}}}}", []),
    "the whole image, and a way out of it": (
        "proxy: {static: [{path: /a/, from: /}, {path: /b/, from: /srv/../etc}]}",
        [
            "spec.proxy.static[0].from: is the whole image (name the directory that holds the files)",
            "spec.proxy.static[1].from: '/srv/../etc' contains '..' (write the directory itself)",
        ],
    ),
    "out of the image where a volume hides it": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /srv}]}
        proxy: {static: [{path: /a/, from: /srv/public}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "Warning: spec.proxy.static[0].from: the files come out of the image, not out of what "
            "spec.backend.volumeMounts[0] mounts there (for those write volume: v)"
        ],
    ),
}


@table(STATIC)
def test_static(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines


def test_text_that_ends_a_block_it_did_not_begin_is_refused() -> None:
    told = "spec.proxy.server: line 2: '}' ends no block (braces come in pairs)"
    assert complaints('proxy: {server: "gzip on;\\n} server { listen 81;"}') == [told]
    told = "spec.proxy.server: line 1: the block of 'location' is not ended by '}' (braces come in pairs)"
    assert complaints("proxy: {server: 'location / { gzip on; '}") == [told]


def test_a_location_that_is_written_already_is_refused_before_nginx_names_a_file_nobody_wrote() -> None:
    hint = "(choose another location, or write the whole spec.proxy.config)"
    told = f"spec.proxy.server: location / is written by AppStack, which leads it to the backend already {hint}"
    assert complaints("proxy: {server: 'location / { return 204; }'}") == [told]
    told = f"spec.proxy.server: location /s/ is written by spec.proxy.static[0] already {hint}"
    text = "proxy: {server: 'location /s/ { return 204; }', static: [{path: /s/, from: /srv}]}"
    assert complaints(text) == [told]
    assert complaints("proxy: {server: 'location = / { return 204; }'}") == []


def test_text_that_can_not_be_read_is_left_to_nginx() -> None:
    told = "Warning: spec.proxy.server: line 1: 'gzip' is not ended by ';' (the pod's check, nginx -t, decides)"
    assert complaints("proxy: {server: gzip on}") == [told]


LISTENS = "server { listen 8080; }"
CONFIG = "spec.proxy.config"
MUST_INCLUDE = (
    f"{CONFIG}: its http {{}} must include /etc/nginx/appstack/*.conf: the backend's default readiness goes through "
    "AppStack's health server (write `include /etc/nginx/appstack/*.conf;` inside http {})"
)


def own(http: str, spec: str = "", proxy: str = "") -> str:
    """Return a stack with an nginx.conf of the author's, with this inside its http {}."""
    return f'{{proxy: {{config: "http {{ {http} }}"{proxy}}}{spec}}}'


OWN = {
    "whole": (own(f"include /etc/nginx/appstack/*.conf; {LISTENS}"), []),
    "from nginx's own directory": (own(f"include appstack/health.conf; {LISTENS}"), []),
    "by another pattern": (own(f"include /etc/nginx/app*/h*.conf; {LISTENS}"), []),
    "without the health server": (own(LISTENS), [MUST_INCLUDE]),
    "with the health server in the wrong place": (
        own("server { listen 8080; include /etc/nginx/appstack/*.conf; }"),
        [MUST_INCLUDE],
    ),
    "with a file of the same name elsewhere": (own(f"include /etc/nginx/health.conf; {LISTENS}"), [MUST_INCLUDE]),
    "with a comment only": (own(f"# include /etc/nginx/appstack/*.conf;\\n {LISTENS}"), [MUST_INCLUDE]),
    "for a probe of the author's": (
        own(LISTENS, ", backend: {image: x, ports: [{containerPort: 1}], livenessProbe: {httpGet: {}}}"),
        [MUST_INCLUDE.replace("the backend's default readiness", "spec.backend.livenessProbe")],
    ),
    "for the proxy's own probes": (
        own(LISTENS, f", {NONE}"),
        [MUST_INCLUDE.replace("the backend's default readiness", "the proxy's own probe")],
    ),
    "where nobody needs the health server": (
        own(LISTENS, f", {NONE}", ", startupProbe: {exec: {command: [a]}}, readinessProbe: {exec: {command: [a]}}"),
        [],
    ),
    "with static files": (
        own(
            "include /etc/nginx/appstack/*.conf; server { listen 8080; include appstack/server/static.conf; }",
            proxy=", static: [{path: /a/, from: /srv}]",
        ),
        [],
    ),
    "without its static files": (
        own(f"include /etc/nginx/appstack/*.conf; {LISTENS}", proxy=", static: [{path: /a/, from: /srv}]"),
        [
            f"{CONFIG}: a server {{}} must include /etc/nginx/appstack/server/*.conf: spec.proxy.static is written "
            "there (write `include /etc/nginx/appstack/server/*.conf;` inside the server {} that serves the files)"
        ],
    ),
    "in place of fields": (
        own(
            f"include /etc/nginx/appstack/*.conf; {LISTENS}",
            proxy=", upstream: http, server: 'gzip on;', clientMaxBodySize: 1Mi, readTimeoutSeconds: 9",
        ),
        [
            f"spec.proxy.{field}: {CONFIG} takes its place (write it there, or leave out config)"
            for field in ("upstream", "server", "clientMaxBodySize", "readTimeoutSeconds")
        ],
    ),
    "that listens elsewhere": (
        own("include appstack/*.conf; include mime.types; server { listen 127.0.0.1:80; }"),
        [
            f"Warning: {CONFIG}: no server listens on 8080, to which the Service leads "
            "(write `listen 8080;`, or set spec.proxy.port)"
        ],
    ),
    "that may listen in a file of the author's": (own("include appstack/*.conf; include conf.d/*.conf;"), []),
    "that listens by address": (own("include appstack/*.conf; server { listen [::]:8080 default_server; }"), []),
    "that can't be read": (
        "proxy: {config: 'http {'}",
        [f"Warning: {CONFIG}: line 1: the block of 'http' is not ended by '}}' (the pod's check, nginx -t, decides)"],
    ),
}


@table(OWN)
def test_own_configuration(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines
