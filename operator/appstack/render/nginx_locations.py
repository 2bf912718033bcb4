"""The generated locations of nginx's server {}: static files, routes, scripts of FastCGI, and the backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from appstack.api.proxy import FastCGI, PathType, Proxy, ResponseHeader, Route, Static, UpstreamProtocol
from appstack.render.context import LOOPBACK, Context
from appstack.render.nginx_http import to_bytes
from appstack.render.nginx_syntax import Directive, directive
from appstack.render.nginx_text import AuthorText
from appstack.render.nginx_upstream import (
    BACKEND,
    HTTP,
    PROTOCOLS,
    Protocol,
    header_directives,
    script_parameters,
)
from appstack.render.paths import STATIC_ROOT

_CACHE: Final = "$appstack_cache"
_PHP: Final = r"\.php(/|$)"
_SCRIPT: Final = r"\.(php[0-9]*|phtml|phar)(/|$)"  # the source of none of them is ever sent
_HIDDEN: Final = r"/\.(?!well-known(/|$))"
_NO_CONTENT: Final = directive("try_files", "/appstack-none", f"@{BACKEND}")


def root_of(index: int) -> str:
    """Return the directory of an entry of static files in the container of nginx."""
    return f"{STATIC_ROOT}/{index}"


def static_at_root(proxy: Proxy) -> tuple[int, Static] | None:
    """Return the static files at `/` with their index; None without such files."""
    return next(((index, each) for index, each in enumerate(proxy.static) if each.path == "/"), None)


def fastcgi_root(proxy: Proxy) -> str:
    """Return the directory of the scripts in the backend."""
    static = static_at_root(proxy)
    own = proxy.fast_cgi.root if proxy.fast_cgi else None
    return (own or (static and static[1].from_) or "").rstrip("/")


# --- static files -----------------------------------------------------------------------------------------------------


def static_directives(proxy: Proxy) -> Iterator[Directive]:
    """Yield the directives of the file for server {} that serves the static files.

    Cache-Control is a variable, so that an answer of the backend and a 404 get none, and `add_header` of the author in
    server {} applies too.
    """
    yield directive("set", _CACHE, "")
    if not any(each.name.lower() == "cache-control" for each in _response_headers(proxy)):
        yield directive("add_header", "Cache-Control", _CACHE)
    for index, static in enumerate(proxy.static):
        match = () if static.path == "/" else ("^~",)
        yield directive("location", *match, static.path, block=_static(proxy, index, static))
        if static.fallback not in (None, "Backend"):
            yield directive("location", "=", static.fallback or "", block=_fallback_file(index, static))


def _response_headers(proxy: Proxy) -> tuple[ResponseHeader, ...]:
    return proxy.response_headers.set if proxy.response_headers else ()


def _static(proxy: Proxy, index: int, static: Static) -> Iterator[Directive]:
    if cache := _cache_control(static):
        yield directive("set", _CACHE, cache)
    if static.path == "/":
        yield directive("root", root_of(index))
    else:
        yield directive("alias", f"{root_of(index)}/")
    if static.precompressed:
        yield directive("gzip_static", "on")
    runs_scripts = proxy.protocol is UpstreamProtocol.FCGI
    script = (proxy.fast_cgi or FastCGI()).index
    runs_all = _runs_all(proxy) and static.path == "/"
    if runs_all:
        yield directive("index", script, "index.html")
    match static.fallback:
        case None:
            pass
        case "Backend":
            directory = "$uri/" if runs_all else "$uri/index.html"
            yield directive("try_files", "$uri", directory, f"@{BACKEND}")
        case path:
            yield directive("try_files", "$uri", path)
    if static.path == "/":
        hidden = _NO_CONTENT if static.fallback == "Backend" else directive("return", 404)
        yield directive("location", "~", _HIDDEN, block=[hidden])
    elif runs_scripts:  # their source would be sent
        yield directive("location", "~*", _SCRIPT, block=[directive("return", 404)])


def _fallback_file(index: int, static: Static) -> Iterator[Directive]:
    """Yield the location of the page of a single-page application, which names the files of its release."""
    name = (static.fallback or "").removeprefix(static.path)
    yield directive("set", _CACHE, "no-cache")
    yield directive("alias", f"{root_of(index)}/{name}")


def _cache_control(static: Static) -> str:
    if static.max_age_seconds is None:
        return ""
    return f"public, max-age={static.max_age_seconds}" + (", immutable" if static.immutable else "")


# --- routes -----------------------------------------------------------------------------------------------------------


def generated_locations(proxy: Proxy) -> Iterator[tuple[str, str]]:
    """Yield the key of each location that a field of the author generates, with the field.

    The exact location of a Prefix route without its slash comes last, as it gives way to an Exact route.
    """
    for index, static in enumerate(proxy.static):
        yield static.path, f"spec.proxy.static[{index}].path"
        if static.fallback not in (None, "Backend"):
            yield f"= {static.fallback}", f"spec.proxy.static[{index}].fallback"
    for index, route in enumerate(proxy.routes):
        key = f"= {route.path}" if route.path_type is PathType.EXACT else route_prefix(route)
        yield key, f"spec.proxy.routes[{index}].path"


def route_prefix(route: Route) -> str:
    """Return the path of a route with pathType Prefix as a directory: it matches whole names only."""
    return f"{route.path.rstrip('/')}/"


def route_locations(context: Context, proxy: Proxy, text: AuthorText) -> Iterator[Directive]:
    """Yield the locations of the routes."""
    taken = {key for key, _ in generated_locations(proxy)} | text.server_locations
    for route in proxy.routes:
        if route.path_type is PathType.EXACT:
            yield directive("location", "=", route.path, block=_route(context, proxy, route, exact=True))
            continue
        prefix = route_prefix(route)
        match = () if prefix == "/" else ("^~",)
        yield directive("location", *match, prefix, block=_route(context, proxy, route, exact=False))
        exact = f"= {prefix.rstrip('/')}"
        if prefix != "/" and exact not in taken:
            taken.add(exact)
            yield directive("location", *exact.split(" "), block=_route(context, proxy, route, exact=True))


def _route(context: Context, proxy: Proxy, route: Route, *, exact: bool) -> Iterator[Directive]:
    if route.redirect is not None:
        yield directive("return", route.redirect.status_code, f"{route.redirect.path}$is_args$args")
        return
    if route.respond is not None:
        status = route.respond.status_code
        yield directive("return", status, *(() if status >= 400 else ("",)))
        return
    protocol, address = _target(context, proxy, route)
    replaced = route.replace_prefix_match
    if replaced is not None:
        address += replaced.rstrip("/") + ("" if exact and replaced.rstrip("/") else "/")
    yield protocol.pass_to(address)
    if route.client_max_body_size is not None:
        yield directive("client_max_body_size", to_bytes(route.client_max_body_size))
    if route.read_timeout_seconds is not None:
        yield from protocol.timeouts(route.read_timeout_seconds)
    yield from protocol.buffering(answers=route.buffering, requests=route.request_buffering)


def _target(context: Context, proxy: Proxy, route: Route) -> tuple[Protocol, str]:
    """Return the protocol and the address that a route passes requests to."""
    if route.service is not None:
        return HTTP, f"{route.service.name}:{route.service.port}"
    protocol = PROTOCOLS[proxy.protocol]
    if route.upstream is None:
        return protocol, BACKEND
    return protocol, f"{LOOPBACK}:{context.spec.backend.port_number(route.upstream)}"


# --- the backend ------------------------------------------------------------------------------------------------------


def backend_locations(context: Context, proxy: Proxy, text: AuthorText) -> Iterator[Directive]:
    """Yield the locations that pass requests to the backend, and `/` unless the author or a field defines it."""
    taken = {key for key, _ in generated_locations(proxy)} | text.server_locations
    has_backend = context.upstream_address is not None
    if has_backend:
        pass_to_backend = PROTOCOLS[proxy.protocol].pass_to(BACKEND)
        if proxy.protocol is UpstreamProtocol.FCGI:
            yield from _script_locations(proxy, pass_to_backend)
        no_cache = [directive("set", _CACHE, "")] if proxy.static else []
        yield directive("location", f"@{BACKEND}", block=[*no_cache, pass_to_backend])
    if "/" not in taken:
        yield directive("location", "/", block=[pass_to_backend if has_backend else directive("return", 404)])


def _runs_all(proxy: Proxy) -> bool:
    return proxy.fast_cgi is not None and proxy.fast_cgi.scripts == "All"


def _script_locations(proxy: Proxy, pass_to_backend: Directive) -> Iterator[Directive]:
    """Yield the locations of scripts; the source of none of them is ever sent."""
    settings, static = proxy.fast_cgi or FastCGI(), static_at_root(proxy)
    if not _runs_all(proxy) or static is None:
        index = re.escape(settings.index)
        yield directive("location", "~", f"^/{index}(/|$)", block=[pass_to_backend])
        yield directive("location", "~*", _SCRIPT, block=[directive("return", 404)])
        return
    yield directive("location", "~", rf"[^/]{_PHP}", block=_any_script(proxy, static[0], pass_to_backend))
    yield directive("location", "~*", _SCRIPT, block=[directive("return", 404)])


def _any_script(proxy: Proxy, static_index: int, pass_to_backend: Directive) -> Iterator[Directive]:
    """Yield the location that runs an existing script: /image.jpg/x.php is 404."""
    yield directive("root", root_of(static_index))
    yield directive("fastcgi_split_path_info", r"^(.+?\.php)(/.*)$")
    yield directive("set", "$appstack_path_info", "$fastcgi_path_info")  # try_files resets it
    yield directive("try_files", "$fastcgi_script_name", "=404")
    yield pass_to_backend
    protocol = PROTOCOLS[proxy.protocol]
    script = script_parameters(fastcgi_root(proxy), "$fastcgi_script_name")
    parameters = {**protocol.headers, **script, "PATH_INFO": "$appstack_path_info"}
    yield from header_directives(protocol.setter, parameters)
