"""Parsing of a document into an AppStack, with a validation issue for each field of the wrong type or format."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import pydantic
from pydantic_core import ErrorDetails

from appstack.api.base import OMITTED_FIELD_ERROR
from appstack.api.normalization import normalized
from appstack.api.size import size_issue
from appstack.api.stack import AppStack
from appstack.errors import InvalidSpec, ValidationIssue, first_of_each_kind, more_issue

_SCALAR_ERRORS: Final = frozenset(
    {
        *("extra_forbidden", "string_type", "string_pattern_mismatch", "string_too_long", "string_too_short"),
        "string_unicode",
        *("int_type", "int_from_float", "int_parsing", "greater_than_equal", "less_than_equal"),
        *("bool_type", "bool_parsing", "enum", OMITTED_FIELD_ERROR),
    }
)
"""Types of pydantic errors that concern one value: the rest of the document can be validated without it."""

PATTERN_HINTS: Final[Mapping[str, tuple[str, str]]] = {
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": ("a valid name", "use a-z, 0-9 and -; begin and end with a letter or digit"),
    r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$": (
        "a valid name",
        "use a-z, 0-9, - and .; begin and end with a letter or digit",
    ),
    r"^/": ("an absolute path", "begin with /"),
    r"^/[A-Za-z0-9._~:@!&'()*+,;=/-]*$": (
        "a URL path",
        "begin with /, without %, $ and other characters that must be encoded",
    ),
    r"^/[A-Za-z0-9._~:@!&'()*+,;=/-]*$|^Backend$": ("Backend or a URL path", "for example /index.html"),
    r"^[A-Za-z0-9-]+$": ("a header name", "use letters, digits and '-'"),
    r"^[A-Za-z0-9._-]+$": ("a file name", "use letters, digits, '.', '_' and '-'"),
    r"^/([A-Za-z0-9._~-]+/)*$": ("a URL path prefix", "begin and end with /, for example /static/"),
    r"^[0-9]+([KMG]i?|k)?$": ("a size", "for example 512k, 10Mi or 1Gi"),
    r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$": (
        "a host name",
        "use lowercase letters, for example shop.example.com or *.example.com",
    ),
    r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$": (
        "a duration of Prometheus",
        "for example 30s or 1m",
    ),
    r"(^0|([0-9]*[.])?[0-9]+((K|M|G|T|E|P)i?)?B)$": ("a size in bytes", "for example 10MB"),
    r"^(http|https|socks5)://.+$": ("the URL of a proxy", "begin with http://, https:// or socks5://"),
    r"^(http|https)://.+$": ("a URL", "begin with http:// or https://"),
}
"""For each pattern of the models, the name of the format and a hint."""

SURROGATE_HINT: Final = "write the character itself instead of an escape such as \\ud800"
_QUOTES: Final = "put it in quotes: without them YAML reads y, n, yes, no, on and off as true or false"
_DECIMAL_INTEGER: Final = re.compile(r"(0|[1-9][0-9]*)$")  # no leading zero: 0644 may be octal
_POD_HINT: Final = "the container is spec.backend, other fields of the pod are in spec.pod"
_SELECTOR_HINT: Final = "remove it: AppStack sets the selector"
_CONTAINERS_HINT: Final = "the main container is spec.backend, others are spec.sidecars"
_SERVICE_ACCOUNT_HINT: Final = "write spec.serviceAccount: {create: false, name: …}"
_WITH_TEMPLATE: Final = ("deployment", "statefulSet", "daemonSet", "job")
RELOCATED_FIELDS: Final[Mapping[str, str]] = {
    "spec.template": _POD_HINT,
    "spec.selector": _SELECTOR_HINT,
    "spec.containers": _CONTAINERS_HINT,
    "spec.pod.containers": _CONTAINERS_HINT,
    "spec.proxy.server": "it is now called serverSnippet: write spec.proxy.serverSnippet",
    "spec.pod.initContainers": "write spec.initContainers",
    "spec.pod.volumes": "write spec.volumes",
    "spec.pod.serviceAccount": _SERVICE_ACCOUNT_HINT,
    "spec.pod.serviceAccountName": _SERVICE_ACCOUNT_HINT,
    "spec.workload.replicas": "write spec.replicas",
    "spec.workload.selector": _SELECTOR_HINT,
    "spec.workload.template": _POD_HINT,
    **{f"spec.workload.{kind}.selector": _SELECTOR_HINT for kind in _WITH_TEMPLATE},
    **{f"spec.workload.{kind}.template": _POD_HINT for kind in _WITH_TEMPLATE},
    "spec.workload.deployment.replicas": "write spec.replicas",
    "spec.workload.statefulSet.replicas": "write spec.replicas",
    "spec.workload.statefulSet.volumeClaimTemplates": "write spec.volumes[].claim with perReplica: true",
    "spec.workload.statefulSet.persistentVolumeClaimRetentionPolicy": "write spec.volumes[].claim.retentionPolicy",
    "spec.workload.cronJob.jobTemplate": "write spec.workload.job",
}
"""Fields of a Deployment or CronJob that an AppStack has elsewhere or sets itself, each with a hint."""


def parse(document: Mapping[str, Any]) -> AppStack:
    """Return the AppStack of a document. Raise InvalidSpec with an issue for each field that cannot be parsed."""
    if issue := size_issue(document):
        raise InvalidSpec((issue,))
    try:
        return AppStack.model_validate(normalized(document))
    except pydantic.ValidationError as error:
        raise InvalidSpec(_issues(_details(error), document)) from None


def parse_lenient(document: Mapping[str, Any]) -> AppStack | None:
    """Return the AppStack of a document with invalid values corrected or dropped, to find its other issues.

    Return None if an error concerns more than a single value, or a required field.
    """
    if size_issue(document):
        return None
    converted = normalized(document)
    try:
        return AppStack.model_validate(converted)
    except pydantic.ValidationError as error:
        details = _details(error)
    if any(detail["type"] not in _SCALAR_ERRORS for detail in details):
        return None
    try:
        return AppStack.model_validate(_corrected(converted, _corrections(details, document)))
    except pydantic.ValidationError:
        return None


def _details(error: pydantic.ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=True)


def _corrections(details: Sequence[ErrorDetails], document: Mapping[str, Any]) -> dict[str, int | str | None]:
    """Return the corrected value of each invalid field, by path; None if the value has no obvious correction."""
    corrections: dict[str, int | str | None] = {}
    for detail in details:
        value = detail["input"]
        for path in _field_paths(detail, document):
            if detail["type"] == "int_type" and isinstance(value, str) and _DECIMAL_INTEGER.match(value):
                corrections[path] = int(value)
            elif detail["type"] == "string_type" and isinstance(value, int | float):
                corrections[path] = _yaml(value)
            else:
                corrections[path] = None
    return corrections


def _corrected(value: Any, corrections: Mapping[str, int | str | None], *, path: str = "") -> Any:
    """Return a document with the corrections applied, and without the fields that have no correction."""
    if path in corrections:
        return corrections[path]
    if isinstance(value, list):
        return [_corrected(item, corrections, path=f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    paths = {key: f"{path}.{key}".removeprefix(".") for key in value}
    kept = {key: inner for key, inner in paths.items() if corrections.get(inner, inner) is not None}
    return {key: _corrected(value[key], corrections, path=inner) for key, inner in kept.items()}


def _issues(details: Sequence[ErrorDetails], document: Mapping[str, Any]) -> tuple[ValidationIssue, ...]:
    """Return one issue for each field; pydantic reports one error for each branch of a union."""
    issues: dict[str, ValidationIssue] = {}
    kept, omitted = first_of_each_kind(details, itemgetter("type"))
    for path, detail in ((path, each) for each in kept for path in _field_paths(each, document)):
        value = _yaml(detail["input"])
        if path in issues:
            issues[path] = ValidationIssue(path, "must be a whole number or a string", hint=f"not {value}")
        elif path.endswith(".mode") and detail["type"] in ("less_than_equal", "greater_than_equal"):
            issues[path] = ValidationIssue(
                path, f"must be from 0 to 0777, not {value}", "write it in octal with a leading 0, for example 0644"
            )
        elif path in RELOCATED_FIELDS and detail["type"] in ("extra_forbidden", OMITTED_FIELD_ERROR):
            issues[path] = ValidationIssue(path, "cannot be set here", RELOCATED_FIELDS[path])
        elif detail["type"] == "string_unicode":
            issues[path] = ValidationIssue(path, "contains an unpaired surrogate", SURROGATE_HINT)
        elif empty := _empty(detail):
            issues[path] = ValidationIssue(path, *empty)
        else:
            issues[path] = _issue(path, detail)
    more = (more_issue(_field_paths(each, document)[0], count) for each, count in omitted)
    return (*issues.values(), *more)


def _field_paths(detail: ErrorDetails, document: Mapping[str, Any]) -> list[str]:
    """Return the paths of the fields that an error concerns: one, except for omitted fields."""
    path = field_path(_document_location(detail["loc"], document, missing=detail["type"] == "missing"))
    if detail["type"] == OMITTED_FIELD_ERROR:
        return [f"{path}.{name}" for name in detail["ctx"]["names"]]
    return [path]


def _document_location(location: Sequence[int | str], document: Any, *, missing: bool) -> list[int | str]:
    """Return the part of a location that exists in the document, without the union branches that pydantic adds."""
    parts: list[int | str] = []
    for part in location:
        exists = isinstance(document, Mapping) and part in document
        if exists or (isinstance(document, list) and isinstance(part, int) and part < len(document)):
            parts.append(part)
            document = document[part]
        elif missing and part == location[-1]:
            parts.append(part)
    return parts


def field_path(location: Sequence[int | str]) -> str:
    """Return a location in Kubernetes' notation, for example `spec.sidecars[0].name`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _yaml(value: object) -> str:
    """Return a value as YAML, cut to 60 characters; the cost does not depend on the size of the value."""
    if isinstance(value, str):
        text = repr(value[:60])
    else:
        text = ""
        for part in json.JSONEncoder(ensure_ascii=False, skipkeys=True, default=str).iterencode(value):
            text += part[:60]
            if len(text) > 60:
                break
    return text if len(text) <= 60 else f"{text[:57]}…"


