"""What is Kubernetes' own: references, labels, selectors, quantities and managed fields. PURE."""
