"""Reconcile AppStacks: read the caches, apply the children, write the status."""
