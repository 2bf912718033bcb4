"""Paths inside containers that AppStack mounts or reserves."""

from __future__ import annotations

from typing import Final

NGINX_CONF: Final = "/etc/nginx/nginx.conf"
NGINX_DIR: Final = "/etc/nginx/appstack"
HEALTH_CONF: Final = f"{NGINX_DIR}/health.conf"  # included in nginx's http {}: the server that kubelets probe
HTTP_CONF: Final = f"{NGINX_DIR}/http/user.conf"  # spec.proxy.httpSnippet
SERVER_DIR: Final = f"{NGINX_DIR}/server"
STATIC_CONF: Final = f"{SERVER_DIR}/static.conf"  # included in nginx's server {}: locations of static files
USER_CONF: Final = f"{SERVER_DIR}/user.conf"  # spec.proxy.serverSnippet
PROXY_PARAMS: Final = f"{NGINX_DIR}/proxy_params"  # for the author's locations that set headers of their own
CHECK_CONF: Final = f"{NGINX_DIR}/check/nginx.conf"  # nginx.conf with paths of the certificate that nginx -t reads

NGINX_WRITABLE: Final = ("/tmp", "/var/cache/nginx", "/run")  # directories that nginx writes to, by default too
STATIC_ROOT: Final = "/appstack/static"
SOCKET_DIR: Final = "/appstack/socket"
TLS_DIR: Final = "/appstack/tls"
CACHE_ROOT: Final = "/appstack/cache"
TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
