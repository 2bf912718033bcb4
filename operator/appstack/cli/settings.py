"""Operator settings from a file and from flags."""

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
    parser.add_argument(
        "--settings",
        metavar="FILE",
        help="YAML file with operator settings (the `settings:` block of the chart values)",
    )


def load(path: str | None, *, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings: overrides, then the file, then the defaults. Raise OperatorError for invalid settings."""
    document = _load_file(path) if path else {}
    try:
        return Settings.model_validate({**document, **(overrides or {})})
    except pydantic.ValidationError as error:
        problems = "; ".join(_problem(one["loc"], _message(one["type"], one["msg"])) for one in error.errors())
        source = f"{documents.display_name(path)}: " if path else ""
        raise OperatorError(f"{source}{problems}", "docs/reference.md lists the settings") from None


def _load_file(path: str) -> documents.Document:
    found = documents.load(path)
    if len(found) > 1:
        message = f"{documents.display_name(path)} contains {len(found)} YAML documents"
        raise OperatorError(message, "Write all settings into one document")
    return found[0] if found else {}


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _problem(location: tuple[int | str, ...], message: str) -> str:
    return f"{_path(location)}: {message}" if location else message.removeprefix("Value error, ")


def _message(error_type: str, message: str) -> str:
    if error_type == "extra_forbidden":
        return "unknown setting"
    return message.replace("Input should be", "must be", 1)
