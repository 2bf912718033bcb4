"""Command `appstack run`: run the operator."""

from __future__ import annotations

import argparse
import logging
import os
from typing import get_args

from pydantic.alias_generators import to_camel

from appstack.cli import EXIT_ERROR, settings
from appstack.errors import AppStackError
from appstack.settings import Settings

EXAMPLES = """\
examples:
  appstack run --namespaces 'dev-*' team-a
  appstack run --settings settings.yaml --kubeconfig ~/.kube/staging --log-level debug
"""
_DEFAULTS = Settings()
_SETTINGS_FLAGS = (
    "namespaces",
    "exclude_namespaces",
    "listen",
    "health_port",
    "metrics_port",
    "log_format",
    "log_level",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    settings.add_flag(parser)
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig file (default: $KUBECONFIG or ~/.kube/config)")
    group = parser.add_argument_group("settings", "These flags take precedence over the settings file.")
    group.add_argument("--namespaces", nargs="+", metavar="PATTERN", help="namespaces to reconcile (default: all)")
    group.add_argument("--exclude-namespaces", nargs="+", metavar="PATTERN", help="namespaces to exclude")
    group.add_argument(
        "--listen",
        metavar="ADDRESS",
        help="listen address of both ports (default: 0.0.0.0 in a pod, else 127.0.0.1)",
    )
    group.add_argument(
        "--health-port",
        type=int,
        metavar="PORT",
        help=f"port of /livez and /readyz (default: {_DEFAULTS.health_port})",
    )
    group.add_argument(
        "--metrics-port", type=int, metavar="PORT", help=f"port of /metrics (default: {_DEFAULTS.metrics_port})"
    )
    group.add_argument(
        "--log-format", choices=_choices("log_format"), help=f"format of log lines (default: {_DEFAULTS.log_format})"
    )
    group.add_argument(
        "--log-level", choices=_choices("log_level"), help=f"lowest level to log (default: {_DEFAULTS.log_level})"
    )


def _choices(setting: str) -> tuple[str, ...]:
    """Return the values of a setting that is an enumeration."""
    return get_args(Settings.model_fields[setting].annotation)


def run(args: argparse.Namespace) -> int:
    """Run the operator until SIGTERM or SIGINT."""
    overrides = {to_camel(flag): getattr(args, flag) for flag in _SETTINGS_FLAGS if getattr(args, flag) is not None}
    operator_settings = settings.load(args.settings, overrides=overrides)
    if "listen" not in operator_settings.model_fields_set and "KUBERNETES_SERVICE_HOST" not in os.environ:
        operator_settings = operator_settings.model_copy(update={"listen": "127.0.0.1"})
    if args.kubeconfig:
        os.environ["KUBECONFIG"] = args.kubeconfig
    from appstack.operator import run as run_operator  # noqa: PLC0415  # the other commands start without kopf

    try:
        run_operator(operator_settings)
    except AppStackError as error:
        if operator_settings.log_format == "text":
            raise
        logging.getLogger("appstack").critical("%s", error)
        return EXIT_ERROR
    return 0
