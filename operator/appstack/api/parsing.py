"""From a document to an AppStack, or to every fault in its shape. PURE."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pydantic
from pydantic_core import ErrorDetails, to_json

from appstack.api.stack import AppStack
from appstack.errors import InvalidSpec, ValidationIssue

MOST: Final = 64 << 10
"""Bytes of a spec: checks compare every part of it with every other, and everybody waits meanwhile."""

_COPIED: Final = ("content", "base64", "config", "server")  # texts that no check compares, with bounds of their own

# Kubernetes takes a number where it wants a quantity (`cpu: 2`); the client's models want the string.
_QUANTITY_MAPS: Final = frozenset({"requests", "limits", "overhead"})
_QUANTITIES: Final = frozenset({"sizeLimit", "divisor"})

_OF_ONE_VALUE: Final = frozenset(
    {
        *("extra_forbidden", "string_type", "string_pattern_mismatch", "string_too_long", "string_too_short"),
        *("int_type", "int_from_float", "int_parsing", "greater_than_equal", "less_than_equal"),
        *("bool_type", "bool_parsing", "enum", "less"),
    }
)
"""What is wrong with a word or a number: what else is wrong can be told without it."""

FORMS: Final[Mapping[str, tuple[str, str]]] = {
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": ("a name", "a-z, 0-9 and -, with a letter or digit at both ends"),
    r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$": ("a name", "a-z, 0-9, - and ., with a letter or digit at both ends"),
    r"^/": ("an absolute path", "begin with /"),
    r"^/([A-Za-z0-9._~-]+/)*$": ("a URL's prefix", "begin and end with /, for example /static/"),
    r"^[0-9]+([KMG]i?|k)?$": ("a size", "for example 512k, 10Mi or 1Gi"),
    r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$": (
        "a host's name",
        "small letters, for example shop.example.com or *.example.com",
    ),
}
"""What the patterns of the model stand for, and how to write it."""

_QUOTES: Final = "put quotes around it: without them YAML reads y, n, yes, no, on and off as true or false"
_NUMBER: Final = re.compile(r"(0|[1-9][0-9]*)$")  # less what may be octal: 0644
_PARTS: Final = "spec.backend is the container, spec.pod the rest of the pod"
_CONTAINERS: Final = "the main container is spec.backend, others are spec.sidecars"
_ACCOUNT: Final = "write spec.serviceAccount: {create: false, name: …}"
ELSEWHERE: Final[Mapping[str, str]] = {
    "spec.template": _PARTS,
    "spec.selector": _PARTS,
    "spec.containers": _CONTAINERS,
    "spec.pod.containers": _CONTAINERS,
    "spec.pod.initContainers": "write spec.initContainers",
    "spec.pod.volumes": "write spec.volumes",
    "spec.pod.serviceAccount": _ACCOUNT,
    "spec.pod.serviceAccountName": _ACCOUNT,
    "spec.workload.cronJob.jobTemplate": "write spec.workload.job",
}
"""What people bring along from a Deployment or a CronJob, and where it stands here."""


def parse(document: Mapping[str, Any]) -> AppStack:
    """Return the stack that a document describes; raise InvalidSpec with a fault for each field of wrong shape."""
    size = _size(document)
    if size > MOST:
        what = f"has {size} bytes beside the contents of its files and of nginx.conf, and {MOST} are the most"
        raise InvalidSpec(
            (ValidationIssue("spec", what, "put long texts into spec.files, or make several AppStacks of it"),)
        )
    try:
        return AppStack.model_validate(_with_quantities(document))
    except pydantic.ValidationError as error:
        raise InvalidSpec(_faults(_details(error), document)) from None


def rest(document: Mapping[str, Any]) -> AppStack | None:
    """Return the stack with its fields of wrong shape as they were meant, or without them.

    None where they are more than single values, or required.
    """
    if _size(document) > MOST:
        return None
    whole = _with_quantities(document)
    try:
        return AppStack.model_validate(whole)
    except pydantic.ValidationError as error:
        details = _details(error)
    if any(detail["type"] not in _OF_ONE_VALUE for detail in details):
        return None
    try:
        return AppStack.model_validate(_mended(whole, _meant(details, document)))
    except pydantic.ValidationError:
        return None


def _size(document: Mapping[str, Any]) -> int:
    """Return the bytes of a document's spec as JSON, less what is only copied: contents of files and nginx.conf."""
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        return 0
    copied = [spec.get("proxy"), *(files if isinstance(files := spec.get("files"), list) else ())]
    found = (one.get(key) for one in copied if isinstance(one, Mapping) for key in _COPIED)
    texts = [text for text in found if isinstance(text, str)]
    try:
        return len(to_json(spec, serialize_unknown=True)) - sum(len(to_json(text)) for text in texts)
    except ValueError:  # nested without an end: the model says so
        return 0


def _details(error: pydantic.ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=True)


def _meant(details: Sequence[ErrorDetails], document: Mapping[str, Any]) -> dict[str, int | str | None]:
    """Return for each path of wrong shape what the value was meant to be; None where nobody can tell."""
    meant: dict[str, int | str | None] = {}
    for detail in details:
        value = detail["input"]
        for path in _paths(detail, document):
            if detail["type"] == "int_type" and isinstance(value, str) and _NUMBER.match(value):
                meant[path] = int(value)
            elif detail["type"] == "string_type" and isinstance(value, int | float):
                meant[path] = _shown(value)
            else:
                meant[path] = None
    return meant


