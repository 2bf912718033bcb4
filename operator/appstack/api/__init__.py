"""The AppStack API: spec and status models, parsing, and the CustomResourceDefinition generated from the models.

AppStack's own fields are defined here; fields of Kubernetes types are imported (`kube`). One module per topic.
"""

from appstack.api.parsing import parse
from appstack.api.stack import AppStack, AppStackSpec

__all__ = ["AppStack", "AppStackSpec", "parse"]
