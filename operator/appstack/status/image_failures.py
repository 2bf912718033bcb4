"""Detector of images that cannot be pulled, by cause."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from appstack.api.status import Problem
from appstack.status.container_state import ContainerState

_CAUSES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"toomanyrequests|rate limit|429 Too Many",
        "The registry limits the rate of pulls: log in with spec.pod.imagePullSecrets, or use a mirror",
    ),
    (
        r"no match for platform|does not match the specified platform",
        "The image has no variant for the node's architecture: build it for that, or select nodes with "
        "spec.pod.nodeSelector kubernetes.io/arch",
    ),
    (
        r"unauthorized|authentication required|no basic auth|denied|forbidden|insufficient_scope|403",
        "The registry refuses access: set spec.pod.imagePullSecrets to a Secret with credentials, or correct the name",
    ),
    (
        r"x509|certificate|http: server gave HTTP response",
        "The node does not trust the registry's certificate: configure the node's container runtime",
    ),
    (
        r"no such host|dial tcp|i/o timeout|connection refused|connection reset|network is unreachable|deadline",
        "The node cannot reach the registry: check the registry's host name and the node's network",
    ),
    (
        r"not found|manifest unknown|does not exist|NAME_UNKNOWN|MANIFEST_UNKNOWN",
        "The registry has no such image: correct the name or the tag",
    ),
)
"""Patterns of the runtime's message with the hint, the most specific first: a refusal also says "does not exist"."""


class ImagePullFailed:
    """Detect a container that waits for an image that the node does not have."""

    HINTS: ClassVar = {
        "InvalidImageName": "Correct the image name",
        "ErrImageNeverPull": "The image is not on the node and imagePullPolicy is Never: load it, or change the policy",
        "ErrImagePull": "",
        "ImagePullBackOff": "",
        "ImageInspectError": "",
        "RegistryUnavailable": "The registry does not answer; the kubelet retries",
        "SignatureValidationFailed": "The image's signature does not satisfy the node's policy: sign the image",
    }
    BACK_OFF_PREFIX: ClassVar = re.compile(r'^Back-off pulling image "[^"]*"(: ErrImagePull: )?')
    DEFAULT_HINT: ClassVar = (
        "Check the image's name and tag, the node's access to the registry, and imagePullSecrets of a private registry"
    )

    def detect(self, state: ContainerState) -> Problem | None:
        """Return the problem with the runtime's message: the same during an attempt and during the back-off."""
        reason = state.waiting.get("reason", "")
        if reason not in self.HINTS:
            return None
        message = self.BACK_OFF_PREFIX.sub("", state.waiting.get("message", "")) or "The image cannot be pulled"
        stable_reason = "ImagePullBackOff" if reason == "ErrImagePull" else reason
        field = "imagePullPolicy" if reason == "ErrImageNeverPull" and "imagePullPolicy" in state.author else "image"
        return state.problem(
            stable_reason,
            message,
            hint=self.HINTS[reason] or self._hint(message),
            field_path=f"{self._owner(state)}.{field}" if state.field_path else "",
        )

    def _owner(self, state: ContainerState) -> str:
        """Return the field of the container that has the image: a container without one inherits the backend's."""
        inherits = state.field_path.startswith(("spec.initContainers[", "spec.sidecars[", "spec.proxy.static["))
        return "spec.backend" if inherits and "image" not in state.author else state.field_path

    def _hint(self, message: str) -> str:
        causes = (hint for pattern, hint in _CAUSES if re.search(pattern, message, re.IGNORECASE))
        return next(causes, self.DEFAULT_HINT)
