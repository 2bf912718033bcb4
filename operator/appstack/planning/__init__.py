"""Desired state of an AppStack, plan to reach it, and back-off against drift."""
