"""Validation of the proxy: upstream, static files, extra directives and a complete nginx.conf."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

NO_PORTS = "backend: {image: x}"
UPSTREAM_FIELD = "spec.proxy.upstream"

UPSTREAM = {
    "upstream by number is valid": ("proxy: {upstream: 8000}", []),
    "upstream by name is valid": ("proxy: {upstream: http}", []),
    "upstream with an unknown name": (
        "proxy: {upstream: web}",
        [f"{UPSTREAM_FIELD}: the backend has no TCP port 'web' (use one of: http)"],
    ),
    "upstream with an unknown number": (
        "proxy: {upstream: 1}",
        [f"{UPSTREAM_FIELD}: the backend has no TCP port 1 (use one of: http)"],
    ),
    "upstream of a backend without ports": (
        f"{{{NO_PORTS}, proxy: {{upstream: 8000}}}}",
        [f"{UPSTREAM_FIELD}: the backend has no TCP port 8000 (declare the port in spec.backend.ports)"],
    ),
    "first port of the backend is UDP": (
        "{backend: {image: x, ports: [{containerPort: 53, protocol: UDP}]}, proxy: {}}",
        [
            f"{UPSTREAM_FIELD}: the first port of the backend is 53/UDP, and nginx connects over TCP only "
            "(set the HTTP port as upstream, or put that port first)"
        ],
    ),
    "proxy without upstream and static files": (
        f"{{{NO_PORTS}, proxy: {{}}}}",
        [
            "spec.proxy: has nothing to serve: the backend declares no port "
            "(declare the port of the backend in spec.backend.ports, or set spec.proxy.static)"
        ],
    ),
    "static files without upstream are valid": (f"{{{NO_PORTS}, proxy: {{static: [{{path: /s/, from: /srv}}]}}}}", []),
    "extra directives without upstream are valid": (
        f"{{{NO_PORTS}, proxy: {{serverSnippet: 'location = /a {{ return 204; }}'}}}}",
        [],
    ),
    "read timeout without upstream": (
        f"{{{NO_PORTS}, proxy: {{readTimeoutSeconds: 9, static: [{{path: /s/, from: /srv}}]}}}}",
        ["Warning: spec.proxy.readTimeoutSeconds: has no effect: the backend declares no port (remove the field)"],
    ),
}


@parametrize_cases(UPSTREAM)
def test_upstream(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


STATIC = {
    "static files from the image and from a volume are valid": (
        """
        proxy: {static: [{path: /a/, from: /srv/app}, {path: /b/, volume: v, subPath: a/b}, {path: /b/c/, volume: v}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [],
    ),
    "static files without source and with two": (
        """
        proxy: {static: [{path: /a/}, {path: /b/, from: /srv, volume: v}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.proxy.static[0]: defines no source of the files "
            "(set either `from`, a directory of the backend's image, or `volume`)",
            "spec.proxy.static[1]: defines two sources of the files "
            "(set either `from`, a directory of the backend's image, or `volume`)",
        ],
    ),
    "static files from an unknown volume": (
        "proxy: {static: [{path: /a/, volume: v}]}",
        ["spec.proxy.static[0].volume: there is no volume 'v' (declare the volume in spec.volumes)"],
    ),
    "subPath without volume, and outside the volume": (
        """
        proxy: {static: [{path: /a/, from: /srv, subPath: a}, {path: /b/, volume: v, subPath: ../b}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "spec.proxy.static[0].subPath: requires `volume` (append the directory to `from`)",
            "spec.proxy.static[1].subPath: '../b' is not a path inside the volume (use a relative path without '..')",
        ],
    ),
    "duplicate static path": (
        "proxy: {static: [{path: /a/, from: /srv}, {path: /a/, from: /opt}]}",
        [
            "spec.proxy.static[1].path: the path '/a/' is already defined at spec.proxy.static[0].path "
            "(remove one of the two)"
        ],
    ),
    "static files at / in front of a backend": (
        "proxy: {static: [{path: /, from: /srv}]}",
        [
            "spec.proxy.static[0].path: '/' would hide the backend, which serves every other path "
            "(set fallback: Backend, add a route to the backend in spec.proxy.routes, or choose a path below /)"
        ],
    ),
    "static files at / without a backend port are valid": (
        f"{{{NO_PORTS}, proxy: {{static: [{{path: /, from: /srv}}]}}}}",
        [],
    ),
    "root of the image, and a path with ..": (
        "proxy: {static: [{path: /a/, from: /}, {path: /b/, from: /srv/../etc}]}",
        [
            "spec.proxy.static[0].from: is the root of the image (use the directory that holds the files)",
            "spec.proxy.static[1].from: '/srv/../etc' contains '..' (use a path without '..')",
        ],
    ),
    "image directory that a volume mount hides": (
        """
        backend: {image: x, volumeMounts: [{name: v, mountPath: /srv}]}
        proxy: {static: [{path: /a/, from: /srv/public}]}
        volumes: [{name: v, emptyDir: {}}]
        """,
        [
            "Warning: spec.proxy.static[0].from: the files come from the image, not from the volume that "
            "spec.backend.volumeMounts[0] mounts there (use volume: v to serve the files of the volume)"
        ],
    ),
}


@parametrize_cases(STATIC)
def test_static(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


def test_directives_with_unbalanced_braces_are_rejected() -> None:
    message = "spec.proxy.serverSnippet: line 2: unexpected '}' (balance the braces)"
    assert issue_messages('proxy: {serverSnippet: "gzip on;\\n} server { listen 81;"}') == [message]
    message = "spec.proxy.serverSnippet: line 1: the block of 'location' is not closed by '}' (balance the braces)"
    assert issue_messages("proxy: {serverSnippet: 'location / { gzip on; '}") == [message]


def test_location_that_appstack_generates_is_rejected() -> None:
    hint = "(choose another location, or use spec.proxy.config)"
    message = f"spec.proxy.serverSnippet: location /s/ is already defined by spec.proxy.static[0] {hint}"
    text = "proxy: {serverSnippet: 'location /s/ { return 204; }', static: [{path: /s/, from: /srv}]}"
    assert issue_messages(text) == [message]
    for location in ("/", "^~ /", "= /"):
        assert issue_messages(f"proxy: {{serverSnippet: 'location {location} {{ return 204; }}'}}") == []


def test_directives_with_a_syntax_error_are_a_warning() -> None:
    message = "Warning: spec.proxy.serverSnippet: line 1: 'gzip' is not terminated by ';'"
    hint = "(test the configuration with `nginx -t`, as the pod does before nginx starts)"
    assert issue_messages("proxy: {serverSnippet: gzip on}") == [f"{message} {hint}"]


LISTENS = "server { listen 8080; }"
CONFIG = "spec.proxy.config"
MUST_INCLUDE = (
    f"{CONFIG}: http {{}} must include /etc/nginx/appstack/*.conf: the default readiness probe of the backend "
    "uses AppStack's health server (add `include /etc/nginx/appstack/*.conf;` inside http {})"
)


def with_config(http: str, spec: str = "", proxy: str = "") -> str:
    """Return a spec with a complete nginx.conf, and these directives inside its http {}."""
    return f'{{proxy: {{config: "http {{ {http} }}"{proxy}}}{spec}}}'


CONFIGURATION = {
    "complete configuration is valid": (with_config(f"include /etc/nginx/appstack/*.conf; {LISTENS}"), []),
    "include relative to the directory of nginx is valid": (
        with_config(f"include appstack/health.conf; {LISTENS}"),
        [],
    ),
    "include by another pattern is valid": (with_config(f"include /etc/nginx/app*/h*.conf; {LISTENS}"), []),
    "configuration without the health server": (with_config(LISTENS), [MUST_INCLUDE]),
    "include of the health server inside a server block": (
        with_config("server { listen 8080; include /etc/nginx/appstack/*.conf; }"),
        [MUST_INCLUDE],
    ),
    "include of a file with the same name elsewhere": (
        with_config(f"include /etc/nginx/health.conf; {LISTENS}"),
        [MUST_INCLUDE],
    ),
    "different includes than can be matched": (
        with_config("".join(f"include /etc/nginx/x{number}/*.conf; " for number in range(33)) + LISTENS),
        [],
    ),
    "include with a name longer than any file": (
        with_config(f"include /etc/nginx/appstack/{'*' * 256}; {LISTENS}"),
        [MUST_INCLUDE],
    ),
    "include in a comment": (with_config(f"# include /etc/nginx/appstack/*.conf;\\n {LISTENS}"), [MUST_INCLUDE]),
    "configuration without the health server for a probe of the backend": (
        with_config(LISTENS, ", backend: {image: x, ports: [{containerPort: 1}], livenessProbe: {httpGet: {}}}"),
        [MUST_INCLUDE.replace("the default readiness probe of the backend", "spec.backend.livenessProbe")],
    ),
    "configuration without the health server for the default probe of the proxy": (
        with_config(LISTENS, f", {NO_PORTS}"),
        [MUST_INCLUDE.replace("the default readiness probe of the backend", "the default probe of the proxy")],
    ),
    "configuration without the health server is valid without probes over HTTP": (
        with_config(
            LISTENS, f", {NO_PORTS}", ", startupProbe: {exec: {command: [a]}}, readinessProbe: {exec: {command: [a]}}"
        ),
        [],
    ),
    "configuration with static locations is valid": (
        with_config(
            "include /etc/nginx/appstack/*.conf; server { listen 8080; include appstack/server/static.conf; }",
            proxy=", static: [{path: /a/, from: /srv}]",
        ),
        [],
    ),
    "configuration without its static locations": (
        with_config(f"include /etc/nginx/appstack/*.conf; {LISTENS}", proxy=", static: [{path: /a/, from: /srv}]"),
        [
            f"{CONFIG}: a server {{}} must include /etc/nginx/appstack/server/*.conf: it holds the locations of "
            "spec.proxy.static (add `include /etc/nginx/appstack/server/*.conf;` inside the server {} that serves "
            "the files)"
        ],
    ),
    "configuration beside the fields that it replaces": (
        with_config(
            f"include /etc/nginx/appstack/*.conf; {LISTENS}",
            proxy=", serverSnippet: 'gzip on;', clientMaxBodySize: 1Mi, readTimeoutSeconds: 9, buffering: false",
        ),
        [
            f"spec.proxy.{field}: cannot be combined with {CONFIG}, which replaces the generated configuration "
            "(move the setting into spec.proxy.config, or remove spec.proxy.config)"
            for field in ("buffering", "clientMaxBodySize", "readTimeoutSeconds", "serverSnippet")
        ],
    ),
    "configuration that listens on another port": (
        with_config("include appstack/*.conf; include mime.types; server { listen 127.0.0.1:80; }"),
        [
            f"Warning: {CONFIG}: no server listens on 8080, the port that the Service exposes "
            "(add `listen 8080;`, or set spec.proxy.port)"
        ],
    ),
    "configuration that may listen in an included file is valid": (
        with_config("include appstack/*.conf; include conf.d/*.conf;"),
        [],
    ),
    "configuration that listens on an address is valid": (
        with_config("include appstack/*.conf; server { listen [::]:8080 default_server; }"),
        [],
    ),
    "configuration that cannot be parsed": (
        "proxy: {config: 'http {'}",
        [
            f"Warning: {CONFIG}: line 1: the block of 'http' is not closed by '}}' "
            "(test the configuration with `nginx -t`, as the pod does before nginx starts)"
        ],
    ),
}


@parametrize_cases(CONFIGURATION)
def test_configuration(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


def test_probe_header_with_a_control_character_is_refused() -> None:
    header = '{name: X, value: "a\\r\\nb"}'
    text = (
        f"backend: {{image: x, ports: [{{containerPort: 1}}], livenessProbe: {{httpGet: {{httpHeaders: [{header}]}}}}}}"
    )

    field = "spec.backend.livenessProbe.httpGet.httpHeaders[0].value"
    assert issue_messages(text) == [f"{field}: contains a control character (remove it; no header can contain it)"]
