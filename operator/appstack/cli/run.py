"""`appstack run`: the operator itself."""

from __future__ import annotations

import argparse
import logging
import os

from pydantic.alias_generators import to_camel

from appstack.cli import UNUSABLE, settings
from appstack.errors import AppStackError

HELP = "run the operator: in a pod, or from a shell against the current kubeconfig"
EXAMPLES = """\
examples:
  appstack run --namespaces 'dev-*' team-a
  appstack run --settings settings.yaml --kubeconfig ~/.kube/staging --log-level debug
"""
_OWN = "namespaces exclude_namespaces listen health_port metrics_port log_format log_level"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags: what is given here wins over the file."""
    settings.add_flag(parser)
    parser.add_argument("--kubeconfig", metavar="FILE", help="instead of $KUBECONFIG and ~/.kube/config")
    own = parser.add_argument_group("settings", "win over those of the file")
    own.add_argument("--namespaces", nargs="+", metavar="PATTERN", help="reconcile these only")
    own.add_argument("--exclude-namespaces", nargs="+", metavar="PATTERN", help="leave these alone")
    own.add_argument("--listen", metavar="ADDRESS", help="where health and metrics answer; from a shell 127.0.0.1")
    own.add_argument("--health-port", type=int, metavar="PORT", help="the port of /livez and /readyz")
    own.add_argument("--metrics-port", type=int, metavar="PORT", help="the port of /metrics")
    own.add_argument("--log-format", metavar="FORMAT", help="text or json")
    own.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error")


def run(args: argparse.Namespace) -> int:
    """Run until told to stop."""
    given = {to_camel(name): getattr(args, name) for name in _OWN.split() if getattr(args, name) is not None}
    chosen = settings.load(args.settings, instead=given)
    if "listen" not in chosen.model_fields_set and "KUBERNETES_SERVICE_HOST" not in os.environ:
        chosen = chosen.model_copy(update={"listen": "127.0.0.1"})  # a shell: nobody else needs to ask
    if args.kubeconfig:
        os.environ["KUBECONFIG"] = args.kubeconfig
    from appstack.operator import run as operate  # noqa: PLC0415  # the operator is imported by this command only

    try:
        operate(chosen)
    except AppStackError as error:
        if chosen.log_format == "text":
            raise
        logging.getLogger("appstack").critical("%s", error)
        return UNUSABLE
    return 0
