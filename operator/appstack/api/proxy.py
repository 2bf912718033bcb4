"""The nginx proxy in front of the backend: its container, and the fields that its configuration is generated from."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StrictStr

from appstack.api import kube
from appstack.api.base import SET_LIST, Model, Name, PortNumber, Seconds
from appstack.api.containers import PROXY, Container
from appstack.settings import MAX_TRUSTED_PROXIES, AbsolutePath

UNIX: Final = "unix:"

Size = Annotated[str, Field(pattern=r"^[0-9]+([KMG]i?|k)?$", max_length=32)]
URLPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~:@!&'()*+,;=/-]*$", max_length=1024)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=128)]
Port = Annotated[StrictInt | StrictStr, Field()]


class UpstreamProtocol(StrEnum):
    """The protocol that the backend speaks."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    GRPC = "GRPC"
    GRPCS = "GRPCS"
    FCGI = "FCGI"
    UWSGI = "UWSGI"


GRPC_PROTOCOLS: Final = (UpstreamProtocol.GRPC, UpstreamProtocol.GRPCS)


class Static(Model):
    """Files that nginx serves from an image or from a volume, without a request to the backend."""

    path: Annotated[AbsolutePath, Field(pattern=r"^/([A-Za-z0-9._~-]+/)*$")]
    """URL path prefix of the files. Must begin and end with a slash, for example /static/. At `/`, files whose name
    begins with a dot are not served, except those in /.well-known/."""
    from_: Annotated[AbsolutePath | None, Field(alias="from")] = None
    """Directory of the image, for example /app/static. The files change with the image. Exactly one of `from` and
    `volume` is required."""
    image: Annotated[StrictStr | None, Field(min_length=1, max_length=1024)] = None
    """Image that contains the directory `from`. Default: the backend's image."""
    volume: Name | None = None
    """Name of a volume in `spec.volumes`. Exactly one of `from` and `volume` is required."""
    sub_path: Annotated[str | None, Field(max_length=1024)] = None
    """Directory inside `volume`. Default: the root of the volume."""
    max_age_seconds: Annotated[int | None, Field(ge=0, le=31_536_000, strict=True)] = None
    """Seconds for which clients may cache a file (`Cache-Control: max-age`). No header is sent when unset."""
    immutable: bool = False
    """Whether a file never changes, because its name contains a hash (`Cache-Control: immutable`). Requires
    `maxAgeSeconds`."""
    precompressed: bool = False
    """Whether nginx sends `name.gz`, if there is one, to clients that accept gzip (`gzip_static`)."""
    fallback: Annotated[str | None, Field(pattern=r"^/[A-Za-z0-9._~:@!&'()*+,;=/-]*$|^Backend$", max_length=1024)] = (
        None
    )
    """The answer to a request without a file. `Backend` passes the request to the backend. A path below `path`, for
    example /index.html of a single-page application, sends that file with `Cache-Control: no-cache`. Default: 404."""


class FastCGI(Model):
    """Scripts of a FastCGI backend, for example PHP-FPM."""

    root: AbsolutePath | None = None
    """Directory of the scripts in the backend, for example /srv/app/public. Default: `from` of the static files at
    `/`."""
    index: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=128)] = "index.php"
    """Script that answers requests for directories and all requests that no file answers."""
    scripts: Literal["Index", "All"] = "Index"
    """`Index` runs only the script `index`, a front controller; any other *.php is 404. `All` runs every *.php that
    is among the static files at `/`."""


class ProxyTLS(Model):
    """TLS of the proxy."""

    secret_name: Annotated[StrictStr, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253)]
    """Secret of type kubernetes.io/tls. A renewed certificate is used without a restart."""
    port: PortNumber = 8443
    """Port on which nginx serves requests over TLS. The Service gets port 443 for it."""
    redirect: bool = False
    """Whether requests without TLS are redirected. Cannot be combined with `ingress` and `httpRoute`."""


class PathType(StrEnum):
    """How a path matches, as in an Ingress."""

    EXACT = "Exact"
    PREFIX = "Prefix"


class RouteService(Model):
    """A Service of the namespace that speaks HTTP."""

    name: Name
    """Name of the Service. It must exist when nginx starts."""
    port: PortNumber
    """Port of the Service."""


class RouteRedirect(Model):
    """A redirect to another path of the same host."""

    path: URLPath
    """Path to redirect to. The query of the request is kept."""
    status_code: Literal[301, 302, 303, 307, 308] = 302
    """Status of the redirect."""


class RouteResponse(Model):
    """An answer of nginx itself, without a body."""

    status_code: Annotated[int, Field(ge=200, le=599, strict=True)]
    """Status of the answer, for example 404."""


class Route(Model):
    """What nginx does with requests for a path: pass them to the backend or a Service, redirect or answer them."""

    path: URLPath
    """Path of the URL, for example /api/."""
    path_type: PathType
    """`Exact` matches the path only. `Prefix` also matches paths below it, element by element: /api/ and /api match
    /api and /api/users, but not /apis."""
    upstream: Port | None = None
    """Name or number of the backend's port. Default: that of `proxy.upstream`."""
    service: RouteService | None = None
    """Another Service of the namespace that requests are passed to."""
    replace_prefix_match: URLPath | None = None
    """Path that replaces the matched prefix in the request to the backend. nginx then decodes %2F and merges repeated
    slashes."""
    redirect: RouteRedirect | None = None
    """Redirects the request."""
    respond: RouteResponse | None = None
    """Answers the request."""
    buffering: bool | None = None
    """As `proxy.buffering`, for this path; false is for server-sent events."""
    request_buffering: bool | None = None
    """As `proxy.requestBuffering`, for this path."""
    read_timeout_seconds: Seconds | None = None
    """As `proxy.readTimeoutSeconds`, for this path."""
    client_max_body_size: Size | None = None
    """As `proxy.clientMaxBodySize`, for this path."""

    @property
    def passes(self) -> bool:
        """Whether nginx passes requests on, instead of answering them."""
        return self.redirect is None and self.respond is None


