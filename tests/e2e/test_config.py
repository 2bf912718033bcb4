"""proxy.config: a whole nginx.conf of the author's, in a pod whose root file system nobody can write to."""

from __future__ import annotations

from tests.e2e.harness import Space, condition, uid_of
from tests.e2e.stacks import private_backend

# It says nothing of temporary files or of a pid: nginx's own places for them can be written to.
CONFIG = """
events {}
http {
  access_log /dev/stdout;
  include /etc/nginx/appstack/*.conf;
  server {
    listen 8080;
    include /etc/nginx/appstack/server/*.conf;
    location = /whose { return 200 "the author's\\n"; }
    location / { proxy_pass http://127.0.0.1:8000; }
  }
}
"""
BACKEND = {"readinessProbe": {"httpGet": {"path": "/ready"}, "periodSeconds": 1}}  # carried by nginx: health.conf is in
STATIC = [{"path": "/static/", "from": "/srv/app/public"}]


def test_it_is_the_nginx_conf_and_what_appstack_adds_works_in_it(space: Space) -> None:
    space.apply(private_backend("whole", backend=BACKEND, proxy={"config": CONFIG, "static": STATIC}))
    space.ready("whole")

    assert space.page("http://whole/whose") == "the author's\n"
    assert space.page("http://whole/").startswith("Hello from whole-")
    assert space.page("http://whole/static/version.txt") == "1.0.0\n"


def test_a_wrong_one_is_never_rolled_out_and_its_field_is_named(space: Space) -> None:
    space.apply(private_backend("wrong", backend=BACKEND, proxy={"config": CONFIG}))
    space.ready("wrong")
    former = space.pod("wrong")

    wrong = CONFIG.replace("events {}", "events {}\nno_such_directive on;")
    space.apply(private_backend("wrong", backend=BACKEND, proxy={"config": wrong}))
    problem = space.problem("wrong", reason="NginxConfigRefused")

    assert problem["field"] == "spec.proxy.config"
    assert 'unknown directive "no_such_directive" in /etc/nginx/nginx.conf:3' in problem["message"]
    assert condition(space.stack("wrong"), "Ready") == "False"
    assert uid_of(former) in {uid_of(pod) for pod in space.pods("wrong")}
    assert space.page("http://wrong/whose") == "the author's\n"


def test_one_that_leaves_out_what_it_needs_is_refused_with_the_line_that_is_missing(space: Space) -> None:
    lacking = CONFIG.replace("include /etc/nginx/appstack/*.conf;", "")
    space.apply(private_backend("lacking", backend=BACKEND, proxy={"config": lacking}))

    space.until("it is Stalled", lambda: condition(space.stack("lacking"), "Stalled") == "True")

    (told,) = [each for each in space.stack("lacking")["status"]["conditions"] if each["type"] == "Stalled"]
    assert "spec.proxy.config" in told["message"]
    assert "include /etc/nginx/appstack/*.conf;" in told["message"]
    assert not space.pods("lacking")
