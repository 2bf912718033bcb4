"""Validation of the proxy's protocol, socket, TLS, routes, headers and addresses."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from appstack.errors import InvalidSpec
from tests.unit.stacks import issue_messages, parametrize_cases, stack

UPSTREAM = "spec.proxy.upstream"


def socket(
    path: str, mount: str = "{name: run, mountPath: /run/app}", volumes: str = "{name: run, emptyDir: {}}"
) -> str:
    backend = f"{{image: x, volumeMounts: [{mount}]}}"
    return f"{{backend: {backend}, proxy: {{upstream: '{path}'}}, volumes: [{volumes}]}}"


SOCKETS = {
    "socket in an emptyDir is valid": (socket("unix:/run/app/a.sock"), []),
    "socket beside the mount": (
        socket("unix:/run/other/a.sock"),
        [
            f"{UPSTREAM}: the backend mounts no emptyDir that contains '/run/other/a.sock' (add an emptyDir to "
            "spec.volumes, and mount it at the directory in spec.backend.volumeMounts)"
        ],
    ),
    "socket in another volume": (
        socket("unix:/run/app/a.sock", volumes="{name: run, configMap: {name: a}}"),
        [
            f"{UPSTREAM}: the backend mounts no emptyDir that contains '/run/app/a.sock' (add an emptyDir to "
            "spec.volumes, and mount it at the directory in spec.backend.volumeMounts)"
        ],
    ),
    "socket outside the mount": (
        socket("unix:/run/app/../a.sock"),
        [
            f"{UPSTREAM}: '/run/app/../a.sock' is not an absolute path of a socket (write it without '..', for example "
            "unix:/run/shop/app.sock)"
        ],
    ),
    "socket with a long path": (
        socket(f"unix:/run/app/{'a' * 100}"),
        [f"{UPSTREAM}: the path of a unix socket has at most 107 characters (shorten it)"],
    ),
    "socket with characters of nginx": (
        socket("unix:/run/app/$a;b"),
        [f"{UPSTREAM}: '/run/app/$a;b' has characters that nginx would interpret (use letters and digits)"],
    ),
    "socket in a mount with an expression": (
        socket("unix:/run/app/a", mount="{name: run, mountPath: /run/app, subPathExpr: $(A)}"),
        [
            f"{UPSTREAM}: is in a mount with subPathExpr, which nginx cannot evaluate (use subPath, or mount the whole "
            "volume)"
        ],
    ),
    "socket beside a claim": (
        socket(
            "unix:/run/app/a.sock",
            volumes="{name: run, emptyDir: {}}, {name: d, persistentVolumeClaim: {claimName: d}}",
        ),
        [
            f"Warning: {UPSTREAM}: nginx has a user of its own (101), and connects only to a socket that all users may "
            "write (mode 0666) (set spec.pod.securityContext.fsGroup, which also changes the group of the claims, or "
            "the socket's mode)",
            "Warning: spec.volumes[1]: no container mounts this volume (mount it, or remove it)",
        ],
    ),
}


@parametrize_cases(SOCKETS)
def test_socket(text: str, lines: Iterable[str]) -> None:
    found = [line for line in issue_messages(text) if "no container" not in line]
    assert found == [line for line in lines if "no container" not in line]


PROTOCOLS = {
    "FastCGI is implied": ("proxy: {fastCGI: {root: /srv}}", []),
    "FastCGI of another protocol": (
        "proxy: {fastCGI: {root: /srv}, upstreamProtocol: HTTP}",
        [
            "spec.proxy.fastCGI: has no effect with upstreamProtocol: HTTP (remove upstreamProtocol; fastCGI implies "
            "FCGI)"
        ],
    ),
    "FastCGI without a root": (
        "proxy: {upstreamProtocol: FCGI}",
        [
            "spec.proxy.fastCGI.root: is required: there are no static files `from` an image at /, which would be its "
            "default (set the directory of the scripts in the backend)"
        ],
    ),
    "FastCGI with the root of the static files": (
        "proxy: {upstreamProtocol: FCGI, static: [{path: /, from: /srv, fallback: Backend}]}",
        [],
    ),
    "FastCGI outside its root": (
        "proxy: {fastCGI: {root: /srv/../etc}}",
        ["spec.proxy.fastCGI.root: '/srv/../etc' contains '..' (use a path without '..')"],
    ),
    "every script without files": (
        "proxy: {fastCGI: {root: /srv, scripts: All}}",
        [
            "spec.proxy.fastCGI.scripts: All runs scripts that exist among the static files at /, and there are none "
            "(add the directory of the scripts to spec.proxy.static with path: /, or use Index)"
        ],
    ),
    "buffering of gRPC": (
        "proxy: {upstreamProtocol: GRPC, buffering: false}",
        [
            "spec.proxy.buffering: has no effect with GRPC, whose messages nginx passes on at once (remove the field)",
        ],
    ),
    "HTTP probe of gRPC": (
        "{backend: {image: x, ports: [{containerPort: 1}], livenessProbe: {httpGet: {path: /}}}, "
        "proxy: {upstreamProtocol: GRPC}}",
        [
            "spec.backend.livenessProbe.httpGet: the backend speaks GRPC on this port, not HTTP/1.1 (remove the probe: "
            "the default readiness probe calls gRPC's health service; or use exec)"
        ],
    ),
    "HTTP probe of another port of gRPC": (
        "{backend: {image: x, ports: [{containerPort: 1}, {containerPort: 2}], livenessProbe: {httpGet: {port: 2}}}, "
        "proxy: {upstreamProtocol: GRPC}}",
        [],
    ),
    "redirect to TLS": ("proxy: {tls: {secretName: a, redirect: true}}", []),
    "redirect to TLS behind an Ingress": (
        "{proxy: {tls: {secretName: a, redirect: true}}, ingress: {hosts: [a.example]}}",
        [
            "spec.proxy.tls.redirect: spec.ingress sends its requests to port 80, so every redirect would lead to the "
            "same redirect (remove the redirect, and let the controller of spec.ingress redirect)"
        ],
    ),
    "port of TLS that is used": (
        "proxy: {tls: {secretName: a, port: 8080}}",
        [
            "spec.proxy.tls.port: 8080/TCP is already used by spec.proxy.port (choose another number; the containers "
            "of a pod share their ports)"
        ],
    ),
    "networks": ("proxy: {trustedProxies: [10.0.0.0/8, 192.0.2.1, '2001:db8::/32']}", []),
    "no networks": (
        "proxy: {trustedProxies: [10.0.0.1/8, 'a;b']}",
        [
            "spec.proxy.trustedProxies[0]: '10.0.0.1/8' is not a network (write 10.0.0.0/8)",
            "spec.proxy.trustedProxies[1]: 'a;b' is not a network (write an address or a network, for example "
            "10.0.0.0/8)",
        ],
    ),
}


@parametrize_cases(PROTOCOLS)
def test_protocol(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


HEADERS = "spec.proxy.responseHeaders"


def headers(*values: str) -> str:
    return f"proxy: {{responseHeaders: {{set: [{', '.join(values)}]}}}}"


RESPONSE_HEADERS = {
    "header is valid": (headers("{name: X-A, value: 'a \"b\" $c; {d}'}"), []),
    "header with a line break": (
        headers('{name: X-A, value: "a\\r\\nSet-Cookie: b"}'),
        [
            f"{HEADERS}.set[0].value: must be printable ASCII, without white space at its ends and line breaks (encode "
            "other characters as the header's standard says)"
        ],
    ),
    "header with other characters": (
        headers("{name: X-A, value: ä}"),
        [
            f"{HEADERS}.set[0].value: must be printable ASCII, without white space at its ends and line breaks (encode "
            "other characters as the header's standard says)"
        ],
    ),
    "header of nginx": (
        headers("{name: content-type, value: a}"),
        [f"{HEADERS}.set[0].name: nginx writes content-type itself (remove the header)"],
    ),
    "header twice": (
        headers("{name: X-A, value: a}", "{name: x-a, value: b}"),
        [
            f"{HEADERS}.set[1].name: the header x-a is already defined at {HEADERS}.set[0].name "
            "(remove one of the two)",
        ],
    ),
    "caching twice": (
        "{proxy: {responseHeaders: {set: [{name: Cache-Control, value: a}]}, "
        "static: [{path: /s/, from: /srv, maxAgeSeconds: 1}]}}",
        [
            f"{HEADERS}.set[0].name: Cache-Control is also set by spec.proxy.static[0].maxAgeSeconds (remove one of "
            "the two)"
        ],
    ),
}


@parametrize_cases(RESPONSE_HEADERS)
def test_response_headers(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


ROUTE = "spec.proxy.routes[0]"


def route(fields: str, more: str = "") -> str:
    return f"proxy: {{routes: [{{{fields}}}]{more}}}"


ROUTES = {
    "routes are valid": (
        route("path: /a/, pathType: Prefix, upstream: http, replacePrefixMatch: /, buffering: false"),
        [],
    ),
    "exact and prefix route of one path are valid": (
        "proxy: {routes: [{path: /a, pathType: Exact}, {path: /a, pathType: Prefix}, {path: /a/, pathType: Exact}]}",
        [],
    ),
    "two routes with one prefix": (
        "proxy: {routes: [{path: /a, pathType: Prefix}, {path: /a/, pathType: Prefix}]}",
        [
            f"spec.proxy.routes[1].path: the path '/a/' is already defined at {ROUTE}.path (remove one of the two)",
        ],
    ),
    "route and static files": (
        route("path: /a, pathType: Prefix", ", static: [{path: /a/, from: /srv}]"),
        [f"{ROUTE}.path: the path '/a/' is already defined at spec.proxy.static[0].path (remove one of the two)"],
    ),
    "route that never matches": (
        route("path: /a//b, pathType: Exact"),
        [
            f"{ROUTE}.path: '/a//b' never matches: nginx removes '//', '/./' and '/../' from the path of a request "
            "(write the normalized path)"
        ],
    ),
    "unknown upstream": (
        route("path: /a, pathType: Exact, upstream: api"),
        [f"{ROUTE}.upstream: the backend has no TCP port 'api' (use one of: http)"],
    ),
    "two actions": (
        route("path: /a, pathType: Exact, redirect: {path: /b}, respond: {statusCode: 404}"),
        [f"{ROUTE}: has both redirect and respond (remove one of the two)"],
    ),
    "setting without effect": (
        route("path: /a, pathType: Exact, redirect: {path: /b}, buffering: false"),
        [f"{ROUTE}.buffering: has no effect: redirect answers the request (remove the field)"],
    ),
    "redirect to itself": (
        route("path: /a/, pathType: Prefix, redirect: {path: /a/b}"),
        [
            f"{ROUTE}.redirect.path: '/a/b' matches the route itself, so the redirect would not end (redirect to a "
            "path outside the route)"
        ],
    ),
    "answer that is a redirect": (
        route("path: /a, pathType: Exact, respond: {statusCode: 302}"),
        [f"{ROUTE}.respond.statusCode: 302 is a redirect without a target (use redirect)"],
    ),
    "replacement of an exact path": (
        route("path: /a, pathType: Exact, replacePrefixMatch: /"),
        [f"{ROUTE}.replacePrefixMatch: requires pathType: Prefix (use Prefix)"],
    ),
    "replacement with gRPC": (
        route("path: /a, pathType: Prefix, replacePrefixMatch: /", ", upstreamProtocol: GRPC"),
        [
            f"{ROUTE}.replacePrefixMatch: is not supported with upstreamProtocol: GRPC (let the backend serve the "
            "whole path)"
        ],
    ),
    "service and upstream": (
        route("path: /a, pathType: Exact, upstream: http, service: {name: a, port: 80}"),
        [f"{ROUTE}.service: cannot be combined with upstream (remove one of the two)"],
    ),
    "route to a backend without ports": (
        "{backend: {image: x}, proxy: {routes: [{path: /a, pathType: Exact}]}}",
        [
            f"{ROUTE}: passes requests to the backend, which declares no port (set service, redirect or respond, or "
            "declare spec.backend.ports)"
        ],
    ),
    "route to another Service needs no port": (
        "{backend: {image: x}, proxy: {routes: [{path: /a, pathType: Exact, service: {name: a, port: 80}}]}}",
        [],
    ),
}


@parametrize_cases(ROUTES)
def test_routes(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


STATIC = "spec.proxy.static[0]"
FALLBACKS = {
    "static files at / with a fallback": ("proxy: {static: [{path: /, from: /srv, fallback: Backend}]}", []),
    "static files at / with a route": (
        "proxy: {static: [{path: /, from: /srv, fallback: /index.html}], routes: [{path: /api, pathType: Prefix}]}",
        [],
    ),
    "fallback outside the path": (
        "proxy: {static: [{path: /a/, from: /srv, fallback: /index.html}]}",
        [f"{STATIC}.fallback: '/index.html' is not a file below /a/ (write for example /a/index.html, or Backend)"],
    ),
    "fallback to a backend without ports": (
        "{backend: {image: x}, proxy: {static: [{path: /, from: /srv, fallback: Backend}]}}",
        [
            f"{STATIC}.fallback: the backend declares no port (declare the port of the backend in spec.backend.ports)",
        ],
    ),
    "immutable without an age": (
        "proxy: {static: [{path: /a/, from: /srv, immutable: true}]}",
        [
            f"{STATIC}.immutable: requires maxAgeSeconds (set it to the seconds for which a file is cached, for "
            "example 31536000)"
        ],
    ),
    "image without a directory": (
        "{proxy: {static: [{path: /a/, image: ui, volume: v}]}, volumes: [{name: v, emptyDir: {}}]}",
        [f"{STATIC}.image: requires `from` (set the directory of the image)"],
    ),
}


@parametrize_cases(FALLBACKS)
def test_fallback_and_caching(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


PARSING = {
    "spec.proxy.server": ("server: 'gzip on;'", "it is now called serverSnippet: write spec.proxy.serverSnippet"),
    "spec.proxy.clientMaxBodySize": ("clientMaxBodySize: 10m", "write 10Mi"),
    "spec.proxy.routes[0].path": ("routes: [{path: '/a$b', pathType: Exact}]", "that must be encoded"),
    "spec.proxy.routes[0].pathType": ("routes: [{path: /a}]", "is required"),
    "spec.proxy.responseHeaders.set[0].name": ("responseHeaders: {set: [{name: 'a b', value: c}]}", "use letters"),
    "spec.proxy.fastCGI.index": ("fastCGI: {index: 'a;b'}", "use letters"),
    "spec.proxy.routes[0].service.name": (
        "routes: [{path: /a, pathType: Exact, service: {name: a.b, port: 80}}]",
        "use a-z",
    ),
    "spec.proxy.static[0].fallback": ("static: [{path: /a/, from: /srv, fallback: app}]", "for example /index.html"),
}


@pytest.mark.parametrize("field", PARSING)
def test_value_that_cannot_be_parsed(field: str) -> None:
    text, hint = PARSING[field]
    with pytest.raises(InvalidSpec) as error:
        stack(f"proxy: {{{text}}}")
    (issue,) = error.value.issues
    assert field == issue.field
    assert hint in str(issue)
