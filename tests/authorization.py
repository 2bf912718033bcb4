"""The chart's admission policies as Helm renders them, without Helm: their template uses few of its expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

import yaml

from appstack.k8s.metadata import Manifest
from tools.admission_policy import TEMPLATE
from tools.chart import CHART

FULLNAME: Final = '{{ include "appstack.fullname" . }}'
LABELS: Final = '{{- include "appstack.labels" . | nindent 4 }}'
USERS: Final = "{{ .Values.admission.bypass.users | toJson }}"
GROUPS: Final = "{{ .Values.admission.bypass.groups | toJson }}"


def policies(
    fullname: str = "appstack",
    *,
    authorize: bool = True,
    secrets: bool = False,
    users: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> list[Manifest]:
    """Return the policies and bindings of a release; raise AssertionError for an unknown expression of Helm."""
    values = {"authorize": authorize, "authorizeSecrets": secrets}
    text = _rendered(TEMPLATE.name, fullname, values)
    text = text.replace(USERS, json.dumps(list(users))).replace(GROUPS, json.dumps(list(groups)))
    assert "{{" not in text
    return list(yaml.safe_load_all(text)) if text else []


def bounds(fullname: str, *, spec_size: bool = False, leases: bool = False) -> list[Manifest]:
    """Return the policies and bindings of a release that bound specs, and Leases of operators."""
    text = _rendered("bounds.yaml", fullname, {"specSize": spec_size, "leases": leases})
    assert "{{" not in text
    return [document for document in yaml.safe_load_all(text) if document]


def _rendered(template: str, fullname: str, values: Mapping[str, bool]) -> str:
    """Return a template with the parts that the values below `admission` include."""
    included, lines = [True], []
    for line in (CHART / "templates" / template).read_text().splitlines():
        if condition := re.fullmatch(r"\{\{- if \.Values\.admission\.(\w+) }}", line):
            included.append(included[-1] and values[condition[1]])
        elif line == "{{- end }}":
            included.pop()
        elif included[-1] and not re.fullmatch(r"\{\{- /\* .* \*/ -}}", line):
            lines.append(line.replace(LABELS, '{"helm.sh/chart": appstack}'))
    assert included == [True]
    return "\n".join(lines).replace(FULLNAME, fullname)
