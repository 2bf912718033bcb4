"""What a user may write: our fields ours, Kubernetes' fields imported. One module per topic. PURE."""

from appstack.model.parsing import parse
from appstack.model.stack import AppStack, AppStackSpec

__all__ = ["AppStack", "AppStackSpec", "parse"]
