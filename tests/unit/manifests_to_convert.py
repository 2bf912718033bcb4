"""Kubernetes objects as input of a conversion, and the conversion of YAML."""

from __future__ import annotations

from typing import Any

import yaml

from appstack.convert import Conversion, Result, convert
from appstack.settings import Settings

Manifest = dict[str, Any]


def conversion(*texts: str) -> Conversion:
    """Return the conversion of all objects in YAML texts."""
    documents = [each for text in texts for each in yaml.safe_load_all(text) if each]
    return convert(documents, settings=Settings())


def only(*texts: str) -> Result:
    """Return the one AppStack of an input."""
    (result,) = conversion(*texts).results
    return result


def spec(*texts: str) -> Manifest:
    """Return the spec of the one AppStack of an input."""
    return dict(only(*texts).document["spec"])


def notes(*texts: str) -> list[str]:
    """Return all notes on an input, those on its objects first."""
    found = conversion(*texts)
    return [str(each) for each in (*found.notes, *(note for result in found.results for note in result.notes))]


def differences(*texts: str) -> list[str]:
    """Return the differences between the one AppStack of an input and its source."""
    comparison = only(*texts).comparison
    assert comparison is not None, notes(*texts)
    return [str(each) for each in comparison.differences]


def deployment(pod: str = "", spec: str = "", *, name: str = "shop", labels: str = "app: shop") -> str:
    """Return a Deployment with one container `backend`; `pod` is YAML of further PodSpec fields in flow style."""
    container = "{name: backend, image: 'shop:1', ports: [{containerPort: 8000}]}"
    pod_fields = pod if "containers:" in pod else f"containers: [{container}], {pod}"
    return f"""
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{{labels}}}}}
  template:
    metadata: {{labels: {{{labels}}}}}
    spec: {{{pod_fields}}}
  {spec}
"""


def service(spec: str, *, name: str = "shop", metadata: str = "") -> str:
    """Return a Service that selects the pods of `deployment`; `spec` is YAML of further fields in flow style."""
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, {metadata}}}
spec: {{selector: {{app: shop}}, {spec}}}
"""
