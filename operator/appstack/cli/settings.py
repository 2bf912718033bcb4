"""The operator's settings from a file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import pydantic

from appstack.cli import documents
from appstack.errors import OperatorError
from appstack.settings import Settings


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--settings`."""
    parser.add_argument("--settings", metavar="FILE", help="the operator's settings, as the chart's `settings:`")


def load(path: str | None, *, instead: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of a file, the defaults where there is none; `instead` wins over both."""
    written = _mapping(path) if path else {}
    try:
        return Settings.model_validate({**written, **(instead or {})})
    except pydantic.ValidationError as error:
        wrong = "; ".join(f"{_path(one['loc'])}: {_what(one['type'], one['msg'])}" for one in error.errors())
        source = f"{documents.shown(path)}: " if path else ""
        raise OperatorError(f"{source}{wrong}", "docs/reference.md lists the settings") from None


def _mapping(path: str) -> documents.Document:
    found = documents.read(path)
    if len(found) > 1:
        raise OperatorError(f"{documents.shown(path)} holds {len(found)} documents", "Settings are one")
    return found[0] if found else {}


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _what(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown setting"
    return message.replace("Input should be", "must be", 1)
