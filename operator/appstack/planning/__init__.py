"""The desired state, and the plan that leads to it. PURE."""
