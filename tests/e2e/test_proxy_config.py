"""proxy.config: a complete nginx.conf of the author, in a container with a read-only root file system."""

from __future__ import annotations

from tests.e2e.manifests import private_backend
from tests.e2e.namespace import Namespace, condition_status, uid_of

# It sets no paths for temporary files and the pid: nginx's defaults are writable.
CONFIG = """
events {}
http {
  access_log /dev/stdout;
  include /etc/nginx/appstack/*.conf;
  server {
    listen 8080;
    include /etc/nginx/appstack/server/*.conf;
    location = /author { return 200 "the author's\\n"; }
    location / { proxy_pass http://127.0.0.1:8000; }
  }
}
"""
BACKEND = {"readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1}}  # nginx proxies it by health.conf
STATIC = [{"path": "/static/", "from": "/srv/app/public"}]


def test_config_is_the_nginx_conf_and_includes_of_appstack_work_in_it(namespace: Namespace) -> None:
    namespace.apply(private_backend("whole", backend=BACKEND, proxy={"config": CONFIG, "static": STATIC}))
    namespace.wait_until_ready("whole")

    assert namespace.page("http://whole/author") == "the author's\n"
    assert namespace.page("http://whole/").startswith("Hello from whole-")
    assert namespace.page("http://whole/static/version.txt") == "1.0.0\n"


def test_invalid_config_is_never_rolled_out_and_its_field_is_reported(namespace: Namespace) -> None:
    namespace.apply(private_backend("wrong", backend=BACKEND, proxy={"config": CONFIG}))
    namespace.wait_until_ready("wrong")
    former = namespace.only_pod("wrong")

    invalid = CONFIG.replace("events {}", "events {}\nno_such_directive on;")
    namespace.apply(private_backend("wrong", backend=BACKEND, proxy={"config": invalid}))
    problem = namespace.wait_for_problem("wrong", reason="NginxConfigRefused")

    assert problem["field"] == "spec.proxy.config"
    assert 'unknown directive "no_such_directive" in /etc/nginx/nginx.conf:3' in problem["message"]
    assert condition_status(namespace.appstack("wrong"), "Ready") == "False"
    assert uid_of(former) in {uid_of(pod) for pod in namespace.pods("wrong")}
    assert namespace.page("http://wrong/author") == "the author's\n"


def test_config_without_a_required_include_is_refused_with_the_missing_line(namespace: Namespace) -> None:
    incomplete = CONFIG.replace("include /etc/nginx/appstack/*.conf;", "")
    namespace.apply(private_backend("incomplete", backend=BACKEND, proxy={"config": incomplete}))

    message = namespace.wait_until_stalled("incomplete")

    assert "spec.proxy.config" in message
    assert "include /etc/nginx/appstack/*.conf;" in message
    assert not namespace.pods("incomplete")
