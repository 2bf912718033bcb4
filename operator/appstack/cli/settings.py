"""Operator settings from a file and from flags."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from appstack.cli import documents
from appstack.errors import OperatorError
from appstack.policy.model import PodSecurityPolicy, Policy
from appstack.policy.pod_security import Level
from appstack.settings import REPLACED_SETTINGS, Settings


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
        problems = "; ".join(_problem(one) for one in error.errors())
        source = f"{documents.display_name(path)}: " if path else ""
        raise OperatorError(f"{source}{problems}", "docs/reference.md lists the settings") from None


def without_warnings() -> Settings:
    """Return the default settings without the policy's warnings, which only a known administrator can ask for."""
    pod_security = PodSecurityPolicy(warn=Level.PRIVILEGED)
    return Settings(policy=Policy(pod_security=pod_security))


def _load_file(path: str) -> documents.Document:
    found = documents.load(path)
    if len(found) > 1:
        message = f"{documents.display_name(path)} contains {len(found)} YAML documents"
        raise OperatorError(message, "Write all settings into one document")
    return found[0] if found else {}


def _path(location: tuple[int | str, ...]) -> str:
    """Return the path of a setting, without the alternatives of a type that pydantic adds to a location."""
    names = (part for part in location if isinstance(part, int) or "[" not in part)
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names).lstrip(".")


def _problem(error: ErrorDetails) -> str:
    return f"{_path(error['loc'])}: {_message(error)}" if error["loc"] else _message(error)


def _message(error: ErrorDetails) -> str:
    replacement = REPLACED_SETTINGS.get(str(error["loc"][-1])) if error["loc"] else None
    if error["type"] == "extra_forbidden":
        return f"is replaced by {replacement}" if replacement else "unknown setting"
    return error["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
