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
    return {**proxied(server="location /1/ {}\n" * n, static=static), "volumes": [VOLUME]}


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
    file_contents,
    base64_contents,
)
