"""ServiceMonitor model: the ServiceMonitorSpec of the Prometheus Operator, release 0.93, without `selector`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appstack.api import kube
from appstack.api.base import ATOMIC_LIST, SET_LIST, FreeText, Model, ObjectMetadata, ShortText

Duration = Annotated[
    str,
    Field(
        pattern=r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$",
        max_length=64,
    ),
]
Limit = Annotated[int, Field(ge=0, strict=True)]
ProxyUrl = Annotated[str, Field(pattern=r"^(http|https|socks5)://.+$", max_length=1024)]
ScrapeProtocol = Literal[
    "PrometheusProto", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusText0.0.4", "PrometheusText1.0.0"
]
TLSVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]
Texts = Annotated[tuple[ShortText, ...], Field(max_length=64, json_schema_extra=ATOMIC_LIST)]
Params = Annotated[dict[str, Texts], Field(max_length=64)]
SecretKeys = Annotated[tuple[kube.SecretKeySelector, ...], Field(max_length=16, json_schema_extra=ATOMIC_LIST)]
Headers = Annotated[dict[str, SecretKeys], Field(max_length=16)]


class SecretOrConfigMap(Model):
    """A key of a Secret or of a ConfigMap of the namespace."""

    secret: kube.SecretKeySelector | None = None
    """Key of a Secret."""
    config_map: kube.ConfigMapKeySelector | None = None
    """Key of a ConfigMap."""


class ScrapeTLS(Model):
    """TLS configuration of a client, with certificates from Secrets and ConfigMaps."""

    ca: SecretOrConfigMap | None = None
    """Certificate authority of the server."""
    cert: SecretOrConfigMap | None = None
    """Client certificate."""
    key_secret: kube.SecretKeySelector | None = None
    """Key of the client certificate."""
    insecure_skip_verify: bool | None = None
    """True does not verify the server's certificate."""
    server_name: ShortText | None = None
    """Name to verify in the server's certificate."""
    min_version: TLSVersion | None = None
    """Lowest version of TLS."""
    max_version: TLSVersion | None = None
    """Highest version of TLS."""


class EndpointTLS(ScrapeTLS):
    """TLS configuration of a scrape. `caFile`, `certFile` and `keyFile` are refused: they name files of Prometheus."""

    ca_file: ShortText | None = None
    """Refused: use `ca`."""
    cert_file: ShortText | None = None
    """Refused: use `cert`."""
    key_file: ShortText | None = None
    """Refused: use `keySecret`."""


class Authorization(Model):
    """Value of the header Authorization."""

    type: ShortText | None = None
    """Authentication type. Default: Bearer."""
    credentials: kube.SecretKeySelector | None = None
    """Key of a Secret with the credentials."""


class BasicAuth(Model):
    """HTTP basic authentication."""

    username: kube.SecretKeySelector | None = None
    """Key of a Secret with the user name."""
    password: kube.SecretKeySelector | None = None
    """Key of a Secret with the password."""


class ForwardProxy(Model):
    """Fields of a client that uses an HTTP proxy."""

    proxy_url: ProxyUrl | None = None
    """URL of an HTTP proxy."""
    no_proxy: ShortText | None = None
    """Hosts that are requested without the proxy."""
    proxy_from_environment: bool | None = None
    """True takes the proxy from the environment of Prometheus."""
    proxy_connect_header: Headers | None = None
    """Headers for the proxy."""


class OAuth2(ForwardProxy):
    """OAuth 2.0 client credentials."""

    client_id: SecretOrConfigMap
    """Identity of the client."""
    client_secret: kube.SecretKeySelector
    """Key of a Secret with the secret of the client."""
    token_url: Annotated[str, Field(pattern=r"^(http|https)://.+$", max_length=1024)]
    """URL that issues the token."""
    scopes: Texts | None = None
    """Scopes of the token."""
    endpoint_params: Annotated[dict[str, ShortText] | None, Field(max_length=64)] = None
    """Parameters of the token request."""
    tls_config: ScrapeTLS | None = None
    """TLS configuration of the token request."""


class Relabeling(Model):
    """A relabeling rule of Prometheus."""

    source_labels: Texts | None = None
    """Labels whose values are joined."""
    separator: ShortText | None = None
    """Separator of the joined values."""
    regex: FreeText | None = None
    """Regular expression to match the joined values with."""
    modulus: Limit | None = None
    """Modulus of the hash of the joined values."""
    target_label: ShortText | None = None
    """Label to set."""
    replacement: FreeText | None = None
    """New value, with groups of the regular expression."""
    action: Annotated[str | None, Field(max_length=64)] = None
    """Action, for example `replace`, `keep` or `drop`."""


Relabelings = Annotated[tuple[Relabeling, ...], Field(max_length=64, json_schema_extra=ATOMIC_LIST)]


