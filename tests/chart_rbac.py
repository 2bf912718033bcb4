"""The operator's permissions in the chart, without Helm: the lines with its expressions are left out."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import yaml

from appstack.k8s.metadata import Manifest
from tools.chart import CHART

TEMPLATES: Final = CHART / "templates"
_NAMESPACED: Final = re.compile(r'{{- define "appstack.namespacedRules" -}}\n(.*?)\n{{- end -}}', re.DOTALL)
_CONDITION: Final = re.compile(r"{{- if \.Values\.rbac\.kinds\.(\w+) }}\n(.*?)\n{{- end }}\n", re.DOTALL)


def optional_kinds() -> list[str]:
    """Return the values below `rbac.kinds` that the rules depend on."""
    return [match[1] for match in _CONDITION.finditer(_namespaced_text())]


def namespaced_rules(disabled: Collection[str] = ()) -> list[Manifest]:
    """Return the rules for the reconciled namespaces; `disabled` are values below `rbac.kinds`."""
    text = _CONDITION.sub(lambda match: "" if match[1] in disabled else f"{match[2]}\n", _namespaced_text())
    assert "{{" not in text
    rules: list[Manifest] = yaml.safe_load(text)
    return rules


def cluster_rules() -> list[Manifest]:
    """Return the rules of the ClusterRole that every installation has."""
    return _rules("ClusterRole")


def lease_rules() -> list[Manifest]:
    """Return the rules of the Role for the operator's Lease, without its name."""
    return _rules("Role")


def _namespaced_text() -> str:
    found = _NAMESPACED.search((TEMPLATES / "_rbac.tpl").read_text())
    assert found
    return found[1]


def _rules(kind: str) -> list[Manifest]:
    """Return the rules of the last document of a kind in rbac.yaml, which has no conditions."""
    text = "\n".join(line for line in (TEMPLATES / "rbac.yaml").read_text().splitlines() if "{{" not in line)
    documents = [document for document in yaml.safe_load_all(text) if document["kind"] == kind]
    rules: list[Manifest] = documents[-1]["rules"]
    return rules