def _mended(value: Any, meant: Mapping[str, int | str | None], *, at: str = "") -> Any:
    """Return a document with what was meant at these paths, and without those of which nobody can tell."""
    if at in meant:
        return meant[at]
    if isinstance(value, list):
        return [_mended(item, meant, at=f"{at}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    located = {key: f"{at}.{key}".removeprefix(".") for key in value}
    kept = {key: path for key, path in located.items() if meant.get(path, path) is not None}
    return {key: _mended(value[key], meant, at=path) for key, path in kept.items()}


def _with_quantities(value: Any) -> Any:
    """Return a document in which quantities that are written as numbers are strings."""
    if isinstance(value, list):
        return [_with_quantities(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {key: _with_quantities(item) for key, item in value.items()}
    for key in _QUANTITIES & found.keys():
        found[key] = _quantity(found[key])
    for key in _QUANTITY_MAPS & found.keys():
        if isinstance(found[key], dict):
            found[key] = {name: _quantity(item) for name, item in found[key].items()}
    return found


def _quantity(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _faults(details: Sequence[ErrorDetails], document: Mapping[str, Any]) -> tuple[ValidationIssue, ...]:
    """Return one fault for each field: the branches of a union complain one by one about the same one."""
    issues: dict[str, ValidationIssue] = {}
    for path, detail in ((path, each) for each in details for path in _paths(each, document)):
        shown = _shown(detail["input"])
        if path in issues:
            issues[path] = ValidationIssue(path, "must be a whole number or a string", hint=f"not {shown}")
        elif path.endswith(".mode") and detail["type"] in ("less_than_equal", "greater_than_equal"):
            issues[path] = ValidationIssue(
                path, f"must be from 0 to 0777, not {shown}", "in octal, with a 0 before it: 0644"
            )
        elif path in ELSEWHERE and detail["type"] in ("extra_forbidden", "less"):
            issues[path] = ValidationIssue(path, "can't be set here", ELSEWHERE[path])
        elif empty := _empty(detail):
            issues[path] = ValidationIssue(path, *empty)
        else:
            issues[path] = _fault(path, detail)
    return tuple(issues.values())


def _paths(detail: ErrorDetails, document: Mapping[str, Any]) -> list[str]:
    """Return the fields that a complaint is about: one, but of those that can't be set all that are."""
    path = field_path(_within(detail["loc"], document, missing=detail["type"] == "missing"))
    return [f"{path}.{name}" for name in detail["ctx"]["names"]] if detail["type"] == "less" else [path]


def _within(location: Sequence[int | str], document: Any, *, missing: bool) -> list[int | str]:
    """Return the part of a location that lies in the document: pydantic adds the branches of unions to it."""
    parts: list[int | str] = []
    for part in location:
        inside = isinstance(document, Mapping) and part in document
        if inside or (isinstance(document, list) and isinstance(part, int) and part < len(document)):
            parts.append(part)
            document = document[part]
        elif missing and part == location[-1]:
            parts.append(part)
    return parts


def field_path(location: Sequence[int | str]) -> str:
    """Return a location in Kubernetes' notation: `spec.sidecars[0].name`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _shown(value: object) -> str:
    """Return a value as YAML has it, cut where it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, skipkeys=True, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _fault(path: str, detail: ErrorDetails) -> ValidationIssue:
    """Return a fault in our own words for what people get wrong, and in pydantic's for the rest."""
    context = detail.get("ctx", {})
    shown = _shown(detail["input"])
    what, hint = detail["msg"], ""
    match detail["type"]:
        case "missing":
            what = "is required"
        case "extra_forbidden":
            what = "unknown field"
        case "string_type":
            what, hint = f"must be a string, not {shown}", _quoted(detail["input"])
        case "literal_error" | "enum":
            what = f"must be {context['expected']}, not {shown}"
        case "string_pattern_mismatch":
            form, hint = FORMS[context["pattern"]]
            what = f"{shown} is not {form}"
        case "model_type" | "model_attributes_type" | "dict_type":
            what = f"must be a mapping of fields, not {shown}"
        case "list_type" | "tuple_type":
            what, hint = f"must be a list, not {shown}", "write it with dashes, or in brackets"
        case "int_type" | "int_parsing" | "int_from_float":
            what, hint = f"must be a whole number, not {shown}", _unquoted(detail["input"])
        case "bool_type" | "bool_parsing":
            what = f"must be true or false, not {shown}"
        case "string_too_long" | "too_long":
            what = f"is too long: at most {context['max_length']}"
        case _ if what.startswith("Input should be "):
            what = f"must be {what.removeprefix('Input should be ')}, not {shown}"
    return ValidationIssue(path, what, hint)


def _empty(detail: ErrorDetails) -> tuple[str, str] | None:
    """Return what to say where nothing is written at all."""
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type") and detail["input"] is None:
        return "is empty", "indent what belongs to it"
    if detail["type"] in ("string_too_short", "too_short") and not detail["input"]:
        return "must not be empty", ""
    return None


def _quoted(value: object) -> str:
    if isinstance(value, bool):
        return _QUOTES
    return f'write it in quotes: "{_shown(value)}"' if isinstance(value, int | float) else ""


def _unquoted(value: object) -> str:
    return f"write it without quotes: {value}" if isinstance(value, str) and value.isdecimal() else ""