class ResponseHeader(Model):
    """A header that nginx sets on every answer."""

    name: HeaderName
    """Name of the header."""
    value: Annotated[str, Field(min_length=1, max_length=4096)]
    """Value of the header, in printable ASCII."""


class ResponseHeaders(Model):
    """Headers of answers, with the words of the Gateway API. They replace and remove those of the backend."""

    set: Annotated[tuple[ResponseHeader, ...], Field(max_length=64)] = ()
    """Headers to set, for example X-Frame-Options, also on errors."""
    remove: Annotated[tuple[HeaderName, ...], Field(max_length=64, json_schema_extra=SET_LIST)] = ()
    """Names of headers of the backend to remove, for example X-Powered-By."""


class Compression(Model):
    """Compression of text answers with gzip."""

    enabled: bool = True
    """False compresses nothing."""


class Proxy(Container):
    """The nginx sidecar in front of the backend. Every field is optional."""

    OMITTED_FIELDS: ClassVar[frozenset[str]] = frozenset({"restartPolicy", "restartPolicyRules", "command", "args"})

    name: Name = PROXY
    """Name of the container in the pod. Other fields of AppStack may also refer to it as `proxy`."""
    image: Annotated[StrictStr | None, Field(min_length=1, max_length=1024)] = None
    """Image of nginx. Default: the operator's setting `proxyImage`."""
    port: PortNumber = 8080
    """Port on which nginx serves requests; the Service's target port."""
    health_port: PortNumber = 15080
    """Port on which nginx answers the kubelet's probes. It is not exposed by the Service."""
    upstream: Port | None = None
    """Name or number of the backend's port that requests are proxied to, or a unix socket: `unix:/run/shop/app.sock`,
    in an emptyDir that the backend mounts. Default: the backend's first port."""
    upstream_protocol: UpstreamProtocol | None = None
    """Protocol of the backend: HTTP (default), HTTPS, GRPC, GRPCS, FCGI or UWSGI."""
    fast_cgi: Annotated[FastCGI | None, Field(alias="fastCGI")] = None
    """Scripts of a FastCGI backend, for example `{root: /srv/app/public}`. Implies `upstreamProtocol: FCGI`."""
    tls: ProxyTLS | None = None
    """Serves TLS, for example `{secretName: shop-tls}`."""
    static: Annotated[tuple[Static, ...], Field(max_length=32)] = ()
    """Files that nginx serves without a request to the backend."""
    routes: Annotated[tuple[Route, ...], Field(max_length=64)] = ()
    """Paths that differ from the others, for example `{path: /api/, pathType: Prefix, upstream: api}`."""
    response_headers: ResponseHeaders | None = None
    """Headers of answers, for example `{set: [{name: X-Frame-Options, value: DENY}]}`."""
    compression: Compression | None = None
    """Compression of answers: `{enabled: true}`. Text is compressed, but never text/event-stream."""
    trusted_proxies: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...] | None,
        Field(max_length=MAX_TRUSTED_PROXIES, json_schema_extra=SET_LIST),
    ] = None
    """Addresses of proxies in front of nginx, for example 10.0.0.0/8: their X-Forwarded headers are believed. Default:
    the operator's setting `proxyTrustedProxies`."""
    buffering: bool | None = None
    """Whether nginx reads the whole answer from the backend before a slow client takes it. Default: true."""
    request_buffering: bool | None = None
    """Whether nginx reads the whole request before it sends it to the backend. Default: true."""
    client_max_body_size: Size | None = None
    """Maximum size of a request body, for example 10Mi; 0 means no maximum. Default: 1Mi, as in nginx."""
    read_timeout_seconds: Seconds | None = None
    """Maximum seconds between two reads of the backend's response, or two writes of the request. Default: 60, as in
    nginx."""
    http_snippet: Annotated[str | None, Field(max_length=65_536)] = None
    """Additional directives for nginx's `http` block, for example a `map` or a `limit_req_zone`."""
    server_snippet: Annotated[str | None, Field(max_length=65_536)] = None
    """Additional directives for nginx's `server` block, for example a `location`."""
    config: Annotated[str | None, Field(max_length=131_072)] = None
    """Complete nginx.conf that replaces the generated one, and the fields that it is generated from."""

    def container_fields(self) -> dict[str, Any]:
        """Return the fields of the Kubernetes Container that are set, without `image` and `name`."""
        own_fields = set(type(self).model_fields) - set(kube.Container.model_fields)
        return self.model_dump(by_alias=True, exclude_none=True, exclude=own_fields | {"image", "name"})

    @property
    def protocol(self) -> UpstreamProtocol:
        """The protocol of the backend."""
        implied = UpstreamProtocol.FCGI if self.fast_cgi else UpstreamProtocol.HTTP
        return self.upstream_protocol or implied

    @property
    def socket(self) -> str | None:
        """The path of the backend's unix socket; None if the upstream is a port."""
        is_socket = isinstance(self.upstream, str) and self.upstream.startswith(UNIX)
        return str(self.upstream).removeprefix(UNIX) if is_socket else None
