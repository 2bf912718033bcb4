"""What a user may write: our fields ours, Kubernetes' fields imported. One module per topic. PURE."""

from appstack.api.parsing import parse
from appstack.api.stack import AppStack, AppStackSpec

__all__ = ["AppStack", "AppStackSpec", "parse"]