class ScrapeEndpoint(ForwardProxy):
    """A port of the pods from which Prometheus scrapes metrics."""

    port: ShortText | None = None
    """Name of a port of the Service."""
    target_port: int | str | None = None
    """Name or number of a port of a container, in place of `port`."""
    path: ShortText | None = None
    """Path of the metrics. Default: /metrics."""
    scheme: Literal["http", "https", "HTTP", "HTTPS"] | None = None
    """Scheme of the request."""
    params: Params | None = None
    """Query parameters of the request."""
    interval: Duration | None = None
    """Interval between scrapes. Default: that of Prometheus."""
    scrape_timeout: Duration | None = None
    """Time-out of a scrape. Default: that of Prometheus."""
    tls_config: EndpointTLS | None = None
    """TLS configuration of the request."""
    bearer_token_file: ShortText | None = None
    """Refused, as it names a file of Prometheus: use `authorization`."""
    bearer_token_secret: kube.SecretKeySelector | None = None
    """Deprecated by the Prometheus Operator: use `authorization`."""
    authorization: Authorization | None = None
    """Value of the header Authorization."""
    basic_auth: BasicAuth | None = None
    """HTTP basic authentication."""
    oauth2: OAuth2 | None = None
    """OAuth 2.0 client credentials."""
    honor_labels: bool | None = None
    """True keeps labels of the metrics that collide with those of the target."""
    honor_timestamps: bool | None = None
    """False ignores the timestamps of the metrics."""
    track_timestamps_staleness: bool | None = None
    """True tracks the staleness of metrics with timestamps."""
    metric_relabelings: Relabelings | None = None
    """Rules for the scraped metrics."""
    relabelings: Relabelings | None = None
    """Rules for the labels of the target."""
    follow_redirects: bool | None = None
    """False follows no redirect."""
    enable_http2: bool | None = None
    """False disables HTTP/2."""
    filter_running: bool | None = None
    """False also scrapes pods that have ended."""


class AttachMetadata(Model):
    """Metadata of other objects that is added to targets."""

    node: bool | None = None
    """True adds the labels of the node."""


class MonitorNamespaces(Model):
    """Namespaces of the Service: only that of the AppStack."""

    any: bool | None = None
    """True is refused."""
    match_names: Annotated[tuple[ShortText, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC_LIST)] = None
    """Names other than that of the AppStack's namespace are refused."""


class ServiceMonitor(Model):
    """A ServiceMonitor of the Prometheus Operator that selects the AppStack's own Service."""

    metadata: ObjectMetadata | None = None
    """Labels and annotations to add to the ServiceMonitor, for example the label by which Prometheus selects it."""
    endpoints: Annotated[tuple[ScrapeEndpoint, ...], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC_LIST)]
    """Ports to scrape, each with its path and interval."""
    namespace_selector: MonitorNamespaces | None = None
    """Namespaces of the Service. Default: that of the AppStack."""
    job_label: ShortText | None = None
    """Label of the Service that holds the value of the label `job`. Default: the name of the Service."""
    target_labels: Texts | None = None
    """Labels of the Service that are added to the metrics."""
    pod_target_labels: Texts | None = None
    """Labels of the pods that are added to the metrics."""
    attach_metadata: AttachMetadata | None = None
    """Metadata of other objects that is added to targets."""
    sample_limit: Limit | None = None
    """Highest number of samples of a scrape."""
    target_limit: Limit | None = None
    """Highest number of targets."""
    label_limit: Limit | None = None
    """Highest number of labels of a sample."""
    label_name_length_limit: Limit | None = None
    """Highest length of the name of a label."""
    label_value_length_limit: Limit | None = None
    """Highest length of the value of a label."""
    keep_dropped_targets: Limit | None = None
    """Highest number of dropped targets that Prometheus remembers."""
    body_size_limit: Annotated[
        str | None, Field(pattern=r"(^0|([0-9]*[.])?[0-9]+((K|M|G|T|E|P)i?)?B)$", max_length=64)
    ] = None
    """Highest size of an answer, for example 10MB."""
    scrape_class: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    """Scrape class of Prometheus."""
    scrape_protocols: Annotated[tuple[ScrapeProtocol, ...] | None, Field(max_length=16, json_schema_extra=SET_LIST)] = (
        None
    )
    """Protocols to negotiate, in order of preference."""
    fallback_scrape_protocol: ScrapeProtocol | None = None
    """Protocol of an answer without a valid Content-Type."""
    scrape_classic_histograms: bool | None = None
    """True scrapes classic histograms beside native ones."""
    scrape_native_histograms: bool | None = None
    """True scrapes native histograms."""
    convert_classic_histograms_to_nhcb: Annotated[bool | None, Field(alias="convertClassicHistogramsToNHCB")] = None
    """True converts classic histograms to native ones with custom buckets."""
    native_histogram_bucket_limit: Limit | None = None
    """Highest number of buckets of a native histogram."""
    native_histogram_min_bucket_factor: int | str | None = None
    """Lowest growth factor of the buckets of a native histogram."""
    selector_mechanism: Literal["RelabelConfig", "RoleSelector"] | None = None
    """Mechanism that selects the targets."""
    service_discovery_role: Literal["Endpoints", "EndpointSlice"] | None = None
    """Kind of object that lists the targets."""
