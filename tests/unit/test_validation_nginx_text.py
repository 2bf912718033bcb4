"""Validation of proxy.httpSnippet and proxy.serverSnippet, and of files that nginx does not include."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import issue_messages, parametrize_cases

HTTP, SERVER = "spec.proxy.httpSnippet", "spec.proxy.serverSnippet"


def http(text: str, more: str = "") -> str:
    return f"proxy: {{httpSnippet: '{text}'{more}}}"


def server(text: str, more: str = "") -> str:
    return f"proxy: {{serverSnippet: '{text}'{more}}}"


SNIPPETS = {
    "valid text": (http("map $a $b { default 1; } server { listen 8080; server_name a; }"), []),
    "unbalanced text": (http("} server {"), [f"{HTTP}: line 1: unexpected '}}' (balance the braces)"]),
    "directive of main": (
        http("worker_processes 9;"),
        [f"{HTTP}: worker_processes belongs to main, not to http {{}} (use config)"],
    ),
    "directive of main in the server": (
        server("load_module a;"),
        [f"{SERVER}: load_module belongs to main, not to server {{}} (use config)"],
    ),
    "directory that nginx may not write to": (
        http("proxy_temp_path /data;"),
        [f"{HTTP}: proxy_temp_path is set by AppStack: nginx may write to /tmp only (remove the directive)"],
    ),
    "limit of every server": (
        http("limit_req zone=a;"),
        [f"{HTTP}: limit_req directly in http {{}} would also apply to the kubelet's probes (move it into {SERVER})"],
    ),
    "limit of the server is valid": (http("limit_req_zone $a zone=a:1m rate=1r/s;"), []),
    "header without effect": (
        http("proxy_set_header A b;"),
        [
            f"Warning: {HTTP}: proxy_set_header directly in http {{}} has no effect: server {{}} has headers of its "
            f"own (move it into {SERVER})"
        ],
    ),
    "default server": (
        http("server { listen 8080 default_server; }"),
        [
            f"{HTTP}: the generated server is the default_server of port 8080 (remove default_server, and set "
            "server_name)"
        ],
    ),
    "health port": (
        http("server { listen 127.0.0.1:15080; }"),
        [f"{HTTP}: 15080 is spec.proxy.healthPort, on which AppStack's own server listens (choose another port)"],
    ),
    "port of no Service": (
        http("server { listen [::]:9000; }"),
        [
            f"Warning: {HTTP}: no Service leads to port 9000, on which a server listens (declare it in "
            "spec.proxy.ports, and add it to spec.service.ports)"
        ],
    ),
    "port of the generated server": (
        server("listen 8080;"),
        [
            f"{SERVER}: the generated server already listens on port 8080 (remove the directive, or move a server to "
            "httpSnippet)"
        ],
    ),
    "declared port is valid": (http("server { listen 9000; }", ", ports: [{containerPort: 9000}]"), []),
    "socket is valid": (http("server { listen unix:/tmp/a; }"), []),
    "name of AppStack as a variable": (
        server("location /a { set $appstack_cache b; }"),
        [f"{SERVER}: '$appstack_cache' is a name of AppStack: its names begin with appstack_ (choose another name)"],
    ),
    "names of AppStack": (
        http(
            "map $a $appstack_a {} upstream appstack_b {} limit_req_zone $a zone=appstack_c:1m rate=1r/s; "
            "geo $appstack_d {}"
        ),
        [
            f"{HTTP}: {name!r} is a name of AppStack: its names begin with appstack_ (choose another name)"
            for name in ("$appstack_a", "appstack_b", "zone=appstack_c:1m", "$appstack_d")
        ],
    ),
    "use of names of AppStack is valid": (server("location /a { proxy_pass http://appstack_backend; }"), []),
    "location of AppStack": (
        server("location @appstack_backend {}"),
        [f"{SERVER}: '@appstack_backend' is a name of AppStack: its names begin with appstack_ (choose another name)"],
    ),
    "host name": (
        server("location /a { proxy_pass http://reports:80/; } location /b { fastcgi_pass php:9000; }"),
        [
            f"Warning: {SERVER}: nginx does not start while the name {name!r} cannot be resolved (make sure that the "
            "Service exists before the pods start)"
            for name in ("reports", "php")
        ],
    ),
    "host name of an upstream": (
        http("upstream a { server db.example:80; server 10.0.0.1; server unix:/tmp/a; server localhost:80; }"),
        [
            f"Warning: {HTTP}: nginx does not start while the name 'db.example' cannot be resolved (make sure that "
            "the Service exists before the pods start)"
        ],
    ),
    "addresses, variables and upstreams are valid": (
        "proxy: {httpSnippet: 'upstream own { server 127.0.0.1:1; }', serverSnippet: '{}'}".replace(
            "'{}'",
            "'location /a { proxy_pass http://own; } location /b { proxy_pass http://$host; } "
            "location /c { proxy_pass http://[::1]:80; }'",
        ),
        [],
    ),
    "field and text": (
        server("client_max_body_size 1m; gzip on; proxy_buffering off;", ", clientMaxBodySize: 1Mi, buffering: true"),
        [
            f"{SERVER}: client_max_body_size 1m is also generated by spec.proxy.clientMaxBodySize (remove one of the "
            "two)",
            f"{SERVER}: proxy_buffering off is also generated by spec.proxy.buffering (remove one of the two)",
        ],
    ),
    "field and text of a location are valid": (
        server("location /a { client_max_body_size 1m; }", ", clientMaxBodySize: 1Mi"),
        [],
    ),
    "header and text": (
        server("add_header x-a b; add_header X-B c;", ", responseHeaders: {set: [{name: X-A, value: b}]}"),
        [
            f"{SERVER}: add_header x-a is also generated by spec.proxy.responseHeaders.set[0] (remove one of the two)",
        ],
    ),
    "location of a route": (
        server("location /a/ {}", ", routes: [{path: /a, pathType: Prefix}]"),
        [
            f"{SERVER}: location /a/ is already defined by spec.proxy.routes[0] (choose another location, or use "
            "spec.proxy.config)"
        ],
    ),
}


@parametrize_cases(SNIPPETS)
def test_snippets(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines


FILE = "files: [{path: /etc/nginx/conf.d/a.conf, container: proxy, content: a}]"
UNUSED = (
    "Warning: spec.files[0].path: nginx does not include '/etc/nginx/conf.d/a.conf' (write an include into "
    "spec.proxy.httpSnippet, for example include /etc/nginx/conf.d/*.conf;)"
)
FILES = {
    "file that nothing includes": (f"{{proxy: {{}}, {FILE}}}", [UNUSED]),
    "file that a snippet includes": (
        f"{{proxy: {{httpSnippet: 'include /etc/nginx/conf.d/*.conf;'}}, {FILE}}}",
        [],
    ),
    "file of another container": ("{proxy: {}, files: [{path: /etc/nginx/conf.d/a.conf, content: a}]}", []),
    "mount that nothing includes": (
        "{proxy: {volumeMounts: [{name: v, mountPath: /etc/nginx/conf.d}]}, volumes: [{name: v, emptyDir: {}}]}",
        [
            "Warning: spec.proxy.volumeMounts[0].mountPath: nginx includes no file in '/etc/nginx/conf.d' (write an "
            "include into spec.proxy.httpSnippet, for example include /etc/nginx/conf.d/*.conf;)"
        ],
    ),
}


@parametrize_cases(FILES)
def test_unused_files(text: str, lines: Iterable[str]) -> None:
    assert issue_messages(text) == lines
