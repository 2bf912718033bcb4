"""Expensive nginx configurations and contents of files."""

from __future__ import annotations

from typing import Any, Final

from bench.worst_cases.spec import CONTAINERS, VOLUME, Spec, make_backend


def proxied(**proxy: Any) -> Spec:
    return {"backend": make_backend(ports=[{"containerPort": 1}]), "proxy": proxy}


def nginx_symbols(n: int) -> Spec:
    """An nginx.conf with the most directives for a size, more than AppStack parses."""
    return proxied(config="a;" * n)


def nginx_directives(n: int) -> Spec:
    """An nginx.conf with as many directives as AppStack parses."""
    return proxied(config="listen 1234567890;\n" * n)


def nginx_blocks(n: int) -> Spec:
    """An nginx.conf with blocks as deep as possible."""
    depth = 60
    return proxied(config=("server____ {" * depth + "listen 1234567890;\n" * 60 + "}  " * depth) * n)


def nginx_includes(n: int) -> Spec:
    """An nginx.conf with the most includes."""
    includes = "".join(f"include /etc/nginx/appstack/*{index};\n" for index in range(n))
    return proxied(config=f"http {{\n{includes}}}\n")


def nginx_locations(n: int) -> Spec:
    """Additional directives that define locations of AppStack again."""
    static = [{"path": f"/{index}/", "volume": "v"} for index in range(CONTAINERS)]
    return {**proxied(serverSnippet="location /1/ {}\n" * n, static=static), "volumes": [VOLUME]}


def nginx_snippets(n: int) -> Spec:
    """Both snippets with definitions, hosts and headers, beside fields that generate the same directives."""
    text = "".join(f"set $own{index} 1; add_header X-{index} a; listen {index};\n" for index in range(n))
    headers = {"set": [{"name": f"X-{index}", "value": "$" * 40} for index in range(64)]}
    fields = {"responseHeaders": headers, "clientMaxBodySize": "1Mi", "readTimeoutSeconds": 1}
    return proxied(serverSnippet=text, httpSnippet=f"server {{ {text} }}", **fields)


def nginx_snippet_symbols(n: int) -> Spec:
    """Both snippets with more directives than AppStack parses, which every check of them reads."""
    return proxied(serverSnippet="a;" * n, httpSnippet="b;" * n)


def proxy_fields(n: int) -> Spec:
    """As many routes, headers, static files, networks and headers of probes as a spec has."""
    path = "/" + "a" * 300
    routes = [{"path": f"{path}{index}", "pathType": "Prefix", "buffering": False} for index in range(min(n, 64))]
    static = [{"path": f"/{index}/", "from": "/srv", "fallback": f"/{index}/i"} for index in range(min(n, 32))]
    headers = [{"name": f"X-{index}", "value": "$" * 60} for index in range(n)]
    spec = proxied(
        routes=routes,
        static=static,
        trustedProxies=[f"10.0.{index}.0/24" for index in range(min(n, 64))],
        responseHeaders={"remove": [f"Y-{index}" for index in range(min(n, 64))]},
    )
    spec["backend"]["livenessProbe"] = {"httpGet": {"httpHeaders": headers}}
    return spec


def nginx_argument(n: int) -> Spec:
    """An nginx.conf with one argument of escaped characters."""
    return proxied(config="a " + r"\n$" * n + ";")


def file_contents(n: int) -> Spec:
    """Contents of a file that JSON escapes: line ends."""
    return {"backend": make_backend(), "files": [{"path": "/f", "content": "\n" * n}]}


def base64_contents(n: int) -> Spec:
    """Contents of files as base64."""
    return {"backend": make_backend(), "files": [{"path": "/f", "base64": "AAAA" * n}]}


CASES: Final = (
    nginx_symbols,
    nginx_directives,
    nginx_blocks,
    nginx_includes,
    nginx_locations,
    nginx_argument,
    nginx_snippets,
    nginx_snippet_symbols,
    proxy_fields,
    file_contents,
    base64_contents,
)
