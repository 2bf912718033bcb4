"""Paths inside containers that AppStack writes to, or must keep clear. PURE."""

from __future__ import annotations

from typing import Final

NGINX_CONF: Final = "/etc/nginx/nginx.conf"
NGINX_DIR: Final = "/etc/nginx/appstack"
HEALTH_CONF: Final = f"{NGINX_DIR}/health.conf"  # for nginx's http {}: where kubelets ask
SERVER_DIR: Final = f"{NGINX_DIR}/server"
STATIC_CONF: Final = f"{SERVER_DIR}/static.conf"  # for nginx's server {}: what it serves itself
USER_CONF: Final = f"{SERVER_DIR}/user.conf"  # spec.proxy.server

NGINX_WRITABLE: Final = ("/tmp", "/var/cache/nginx", "/run")  # where nginx writes, its own defaults counted
STATIC_ROOT: Final = "/appstack/static"
CACHE_ROOT: Final = "/appstack/cache"
TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