def _issue(path: str, detail: ErrorDetails) -> ValidationIssue:
    """Return the issue for an error, with a message and hint of its own where users commonly make it."""
    context = detail.get("ctx", {})
    value = _yaml(detail["input"])
    message, hint = detail["msg"], ""
    match detail["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden":
            message = "unknown field"
        case "string_type":
            message, hint = f"must be a string, not {value}", _string_hint(detail["input"])
        case "literal_error" | "enum":
            message = f"must be {context['expected']}, not {value}"
        case "string_pattern_mismatch":
            format_, hint = PATTERN_HINTS[context["pattern"]]
            hint = _size_hint(detail["input"]) or hint
            message = f"{value} is not {format_}"
        case "model_type" | "model_attributes_type" | "dict_type":
            message = f"must be a mapping of fields, not {value}"
        case "list_type" | "tuple_type":
            message, hint = f"must be a list, not {value}", "begin each item with a dash, or put the list in brackets"
        case "int_type" | "int_parsing" | "int_from_float":
            message, hint = f"must be a whole number, not {value}", _integer_hint(detail["input"])
        case "bool_type" | "bool_parsing":
            message = f"must be true or false, not {value}"
        case "string_too_long" | "too_long":
            unit = "characters" if detail["type"] == "string_too_long" else "items"
            message = f"must have at most {context['max_length']} {unit}"
        case _ if message.startswith("Input should be "):
            message = f"must be {message.removeprefix('Input should be ')}, not {value}"
    return ValidationIssue(path, message, hint)


def _empty(detail: ErrorDetails) -> tuple[str, str] | None:
    """Return the message and hint for an empty value; None if the value is not empty."""
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type") and detail["input"] is None:
        return "is empty", "indent its fields below it"
    if detail["type"] in ("string_too_short", "too_short") and not detail["input"]:
        return "must not be empty", ""
    return None


def _size_hint(value: object) -> str:
    """Return a hint for a size in nginx's notation; Kubernetes' `m` means a thousandth."""
    size = re.fullmatch(r"([0-9]+)([mg])", value) if isinstance(value, str) else None
    return f"write {size[1]}{size[2].upper()}i" if size else ""


def _string_hint(value: object) -> str:
    if isinstance(value, bool):
        return _QUOTES
    return f'write it in quotes: "{_yaml(value)}"' if isinstance(value, int | float) else ""


def _integer_hint(value: object) -> str:
    return f"write it without quotes: {value}" if isinstance(value, str) and value.isdecimal() else ""
