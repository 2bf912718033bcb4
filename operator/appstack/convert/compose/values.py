"""Short forms of the values in a compose file, each brought into its long form."""

from __future__ import annotations

import math
import re
import shlex
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

_DURATION: Final = re.compile(r"(?:(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d|w))")
_UNITS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)b?", re.IGNORECASE)
MAX_PORTS: Final = 1000
_PORT: Final = re.compile(
    r"(?:(?P<ip>\[[^\]]+\]|[^:]+|)(?=:[^:]*:):)?(?:(?P<published>[^:]*):)?(?P<target>[0-9-]+)(?:/(?P<protocol>[a-z]+))?"
)


def _text(value: Any) -> str:
    """Return a scalar as docker compose writes it: booleans in lower case, numbers in their shortest form."""
    if isinstance(value, float) and math.isfinite(value):
        return _number(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: float) -> str:
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if -4 <= exponent < 6:
        return format(number, "f")
    mantissa = number.scaleb(-exponent)
    return f"{mantissa}e{exponent:+03d}"


def pairs(value: Any) -> Any:
    """Return `[NAME=value, …]` as a mapping."""
    if isinstance(value, list):
        pairs = (str(item).partition("=") for item in value)
        return {name: text if equals else None for name, equals, text in pairs}
    if isinstance(value, dict):
        return {str(name): None if inner is None else _text(inner) for name, inner in value.items()}
    return value


def hosts(value: Any) -> Any:
    """Return `[name:address, …]` as a mapping to lists of addresses."""
    if isinstance(value, list):
        found: dict[str, list[str]] = {}
        for item in value:
            name, _, address = str(item).partition("=" if "=" in str(item) else ":")
            found.setdefault(name, []).append(address.strip("[]"))
        return found
    if isinstance(value, dict):
        return {name: inner if isinstance(inner, list) else [str(inner)] for name, inner in value.items()}
    return value


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


def _texts(value: Any) -> Any:
    value = _list(value)
    return [_text(item) for item in value] if isinstance(value, list) else value


def _command(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else _texts(value)


def names(value: Any) -> Any:
    """Return a list of names as a mapping from each name to its options."""
    if isinstance(value, list):
        return {str(name): {} for name in value}
    return {name: inner or {} for name, inner in value.items()} if isinstance(value, dict) else value


def seconds(value: Any) -> float:
    """Return a duration such as `1m30s` in seconds. Raise ValueError for other text."""
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration: write 30s or 1m30s")
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))


def size(value: Any) -> int:
    """Return a size such as `512m` in bytes. Raise ValueError for other text."""
    if isinstance(value, int | float):
        return int(value)
    found = _BYTES.fullmatch(str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is not a size: write 512m or 1g")
    return int(float(found[1]) * 1024 ** "bkmgt".index(found[2].lower() or "b"))


Pairs = Annotated[dict[str, str | None], BeforeValidator(pairs)]
Texts = Annotated[list[str], BeforeValidator(_texts)]
Command = Annotated[list[str], BeforeValidator(_command)]
Duration = Annotated[float, BeforeValidator(seconds)]
Size = Annotated[int, BeforeValidator(size)]


def ports(value: Any) -> Any:
    return [port for item in value for port in _expanded(item)] if isinstance(value, list) else value


def _expanded(item: Any) -> list[Any]:
    """Return the ports of one entry; a range of ports is several."""
    if isinstance(item, dict):
        return [item]
    found = _PORT.fullmatch(str(item))
    if not found:
        raise ValueError(f"{item!r} is not a port: write 8080:80, 127.0.0.1:8080:80 or 53:53/udp")
    targets, published = _range(found["target"]), _range(found["published"] or "")
    if len(published) != len(targets):
        published = [found["published"]] * len(targets) if published else [None] * len(targets)
    fixed = {"protocol": found["protocol"] or "tcp", "host_ip": (found["ip"] or "").strip("[]") or None}
    return [{"target": target, "published": each, **fixed} for target, each in zip(targets, published, strict=True)]


def port_numbers(first: str, last: str) -> range:
    """Return the numbers of a range of ports, the first thousand of a longer one: a file may name any numbers."""
    return range(int(first), int(last) + 1)[:MAX_PORTS]


def _range(text: str) -> list[Any]:
    first, dash, last = text.partition("-")
    if not dash:
        return [text] if text else []
    return [str(number) for number in port_numbers(first, last)]


def mounts(value: Any) -> Any:
    return (
        [item if isinstance(item, dict) else _mount(str(item)) for item in value] if isinstance(value, list) else value
    )


def _mount(text: str) -> dict[str, Any]:
    """Return `source:target:mode` as a mount; a source that is a path is a bind mount."""
    source, *rest = re.split(r":(?![\\/]{2})", text) if not re.match(r"[A-Za-z]:[\\/]", text) else [text]
    if not rest:
        return {"type": "volume", "target": source}
    modes = rest[1].split(",") if len(rest) > 1 else []
    kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    return {"type": kind, "source": source, "target": rest[0], "read_only": "ro" in modes}


def grants(value: Any) -> Any:
    return [{"source": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value


def env_files(value: Any) -> Any:
    value = _list(value)
    return [{"path": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value


def build(value: Any) -> Any:
    return {"context": value} if isinstance(value, str) else value
